"""A United Manufacturing Hub's Kafka into ours: killed in between, nothing is lost, doubled or counted from zero again."""

import json
import os

import pytest
from confluent_kafka import Producer

from schemas.topics import MACHINE_EVENTS
from streams.settings import Settings
from streams.topic_admin import create_topics
from tests.integration.conftest import Topics
from tests.running import ROOT, Role, messages, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(300)]

LINE = "umh.v1.acme.cologne.packaging.line1._packml_v1."
MS = 1_795_503_600_000


def told(settings: Settings) -> list[dict[str, object]]:
    return [json.loads(each.value() or b"") for each in messages(settings, MACHINE_EVENTS)]


def test_a_reader_that_was_killed_knows_the_totals_again(kafka: str, topics: Topics) -> None:
    """The scrap counter stands still after the kill: without what was told before, the count would wait or begin anew."""
    settings = Settings(kafka=kafka, topic_prefix=f"umh-{os.getpid()}.")
    create_topics(settings, replication=1)
    hub = topics.create("umh.messages", config={"cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": kafka})

    def say(name: str, value: object, minute: int) -> None:
        body = json.dumps({"timestamp_ms": MS + 60_000 * minute, "value": value}).encode()
        producer.produce(hub, body, (LINE + name).encode())

    options = ("umh", f"{ROOT}/examples/machines/umh.yaml", "--umh", kafka, "--topic", hub)
    first = Role("connect", settings, *options)
    try:
        say("job.id", "R-1", 0)
        say("count.scrap", 2, 1)
        say("count.good", 100, 1)
        producer.flush(30)
        wait_until(lambda: len(told(settings)) == 2, 60, lambda: first.printed)
    finally:
        first.kill()
        first.end()
    say("count.good", 150, 2)
    producer.produce(hub, b"no JSON", (LINE + "count.good").encode())
    say("count.good", 200, 3)
    producer.flush(30)
    again = Role("connect", settings, *options)
    try:
        wait_until(lambda: len({each["event_id"] for each in told(settings)}) == 4, 60, lambda: again.printed)
    finally:
        again.end()

    events = {each["event_id"]: each for each in told(settings)}
    assert ["run_started", "count_reported", "count_reported", "count_reported"] == [
        each["kind"] for each in events.values()
    ]
    assert [(100.0, 2.0), (150.0, 2.0), (200.0, 2.0)] == [
        (each["good_count"], each["scrap_count"]) for each in list(events.values())[1:]
    ]
