"""The judge of plan_infeasible: the plan itself cannot hold, whatever the floor does.

Three ways: an order's own plan ends after it is needed; a line is booked for more work than it has time; too little is
planned for an order, or nothing at all.
"""

from collections.abc import Iterator
from math import ceil, inf

from schemas import AffectedOrder, CardKind, Cause, Confidence
from twin.cards.owners import owner_for
from twin.forecast.assessment import DAY_S, SUREST, penalty_rate
from twin.judges import delivery
from twin.judges.lateness import cannot_slip_step, shipping_path
from twin.judges.risk import Risk, Root, Words
from twin.judges.view import View
from twin.state.entities import Order
from twin.state.graph import node_id
from twin.state.model import Model
from twin.state.runs import RunState
from twin.words import money, time_of, utc

HOUR_S = 3_600.0

LOOK_EVERY_S = 900.0
"""Orders are looked through so often, and an order must have been known for so long: its runs come a little after it.
Shorter: each new order has a card for a moment. Longer: a forgotten one is told later."""

UNKNOWN_WORK_P = 0.5
"""P(late) of an order for which nothing is planned and no routing says how long it takes: nothing speaks either way."""


def root_of_order(order: Order) -> Root:
    """What an order's own plan is judged under."""
    return CardKind.PLAN_INFEASIBLE.value, "order", order.site_id, order.order_id


def watch(model: Model, before: float | None, now: float) -> Iterator[Root]:
    """Each quarter of an hour: open orders for which too little is planned."""
    if before is not None and before // LOOK_EVERY_S == now // LOOK_EVERY_S:
        return
    for _, order in sorted(model.orders.items()):
        is_settled = order.event.event_time.timestamp() <= now - LOOK_EVERY_S
        if order.is_open and is_settled and missing_pcs(model, order) > 0:
            yield root_of_order(order)


def missing_pcs(model: Model, order: Order) -> float:
    """Pieces of an order that no run is for: ordered, less shipped, less what runs have made or are to make for it.

    0 at a site whose orders are not pegged to runs at all: there, nothing can be said.
    """
    key = (order.site_id, order.order_id)
    pegs = model.pegged.get(key, {})
    if not pegs and not model.pegs_at.get(order.site_id):
        return 0.0
    covered = 0.0
    for run_key, quantity in pegs.items():
        run = model.runs[run_key]
        if run.progress.state is RunState.ABORTED:
            # What it made until then is there.
            covered += min(quantity, run.progress.good_pcs)
        elif run.progress.state is RunState.COMPLETED:
            share = min(1.0, run.progress.good_pcs / run.plan.quantity_pcs)
            covered += quantity * share
        else:
            covered += quantity
    wanted = order.event.quantity_pcs
    tolerated = wanted * model.plant.rules(order.site_id).conflict_tolerance
    missing = wanted - max(covered, order.state.shipped_pcs)
    return missing if missing > tolerated else 0.0


def judge(view: View) -> Risk | None:
    """The risk of a plan; orders late by it come first, then an order for which too little is planned."""
    if view.late:
        return delivery.judge(view)
    order = view.model.orders.get((view.site_id, view.root[3])) if view.root[1] == "order" else None
    if order is None or not order.is_open:
        return None
    return _too_little(view, order)


def _too_little(view: View, order: Order) -> Risk | None:
    model, rules = view.model, view.rules
    missing = missing_pcs(model, order)
    slot = order.state.on_time_slot
    assert slot is not None, f"order {order.order_id} was not booked on a slot"
    event = order.event
    route = None if event.route_id is None else model.plant.route(order.site_id, event.route_id)
    need_by = slot - (0.0 if route is None else route.loading_s)
    if missing <= 0 or view.now < need_by - rules.no_runs_within_days * DAY_S:
        return None
    customer = view.customer(order)
    name = event.customer_id if customer is None else customer.name
    work = _quickest(view, order, missing)
    p_late, p_because, deadline, deadline_because = _chance(view, need_by, work)
    next_slot = None if route is None else route.first_at_or_after(max(slot, view.now) + 1.0)
    late_at = max(slot, view.now) + 1.0 if next_slot is None else next_slot
    slip_s = max(0.0, late_at - order.promised)
    slip_days = ceil(slip_s / DAY_S - 1e-9)
    rate = penalty_rate(order, customer, model.plant.agreed_penalty(order.site_id, event.customer_id)) or 0.0
    penalty = round(slip_days * rate, 2)
    margin = (
        None
        if event.unit_price is None or event.unit_cost is None
        else round(event.quantity_pcs * (event.unit_price - event.unit_cost), 2)
    )

    def words() -> Words:
        wanted = event.quantity_pcs
        is_nothing = missing >= wanted
        lacks = (
            "nothing is planned for it"
            if is_nothing
            else f"{missing:,.0f} of its {wanted:,.0f} pieces are planned nowhere"
        )
        affected = AffectedOrder(
            order_id=order.order_id,
            site_id=order.site_id,
            customer_id=event.customer_id,
            customer_name=name,
            item_id=event.item_id,
            quantity_pcs=wanted,
            run_id=None,
            line_id=None,
            promised_at=utc(order.promised),
            ready_at=None,
            ships_at=None if next_slot is None else utc(next_slot),
            on_time_slot_at=utc(slot),
            need_by=utc(need_by),
            slip_s=round(slip_s, 3),
            slip_days=slip_days,
            slack_s=None,
            overhang_h=None,
            p_late=p_late,
            penalty=penalty,
            exposure=penalty,
            margin_before=margin,
            margin_if_late=None if margin is None else round(margin - penalty, 2),
        )
        node = node_id("order", order.site_id, order.order_id)
        truck = f"its truck leaves {time_of(slot, view.zone)}"
        return Words(
            title=f"#{order.order_id} for {name}: {lacks}, and its goods must be ready "
            f"{time_of(need_by, view.zone)}",
            sentences=[
                f"{lacks[0].upper()}{lacks[1:]}.",
                f"{p_because[0].upper()}{p_because[1:]}.",
                f"Late costs at least {money(penalty, view.currency)} in penalty."
                if penalty > 0
                else "No penalty is agreed: what late costs is unknown.",
            ],
            cause=Cause(
                signal="no_runs",
                entity_type="order",
                entity_id=order.order_id,
                since=event.event_time,
                method="ordered against planned pieces",
                in_words=f"#{order.order_id}: {lacks}",
            ),
            confidence=Confidence(
                value=1.0, n=len(model.pegged.get((order.site_id, order.order_id), {})), window_h=0.0
            ),
            affected=[affected],
            path=shipping_path(model.graph, node, truck, f"{name} ordered it"),
            evidence=[event.event_id],
        )

    steps = ["it cannot be made in time any more"] if p_late >= rules.raise_at_p_late else []
    steps += cannot_slip_step(view, [customer])
    account_owner = None if customer is None else customer.account_owner_id
    return Risk(
        signal="no_runs",
        words=words,
        probability=p_late,
        probability_because=p_because,
        parts={"penalty": penalty},
        severity_steps=steps,
        mild="too little is planned",
        owner=owner_for(view, [(account_owner, f"account owner of {name}")]),
        deadline=deadline,
        deadline_because=deadline_because,
        listed=[(order.site_id, order.order_id)],
        affected_total=1,
        weight=1.0 if customer is None else customer.weight,
        need_by=need_by,
        slip_s=round(slip_s, 3),
        slip_days=slip_days,
        margin_before=margin,
    )


def _quickest(view: View, order: Order, missing: float) -> tuple[str, float, float] | None:
    """Name, working hours needed and moment to begin at the latest of the line that makes what is missing soonest.

    None where no routing says which line makes the item, and how fast.
    """
    plant = view.model.plant
    slot = order.state.on_time_slot
    assert slot is not None
    best: tuple[float, str, float] | None = None
    for line_id in plant.routing_lines(order.site_id, order.event.item_id):
        line = view.model.lines.get((order.site_id, line_id))
        rate = plant.routing_rate(order.site_id, order.event.item_id, line_id)
        if line is None or rate is None:
            continue
        work_s = missing / rate * HOUR_S
        begin = line.calendar.subtract_work(slot, work_s)
        if best is None or begin > best[0]:
            best = (begin, line.name, work_s / HOUR_S)
    return None if best is None or best[0] == -inf else (best[1], best[2], best[0])


def _chance(
    view: View, need_by: float, work: tuple[str, float, float] | None
) -> tuple[float, str, float | None, str]:
    """P(late) and its reason, the deadline and its reason."""
    if work is None:
        if view.now >= need_by:
            return SUREST, "the moment at which its goods must be ready is over", None, "its date is gone"
        return UNKNOWN_WORK_P, "no routing says how long making it takes", need_by, "goods must be ready"
    line, hours, begin = work
    if view.now > begin or view.now >= need_by:  # both at once where next to nothing is missing
        because = f"making it takes {hours:.1f} h on {line}, which is more than is left"
        return SUREST, because, None, "it is too late to begin: nothing holds the promise any more"
    left_s, needed_s = need_by - view.now, need_by - begin
    p_late = round(min(SUREST, needed_s / left_s), 3)
    because = f"making it takes {hours:.1f} h on {line}, {p_late:.0%} of the time that is left"
    return p_late, because, begin, "it must be begun by then"
