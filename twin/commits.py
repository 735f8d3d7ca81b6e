"""From an option to plan changes, in an order that works, and back from answers to what the plan then says.

Overtime first, then runs to be planned, then what they make unnecessary. A run that is made smaller or taken back
because its pieces are made elsewhere waits until that is in force: a refusal may cost time, never pieces.
"""

from hashlib import blake2b
from typing import Any

from schemas import (
    OvertimeBought,
    OvertimeWindowUpserted,
    Peg,
    PlanAcknowledged,
    PlannedRun,
    PlanOption,
    Proposal,
    RunPlanned,
)
from twin.eligibility import places_of
from twin.entities import Run, SiteKey
from twin.model import Model
from twin.plan_book import Basis, BasisRun, ChangeNote, revision_of
from twin.runs import RunState
from twin.words import utc

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
    for planned in sorted(option.plan, key=lambda run: (run.planned_start_at, run.site_id, run.run_id)):
        change = maker.plan(planned)
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


class _Maker:
    """Makes the changes of one option."""

    def __init__(self, model: Model, basis: Basis, proposal: Proposal, option: PlanOption) -> None:
        self._model, self._basis, self._proposal, self._option = model, basis, proposal, option
        self._why = {(each.site_id, each.run_id): each.because for each in option.changes}

    def plan(self, planned: PlannedRun) -> ChangeNote | None:
        """The change that brings a run where the option has it; None where it is there already or has begun."""
        model = self._model
        site_id = planned.line_site_id or planned.site_id
        known = model.runs.get((planned.site_id, planned.run_id))
        start = planned.planned_start_at.timestamp()
        if known is not None:
            if known.progress.state is not RunState.PLANNED:
                return None
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


# What an answer puts in force


def in_force(change: ChangeNote, answer: PlanAcknowledged) -> ChangeNote:
    """The change as the answer has it; what the answer leaves out is as it was asked."""
    start = change.start if answer.planned_start_at is None else answer.planned_start_at.timestamp()
    end = change.end if answer.planned_end_at is None else answer.planned_end_at.timestamp()
    if answer.planned_end_at is None and start != change.start:
        end = start + (change.end - change.start)
    change.line_id = answer.line_id or change.line_id
    change.start, change.end = start, max(end, start + 1.0)
    return change


def run_planned(
    model: Model, basis: Basis | None, change: ChangeNote, answer: PlanAcknowledged
) -> RunPlanned | None:
    """The run as the change has it in force, as ERP would say it; None where nobody knows any more what it makes."""
    known = model.runs.get((change.site_id, change.run_id))
    origin = known
    if origin is None and change.of_run_id is not None and change.of_site_id is not None:
        origin = model.runs.get((change.of_site_id, change.of_run_id))
    fields: dict[str, Any] = {
        "event_id": answer.event_id,
        "event_time": answer.event_time,
        "line_id": change.line_id,
        "quantity_pcs": change.quantity_pcs,
        "planned_start_at": utc(change.start),
        "planned_end_at": utc(change.end),
    }
    if origin is not None:
        plan = origin.plan
        if change.line_id != plan.line_id or change.site_id != plan.site_id:
            fields["rate_pcs_per_h"] = _rate_on(model, origin, change)
        fields["pegs"] = _pegs(change, plan.site_id, plan.quantity_pcs, plan.pegs)
        if known is None:
            fields |= {"run_id": change.run_id, "site_id": change.site_id, "source_sequence": None}
        if change.site_id != plan.site_id:
            # Ids of runs, work orders and sources are the giving site's own.
            fields |= {
                "feeds_run_ids": [],
                "alternate_line_ids": [],
                "work_order_id": None,
                "source_id": None,
            }
        return plan.model_copy(update=fields)
    made = None if basis is None else _basis_of(basis, change)
    if made is None:
        return None
    pegs = [
        Peg(order_id=order_id, quantity_pcs=quantity, order_site_id=site_id)
        for site_id, order_id, quantity in made.pegs
        if quantity > 0.0
    ]
    fields |= {"run_id": change.run_id, "site_id": change.site_id, "item_id": made.item_id}
    fields["pegs"] = _pegs(change, made.site_id, made.quantity_pcs, pegs)
    return RunPlanned.model_construct(**fields)


def _rate_on(model: Model, origin: Run, change: ChangeNote) -> float:
    """The speed on the line, as the problem had it."""
    for line, rate in places_of(model, origin):
        if (line.site_id, line.line_id) == (change.site_id, change.line_id):
            return rate
    return origin.rate_pcs_per_h


def _basis_of(basis: Basis, change: ChangeNote) -> BasisRun | None:
    origin_site, origin_run = change.of_site_id or change.site_id, change.of_run_id or change.run_id
    return basis.run(origin_site, origin_run)


def _pegs(change: ChangeNote, origin_site: str, of_pcs: float, pegs: list[Peg]) -> list[Peg]:
    """Its share of what the pieces are for; orders of another site are named with it."""
    share = change.quantity_pcs / of_pcs if of_pcs > 0.0 else 1.0
    given = []
    for peg in pegs:
        order_site = peg.order_site_id or origin_site
        given.append(
            Peg(
                order_id=peg.order_id,
                quantity_pcs=peg.quantity_pcs * share if not same_quantity(share, 1.0) else peg.quantity_pcs,
                order_site_id=None if order_site == change.site_id else order_site,
            )
        )
    return given


def overtime_ordered(
    model: Model, change: ChangeNote, answer: PlanAcknowledged
) -> OvertimeWindowUpserted | None:
    """The window as bought; None where it is not known any more."""
    line = model.lines.get((change.site_id, change.line_id))
    windows = [] if line is None else [each for each in line.overtime if each.window_id == change.window_id]
    if not windows:
        return None
    bought = {
        "event_id": answer.event_id,
        "event_time": answer.event_time,
        "start_at": utc(change.start),
        "end_at": utc(change.end),
        "committed": True,
    }
    return windows[0].model_copy(update=bought)
