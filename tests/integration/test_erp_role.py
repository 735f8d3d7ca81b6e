"""The stand-in for ERP and MES on Kafka: plans what it is asked, answers once, and knows after a restart what it said."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
from confluent_kafka import Producer

from schemas import TOPICS, PlanAcknowledged, PlanChange, RunPlanned, topics
from streams.embedded_broker import EmbeddedBroker
from streams.settings import Settings
from streams.simulator.erp import ErpPlan, ErpRules
from streams.simulator.erp_role import ErpRole
from streams.sources import record_key
from streams.topic_admin import create_topics
from tests.running import messages, wait_until
from tests.unit.test_erp_stand_in import NOW, at, change, planned

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    if request.param == "apache":
        made = Settings(
            kafka=request.getfixturevalue("kafka"), topic_prefix=f"erp-{os.getpid()}-", clock="events"
        )
        create_topics(made, replication=1)
        yield made
        return
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, clock="events")


@contextmanager
def at_work(settings: Settings, rules: ErpRules) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=ErpRole(settings, ErpPlan(rules)).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def publish(settings: Settings, topic: str, *bodies: bytes) -> None:
    producer = Producer({**settings.client_config(), "log_level": 3})
    for body in bodies:
        key = record_key(orjson.loads(body)) or "change"
        producer.produce(settings.topic_prefix + topic, key=key, value=body)
    assert 0 == producer.flush(30)


def body_of(made: PlanChange | RunPlanned) -> bytes:
    return made.model_dump_json(exclude_none=True).encode()


def acks(settings: Settings) -> list[tuple[str, str, str | None]]:
    found = [
        PlanAcknowledged.model_validate_json(m.value() or b"") for m in messages(settings, topics.PLAN_ACKS)
    ]
    return sorted((each.change_id, each.outcome, each.reason) for each in found)


def plans(settings: Settings) -> list[RunPlanned]:
    found = [RunPlanned.model_validate_json(m.value() or b"") for m in messages(settings, topics.ORDERS)]
    return [each for each in found if each.source_id == "erp"]


def test_it_plans_answers_and_remembers_over_a_restart(settings: Settings) -> None:
    clock = {
        "kind": "clock_ticked",
        "event_id": "t",
        "event_time": NOW.isoformat(),
        "site_id": "lyon",
    }
    publish(settings, topics.PLANT_MODEL, orjson.dumps(clock))
    publish(settings, topics.ORDERS, body_of(planned()), body_of(planned("R-2")))
    publish(settings, topics.PLAN_CHANGES, body_of(change()))
    rules = ErpRules(closed_lines=frozenset({("lyon", "L9")}))
    with at_work(settings, rules):
        wait_until(lambda: len(acks(settings)) == 1, 60.0)
        refused = change(change_id="c-2", run_id="R-2", line_id="L9")
        publish(settings, topics.PLAN_CHANGES, body_of(change()), body_of(refused))
        wait_until(lambda: len(acks(settings)) == 3, 60.0)  # asked twice, answered twice
    with at_work(settings, rules):
        publish(settings, topics.PLAN_CHANGES, body_of(change(change_id="c-3", run_id="R-2")))
        wait_until(lambda: any(each[0] == "c-3" for each in acks(settings)), 60.0)

    assert [
        ("c-1", "accepted", None),
        ("c-1", "accepted", None),
        ("c-2", "rejected", "L9 is closed to planning"),
        ("c-3", "accepted", None),
    ] == acks(settings)
    assert [("R-1", "L2", at("13:10"), NOW), ("R-2", "L2", at("13:10"), NOW)] == sorted(
        (each.run_id, each.line_id, each.planned_start_at, each.event_time) for each in plans(settings)
    )
