"""Keeps the view up to date: one thread that reads all topics outside any group, and says how far it is."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas import topics
from streams.admin import Health
from streams.kafka_logger import kafka_logger
from streams.kafka_refusals import DENIED, advice, explained, is_final
from streams.kafka_refusals import REASON as REFUSED
from streams.metrics import Metrics
from streams.partition_reader import watermarks
from streams.settings import Settings
from streams.topic_follower import follower
from streams.tracing import OFF, Span, Tracing
from streams.web.view import FOLLOWED, TAILS, Record, View

log = structlog.get_logger(__name__)

POLL_S: Final = 0.2
BATCH_MESSAGES: Final = 500
"""Records taken under one lock. Too small: the start takes long. Too large: requests wait for it."""

TAIL_RECORDS: Final = 5_000
"""Of each partition of a topic of which the newest records are enough. Too small: the causes of this morning's dead
letters are gone. Too large: a start that reads a month."""

LOOK_EVERY_S: Final = 2.0
"""Between two looks at lag and broker."""

BROKER_WAIT_S: Final = 5.0

GRANTED_AFTER_S: Final = 10.0
"""Without another refusal for so long, Kafka lets us in again: the client asks every second or so."""


class ViewReader:
    """Reads the topics of the view in a thread, from `start` to `stop`.

    Args:
        settings: where Kafka is.
        view: filled here, and nowhere else.
        health: told what is missing: kafka, catching_up.
        metrics: lag and age.
        told: called in the thread when there is news for the stream.
        tracing: ends traces: what came of it is there to be seen.
    """

    def __init__(
        self,
        settings: Settings,
        view: View,
        health: Health,
        metrics: Metrics,
        told: Callable[[], object],
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        self._settings, self._view = settings, view
        self._health, self._metrics, self._told = health, metrics, told
        self._stop = threading.Event()
        self._prefix = settings.topic_prefix
        self._behind: set[tuple[str, int]] = set()
        self._has_begun = False
        self._denied_at = 0.0
        self.turns = 0
        self.failed: BaseException | None = None
        """Why it ended by itself."""
        self._thread = threading.Thread(target=self._run, name="view-reader", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._health.not_ready("catching_up", "the topics have not been read to their ends yet")
        self._thread.start()

    def stop(self) -> None:
        """End reading."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_caught_up(self) -> bool:
        """Whether every topic has been read to the end that it had at the start."""
        return self._has_begun and not self._behind

    def _run(self) -> None:
        try:
            consumer = follower(
                self._settings, FOLLOWED, self._begin_at, on_error=self._on_error, logger=kafka_logger()
            )
            self._has_begun = True  # not before the last topic: those that were asked first may be empty
            try:
                self._read(consumer)
            finally:
                consumer.close()
        except BaseException as error:  # noqa: BLE001 - the role looks at it and ends
            self.failed = error

    def _begin_at(self, consumer: Consumer, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Offset at which each partition is begun: compacted topics at their first record, others near their end."""
        name = self._prefix + topic
        tail = TAIL_RECORDS if topic in TAILS else None
        begun = {}
        for number in partitions:
            low, high = watermarks(consumer, name, number)
            begun[number] = low if tail is None else max(low, high - tail)
            if high > begun[number]:
                self._behind.add((name, number))
        self._view.begin(topic, begun)
        self.turns += 1
        return begun

    def _read(self, consumer: Consumer) -> None:
        look_at = 0.0
        self._note_progress()
        while not self._stop.is_set():
            was_behind = bool(self._behind)
            first = consumer.poll(POLL_S)  # consume() alone would wait until its batch is full
            messages = [] if first is None else [first, *consumer.consume(BATCH_MESSAGES, 0.0)]
            records = [record for message in messages if (record := self._record(message)) is not None]
            spans = self._spans(messages) if self._tracing.is_on else ()
            if records and self._view.take(records):
                self._told()
            for span in spans:
                span.end()
            self.turns += 1
            if was_behind:
                self._note_progress()
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + LOOK_EVERY_S
                self._look(consumer)

    def _spans(self, messages: Sequence[Message]) -> list[Span]:
        """One for each record that belongs to a trace; the start reads yesterday's, which are over."""
        if self._behind:
            return []
        return [
            self._tracing.span("view", traces, {"messaging.destination.name": str(message.topic())})
            for message in messages
            if message.error() is None and (traces := self._tracing.carried(message.headers()))
        ]

    def _record(self, message: Message) -> Record | None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._behind.discard((topic, partition))
                self._health.ready("kafka")
            else:
                self._on_error(error)
                if is_final(error):
                    raise KafkaException(error)
            return None
        assert offset is not None
        key, value = message.key(), message.value()
        name = topic.removeprefix(self._prefix)
        return Record(name, partition, offset, _text(key), value if isinstance(value, bytes) else None)

    def _note_progress(self) -> None:
        if self._behind:
            names = sorted({topic for topic, _ in self._behind})
            self._health.not_ready("catching_up", f"reading {', '.join(names)}")
        else:
            self._health.ready("catching_up")

    def _look(self, consumer: Consumer) -> None:
        """See that the broker answers, and how far behind its topics we are."""
        try:
            consumer.list_topics(self._prefix + topics.CARDS, timeout=BROKER_WAIT_S)
        except KafkaException as error:
            self._view.trouble = "Kafka unreachable: reading only"
            self._on_error(error.args[0])
            return
        self._view.trouble = None
        self._health.ready("kafka")
        if self._denied_at and time.monotonic() - self._denied_at > GRANTED_AFTER_S:
            self._denied_at = 0.0
            self._health.ready(REFUSED)
        lag: dict[str, int] = {}
        for place in consumer.position(consumer.assignment()):
            _, high = consumer.get_watermark_offsets(
                TopicPartition(place.topic, place.partition), cached=True
            )
            behind = max(0, high - place.offset) if place.offset >= 0 and high >= 0 else 0
            name = place.topic.removeprefix(self._prefix)
            lag[name] = lag.get(name, 0) + behind
        for name, records in lag.items():
            self._metrics.consumer_lag_records.labels(name).set(records)

    def _on_error(self, error: KafkaError) -> None:
        """Note what the client complains of; it tries again by itself, and what was read stays good."""
        self._metrics.kafka_errors.labels(error.name()).inc()
        if error.code() in DENIED or advice(error) is not None:
            if not self._denied_at:
                log.error("kafka_refuses", error=explained(error))
            self._denied_at = time.monotonic()
            self._health.not_ready(REFUSED, explained(error))
        elif error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT):
            self._health.not_ready("kafka", f"the picture stands still: {error.str()}")


def _text(key: bytes | str | None) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else key or ""
