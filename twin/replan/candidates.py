"""Runs that nobody has planned yet: for a rush order, or for a question. One a step of the item's routing."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas import EligibleLine, PeggedTo, SchedulingOrder, SchedulingRun
from twin.forecast.eligibility import Place, item_yield_ratio, places_of_item
from twin.judges.plan_check import missing_pcs
from twin.material.allocation import allocation_of
from twin.material.materials import Gate, Need, decisive
from twin.material.usage import over_use_of
from twin.replan.problem_runs import material_gate
from twin.state.entities import Order, SiteKey
from twin.state.model import Model
from twin.state.transfers import transfer_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """Pieces that are wanted and not planned.

    Attributes:
        run_id: of the run to be; with several steps, the step is added to it.
        order: that they are for.
    """

    site_id: str
    item_id: str
    quantity_pcs: float
    run_id: str
    order: SiteKey


def wanted_of(model: Model, order: Order) -> Wanted | None:
    """What is to be made for an open order and is planned nowhere; None where nothing is missing, or nobody can tell."""
    missing = missing_pcs(model, order) if order.is_open else 0.0
    if missing <= 0:
        return None
    key = (order.site_id, order.order_id)
    return Wanted(order.site_id, order.event.item_id, missing, new_run_id(model, order), key)


def new_run_id(model: Model, order: Order) -> str:
    """Id of a run to be made for an order: that of the order, and a number where such a run is known."""
    run_id, number = f"F-{order.order_id}", 1
    while (order.site_id, run_id) in model.runs:
        number += 1
        run_id = f"F-{order.order_id}.{number}"
    return run_id


def candidate_runs(model: Model, now: float, wanted: Wanted) -> list[SchedulingRun]:
    """Runs that would make what is wanted, each fed by the one before it; empty where no routing names a known line."""
    destinations = {wanted.order[0]: wanted.quantity_pcs}
    steps = places_of_item(model, wanted.site_id, wanted.item_id, destinations)
    item = model.plant.item(wanted.site_id, wanted.item_id)
    peg = PeggedTo(site_id=wanted.order[0], order_id=wanted.order[1], quantity_pcs=wanted.quantity_pcs)
    runs: list[SchedulingRun] = []
    for index, (step, places) in enumerate(steps):
        eligible = [_eligible(model, place, wanted, destinations) for place in places]
        run_id = wanted.run_id if len(steps) == 1 else f"{wanted.run_id}/{step}"
        runs.append(
            SchedulingRun(
                site_id=wanted.site_id,
                run_id=run_id,
                item_id=wanted.item_id,
                family=None if item is None else item.setup_family,
                freedom="free",
                because="nobody has planned it yet",
                line_id=None,
                position=None,
                planned_start=None,
                planned_end=None,
                quantity_pcs=wanted.quantity_pcs,
                remaining_pcs=wanted.quantity_pcs,
                eligible=[each for each in eligible if each is not None],
                # The first step takes the material.
                gates=[material_gate(gate) for gate in _gates(model, now, wanted)] if index == 0 else [],
                fed_by=[(wanted.site_id, runs[-1].run_id)] if runs else [],
                pegs=[peg] if index == len(steps) - 1 else [],
            )
        )
    return runs if all(run.eligible for run in runs) else []


def lines_of(runs: list[SchedulingRun]) -> list[SiteKey]:
    """Lines that could make any of these runs."""
    return list(dict.fromkeys((each.site_id, each.line_id) for run in runs for each in run.eligible))


def quoted_order(wanted: Wanted, due: float) -> SchedulingOrder:
    """An order that would be placed: nobody's yet, without truck and penalty."""
    return SchedulingOrder(
        site_id=wanted.order[0],
        order_id=wanted.order[1],
        customer_id="quote",
        customer_name="the quote",
        item_id=wanted.item_id,
        quantity_pcs=wanted.quantity_pcs,
        promised=due,
        on_time_slot=due,
    )


def _eligible(
    model: Model, place: Place, wanted: Wanted, destinations: Mapping[str, float]
) -> EligibleLine | None:
    line, rate = place
    brought = transfer_of(model.plant, line.site_id, destinations.items())
    if brought is None:
        return None
    return EligibleLine(
        site_id=line.site_id,
        line_id=line.line_id,
        rate_pcs_per_h=rate * item_yield_ratio(line, wanted.item_id, expected_yield(model, wanted)),
        transfer_s=brought[0],
        transfer_cost=round(brought[1], 2),
    )


def expected_yield(model: Model, wanted: Wanted) -> float:
    """Share of good pieces that is inside the planned rates of what is wanted."""
    item = model.plant.item(wanted.site_id, wanted.item_id)
    return 1.0 if item is None else max(0.01, 1.0 - item.expected_scrap)


def _gates(model: Model, now: float, wanted: Wanted) -> tuple[Gate, ...]:
    """Material that it would have to wait for: what is left once the runs that are planned have taken theirs."""
    bill = model.plant.bill(wanted.site_id, wanted.item_id)
    takes: dict[str, float] = {}
    for component in [] if bill is None else bill.components:
        takes[component.item_id] = takes.get(component.item_id, 0.0) + component.quantity_per
    gates: list[Gate] = []
    for item_id, quantity_per in sorted(takes.items()):
        item_key = (wanted.site_id, item_id)
        use = over_use_of(model.supply, item_key)
        per_good = quantity_per * (1.0 + use.share) / expected_yield(model, wanted)
        need = Need(wanted.run_id, wanted.quantity_pcs * per_good, per_good)
        gates += allocation_of(model, item_key, now, also=[need]).gates.get(wanted.run_id, [])
    return decisive(gates)
