"""Feeds what the shards do into the twin's metrics."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

from schemas import Card, CardState, SiteStatus
from streams.batch import Batch
from streams.metrics import Metrics
from streams.shard_keeper import ShardMetrics
from streams.site_metrics import SiteMetrics


class PrometheusShardMetrics(ShardMetrics):
    """The twin's metrics as far as the shell knows them.

    A partition may hold several sites and commits them together, so `site` here is the partition, as `partition-0`.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sites = SiteMetrics(metrics)

    def keeps(self, partition: int, uncommitted_s: Callable[[], float]) -> None:
        """See ShardMetrics."""
        self._metrics.twin_uncommitted_seconds.labels(_site(partition)).set_function(uncommitted_s)

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
        if batch.arrived_at:
            self._metrics.twin_behind_seconds.labels(site).set(max(0.0, now - batch.arrived_at[-1]))

    def _count_card(self, card: Card) -> None:
        metrics = self._metrics
        if card.state is CardState.CLEARED:
            metrics.cards_closed.labels(card.site_id, card.kind.value, card.state.value).inc()
        elif card.revision > 1:
            # The first word of the reason names what moved: a handful of values, whatever the numbers behind it.
            metrics.card_updates.labels(card.kind.value, card.update_reason.split()[0]).inc()
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
                case "replan":
                    metrics.twin_replan_requests.labels(site, which).inc(count)

    def failed(self, partition: int) -> None:
        """See ShardMetrics."""
        self._metrics.twin_commits.labels(_site(partition), "failed").inc()

    def loop_turned(self, late_s: float) -> None:
        """See ShardMetrics."""
        self._metrics.loop_delay_seconds.observe(late_s)


def _site(partition: int) -> str:
    return f"partition-{partition}"
