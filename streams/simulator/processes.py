"""The random processes of a line: speed, unlogged drifts, stops, scrap. Each has its own stream of random numbers.

Speed is the product of three families: a slow autocorrelated lognormal (people, material), a gamma jitter of each
report, and micro stops (Poisson arrivals, lognormal length) that nobody logs. All have mean 1, so that without a
drift a line makes its planned rate. A detector tuned to Gaussian noise only will not like it.
"""

import math
from dataclasses import dataclass
from random import Random

from streams.simulator.settings import BREAKDOWN_SHARE, STOP_EVERY_H
from streams.simulator.truth import DriftTruth, ScrapShiftTruth

DAY_S = 86_400.0
HOUR_S = 3_600.0

SLOW_SPREAD = 0.06
"""Log deviation of the slow part at noise 1."""
SLOW_MEMORY_S = 2_700.0
JITTER_SPREAD = 0.04
"""Deviation of the jitter of a five-minute report at noise 1."""
MICRO_STOPS_PER_H = 1.5
MICRO_STOP_MEDIAN_S = 35.0
MICRO_STOP_SPREAD = 0.8
RUN_SPREAD = 0.01
"""Deviation of a whole run's own speed at noise 1: products differ from their routing."""

MEAN_MICRO_LOSS = MICRO_STOPS_PER_H / HOUR_S * MICRO_STOP_MEDIAN_S * math.exp(MICRO_STOP_SPREAD**2 / 2.0)
"""Share of time lost to micro stops on average; the planned rate knows of it."""

LEAST_STEP_S = 10.0

STOP_MEDIAN_MIN = 22.0
STOP_SPREAD = 0.9
STOPS = (
    ("jam", True),
    ("tool change", True),
    ("operator missing", True),
    ("adjustment", True),
    ("blocked downstream", False),
    ("starved upstream", False),
)
"""Reasons, and whether their cause is inside the line (HELD) or outside (SUSPENDED)."""


class Speed:
    """Speed of a line relative to its planned rate, step by step; drifts not included."""

    def __init__(self, rng: Random, noise: float) -> None:
        self._rng = rng
        self._noise = noise
        self._slow = 0.0

    def factor(self, step_s: float) -> float:
        """Mean speed over the next step_s seconds, relative to plan."""
        if self._noise == 0.0:
            return 1.0
        rng, step_s = self._rng, max(LEAST_STEP_S, step_s)
        spread = SLOW_SPREAD * self._noise
        memory = math.exp(-step_s / SLOW_MEMORY_S)
        self._slow = memory * self._slow + spread * math.sqrt(1.0 - memory**2) * rng.gauss(0.0, 1.0)
        scale = (JITTER_SPREAD * self._noise) ** 2 * 300.0 / step_s
        jitter = rng.gammavariate(1.0 / scale, scale)
        return math.exp(self._slow - spread**2 / 2.0) * jitter * self._micro(step_s)

    def of_run(self) -> float:
        """A run's own factor."""
        return math.exp(self._rng.gauss(0.0, RUN_SPREAD * self._noise)) if self._noise else 1.0

    def _micro(self, step_s: float) -> float:
        lost_s, at_s = 0.0, self._rng.expovariate(MICRO_STOPS_PER_H / HOUR_S)
        while at_s < step_s:
            lost_s += self._rng.lognormvariate(math.log(MICRO_STOP_MEDIAN_S), MICRO_STOP_SPREAD)
            at_s += self._rng.expovariate(MICRO_STOPS_PER_H / HOUR_S)
        return max(0.02, 1.0 - lost_s / step_s) / (1.0 - MEAN_MICRO_LOSS)


def draw_drifts(rng: Random, line_id: str, start_s: float, end_s: float) -> list[DriftTruth]:
    """Drifts of a line, one after the other: mostly slower, some faster, a third of them creep in."""
    drifts = []
    at_s = start_s + rng.expovariate(1.0 / (4.0 * DAY_S))
    while at_s < end_s:
        size = -rng.triangular(0.03, 0.18, 0.07) if rng.random() < 0.85 else rng.uniform(0.03, 0.07)
        ramp_s = rng.uniform(4.0, 16.0) * HOUR_S if rng.random() < 0.33 else 0.0
        lasts_s = ramp_s + rng.lognormvariate(math.log(2.0), 0.6) * DAY_S
        drifts.append(DriftTruth(line_id, at_s, at_s + ramp_s, at_s + lasts_s, round(size, 4)))
        at_s += lasts_s + rng.expovariate(1.0 / (6.0 * DAY_S))
    return drifts


def draw_scrap_shifts(rng: Random, line_id: str, start_s: float, end_s: float) -> list[ScrapShiftTruth]:
    """Times at which a line makes several times its usual scrap."""
    shifts = []
    at_s = start_s + rng.expovariate(1.0 / (8.0 * DAY_S))
    while at_s < end_s:
        lasts_s = rng.uniform(3.0, 20.0) * HOUR_S
        shifts.append(ScrapShiftTruth(line_id, at_s, at_s + lasts_s, round(rng.uniform(2.5, 7.0), 2)))
        at_s += lasts_s + rng.expovariate(1.0 / (8.0 * DAY_S))
    return shifts


def draw_pieces(rng: Random, most: int, wanted: int, scrap_share: float) -> tuple[int, int]:
    """Good and scrap pieces, one after the other, up to `most` in all or `wanted` good ones."""
    good = scrap = 0
    while good + scrap < most:
        until_bad = most
        if scrap_share > 0.0:  # how many good ones come before the next bad one
            until_bad = math.floor(math.log(1.0 - rng.random()) / math.log1p(-scrap_share))
        good += min(until_bad, wanted - good, most - good - scrap)
        if good == wanted or good + scrap == most:
            break
        scrap += 1
    return good, scrap


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop about to begin; expected_min is what people on the line say, None where nobody does."""

    reason: str
    is_internal: bool
    lasts_s: float
    expected_min: float | None


class Stops:
    """When a line stops while it runs, and for how long."""

    def __init__(
        self,
        rng: Random,
        is_on: bool,
        every_h: float = STOP_EVERY_H,
        breakdown_share: float = BREAKDOWN_SHARE,
    ) -> None:
        self._rng = rng
        self._is_on = is_on
        self._every_s = every_h * HOUR_S
        self._breakdown_share = breakdown_share

    def next_after_s(self) -> float:
        """Seconds of running until the next stop."""
        return 60.0 + round(self._rng.expovariate(1.0 / self._every_s)) if self._is_on else math.inf

    def draw(self) -> Stop:
        """The stop that begins now."""
        rng = self._rng
        reason, is_internal = rng.choice(STOPS)
        lasts_s = rng.lognormvariate(math.log(STOP_MEDIAN_MIN * 60.0), STOP_SPREAD)
        if rng.random() < self._breakdown_share:
            reason, is_internal, lasts_s = "breakdown", True, lasts_s * 10.0
        guess = float(max(5, round(lasts_s * rng.uniform(0.5, 1.5) / 300.0) * 5))
        return Stop(reason, is_internal, lasts_s, guess if rng.random() < 0.5 else None)


class Conditions:
    """The drifts and scrap shifts of one line, answered for a moment."""

    def __init__(self, drifts: list[DriftTruth], scrap_shifts: list[ScrapShiftTruth]) -> None:
        self._drifts = drifts
        self._scrap_shifts = scrap_shifts
        moments = [at for drift in drifts for at in (drift.start_s, drift.full_s, drift.end_s)]
        moments += [at for shift in scrap_shifts for at in (shift.start_s, shift.end_s)]
        self._boundaries = sorted(moments)

    def speed(self, at_s: float) -> float:
        """Factor on the speed."""
        for drift in self._drifts:
            if drift.start_s <= at_s < drift.full_s:
                return 1.0 + drift.size * (at_s - drift.start_s) / (drift.full_s - drift.start_s)
            if drift.full_s <= at_s < drift.end_s:
                return 1.0 + drift.size
        return 1.0

    def scrap(self, at_s: float) -> float:
        """Factor on the scrap."""
        for shift in self._scrap_shifts:
            if shift.start_s <= at_s < shift.end_s:
                return shift.factor
        return 1.0

    def next_boundary(self, at_s: float) -> float:
        """When something begins or ends next, math.inf if nothing does."""
        return next((moment for moment in self._boundaries if moment > at_s), math.inf)
