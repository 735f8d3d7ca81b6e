"""A reader of whole topics from their first record on, outside any group: for those who keep the latest of something."""

import logging
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, TopicPartition

from schemas import UsageError
from streams.partition_reader import READER_GROUP, watermarks
from streams.settings import Settings

METADATA_TIMEOUT_S = 10.0

BeginAt = Callable[[Consumer, str, Sequence[int]], Mapping[int, int]]
"""The consumer, a topic without its prefix, its partitions: gives the offset at which each of them is begun."""


def topic_follower(settings: Settings, topic: str) -> Consumer:
    """A consumer of every partition from its first record, read_committed; the caller closes it.

    Args:
        settings: where Kafka is.
        topic: without the prefix.

    Raises:
        KafkaException: the broker does not answer.
    """

    def first(consumer: Consumer, name: str, partitions: Sequence[int]) -> dict[int, int]:
        return {
            number: watermarks(consumer, settings.topic_prefix + name, number)[0] for number in partitions
        }

    return follower(settings, [topic], first, tells_ends=False)


def follower(
    settings: Settings,
    topics: Sequence[str],
    begin_at: BeginAt,
    *,
    tells_ends: bool = True,
    on_error: Callable[[KafkaError], None] | None = None,
    logger: logging.Logger | None = None,
) -> Consumer:
    """A consumer of every partition of several topics, read_committed; the caller closes it.

    Args:
        settings: where Kafka is.
        topics: without the prefix.
        begin_at: where each topic is begun.
        tells_ends: whether reaching the end of a partition comes as a message with that error.
        on_error: is told of errors that concern no record.
        logger: of the client.

    Raises:
        UsageError: a topic is missing.
        KafkaException: the broker does not answer.
    """
    more: dict[str, object] = {} if on_error is None else {"error_cb": on_error}
    if logger is not None:
        more["logger"] = logger
    consumer = Consumer(
        {
            **settings.client_config(),
            "group.id": READER_GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": tells_ends,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            **more,
        }
    )
    places = []
    for topic in topics:
        name = settings.topic_prefix + topic
        known = consumer.list_topics(name, timeout=METADATA_TIMEOUT_S).topics[name].partitions
        if not known:
            consumer.close()
            raise UsageError(f"no such topic: {name}. Run `foresite topics create`")
        begun = begin_at(consumer, topic, sorted(known))
        places += [TopicPartition(name, number, offset) for number, offset in begun.items()]
    consumer.assign(places)
    return consumer
