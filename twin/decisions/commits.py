"""From an option to plan changes, in an order that works.

Overtime first, then runs to be planned, then what they make unnecessary. A run that is made smaller or taken back
because its pieces are made elsewhere waits until that is in force: a refusal may cost time, never pieces.
"""

from hashlib import blake2b

from schemas import (
    OvertimeBought,
    PlannedRun,
    PlanOption,
    Proposal,
)
from twin.decisions.plan_book import Basis, ChangeNote, revision_of
from twin.state.entities import Run, SiteKey
from twin.state.model import Model
from twin.state.runs import RunState

SAME_START_S = 60.0
"""Starts closer than this are the same: systems plan in minutes. Smaller: rounding looks like another plan; larger: a
real change of a few minutes is not seen."""

IN_FORCE = frozenset({"accepted", "modified"})
ANSWERED = frozenset({"accepted", "modified", "rejected"})


def same_quantity(first: float, second: float) -> bool:
    """Whether two quantities are the same but for rounding."""
    return abs(first - second) <= 1e-6 * max(1.0, abs(first), abs(second))


def changes_of(model: Model, basis: Basis, proposal: Proposal, option: PlanOption) -> list[ChangeNote]:
    """What must be asked of the systems that execute, in the order of sending; nothing for hold.

    Args:
        model: the plan as it stands.
        basis: what the request rested on.
        proposal: that the option is of.
        option: to be committed.
    """
    maker = _Maker(model, basis, proposal, option)
    overtime = [
        maker.overtime(window) for window in sorted(option.overtime, key=lambda w: (w.start_at, w.window_id))
    ]
    plans: list[ChangeNote] = []
    cancels: list[ChangeNote] = []
    starts = _starts(option)
    for planned in sorted(option.plan, key=lambda run: (starts[run.site_id, run.run_id], run.run_id)):
        change = maker.plan(planned, starts[planned.site_id, planned.run_id])
        if change is None:
            continue
        plans.append(change)
        known = model.runs.get((planned.site_id, planned.run_id))
        if known is not None and change.site_id != planned.site_id:
            cancels.append(maker.cancel(known, [change.change_id], change.because))
    _hold_back_what_gives(model, plans)
    moved = _moved_in_sequence(model, option)
    for change in plans:
        known = model.runs.get((change.site_id, change.run_id))
        change.is_move = (
            known is None or known.plan.line_id != change.line_id or (change.site_id, change.run_id) in moved
        )
    in_plan = {(planned.site_id, planned.run_id) for planned in option.plan}
    for said in option.changes:
        key = (said.site_id, said.run_id)
        gone = model.runs.get(key)
        if said.field == "cancelled" and key not in in_plan and gone is not None:
            orders = {order_id for _, order_id in gone.order_keys}
            takers = [each.change_id for each in plans if each.order_id in orders]
            cancels.append(maker.cancel(gone, takers, said.because))
    # What is sent at once goes before what waits for it.
    return [*overtime, *sorted(plans, key=lambda each: bool(each.after)), *cancels]


def _starts(option: PlanOption) -> dict[SiteKey, float]:
    """Planned start of each run, POSIX seconds, rising along each line.

    A line takes its planned runs by planned start. One that was to begin long ago and is late may be behind one that is
    planned later now: its start must say so.
    """
    starts: dict[SiteKey, float] = {}
    last: dict[SiteKey, float] = {}
    for planned in sorted(option.plan, key=lambda run: run.position):
        start = planned.planned_start_at.timestamp()
        if planned.status != "started":
            line = (planned.line_site_id or planned.site_id, planned.line_id)
            if line in last and start <= last[line]:
                start = last[line] + SAME_START_S
            last[line] = start
        starts[planned.site_id, planned.run_id] = start
    return starts


class _Maker:
    """Makes the changes of one option."""

    def __init__(self, model: Model, basis: Basis, proposal: Proposal, option: PlanOption) -> None:
        self._model, self._basis, self._proposal, self._option = model, basis, proposal, option
        self._why = {(each.site_id, each.run_id): each.because for each in option.changes}

    def plan(self, planned: PlannedRun, start: float) -> ChangeNote | None:
        """The change that brings a run where the option has it; None where it is there already.

        A run that has begun stays where it is; of what it still makes, others may take a part.
        """
        model = self._model
        site_id = planned.line_site_id or planned.site_id
        known = model.runs.get((planned.site_id, planned.run_id))
        if known is not None:
            if known.progress.state is not RunState.PLANNED:
                return self._smaller(known, planned)
            stays = site_id == planned.site_id and model.line_of_run[known.site_id, known.run_id].line_id == (
                planned.line_id
            )
            at_its_time = abs(known.planned_start - start) < SAME_START_S
            if stays and at_its_time and same_quantity(known.plan.quantity_pcs, planned.quantity_pcs):
                return None
        of_run_id = planned.of_run_id
        if of_run_id is None and site_id != planned.site_id:
            of_run_id = planned.run_id
        origin = self._basis.run(planned.site_id, of_run_id or planned.run_id)
        order = None if origin is None or not origin.pegs else origin.pegs[0]
        return self._note(
            action="plan_run",
            site_id=site_id,
            order_id="" if order is None else order[1],
            order_site_id=None if order is None or order[0] == site_id else order[0],
            run_id=planned.run_id,
            of_run_id=of_run_id,
            of_site_id=None if of_run_id is None else planned.site_id,
            item_id=None if origin is None else origin.item_id,
            line_id=planned.line_id,
            start=start,
            end=max(planned.end_at.timestamp(), start + SAME_START_S),
            quantity_pcs=planned.quantity_pcs,
            because=self._why.get((planned.site_id, planned.run_id), self._option.title),
        )

    def _smaller(self, run: Run, planned: PlannedRun) -> ChangeNote | None:
        if same_quantity(run.plan.quantity_pcs, planned.quantity_pcs):
            return None
        order = run.order_keys[0] if run.order_keys else None
        return self._note(
            action="plan_run",
            site_id=run.site_id,
            order_id="" if order is None else order[1],
            order_site_id=None if order is None or order[0] == run.site_id else order[0],
            run_id=run.run_id,
            item_id=run.plan.item_id,
            line_id=self._model.line_of_run[run.site_id, run.run_id].line_id,
            start=run.planned_start,
            end=max(planned.end_at.timestamp(), run.planned_start + SAME_START_S),
            quantity_pcs=planned.quantity_pcs,
            because=self._why.get((run.site_id, run.run_id), self._option.title),
        )

    def cancel(self, run: Run, after: list[str], because: str) -> ChangeNote:
        """The change that takes a run back once others are in force."""
        order = run.order_keys[0] if run.order_keys else None
        change = self._note(
            action="cancel_run",
            site_id=run.site_id,
            order_id="" if order is None else order[1],
            order_site_id=None if order is None or order[0] == run.site_id else order[0],
            run_id=run.run_id,
            item_id=run.plan.item_id,
            line_id=run.plan.line_id,
            start=run.planned_start,
            end=run.planned_end,
            quantity_pcs=run.plan.quantity_pcs,
            because=because,
        )
        change.after = after
        return change

    def overtime(self, window: OvertimeBought) -> ChangeNote:
        """The change that orders overtime."""
        return self._note(
            action="order_overtime",
            site_id=window.site_id,
            line_id=window.line_id,
            start=window.start_at.timestamp(),
            end=window.end_at.timestamp(),
            window_id=window.window_id,
            hours=window.hours,
            because=self._option.title,
        )

    def _note(
        self,
        *,
        action: str,
        site_id: str,
        line_id: str,
        start: float,
        end: float,
        because: str,
        order_id: str = "",
        order_site_id: str | None = None,
        run_id: str = "",
        of_run_id: str | None = None,
        of_site_id: str | None = None,
        item_id: str | None = None,
        quantity_pcs: float = 0.0,
        window_id: str | None = None,
        hours: float | None = None,
    ) -> ChangeNote:
        proposal = self._proposal
        content = (
            proposal.proposal_id,
            proposal.revision,
            self._option.option_id,
            action,
            site_id,
            run_id,
            window_id,
            line_id,
            start,
            end,
            quantity_pcs,
        )
        # By content: the same change has the same id however often it is sent, and another one never has it.
        digest = blake2b(repr(content).encode(), digest_size=12).hexdigest()
        return ChangeNote(
            change_id=f"change-{digest}",
            action=action,
            site_id=site_id,
            order_id=order_id,
            order_site_id=order_site_id,
            run_id=run_id,
            of_run_id=of_run_id,
            of_site_id=of_site_id,
            item_id=item_id,
            line_id=line_id,
            start=start,
            end=end,
            quantity_pcs=quantity_pcs,
            window_id=window_id,
            hours=hours,
            because=because,
            expected_revision=revision_of(self._model, site_id),
            after=[],
        )


def _hold_back_what_gives(model: Model, plans: list[ChangeNote]) -> None:
    """A run that gets smaller because its pieces are made by another one waits for that other one."""
    takers: dict[tuple[str, str], list[str]] = {}
    for change in plans:
        if change.of_run_id is not None and change.of_site_id is not None:
            takers.setdefault((change.of_site_id, change.of_run_id), []).append(change.change_id)
    for change in plans:
        known = model.runs.get((change.site_id, change.run_id))
        if known is not None and change.quantity_pcs < known.plan.quantity_pcs:
            others = takers.get((change.site_id, change.run_id), [])
            change.after = [each for each in others if each != change.change_id]


def _moved_in_sequence(model: Model, option: PlanOption) -> frozenset[SiteKey]:
    """Runs that stay on their line and lose their place: the fewest whose moving makes one sequence the other."""
    after: dict[SiteKey, list[SiteKey]] = {}
    for planned in sorted(option.plan, key=lambda run: run.position):
        key = (planned.site_id, planned.run_id)
        line = model.line_of_run.get(key)
        if (
            line is not None
            and planned.line_site_id in (None, line.site_id)
            and line.line_id == planned.line_id
        ):
            after.setdefault((line.site_id, line.line_id), []).append(key)
    moved: set[SiteKey] = set()
    for line_key, keys in after.items():
        queue = model.lines[line_key].queued()
        places = {(run.site_id, run.run_id): place for place, run in enumerate(queue)}
        known = [key for key in keys if key in places]
        moved |= {known[place] for place in _out_of_order([places[key] for key in known])}
    return frozenset(moved)


def _out_of_order(places: list[int]) -> list[int]:
    """Indexes outside the longest rising part of a list."""
    best: list[
        tuple[int, int]
    ] = []  # length of the longest rising part that ends here, and where it came from
    for index, place in enumerate(places):
        before = [(best[other][0], other) for other in range(index) if places[other] < place]
        length, came_from = max(before, default=(0, -1))
        best.append((length + 1, came_from))
    kept: set[int] = set()
    at = max(range(len(best)), key=lambda index: best[index][0], default=-1)
    while at >= 0:
        kept.add(at)
        at = best[at][1]
    return [index for index in range(len(places)) if index not in kept]
