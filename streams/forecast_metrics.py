"""How good the forecasts were: P(late) as it was said some hours before the truck, against what came.

Kept in this process only: an order of which nothing was heard since the start is not judged.
"""

from collections import defaultdict, deque

from schemas import OrderProjection
from streams.metrics import Metrics

HORIZON_S = 8 * 3600.0
"""So long before its truck the forecast of an order is taken. Too small: it tells what everybody sees. Too large: it judges
what nobody could know."""

ORDERS_JUDGED = 200
"""Of a site, the newest. Too small: the score jumps with each order. Too large: last month hides this week."""

ORDERS_KEPT = 20_000
"""Open orders whose forecast is remembered; the oldest go first. Too small: those of large sites are not judged. Too large:
memory, some 200 bytes each."""


class ForecastMetrics:
    """Feeds projection_brier_score from the projections that were committed.

    Args:
        metrics: where it is.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._said: dict[tuple[str, str], float] = {}
        self._errors: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=ORDERS_JUDGED))

    def committed(self, projection: OrderProjection) -> None:
        """Remember what was said, or judge it where the order has shipped."""
        key = projection.site_id, projection.order_id
        if projection.status == "shipped":
            said = self._said.pop(key, None)
            if said is not None:
                self._judge(projection, said)
        elif projection.status == "cancelled":
            self._said.pop(key, None)
        elif projection.p_late is not None:
            need_by = projection.need_by or projection.promised_at
            if key not in self._said or (need_by - projection.as_of).total_seconds() >= HORIZON_S:
                self._said[key] = projection.p_late
                if len(self._said) > ORDERS_KEPT:
                    del self._said[next(iter(self._said))]

    def _judge(self, projection: OrderProjection, said: float) -> None:
        is_late = projection.as_of > projection.promised_at
        errors = self._errors[projection.site_id]
        errors.append((said - is_late) ** 2)
        self._metrics.projection_brier_score.labels(projection.site_id).set(sum(errors) / len(errors))
