"""What ingest needs to be told, and what must be right before it reads its first record."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.admin._resource import ResourceType

from schemas import ForesiteError, UsageError
from schemas.topics import DEAD_LETTERS, FACTS, LARGE_RECORD_BYTES
from streams.kafka_logger import kafka_logger
from streams.kafka_refusals import LastTrouble, refuse_hidden
from streams.partition_reader import reader
from streams.site_binding import ingested_topics
from streams.topic_identity import OUT_OF_REACH, check_topic_ids

log = structlog.get_logger(__name__)

BROKER_WAIT_S = 10.0
"""How long one question to the broker waits before we say so and ask again."""

TOPIC_BYTES_DEFAULT = 1_000_000
"""What a topic takes where we may not ask; Kafka's own default is 1,048,588."""

TOPIC_BYTES_MAX = LARGE_RECORD_BYTES
"""We write no larger batches, whatever a topic takes. Too large: one record is a long step for the twin."""


class KafkaUnreachable(ForesiteError):
    """No broker answers, or none lets us in; the message says what is known and what helps."""


class TopicsMissing(UsageError):
    """Topics that ingest reads or writes are not there, or not known to this broker yet."""


class IngestSettings(Protocol):
    """What ingest needs to be told; streams.settings.Settings is one."""

    @property
    def app_id(self) -> str:
        """Begins the name of the consumer group."""
        ...

    @property
    def topic_prefix(self) -> str:
        """Stands before every topic."""
        ...

    @property
    def facts_partitions(self) -> int:
        """How many partitions the facts topic must have."""
        ...

    @property
    def planning_groups(self) -> Mapping[str, Sequence[str]]:
        """Group -> sites."""
        ...

    @property
    def site_topics(self) -> Mapping[str, Sequence[str]]:
        """Prefix of topics -> the sites that their publishers may speak for."""
        ...

    @property
    def clock(self) -> Literal["wall", "events"]:
        """Who drives the clock."""
        ...

    @property
    def ingest_batch_events(self) -> int:
        """Events in one facts record at most."""
        ...

    @property
    def consumer_group_instance_id(self) -> str | None:
        """Name for static membership."""
        ...

    def client_config(self) -> Mapping[str, object]:
        """Settings of every Kafka client: servers, security."""
        ...


def check_topics(settings: IngestSettings) -> int:
    """Look at the topics; gives the size that the facts and dead letter topics both take, in bytes.

    Raises:
        KafkaUnreachable: no broker answers, or none lets us in.
        KafkaException: a broker refuses what we ask of it.
        InputGone: an input topic was created anew since the last start.
        TopicsMissing: they are not there.
        UsageError: the facts topic has another number of partitions than it must have.
    """
    trouble = LastTrouble()
    client: dict[str, Any] = {**settings.client_config(), "error_cb": trouble.note, "logger": kafka_logger()}
    try:
        admin = AdminClient(client)
    except KafkaException as error:  # certificates that cannot be used
        raise KafkaUnreachable(trouble.why(error)) from None
    try:
        cluster = admin.list_topics(timeout=BROKER_WAIT_S)
    except KafkaException as error:
        admin.poll(0.0)  # lets the client say why
        raise KafkaUnreachable(trouble.why(error)) from None
    try:
        return _checked(settings, admin, cluster)
    except KafkaException as error:
        if error.args[0].code() not in OUT_OF_REACH:
            raise
        admin.poll(0.0)
        raise KafkaUnreachable(trouble.why(error)) from None


def _checked(settings: IngestSettings, admin: AdminClient, cluster: ClusterMetadata) -> int:
    """The same, of a cluster that has answered."""
    prefix, known = settings.topic_prefix, cluster.topics
    needed = (*ingested_topics(settings.site_topics), DEAD_LETTERS, FACTS)
    missing = [prefix + topic for topic in needed if prefix + topic not in known]
    if missing:
        with reader(
            settings.client_config(), "read_committed"
        ) as consumer:  # others make a topic that they ask for
            refuse_hidden(consumer, missing)
        raise TopicsMissing(f"no such topic: {', '.join(missing)}. Run `foresite topics create`")
    facts_partitions = len(known[prefix + FACTS].partitions)
    if facts_partitions != settings.facts_partitions:
        raise UsageError(
            f"{prefix + FACTS} has {facts_partitions} partitions, the settings say {settings.facts_partitions}: a "
            "planning group would move to another one, and its history would be in two, in no order. Set "
            "FORESITE_FACTS_PARTITIONS to what the topic was made with; to have more, fill a new facts topic from the "
            "inputs under a new FORESITE_TOPIC_PREFIX"
        )
    if cluster.controller_id not in cluster.brokers:
        return TOPIC_BYTES_DEFAULT  # the embedded broker has nobody to ask
    check_topic_ids(settings.client_config(), admin, settings.app_id, prefix, settings.site_topics)
    return min(TOPIC_BYTES_MAX, *_topics_bytes(admin, prefix + FACTS, prefix + DEAD_LETTERS))


def _topics_bytes(admin: AdminClient, *topics: str) -> list[int]:
    """max.message.bytes of each topic."""
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    try:
        answers = admin.describe_configs(resources, request_timeout=BROKER_WAIT_S)
        return [int(answers[resource].result()["max.message.bytes"].value) for resource in resources]
    except KafkaException as error:  # ingest may not be allowed to ask
        log.info("topic_size_limits_unknown", assumed_bytes=TOPIC_BYTES_DEFAULT, error=str(error))
        return [TOPIC_BYTES_DEFAULT]
