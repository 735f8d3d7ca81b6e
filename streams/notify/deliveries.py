"""The deliveries topic: one document a card, in the partition that has the card in twin.cards.v1.

Law: documents and the offsets of the cards that they follow from are written in one transaction, so what was considered
and what came of it never part.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas import CardNotices, ForesiteError
from streams.faults import fault_point
from streams.kafka_logger import kafka_logger
from streams.notify.pages import NoticeChange
from streams.partition_reader import read_to_end, reader, watermarks

BROKER_WAIT_S = 8.0
"""How long one step of a transaction waits for the broker. Too small: a leader that moves ends the role, and what left
meanwhile is told again. Too large: a stop takes longer than the 30 s that a container is given."""

START_WAIT_S = 20.0
"""The same for the first one, which waits for the end of the last owner's transaction."""

TRANSACTION_TIMEOUT_MS = 10_000
"""Too small: a broker that restarts ends our transactions. Too large: a dead worker's open transaction holds up the one
that takes over, and every reader of the topic."""

STABLE_WAIT_S = 30.0
"""How long a take-over waits for the end of the last owner's transaction; above TRANSACTION_TIMEOUT_MS."""


class NoteFailed(ForesiteError):
    """What was to be noted is not on the topic. Nothing of it has left: start again."""


class DeliveriesWriter:
    """Writes documents and offsets, all or nothing.

    Args:
        client: settings of every Kafka client.
        topic: full name.
        instance_id: keeps the transactional id over restarts, so that a new start ends the old one's transaction.
        app_id: begins the transactional id.
        keep_alive: is called while the broker is waited for.
    """

    def __init__(
        self,
        client: Mapping[str, object],
        topic: str,
        app_id: str,
        instance_id: str | None,
        keep_alive: Callable[[], None],
    ) -> None:
        self._topic = topic
        self._keep_alive = keep_alive
        config: dict[str, Any] = {
            **client,
            "transactional.id": f"{app_id}-notify-{instance_id or uuid4().hex}",
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "compression.type": "lz4",
            "linger.ms": 5,
        }
        self._producer = Producer(config, logger=kafka_logger())
        self._call(lambda: self._producer.init_transactions(START_WAIT_S))

    def write(self, changes: Iterable[NoticeChange], offsets: list[TopicPartition], group: Any) -> None:
        """One transaction.

        Args:
            changes: documents.
            offsets: next offset of each partition of the cards topic.
            group: the consumer's group metadata: a worker that the group has moved on from is refused.

        Raises:
            NoteFailed: it did not happen.
        """
        producer = self._producer
        producer.begin_transaction()
        for partition, card_id, notices in changes:
            producer.produce(
                self._topic,
                key=card_id.encode(),
                value=None if notices is None else notices.model_dump_json().encode(),
                partition=partition,
                headers=None if notices is None else _headers(notices),
            )
        fault_point("during_note")
        if offsets:
            self._call(lambda: producer.send_offsets_to_transaction(offsets, group, BROKER_WAIT_S))
        self._call(lambda: producer.commit_transaction(BROKER_WAIT_S))

    def _call(self, call: Callable[[], object]) -> None:
        """Once, and not for ever.

        send_offsets_to_transaction hangs whatever its timeout where a broker dies in its middle, or where it is taken
        up after a timeout (seen with librdkafka of confluent-kafka 2.16). The watchdog ends us then, and what was not
        noted has not left.
        """
        self._keep_alive()
        try:
            call()
        except KafkaException as error:
            raise NoteFailed(f"{self._topic}: {error.args[0].str()}") from error


def load_notices(client: Mapping[str, object], topic: str, partition: int) -> list[CardNotices]:
    """The documents of a partition, in the order of their last change.

    Waits until no transaction of the last owner is open: what it decided must be known before we decide.

    Raises:
        KafkaException: the broker failed, or the transaction did not end.
    """
    with reader(client, "read_uncommitted") as consumer:
        end = watermarks(consumer, topic, partition)[1]
    found: dict[str, CardNotices] = {}
    with reader(client, "read_committed") as consumer:
        deadline = time.monotonic() + STABLE_WAIT_S
        while watermarks(consumer, topic, partition)[1] < end:
            if time.monotonic() > deadline:
                raise KafkaException(
                    KafkaError(KafkaError._TIMED_OUT, f"{topic}/{partition}: a transaction does not end")
                )
            time.sleep(0.1)
        for message in read_to_end(consumer, topic, partition):
            _take(message, found)
    return list(found.values())


def _take(message: Message, found: dict[str, CardNotices]) -> None:
    key, value = message.key(), message.value()
    assert isinstance(key, bytes)
    card_id = key.decode()
    found.pop(card_id, None)
    if value is not None:
        found[card_id] = CardNotices.model_validate_json(value)


def _headers(notices: CardNotices) -> list[tuple[str, str | bytes | None]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", notices.output_id.encode()),
        ("ce_source", b"/foresite/notify"),
        ("ce_type", b"foresite.CardNotices.v1"),
        ("ce_time", notices.as_of.isoformat().encode()),
        ("content-type", b"application/json"),
    ]
