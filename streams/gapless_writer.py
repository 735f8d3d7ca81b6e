"""Writes facts and dead letters so that nothing is lost and no hole appears, and tells what is safe to commit.

Law: records reach each partition in the order they were sent, all of them or a first part. The first failed delivery
ends the process, and nothing behind the failed record may be sent: the twin would take the later events and drop the
lost ones when they come again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas import ForesiteError, UsageError
from streams.kafka_logger import kafka_logger
from streams.kafka_refusals import DENIED

IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024
"""Bytes sent and not acknowledged. Too small: a round trip to the broker limits the rate. Too large: memory, and so
much is written twice after a crash."""

LINGER_MS = 5
"""How long a record waits for company. Too small: many small requests. Too large: later cards."""

POLL_S = 0.05
"""How long one wait for the broker's answers takes, before we look around again."""

CODECS = ("gzip", "snappy", "lz4", "zstd")

SourcePartition = tuple[str, int]
"""Full name of an input topic, and partition."""


class DeliveryFailed(ForesiteError):
    """The broker would not take a record. Nothing behind it was sent, nothing was committed: start again."""


class Outgoing(NamedTuple):
    """A record to write; without a partition, the key decides."""

    topic: str
    partition: int | None
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(slots=True)
class _InFlight:
    """Records that were sent together, and the offsets that are done with when all of them have arrived."""

    next_offsets: Mapping[SourcePartition, int]
    pending: int
    sent_at: float


def require_codecs(new_producer: Callable[[dict[str, Any]], Any] = Producer) -> None:
    """Fail now rather than at the first compressed batch, which would be met again at every restart.

    Raises:
        UsageError: librdkafka was built without one of the codecs that sources may use.
    """
    missing = []
    for codec in CODECS:
        try:
            new_producer({"compression.type": codec, "log_level": 0})
        except (KafkaException, ValueError):
            missing.append(codec)
    if missing:
        raise UsageError(
            f"cannot decompress {', '.join(missing)}: install confluent-kafka's own wheel (`make env` does)"
        )


class GaplessWriter:
    """A producer with bounded memory that never leaves a hole.

    Args:
        client: settings of every Kafka client.
        record_bytes: largest batch that the topics take.
        new_producer: makes the client; tests have their own.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: Mapping[str, object],
        record_bytes: int,
        *,
        new_producer: Callable[[dict[str, Any]], Any] = Producer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_flight_bytes = 0
        self.ack_seconds: list[float] = []
        """How long batches took to be acknowledged, since somebody last took the list."""
        self._clock = clock
        self._batches: deque[_InFlight] = deque()
        self._failure: str | None = None
        self._refused: KafkaError | None = None
        self._producer = new_producer(
            {
                **client,
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "acks": "all",
                "message.timeout.ms": 0,  # never give one up: what is behind it would overtake it
                "compression.type": "lz4",
                "linger.ms": LINGER_MS,
                "message.max.bytes": record_bytes,
                "batch.size": record_bytes,
                "queue.buffering.max.kbytes": 2 * IN_FLIGHT_BYTES_MAX // 1024,
                "partitioner": "murmur2",
                "error_cb": self._on_error,
                "logger": kafka_logger(),
            }
        )

    @property
    def has_room(self) -> bool:
        """Whether more may be sent."""
        return self.in_flight_bytes < IN_FLIGHT_BYTES_MAX

    @property
    def oldest_age_s(self) -> float:
        """How long the oldest batch has been waiting for the broker; 0 when nothing waits."""
        return self._clock() - self._batches[0].sent_at if self._batches else 0.0

    def partitions_of(self, topic: str, timeout_s: float) -> int:
        """How many partitions a topic has; 0 where it does not exist.

        Raises:
            KafkaException: no broker answered.
        """
        metadata = self._producer.list_topics(topic, timeout=timeout_s).topics.get(topic)
        return 0 if metadata is None or metadata.error is not None else len(metadata.partitions)

    def send(self, records: Iterable[Outgoing], next_offsets: Mapping[SourcePartition, int]) -> None:
        """Send records; when all of them and all before them have arrived, `take_delivered` has the offsets.

        Raises:
            DeliveryFailed: an earlier record was refused, or one of these is too large.
        """
        batch = _InFlight(next_offsets, 1, self._clock())
        self._batches.append(batch)
        for record in records:
            size = len(record.value)
            batch.pending += 1
            self.in_flight_bytes += size
            self._produce(record, partial(self._on_delivery, batch, size))
        batch.pending -= 1  # the one for ourselves, so that a batch does not end while it is being sent
        self.poll(0.0)

    def _produce(self, record: Outgoing, on_delivery: Callable[[Any, Any], None]) -> None:
        options: dict[str, Any] = {} if record.partition is None else {"partition": record.partition}
        if record.headers:
            options["headers"] = list(record.headers)
        while True:
            try:
                self._producer.produce(
                    record.topic, record.value, record.key, on_delivery=on_delivery, **options
                )
            except BufferError:
                self.poll(POLL_S)  # the client's queue is full: wait, never drop
            except KafkaException as error:  # the record itself, or a producer that has failed for good
                self._failure = self._failure or f"{record.topic}: {error}"
                raise self._failed() from None
            else:
                return

    def poll(self, timeout_s: float) -> None:
        """Let the broker's answers in.

        Raises:
            DeliveryFailed: one of them was no.
        """
        try:
            self._producer.poll(timeout_s)
        except (
            KafkaException
        ) as error:  # a producer that has failed for good may say so before the report comes
            self._failure = self._failure or str(error)
        if self._failure is not None:
            raise self._failed()

    def take_delivered(self) -> dict[SourcePartition, int]:
        """Offsets that are done with since the last call: all that was sent up to there has arrived."""
        offsets: dict[SourcePartition, int] = {}
        while self._batches and not self._batches[0].pending:
            batch = self._batches.popleft()
            offsets.update(batch.next_offsets)
            self.ack_seconds.append(self._clock() - batch.sent_at)
        return offsets

    def drain(self, timeout_s: float) -> bool:
        """Wait until all has arrived; False if it has not in this time.

        Raises:
            DeliveryFailed: something was refused.
        """
        deadline = self._clock() + timeout_s
        while any(batch.pending for batch in self._batches):
            left_s = deadline - self._clock()
            if left_s <= 0:
                return False
            self.poll(min(POLL_S, left_s))
        return True

    def close(self) -> None:
        """Let go. What has not arrived will not: it is read again from the committed offsets."""
        self._stop()

    def _stop(self) -> None:
        """Nothing that is still here may be sent any more."""
        self._producer.purge(in_queue=True, in_flight=True, blocking=False)

    def _failed(self) -> DeliveryFailed:
        """The end, with what the broker said of the record: a fatal error may come before the record's own report."""
        self._stop()
        if self._refused is None:
            with suppress(KafkaException):  # it may say once more that it has failed for good
                self._producer.poll(POLL_S)
        failed = DeliveryFailed(self._failure)
        failed.__cause__ = None if self._refused is None else KafkaException(self._refused)
        return failed

    def _on_delivery(self, batch: _InFlight, size: int, error: KafkaError | None, message: Any) -> None:
        self.in_flight_bytes -= size
        if error is None:
            batch.pending -= 1
        else:
            if error.code() in DENIED:
                self._refused = error
            if self._failure is None:
                self._failure = f"{message.topic()}/{message.partition()}: {error.str()}"

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() and self._failure is None:
            self._failure = error.str()
