"""A reader of a whole topic from its first record on, outside any group: for those who keep the latest of something."""

from confluent_kafka import Consumer, TopicPartition

from streams.partition_reader import READER_GROUP, watermarks
from streams.settings import Settings

METADATA_TIMEOUT_S = 10.0


def topic_follower(settings: Settings, topic: str) -> Consumer:
    """A consumer of every partition from its first record, read_committed; the caller closes it.

    Args:
        settings: where Kafka is.
        topic: without the prefix.

    Raises:
        KafkaException: the broker does not answer.
    """
    name = settings.topic_prefix + topic
    consumer = Consumer(
        {
            **settings.client_config(),
            "group.id": READER_GROUP,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
        }
    )
    partitions = consumer.list_topics(name, timeout=METADATA_TIMEOUT_S).topics[name].partitions
    consumer.assign(
        [TopicPartition(name, number, watermarks(consumer, name, number)[0]) for number in partitions]
    )
    return consumer
