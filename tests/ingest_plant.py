"""Ingest with a broker around it: feeds the inputs, runs the role in a thread, reads what came out of it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from schemas import INPUT_TOPICS, DeadLetter, Facts, decode_facts
from schemas.topics import DEAD_LETTERS, FACTS
from streams.admin import Health
from streams.ingest import run_ingest
from streams.metrics import Metrics
from streams.partition_reader import read_to_end, reader, watermarks
from streams.settings import Settings

Position = tuple[str, int, int, int]
"""(topic, partition, offset, index) of an event."""

PATIENCE_S = 60.0


@dataclass
class Plant:
    """One installation on one broker.

    Attributes:
        settings: of the installation.
        facts_partitions: of its facts topic.
    """

    settings: Settings
    producer: Producer = field(init=False)
    _positions: dict[int, list[Position]] = field(init=False, default_factory=dict)
    _next_offsets: dict[int, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.producer = Producer(
            {
                "bootstrap.servers": self.settings.kafka,
                "message.max.bytes": 16_000_000,
                "enable.idempotence": True,  # what is sent is in the topic once, or the tests cannot count
                "partitioner": "murmur2_random",
            }
        )

    @property
    def prefix(self) -> str:
        return self.settings.topic_prefix

    def send(self, topic: str, value: bytes | None, *, partition: int = 0, key: bytes | None = None) -> None:
        while True:
            try:
                self.producer.produce(
                    self.prefix + topic, value, key, partition=partition, on_delivery=_assert_delivered
                )
            except BufferError:
                self.producer.poll(0.1)
            else:
                break
        self.producer.poll(0)

    def flush(self) -> None:
        assert 0 == self.producer.flush(PATIENCE_S)

    def _values(self, topic: str) -> Iterator[tuple[int, bytes]]:
        with reader(self.settings.client_config(), "read_committed") as consumer:
            for partition in sorted(self._partitions(consumer, topic)):
                for message in read_to_end(consumer, self.prefix + topic, partition):
                    value = message.value()
                    assert isinstance(value, bytes)
                    yield partition, value

    def _partitions(self, consumer: Consumer, topic: str) -> list[int]:
        return list(
            consumer.list_topics(self.prefix + topic, timeout=10).topics[self.prefix + topic].partitions
        )

    def facts(self) -> dict[int, list[Facts]]:
        """Facts partition -> its records in order."""
        found: dict[int, list[Facts]] = {}
        for partition, value in self._values(FACTS):
            found.setdefault(partition, []).append(decode_facts(value))
        return found

    def positions(self) -> dict[int, list[Position]]:
        """Facts partition -> positions of events in the order of writing; reads only what is new since last time."""
        topic = self.prefix + FACTS
        with reader(self.settings.client_config(), "read_committed") as consumer:
            for partition in self._partitions(consumer, FACTS):
                found = self._positions.setdefault(partition, [])
                for message in read_to_end(consumer, topic, partition, self._next_offsets.get(partition)):
                    self._next_offsets[partition] = (message.offset() or 0) + 1
                    for segment in orjson.loads(message.value() or b"")["segments"]:
                        source = segment["topic"], segment["partition"]
                        found += [(*source, offset, index) for offset, index in segment["positions"]]
        return self._positions

    def letter_count(self) -> int:
        """How many dead letters there are."""
        topic = self.prefix + DEAD_LETTERS
        with reader(self.settings.client_config(), "read_committed") as consumer:
            return sum(watermarks(consumer, topic, p)[1] for p in self._partitions(consumer, DEAD_LETTERS))

    def dead_letters(self) -> list[DeadLetter]:
        return [DeadLetter.model_validate_json(value) for _, value in self._values(DEAD_LETTERS)]

    def committed(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> committed offset, where there is one."""
        group = {"group.id": f"{self.settings.app_id}-ingest"}
        consumer = Consumer({**self.settings.client_config(), **group})
        try:
            asked = [
                TopicPartition(self.prefix + topic, partition)
                for topic in INPUT_TOPICS
                for partition in self._partitions(consumer, topic)
            ]
            return {
                (tp.topic.removeprefix(self.prefix), tp.partition): tp.offset
                for tp in _patiently(lambda: consumer.committed(asked, timeout=10))
                if tp.offset >= 0
            }
        finally:
            consumer.close()


def _patiently(ask: Callable[[], list[TopicPartition]]) -> list[TopicPartition]:
    """The answer of a group coordinator that may have come up a moment ago."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _assert_delivered(error: object, _message: object) -> None:
    assert error is None, error


@dataclass
class Run:
    """A run of ingest in a thread."""

    health: Health
    metrics: Metrics
    stop: threading.Event
    thread: threading.Thread
    error: BaseException | None = None

    def end(self) -> None:
        """Ask it to stop and wait until it has."""
        self.stop.set()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()

    def wait_until_failed(self) -> BaseException:
        self.thread.join(PATIENCE_S)
        assert self.error is not None
        return self.error


@contextmanager
def running(settings: Settings) -> Iterator[Run]:
    """Ingest, until the block ends; raises what it failed of."""
    run = Run(Health(), Metrics(), threading.Event(), threading.Thread())

    def work() -> None:
        try:
            run_ingest(settings, run.stop, metrics=run.metrics, health=run.health)
        except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
            run.error = error

    run.thread = threading.Thread(target=work)
    run.thread.start()
    try:
        yield run
    finally:
        run.end()
        if run.error is not None:
            raise run.error


def wait_for(plant: Plant, *, events: int, letters: int = 0) -> None:
    """Until ingest has written so many events, each counted once, and dead letters."""
    deadline = time.monotonic() + PATIENCE_S
    distinct: set[Position] = set()
    while time.monotonic() < deadline:
        found = plant.positions()
        if sum(map(len, found.values())) >= events and plant.letter_count() >= letters:
            distinct = {position for positions in found.values() for position in positions}
            if len(distinct) >= events:
                return
        time.sleep(0.1)
    raise AssertionError(f"{len(distinct)} events of {events}, {plant.letter_count()} letters of {letters}")


def trimmed(positions: list[Position]) -> tuple[list[Position], int]:
    """What the twin keeps of a facts partition, and how much it drops as seen before."""
    watermarks: dict[tuple[str, int], tuple[int, int]] = {}
    kept = []
    for topic, partition, offset, index in positions:
        if (offset, index) > watermarks.get((topic, partition), (-1, -1)):
            watermarks[topic, partition] = (offset, index)
            kept.append((topic, partition, offset, index))
    return kept, len(positions) - len(kept)


def holes(positions: list[Position]) -> Counter[tuple[str, int]]:
    """Events that the twin would lose: positions that first appear behind a later one of their source."""
    kept, _ = trimmed(positions)
    lost = set(positions) - set(kept)
    return Counter((topic, partition) for topic, partition, _, _ in lost)


def ticks(facts: dict[int, list[Facts]]) -> dict[int, list[float]]:
    """Facts partition -> its ticks, Unix time."""
    return {
        partition: [record.tick.now.timestamp() for record in records if record.tick is not None]
        for partition, records in facts.items()
    }
