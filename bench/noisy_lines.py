"""Simulated lines as buckets alone: noises, drifts, what finds them, and what theory says could.

A line makes 500 pieces an hour in two shifts of 8 h a day, 192 buckets of 300 s. Counts are whole pieces.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twin.shopfloor.drift import Bucket, DriftState, detect, step

BUCKET_S = 300.0
BUCKETS_A_DAY = 192
BUCKETS_AN_HOUR = 12
EXPECTED_PCS = 500 / 12
NOISE_SD = 0.15
LONGEST_WAIT = 5 * BUCKETS_A_DAY
WINDOW = 400

ALARM_EVERY = 30 * BUCKETS_A_DAY
"""Buckets between two false alarms that are allowed: one in 30 line-days."""

RAMP_H = 8.0
"""Working hours in which a drift that creeps in reaches its size."""

RENEWAL = 1.166
"""What a random walk of normal steps overshoots a boundary by, twice: Siegmund's correction of the threshold."""

Noise = Callable[[random.Random], Iterator[float]]


def gaussian(rng: random.Random) -> Iterator[float]:
    while True:
        yield rng.gauss(0.0, NOISE_SD)


def student_t4(rng: random.Random) -> Iterator[float]:
    while True:
        yield NOISE_SD / math.sqrt(2.0) * rng.gauss(0.0, 1.0) / math.sqrt(rng.gammavariate(2.0, 2.0) / 4.0)


def autoregressive(rng: random.Random) -> Iterator[float]:
    value = rng.gauss(0.0, NOISE_SD)
    while True:
        yield value
        value = 0.3 * value + math.sqrt(1.0 - 0.3**2) * rng.gauss(0.0, NOISE_SD)


@dataclass(frozen=True, slots=True)
class Drift:
    """A departure from plan.

    Attributes:
        delta: its size, -0.08 = 8 % under plan.
        ramp_h: working hours until it has that size; 0: at once.
    """

    delta: float
    ramp_h: float = 0.0

    def level(self, buckets_since: int) -> float:
        """Effectiveness so many buckets after its beginning."""
        ramp = self.ramp_h * BUCKETS_AN_HOUR
        if buckets_since < 0:
            return 1.0
        return 1.0 + self.delta * (1.0 if buckets_since >= ramp else (buckets_since + 0.5) / ramp)


@dataclass(frozen=True, slots=True)
class Found:
    """How a drift was found: working hours after it began, by how many its date is off, by how much its size."""

    after_h: float
    since_error_h: float
    delta_error: float


def buckets_of(rng: random.Random, noise: Noise, drift: Drift, change: int) -> Iterator[Bucket]:
    """Endless buckets of a line that is on plan until the drift begins with the bucket numbered change."""
    made, shown = 0.0, 0
    for index, error in enumerate(noise(rng)):
        made += max(0.0, EXPECTED_PCS * (drift.level(index - change) + error))
        count = math.floor(made)
        start_s = index * BUCKET_S
        yield Bucket(start_s, start_s + BUCKET_S, BUCKET_S, count - shown, EXPECTED_PCS)
        shown = count


def time_to_detect(rng: random.Random, noise: Noise, drift: Drift) -> Found | None:
    """What twin.drift finds of a drift that begins on the second day; None: nothing in five days.

    Alarms before it are the other figure: the history starts anew after one.
    """
    change = BUCKETS_A_DAY + rng.randrange(BUCKETS_A_DAY)
    window: list[Bucket] = []
    for index, bucket in enumerate(buckets_of(rng, noise, drift, change)):
        window = [*window[1 - WINDOW :], bucket]
        found = detect(window)
        if found is None:
            if index >= change + LONGEST_WAIT:
                return None
        elif index < change:
            window = []
        else:
            return Found(
                after_h=(index + 1 - change) * BUCKET_S / 3600.0,
                since_error_h=abs(found.since_s / BUCKET_S - change) * BUCKET_S / 3600.0,
                delta_error=abs(found.delta - drift.delta),
            )
    raise AssertionError("buckets end")


def false_alarms(rng: random.Random, noise: Noise, line_days: int) -> int:
    """Alarms of a line that is on plan; the history starts anew after each."""
    alarms = 0
    window: list[Bucket] = []
    stream = buckets_of(rng, noise, Drift(0.0), 0)
    for _ in range(line_days * BUCKETS_A_DAY):
        window = [*window[1 - WINDOW :], next(stream)]
        if detect(window) is not None:
            alarms += 1
            window = []
    return alarms


def time_to_clear(rng: random.Random, noise: Noise, drift: Drift) -> float:
    """Working hours from the end of a drift that lasted a day until it is cleared."""
    state = DriftState()
    window: list[Bucket] = []
    recovered = 2 * BUCKETS_A_DAY
    stream = buckets_of(rng, noise, drift, BUCKETS_A_DAY)
    on_plan = buckets_of(rng, noise, Drift(0.0), 0)
    for index in range(recovered + LONGEST_WAIT):
        bucket = next(stream if index < recovered else on_plan)
        start_s = index * BUCKET_S
        bucket = Bucket(start_s, start_s + BUCKET_S, BUCKET_S, bucket.made_pcs, bucket.expected_pcs)
        window = [*window[1 - WINDOW :], bucket]
        state, change = step(state, window)
        if index >= recovered and change is not None and change.kind == "cleared":
            return (index + 1 - recovered) * BUCKET_S / 3600.0
    return math.inf


# What theory says ------------------------------------------------------------------------------------------------


def cusum_threshold(size: float) -> float:
    """Threshold of a CUSUM of log likelihood ratios told the size, two of them together alarming as often as allowed.

    Siegmund's approximation (1985) of the mean time to a false alarm of one of them, with x the threshold plus its
    correction for overshoot and I = size^2 / (2 sigma^2): (e^x - x - 1) / I, solved for twice ALARM_EVERY.

    Args:
        size: of the drift, a share of plan, positive.

    Returns:
        x: the corrected threshold; the one to compare sums with is RENEWAL * size / sigma less.
    """
    information = (size / NOISE_SD) ** 2 / 2.0
    wanted = 2.0 * ALARM_EVERY * information
    low, high = 0.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if math.exp(middle) - middle - 1.0 < wanted else (low, middle)
    return (low + high) / 2.0


def cusum_bound_h(size: float) -> float:
    """Mean working hours to the alarm of that CUSUM, the drift beginning at its worst moment: (e^-x + x - 1) / I.

    No test of the same false alarm rate has a smaller worst mean (Lorden 1971, Moustakides 1986).
    """
    information = (size / NOISE_SD) ** 2 / 2.0
    x = cusum_threshold(size)
    return (math.exp(-x) + x - 1.0) / information / BUCKETS_AN_HOUR


def time_to_cusum(rng: random.Random, drift: Drift) -> float:
    """Working hours to the alarm of two CUSUMs told the size of the drift, on Gaussian noise: the peer in the same run."""
    size = abs(drift.delta)
    threshold = cusum_threshold(size) - RENEWAL * size / NOISE_SD
    change = BUCKETS_A_DAY + rng.randrange(BUCKETS_A_DAY)
    slow = fast = 0.0
    for index, bucket in enumerate(buckets_of(rng, gaussian, drift, change)):
        departure = bucket.made_pcs / bucket.expected_pcs - 1.0
        slow = max(0.0, slow + size * (-departure - size / 2.0) / NOISE_SD**2)
        fast = max(0.0, fast + size * (departure - size / 2.0) / NOISE_SD**2)
        if max(slow, fast) > threshold:
            if index >= change:
                return (index + 1 - change) * BUCKET_S / 3600.0
            slow = fast = 0.0
    raise AssertionError("buckets end")
