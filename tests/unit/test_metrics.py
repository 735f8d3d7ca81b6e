"""Metrics belong to one app, carry the project's prefix, and have bounded labels only."""

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from streams.admin import Health
from streams.metric_conventions import LABELS
from streams.metrics import Metrics


def definitions(metrics: Metrics) -> dict[str, Counter | Gauge | Histogram]:
    return {
        name: value for name, value in vars(metrics).items() if isinstance(value, Counter | Gauge | Histogram)
    }


def test_two_apps_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()

    first.rebalances.inc()

    assert 1.0 == first.registry.get_sample_value("foresite_rebalances_total")
    assert 0.0 == second.registry.get_sample_value("foresite_rebalances_total")


def test_an_attribute_is_named_as_its_metric() -> None:
    expected = {name: f"foresite_{name}" for name in definitions(Metrics())}

    assert expected == {
        name: next(iter(value.describe())).name for name, value in definitions(Metrics()).items()
    }


def test_labels_are_bounded_ones() -> None:
    labels = {
        label
        for name, value in definitions(Metrics()).items()
        if name != "build_info"  # one sample for ever
        for label in value._labelnames
    }

    assert labels == LABELS


def test_the_objectives_limits_are_bucket_bounds() -> None:
    """A share of events under one second can be computed at a bucket's bound only."""
    metrics = Metrics()
    metrics.twin_end_to_end_seconds.labels(site="lyon").observe(0.99)

    labels = {"site": "lyon", "le": "1.0"}
    assert 1.0 == metrics.registry.get_sample_value("foresite_twin_end_to_end_seconds_bucket", labels)


def test_readiness_is_asked_for_at_each_scrape() -> None:
    health, metrics = Health(), Metrics()
    metrics.watch_readiness("twin", lambda: health.is_ready)
    before = metrics.registry.get_sample_value("foresite_ready", {"role": "twin"})

    health.started()

    assert (0.0, 1.0) == (before, metrics.registry.get_sample_value("foresite_ready", {"role": "twin"}))


def test_no_creation_times_are_shown() -> None:
    metrics = Metrics()
    metrics.twin_late_events.labels(site="lyon").inc()

    text = generate_latest(metrics.registry).decode()

    assert 'foresite_twin_late_events_total{site="lyon"} 1.0' in text
    assert "_created" not in text
