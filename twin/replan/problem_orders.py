"""Orders as a scheduling problem states them: promises, trucks, what being late costs. Answers from scratch."""

from collections.abc import Mapping
from math import inf

from schemas import SchedulingOrder
from twin.forecast.assessment import penalty_rate
from twin.forecast.lookahead import ready_run
from twin.replan.misses import miss_chances
from twin.state.entities import Line, Order
from twin.state.model import Model
from twin.state.shipping import Route
from twin.state.transfers import transfer_to

MOST_DEPARTURES = 500
"""Trucks listed an order, the next ones. Fewer: what is made far ahead finds no truck; more: requests grow."""


def scheduling_order(
    model: Model,
    order: Order,
    inside: Mapping[tuple[str, str], object],
    as_of: float,
    horizon_end: float,
    may_make: Line | None = None,
) -> SchedulingOrder | None:
    """An open order of a problem.

    Args:
        model: the live model.
        order: the order.
        inside: runs of the problem; the other runs of the order are taken as projected.
        as_of: departures are listed from here on, or from where the order is projected to be ready.
        horizon_end: and until here, and the next one after it.
        may_make: a line that could make it, where none is to make it yet.

    Returns:
        None where it is never ready whatever is decided: a run outside the problem has no working time left.
    """
    elsewhere, soonest = _ready(model, order, inside)
    if elsewhere == inf:
        return None
    event, plant = order.event, model.plant
    customer = plant.customer(order.site_id, event.customer_id)
    route = None if event.route_id is None else plant.route(order.site_id, event.route_id)
    slot = order.state.on_time_slot
    on_time_slot = order.promised if slot is None else slot
    loading_s = 0.0 if route is None else route.loading_s
    return SchedulingOrder(
        site_id=order.site_id,
        order_id=order.order_id,
        customer_id=event.customer_id,
        customer_name=event.customer_id if customer is None else customer.name,
        item_id=event.item_id,
        quantity_pcs=event.quantity_pcs,
        promised=order.promised,
        on_time_slot=on_time_slot,
        loading_s=loading_s,
        departures=None if route is None else departures_of(route, min(as_of, soonest), horizon_end),
        ready_elsewhere=None if elsewhere == -inf else elsewhere,
        penalty_per_day=penalty_rate(order, customer, plant.agreed_penalty(order.site_id, event.customer_id)),
        weight=1.0 if customer is None else customer.weight,
        cannot_slip=customer is not None and customer.cannot_slip,
        unit_price=event.unit_price,
        unit_cost=event.unit_cost,
        priority=event.priority,
        misses=_misses(model, order, as_of, on_time_slot - loading_s, may_make),
    )


def _misses(
    model: Model, order: Order, now: float, in_time: float, may_make: Line | None
) -> list[tuple[float, float]]:
    """How likely it misses its departure by when it is ready, on the line that decides when it is ready now."""
    ready = ready_run(order, model)
    line = may_make if ready is None else ready.line
    if line is None or (ready is not None and ready.projection is None):
        return []
    transfer_s = 0.0 if ready is None else ready.transfer_s
    experience = model.experience_of(line.site_id)
    habits = experience.of(line.line_id)
    return miss_chances(line, habits, experience, now, in_time - transfer_s, transfer_s)


def departures_of(route: Route, first: float, horizon_end: float) -> list[float]:
    """Departures of a route in the problem's time, and the next one after it, for what ends near its end."""
    listed = route.between(first, horizon_end)
    after = route.first_at_or_after(horizon_end + 1.0)
    return [*listed, *([] if after is None else [after])][:MOST_DEPARTURES]


def _ready(model: Model, order: Order, inside: Mapping[tuple[str, str], object]) -> tuple[float, float]:
    """Latest end of its runs outside the problem, brought to its site, and of all of them as projected now."""
    elsewhere = latest = -inf
    for line, run in model.runs_of(order):
        if run.is_finished:
            ended = run.progress.ended_at
            if ended is None or run.progress.good_pcs <= 0:
                continue
            at = ended
        else:
            projected = line.projected.get(run.run_id)
            if projected is None:
                continue
            at = projected.finish_at
        at += transfer_to(model.plant, run, order)
        latest = max(latest, at)
        if (run.site_id, run.run_id) not in inside:
            elsewhere = max(elsewhere, at)
    return elsewhere, latest if latest > -inf else inf
