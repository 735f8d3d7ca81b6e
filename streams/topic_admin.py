"""Making the topics of schemas/topics.py on a Kafka cluster. What exists is left as it is and compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs hide the second

from schemas import Topic, UsageError
from schemas.topics import CHECKPOINTS, LARGE_RECORD_BYTES, LARGE_TOPICS, STATE
from streams.acls import topics_of
from streams.settings import Settings

TIMEOUT_S = 30.0
DAY_MS = 86_400_000

COMPACTION_LAG_MS = 600_000
"""Compaction leaves what is younger alone, and what that supersedes. Too small: a checkpoint, which reads topics as they
stood at a commit, finds that word gone for a later one and has to begin again. Too large: takes disk."""

STATE_SEGMENT_BYTES = 16 * 1024 * 1024
STATE_SEGMENT_MS = 600_000
"""Kafka compacts no segment that it still writes to, and by default one takes a gigabyte or a week: a take-over would read
all of that. Too small: many files, and the cleaner is always busy. Too large: a long read before the first commit."""

STATE_COMPACTION_LAG_MAX_MS = 1_800_000
"""After this the cleaner comes however little is superseded; above COMPACTION_LAG_MS. Too small: it rewrites what has
hardly changed; too large: a long read."""

STATE_DIRTY_RATIO = 0.2
"""Share of the log that may be superseded before the cleaner comes. Too small: it rewrites the log all the time."""

CHECKPOINT_SEGMENT_BYTES = 134_217_728
"""Only closed segments are compacted, so about so much of checkpoints that have expired stays on disk, a partition. Too
small: many files; too large: disk."""


@dataclass(frozen=True, slots=True)
class TopicOutcome:
    """What became of one topic: created, exists, or differs (and how)."""

    name: str
    outcome: str


def wanted_partitions(topic: Topic, settings: Settings) -> int:
    """How many partitions a topic is to have."""
    return settings.facts_partitions if topic.partitions is None else topic.partitions


def topic_config(topic: Topic) -> dict[str, str]:
    """Kafka's settings of a topic, from its row in the table."""
    config: dict[str, str] = {"cleanup.policy": topic.cleanup}
    if topic.cleanup == "delete":
        config["retention.ms"] = "-1" if topic.retention_days is None else str(topic.retention_days * DAY_MS)
    else:
        config["min.compaction.lag.ms"] = str(COMPACTION_LAG_MS)
    if topic.name == STATE:
        config["segment.bytes"] = str(STATE_SEGMENT_BYTES)
        config["segment.ms"] = str(STATE_SEGMENT_MS)
        config["max.compaction.lag.ms"] = str(STATE_COMPACTION_LAG_MAX_MS)
        config["min.cleanable.dirty.ratio"] = str(STATE_DIRTY_RATIO)
    if topic.name == CHECKPOINTS:
        config["segment.bytes"] = str(CHECKPOINT_SEGMENT_BYTES)
    if topic.name in LARGE_TOPICS:
        config["max.message.bytes"] = str(LARGE_RECORD_BYTES)
    return config


def create_topics(settings: Settings, replication: int) -> list[TopicOutcome]:
    """Create what is missing of the table of topics.

    Args:
        settings: where, and the prefix of all names.
        replication: copies of each partition; -1: the cluster's default.

    Raises:
        UsageError: Kafka cannot be reached or refuses; the message says which topic and why.
    """
    admin = AdminClient(_config(settings.client_config()))
    try:
        known = admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise UsageError(f"no answer from Kafka at {settings.kafka}: {error.args[0].str()}") from None
    outcomes: list[TopicOutcome] = []
    missing: list[NewTopic] = []
    for name, topic in topics_of(settings).items():
        count = wanted_partitions(topic, settings)
        if name in known:
            found = len(known[name].partitions)
            outcomes.append(
                TopicOutcome(
                    name, "exists" if found == count else f"exists with {found} partitions, not {count}"
                )
            )
        else:
            missing.append(NewTopic(name, count, replication, config=topic_config(topic)))
    for name, future in (
        admin.create_topics(missing, operation_timeout=TIMEOUT_S) if missing else {}
    ).items():
        try:
            future.result(TIMEOUT_S)
        except KafkaException as error:
            raise UsageError(f"{name} was not created: {error.args[0].str()}") from None
        outcomes.append(TopicOutcome(name, "created"))
    return sorted(outcomes, key=lambda each: each.name)


def _config(config: Mapping[str, object]) -> dict[str, Any]:
    return dict(config)
