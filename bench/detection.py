"""How soon drift is found, how exactly its beginning is dated, and how often a steady line alarms.

Simulated lines of 500 pieces an hour work two shifts of 8 h a day, 192 buckets of 300 s, and are judged after each
bucket by twin.drift. Noise of 15 % in a bucket is Gaussian, Student t with 4 degrees of freedom (scaled to the same
standard deviation), or autoregressive with coefficient 0.3 between buckets. Counts are whole pieces. A drift begins at
a random bucket of the second day. What was not found within five days counts as infinitely late, and is shown as none.

    python -m bench detection, or with other numbers python -m bench.detection [--runs 100] [--line-days 300] [--seed 1]
"""

import argparse
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bench.results import Machine, Result, result, this_machine
from twin.drift import Bucket, DriftState, detect, step

BUCKET_S = 300.0
BUCKETS_A_DAY = 192
EXPECTED_PCS = 500 / 12
NOISE_SD = 0.15
LONGEST_WAIT = 5 * BUCKETS_A_DAY
WINDOW = 400

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


NOISES: dict[str, Noise] = {"gaussian": gaussian, "student_t4": student_t4, "ar1_0.3": autoregressive}


def buckets_of(rng: random.Random, noise: Noise, delta: float, change: int) -> Iterator[Bucket]:
    """Endless buckets of a line whose level is 1.0, and 1.0 + delta from the bucket with number change on."""
    made, shown = 0.0, 0
    for index, error in enumerate(noise(rng)):
        made += max(0.0, EXPECTED_PCS * (1.0 + (delta if index >= change else 0.0) + error))
        count = math.floor(made)
        start_s = index * BUCKET_S
        yield Bucket(start_s, start_s + BUCKET_S, BUCKET_S, count - shown, EXPECTED_PCS)
        shown = count


def time_to_detect(rng: random.Random, noise: Noise, delta: float) -> tuple[float, float, float] | None:
    """Hours from the change to the alarm, hours by which its date is off, and error of delta; None: not in 5 days.

    Alarms before the change are the other figure: the history starts anew after one.
    """
    change = BUCKETS_A_DAY + rng.randrange(BUCKETS_A_DAY)
    window: list[Bucket] = []
    for index, bucket in enumerate(buckets_of(rng, noise, delta, change)):
        window = [*window[1 - WINDOW :], bucket]
        found = detect(window)
        if found is None:
            if index >= change + LONGEST_WAIT:
                return None
        elif index < change:
            window = []
        else:
            hours = (index + 1 - change) * BUCKET_S / 3600.0
            return hours, abs(found.since_s / BUCKET_S - change) * BUCKET_S / 3600.0, abs(found.delta - delta)
    raise AssertionError("buckets end")


def false_alarms(rng: random.Random, noise: Noise, line_days: int) -> int:
    """Alarms of a line that is on plan; the history starts anew after each."""
    alarms = 0
    window: list[Bucket] = []
    stream = buckets_of(rng, noise, 0.0, 0)
    for _ in range(line_days * BUCKETS_A_DAY):
        window = [*window[1 - WINDOW :], next(stream)]
        if detect(window) is not None:
            alarms += 1
            window = []
    return alarms


def time_to_clear(rng: random.Random, noise: Noise, delta: float) -> float:
    """Working hours from the end of a drift that lasted a day until it is cleared."""
    state = DriftState()
    window: list[Bucket] = []
    recovered = 2 * BUCKETS_A_DAY
    stream = buckets_of(rng, noise, delta, BUCKETS_A_DAY)
    on_plan = buckets_of(rng, noise, 0.0, 0)
    for index in range(recovered + LONGEST_WAIT):
        bucket = next(stream if index < recovered else on_plan)
        start_s = index * BUCKET_S
        bucket = Bucket(start_s, start_s + BUCKET_S, BUCKET_S, bucket.made_pcs, bucket.expected_pcs)
        window = [*window[1 - WINDOW :], bucket]
        state, change = step(state, window)
        if index >= recovered and change is not None and change.kind == "cleared":
            return (index + 1 - recovered) * BUCKET_S / 3600.0
    return math.inf


def detection_cost_us() -> list[float]:
    """Several timings of one detect on 300 buckets without an alarm; the fastest is the least disturbed."""
    stream = buckets_of(random.Random(5), gaussian, 0.0, 0)
    window = [next(stream) for _ in range(300)]
    assert detect(window) is None
    timings = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(50):
            detect(window)
        timings.append((time.perf_counter() - start) / 50 * 1e6)
    return timings


def measure(
    machine: Machine, *, quick: bool = False, runs: int = 100, line_days: int = 300, seed: int = 1
) -> Iterator[Result]:
    """All figures.

    Args:
        machine: for the results.
        quick: few runs and days, to see that it works.
        runs: drifts of each kind; line_days: days of steady lines; seed: of everything random.
    """
    if quick:
        runs, line_days = 5, 2
    timings = detection_cost_us()
    yield _row("detect_300_buckets", "us", timings, machine).with_value(min(timings))
    for name, noise in NOISES.items():
        for delta in (-0.03, -0.08, 0.08, -0.20):
            if delta > 0.0 and noise is not gaussian:
                continue
            rng = random.Random(f"{seed} {name} {delta}")
            answers = [time_to_detect(rng, noise, delta) for _ in range(runs)]
            yield from _drift_rows(f"{name}_drift_{delta * 100:+.0f}pct", answers, machine)
        rng = random.Random(f"{seed} {name} flat")
        alarms = false_alarms(rng, noise, line_days) * 30 / line_days
        yield replace(
            _row(f"{name}_false_alarms_in_30_line_days", "alarms", [alarms], machine), runs=line_days
        )
        rng = random.Random(f"{seed} {name} clear")
        waits = [time_to_clear(rng, noise, -0.08) for _ in range(max(1, runs // 8))]
        yield _row(f"{name}_cleared_after_median", "working hours", waits, machine)


def _drift_rows(
    case: str, answers: Sequence[tuple[float, float, float] | None], machine: Machine
) -> Iterator[Result]:
    found = [answer for answer in answers if answer is not None]
    waits = sorted(math.inf if answer is None else answer[0] for answer in answers)
    yield _row(f"{case}_found_after_median", "working hours", waits, machine)
    p90 = _row(f"{case}_found_after_p90", "working hours", waits, machine)
    yield p90.with_value(waits[int(0.9 * len(waits))])
    if found:
        yield _row(f"{case}_since_error_median", "hours", [each[1] for each in found], machine)
        yield _row(f"{case}_delta_error_median", "share", [each[2] for each in found], machine)
    missed = _row(f"{case}_missed_in_5_days", "share", [1.0 - len(found) / len(answers)], machine)
    yield replace(missed, runs=len(answers))


def _row(metric: str, unit: str, values: Sequence[float], machine: Machine) -> Result:
    return result("detection", metric, unit, values, machine)


def main() -> None:
    """Print the figures with other numbers of runs than `python -m bench detection` has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--line-days", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = measure(this_machine(), runs=options.runs, line_days=options.line_days, seed=options.seed)
    for row in rows:
        print(row.to_json(), flush=True)


if __name__ == "__main__":
    main()
