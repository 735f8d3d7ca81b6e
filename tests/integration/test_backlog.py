"""Hours of facts that piled up while twin and notify were away, on Apache Kafka: what is told, asked and held up."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import TOPICS, Facts, SiteStatus, Tick, topics
from streams.replay import ENDED
from streams.settings import Settings
from streams.topic_admin import create_topics
from streams.twin_app import FETCH_BYTES_MAX, STREAM_BUFFER_RECORDS
from streams.twin_fold import TWIN
from streams.twin_worker import shard_topics
from streams.verify import verify
from tests.backlog_plant import as_facts, story
from tests.folding import fold_all
from tests.notify_plant import SECRET, Receiver, receiver
from tests.running import Role, cards, committed_offset, messages, wait_until, write_facts

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

HOURS = 7
PATIENCE_S = 180.0


@contextmanager
def ticking(settings: Settings) -> Iterator[None]:
    """Ingest is there: a tick each second, as of now."""
    stop = threading.Event()

    def tick() -> None:
        producer = Producer({**settings.client_config(), "enable.idempotence": True})
        while not stop.wait(1.0):
            value = Facts(group_id="*", tick=Tick(now=datetime.now(UTC))).encode()
            producer.produce(settings.topic_prefix + topics.FACTS, value=value, partition=0)
            producer.flush(5)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


class Installation:
    """Roles on one Kafka, and who is told."""

    def __init__(self, settings: Settings, hook: Receiver, folder: Path) -> None:
        self.settings, self.hook, self.roles = settings, hook, list[Role]()
        self.file = folder / "notify.yaml"
        told = {
            "people": {"okafor": {"webhook": "hook"}},
            "webhooks": {"hook": {"url": hook.url, "allow_http": True}},
            "default": "okafor",
            "digest_above": 1_000,
        }
        self.file.write_text(json.dumps(told), encoding="utf-8")

    def start(self, *names: str) -> None:
        secrets = json.dumps({"hook": SECRET})
        for name in names:
            environment = {
                "FORESITE_NOTIFY_CONFIG": str(self.file),
                "FORESITE_NOTIFY_WEBHOOK_SECRETS": secrets,
            }
            self.roles.append(Role(name, self.settings, **environment))

    def end(self) -> None:
        for role in self.roles:
            role.end()
        self.roles.clear()

    @property
    def told(self) -> Counter[tuple[str, str]]:
        """How often each change of each line's card was told."""
        changes = [notice for posted in list(self.hook.posted) for notice in posted.changes]
        return Counter((line, change) for change, line in changes)

    def explain(self) -> str:
        return f"{self.told}\n" + "\n".join(role.printed[-6_000:] for role in self.roles)


@contextmanager
def idle_reader(settings: Settings) -> Iterator[Consumer]:
    """A read_committed reader of the cards that has begun and reads no more: a page that hangs, a laptop that sleeps."""
    consumer = Consumer(
        {
            **settings.client_config(),
            "group.id": "idle",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    name = settings.topic_prefix + topics.CARDS
    consumer.assign([TopicPartition(name, partition, 0) for partition in range(4)])
    consumer.poll(0.5)
    try:
        yield consumer
    finally:
        consumer.close()


def test_hours_of_facts_are_folded_and_told_as_they_stand_at_their_end(kafka: str, tmp_path: Path) -> None:
    """Seven hours, the first of them seen by twin and notify; then both are away for six, and come back.

    By hand: M1 stands since the first hour, M2 stood for two hours in the middle, M3 stands since an hour ago. Told are
    M1 and M3, once each, and nothing of M2, whose card came and went. Eighteen orders came and were cancelled: of the
    solver, which is not there, less than ten things are asked.
    """
    settings = Settings(kafka=kafka, topic_prefix=f"backlog-{os.getpid()}-", facts_partitions=1)
    create_topics(settings, replication=1)
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    records = as_facts(story(end, HOURS))
    hour = next(
        n
        for n, facts in enumerate(records)
        if facts.tick and facts.tick.now >= end - timedelta(hours=HOURS - 1.2)
    )
    assert len(records) > 10 * STREAM_BUFFER_RECORDS
    assert sum(len(facts.encode()) for facts in records) < 10 * FETCH_BYTES_MAX
    with receiver() as hook, idle_reader(settings) as idle:
        at_work = Installation(settings, hook, tmp_path)
        try:
            write_facts(settings, {0: [facts.encode() for facts in records[:hour]]})
            at_work.start("twin", "notify")
            wait_until(lambda: committed_offset(settings, 0) == hour, PATIENCE_S, at_work.explain)
            at_work.end()
            told_of_the_past = at_work.told
            write_facts(settings, {0: [facts.encode() for facts in records[hour:]]})
            with ticking(settings):
                began = time.monotonic()
                at_work.start("twin", "notify")
                wait_until(lambda: committed_offset(settings, 0) >= len(records), PATIENCE_S, at_work.explain)
                print(
                    f"\n{len(records) - hour} facts records of six hours caught up in {time.monotonic() - began:.1f} s"
                )
                wait_until(lambda: len(at_work.told) >= 2, PATIENCE_S, at_work.explain)
                time.sleep(3.0)  # for what should not come
        finally:
            at_work.end()
        left = 0
        while idle.poll(5.0) is not None:
            left += 1
    on_topic = cards(settings)
    statuses = [
        SiteStatus.model_validate_json(each.value() or b"") for each in messages(settings, topics.SITES)
    ]
    requests = messages(settings, topics.REPLAN_REQUESTS)
    alone, outputs, _ = fold_all(records)
    compacted = [name for name, topic in TOPICS.items() if topic.cleanup == "compact"]
    report = verify(settings.client_config(), shard_topics(settings), TWIN, compacted)

    assert report.is_equal, str(report)
    assert Counter() == told_of_the_past
    assert Counter({("M1", "raised"): 1, ("M3", "raised"): 1}) == at_work.told, at_work.explain()
    assert ["M2"] == [card.card_id.split("/")[3] for card in on_topic.values() if card.state in ENDED]
    assert 0 < len(requests) < 10
    assert sum(output.topic == topics.REPLAN_REQUESTS for output in outputs) <= len(requests)
    assert statuses[-1].as_of >= end
    assert not statuses[-1].is_catching_up
    assert alone.now is not None
    assert left >= len(messages(settings, topics.CARDS)) - 1  # it held nothing up, and misses nothing
