"""What is not kept any more: asked at each midnight of the clock, with the days that the rules of a site keep things."""

from schemas import Output, join_key, topics
from twin.cards.card_life import LIVE_STATES
from twin.quality.quality_documents import drop_series
from twin.session import Session
from twin.state.plant import EVERYWHERE
from twin.words import utc

DAY_S = 86_400.0

COMMANDS_KEPT_S = 7 * DAY_S
"""How long a command sent twice is known. Shorter than a retry takes, and it is carried out twice."""

CARDS_KEPT_S = 35 * DAY_S
"""How long the card of an order or run that is gone is kept at least. Shorter than notify remembers whom it told (30
days), and the same id could be told as a repeat; longer: documents and cards pile up."""


def forget_the_old(session: Session, now: float) -> None:
    """Closed orders, completed runs without open orders, and what hangs on them, go after their days."""
    session.model.card_book.forget_commands(now - COMMANDS_KEPT_S)
    _forget_orders(session, now)
    _forget_series_and_supply(session, now)
    _forget_runs(session, now)
    _forget_cards(session, now)
    _forget_words(session, now)


def _kept_s(session: Session, site_id: str) -> float:
    return session.model.plant.rules(site_id).retention_days * DAY_S


def _tell_gone(session: Session, topic: str, key: str, now: float, output_id: str) -> None:
    session.outputs.append(Output(topic, key, None, output_id, utc(now).isoformat()))


def _forget_orders(session: Session, now: float) -> None:
    model = session.model
    for key in sorted(model.orders):
        order = model.orders[key]
        if order.state.closed_at is not None and order.state.closed_at < now - _kept_s(session, key[0]):
            model.drop_order(order)
            name = join_key(*key)
            output_id = f"{session.cause}>{topics.ORDER_PROJECTIONS}>{name}"
            _tell_gone(session, topics.ORDER_PROJECTIONS, name, now, output_id)


def _forget_series_and_supply(session: Session, now: float) -> None:
    model = session.model
    for (site_id, _), line in sorted(model.lines.items()):
        for _, series in sorted(line.quality.series.items()):
            if series.hot.last_at < now - _kept_s(session, site_id):
                drop_series(model.store, line, series)
    for site_id in model.supply.sites_of(EVERYWHERE):
        model.supply.forget_old(site_id, now - _kept_s(session, site_id))


def _forget_runs(session: Session, now: float) -> None:
    model = session.model
    for key in sorted(model.runs):
        run = model.runs[key]
        ended = run.progress.ended_at
        if (
            ended is not None
            and ended < now - _kept_s(session, key[0])
            and not any(order.is_open for order in model.orders_of(run))
        ):
            model.drop_run(run)


def _forget_cards(session: Session, now: float) -> None:
    """Cards that ended long ago, of orders and runs that are not kept any more."""
    model = session.model
    for root, card in sorted(model.cards.items()):
        _, entity_type, site_id, entity_id = root
        if entity_type == "order":
            is_kept = (site_id, entity_id) in model.orders
        else:
            is_kept = entity_type != "run" or (site_id, entity_id) in model.runs
        if is_kept or card.state in LIVE_STATES:
            continue
        if card.as_of.timestamp() < now - max(CARDS_KEPT_S, _kept_s(session, site_id)):
            model.card_book.forget(root)
            output_id = f"{session.cause}>{topics.CARDS}>{card.card_id}/forgotten"
            _tell_gone(session, topics.CARDS, card.card_id, now, output_id)


def _forget_words(session: Session, now: float) -> None:
    """Departures, and work orders that no run is of any more."""
    model = session.model
    work_orders: dict[str, dict[str, None]] = {}
    for (site_id, _), run in model.runs.items():
        if run.plan.work_order_id is not None:
            work_orders.setdefault(site_id, {})[run.plan.work_order_id] = None
    for site_id in model.plant.site_ids:
        model.plant.forget_old(site_id, now - _kept_s(session, site_id), work_orders.get(site_id, {}))
