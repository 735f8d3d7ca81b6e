"""Which forecasts rest on data that cannot be trusted, and what they say about it."""

from collections.abc import Sequence

from schemas import CardKind
from twin.cards.card_life import HELD_STATES, LIVE_STATES
from twin.forecast.assessment import Assessment
from twin.judges.risk import Root
from twin.state.entities import Order, Run
from twin.state.model import Model

_DOUBTFUL = frozenset({CardKind.DATA_STALE, CardKind.DATA_CONFLICT})


def is_doubted(model: Model, root: Root) -> bool:
    """Whether an open card says that the data of this root cannot be trusted; also where somebody has dismissed it."""
    card = model.cards.get(root)
    return card is not None and card.kind in _DOUBTFUL and card.state in (*LIVE_STATES, *HELD_STATES)


def caveats_of(model: Model, assessments: Sequence[Assessment]) -> list[str]:
    """What the forecasts of these orders rest on that cannot be trusted, in words; each once."""
    found: dict[str, None] = {}
    for each in assessments:
        site_id = each.order.site_id
        roots = [
            (CardKind.DATA_STALE.value, "line", each.line.site_id, each.line.line_id),
            (CardKind.DATA_CONFLICT.value, "run", each.run.site_id, each.run.run_id),
            (CardKind.DATA_CONFLICT.value, "order", site_id, each.order.order_id),
        ]
        for root in roots:
            if is_doubted(model, root):
                found[model.cards[root].title] = None
    return [*found]


def orders_resting_on(model: Model, root: Root) -> list[Order]:
    """Open orders whose forecast rests on the data of a root."""
    _, entity_type, site_id, entity_id = root
    if entity_type == "order":
        order = model.orders.get((site_id, entity_id))
        return [order] if order is not None and order.is_open else []
    runs: list[Run] = []
    if entity_type == "line":
        line = model.lines.get((site_id, entity_id))
        runs = [] if line is None else line.queued()
    elif (site_id, entity_id) in model.runs:
        runs = [model.runs[site_id, entity_id]]
    orders = {
        (order.site_id, order.order_id): order
        for run in runs
        for order in model.orders_of(run)
        if order.is_open
    }
    return [order for _, order in sorted(orders.items())]
