"""Feeds what the shards do into the twin's metrics."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

from schemas import Card, CardState, OrderProjection, PlanState, SiteStatus
from schemas.topics import FACTS
from streams.batch import Batch
from streams.forecast_metrics import ForecastMetrics
from streams.metrics import Metrics
from streams.plan_metrics import PlanMetrics
from streams.shard_keeper import ShardMetrics
from streams.site_metrics import SiteMetrics


class PrometheusShardMetrics(ShardMetrics):
    """The twin's metrics as far as the shell knows them.

    A partition may hold several sites and commits them together, so `site` here is the partition, as `partition-0`.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sites = SiteMetrics(metrics)
        self._forecasts = ForecastMetrics(metrics)
        self._plans = PlanMetrics(metrics)

    def assigned(self, partitions: int) -> None:
        """See ShardMetrics."""
        self._metrics.assigned_partitions.set(partitions)
        self._metrics.rebalances.inc()

    def read(self, behind: int) -> None:
        """See ShardMetrics."""
        self._metrics.consumer_lag_records.labels(FACTS).set(behind)

    def keeps(self, partition: int, uncommitted_s: Callable[[], float]) -> None:
        """See ShardMetrics."""
        self._metrics.twin_uncommitted_seconds.labels(_site(partition)).set_function(uncommitted_s)
        # From 0 on, or the first one would be the series' first sample, and no increase.
        self._metrics.twin_commits.labels(_site(partition), "failed")
        self._metrics.twin_checkpoints.labels(_site(partition), "failed")

    def folded(self, partition: int, seconds: float) -> None:
        """See ShardMetrics."""
        self._metrics.twin_apply_seconds.labels(_site(partition)).observe(seconds)

    def restored(self, partition: int, seconds: float) -> None:
        """See ShardMetrics."""
        self._metrics.twin_restore_seconds.labels(_site(partition)).observe(seconds)

    def digest_mismatch(self, partition: int) -> None:
        """See ShardMetrics."""
        self._metrics.twin_digest_mismatches.labels(_site(partition)).inc()

    def committed(self, partition: int, seconds: float, batch: Batch) -> None:
        """See ShardMetrics."""
        site, now = _site(partition), time.time()
        self._metrics.twin_commits.labels(site, "committed").inc()
        self._metrics.twin_commit_seconds.labels(site).observe(seconds)
        end_to_end = self._metrics.twin_end_to_end_seconds.labels(site)
        for arrived_at in batch.arrived_at:
            end_to_end.observe(now - arrived_at)
        for topic, count in Counter(output.topic for output in batch.outputs).items():
            self._metrics.twin_outputs.labels(topic).inc(count)
        self._count(site, batch.counters)
        for output in batch.outputs:
            body = getattr(output, "body", None)
            if isinstance(body, Card):
                self._count_card(body)
            elif isinstance(body, SiteStatus):
                self._sites.committed(body)
            elif isinstance(body, OrderProjection):
                self._forecasts.committed(body)
            elif isinstance(body, PlanState):
                self._plans.committed(body)
        if batch.now is not None:
            self._metrics.tick_timestamp_seconds.labels("twin", site).set(batch.now)
        if batch.arrived_at:
            self._metrics.twin_behind_seconds.labels(site).set(max(0.0, now - batch.arrived_at[-1]))

    def _count_card(self, card: Card) -> None:
        metrics = self._metrics
        # The first word of the reason names what moved: a handful of values, whatever the numbers behind it.
        moved_by = card.update_reason.split()[0] if card.update_reason else ""
        if card.state in (CardState.CLEARED, CardState.CLOSED) or moved_by in _ENDING:
            # A card that somebody resolved or dismissed counts then, and once more as closed when its cause is gone.
            metrics.cards_closed.labels(card.site_id, card.kind.value, card.state.value).inc()
        elif card.revision > 1:
            metrics.card_updates.labels(card.kind.value, moved_by).inc()
        else:
            metrics.cards_opened.labels(card.site_id, card.kind.value, card.severity.value).inc()
            if card.need_by is not None:
                lead_s = (card.need_by - card.opened_at).total_seconds()
                metrics.cards_lead_time_seconds.labels(card.kind.value).observe(max(0.0, lead_s))
            if card.episode > 1:
                metrics.cards_reopened.labels(card.site_id, card.kind.value).inc()

    def _count(self, site: str, counters: Mapping[tuple[str, str], int]) -> None:
        metrics = self._metrics
        for (what, which), count in counters.items():
            match what:
                case "applied":
                    metrics.twin_events_applied.labels(site, which).inc(count)
                case "rejected":
                    metrics.twin_events_rejected.labels(site, which).inc(count)
                case "duplicate":
                    metrics.twin_duplicates.labels(site, which).inc(count)
                case "late":
                    metrics.twin_late_events.labels(site).inc(count)
                case "replan_refused":
                    metrics.twin_replan_refused.labels(site, which).inc(count)
                case "checkpoint":
                    metrics.twin_checkpoints.labels(site, which).inc(count)
                case "proposal":
                    metrics.proposals.labels(which).inc(count)
                case "ack":
                    metrics.plan_acks.labels(which).inc(count)
                case "kafka_error":
                    metrics.kafka_errors.labels(which).inc(count)
                case "replan":
                    metrics.twin_replan_requests.labels(site, which).inc(count)

    def failed(self, partition: int) -> None:
        """See ShardMetrics."""
        self._metrics.twin_commits.labels(_site(partition), "failed").inc()

    def loop_turned(self, late_s: float) -> None:
        """See ShardMetrics."""
        self._metrics.loop_delay_seconds.observe(late_s)


_ENDING = frozenset({"resolve", "dismiss"})
"""First words of what people do to end a card."""


def _site(partition: int) -> str:
    return f"partition-{partition}"
