"""Reads one partition from a position to its end, for state, verify and the look at the facts log."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.kafka_logger import kafka_logger

READER_GROUP = "foresite-reader"
"""What readers that belong to no group call themselves, as librdkafka wants a name: nothing is ever committed under it,
and who may describe it may read."""

Isolation = Literal["read_committed", "read_uncommitted"]

STALL_TIMEOUT_S = 30.0
"""No progress for so long is a failure. Too small: a leader change fails a restore. Too large: a dead broker hides."""

_LEADERLESS = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError._UNKNOWN_PARTITION,  # the client's own word, while the broker it asked had not heard of a new topic
    }
)

_UNKNOWN = frozenset({KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART})

UNKNOWN_WAIT_S = 5.0
"""A broker on a busy machine hears so much later of a topic that its controller has made. Too large: a topic that is
not there takes long to be named."""

RETRY_S = 0.1
"""Between two questions about a partition that has no leader at the moment."""

BATCH_MESSAGES = 2_000
BATCH_WAIT_S = 0.05
"""consume() waits until a batch is full or this time is over: it is what the last batch of a partition costs."""


@contextmanager
def reader(client: Mapping[str, object], isolation: Isolation) -> Iterator[Consumer]:
    """A consumer that belongs to no group and commits nothing."""
    consumer = Consumer(
        {
            **client,
            "group.id": READER_GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
            # librdkafka pauses for a second once so many records or 64 MB wait here: longer than reading them takes.
            "fetch.queue.backoff.ms": 10,
        },
        logger=kafka_logger(),
    )
    try:
        yield consumer
    finally:
        consumer.close()


def watermarks(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """First offset the log still holds, and the end as far as this reader's isolation may see."""
    began = time.monotonic()
    while True:
        try:
            low, high = consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=STALL_TIMEOUT_S, cached=False
            )
        except KafkaException as error:
            # A topic just created, or a leader that moves: the next answer is another one.
            code, waited_s = error.args[0].code(), time.monotonic() - began
            patience_s = (
                STALL_TIMEOUT_S if code in _LEADERLESS else UNKNOWN_WAIT_S if code in _UNKNOWN else 0.0
            )
            if waited_s >= patience_s:
                raise
            time.sleep(RETRY_S)
        else:
            return low, high


def read_to_end(
    consumer: Consumer, topic: str, partition: int, start: int | None = None, stop: int | None = None
) -> Iterator[Message]:
    """Messages from `start` (default: the first there is) up to `stop` or the end as it is when reading begins.

    The end is reached at the end-of-partition event or when the position is at the high watermark, never "at the
    last message": transaction markers and compaction leave offsets that no message carries.

    Raises:
        KafkaException: the broker failed, or nothing moved for STALL_TIMEOUT_S.
    """
    low, high = watermarks(consumer, topic, partition)
    here = TopicPartition(topic, partition)
    position = low if start is None else start
    end = high if stop is None else min(stop, high)
    if position >= end:
        return
    consumer.assign([TopicPartition(topic, partition, position)])
    progressed_at = time.monotonic()
    try:
        while True:
            messages = consumer.consume(BATCH_MESSAGES, BATCH_WAIT_S)
            for message in messages:
                error = message.error()
                if error is None:
                    offset = message.offset()
                    assert offset is not None
                    if offset >= end:
                        return
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    return
                elif not error.retriable():
                    raise KafkaException(error)
            if messages:
                progressed_at = time.monotonic()
            if consumer.position([here])[0].offset >= end:
                return
            if time.monotonic() - progressed_at > STALL_TIMEOUT_S:
                raise KafkaException(
                    KafkaError(
                        KafkaError._TIMED_OUT, f"{topic}/{partition}: no progress for {STALL_TIMEOUT_S:.0f} s"
                    )
                )
    finally:
        consumer.unassign()
