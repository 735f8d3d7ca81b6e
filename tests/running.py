"""Roles as real processes for tests, and reading what they put on topics."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Message, Producer

from schemas import Card, Facts
from schemas.topics import CARDS, FACTS, STATE
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader
from streams.settings import Settings
from streams.state_topic import load_state

ROOT = Path(__file__).resolve().parents[1]


class Role:
    """One role in a process of its own; what it prints is kept."""

    def __init__(self, role: str, settings: Settings, *arguments: str, **environment: str) -> None:
        self.printed_to = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed by `end`
        self.born = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", role, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "FORESITE_KAFKA": settings.kafka,
                "FORESITE_APP": settings.app,
                "FORESITE_TOPIC_PREFIX": settings.topic_prefix,
                "FORESITE_FACTS_PARTITIONS": str(settings.facts_partitions),
                "FORESITE_CLOCK": settings.clock,
                "FORESITE_INSTANCE_ID": f"test-{role}",
                "FORESITE_LOG_FORMAT": "json",
                **environment,
            },
            stdout=self.printed_to,
            stderr=subprocess.STDOUT,
        )

    @property
    def printed(self) -> str:
        """What it printed so far."""
        return os.pread(self.printed_to.fileno(), 10_000_000, 0).decode(errors="replace")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Stop it if it runs, whatever it takes."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.printed_to.close()


@contextmanager
def roles(settings: Settings, *names: str) -> Iterator[dict[str, Role]]:
    """Run roles as long as the block lasts."""
    running: dict[str, Role] = {}
    try:
        for name in names:
            running[name] = Role(name, settings)
        yield running
    finally:
        for role in running.values():
            role.end()


def wait_until(is_true: Callable[[], bool], timeout_s: float, explain: Callable[[], str] = str) -> None:
    """Poll a condition; fails with an explanation when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {explain()}"
        time.sleep(0.05)


def messages(settings: Settings, topic: str) -> list[Message]:
    """All records of a topic as read_committed sees them, partition by partition."""
    name = settings.topic_prefix + topic
    found: list[Message] = []
    with reader(settings.client_config(), "read_committed") as consumer:
        for partition in range(partition_count(consumer, name)):
            found += read_to_end(consumer, name, partition)
    return found


def cards(settings: Settings) -> dict[str, Card]:
    """Last revision of each card on the topic."""
    found = [Card.model_validate_json(message.value() or b"") for message in messages(settings, CARDS)]
    return {card.card_id: card for card in sorted(found, key=lambda card: card.revision)}


def facts_log(settings: Settings) -> dict[int, list[bytes]]:
    """The facts records of each partition."""
    log: dict[int, list[bytes]] = {partition: [] for partition in range(settings.facts_partitions)}
    for message in messages(settings, FACTS):
        log[message.partition() or 0].append(message.value() or b"")
    return log


def committed_offset(settings: Settings, partition: int) -> int:
    """Facts offset in the last committed manifest; 0 without one."""
    with reader(settings.client_config(), "read_committed") as consumer:
        stored = load_state(consumer, settings.topic_prefix + STATE, partition)
    return 0 if stored.manifest is None else stored.manifest.facts_offset


def write_facts(settings: Settings, log: dict[int, list[bytes]]) -> None:
    """Put facts records on the facts topic as ingest would: each into its partition, in order."""
    producer = Producer({**settings.client_config(), "enable.idempotence": True})
    for partition, values in log.items():
        for value in values:
            producer.produce(settings.topic_prefix + FACTS, value=value, partition=partition)
            producer.poll(0)
    assert 0 == producer.flush(30)


def encoded(records: list[Facts]) -> list[bytes]:
    """Facts records as bytes."""
    return [facts.encode() for facts in records]
