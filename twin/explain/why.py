"""Why: of an order to its causes, of a line or card to all orders that hang on it, with the arithmetic of both.

Blame only what consumed slack: each order that hangs on a line is listed with the slack it had, what was consumed, and
what is left, so that it can be seen why the ones are on a card and the others are not.
"""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from schemas import Card
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
from twin.explain.why_order import headline, order_steps, why_order
from twin.forecast.assessment import Assessment
from twin.forecast.lookahead import assess_order
from twin.judges.causes import blame, chain_to, consumed
from twin.shopfloor.drift import DriftPhase
from twin.state.entities import Line, Order, SiteKey
from twin.state.graph import node_id
from twin.state.model import Model
from twin.words import money

__all__ = ["orders_on", "why_card", "why_line", "why_order"]


def why_line(model: Model, line: Line, now: float) -> Explanation:
    """How a line stands, and each open order that hangs on it, affected or not."""
    zone = model.plant.zone(line.site_id)
    orders = orders_on(model, line)
    steps = [_order_step(model, order, zone) for order in orders]
    late = sum(1 for order in orders if _is_late(model, order))
    return Explanation(
        subject=node_id("line", line.site_id, line.line_id),
        headline=f"{line.name}: {late} of {len(orders)} open orders on it are late",
        as_of=now,
        zone=zone.key,
        steps=(_pace_step(line, zone), *steps),
    )


def why_card(model: Model, card: Card, now: float) -> Explanation:
    """A card from its cause to its orders, its money and its rank; and the orders that are not on it.

    Its own numbers are those that it was published with; the arithmetic of orders is as the model stands now.
    """
    zone = model.plant.zone(card.site_id)
    steps = [_cause_step(card, zone), *_detail_steps(card)]
    for place, each in enumerate(card.affected):
        order = model.orders.get((each.site_id, each.order_id))
        if order is None:
            steps.append(Step(what=f"#{each.order_id} is no longer known"))
            continue
        inner = order_steps(model, order) if place == 0 else [_order_step(model, order, zone)]
        node = node_id("order", order.site_id, order.order_id)
        steps.append(Step(what=f"affected: {headline(model, order)}", entity=node, steps=tuple(inner)))
    steps += _others(model, card, zone)
    steps += [*_money_steps(card), _score_step(card)]
    return Explanation(
        subject=card.card_id,
        headline=card.title,
        as_of=now,
        zone=zone.key,
        steps=tuple(steps),
    )


def orders_on(model: Model, line: Line) -> list[Order]:
    """Open orders with a run on the line, or with one that a run on it feeds, by id."""
    waiting = [(line.site_id, run_id) for run_id in sorted(line.runs)]
    seen: dict[SiteKey, None] = {}
    found: dict[SiteKey, Order] = {}
    while waiting:
        key = waiting.pop()
        run = model.runs.get(key)
        if key in seen or run is None:
            continue
        seen[key] = None
        for order in model.orders_of(run):
            if order.is_open:
                found[order.site_id, order.order_id] = order
        waiting += [(run.site_id, fed_id) for fed_id in run.plan.feeds_run_ids]
    return [found[key] for key in sorted(found)]


def _is_late(model: Model, order: Order) -> bool:
    each = assess_order(order, model)
    return each is not None and each.slack_s < 0.0


def _order_step(model: Model, order: Order, zone: ZoneInfo) -> Step:
    """One order in a line's list: how much slack it had, what was consumed, what is left, and who is blamed."""
    node = node_id("order", order.site_id, order.order_id)
    each = assess_order(order, model)
    if each is None:
        return Step(what=headline(model, order), entity=node, events=(order.event.event_id,))
    chain = chain_to(each, model.line_of_run)
    plain = f"ready {exact_time(each.ready_at, zone)}, needed {exact_time(each.need_by, zone)}"
    if not chain:
        formula = f"{plain}: {hours(each.slack_s)} of slack left, its last run is over"
        numbers: tuple[Number, ...] = (hour_number("slack", each.slack_s),)
    else:
        before_s = each.line.calendar.work_between(chain[-1].run.planned_end, each.need_by)
        used_s = sum(lost_s for _, _, lost_s in consumed(each, chain))
        formula = (
            f"{plain}; {hours(before_s)} of working slack - {hours(used_s)} consumed = {hours(-each.overhang_s)}; "
            f"{hours(each.slack_s)} by the clock"
        )
        numbers = (
            hour_number("slack_before", before_s),
            hour_number("consumed", used_s),
            hour_number("slack_after", -each.overhang_s),
            hour_number("slack", each.slack_s),
        )
    return Step(
        what=_verdict(model, each),
        formula=formula,
        numbers=(*numbers, moment_number("ready", each.ready_at), moment_number("need_by", each.need_by)),
        entity=node,
        events=(order.event.event_id,),
    )


def _verdict(model: Model, each: Assessment) -> str:
    name = f"#{each.order.order_id}"
    if each.slack_s >= 0.0:
        return f"{name} is not affected: it keeps slack, P(late) {each.p_late:.3f}"
    blamed = blame(each, model.line_of_run)
    if blamed is None:
        return f"{name} is late, P(late) {each.p_late:.3f}, by less than anything that could be named"
    on = (
        "its own plan"
        if blamed.signal == "plan"
        else f"{blamed.signal.replace('_', ' ')} on {blamed.line.name}"
    )
    return f"{name} is late, P(late) {each.p_late:.3f}: {hours(blamed.lost_s)} by {on}"


def _pace_step(line: Line, zone: ZoneInfo) -> Step:
    state, drift = line.state, line.drift
    what = f"{line.name} is {state.packml}, " + ("on no run" if line.run is None else f"on {line.run.run_id}")
    formula = (
        f"pace {state.level:.3f} of the plan, from {state.buckets_n} buckets, deviation {state.level_sd:.3f}"
    )
    numbers = [
        Number("pace", state.level, ""),
        Number("buckets", float(state.buckets_n), ""),
        Number("pace_sd", state.level_sd, ""),
        hour_number("down", state.down_work_s),
    ]
    if drift.phase is DriftPhase.DRIFTING and drift.since_s is not None:
        formula += f"; {(state.level - 1.0) * 100.0:+.1f} % since {exact_time(drift.since_s, zone)}"
        numbers.append(moment_number("since", drift.since_s))
    formula += f"; {hours(state.down_work_s)} lost to stops"
    events = (state.last_event_id,) if state.last_event_id else ()
    node = node_id("line", line.site_id, line.line_id)
    return Step(what=what, formula=formula, numbers=tuple(numbers), entity=node, events=events)


def _cause_step(card: Card, zone: ZoneInfo) -> Step:
    cause = card.cause
    numbers = []
    if cause.delta is not None:
        numbers.append(Number("delta", cause.delta, ""))
    if cause.since is not None:
        numbers.append(moment_number("since", cause.since.timestamp()))
    said = exact_time(card.as_of.timestamp(), zone)
    path = tuple(
        Step(
            what=step.detail or step.relation,
            entity=step.to_id,
            events=() if step.event_id is None else (step.event_id,),
        )
        for step in card.path
    )
    return Step(
        what=f"cause, as published {said}: {cause.in_words}",
        numbers=tuple(numbers),
        entity=node_id(cause.entity_type, card.site_id, cause.entity_id),
        events=tuple(card.evidence),
        steps=path,
    )


def _detail_steps(card: Card) -> Iterator[Step]:
    """What is particular to the card's kind, from its fields."""
    if card.shortage is not None:
        short = card.shortage
        uses = tuple(
            Step(
                what=f"{use.run_id} on {use.line_id}",
                formula=f"needs {pieces(use.needs)} {short.unit}, {pieces(use.covered)} covered",
                numbers=(Number("needs", use.needs, short.unit), Number("covered", use.covered, short.unit)),
            )
            for use in short.uses
        )
        yield Step(
            what=f"{short.item_name}: what there is and what is missing",
            formula=(
                f"{pieces(short.available)} there, {pieces(short.on_order)} on order by the need, "
                f"{pieces(short.short_quantity)} {short.unit} short"
            ),
            numbers=(
                Number("available", short.available, short.unit),
                Number("on_order", short.on_order, short.unit),
                Number("short", short.short_quantity, short.unit),
            ),
            entity=node_id("item", card.site_id, short.item_id),
            steps=uses,
        )
    if card.quality is not None:
        bad = card.quality
        yield Step(
            what="bad pieces since the change, and at the end of its runs if nothing is done",
            formula=(
                f"{pieces(bad.bad_quantity)} of {pieces(bad.made_quantity)} = {bad.rate * 100.0:.2f} %, "
                f"{bad.base_rate * 100.0:.2f} % before; {pieces(bad.projected_bad_quantity)} projected"
            ),
            numbers=(
                Number("bad", bad.bad_quantity, "pcs"),
                Number("made", bad.made_quantity, "pcs"),
                Number("rate", bad.rate, ""),
                Number("base_rate", bad.base_rate, ""),
                Number("projected_bad", bad.projected_bad_quantity, "pcs"),
            ),
        )
    if card.stop is not None:
        stop = card.stop
        left = "nobody knows how long" if stop.remaining_h is None else f"{stop.remaining_h:.2f} h to come"
        numbers = [Number("down", stop.down_h, "h")]
        if stop.remaining_h is not None:
            numbers.append(Number("remaining", stop.remaining_h, "h"))
        yield Step(
            what=f"the stop: {stop.expected_because}",
            formula=f"{stop.down_h:.2f} h down so far, {left}",
            numbers=tuple(numbers),
        )
    if card.data is not None:
        claims = tuple(
            Step(
                what=f"{claim.source} says {claim.value}",
                events=() if claim.event_id is None else (claim.event_id,),
            )
            for claim in card.data.claims
        )
        yield Step(what=f"{card.data.subject}: {card.data.used}", steps=claims)


def _others(model: Model, card: Card, zone: ZoneInfo) -> list[Step]:
    """Orders on the card's line that are not on the card, and why not."""
    line = model.lines.get((card.site_id, card.cause.entity_id)) if card.cause.entity_type == "line" else None
    if line is None:
        return []
    on_card = {(each.site_id, each.order_id) for each in card.affected}
    others = [order for order in orders_on(model, line) if (order.site_id, order.order_id) not in on_card]
    if not others:
        return []
    steps = tuple(_order_step(model, order, zone) for order in others)
    return [Step(what=f"other orders on {line.name}", steps=steps)]


def _money_steps(card: Card) -> Iterator[Step]:
    impact, unit = card.impact, card.impact.currency
    parts = " + ".join(f"{money(part, unit)} {name.replace('_', ' ')}" for name, part in impact.parts.items())
    yield Step(
        what="exposure: the loss if it happens and nobody acts",
        formula=f"{parts or '0'} = {money(impact.exposure, unit)}",
        numbers=(
            *(Number(name, part, unit) for name, part in impact.parts.items()),
            Number("exposure", impact.exposure, unit),
        ),
    )
    rescue = impact.rescue
    if rescue is None:
        return
    formula = f"{rescue.overtime_h:.2f} h cost {money(rescue.cost, unit)}; {money(rescue.exposure_avoided, unit)} avoided - cost = {money(rescue.net_benefit, unit)}"
    numbers = [
        Number("overtime", rescue.overtime_h, "h"),
        Number("cost", rescue.cost, unit),
        Number("net_benefit", rescue.net_benefit, unit),
    ]
    if impact.margin_before is not None and rescue.margin_after is not None:
        formula += f"; margin {money(impact.margin_before, unit)} - cost = {money(rescue.margin_after, unit)}"
        numbers += [
            Number("margin_before", impact.margin_before, unit),
            Number("margin_after", rescue.margin_after, unit),
        ]
    yield Step(
        what=f"rescue: {rescue.kind} that holds the date with {rescue.probability * 100.0:.0f} % probability",
        formula=formula,
        numbers=tuple(numbers),
    )  # fmt: skip


def _score_step(card: Card) -> Step:
    factors = " x ".join(f"{term.value:g} {term.name.replace('_', ' ')}" for term in card.rank_terms)
    return Step(
        what="score, by which cards are ranked",
        formula=f"{factors} = {card.score:,.2f}",
        numbers=(
            *(Number(term.name, term.value, "") for term in card.rank_terms),
            Number("score", card.score, card.impact.currency),
        ),
    )
