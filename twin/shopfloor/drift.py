"""Drift of a line: what is remembered of a departure from plan, and when it is raised, updated and cleared.

Law: all memory of a drift is in DriftState, and only step makes a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from twin.shopfloor.change_point import (
    DEFAULT_SETTINGS,
    PRIOR_LEVEL_SD,
    Detection,
    DriftSettings,
    Estimate,
    as_detection,
    change_in,
    detect,
    estimate,
    estimate_from,
    is_enough,
    sd_of_mean,
)
from twin.shopfloor.noise import Bucket, Series, series_of

__all__ = [
    "DRIFT_TRANSITIONS",
    "PRIOR_LEVEL_SD",
    "Bucket",
    "Detection",
    "DriftChange",
    "DriftPhase",
    "DriftSettings",
    "DriftState",
    "Estimate",
    "detect",
    "estimate",
    "judge",
    "level_from_s",
    "step",
]


class DriftPhase(StrEnum):
    """Whether a line is known to drift."""

    NONE = "none"
    DRIFTING = "drifting"


# Every change that step may report in a phase, and the phase after it.
DRIFT_TRANSITIONS: dict[DriftPhase, dict[str, DriftPhase]] = {
    DriftPhase.NONE: {"raised": DriftPhase.DRIFTING},
    DriftPhase.DRIFTING: {"updated": DriftPhase.DRIFTING, "cleared": DriftPhase.NONE},
}


@dataclass(frozen=True, slots=True)
class DriftState:
    """All that is remembered of a line's drift.

    Attributes:
        phase: none or drifting.
        evidence_from_s: buckets before it were already judged and speak for no new drift.
        since_s: start of the drift, kept when its buckets have left the window; None without drift.
        level_since_s: start of its present level: since_s, or a later change within the drift.
        delta: Effectiveness minus 1.0 as last reported.
        raised_at_s: end of the bucket that raised it.
    """

    phase: DriftPhase = DriftPhase.NONE
    evidence_from_s: float = 0.0
    since_s: float | None = None
    level_since_s: float | None = None
    delta: float | None = None
    raised_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class DriftChange:
    """What a step found worth telling.

    Attributes:
        kind: raised, updated or cleared: a key of DRIFT_TRANSITIONS.
        at_s: end of the bucket that decided it.
        detection: the evidence; of "cleared", the level that is within chance of the plan again.
    """

    kind: Literal["raised", "updated", "cleared"]
    at_s: float
    detection: Detection


def judge(
    state: DriftState, buckets: Sequence[Bucket], settings: DriftSettings = DEFAULT_SETTINGS
) -> tuple[DriftState, DriftChange | None, Estimate]:
    """What step says and the pace since then, from one reading of the buckets.

    Returns:
        The new state, the change to report if any, and the pace of the present level.
    """
    series = series_of(buckets[-settings.max_buckets :])
    state, change = _step(state, series, settings)
    return state, change, estimate_from(series, level_from_s(state), settings)


def level_from_s(state: DriftState) -> float:
    """Since when buckets speak for the present level: the last change point, or when a drift was over."""
    since = state.level_since_s if state.phase is DriftPhase.DRIFTING else state.evidence_from_s
    return since or 0.0


def step(
    state: DriftState, buckets: Sequence[Bucket], settings: DriftSettings = DEFAULT_SETTINGS
) -> tuple[DriftState, DriftChange | None]:
    """Judge a line anew after a bucket closed or was corrected.

    none: what detect finds is raised.
    drifting: first the same test, against the mean of the drift so far, looks for a second change; if there is one, the
    level counts from there. Then the level is judged. Within clear_delta of the plan, or within one standard deviation
    of it, the drift is cleared, and older buckets speak for no new one; that deviation must have shrunk to min_delta or
    a quarter of the drift, which every raised drift reaches once it is over for as long as it took to find. A level
    beyond the threshold and update_delta away from what was reported is an update; with the other sign it is a new
    drift, which began with that level. In between, the next bucket may decide.

    Returns:
        The new state and the change to report, if any.
    """
    return _step(state, series_of(buckets[-settings.max_buckets :]), settings)


def _step(
    state: DriftState, series: Series, settings: DriftSettings
) -> tuple[DriftState, DriftChange | None]:
    if state.phase is DriftPhase.NONE:
        found = change_in(series.since(state.evidence_from_s), settings, 1.0)
        if found is None:
            return state, None
        start_s = found.since_s
        raised = DriftState(DriftPhase.DRIFTING, start_s, start_s, start_s, found.delta, found.last_s)
        return raised, DriftChange("raised", found.last_s, found)

    since_s, level_since_s, delta = state.since_s, state.level_since_s, state.delta
    assert since_s is not None and level_since_s is not None and delta is not None  # noqa: PT018
    part = series.since(level_since_s)
    smaller = replace(settings, min_delta=settings.clear_delta)
    while (second := change_in(part, smaller, None)) is not None:
        level_since_s, part = second.since_s, part.since(second.since_s)
    state = replace(state, level_since_s=level_since_s)
    if not is_enough(part, settings):
        return state, None
    level, sd = as_detection(part, 1.0, settings), sd_of_mean(part)
    is_settled = sd <= max(settings.min_delta, abs(delta) / 4.0)
    if is_settled and abs(level.delta) < max(settings.clear_delta, sd):
        if change_in(part, settings, 1.0) is not None:
            return state, None
        return DriftState(evidence_from_s=level.since_s), DriftChange("cleared", level.last_s, level)
    if level.statistic <= settings.threshold or abs(level.delta - delta) < settings.update_delta:
        return state, None
    turned = (level.delta < 0.0) != (delta < 0.0)
    updated = replace(state, delta=level.delta, since_s=level_since_s if turned else since_s)
    return updated, DriftChange("updated", level.last_s, level)
