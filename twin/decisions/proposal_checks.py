"""Whether a proposal can be what it says, whether an option still fits the plan, and until when it can be carried out.

The solver's answers come from another process: whatever they say, the twin goes on.
"""

from collections.abc import Iterator, Mapping

from schemas import PlannedRun, PlanOption, Proposal, Rules
from twin.decisions.commits import SAME_START_S, same_quantity
from twin.decisions.plan_book import Basis, BasisRun
from twin.state.entities import SiteKey
from twin.state.model import Model
from twin.state.runs import RunState

FIXED = frozenset({"started", "frozen"})
"""Runs whose line and sequence no option may change."""


def flaw_of(basis: Basis, proposal: Proposal) -> str | None:
    """What makes a proposal impossible, in words; None where nothing does."""
    options = proposal.options
    if len({option.option_id for option in options}) < len(options):
        return "two options have the same id"
    if options and options[0].label != "hold":
        return "hold is not the first option"
    runs = {(run.site_id, run.run_id): run for run in basis.runs}
    for option in options:
        for planned in option.plan:
            flaw = _flaw_of_run(runs, planned)
            if flaw is not None:
                return f"option {option.option_id}: {flaw}"
    return None


def _flaw_of_run(runs: Mapping[SiteKey, BasisRun], planned: PlannedRun) -> str | None:
    origin = runs.get((planned.site_id, planned.of_run_id or planned.run_id))
    name = f"run {planned.run_id}"
    if origin is None:
        return f"{name} is none of the request"
    times = (planned.planned_start_at, planned.start_at, planned.end_at)
    if any(each.tzinfo is None for each in times):
        return f"{name} has a time without a zone"
    if not planned.quantity_pcs > 0.0:
        return f"{name} makes nothing"
    line = (planned.line_site_id or planned.site_id, planned.line_id)
    is_moved = line != (origin.site_id, origin.line_id)
    # A part that is split off may go anywhere, whatever the rest may.
    if is_moved and planned.of_run_id is None and origin.freedom in FIXED:
        return f"{name} is {origin.freedom} and was moved to {planned.line_id}"
    if is_moved and line not in {(site_id, line_id) for site_id, line_id in origin.eligible}:
        return f"{name} cannot be made on {planned.line_id}"
    return None


def moved_runs(basis: Basis, option: PlanOption) -> list[tuple[PlannedRun, BasisRun | None]]:
    """Runs that an option puts elsewhere or at another time, each with the plan that it rests on; None: it is new."""
    runs = {(run.site_id, run.run_id): run for run in basis.runs}
    moved: list[tuple[PlannedRun, BasisRun | None]] = []
    for planned in option.plan:
        run = runs.get((planned.site_id, planned.run_id))
        if run is None or not _is_as_it_was(planned, run):
            moved.append((planned, run))
    return moved


def _is_as_it_was(planned: PlannedRun, run: BasisRun) -> bool:
    return (
        (planned.line_site_id or planned.site_id, planned.line_id) == (run.site_id, run.line_id)
        and run.start is not None
        and abs(run.start - planned.planned_start_at.timestamp()) < SAME_START_S
        and same_quantity(run.quantity_pcs, planned.quantity_pcs)
    )


def deadline_of(basis: Basis, option: PlanOption, rules: Rules) -> tuple[float, str] | None:
    """Until when an option can be carried out, and why; None for one that changes nothing.

    A moved run may begin as late as any run may before it counts as late.
    """
    grace_s = rules.late_start_grace_min * 60.0
    ends: list[tuple[float, str]] = [
        (window.notice_by.timestamp(), f"overtime on {window.line_id} must be ordered by then")
        for window in option.overtime
    ]
    for planned, was in moved_runs(basis, option):
        if was is None or was.freedom != "started":
            start = planned.planned_start_at.timestamp() + grace_s
            ends.append((start, f"run {planned.run_id} was to begin on {planned.line_id}"))
    return min(ends, default=None)


def begun_since(model: Model, basis: Basis, option: PlanOption) -> Iterator[str]:
    """Runs that an option moves and that have begun, or ended, or gone since."""
    for planned, was in moved_runs(basis, option):
        if was is None or was.line_id is None or was.freedom == "started":
            continue
        run = model.runs.get((planned.site_id, planned.run_id))
        if run is None:
            yield f"{planned.run_id} is not planned any more"
        elif run.progress.state is not RunState.PLANNED:
            yield f"{planned.run_id} is {run.progress.state} on {run.plan.line_id}"


def best_other(proposal: Proposal) -> PlanOption | None:
    """The first feasible option that is not hold."""
    return next((each for each in proposal.options if each.label != "hold" and each.feasible), None)
