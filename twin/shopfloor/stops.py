"""Stops of a line: the present one, those that are over, stations that are down, and how long a stop may last.

Pure data and arithmetic: times are POSIX seconds, lengths are seconds of the line's working time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, pstdev
from typing import Literal

import msgspec

STOPS_KEPT = 50
"""Past stops kept a line. Fewer: rare long stops are forgotten; more: what the line was like months ago speaks."""

ENOUGH_STOPS = 5
"""Past stops that lasted longer than the present one, below which nothing is guessed. Fewer: a guess from an anecdote."""


class StationStop(msgspec.Struct, frozen=True):
    """A station that is down. is_external: starved or blocked, so that the cause is another one."""

    since: float
    is_external: bool
    reason: str | None
    expected_until: float | None
    event_id: str


class PresentStop(msgspec.Struct):
    """The stop that lasts.

    Attributes:
        run_id: the run that is held or suspended.
        by: "reported" by the line or its run; "station": a station is down and no pieces come.
        event_id: the event that said so; station_id: the station that is the cause, where one is down.
        expected_by: who said until when (that moment is the run's stopped_until), and in which event.
        is_told: a line_down signal was put out.
    """

    run_id: str
    since: float
    by: Literal["reported", "station"]
    event_id: str
    reason: str | None = None
    station_id: str | None = None
    expected_by: str | None = None
    expected_event_id: str | None = None
    is_told: bool = False


class PastStop(msgspec.Struct, frozen=True):
    """A stop that is over: from and until when. work_s: working time that it took."""

    at: float
    ended_at: float
    work_s: float
    reason: str | None
    station_id: str | None


class LineStops(msgspec.Struct):
    """All that is remembered of a line's stops; past: oldest first, at most STOPS_KEPT.

    Attributes:
        stations: those that are down, by id.
        last_piece_at: when pieces were last counted while a station was down.
    """

    present: PresentStop | None = None
    past: list[PastStop] = []
    stations: dict[str, StationStop] = {}
    last_piece_at: float | None = None

    def encode(self) -> bytes:
        """JSON of the stops."""
        return msgspec.json.encode(self)

    def close(self, moment: float, work_s: float) -> None:
        """The present stop is over after so much working time; one that took none leaves nothing to learn."""
        stop = self.present
        assert stop is not None
        self.present = None
        if work_s > 0.0:
            self.past.append(PastStop(stop.since, moment, work_s, stop.reason, stop.station_id))
            del self.past[:-STOPS_KEPT]

    @property
    def cause(self) -> tuple[str, StationStop] | None:
        """The station to name: the first with a cause of its own, else the first at all."""
        ranked = sorted((stop.is_external, stop.since, name) for name, stop in self.stations.items())
        return None if not ranked else (ranked[0][2], self.stations[ranked[0][2]])


@dataclass(frozen=True, slots=True)
class ExpectedLength:
    """How long a stop lasts in all, from the line's own history.

    Attributes:
        work_s: median length of the past stops that lasted longer than the present one has.
        sd_s: standard deviation of those lengths.
        n: how many they are.
        reason: they had this reason, None: any.
    """

    work_s: float
    sd_s: float
    n: int
    reason: str | None


def expected_length(past: Sequence[PastStop], lasted_s: float, reason: str | None) -> ExpectedLength | None:
    """What past stops say about one that has already lasted a while: half of those that lasted longer were over by then.

    Stops of the same reason speak if there are enough of them, else all.

    Returns:
        None where fewer than ENOUGH_STOPS lasted longer.
    """
    longer = [stop for stop in past if stop.work_s > lasted_s]
    alike = [] if reason is None else [stop for stop in longer if stop.reason == reason]
    for chosen, named in ((alike, reason), (longer, None)):
        if len(chosen) >= ENOUGH_STOPS:
            lengths = [stop.work_s for stop in chosen]
            return ExpectedLength(median(lengths), pstdev(lengths), len(lengths), named)
    return None
