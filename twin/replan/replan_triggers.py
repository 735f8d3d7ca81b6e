"""What makes the twin think of asking the solver: noted where it happens, weighed in replanning.py.

Cheap: most events note nothing, and what is noted twice counts once. Before the first tick nothing is noted: nobody knows
what time it is, and what stands then is on cards soon enough.
"""

from collections.abc import Iterable, Sequence

from schemas import Card, CardKind, Event, OrderUpserted, ReceiptExpected, Trigger
from twin.cards.card_life import LIVE_STATES
from twin.replan.replan_book import Note
from twin.state.entities import Line, Order, Run, SiteKey
from twin.state.model import Model
from twin.words import time_of

RECEIPT_MOVED_S = 3600.0
"""A receipt that comes this much earlier or later than announced is news. Smaller: each truck in traffic is."""

WORSE = 1.5
"""A card that has grown to so many times the money that it was asked about with is asked about again. Smaller: planners
hear of one trouble each hour; larger: what was proposed rests on a picture that has passed."""

OUR_COMMITS = frozenset({"committing", "committed", "partially_committed"})
"""States of a proposal whose plan changes may come back as ERP's plan."""


def note_card(model: Model, now: float, card: Card) -> None:
    """A card was published: news where it was raised, or has grown by WORSE and by what is worth a word since then."""
    book, root = model.replans, model.card_book.roots_of_cards[card.card_id]
    if card.state not in LIVE_STATES:
        book.set_exposure(card.site_id, card.card_id, None)
        return
    trigger = _trigger_of(card, root[1])
    before, exposure = book.exposure_of(card.site_id, card.card_id), card.impact.exposure
    if trigger is None or (card.revision > 1 and before is None):
        return
    least = model.plant.rules(card.site_id).replan_min_gain
    if before is not None and exposure < max(WORSE * before, before + least):
        return
    book.set_exposure(card.site_id, card.card_id, exposure)
    order = (card.site_id, root[3]) if trigger == "rush_order" else None
    note = Note(
        trigger=trigger,
        site_id=card.site_id,
        because=card.title,
        at=now,
        events=list(card.evidence[:5]),
        lines=[] if order is not None else _lines_of_card(model, card),
        order=order,
        card_id=card.card_id,
        is_urgent=True,
        is_worse=before is not None,
    )
    model.replans.note(note)


def note_stop(model: Model, now: float | None, line: Line, event_id: str, reason: str | None) -> None:
    """A line is down for long enough to be told, or will presumably be; or how long it will last was said anew."""
    if now is None:
        return
    why = "" if reason is None else f" ({reason})"
    note = Note(
        trigger="line_down",
        site_id=line.site_id,
        because=f"{line.name} is down{why}.",
        at=now,
        events=[event_id],
        lines=[(line.site_id, line.line_id)],
        is_urgent=True,
    )
    model.replans.note(note)


def note_order(model: Model, now: float | None, before: OrderUpserted | None, order: Order) -> None:
    """An order came, or was changed: at the next tick it is looked at whether runs came with it."""
    event = order.event
    if now is None or not order.is_open or (before is not None and not _is_other(model, before, event)):
        return
    key = (order.site_id, order.order_id)
    is_planned = bool(model.pegged.get(key))
    promised = time_of(order.promised, model.plant.zone(order.site_id))
    what = "is wanted" if before is None else "was changed: it is wanted"
    note = Note(
        trigger="order_changed" if is_planned and before is not None else "rush_order",
        site_id=order.site_id,
        because=f"#{order.order_id} {what} by {promised}, {event.quantity_pcs:g} of {event.item_id}.",
        at=now,
        events=[event.event_id],
        lines=_lines_of_order(model, order),
        order=key,
    )
    if before is not None or not is_planned:
        model.replans.note(note)


def note_cancelled(model: Model, now: float | None, orders: Iterable[Order], event: Event) -> None:
    """Orders were cancelled: what is planned for them may make room for others."""
    for order in orders if now is not None else ():
        lines = _lines_of_order(model, order)
        if lines and now is not None:
            note = Note(
                trigger="order_cancelled",
                site_id=order.site_id,
                because=f"#{order.order_id} was cancelled.",
                at=now,
                events=[event.event_id],
                lines=lines,
                order=(order.site_id, order.order_id),
            )
            model.replans.note(note)


def note_announced(
    model: Model, now: float | None, before: ReceiptExpected | None, event: ReceiptExpected
) -> None:
    """A receipt is announced for another time than before, with another quantity, or at all."""
    moved_s = 0.0 if before is None else (event.expected_at - before.expected_at).total_seconds()
    less = before is not None and event.quantity != before.quantity
    if before is not None and abs(moved_s) < RECEIPT_MOVED_S and not less:
        return
    how = "later" if moved_s > 0 else "earlier" if moved_s < 0 else "with another quantity"
    said = "is announced" if before is None else f"comes {how}"
    _note_receipt(model, now, (event.site_id, event.item_id), event, f"{event.receipt_id} {said}.")


def note_received(
    model: Model, now: float | None, expected: ReceiptExpected | None, event: Event, item_id: str
) -> None:
    """Goods came: news where they are early or late, or nobody had announced them."""
    moved_s = 0.0 if expected is None else event.event_time.timestamp() - expected.expected_at.timestamp()
    if expected is not None and abs(moved_s) < RECEIPT_MOVED_S:
        return
    how = "unannounced" if expected is None else "late" if moved_s > 0 else "early"
    _note_receipt(model, now, (event.site_id, item_id), event, f"{item_id} came {how}.")


def late_on(model: Model, lines: Sequence[Line]) -> list[SiteKey]:
    """Orders that are late by what their last assessment blames, and that runs in the queues of these lines are for."""
    late: dict[SiteKey, None] = {}
    for line in lines:
        for run in line.queued():
            for key in run.order_keys:
                order = model.orders.get(key)
                if order is not None and order.is_open and order.state.root is not None:
                    late[key] = None
    return sorted(late)


def note_plan(model: Model, now: float | None, run: Run, lines: Sequence[Line], late: list[SiteKey]) -> None:
    """The plan of a run changed, not by a commit of ours.

    Args:
        model: the live model, with the change.
        now: the shard's clock.
        run: whose plan it is.
        lines: whose queues changed.
        late: orders that these lines made late before it.
    """
    if now is None or is_ours(model, run):
        return
    note = Note(
        trigger="plan_changed",
        site_id=run.site_id,
        because=f"{run.run_id} was planned on {model.line_of_run[run.site_id, run.run_id].name}.",
        at=now,
        events=[run.plan.event_id],
        lines=[(line.site_id, line.line_id) for line in lines],
        late_before=late,
    )
    model.replans.note(note)


OUR_ROUNDING_S = 3600.0
"""ERP may round what we asked for by so much and it is still ours. Smaller: a planner is asked about what was decided a
minute ago; larger: ERP's own change of the same run goes unnoticed."""


def is_ours(model: Model, run: Run) -> bool:
    """Whether a plan of the run is what a committed proposal asked for: what it gives up was decided."""
    return any(
        (change.site_id, change.run_id, change.line_id) == (run.site_id, run.run_id, run.plan.line_id)
        and abs(change.start - run.planned_start) <= OUR_ROUNDING_S
        and change.quantity_pcs == run.plan.quantity_pcs
        and change.outcome != "rejected"
        for life in model.plan_book.lives.values()
        if life.state in OUR_COMMITS
        for change in life.changes
    )


def _note_receipt(model: Model, now: float | None, item_key: SiteKey, event: Event, because: str) -> None:
    if now is None or item_key not in model.supply.users:
        return
    note = Note(
        trigger="late_receipt",
        site_id=item_key[0],
        because=because,
        at=now,
        events=[event.event_id],
        lines=lines_waiting_for(model, item_key),
        item_id=item_key[1],
    )
    model.replans.note(note)


def lines_waiting_for(model: Model, item_key: SiteKey) -> list[SiteKey]:
    """Lines of runs that wait for an item, by id."""
    supply = model.supply.items.get(item_key)
    if supply is None:
        return []
    runs = [(item_key[0], run_id) for run_id in supply.gates]
    lines = [model.line_of_run[key] for key in runs if key in model.line_of_run]
    return sorted({(line.site_id, line.line_id) for line in lines})


def _trigger_of(card: Card, entity_type: str) -> Trigger | None:
    match card.kind:
        case CardKind.DELIVERY_RISK:
            return "line_down" if card.cause.signal == "stop" else "drift"
        case CardKind.LINE_DOWN:
            return "line_down"
        case CardKind.MATERIAL_SHORTAGE:
            return "shortage"
        case CardKind.QUALITY_RISK:
            return "quality"
        case CardKind.PLAN_INFEASIBLE if entity_type == "order":
            return "rush_order"
    return None


def _lines_of_card(model: Model, card: Card) -> list[SiteKey]:
    """Lines that a card is about: its root, else those of what it hits, the worst first."""
    _, entity_type, site_id, entity_id = model.card_book.roots_of_cards[card.card_id]
    if entity_type == "line":
        return [(site_id, entity_id)]
    if entity_type == "station":
        station = model.plant.station(site_id, entity_id)
        return [] if station is None else [(site_id, station.line_id)]
    lines: dict[SiteKey, None] = {}
    for each in card.affected:
        order = model.orders.get((each.site_id, each.order_id))
        if order is not None:
            lines.update(dict.fromkeys(_lines_of_order(model, order)))
    if card.shortage is not None:
        uses = [use for use in card.shortage.uses if use.covered < use.needs]
        lines.update(dict.fromkeys((site_id, use.line_id) for use in uses))
    return [key for key in lines if key in model.lines]


def _lines_of_order(model: Model, order: Order) -> list[SiteKey]:
    """Lines of the unfinished runs of an order, by run."""
    lines = [line for line, run in model.runs_of(order) if not run.is_finished]
    return list(dict.fromkeys((line.site_id, line.line_id) for line in lines))


def _is_other(model: Model, before: OrderUpserted, after: OrderUpserted) -> bool:
    """Whether an order is another one than it was, so far as its plan is concerned."""
    tolerance = model.plant.rules(after.site_id).conflict_tolerance
    moved = abs(after.quantity_pcs - before.quantity_pcs) > tolerance * before.quantity_pcs
    return moved or (before.item_id, before.promised_at) != (after.item_id, after.promised_at)
