"""Why an order stands as it does: its runs, what each waits for, what consumed its slack, truck, money, probability.

Law: every number is read from the model or worked out by the functions that made the card; nothing is judged anew.
"""

from zoneinfo import ZoneInfo

from twin.explain.explanation import (
    Explanation,
    Number,
    Step,
    exact_time,
    hour_number,
    hours,
    moment_number,
    pieces,
)
from twin.explain.why_runs import finished_step, parts_steps, run_step
from twin.forecast.assessment import DAY_S, LEAST_SD_S, Assessment, penalty_rate
from twin.forecast.lookahead import assess_order, ready_run
from twin.judges.causes import Link, blame, chain_to, consumed
from twin.shopfloor.drift import DriftPhase
from twin.shopfloor.progress import lost_work_s
from twin.state.entities import Line, Order
from twin.state.graph import node_id
from twin.state.model import Model
from twin.words import money, plural

_WORDS_OF_SIGNAL = {
    "drift": "lost to pace under plan",
    "stop": "lost to stops",
    "late_start": "lost by beginning late",
    "overbooked": "planned on top of each other",
    "material": "waited for material",
    "behind": "the rest that nothing explains",
}


def why_order(model: Model, order: Order, now: float) -> Explanation:
    """The whole arithmetic of an order, from its runs to its money."""
    zone = model.plant.zone(order.site_id)
    return Explanation(
        subject=node_id("order", order.site_id, order.order_id),
        headline=headline(model, order),
        as_of=now,
        zone=zone.key,
        steps=tuple(order_steps(model, order)),
    )


def headline(model: Model, order: Order) -> str:
    """Where the order stands, in one line."""
    name = f"#{order.order_id}"
    if not order.is_open:
        return f"{name} is {order.state.status}: nothing is projected any more"
    each = assess_order(order, model)
    if each is None:
        planned = ready_run(order, model) is not None
        why = "its line has no working time left" if planned else "nothing is planned for it"
        return f"{name} has no projection: {why}"
    if each.slack_s >= 0.0:
        return f"{name} is in time: {hours(each.slack_s)} of slack, P(late) {each.p_late:.3f}"
    blamed = blame(each, model.line_of_run)
    cause = "" if blamed is None else f", by {blamed.signal.replace('_', ' ')} on {blamed.line.name}"
    return f"{name} is late: {hours(each.overhang_s)} of work too late{cause}, P(late) {each.p_late:.3f}"


def order_steps(model: Model, order: Order) -> list[Step]:
    """The steps of an order that has a projection; none of one that has not."""
    each = assess_order(order, model) if order.is_open else None
    if each is None:
        return []
    zone = model.plant.zone(order.site_id)
    chain = chain_to(each, model.line_of_run)
    steps = [
        run_step(model, link, chain[index - 1] if index else None, zone) for index, link in enumerate(chain)
    ]
    if not chain:
        steps = [finished_step(each, zone)]
    steps += parts_steps(model, each, zone)
    steps += [_need_step(model, each, zone)]
    if chain:
        steps.append(_slack_step(model, each, chain, zone))
    return [*steps, *_shipping_steps(model, each, zone), _probability_step(each)]


def _need_step(model: Model, each: Assessment, zone: ZoneInfo) -> Step:
    event = each.order.event
    route = None if event.route_id is None else model.plant.route(each.order.site_id, event.route_id)
    loading_s = 0.0 if route is None else route.loading_s
    what = (
        "when it is needed: its promise"
        if route is None
        else "when it is needed: the last truck that keeps the promise"
    )
    brought = ""
    transfer: tuple[Number, ...] = ()
    if each.transfer_s > 0.0:
        made_at, bound_for = each.run.site_id, each.order.site_id
        brought = f" - {hours(each.transfer_s)} from {made_at} to {bound_for}"
        transfer = (hour_number("transfer", each.transfer_s),)
    return Step(
        what=what,
        formula=(
            f"{exact_time(each.on_time_slot, zone)} - {hours(loading_s)} of loading{brought} = "
            f"{exact_time(each.need_by, zone)}"
        ),
        numbers=(
            moment_number("slot", each.on_time_slot),
            hour_number("loading", loading_s),
            *transfer,
            moment_number("need_by", each.need_by),
        ),
        entity=node_id("order", each.order.site_id, each.order.order_id),
        events=(event.event_id,),
    )


def _slack_step(model: Model, each: Assessment, chain: list[Link], zone: ZoneInfo) -> Step:
    """Slack that the plan had, what consumed it, what is left: all in working time of the line."""
    calendar, planned_end = each.line.calendar, chain[-1].run.planned_end
    before_s = calendar.work_between(planned_end, each.need_by)
    parts = consumed(each, chain)
    used_s = sum(lost_s for _, _, lost_s in parts)
    blamed = blame(each, model.line_of_run) if each.slack_s < 0.0 else None
    steps = tuple(
        _part_step(
            signal,
            line,
            lost_s,
            chain,
            signal == getattr(blamed, "signal", None) and line is getattr(blamed, "line", None),
        )
        for signal, line, lost_s in parts
    )
    if blamed is not None and blamed.signal == "plan":
        steps = (
            Step(
                what="blamed: the plan itself ends after the need",
                formula=hours(blamed.lost_s),
                numbers=(hour_number("plan", blamed.lost_s),),
            ),
            *steps,
        )
    return Step(
        what=f"slack: the plan ends {exact_time(planned_end, zone)}, in working hours of {each.line.name}",
        formula=f"{hours(before_s)} before - {hours(used_s)} consumed = {hours(-each.overhang_s)} left",
        numbers=(
            hour_number("slack_before", before_s),
            hour_number("consumed", used_s),
            hour_number("slack_after", -each.overhang_s),
        ),
        entity=node_id("line", each.line.site_id, each.line.line_id),
        steps=steps,
    )  # fmt: skip


def _part_step(signal: str, line: Line, lost_s: float, chain: list[Link], is_blamed: bool) -> Step:
    mark = "blamed" if is_blamed else "not blamed"
    what = f"{_WORDS_OF_SIGNAL.get(signal, signal.replace('_', ' '))} on {line.name} ({mark})"
    formula, numbers = hours(lost_s), [hour_number(signal, lost_s)]
    if signal == "drift" and line.drift.phase is DriftPhase.DRIFTING and line.drift.since_s is not None:
        past_s = lost_work_s(line, line.drift.since_s)
        ahead_s = lost_s - past_s
        formula = f"{hours(past_s)} so far + {hours(ahead_s)} on what is left = {hours(lost_s)}"
        numbers = [hour_number("lost", past_s), hour_number("ahead", ahead_s), *numbers]
    events = [link.run.progress.state_event_id for link in chain if link.line is line]
    return Step(
        what=what,
        formula=formula,
        numbers=tuple(numbers),
        entity=node_id("line", line.site_id, line.line_id),
        events=tuple(dict.fromkeys(event for event in events if event)),
    )


def _shipping_steps(model: Model, each: Assessment, zone: ZoneInfo) -> list[Step]:
    order, currency = each.order, model.plant.currency(each.order.site_id)
    ready, ships_at = exact_time(each.ready_at, zone), each.ships_at
    slip_days = each.slip_s / DAY_S
    ships = "no later departure is known" if ships_at is None else f"ships {exact_time(ships_at, zone)}"
    numbers = [moment_number("ready", each.ready_at), moment_number("promised", order.promised)]
    if ships_at is not None:
        numbers.append(moment_number("ships", ships_at))
    there = ""
    if each.transfer_s > 0.0:
        arrives_at = each.ready_at + each.transfer_s
        there = f", at {order.site_id} {exact_time(arrives_at, zone)}"
        numbers.append(moment_number("arrives", arrives_at))
    steps = [
        Step(
            what="departure",
            formula=f"ready {ready}{there}: {ships}, promised {exact_time(order.promised, zone)}: slip {slip_days:.2f} days",
            numbers=(*numbers, Number("slip", slip_days, "days")),
            entity=node_id("order", order.site_id, order.order_id),
            events=(order.event.event_id,),
        )
    ]
    customer = model.plant.customer(order.site_id, order.event.customer_id)
    agreed = model.plant.agreed_penalty(order.site_id, order.event.customer_id)
    rate = penalty_rate(order, customer, agreed)
    if rate is not None:
        steps.append(
            Step(
                what="penalty if that departure is missed",
                formula=f"{plural(each.slip_days, 'day')} begun x {money(rate, currency)} = {money(each.penalty, currency)}",
                numbers=(
                    Number("slip_days", each.slip_days, "days"),
                    Number("rate", rate, currency),
                    Number("penalty", each.penalty, currency),
                ),
            )
        )
    event, margin, late = order.event, each.margin_before, each.margin_if_late
    if (
        margin is not None
        and late is not None
        and event.unit_price is not None
        and event.unit_cost is not None
    ):
        steps.append(
            Step(
                what="margin, and what late leaves of it",
                formula=(
                    f"{pieces(event.quantity_pcs)} x ({event.unit_price:,.2f} - {event.unit_cost:,.2f}) = "
                    f"{money(margin, currency)}; less {money(each.penalty, currency)} = {money(late, currency)}"
                ),
                numbers=(
                    Number("quantity", event.quantity_pcs, "pcs"),
                    Number("price", event.unit_price, currency),
                    Number("cost", event.unit_cost, currency),
                    Number("margin", margin, currency),
                    Number("margin_if_late", late, currency),
                ),
            )
        )
    return steps


def _probability_step(each: Assessment) -> Step:
    sd_s = max(each.sd_work_s, LEAST_SD_S)
    z = each.overhang_s / sd_s
    in_pause = each.overhang_s == 0.0 and each.slack_s != 0.0
    by_pace = (
        f"ready and needed in the same pause of {each.line.name}"
        if in_pause
        else f"{hours(each.overhang_s)} over / {hours(sd_s)} deviation = {z:.2f} deviations"
    )
    return Step(
        what="probability that it is late, within 0.001 .. 0.999",
        formula=(
            f"1 - (1 - {each.p_pace:.3f}) x exp(-{each.long_stops:.3f}) x (1 - {each.p_open_stop:.3f}) = "
            f"{each.p_late:.3f}"
        ),
        numbers=(Number("p_late", each.p_late, ""),),
        steps=(
            Step(
                what="by pace and short stops: normal in working time",
                formula=f"{by_pace}: {each.p_pace:.3f}",
                numbers=(
                    hour_number("overhang", each.overhang_s),
                    hour_number("sd", sd_s),
                    Number("z", z, ""),
                    Number("p_pace", each.p_pace, ""),
                ),
            ),
            Step(
                what="long stops expected to come that take all the room, and that the present stop does",
                formula=f"{each.long_stops:.3f} stops; {each.p_open_stop:.3f}",
                numbers=(
                    Number("long_stops", each.long_stops, ""),
                    Number("p_open_stop", each.p_open_stop, ""),
                ),
            ),
        ),
    )
