"""A straight line through points, and how sure its slope is: ordinary least squares."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

T_975 = 2.0
"""Two-sided 95 % of Student's t from sixty degrees of freedom on; with ten it would be 2.2."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A fitted line.

    Attributes:
        slope: of the line; low, high: its 95 % confidence interval.
        noise: standard deviation of the points around it.
    """

    slope: float
    low: float
    high: float
    noise: float


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """The line through (x, y), at least three points of different x.

    Points that hang together (a sawtooth) make the interval too narrow: average them over their period first.
    """
    assert len(points) >= 3, f"no slope through {len(points)} points"
    xs, ys = [x for x, _ in points], [y for _, y in points]
    line = statistics.linear_regression(xs, ys)
    errors = [y - (line.intercept + line.slope * x) for x, y in points]
    variance = math.fsum(error * error for error in errors) / (len(points) - 2)
    middle = statistics.fmean(xs)
    spread = math.fsum((x - middle) ** 2 for x in xs)
    half = T_975 * math.sqrt(variance / spread)
    return Trend(line.slope, line.slope - half, line.slope + half, math.sqrt(variance))


def percentile(values: Sequence[float], share: float) -> float:
    """The share of the values lies at or below it, by nearest rank."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
