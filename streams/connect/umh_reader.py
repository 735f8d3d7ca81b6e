"""Reads the unified namespace of the United Manufacturing Hub from its Kafka and publishes what follows on ours.

Law: an offset is committed there when Kafka here has everything up to it. At the start, what stood before the committed
offset is read once more, for the newest totals and work orders, and nothing of it is told again.
"""

import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from schemas import UsageError
from streams.adapters.machines.translators import Translated, Translator
from streams.admin import Health
from streams.connect.outlet import Outlet, count_ignored
from streams.kafka_logger import kafka_logger
from streams.metrics import Metrics
from streams.settings import Settings

log = structlog.get_logger(__name__)

READ_RECORDS: Final = 1_000
READ_WAIT_S: Final = 0.1
METADATA_TIMEOUT_S: Final = 10.0
DRAIN_S: Final = 10.0

CLASSIC: Final = re.compile(r"^umh\.v1\..+")
"""Classic's own topics, where a record's key may be missing and the topic is the address."""


class UmhReader:
    """One reader of one hub.

    Args:
        settings: where the two Kafkas are.
        translator: maps records.
        topics: of the hub.
        metrics, health: are told how it goes.

    Raises:
        UsageError: nothing says where the hub is.
    """

    def __init__(
        self,
        settings: Settings,
        translator: Translator,
        topics: Sequence[str],
        metrics: Metrics,
        health: Health,
    ) -> None:
        if settings.umh_kafka is None:
            raise UsageError("where is the hub's Kafka? --umh HOST:PORT, or FORESITE_UMH_KAFKA")
        self._translator, self._topics, self._metrics, self._health = (
            translator,
            list(topics),
            metrics,
            health,
        )
        self._outlet = Outlet(settings, metrics)
        self._consumer = Consumer(
            {
                **settings.umh_kafka_config,
                "bootstrap.servers": settings.umh_kafka,
                "group.id": f"{settings.app_id}-umh",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            },
            logger=kafka_logger(),
        )

    def run(self, stop: threading.Event) -> None:
        """Read until `stop` is set.

        Raises:
            DeliveryFailed: our Kafka refused a record.
            KafkaException: theirs failed.
        """
        try:
            self._begin(stop)
            self._health.started()
            while not stop.is_set():
                self._health.beat()
                if self._outlet.has_room:
                    for message in self._consumer.consume(READ_RECORDS, READ_WAIT_S):
                        self._take(message)
                self._settle()
        finally:
            try:
                if self._outlet.drain(DRAIN_S):
                    self._settle()
            finally:
                self._outlet.close()
                self._consumer.close()

    def _begin(self, stop: threading.Event) -> None:
        """Read what was told before for what is remembered of it, then go on from there."""
        places = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in self._topics
            for number in self._consumer.list_topics(topic, timeout=METADATA_TIMEOUT_S)
            .topics[topic]
            .partitions
        ]
        if not places:
            raise UsageError(f"no such topic there: {', '.join(self._topics)}")
        committed = {
            (each.topic, each.partition): each.offset
            for each in self._consumer.committed(places, timeout=METADATA_TIMEOUT_S)
        }
        self._consumer.assign(places)
        ahead = {place for place, offset in committed.items() if offset > 0}
        while ahead and not stop.is_set():
            self._health.beat()
            messages = self._consumer.consume(READ_RECORDS, READ_WAIT_S)
            for message in messages:
                place = (message.topic() or "", message.partition() or 0)
                offset = message.offset() or 0
                if message.error() is None and offset < committed.get(place, 0):
                    self._translate(message)
                if offset + 1 >= committed.get(place, 0):
                    ahead.discard(place)
            if not messages:
                for place in list(ahead):  # compaction or retention may have taken what was just before it
                    (here,) = self._consumer.position([TopicPartition(*place)])
                    _, end = self._consumer.get_watermark_offsets(here, timeout=METADATA_TIMEOUT_S)
                    if here.offset >= min(committed[place], end):
                        ahead.discard(place)
        for where in places:
            offset = committed.get((where.topic, where.partition), -1)
            where.offset = offset if offset >= 0 else OFFSET_BEGINNING
        self._consumer.assign(places)
        log.info("umh_connected", topics=self._topics)

    def _translate(self, message: Message) -> Translated:
        _, milliseconds = message.timestamp()
        at = datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds > 0 else datetime.now(UTC)
        return self._translator.translate(_address(message), _bytes(message.value()), at)

    def _take(self, message: Message) -> None:
        if message.error() is not None:
            raise KafkaException(message.error())
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        value = _bytes(message.value())
        if not value:
            return  # taken back: a value is no longer kept, which is no news of the machine
        made = self._translate(message)
        self._outlet.send((topic, partition), offset + 1, f"{topic}/{partition}/{offset}", value, made)

    def _settle(self) -> None:
        self._outlet.poll(0.0)
        done = self._outlet.take_done()
        if done:
            self._consumer.commit(
                offsets=[
                    TopicPartition(topic, partition, offset) for (topic, partition), offset in done.items()
                ],
                asynchronous=False,
            )
            count_ignored(self._metrics, self._translator.ignored().items())


def _address(message: Message) -> str:
    topic = message.topic() or ""
    return topic if CLASSIC.match(topic) else _bytes(message.key()).decode(errors="replace")


def _bytes(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""
