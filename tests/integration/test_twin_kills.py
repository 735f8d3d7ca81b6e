"""kill -9 of the real twin under load on Apache Kafka: nothing lost, nothing doubled, state equal to a refold."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest
from confluent_kafka import Producer

from schemas import TOPIC_OF_KIND, Facts
from schemas.topics import FACTS, TOPICS
from streams.settings import Settings
from streams.simulator import Factory, FactorySettings
from streams.topic_admin import create_topics
from streams.twin_fold import TWIN
from streams.twin_worker import shard_topics
from streams.verify import verify
from tests.folding import segment_of
from tests.running import ROOT, Role, committed_offset, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = 10
RECORDS_PER_S = 150
EVENTS_PER_RECORD = 20
BACK_AT_WORK_S = 60.0
"""Generous: the time is printed, and only a worker that does not come back fails."""


def load() -> Iterator[bytes]:
    """Facts records of a simulated factory, noise, troubles, card-raising disturbances and its clock included."""
    offsets: Counter[str] = Counter()
    events = Factory(FactorySettings(seed=11, lines=6, days=14)).events()
    while batch := list(islice(events, EVENTS_PER_RECORD)):
        segments = []
        for event in batch:
            topic = TOPIC_OF_KIND[event.kind]
            segments.append(segment_of(topic, offsets[topic], event))
            offsets[topic] += 1
        yield Facts(group_id="plant-1", segments=segments).encode()


class Load:
    """Writes facts at a steady rate until stopped; knows how many it wrote."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self.written = 0
        self._stop = threading.Event()
        self._producer = Producer({**settings.client_config(), "enable.idempotence": True})
        self._topic, self._partition = settings.topic_prefix + FACTS, partition
        self._thread = threading.Thread(target=self._write, name="load")
        self._thread.start()

    def _write(self) -> None:
        began = time.monotonic()
        for value in load():
            if self._stop.is_set():
                return
            self._producer.produce(self._topic, value=value, partition=self._partition)
            self._producer.poll(0)
            self.written += 1
            ahead = self.written / RECORDS_PER_S - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)

    def end(self) -> int:
        """Stop, and say how many records there are."""
        self._stop.set()
        self._thread.join()
        assert 0 == self._producer.flush(30)
        return self.written


def _is_back(settings: Settings, partition: int, seen: int, stream: Load, role: Role) -> bool:
    """Whether a new twin has committed; where nothing was left to fold, whether it has taken its shard over."""
    if committed_offset(settings, partition) > seen:
        return True
    taken = '"event": "shard_taken_over", "role": "twin"'
    lines = [
        line for line in role.printed.splitlines() if taken in line and f'"partition": {partition}' in line
    ]
    return seen == stream.written and bool(lines)


def test_ten_kills_under_load_lose_and_double_nothing(kafka: str) -> None:
    settings = Settings(kafka=kafka, topic_prefix=f"kills-{os.getpid()}-", clock="events", facts_partitions=2)
    create_topics(settings, replication=1)
    chance = Random(7)  # of the moments only: what is checked holds at any
    partition = 1
    stream = Load(settings, partition)
    role = Role("twin", settings)
    back: list[float] = []
    try:
        wait_until(lambda: committed_offset(settings, partition) > 0, BACK_AT_WORK_S, lambda: role.printed)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.3, 1.5))
            role.kill()
            before = committed_offset(settings, partition)
            role.end()
            role = Role("twin", settings)
            wait_until(
                lambda seen=before, now=role: _is_back(settings, partition, seen, stream, now),  # type: ignore[misc]
                BACK_AT_WORK_S,
                lambda last=role: last.printed,  # type: ignore[misc]
            )
            back.append(time.monotonic() - role.born)
        written = stream.end()
        wait_until(lambda: committed_offset(settings, partition) == written, 120.0, lambda: role.printed)
    finally:
        stream.end()
        role.end()
    print(f"\nback at work after kill -9, seconds: {', '.join(f'{each:.1f}' for each in back)}")

    compacted = [name for name, topic in TOPICS.items() if topic.cleanup == "compact"]
    report = verify(settings.client_config(), shard_topics(settings), TWIN, compacted)
    print(report)
    assert report.is_equal, str(report)
    assert sum(topic.outputs for topic in report.topics) > 100, "the load said too little to prove anything"
    said = subprocess.run(
        [sys.executable, "-m", "streams.cli", "verify", "--kafka", kafka],
        cwd=ROOT,
        env={**os.environ, "FORESITE_TOPIC_PREFIX": settings.topic_prefix, "FORESITE_FACTS_PARTITIONS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, True) == (said.returncode, "equal: the topics hold what the facts say" in said.stdout), (
        said.stderr
    )
