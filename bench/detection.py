"""How soon drift is found, how exactly its beginning is dated, and how often a steady line alarms.

First the statistics alone: lines as buckets (noisy_lines.py), judged after each bucket by twin.drift. Noise of 15 % in
a bucket is Gaussian, Student t with 4 degrees of freedom (scaled to the same standard deviation), or autoregressive
with coefficient 0.3 between buckets. A drift begins at a random bucket of the second day, half of them faster than
plan and half slower, at once or creeping in over 8 h. What was not found within five days counts as infinitely late,
and is shown as none. Beside each step stands what theory allows: the mean delay of a CUSUM told the size, at one
false alarm in 30 line-days; and that CUSUM on lines of the same kind.

Then the same through the twin, from events to signals (told_lines.py): the 8 % drift on lines with shifts and breaks;
and lines on plan with everything that is no drift: setups longer than planned, short runs, stops, counters that begin
anew, late counts, wrong ones put right, repeats.

    foresite bench detection, or with other numbers python -m bench.detection [--runs 200] [--line-days 1500] [--seed 1]
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.noisy_lines import (
    RAMP_H,
    Drift,
    Found,
    Noise,
    autoregressive,
    buckets_of,
    cusum_bound_h,
    false_alarms,
    gaussian,
    student_t4,
    time_to_clear,
    time_to_cusum,
    time_to_detect,
)
from bench.results import Machine, Result, result, this_machine
from bench.told_lines import TOLD_DAYS, on_plan_alarms, told_drift
from twin.shopfloor.drift import detect

OTHER_NOISES: dict[str, Noise] = {"student_t4": student_t4, "ar1_0.3": autoregressive}


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything is simulated.

    Attributes:
        runs: drifts of the main case, 8 % at once under Gaussian noise; fewer of the others.
        line_days: of steady lines under Gaussian noise; a third of it under the others.
        told_lines: lines that go through the twin.
    """

    runs: int = 200
    line_days: int = 1500
    told_lines: int = 24


FULL = Size()
QUICK = Size(runs=6, line_days=3, told_lines=2)


def measure(
    machine: Machine, *, quick: bool = False, seed: int = 1, size: Size | None = None
) -> Iterator[Result]:
    """All figures.

    Args:
        machine: for the results.
        quick: few runs and days, to see that it works.
        seed: of everything random.
        size: how much; None: what quick says.
    """
    size = size or (QUICK if quick else FULL)
    yield from _main_case(machine, seed, size)
    for percent, ramp_h in ((3, 0.0), (20, 0.0), (3, RAMP_H), (8, RAMP_H), (20, RAMP_H)):
        name = f"{percent}_percent" + ("_ramp" if ramp_h else "")
        answers = _answers(f"{seed} {name}", gaussian, percent / 100.0, ramp_h, max(4, size.runs // 4))
        bound_h = None if ramp_h else cusum_bound_h(percent / 100.0)
        yield from _drift_rows(name, answers, bound_h, machine)
    for name, noise in OTHER_NOISES.items():
        for percent in (8, 20):
            answers = _answers(
                f"{seed} {name} {percent}", noise, percent / 100.0, 0.0, max(4, size.runs // 4)
            )
            yield from _drift_rows(f"{percent}_percent_{name}", answers, None, machine)
        line_days = max(1, size.line_days // 3)
        alarms = false_alarms(random.Random(f"{seed} {name} flat"), noise, line_days)
        yield _rate_row(f"false_alarms_per_30_line_days_{name}", alarms, line_days, machine)
    waits = [
        time_to_clear(random.Random(f"{seed} clear {index}"), gaussian, Drift(-0.08))
        for index in range(max(2, size.runs // 8))
    ]
    yield _row("median_clearing_h_after_8_percent", "working hours", waits, machine)
    yield from _told_rows(machine, seed, size.told_lines)
    timings = detection_cost_us()
    yield _row("detect_300_buckets", "us", timings, machine).with_value(min(timings))


def _main_case(machine: Machine, seed: int, size: Size) -> Iterator[Result]:
    """The 8 % drift at once, Gaussian noise, both directions, and the false alarms of the same detector."""
    answers = _answers(f"{seed} 8_percent", gaussian, 0.08, 0.0, size.runs)
    peers = [
        time_to_cusum(random.Random(f"{seed} cusum {index}"), Drift(0.08 if index % 2 else -0.08))
        for index in range(size.runs)
    ]
    rows = list(_drift_rows("8_percent", answers, cusum_bound_h(0.08), machine))
    told = statistics.median(peers)
    delay = statistics.median(_delays(answers))
    yield rows[0].with_peer("cusum_told_the_size", delay / told) if math.isfinite(delay) else rows[0]
    yield from rows[1:]
    for name, half in (("slow", answers[::2]), ("fast", answers[1::2])):
        yield _row(f"median_delay_h_at_8_percent_{name}", "working hours", _delays(half), machine)
    alarms = false_alarms(random.Random(f"{seed} flat"), gaussian, size.line_days)
    yield _rate_row("false_alarms_per_30_line_days", alarms, size.line_days, machine)


def _answers(seed: str, noise: Noise, size: float, ramp_h: float, runs: int) -> list[Found | None]:
    """Slow and fast drifts in turn."""
    return [
        time_to_detect(random.Random(f"{seed} {index}"), noise, Drift(size if index % 2 else -size, ramp_h))
        for index in range(runs)
    ]


def _delays(answers: Sequence[Found | None]) -> list[float]:
    return [math.inf if answer is None else answer.after_h for answer in answers]


def _drift_rows(
    case: str, answers: Sequence[Found | None], bound_h: float | None, machine: Machine
) -> Iterator[Result]:
    """Delay (the median first), error of the date and of the size, what was missed, and the bound."""
    found = [answer for answer in answers if answer is not None]
    waits = sorted(_delays(answers))
    median = _row(f"median_delay_h_at_{case}", "working hours", waits, machine)
    mean = statistics.fmean(waits)
    mean_row = median.with_value(mean)
    if bound_h is None:
        yield median
        yield replace(mean_row, metric=f"mean_delay_h_at_{case}")
    else:
        yield median
        beside = (
            mean_row.with_peer("theoretical_cusum_bound", mean / bound_h) if math.isfinite(mean) else mean_row
        )
        yield replace(beside, metric=f"mean_delay_h_at_{case}")
        yield _row(f"theoretical_cusum_bound_h_at_{case}", "working hours, mean", [bound_h], machine)
    yield replace(median, metric=f"p90_delay_h_at_{case}").with_value(waits[int(0.9 * len(waits))])
    if found:
        errors = [each.since_error_h for each in found]
        yield _row(f"median_since_error_h_at_{case}", "hours", errors, machine)
        yield _row(
            f"median_size_error_at_{case}", "share of plan", [each.delta_error for each in found], machine
        )
    missed = _row(f"missed_in_5_days_at_{case}", "share", [1.0 - len(found) / len(answers)], machine)
    yield replace(missed, runs=len(answers))


def _told_rows(machine: Machine, seed: int, lines: int) -> Iterator[Result]:
    """What comes out of the real twin."""
    told = told_drift(seed, lines, -0.08)
    delays = [math.inf if each is None else each.after_h for each in told]
    yield _row("median_delay_h_at_8_percent_through_twin", "working hours", delays, machine)
    found = [each.since_error_h for each in told if each is not None]
    if found:
        yield _row("median_since_error_h_at_8_percent_through_twin", "hours", found, machine)
    for metric, noise_sd in (
        ("false_alarms_setups_breaks_short_runs", 0.01),
        ("false_alarms_setups_breaks_short_runs_at_15_percent_noise", 0.15),
    ):
        alarms, line_days = on_plan_alarms(seed, lines, noise_sd)
        yield _rate_row(metric, alarms, line_days, machine)
    assert TOLD_DAYS > 0


def detection_cost_us() -> list[float]:
    """Several timings of one detect on 300 buckets without an alarm; the fastest is the least disturbed."""
    stream = buckets_of(random.Random(5), gaussian, Drift(0.0), 0)
    window = [next(stream) for _ in range(300)]
    assert detect(window) is None
    timings = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(50):
            detect(window)
        timings.append((time.perf_counter() - start) / 50 * 1e6)
    return timings


def _rate_row(metric: str, alarms: int, line_days: float, machine: Machine) -> Result:
    """Alarms in 30 line-days; the runs are the line-days behind it."""
    row = _row(metric, "alarms in 30 line-days", [alarms * 30 / line_days], machine)
    return replace(row, runs=max(1, round(line_days)))


def _row(metric: str, unit: str, values: Sequence[float], machine: Machine) -> Result:
    return result("detection", metric, unit, values, machine)


def main() -> None:
    """Print the figures with other numbers of runs than `foresite bench detection` has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=FULL.runs)
    parser.add_argument("--line-days", type=int, default=FULL.line_days)
    parser.add_argument("--told-lines", type=int, default=FULL.told_lines)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    size = Size(options.runs, options.line_days, options.told_lines)
    for row in measure(this_machine(), seed=options.seed, size=size):
        print(row.to_json(), flush=True)


if __name__ == "__main__":
    main()
