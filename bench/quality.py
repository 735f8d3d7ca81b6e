"""How soon a rise of the share of bad pieces is found, how exactly it is dated, and how often a steady line alarms.

Simulated lines of 500 pieces an hour work two shifts of 8 h a day, counted every 5 minutes: 192 buckets of 41 or 42
pieces, judged after each by twin.quality as the twin does it. Bad pieces come by chance (independent), or in clusters:
the rate of each bucket is drawn anew from a Gamma distribution with a coefficient of variation of 1. A rise begins at a
random bucket of the third day and lasts; what was not found within five days is shown as none.

    python -m bench quality, or with other numbers python -m bench.quality [--runs 100] [--line-days 400] [--seed 1]
"""

import argparse
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bench.results import Machine, Result, result, this_machine
from twin.quality.bad_share import QualityBucket, QualityState, detect, drop_oldest, prior_of, step
from twin.quality.quality_series import BUCKETS_KEPT

BUCKET_S = 300.0
BUCKETS_A_DAY = 192
PIECES_A_BUCKET = 500 / 12
LONGEST_WAIT = 5 * BUCKETS_A_DAY

Rates = Callable[[random.Random, float], Iterator[float]]


def independent(rng: random.Random, rate: float) -> Iterator[float]:
    """The same rate in every bucket."""
    while True:
        yield rate


def clustered(rng: random.Random, rate: float) -> Iterator[float]:
    """A rate for each bucket: most have none, some have several."""
    while True:
        yield min(1.0, rng.gammavariate(1.0, rate))


KINDS: dict[str, Rates] = {"independent": independent, "clustered": clustered}


def buckets_of(
    rng: random.Random, kind: str, rate: float, ratio: float, change: int
) -> Iterator[QualityBucket]:
    """Endless buckets of a line; from the bucket with number change on the rate is ratio times as high."""
    rates, made = KINDS[kind](rng, rate), 0.0
    index = 0
    while True:
        shown = math.floor(made)
        made += PIECES_A_BUCKET
        pieces = math.floor(made) - shown
        p = next(rates) * (ratio if index >= change else 1.0)
        bad = sum(rng.random() < p for _ in range(pieces))
        start_s = index * BUCKET_S
        yield QualityBucket(start_s, start_s + BUCKET_S, float(pieces), float(bad), 0.0, "R")
        index += 1


class Watched:
    """A series as the twin keeps it: a window, and what left it as a sum."""

    def __init__(self, expected: float) -> None:
        self.state, self.window, self.prior = QualityState(), list[QualityBucket](), prior_of(expected)

    def add(self, bucket: QualityBucket) -> None:
        """The next bucket."""
        self.window.append(bucket)
        if len(self.window) > BUCKETS_KEPT:
            self.state = drop_oldest(self.state, self.window.pop(0))


def time_to_detect(
    rng: random.Random, kind: str, rate: float, ratio: float, expected: float
) -> tuple[float, float] | None:
    """Pieces from the change to the alarm, and pieces by which its date is off; None: not within five days.

    Alarms before the change are the other figure: the series begins anew after one.
    """
    change = 2 * BUCKETS_A_DAY + rng.randrange(BUCKETS_A_DAY)
    series = Watched(expected)
    for index, bucket in enumerate(buckets_of(rng, kind, rate, ratio, change)):
        series.add(bucket)
        found = detect(series.state, series.window, series.prior)
        if found is None:
            if index >= change + LONGEST_WAIT:
                return None
        elif index < change:
            series = Watched(expected)
        else:
            off = abs(found.since_s / BUCKET_S - change)
            return (index + 1 - change) * PIECES_A_BUCKET, off * PIECES_A_BUCKET
    raise AssertionError("buckets end")


def false_alarms(rng: random.Random, kind: str, rate: float, line_days: int, expected: float) -> int:
    """Alarms of a line whose rate never changes, cleared ones raised again included."""
    alarms = 0
    series = Watched(expected)
    stream = buckets_of(rng, kind, rate, 1.0, 0)
    for _ in range(line_days * BUCKETS_A_DAY):
        series.add(next(stream))
        series.state, change = step(series.state, series.window, series.prior)
        alarms += change is not None and change.kind == "shifted"
    return alarms


def time_to_clear(rng: random.Random, kind: str, rate: float, ratio: float) -> float:
    """Pieces from the end of a rise that lasted a day until it is cleared."""
    series = Watched(rate)
    over = 3 * BUCKETS_A_DAY
    raised = buckets_of(rng, kind, rate, ratio, 2 * BUCKETS_A_DAY)
    steady = buckets_of(rng, kind, rate, 1.0, 0)
    for index in range(over + LONGEST_WAIT):
        each = next(raised if index < over else steady)
        start_s = index * BUCKET_S
        series.add(QualityBucket(start_s, start_s + BUCKET_S, each.made, each.scrap, 0.0, "R"))
        series.state, change = step(series.state, series.window, series.prior)
        if index >= over and change is not None and change.kind == "cleared":
            return (index + 1 - over) * PIECES_A_BUCKET
    return math.inf


def measure(
    machine: Machine, *, quick: bool = False, runs: int = 100, line_days: int = 400, seed: int = 1
) -> Iterator[Result]:
    """All figures.

    Args:
        machine: for the results.
        quick: few runs and days, to see that it works.
        runs: rises of each kind; line_days: days of steady lines; seed: of everything random.
    """
    if quick:
        runs, line_days = 5, 2
    for kind in KINDS:
        for rate in (0.005, 0.01, 0.03):
            case = f"{kind}_{rate * 100:g}pct"
            rng = random.Random(f"{seed} {case} flat")
            alarms = false_alarms(rng, kind, rate, line_days, rate) * 100 / line_days
            yield replace(
                _row(f"{case}_false_alarms_in_100_line_days", "alarms", [alarms], machine), runs=line_days
            )
            for ratio in (3.0, 5.0):
                rng = random.Random(f"{seed} {case} {ratio}")
                answers = [time_to_detect(rng, kind, rate, ratio, rate) for _ in range(runs)]
                yield from _rise_rows(f"{case}_x{ratio:g}", answers, machine)
            rng = random.Random(f"{seed} {case} clear")
            waits = [time_to_clear(rng, kind, rate, 5.0) for _ in range(max(1, runs // 8))]
            yield _row(f"{case}_x5_cleared_after_median", "pieces", waits, machine)


def _rise_rows(
    case: str, answers: Sequence[tuple[float, float] | None], machine: Machine
) -> Iterator[Result]:
    found = [answer for answer in answers if answer is not None]
    waits = sorted(math.inf if answer is None else answer[0] for answer in answers)
    yield _row(f"{case}_found_after_median", "pieces", waits, machine)
    p90 = _row(f"{case}_found_after_p90", "pieces", waits, machine)
    yield p90.with_value(waits[int(0.9 * len(waits))])
    if found:
        yield _row(f"{case}_since_error_median", "pieces", [each[1] for each in found], machine)
    missed = _row(f"{case}_missed_in_5_days", "share", [1.0 - len(found) / len(answers)], machine)
    yield replace(missed, runs=len(answers))


def _row(metric: str, unit: str, values: Sequence[float], machine: Machine) -> Result:
    return result("quality", metric, unit, values, machine)


def main() -> None:
    """Print the figures with other numbers of runs than `python -m bench quality` has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--line-days", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = measure(this_machine(), runs=options.runs, line_days=options.line_days, seed=options.seed)
    for row in rows:
        print(row.to_json(), flush=True)


if __name__ == "__main__":
    main()
