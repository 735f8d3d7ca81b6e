"""What sources repeat, send late or send too large, through ingest and the twin on Apache Kafka."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from schemas import INPUT_TOPICS
from schemas.topics import DEAD_LETTERS, MACHINE_EVENTS, REJECTIONS, STATE
from streams.partition_reader import reader
from streams.settings import Settings
from streams.state_topic import load_state
from tests.chaos.installation import new_settings
from tests.chaos.living import Living
from tests.chaos.load import Load
from tests.running import messages, wait_until
from twin.state.dedupe import CHUNKS_PER_LINE, IDS_PER_CHUNK

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

LINES = 4
PATIENCE_S = 120.0
RECORDS = 1_500
LARGE = 10_000_000
GROWTH_MAX_MB = 400.0
"""Ten records of ten megabytes are read, held in the fetch queue and refused; were they parsed, each would be many times
its size."""


class Once:
    """A plant that has said what it had to say; nothing of its own goes wrong."""

    def __init__(self, settings: Settings) -> None:
        self.failure = ""
        self._load = Load(settings, seed=31, lines=LINES, is_disturbed=False)

    def start(self) -> None:
        self._load.start()
        wait_until(lambda: self._load.sent >= RECORDS or bool(self._load.failure), PATIENCE_S)

    def end(self) -> None:
        self._load.end()
        self.failure = self._load.failure


@pytest.fixture
def settings(kafka: str, request: pytest.FixtureRequest) -> Settings:
    return new_settings(kafka, f"again-{os.getpid()}-{abs(hash(request.node.name)) % 10_000}-", "events")


@pytest.fixture
def living(settings: Settings) -> Iterator[Living]:
    with Living(settings, Once(settings)) as made:
        yield made


def documents(settings: Settings) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with reader(settings.client_config(), "read_committed") as consumer:
        for partition in range(settings.facts_partitions):
            stored = load_state(consumer, settings.topic_prefix + STATE, partition)
            found |= {f"{partition}/{key}": value for key, value in stored.documents.items()}
    return found


def test_a_whole_range_that_is_replayed_changes_nothing_and_is_counted(
    settings: Settings, living: Living
) -> None:
    """Everything that was ever sent is sent again, in the order of its topics, twice over."""
    living.begin("ingest", "twin")
    assert [] == living.come_to_rest()
    before = documents(settings)
    first = living.account()
    said = {topic: messages(settings, topic) for topic in INPUT_TOPICS}
    producer = Producer({**settings.client_config(), "enable.idempotence": True, "log_level": 0})
    for _ in range(2):
        for found in said.values():
            for message in found:
                producer.produce(
                    message.topic() or "", message.value(), message.key(), partition=message.partition() or 0
                )
                producer.poll(0)
    assert 0 == producer.flush(60)
    living.start("ingest")
    living.start("twin")
    assert [] == living.come_to_rest()
    after, again = documents(settings), living.account()

    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    assert [] == changed
    assert [] == again.failures
    assert first.items.total() * 3 == again.items.total()
    machine_events = len(said[MACHINE_EVENTS])
    assert again.items["repeat"] - first.items["repeat"] >= 2 * machine_events


def test_what_comes_an_hour_or_a_month_late_is_in_its_place_or_rejected_by_name(
    settings: Settings, living: Living
) -> None:
    """Of messages without numbers a line knows the last 4,096 ids. Those given up for them were ten days old: what is
    older than that can be told from a repeat no more."""
    living.begin("ingest", "twin")
    living.load.end()
    last = next(
        body
        for message in reversed(messages(settings, MACHINE_EVENTS))
        if (body := orjson.loads(message.value() or b""))["kind"] == "count_reported"
    )
    line = {name: value for name, value in last.items() if not name.startswith("source_")} | {"good_count": 1}
    now = datetime.fromisoformat(last["event_time"])
    producer = Producer({**settings.client_config(), "log_level": 0})

    def send(event_id: str, days: float) -> None:
        body = line | {"event_id": event_id, "event_time": (now - timedelta(days=days)).isoformat()}
        producer.produce(settings.topic_prefix + MACHINE_EVENTS, orjson.dumps(body), key=last["line_id"])
        producer.poll(0)

    for number in range(IDS_PER_CHUNK):
        send(f"old-{number}", 10.0)
    for number in range(IDS_PER_CHUNK * CHUNKS_PER_LINE):
        send(f"new-{number}", 0.0)
    for name, days in (("hour", 1 / 24), ("month", 30.0), ("two-months", 60.0)):
        send(f"late-{name}", days)
    assert 0 == producer.flush(60)
    assert [] == living.come_to_rest()
    account = living.account()

    assert [] == account.failures
    assert 2 == account.items["rejected as too_late"]
    rejected = [orjson.loads(message.value() or b"") for message in messages(settings, REJECTIONS)]
    assert {"late-month", "late-two-months"} == {
        each["event_id"] for each in rejected if each["reason"] == "too_late"
    }


def test_huge_and_deep_records_are_refused_before_they_are_parsed(settings: Settings, living: Living) -> None:
    living.begin("ingest", "twin")
    status = Path(f"/proc/{living.crew.pid('ingest')}/status")

    def memory_mb() -> float:
        line = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024.0

    before_mb = memory_mb()
    shapes = {
        "size": b'{"kind": "count_reported", "pad": "' + b"x" * LARGE + b'"}',
        "depth": b"[" * 100_000 + b"]" * 100_000,
        "keys": b"{" + b",".join(b'"k%d":0' % number for number in range(700_000)) + b"}",
    }
    producer = Producer({**settings.client_config(), "message.max.bytes": 2 * LARGE, "log_level": 0})
    # Brokers refuse what is beyond a topic's limit: what is left to us is what they let pass.
    living_topic(settings, "max.message.bytes", str(2 * LARGE))
    for _ in range(10):
        for value in shapes.values():
            producer.produce(settings.topic_prefix + MACHINE_EVENTS, value, partition=0)
            producer.poll(0)
    assert 0 == producer.flush(120)
    wait_until(lambda: not living.commits.unread("ingest"), PATIENCE_S)
    grown_mb = memory_mb() - before_mb
    assert [] == living.come_to_rest()

    codes = Counter(
        orjson.loads(message.value() or b"")["code"] for message in messages(settings, DEAD_LETTERS)
    )
    print(f"dead letters {dict(codes)}, grown by {grown_mb:.0f} MB")
    assert {"size", "depth"} <= set(codes)
    assert 30 == codes.total()
    assert grown_mb < GROWTH_MAX_MB


def living_topic(settings: Settings, name: str, value: str) -> None:
    """Change a setting of the topic of machine events."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(
        ResourceType.TOPIC, settings.topic_prefix + MACHINE_EVENTS, incremental_configs=[entry]
    )
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    admin.incremental_alter_configs([resource])[resource].result(30)
    time.sleep(1.0)  # until the broker judges by it
