"""What `foresite rebuild` makes sure of before it folds: that no twin is at work, and which topics it writes to."""

import time
from collections.abc import Callable
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas import TOPICS
from schemas.errors import UsageError
from streams.facts_log import partition_count
from streams.partition_reader import reader
from streams.settings import Settings
from streams.shard_names import group_id, shard_topics

BROKER_WAIT_S = 15.0

LEAVING_S = 25.0
"""How long a twin that was killed may stay a member of its group: its session timeout, and a little. Too small: a twin
just stopped is taken for one at work. Too large: a person waits to be told that one is."""

LOOK_S = 1.0

TELL_S = 30.0
"""Between two lines where nobody watches a terminal. Too small: long logs; too large: it seems to hang."""


def require_stopped(settings: Settings, tell: Callable[[str], object]) -> None:
    """Wait until the twins' group has no members.

    Raises:
        UsageError: a twin is at work.
        KafkaException: the broker did not answer.
    """
    deadline = time.monotonic() + LEAVING_S
    admin = AdminClient(cast(dict[str, Any], settings.client_config()))
    has_told = False
    while True:
        members = _members(admin, group_id(settings))
        if not members:
            return
        if not has_told:
            tell(f"waiting for {', '.join(members)} to leave the group {group_id(settings)}")
            has_told = True
        if time.monotonic() > deadline:
            raise UsageError(
                f"twins are at work: {', '.join(members)}. Stop every `foresite twin` of this installation (and what "
                "would start it again) before its state is rebuilt"
            )
        time.sleep(LOOK_S)


def _members(admin: AdminClient, group: str) -> list[str]:
    try:
        described = admin.describe_consumer_groups([group], request_timeout=BROKER_WAIT_S)[group].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return []
        raise
    return sorted(f"{each.group_instance_id or each.member_id} on {each.host}" for each in described.members)


def partitions(settings: Settings) -> range:
    """All partitions of the facts.

    Raises:
        UsageError: there is no such topic.
    """
    topic = shard_topics(settings).facts
    with reader(settings.client_config(), "read_committed") as consumer:
        count = partition_count(consumer, topic)
    if not count:
        raise UsageError(f"{topic} does not exist on {settings.kafka}: is FORESITE_TOPIC_PREFIX right?")
    return range(count)


def output_topics(settings: Settings) -> list[str]:
    """Full names of the topics that the twin publishes to."""
    return [
        settings.topic_prefix + topic.name
        for topic in TOPICS.values()
        if topic.role == "output" and "twin" in topic.writers
    ]


class Shown:
    """Shows how far a refold has come, every second; on a terminal as a status, else as lines now and then."""

    def __init__(
        self, partition: int, update: Callable[[str], object], tell: Callable[[str], object]
    ) -> None:
        self._partition = partition
        self._update = update
        self._tell = tell
        self._shown_at = self._told_at = time.monotonic()

    def __call__(self, position: int, end: int) -> None:
        """See refold.Progress."""
        now = time.monotonic()
        if now - self._shown_at < LOOK_S:
            return
        self._shown_at = now
        text = f"partition {self._partition}: facts offset {position:,} of {end:,}"
        self._update(text)
        if now - self._told_at >= TELL_S:
            self._told_at = now
            self._tell(text)
