"""A look at twin.facts.v1: is it still the log that a manifest speaks of?"""

import zlib

from confluent_kafka import Consumer, KafkaException, Message

from schemas.errors import ForesiteError
from streams.kafka_refusals import DENIED
from streams.partition_reader import read_to_end, watermarks

HINT_REBUILD = (
    "the twin never skips what it has not folded. Restore the topic from a backup, or accept the loss as "
    "docs/operations.md, 'Rebuild', says"
)


class FactsGone(ForesiteError):
    """Facts that the twin has not folded are no longer in the log, or the log is another one."""


def facts_mark(value: bytes | None, timestamp_ms: int) -> str:
    """Fingerprint of a facts record: its time at the broker and a checksum of its bytes."""
    return f"{timestamp_ms}-{zlib.crc32(value or b''):08x}"


def message_mark(message: Message) -> str:
    """Fingerprint of a facts record as read by confluent-kafka."""
    value = message.value()
    assert value is None or isinstance(value, bytes)
    return facts_mark(value, message.timestamp()[1])


def partition_count(consumer: Consumer, topic: str) -> int:
    """How many partitions the topic has; 0 where it does not exist.

    Raises:
        KafkaException: no broker answers, or we may not see the topic.
    """
    metadata = consumer.list_topics(topic, timeout=10.0).topics.get(topic)
    if metadata is not None and metadata.error is not None and metadata.error.code() in DENIED:
        raise KafkaException(metadata.error)
    return 0 if metadata is None or metadata.error is not None else len(metadata.partitions)


def check_continues(consumer: Consumer, topic: str, partition: int, offset: int, mark: str | None) -> None:
    """Make sure that the log goes on where a manifest ends.

    Args:
        consumer: a reader.
        topic: the facts topic.
        partition: its partition.
        offset: the next record to fold.
        mark: fingerprint of the record before it; None where nothing was folded yet.

    Raises:
        FactsGone: retention passed the offset, the log is shorter, or the record before it is another one.
    """
    where = f"{topic}/{partition}"
    low, high = watermarks(consumer, topic, partition)
    if low > offset:
        raise FactsGone(
            f"{where} begins at offset {low}, the twin has folded up to {offset}: retention took {low - offset} "
            f"records. {HINT_REBUILD}"
        )
    if high < offset:
        raise FactsGone(
            f"{where} ends at offset {high}, the twin has folded up to {offset}: the topic was created anew or cut. "
            f"{HINT_REBUILD}"
        )
    if mark is None or offset == 0 or low == offset:
        return  # nothing folded yet, or the record to compare has just gone by retention
    for message in read_to_end(consumer, topic, partition, start=offset - 1, stop=offset):
        if message_mark(message) != mark:
            raise FactsGone(
                f"{where} offset {offset - 1} is not the record that the twin has folded: the topic was created "
                f"anew or restored. {HINT_REBUILD}"
            )
