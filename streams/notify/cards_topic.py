"""The cards topic as notify reads it: what must be there first, and a record as a card."""

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaException, Message
from pydantic import ValidationError

from schemas import Card, ForesiteError, SiteStatus, UsageError
from schemas.topics import CARDS, SITES
from streams.admin import Health
from streams.kafka_refusals import LastTrouble, refuse_hidden

log = structlog.get_logger(__name__)

BROKER_WAIT_S = 5.0
NEW_TOPICS_WAIT_S = 5.0
"""Topics that were made a moment ago become known to a broker one by one. Too small: an installation fails that creates
topics and starts notify. Too large: a wrong prefix is noticed late."""


class CardUnreadable(ForesiteError):
    """A card that this version does not know, as of a twin that is newer: it would be lost if it were skipped."""


class Cluster(NamedTuple):
    """What answered; the embedded broker forgets the offsets of transactions."""

    is_embedded: bool


def wait_for_topics(
    consumer: Consumer,
    topics: Sequence[str],
    stop: threading.Event,
    health: Health,
    trouble: LastTrouble,
    *,
    need_equal: bool = True,
) -> Cluster | None:
    """Wait for Kafka and check the topics; None when asked to stop meanwhile.

    Args:
        consumer: of the role.
        topics: full names.
        stop: ends the waiting.
        health: where it tells what it waits for.
        need_equal: whether they need the same number of partitions.
        trouble: what the consumer's error_cb feeds.

    Raises:
        KafkaException: a topic may not be seen.
        UsageError: a topic is missing, or they differ in partitions.
    """
    deadline = time.monotonic() + NEW_TOPICS_WAIT_S
    while not stop.is_set():
        health.beat()
        try:
            cluster = consumer.list_topics(timeout=BROKER_WAIT_S)
        except KafkaException as error:
            consumer.poll(0.0)  # lets the client say why
            why = trouble.why(error)
            log.warning("kafka_unreachable", error=why)
            health.not_ready("kafka", f"not connected: {why}")
            deadline = time.monotonic() + NEW_TOPICS_WAIT_S
            continue
        counts = {
            name: len(cluster.topics[name].partitions) if name in cluster.topics else 0 for name in topics
        }
        missing = [name for name, count in counts.items() if count == 0]
        if not missing:
            if need_equal:
                _require_equal(counts)
            health.ready("kafka")
            return Cluster(is_embedded=cluster.controller_id not in cluster.brokers)
        health.not_ready("kafka", f"no such topic: {', '.join(missing)}")
        refuse_hidden(consumer, missing)
        if time.monotonic() > deadline:
            raise UsageError(f"no such topic: {', '.join(missing)}. Run `foresite topics create`")
        stop.wait(0.2)
    return None


def read_card(value: bytes, partition: int, offset: int) -> Card:
    """The card in a record.

    Raises:
        CardUnreadable: this version does not know it.
    """
    try:
        return Card.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise CardUnreadable(
            f"{CARDS}/{partition} at {offset}: {'.'.join(map(str, first['loc']))}: {first['msg']}. A newer twin wrote "
            "it: start the same version of notify"
        ) from None


def read_status(value: bytes) -> SiteStatus:
    """How a site stands, from a record.

    Raises:
        CardUnreadable: this version does not know it.
    """
    try:
        return SiteStatus.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise CardUnreadable(
            f"{SITES}: {where}: {first['msg']}. A newer twin wrote it: start the same version of notify"
        ) from None


def published_at(message: Message) -> datetime:
    """When a record came to its topic."""
    _, milliseconds = message.timestamp()
    return datetime.fromtimestamp(milliseconds / 1000.0, UTC)


def _require_equal(counts: Mapping[str, int]) -> None:
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise UsageError(f"both topics need the same number of partitions, but {found}; add what is missing")
