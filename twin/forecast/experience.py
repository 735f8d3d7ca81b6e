"""What a site has lived through, stops and drifts, and what that says about those to come.

Law: lines note what happens in their records; forecasts read only what was taken over from the records last midnight
(UTC). So a forecast does not move because another line stopped, and every figure can be told as "as of last night".
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

LONG_STOP_S: Final = 7200.0
"""Working time from which a stop is an event of its own and no part of the usual pace. Smaller: the usual loss of a
line is told as bad luck; larger: one breakdown spoils the expected pace of weeks."""

LENGTH_EDGES_S: Final = tuple(300.0 * 2.0**power for power in range(10))
"""Stops are counted by length: under 5 min, 5 to 10, ... each class twice as long, from 43 h on."""

PRIOR_STOPS: Final = 5.0
"""Stops of usual lengths that a site's own are blended with. Smaller: a long one is unthinkable until there was one."""

PRIOR_LENGTH_S: Final = 1200.0
PRIOR_TAIL: Final = 1.2
"""The usual lengths: the share longer than x is (1 + x / 20 min) ** -1.2; 10 % last over 2 h, 2 % over 8 h."""

PRIOR_STOPS_PER_S: Final = 1.0 / (25.0 * 3600.0)
"""A stop each 25 h of production, while there is little or no production to tell from."""

PRIOR_PRODUCTION_S: Final = 24.0 * 3600.0
"""The prior speaks for the part of this that a site's lines have not yet produced, and not at all after it."""

SITE_WEIGHT_S: Final = 100.0 * 3600.0
"""Production for which a line's own stops weigh as much as those of its site. Smaller: chance decides; larger: lines
that differ are taken for alike."""

DRIFT_WEIGHT_S: Final = 20.0 * 3600.0
"""Drifting that is added to what was seen, so that one short drift does not promise that all are short."""

HALF_LIFE_DAYS: Final = 60.0
"""After this long what happened counts half: plants change."""


class LineRecord(msgspec.Struct):
    """What was noted of a line: counts and sums, all fading with HALF_LIFE_DAYS. Seconds of working time.

    Attributes:
        stops: ended stops by length (LENGTH_EDGES_S).
        short_s, short_s2: lost to stops of at most LONG_STOP_S, and the sum of the squares of their lengths.
        produced_s: production up to the last take-over; what came since is in the line's state.
        drifts_ended, drifted_s: drifts that are over, and how long they lasted together.
    """

    stops: list[float] = msgspec.field(default_factory=lambda: [0.0] * (len(LENGTH_EDGES_S) + 1))
    short_s: float = 0.0
    short_s2: float = 0.0
    produced_s: float = 0.0
    drifts_ended: float = 0.0
    drifted_s: float = 0.0

    def note_stop(self, length_s: float) -> None:
        """A stop is over."""
        self.stops[bisect_right(LENGTH_EDGES_S, length_s)] += 1.0
        if length_s <= LONG_STOP_S:
            self.short_s += length_s
            self.short_s2 += length_s * length_s

    def note_drift(self, length_s: float) -> None:
        """A drift is over."""
        self.drifts_ended += 1.0
        self.drifted_s += length_s

    def fade(self, days: float) -> None:
        """So many days passed."""
        share = 0.5 ** (days / HALF_LIFE_DAYS)
        self.stops = [count * share for count in self.stops]
        self.short_s *= share
        self.short_s2 *= share
        self.produced_s *= share
        self.drifts_ended *= share
        self.drifted_s *= share

    def encode(self) -> bytes:
        """JSON of the record."""
        return msgspec.json.encode(self)


class Habits(msgspec.Struct, frozen=True):
    """What to expect of a line, per second of its production.

    Attributes:
        stops_per_s: stops of any length.
        short_share: working time lost to stops of at most LONG_STOP_S; short_var_s: variance of that loss, s.
        drift_ends_per_s: chance that a drift ends; 0: nobody has seen one end, it is taken to last.
    """

    stops_per_s: float = PRIOR_STOPS_PER_S
    short_share: float = 0.0
    short_var_s: float = 0.0
    drift_ends_per_s: float = 0.0


CALM: Final = Habits(stops_per_s=0.0)
"""Nothing ever happens."""


class Experience(msgspec.Struct, frozen=True):
    """What forecasts of a site go by, as of the last take-over.

    Attributes:
        stops: ended stops of all its lines by length.
        typical: of a line that nothing is known of; lines: of those that have produced.
    """

    stops: list[float] = msgspec.field(default_factory=lambda: [0.0] * (len(LENGTH_EDGES_S) + 1))
    typical: Habits = Habits()
    lines: dict[str, Habits] = msgspec.field(default_factory=dict)

    def of(self, line_id: str) -> Habits:
        """What to expect of a line."""
        return self.lines.get(line_id, self.typical)

    def share_longer(self, length_s: float) -> float:
        """Share of stops that last longer, blended with the usual lengths; 1 at 0, falling."""
        if length_s <= 0.0:
            return 1.0
        above = share_above(self.stops, length_s)
        usual: float = (1.0 + length_s / PRIOR_LENGTH_S) ** -PRIOR_TAIL
        return (above + PRIOR_STOPS * usual) / (sum(self.stops) + PRIOR_STOPS)

    def encode(self) -> bytes:
        """JSON of the figures."""
        return msgspec.json.encode(self)


UNKNOWN: Final = Experience()
"""Of a site before its first midnight."""


def share_above(stops: Sequence[float], length_s: float) -> float:
    """Stops longer than a length, of counts by class; a class is spread evenly over the log of lengths."""
    place = bisect_right(LENGTH_EDGES_S, length_s)
    if place == 0:
        part = length_s / LENGTH_EDGES_S[0]
    else:
        part = math.log2(length_s / LENGTH_EDGES_S[place - 1])
    return sum(stops[place + 1 :]) + stops[place] * max(0.0, 1.0 - part)


def learned(records: Mapping[str, LineRecord], drifting_s: float) -> Experience:
    """What a site's records say.

    Args:
        records: of its lines, by id; the order of ids is that of the answer.
        drifting_s: working time that drifts which still go on have lasted.
    """
    produced_s = sum(record.produced_s for record in records.values())
    missing_s = max(0.0, PRIOR_PRODUCTION_S - produced_s)
    known_s = max(1.0, produced_s + missing_s)
    stops = [sum(counts) for counts in zip(*(record.stops for record in records.values()), strict=True)]
    drifted_s = sum(record.drifted_s for record in records.values()) + drifting_s
    typical = Habits(
        stops_per_s=(sum(stops) + missing_s * PRIOR_STOPS_PER_S) / known_s,
        short_share=sum(record.short_s for record in records.values()) / known_s,
        short_var_s=sum(record.short_s2 for record in records.values()) / known_s,
        drift_ends_per_s=sum(record.drifts_ended for record in records.values())
        / (drifted_s + DRIFT_WEIGHT_S),
    )
    return Experience(
        stops=stops or [0.0] * (len(LENGTH_EDGES_S) + 1),
        typical=typical,
        lines={line_id: _blended(record, typical) for line_id, record in records.items()},
    )


def _blended(record: LineRecord, typical: Habits) -> Habits:
    known_s = record.produced_s + SITE_WEIGHT_S
    return Habits(
        stops_per_s=(sum(record.stops) + SITE_WEIGHT_S * typical.stops_per_s) / known_s,
        short_share=(record.short_s + SITE_WEIGHT_S * typical.short_share) / known_s,
        short_var_s=(record.short_s2 + SITE_WEIGHT_S * typical.short_var_s) / known_s,
        drift_ends_per_s=typical.drift_ends_per_s,
    )


def lasting_s(ends_per_s: float, within_s: float) -> float:
    """Expected time that a drift goes on within so much production: (1 - exp(-e t)) / e, all of it if e is 0."""
    if ends_per_s <= 0.0:
        return within_s
    return -math.expm1(-ends_per_s * within_s) / ends_per_s


def lasting_var(ends_per_s: float, within_s: float) -> float:
    """Variance of that time."""
    if ends_per_s <= 0.0:
        return 0.0
    passed = ends_per_s * within_s
    mean_square = 2.0 / ends_per_s**2 * (1.0 - math.exp(-passed) * (1.0 + passed))
    return max(0.0, mean_square - lasting_s(ends_per_s, within_s) ** 2)
