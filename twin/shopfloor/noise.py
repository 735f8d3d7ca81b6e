"""How much a line's pieces per bucket scatter by chance: a robust noise figure from closed buckets.

Law: nothing is remembered. The answer follows from the buckets alone, so a recomputation gives the identical one.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter, mul, sub
from typing import Final

BUCKET_S: Final = 300.0
"""Actual production time that one unit of weight stands for."""

PRIOR_NOISE_SD: Final = 0.15
"""Noise of the ratio made/expected in a bucket of 300 s, assumed until there is a measurement."""

MIN_NOISE_BUCKETS: Final = 24
"""From this many buckets on, the measured noise alone counts. Too small: chance decides; too large: a steady line is
taken for a noisy one for most of its first day."""

_MIN_BLOCK_PCS: Final = 10.0  # below it, counting whole pieces hides the noise; neighbours are taken together
_SCALE_QUANTILE: Final = 0.7
_CHI2_AT_QUANTILE: Final = 1.0742  # 70 % quantile of chi-square with one degree of freedom
_SCALE_CLIP_SD: Final = 4.0
_MOST_CORRELATION: Final = 0.6
_CLIP_SD: Final = 3.0
_start_of = attrgetter("start_s")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a line made in one stretch of time.

    Attributes:
        start_s: POSIX seconds.
        end_s: POSIX seconds.
        apt_s: actual production time in it (ISO 22400); logged stops, setup and breaks are not.
        made_pcs: pieces made, all qualities.
        expected_pcs: planned rate times apt_s.
    """

    start_s: float
    end_s: float
    apt_s: float
    made_pcs: float
    expected_pcs: float


@dataclass(frozen=True, slots=True)
class Series:
    """Usable buckets as parallel lists, oldest first, with their noise.

    Attributes:
        buckets: those with production time and expected pieces.
        weights: apt_s / 300.
        ratios: made / expected, outliers clipped.
        variance: of a ratio of weight 1, without what counting whole pieces adds; 0.0 for a noise-free line.
        piece: weight times ratio that one piece stands for.
    """

    buckets: Sequence[Bucket]
    weights: list[float]
    ratios: list[float]
    variance: float
    piece: float

    @property
    def rounding(self) -> float:
        """Variance that counting whole pieces adds to a sum of weights times ratios, however long it is."""
        return self.piece * self.piece / 6.0

    def since(self, start_s: float) -> "Series":
        """The part that starts at start_s or later, with the noise of the whole."""
        first = bisect_left(self.buckets, start_s, key=_start_of)
        if first == 0:
            return self
        return Series(
            self.buckets[first:], self.weights[first:], self.ratios[first:], self.variance, self.piece
        )


def series_of(buckets: Sequence[Bucket]) -> Series:
    """The ratios of the buckets, their noise measured and their outliers clipped.

    Noise. Successive ratios differ by noise alone except at the few change points, so a drift does not inflate it. Of
    d = x[i] - x[i+1] with weights v and w, d * d * v * w / (v + w) has the mean sigma^2 (von Neumann 1941). Each is
    clipped at 16 times a first, quantile-based sigma^2 before the mean is taken.

    Counting. Counters show whole pieces: a bucket's count is off by u - u', where u and u' in [0, 1) are the parts of a
    piece open at its ends, each of variance 1/12. Neighbours share one of them, so d is off by
    u/e - u' (1/e + 1/e') + u''/e' with e and e' expected pieces: at equal e a variance of 1/(2 e^2), which is 1/(4 e^2)
    of the mean above. A noise-free line is worse than that: its parts of a piece follow a fixed rhythm, and at worst (n
    and n + 1 pieces in turn) they add the double. So the double is subtracted from a small mean square m, going over to
    the single share r where it is large: m - r (1 + 2r/m). Up to m = 2r the noise is 0.

    Persistence. If the noise follows AR(1), lag-2 differences have 1 + phi times the mean square of lag-1 ones. Long sums
    then have (1 + phi) / (1 - phi)^2 times the variance that neighbours show, and that is what tests and projections
    need. Chance alone gives phi a standard deviation of sqrt(2/n): up to one of them phi is taken as 0, from two on as
    it is, in between in proportion. It is never taken as negative, nor as more than 0.6.

    Too little evidence. With n < 24 buckets the variance is (24 - n) parts of the prior 0.15^2 and n parts measured.

    Outliers. A bucket at a jump, or next to one, that lies more than 3 sigma and 1.5 pieces from the median of the five
    around it is moved to that distance: one or two odd buckets are, the third is a change. Counting alone never reaches it, so exact data stay exact.
    """
    usable = buckets
    weights = [bucket.apt_s / BUCKET_S for bucket in usable]
    expected = [bucket.expected_pcs for bucket in usable]
    if min(weights, default=1.0) <= 0.0 or min(expected, default=1.0) <= 0.0:
        return series_of([bucket for bucket in usable if bucket.apt_s > 0.0 and bucket.expected_pcs > 0.0])
    ratios = [bucket.made_pcs / bucket.expected_pcs for bucket in usable]
    if not usable:
        return Series(usable, weights, ratios, PRIOR_NOISE_SD**2, 0.0)
    piece = sum(weights) / sum(expected)
    squares = _squared_differences(ratios, weights, 1)
    if sum(expected) >= _MIN_BLOCK_PCS * len(usable):
        variance = _measured_variance(squares, ratios, weights, expected)
    else:
        variance = _variance_of_blocks(_blocks(usable))
    _clip_outliers(ratios, weights, squares, variance, piece)
    return Series(usable, weights, ratios, variance, piece)


def _squared_differences(ratios: list[float], weights: list[float], lag: int) -> list[float]:
    """Of ratios lag apart, scaled so that the mean of each is the variance of a ratio of weight 1."""
    differences = list(map(sub, ratios, ratios[lag:]))
    squares = map(mul, differences, differences)
    if min(weights) == max(weights):
        half = 0.5 * weights[0]
        return [square * half for square in squares]
    return [square * v * w / (v + w) for square, v, w in zip(squares, weights, weights[lag:], strict=False)]


def _measured_variance(
    squares: list[float], ratios: list[float], weights: list[float], expected: list[float]
) -> float:
    """The variance that series_of describes, from the squared differences of neighbours."""
    count = len(squares)
    missing = max(0, MIN_NOISE_BUCKETS - len(ratios))
    if count == 0:
        return PRIOR_NOISE_SD**2
    # Buckets of one series are alike in size, so counting is charged at their mean size.
    size = sum(expected) / len(expected)
    counting = 0.25 * (sum(weights) / len(weights)) / (size * size)
    ascending = sorted(squares)
    scale = ascending[int(_SCALE_QUANTILE * (count - 1))] / _CHI2_AT_QUANTILE
    limit = max(
        _SCALE_CLIP_SD * _SCALE_CLIP_SD * scale, 8.0 * counting
    )  # the second is a difference of two pieces
    below = bisect_left(ascending, limit)
    mean_square = (sum(ascending[:below]) + limit * (count - below)) / count
    if mean_square <= 2.0 * counting * (1.0 + 1e-9):
        measured = 0.0
    else:
        measured = mean_square - counting * (1.0 + 2.0 * counting / mean_square)
        if not missing:
            distant = _squared_differences(ratios, weights, 2)
            mean_distant = sum(map(min, distant, repeat(limit))) / len(distant)
            measured *= _persistence(mean_distant / mean_square - 1.0, count)
    return (missing * PRIOR_NOISE_SD**2 + len(ratios) * measured) / (missing + len(ratios))


def _persistence(correlation: float, count: int) -> float:
    """How much larger the variance of long sums is than neighbours alone show, if errors persist."""
    significance = correlation / math.sqrt(2.0 / count)
    correlation = min(_MOST_CORRELATION, correlation * min(1.0, max(0.0, significance - 1.0)))
    return (1.0 + correlation) / (1.0 - correlation) ** 2


def _variance_of_blocks(blocks: list[Bucket]) -> float:
    if not blocks:
        return PRIOR_NOISE_SD**2
    weights = [block.apt_s / BUCKET_S for block in blocks]
    ratios = [block.made_pcs / block.expected_pcs for block in blocks]
    expected = [block.expected_pcs for block in blocks]
    return _measured_variance(_squared_differences(ratios, weights, 1), ratios, weights, expected)


def _blocks(buckets: Sequence[Bucket]) -> list[Bucket]:
    """Neighbours taken together until each block expects enough pieces; a remainder joins no block."""
    blocks: list[Bucket] = []
    apt_s = made_pcs = expected_pcs = 0.0
    for bucket in buckets:
        apt_s += bucket.apt_s
        made_pcs += bucket.made_pcs
        expected_pcs += bucket.expected_pcs
        if expected_pcs >= _MIN_BLOCK_PCS:
            blocks.append(Bucket(bucket.start_s, bucket.end_s, apt_s, made_pcs, expected_pcs))
            apt_s = made_pcs = expected_pcs = 0.0
    return blocks


def _clip_outliers(
    ratios: list[float], weights: list[float], squares: list[float], variance: float, piece: float
) -> None:
    """Move outliers, in place, to their distance from the median of the five buckets around them."""
    count = len(ratios)
    if count < 3:
        return
    suspicious = 0.5 * (_CLIP_SD * variance**0.5 + 1.5 * piece) ** 2
    clipped: dict[int, float] = {}
    for i in [i for i, square in enumerate(squares) if square > suspicious]:
        for k in range(max(0, i - 1), min(count, i + 3)):
            if k in clipped:
                continue
            low = max(0, min(k - 2, count - 5))
            around = sorted(ratios[low : low + 5])
            middle = around[len(around) // 2]
            reach = _CLIP_SD * (variance / weights[k]) ** 0.5 + 1.5 * piece / weights[k]
            clipped[k] = min(max(ratios[k], middle - reach), middle + reach)
    for k, ratio in clipped.items():
        ratios[k] = ratio
