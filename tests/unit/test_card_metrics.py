"""Cards are counted as they are committed: opened, updated by what moved, closed."""

from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import Facts, topics
from streams.batch import Batch
from streams.fold import Output
from streams.metrics import Metrics
from streams.shard_metrics import PrometheusShardMetrics
from streams.simulator import line3_events
from streams.state_topic import Manifest
from tests.folding import Folded, segment_of


def test_the_cards_of_line_3_are_counted() -> None:
    """Opened at high, three updates as its rescue moved, one as nobody acknowledged it, one as it turned severe."""
    folded = Folded()
    for number, event in enumerate(line3_events(datetime(2026, 11, 19, 8, tzinfo=ZoneInfo("Europe/Berlin")))):
        folded.fold(Facts(group_id="plant-1", segments=[segment_of("story", number, event)]))
    cards = folded.on(topics.CARDS)
    metrics = Metrics()
    counters = folded.twin.counters
    manifest = Manifest.__new__(Manifest)  # not looked at
    outputs: list[Output] = list(folded.outputs)
    batch = Batch(outputs, [0] * len(outputs), {}, manifest, [], [], counters)
    PrometheusShardMetrics(metrics).committed(0, 0.01, batch)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"foresite_{name}_total", labels)

    assert 1.0 == value("cards_opened", site="plant-1", kind="delivery_risk", severity="high")
    assert 1.0 == value("card_updates", kind="delivery_risk", reason="severity")
    assert 1.0 == value("card_updates", kind="delivery_risk", reason="escalated")
    assert len(cards) - 3.0 == value("card_updates", kind="delivery_risk", reason="rescue")
    assert value("cards_closed", site="plant-1", kind="delivery_risk", outcome="cleared") is None
    assert 403.0 == value("twin_events_applied", site="partition-0", kind="count_reported")
    # Asked, and once more, since nobody answered.
    assert 2.0 == value("twin_replan_requests", site="partition-0", reason="drift")
