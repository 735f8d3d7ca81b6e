"""The notify role: reads cards, notes what is to be told, hands it to the sinks, notes what became of it.

Law: each turn of the loop keeps this order: 1 read cards, 2 take what was tried, 3 note both and the offsets in one
transaction, 4 hand over what is due. So nothing leaves that was not noted before.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.topics import CARDS, DELIVERIES, SITES
from streams.admin import Health
from streams.faults import fault_point
from streams.kafka_logger import kafka_logger
from streams.kafka_refusals import DENIED, LastTrouble, explained, is_final, refuse_hidden
from streams.kafka_refusals import REASON as REFUSED
from streams.metrics import Metrics
from streams.notify.cards_topic import Cluster, published_at, read_card, read_status, wait_for_topics
from streams.notify.config import NotifyConfig
from streams.notify.deliveries import DeliveriesWriter, load_notices
from streams.notify.desk import Desk
from streams.notify.sinks import Sink
from streams.settings import Settings
from streams.topic_follower import topic_follower

log = structlog.get_logger(__name__)

READ_WAIT_S = 0.2
"""How long a turn waits for cards. Too small: the loop is busy with nothing. Too large: later retries."""

READ_CARDS_MAX = 200
"""Cards read in one turn, and noted in one transaction."""

WAITING_MAX = 2_000
"""Notices that wait, held for quiet hours or by a sink that is down, before no more cards are read. Too small: one sink
that is down holds up the others. Too large: memory, as each holds its card, some ten kB."""

COMMIT_EVERY_S = 1.0
"""Between commits of offsets where nothing was to be noted."""

LOOK_EVERY_S = 1.0
BROKER_WAIT_S = 10.0

DRAIN_TIMEOUT_S = 10.0
"""How long a stop or a rebalance waits for what is under way. Too small: more is told twice. Too large: a container is
killed at 30 s."""


class NotifyWorker:
    """One member of the notify group.

    Args:
        settings: of the installation.
        config: who is told what.
        sinks: running, by name; stopped with the worker.
        stop: set by whoever wants it to end.
        metrics, health: where it tells how it is.
        clock: wall clock, UTC; tests have their own.
    """

    def __init__(
        self,
        settings: Settings,
        config: NotifyConfig,
        sinks: Mapping[str, Sink],
        stop: threading.Event,
        metrics: Metrics,
        health: Health,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = settings.client_config()
        self._trouble = LastTrouble()
        self._cards_topic = settings.topic_prefix + CARDS
        self._deliveries_topic = settings.topic_prefix + DELIVERIES
        self._sites_topic = settings.topic_prefix + SITES
        self._settings = settings
        self._clock = clock
        self._sinks = sinks
        self._stop = stop
        self._metrics = metrics
        self._health = health
        self._desk = Desk(
            config,
            sinks,
            metrics,
            clock=clock,
            plant_now=(lambda card: card.as_of) if settings.clock == "events" else (lambda _: clock()),
            max_age=timedelta(hours=settings.notify_max_age_h),
            is_wall_clock=settings.clock == "wall",
        )
        self._sites: Consumer | None = None
        self._next_offsets: dict[int, int] = {}
        self._is_behind = False  # offsets are read and not committed
        self._is_paused = self._is_embedded = self._is_ended = False
        self._next_commit = self._next_look = 0.0
        self._consumer = Consumer(
            {
                **self._client,
                "group.id": f"{settings.app_id}-notify",
                **({"group.instance.id": settings.instance_id} if settings.instance_id else {}),
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "error_cb": self._on_error,
            },
            logger=kafka_logger(),
        )

    def run(self) -> None:
        """Work until stopped or failed.

        Raises:
            UsageError: the topics are not as they must be.
            CardUnreadable: the twin is newer.
            NoteFailed: Kafka did not take what was to be noted. Start again: nothing is lost.
            ClientEnded, KafkaException: the client cannot go on.
        """
        try:
            found = self._wait_for(self._cards_topic, self._deliveries_topic)
            if found is None:
                return
            self._is_embedded = found.is_embedded
            if self._wait_for(self._sites_topic) is None:
                return
            self._sites = topic_follower(self._settings, SITES)
            self._writer = DeliveriesWriter(
                self._client,
                self._deliveries_topic,
                self._settings.app_id,
                self._settings.instance_id,
                self._health.beat,
            )
            self._health.not_ready("assignment", "no partitions of the cards yet")
            self._health.started()
            self._consumer.subscribe(
                [self._cards_topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            while not self._stop.is_set():
                self._turn()
            self._drain()
        finally:
            for sink in self._sinks.values():
                sink.stop(0.0)
            self._is_ended = True  # nothing more is noted while leaving the group
            self._consumer.close()
            if self._sites is not None:
                self._sites.close()

    def _wait_for(self, *topics: str) -> Cluster | None:
        return wait_for_topics(self._consumer, topics, self._stop, self._health, self._trouble)

    def _turn(self) -> None:
        self._health.beat()
        for message in self._consumer.consume(READ_CARDS_MAX, READ_WAIT_S):  # 1 read
            self._take(message)
            fault_point("after_cards")
        self._trouble.raise_final()
        self._hear_sites()
        if self._desk.take_attempts():  # 2 take what was tried
            fault_point("after_send")
        self._note()  # 3 note
        self._desk.dispatch()  # 4 hand over
        if self._desk.flying_count:
            fault_point("after_dispatch")
        self._pause_or_resume()
        self._look()

    def _take(self, message: Message) -> None:
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            self._broken(error)
            return
        assert partition is not None
        assert offset is not None
        if error is not None:
            self._desk.caught_up(partition)
            self._desk.old_news.read(partition, offset)  # markers of transactions stand behind the last card
            return
        value = message.value()
        if value is not None:
            self._desk.card_changed(partition, read_card(value, partition, offset), published_at(message))
        self._next_offsets[partition] = offset + 1
        self._desk.old_news.read(partition, offset + 1)
        self._is_behind = True

    def _on_error(self, error: KafkaError) -> None:
        """What the client itself met, as while connecting."""
        self._trouble.note(error)
        self._broken(error)

    def _hear_sites(self) -> None:
        """Learn from twin.sites.v1 where the twin has caught up, and how far the cards must be read then."""
        assert self._sites is not None
        old_news = self._desk.old_news
        for message in self._sites.consume(READ_CARDS_MAX, 0.0):
            value = message.value()
            if message.error() is not None or value is None:
                continue  # it reconnects by itself
            status = read_status(value)
            if old_news.status(status, published_at(message)):
                old_news.read_up_to(status.site_id, self._ends())
        for site_id in old_news.settle(self._clock()):
            log.info("caught_up", site_id=site_id)

    def _ends(self) -> dict[int, int]:
        """Where the cards of each partition end now."""
        return {
            here.partition: self._consumer.get_watermark_offsets(here, timeout=BROKER_WAIT_S)[1]
            for here in self._consumer.assignment()
        }

    def _broken(self, error: KafkaError) -> None:
        if is_final(error):
            self._trouble.note(error)
            return
        if self._trouble.is_news(error):
            log.warning("kafka_error", error=explained(error))
        self._metrics.kafka_errors.labels(error.name()).inc()
        if error.code() in DENIED:
            self._health.not_ready("input", explained(error))
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # the client reconnects by itself
            why = self._trouble.why(KafkaException(error))
            self._health.not_ready("kafka", f"no broker answers; the last try ended with: {why}")

    def _note(self, *, must_commit: bool = False) -> None:
        """3: what changed and how far the cards were read, in one transaction."""
        changes = self._desk.take_changes()
        is_due = self._is_behind and (must_commit or time.monotonic() >= self._next_commit)
        if not changes and not is_due:
            return
        offsets = [
            TopicPartition(self._cards_topic, partition, offset)
            for partition, offset in self._next_offsets.items()
        ]
        self._writer.write(changes, offsets, self._consumer.consumer_group_metadata())
        if self._is_embedded and offsets:
            self._consumer.commit(offsets=offsets, asynchronous=False)  # it forgets those of transactions
        self._is_behind = False
        self._health.ready(REFUSED)  # what Kafka refused before, it takes now
        self._next_commit = time.monotonic() + COMMIT_EVERY_S
        if changes:
            fault_point("after_note")

    def _drain(self) -> None:
        """Let what is under way arrive and note it, before partitions are given up."""
        self._desk.recall()
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while self._desk.flying_count and time.monotonic() < deadline:
            self._health.beat()
            self._desk.take_attempts()
            time.sleep(0.02)
        self._desk.take_attempts()
        self._note(must_commit=True)

    # Partitions -------------------------------------------------------------------------------------------------------

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._metrics.rebalances.inc()
        # Asked first: the answer waits for the end of the last owner's transaction.
        committed = consumer.committed(partitions, timeout=BROKER_WAIT_S)
        for here in committed:
            self._health.beat()
            documents = load_notices(self._client, self._deliveries_topic, here.partition)
            is_first_start = here.offset < 0 and not documents
            self._desk.adopt(here.partition, documents, is_first_start=is_first_start)
            if here.offset >= 0:
                self._next_offsets[here.partition] = here.offset
        self._metrics.assigned_partitions.set(len(partitions))
        self._is_paused = False
        if partitions:
            self._health.ready("assignment")

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if not self._is_ended:
            self._drain()
        self._lost(_consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for here in partitions:
            self._desk.release(here.partition)
            self._next_offsets.pop(here.partition, None)
        self._metrics.assigned_partitions.set(0)
        self._health.not_ready("assignment", "no partitions of the cards yet")

    def _pause_or_resume(self) -> None:
        # Not while catching up: nothing leaves before that, so it would never be less.
        is_reading_on = self._desk.is_catching_up or bool(self._desk.old_news.sites)
        is_full = self._desk.waiting_count >= WAITING_MAX and not is_reading_on
        if is_full == self._is_paused:
            return
        assigned = self._consumer.assignment()
        if is_full:
            log.warning("reading_paused", waiting=self._desk.waiting_count)
            self._consumer.pause(assigned)
        else:
            self._consumer.resume(assigned)
        self._is_paused = is_full

    # Kafka ------------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_EVERY_S
        self._desk.look()
        if {"kafka", "input"} & self._health.reasons.keys():
            with suppress(KafkaException):
                refuse_hidden(self._consumer, [self._cards_topic])
                self._health.ready("kafka")
                self._consumer.committed([TopicPartition(self._cards_topic, 0)], timeout=0.5)
                self._health.ready("input")
        behind = 0
        for here in self._consumer.assignment():
            _, end = self._consumer.get_watermark_offsets(here, cached=True)
            behind += max(0, end - self._next_offsets.get(here.partition, end))
        self._metrics.consumer_lag_records.labels(topic=CARDS).set(behind)
