"""Are the input topics still those that were read before? Kafka forgets the offsets of a topic that is deleted.

A topic that was deleted and created anew begins at offset 0 again, and the group has no offsets for it: it looks like
one that was never read. But the twin has seen positions beyond, and would drop the new events without a word. So the
ids that the broker gave the topics are remembered, as the metadata of an offset of a group that nobody joins.
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas import INGESTED_TOPICS, ForesiteError
from schemas.topics import FACTS
from streams.site_binding import bound_inputs

BROKER_WAIT_S = 10.0

RETRY_S = 0.1
"""Between two questions to a group that has no coordinator at the moment."""

_NO_COORDINATOR = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


OUT_OF_REACH = _NO_COORDINATOR | {
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._WAIT_COORD,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.BROKER_NOT_AVAILABLE,
}
"""Codes of a broker that went away between two questions: it is waited for."""


class InputGone(ForesiteError):
    """Records that were not read yet are no longer in an input topic, or the topic is another one."""


def bookmarks_group(app_id: str, site_prefix: str) -> str:
    """The group that remembers the ids of the topics of one prefix: a broker takes only 4 kB of metadata an offset."""
    return f"{app_id}-ingest-topics" + (f"-{site_prefix.rstrip('.')}" if site_prefix else "")


def check_topic_ids(
    client: Mapping[str, object],
    admin: AdminClient,
    app_id: str,
    prefix: str,
    site_topics: Collection[str] = (),
) -> None:
    """Compare the input topics with those of the last start, and remember them.

    Args:
        client: settings of every Kafka client.
        admin: asks for the ids.
        app_id: begins the groups' names.
        prefix: begins the topics'.
        site_topics: prefixes of topics that are bound to sites.

    Raises:
        InputGone: one of them was created anew.
        KafkaException: the broker did not answer.
    """
    _check(client, admin, bookmarks_group(app_id, ""), prefix, INGESTED_TOPICS)
    for site_prefix in site_topics:
        names = [site_prefix + name for name in bound_inputs()]
        _check(client, admin, bookmarks_group(app_id, site_prefix), prefix, names)


def _check(
    client: Mapping[str, object], admin: AdminClient, group: str, prefix: str, topics: Sequence[str]
) -> None:
    """The same for the topics that one group remembers.

    Raises:
        InputGone: one of them was created anew.
        KafkaException: the broker did not answer.
    """
    ids = _topic_ids(admin, prefix, topics)
    config: dict[str, Any] = {**client, "group.id": group, "enable.auto.commit": False}
    consumer = Consumer(config)
    try:
        kept = _committed(consumer, TopicPartition(prefix + FACTS, 0))
        known: dict[str, str] = json.loads(kept.metadata) if kept.metadata else {}
        renewed = [
            prefix + topic for topic, topic_id in ids.items() if known.get(topic, topic_id) != topic_id
        ]
        if renewed:
            raise InputGone(
                f"{', '.join(renewed)}: created anew since ingest last started. Offsets begin at 0 again, and the twin "
                "would drop all events up to the position that it saw in the old topic. Restore the old topic, or "
                "begin anew under another FORESITE_TOPIC_PREFIX. To go on and accept that loss, run Kafka's own "
                f"`kafka-consumer-groups.sh --delete --group {group}`"
            )
        metadata = json.dumps(ids, separators=(",", ":"))
        consumer.commit(offsets=[TopicPartition(prefix + FACTS, 0, 0, metadata)], asynchronous=False)
    finally:
        consumer.close()


def _committed(consumer: Consumer, place: TopicPartition) -> TopicPartition:
    """The group's offset and what is noted with it; waits for a coordinator, which a broker that just came up may lack."""
    deadline = time.monotonic() + BROKER_WAIT_S
    while True:
        try:
            return consumer.committed([place], timeout=BROKER_WAIT_S)[0]
        except KafkaException as error:
            if error.args[0].code() not in _NO_COORDINATOR or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)


def _topic_ids(admin: AdminClient, prefix: str, topics: Sequence[str]) -> dict[str, str]:
    """Input topic, without prefix -> the id that the broker gave it."""
    names = [prefix + topic for topic in topics]
    described = admin.describe_topics(TopicCollection(names), request_timeout=BROKER_WAIT_S)
    return {topic: str(described[prefix + topic].result().topic_id) for topic in topics}
