"""Change detection on Effectiveness: has a line's level departed from a reference, since when, and what is it now.

A two-sided generalised likelihood ratio test for a shift of the mean by an unknown amount at an unknown moment
(Siegmund & Venkatraman 1995; window-limited as in Lai 1998; the ancestor is Page's CUSUM of 1954).

Law: nothing is remembered. The answers follow from the buckets alone, so a recomputation gives the identical ones.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import mul, truediv
from typing import Final, Literal

from twin.shopfloor.noise import BUCKET_S, Bucket, Series, series_of

PRIOR_LEVEL_SD: Final = 0.10
"""Standard deviation of Effectiveness among lines before anything was seen of this one; its mean is 1.0."""

DETECTION_NOISE_SD: Final = 0.02
"""Least noise of a 300 s bucket that a test assumes. Too small: a noise-free line alarms on a single odd bucket."""


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """What counts as drift. Levels are Effectiveness, 1.0 = plan.

    Attributes:
        threshold: log likelihood ratio that raises. Smaller: more false alarms (bench/detection.py); larger: later.
        min_delta: least departure from plan worth raising, as a share of plan.
        clear_delta: departure below which a drift is over; less than min_delta, or it would flicker.
        update_delta: change of a raised drift worth reporting.
        min_buckets: fewest buckets after a change point.
        min_apt_s: least production time after a change point.
        min_expected_pcs: fewest expected pieces after a change point.
        max_buckets: the newest ones looked at. Smaller: small drifts are never found; larger: slower.
    """

    threshold: float = 9.0
    min_delta: float = 0.025
    clear_delta: float = 0.015
    update_delta: float = 0.02
    min_buckets: int = 3
    min_apt_s: float = 1800.0
    min_expected_pcs: float = 20.0
    max_buckets: int = 400


DEFAULT_SETTINGS: Final = DriftSettings()


@dataclass(frozen=True, slots=True)
class Detection:
    """Evidence that a line's Effectiveness changed.

    Attributes:
        delta: Effectiveness since the change minus 1.0; -0.08 is 8 % under plan. Outliers are clipped.
        since_s: start of the first bucket after the change point, POSIX seconds.
        last_s: end of the last bucket looked at.
        n_buckets: buckets since the change.
        apt_s: actual production time in them.
        made_pcs: pieces made in them, nothing clipped.
        expected_pcs: pieces expected of them.
        statistic: log likelihood ratio of the change.
        threshold: what the statistic was compared with.
        confidence: probability, given the buckets since the change, that the departure exceeds clear_delta.
        direction: of the change.
        method: always "glr".
    """

    delta: float
    since_s: float
    last_s: float
    n_buckets: int
    apt_s: float
    made_pcs: float
    expected_pcs: float
    statistic: float
    threshold: float
    confidence: float
    direction: Literal["slow", "fast"]
    method: Literal["glr"] = "glr"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What to expect of a line from now on.

    Attributes:
        level: Effectiveness, posterior mean: shrunk towards 1.0 while evidence is thin.
        level_sd: standard deviation of that level.
        noise_sd_300: standard deviation of the ratio made/expected in one bucket of 300 s; over W buckets it is
            noise_sd_300 / sqrt(W). 0.0 for a noise-free line.
        n_buckets: buckets since since_s.
        since_s: start of the first of them, or what was asked for if there is none.
        status: "insufficient_data" where they are too few to be more than a guess.
    """

    level: float
    level_sd: float
    noise_sd_300: float
    n_buckets: int
    since_s: float
    status: Literal["ok", "insufficient_data"]


def detect(
    buckets: Sequence[Bucket], settings: DriftSettings = DEFAULT_SETTINGS, reference: float | None = 1.0
) -> Detection | None:
    """The most likely change of Effectiveness up to now, if it is beyond chance.

    With weights w = apt/300 and noise sigma the log likelihood ratio of a change before bucket k is
    (sum over i >= k of w[i] (x[i] - reference))^2 / (2 (sigma^2 sum w[i] + rounding)); k is chosen to make it largest.
    rounding is the variance of counting whole pieces, so that no piece more or less is ever taken for drift.

    Args:
        buckets: closed buckets of one line, oldest first.
        settings: what counts as drift.
        reference: level before the change, 1.0 = plan; None: unknown, the mean of the buckets before it is taken.

    Returns:
        The change, or None: no change beyond chance and min_delta, or too few buckets since the most likely one.
    """
    return change_in(series_of(buckets[-settings.max_buckets :]), settings, reference)


def estimate(
    buckets: Sequence[Bucket], since_s: float, settings: DriftSettings = DEFAULT_SETTINGS
) -> Estimate:
    """Level of Effectiveness since a moment, and how much single buckets scatter around it.

    The posterior of a mean under the prior N(1, PRIOR_LEVEL_SD^2). The noise is measured on all buckets given, also on
    those before the moment: more data, and a step between two levels does not inflate it.

    Args:
        buckets: closed buckets of one line, oldest first.
        since_s: buckets that start before this moment do not speak for the level; POSIX seconds.
        settings: for what too few buckets are.
    """
    return estimate_from(series_of(buckets[-settings.max_buckets :]), since_s, settings)


def estimate_from(series: Series, since_s: float, settings: DriftSettings) -> Estimate:
    """What estimate says, on a prepared series."""
    noise_sd_300 = math.sqrt(series.variance)
    part = series.since(since_s)
    weight = sum(part.weights)
    if not weight:
        return Estimate(1.0, PRIOR_LEVEL_SD, noise_sd_300, 0, since_s, "insufficient_data")
    variance = (series.variance + series.rounding / weight) / weight
    prior = PRIOR_LEVEL_SD * PRIOR_LEVEL_SD
    return Estimate(
        level=(_mean_ratio(part) * prior + variance) / (prior + variance),
        level_sd=math.sqrt(prior * variance / (prior + variance)),
        noise_sd_300=noise_sd_300,
        n_buckets=len(part.weights),
        since_s=part.buckets[0].start_s,
        status="ok" if is_enough(part, settings) else "insufficient_data",
    )


def change_in(series: Series, settings: DriftSettings, reference: float | None) -> Detection | None:
    """What detect finds, on a prepared series."""
    count = len(series.weights)
    if count < settings.min_buckets:
        return None
    mean = _mean_ratio(series) if reference is None else reference
    # Sums over the newest 1, 2, 3 ... buckets.
    weights = list(accumulate(reversed(series.weights)))
    departures = map(mul, series.weights, [ratio - mean for ratio in series.ratios])
    excess = list(accumulate(reversed(list(departures))))
    least = _least_weight(series, settings)
    first, end = max(settings.min_buckets - 1, bisect_left(weights, least)), count
    spreads = weights
    if reference is None:  # the mean before the change is uncertain as well, and needs as much evidence
        end = bisect_left(weights, weights[-1] - least)
        spreads = [weight * (1.0 - weight / weights[-1]) for weight in weights]
    variance = _test_variance(series)
    rounding = series.rounding / variance
    spreads, excess = spreads[:end], excess[:end]
    doubled = list(map(truediv, map(mul, excess, excess), [spread + rounding for spread in spreads]))
    least_doubled = 2.0 * variance * settings.threshold
    if max(doubled, default=0.0) <= least_doubled:
        return None
    gate = settings.min_delta
    doubled = [
        g if abs(s) >= gate * spread else 0.0 for g, s, spread in zip(doubled, excess, spreads, strict=True)
    ]
    best = max(doubled)
    if best <= least_doubled:
        return None
    newest = doubled.index(best)
    if newest < first:  # most likely it changed a moment ago: dated now, the change would be dated too early
        return None
    if reference is None:
        before = weights[-1] - weights[newest]
        mean = (mean * before - excess[newest]) / before
    part = series.since(series.buckets[count - 1 - newest].start_s)
    return replace(as_detection(part, mean, settings), statistic=best / (2.0 * variance))


def as_detection(part: Series, reference: float, settings: DriftSettings) -> Detection:
    """All buckets of a series as one level, and its departure from the reference; the series is not empty."""
    mean = _mean_ratio(part)
    departure = abs(mean - reference)
    certainty = (departure - settings.clear_delta) / sd_of_mean(part)
    return Detection(
        delta=mean - 1.0,
        since_s=part.buckets[0].start_s,
        last_s=part.buckets[-1].end_s,
        n_buckets=len(part.buckets),
        apt_s=sum(bucket.apt_s for bucket in part.buckets),
        made_pcs=sum(bucket.made_pcs for bucket in part.buckets),
        expected_pcs=sum(bucket.expected_pcs for bucket in part.buckets),
        statistic=(departure / sd_of_mean(part)) ** 2 / 2.0,
        threshold=settings.threshold,
        confidence=0.5 * math.erfc(-certainty / math.sqrt(2.0)),
        direction="slow" if mean < reference else "fast",
    )


def _mean_ratio(series: Series) -> float:
    total: float = sum(map(mul, series.weights, series.ratios))
    return total / sum(series.weights)


def _test_variance(series: Series) -> float:
    return max(series.variance, DETECTION_NOISE_SD * DETECTION_NOISE_SD)


def sd_of_mean(series: Series) -> float:
    """Standard deviation of the mean ratio of a series, as the tests see it."""
    weight = sum(series.weights)
    return math.sqrt((_test_variance(series) + series.rounding / weight) / weight)


def _least_weight(series: Series, settings: DriftSettings) -> float:
    """Weight that both the least production time and the least pieces ask for; a hair less, for sums of floats."""
    return max(settings.min_apt_s / BUCKET_S, settings.min_expected_pcs * series.piece) * (1.0 - 1e-9)


def is_enough(series: Series, settings: DriftSettings) -> bool:
    """Whether a series is long enough to say more than a guess."""
    return len(series.weights) >= settings.min_buckets and sum(series.weights) >= _least_weight(
        series, settings
    )
