"""What a plant without a twin would forecast: the plan's own dates, and a straight line through what was made so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twin.state.entities import Line, Order, Run
from twin.state.model import Model
from twin.state.runs import RunState

HOUR_S = 3_600.0
LEAST_PROOF_S = 1_800.0
"""Working time from which a run's own speed is believed; before it the planned one is."""

SCALES_H = tuple(0.05 * 1.25**power for power in range(28))
"""Spreads that are tried for the straight line: 3 min to 20 h."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One order at one lead: what was forecast, and what came.

    Attributes:
        plant, order_id, lead_days: whose forecast, how long before the promise.
        p_late: the twin's.
        plan_overhang_h: working hours from the need to the end of the plan; negative = room.
        line_overhang_h: the same by the straight line.
        is_open: whether a run of it was still to be made.
        is_late: it left after the truck that keeps the promise of which the forecast spoke.
    """

    plant: int
    order_id: str
    lead_days: int
    p_late: float
    plan_overhang_h: float
    line_overhang_h: float
    is_open: bool
    is_late: bool


def plan_overhang_h(order: Order, model: Model, need_by: float) -> float:
    """Working hours from the need to the planned end of the order's last run."""
    line, run = max(model.runs_of(order), key=lambda each: each[1].planned_end)
    return _overhang_h(line, need_by, run.planned_end)


def straight_line_overhang_h(order: Order, model: Model, need_by: float) -> float:
    """Working hours from the need to where a straight line ends: what was made in the time since the run began, stops
    and all, goes on like that; what waits runs at its planned speed, after its setup, not before its plan.
    """
    ends = [(_straight_end(line, run, model), line) for line, run in model.runs_of(order)]
    end, line = max(ends, key=lambda each: each[0])
    return _overhang_h(line, need_by, end)


def _overhang_h(line: Line, need_by: float, end: float) -> float:
    hours = line.calendar.work_between(need_by, end) / HOUR_S
    return hours if hours or end == need_by else math.copysign(0.01, end - need_by)


def _straight_end(line: Line, wanted: Run, model: Model) -> float:
    if wanted.is_finished:
        assert wanted.progress.ended_at is not None
        return wanted.progress.ended_at
    marked = line.state.marked_at
    free, family = (0.0 if marked is None else marked), line.state.family
    for run in line.queued():
        rate = run.rate_pcs_per_h
        if run.progress.state is RunState.PLANNED:
            setup_s = model.plant.setup_s(run.site_id, line.line_id, family, model.family_of(run))
            if run.plan.setup_min is not None:
                setup_s = run.plan.setup_min * 60.0
            starts = [run.planned_start, line.calendar.add_work(free, setup_s)]
            starts += [
                _straight_end(model.line_of_run[key], model.runs[key], model)
                for key in sorted(model.feeders.get((run.site_id, run.run_id), {}))
            ]
            start = max(starts)
        else:
            start, began = free, run.progress.first_started_at
            worked_s = 0.0 if began is None else line.calendar.work_between(began, free)
            if worked_s >= LEAST_PROOF_S and run.progress.good_pcs > 0.0:
                rate = run.progress.good_pcs / worked_s * HOUR_S
        free = line.calendar.add_work(start, run.remaining_pcs / rate * HOUR_S)
        family = model.family_of(run) or family
        if run is wanted:
            return free
    raise AssertionError(f"run {wanted.run_id} is not in the queue of {line.line_id}")


def base_rate_brier(asked: Sequence[Asked]) -> float:
    """Brier score of saying for each order how many were late in this run: known only in hindsight."""
    share = sum(each.is_late for each in asked) / len(asked)
    return share * (1.0 - share)


def plan_brier(asked: Sequence[Asked]) -> float:
    """Brier score of the plan's dates, at their best: 0 and 1, or the two shares that came, whichever was better."""
    classes = [each.plan_overhang_h > 0.0 for each in asked]
    hard = _brier([float(is_late) for is_late in classes], asked)
    shares: dict[bool, list[bool]] = {}
    for is_late, each in zip(classes, asked, strict=True):
        shares.setdefault(is_late, []).append(each.is_late)
    soft = _brier([sum(shares[each]) / len(shares[each]) for each in classes], asked)
    return min(hard, soft)


def straight_line_brier(asked: Sequence[Asked]) -> float:
    """Brier score of the straight line, at its best: 0 and 1, or the logistic spread that fits this run best."""
    hard = _brier([float(each.line_overhang_h > 0.0) for each in asked], asked)
    soft = (
        _brier([_logistic(each.line_overhang_h / scale_h) for each in asked], asked) for scale_h in SCALES_H
    )
    return min(hard, *soft)


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(60.0, max(-60.0, x))))


def _brier(forecasts: Sequence[float], asked: Sequence[Asked]) -> float:
    return sum((p - each.is_late) ** 2 for p, each in zip(forecasts, asked, strict=True)) / len(asked)
