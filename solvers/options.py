"""From an evaluated plan to the option on the wire: plan, figures against hold, changes, effects, sacrifices."""

from datetime import UTC, datetime
from math import inf

from schemas.keys import join_key
from schemas.plans import (
    OptionLabel,
    OrderEffect,
    OvertimeBought,
    PlanKpis,
    PlannedRun,
    PlanOption,
    RunChange,
    RunChoice,
)
from schemas.scheduling import SchedulingProblem
from solvers.evaluator import Evaluated
from solvers.line_walk import pieces_of
from solvers.option_words import Words
from solvers.problem import Problem, RunKey
from solvers.working_time import first_part

NOTICED_S = 60.0
"""A start that moves by less is no change to anybody; smaller fills proposals with rounding."""


def option_of(
    hold: Evaluated, found: Evaluated, label: OptionLabel, option_id: str, title: str | None = None
) -> PlanOption:
    """The option that a plan is.

    Args:
        hold: the committed plan.
        found: the plan.
        label: what kind of way to go on it is.
        option_id: unique in its proposal, the same in every revision that holds it.
        title: instead of the one that follows from what changes.

    Returns:
        The option, not yet checked: feasible is false until a checker says otherwise.
    """
    words = Words(hold, found)
    return PlanOption(
        option_id=option_id,
        label=label,
        title=words.title(label) if title is None else title,
        kpis=found.kpis,
        against_hold=against(found.kpis, hold.kpis),
        plan=planned_runs(found),
        overtime=overtime_bought(found),
        changes=_changes(hold, found, words),
        per_order=_effects(hold, found),
        sacrifices=words.sacrifices(),
        feasible=False,
        violations=[],
    )


def against(kpis: PlanKpis, hold: PlanKpis) -> dict[str, float]:
    """Figures less those of hold; left out where one is unknown."""
    differences: dict[str, float] = {}
    for name in PlanKpis.model_fields:
        value, before = getattr(kpis, name), getattr(hold, name)
        if value is not None and before is not None:
            differences[name] = round(value - before, 4)
    return differences


def planned_starts_of(found: Evaluated, line: int) -> dict[RunKey, float]:
    """What the plan says of the starts of a line's runs, in its sequence: never after they start.

    A start that the plan leaves open is the one that the run has. Whoever executes the plan takes runs by planned start,
    as the twin does, so they rise along the sequence: a run that would keep an earlier start than one before it gets the
    start that it has instead.
    """
    told: dict[RunKey, float] = {}
    last = -inf
    for key in found.plan.sequences[line]:
        start = found.start[key]
        planned = found.plan.starts.get(key)
        run = found.problem.runs.get(key)
        has_begun = run is not None and run.state != "planned"
        if planned is None and run is not None and has_begun:
            planned = run.planned_start
        planned = start if planned is None else min(planned, start)
        if not has_begun and planned <= last:
            planned = start
        told[key] = planned
        if not has_begun:  # what has begun stands at the head whatever was planned
            last = planned
    return told


def planned_runs(found: Evaluated) -> list[PlannedRun]:
    """Every run that is on a line, line by line."""
    problem, plan = found.problem, found.plan
    runs: list[PlannedRun] = []
    for index, sequence in enumerate(plan.sequences):
        line = problem.lines[index]
        told = planned_starts_of(found, index)
        setups = found.lines[index].setup_s
        for position, key in enumerate(sequence):
            split = plan.splits.get(key)
            run = problem.run_of(key, plan)
            taken = run.remaining_pcs - pieces_of(problem, plan, key)
            runs.append(
                PlannedRun(
                    site_id=key[0],
                    run_id=key[1],
                    line_id=line.line_id,
                    line_site_id=None if line.site_id == key[0] else line.site_id,
                    position=position,
                    planned_start_at=_utc(told[key]),
                    start_at=_utc(found.start[key]),
                    end_at=_utc(found.end[key]),
                    quantity_pcs=run.quantity_pcs - taken if split is None else split.quantity_pcs,
                    status=run.freedom if split is None else "free",
                    of_run_id=None if split is None else split.of[1],
                    setup_s=setups[position],
                    order_ids=sorted({join_key(peg.site_id, peg.order_id) for peg in run.pegs}),
                )
            )
    return runs


def choices_of(problem: SchedulingProblem) -> list[RunChoice]:
    """What a planner may do with each run that has not begun."""
    choices = []
    for run in problem.runs:
        alone = run.unlocked or run
        if alone.freedom == "started":
            continue
        lines = sorted(
            alone.eligible, key=lambda each: (each.site_id, each.line_id) != (run.site_id, run.line_id)
        )
        choices.append(
            RunChoice(
                site_id=run.site_id,
                run_id=run.run_id,
                status=alone.freedom,
                because=alone.because,
                lines=[join_key(each.site_id, each.line_id) for each in lines],
                locked_line_id=run.locked_line_id,
                not_before=None if run.not_before is None else _utc(run.not_before),
            )
        )
    return choices


def overtime_bought(found: Evaluated) -> list[OvertimeBought]:
    """Overtime that the plan orders, by line and window."""
    bought: list[OvertimeBought] = []
    for window, hours in sorted(found.plan.overtime.items()):
        _, offer, free = found.problem.window(window)
        parts = first_part(free, hours * 3600.0)
        told = round(hours, 2)
        bought.append(
            OvertimeBought(
                site_id=window[0],
                line_id=window[1],
                window_id=window[2],
                start_at=_utc(parts[0][0]),
                end_at=_utc(parts[-1][1]),
                hours=told,
                cost=round(told * offer.cost_per_h, 2),
                notice_by=_utc(offer.notice_by),
            )
        )
    return bought


def _changes(hold: Evaluated, found: Evaluated, words: Words) -> list[RunChange]:
    """What differs from the committed plan, run by run."""
    problem, plan = found.problem, found.plan
    moved = set(found.moved)
    line_of = plan.line_of()
    told = {
        key: at for line in range(len(plan.sequences)) for key, at in planned_starts_of(found, line).items()
    }
    changes: list[RunChange] = []

    def tell(key: RunKey, field: str, before: str, after: str, because: str) -> None:
        changes.append(
            RunChange.model_validate(
                {"site_id": key[0], "run_id": key[1], "field": field, "before": before, "after": after,
                 "because": because}
            )
        )  # fmt: skip

    for key, split in plan.splits.items():
        because = words.why_moved(key)
        line = problem.lines[line_of[key]]
        tell(key, "created", "", f"{split.quantity_pcs:g} of {split.of[1]} on {line.line_id}", because)
        whole = problem.runs[split.of].quantity_pcs
        left = whole - problem.runs[split.of].remaining_pcs + pieces_of(problem, plan, split.of)
        tell(split.of, "quantity_pcs", f"{whole:g}", f"{left:g}", because)
    for key, run in problem.runs.items():
        index = line_of.get(key)
        if index is None:
            continue
        line = problem.lines[index]
        if run.line_id is None:
            tell(key, "created", "", line.line_id, words.why_moved(key))
            continue
        if key in moved:
            because = words.why_moved(key)
            if line.site_id != run.site_id:
                tell(key, "site_id", run.site_id, line.site_id, because)
            if (line.site_id, line.line_id) != (run.site_id, run.line_id):
                tell(key, "line_id", run.line_id, line.line_id, because)
            place = plan.sequences[index].index(key)
            tell(key, "position", str(run.position), str(place), because)
        if run.state == "planned" and run.planned_start is not None:
            start = told[key]
            if abs(start - run.planned_start) >= NOTICED_S:
                because = words.why_moved(key) if key in moved else words.why_shifted(key, start)
                tell(key, "start_at", _utc(run.planned_start).isoformat(), _utc(start).isoformat(), because)
    return changes


def _effects(hold: Evaluated, found: Evaluated) -> list[OrderEffect]:
    """Orders whose shipment or penalty differs from hold."""
    effects: list[OrderEffect] = []
    for key, after in found.orders.items():
        before = hold.orders[key]
        if before.ships_at == after.ships_at and before.penalty == after.penalty:
            continue
        order = found.problem.orders[key]
        effects.append(
            OrderEffect(
                site_id=key[0],
                order_id=key[1],
                customer_name=order.customer_name,
                ships_before=None if before.ships_at is None else _utc(before.ships_at),
                ships_after=None if after.ships_at is None else _utc(after.ships_at),
                slip_h_before=None if before.ships_at is None else round(before.slip_s / 3600.0, 4),
                slip_h_after=None if after.ships_at is None else round(after.slip_s / 3600.0, 4),
                penalty_before=before.penalty,
                penalty_after=after.penalty,
            )
        )
    return effects


def unplaced(problem: Problem, found: Evaluated) -> list[RunKey]:
    """Runs that the plan leaves out, or leaves where a lock wants them away."""
    return [
        key
        for key in problem.runs
        if key not in found.end
        or (key in problem.must_leave and key in found.plan.sequences[problem.committed_line[key]])
    ]


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
