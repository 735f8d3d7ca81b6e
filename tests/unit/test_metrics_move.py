"""Metrics that follow from what was committed move when it does: plans and answers, forecasts, ticks, the audit chain."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas import AuditRecord, OrderProjection
from schemas.audit_chain import AuditHead, chained
from streams.admin import Health
from streams.batch import Batch
from streams.forecast_metrics import ForecastMetrics
from streams.metrics import Metrics
from streams.role_metrics import memory_limit_bytes, role_metrics
from streams.settings import Settings
from streams.shard_metrics import PrometheusShardMetrics
from streams.state_topic import Manifest
from streams.web.audit_watch import AuditWatch
from tests.folding import Folded, at
from tests.proposing import answer, changes, committing

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def committed(folded: Folded, now: float | None = None) -> Metrics:
    """Everything that a twin has said and counted, as one commit."""
    metrics = Metrics()
    outputs: list[Any] = list(folded.outputs)
    manifest = Manifest.__new__(Manifest)  # not looked at
    counters = folded.twin.counters
    batch = Batch(outputs, [0] * len(outputs), {}, manifest, [], [], Counter(counters), (), now)
    PrometheusShardMetrics(metrics).committed(0, 0.01, batch)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"foresite_{name}", labels)


def test_a_commit_is_counted_from_its_draft_to_its_last_answer() -> None:
    """Sent at 08:01:30 or so; at 08:05 one of two is answered, the other has waited since it was sent."""
    folded = committing()
    first, second = changes(folded)
    answer(folded, first, at(0, "08:03"))
    folded.tick(at(0, "08:05"))
    under_way = committed(folded)
    answer(folded, second, at(0, "08:06"), outcome="rejected", reason="no")
    folded.tick(at(0, "08:07"))
    over = committed(folded)

    assert 1.0 == value(under_way, "plan_acks_pending", site="S1")
    assert 0.0 < (value(under_way, "plan_acks_age_seconds_max", site="S1") or 0.0) <= 300.0
    assert [1.0, 1.0, 1.0, 1.0] == [
        value(over, "proposals_total", state=state)
        for state in ("draft", "proposed", "approved", "committing")
    ]
    assert 1.0 == value(over, "proposals_total", state="partially_committed")
    assert (1.0, 1.0) == (
        value(over, "plan_acks_total", outcome="accepted"),
        value(over, "plan_acks_total", outcome="rejected"),
    )
    assert (0.0, 0.0) == (
        value(over, "plan_acks_pending", site="S1"),
        value(over, "plan_acks_age_seconds_max", site="S1"),
    )
    assert 1.0 == value(over, "plan_commit_seconds_count")
    assert 0.0 < (value(over, "plan_commit_seconds_sum") or 0.0) <= 600.0


def projection(order_id: str, as_of: datetime, status: str = "projected", **fields: Any) -> OrderProjection:
    return OrderProjection.model_validate(
        {
            "output_id": f"{order_id}/{as_of}",
            "order_id": order_id,
            "site_id": "S1",
            "customer_id": "C",
            "status": status,
            "promised_at": NOON,
            "need_by": NOON,
            "as_of": as_of,
            **fields,
        }
    )


def test_forecasts_are_judged_by_what_was_said_eight_hours_before_the_truck() -> None:
    """0.8 for one that is late, 0.1 for one that is not: (0.04 + 0.01) / 2. What is said later counts for nothing."""
    metrics = Metrics()
    judged = ForecastMetrics(metrics)
    for order_id, said in (("late", 0.8), ("in-time", 0.1)):
        judged.committed(projection(order_id, NOON - timedelta(hours=20), p_late=0.5))
        judged.committed(projection(order_id, NOON - timedelta(hours=9), p_late=said))
        judged.committed(projection(order_id, NOON - timedelta(hours=1), p_late=0.99))
    judged.committed(projection("gone", NOON - timedelta(hours=9), p_late=1.0))
    judged.committed(projection("gone", NOON - timedelta(hours=2), "cancelled"))
    judged.committed(projection("late", NOON + timedelta(hours=1), "shipped"))
    judged.committed(projection("in-time", NOON - timedelta(minutes=5), "shipped"))
    judged.committed(projection("never-heard-of", NOON, "shipped"))

    assert (value(metrics, "projection_brier_score", site="S1") or 0.0) == pytest.approx(0.025)


def test_a_commit_tells_the_tick_it_has_folded_what_is_behind_and_what_kafka_said() -> None:
    folded = committing()
    folded.twin.counters["kafka_error", "_ALL_BROKERS_DOWN"] += 2
    metrics = committed(folded, now=1_764_000_000.0)
    shards = PrometheusShardMetrics(metrics)
    shards.assigned(3)
    shards.read(17)

    assert 1_764_000_000.0 == value(metrics, "tick_timestamp_seconds", stage="twin", site="partition-0")
    assert 2.0 == value(metrics, "kafka_errors_total", reason="_ALL_BROKERS_DOWN")
    assert (3.0, 1.0) == (value(metrics, "assigned_partitions"), value(metrics, "rebalances_total"))
    assert 17.0 == value(metrics, "consumer_lag_records", topic="twin.facts.v1")


def chain(count: int) -> list[AuditRecord]:
    records, head = [], AuditHead()
    for number in range(count):
        bare = AuditRecord(
            output_id=f"o{number}", target_id="t", action="a", actor="ana", command_id=f"c{number}",
            revision=None, at=NOON, details={},
        )  # fmt: skip
        record, head = chained(bare, "site/S1", head)
        records.append(record)
    return records


def test_a_chain_that_is_read_in_any_order_is_whole() -> None:
    watch = AuditWatch()

    for place in (3, 0, 2, 1, 3):
        assert watch.take(chain(4)[place].model_dump_json().encode()) is None
    assert 0 == watch.breaks


@pytest.mark.parametrize("field", ["actor", "previous", "hash"])
def test_a_record_that_was_changed_breaks_its_chain(field: str) -> None:
    watch = AuditWatch()
    records = chain(3)
    records[1] = records[1].model_copy(update={field: "f" * 64})

    said = [watch.take(record.model_dump_json().encode()) for record in records]

    assert any(said)
    assert watch.breaks >= 1


def test_a_record_that_was_put_in_place_of_another_does_not_fit_its_neighbours() -> None:
    """Its hash is right for what it says; but the next one names another."""
    watch = AuditWatch()
    records = chain(3)
    forged, _ = chained(
        records[1].model_copy(update={"actor": "eve"}), "site/S1", AuditHead(1, str(records[0].hash))
    )
    for record in (records[0], forged):
        assert watch.take(record.model_dump_json().encode()) is None

    assert "does not fit" in (watch.take(records[2].model_dump_json().encode()) or "")


def test_a_role_tells_when_its_certificates_end(tmp_path: Path) -> None:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "web")]),
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOON - timedelta(days=1))
        .not_valid_after(NOON)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "client.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    metrics = role_metrics("twin", Health(), Settings(kafka_config={"ssl.certificate.location": str(path)}))
    broken = role_metrics(
        "twin", Health(), Settings(kafka_config={"ssl.certificate.location": str(tmp_path)})
    )

    assert NOON.timestamp() == value(metrics, "certificate_expiry_timestamp_seconds", kind="kafka")
    assert value(broken, "certificate_expiry_timestamp_seconds", kind="kafka") is None
    assert 0.0 == value(metrics, "ready", role="twin")


@pytest.mark.parametrize(
    ("text", "expected"), [("2147483648\n", 2147483648), ("max\n", None), ("9223372036854771712\n", None)]
)
def test_the_limit_of_memory_is_what_the_container_says(
    text: str, expected: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "memory.max"
    path.write_text(text)

    assert expected == memory_limit_bytes((tmp_path / "missing", path))
