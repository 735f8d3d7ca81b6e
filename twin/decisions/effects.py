"""What an acknowledged plan change puts in force: the run or the overtime as its own system would say it."""

from typing import Any

from schemas import OvertimeWindowUpserted, Peg, PlanAcknowledged, RunPlanned
from twin.decisions.commits import same_quantity
from twin.decisions.plan_book import Basis, BasisRun, ChangeNote
from twin.forecast.eligibility import places_of
from twin.state.entities import Run
from twin.state.model import Model
from twin.words import utc


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
