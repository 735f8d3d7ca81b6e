"""The reading side of ingest: one member of a consumer group over all input topics.

Law: nothing here moves a position by itself. A partition is read from the committed offset, from its beginning only
where the group has never committed one, and if what should come next is gone we stop and say what helps.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas import ForesiteError
from schemas.topics import MACHINE_EVENTS
from streams.admin import Health
from streams.gapless_writer import SourcePartition
from streams.input_progress import InputProgress
from streams.kafka_logger import kafka_logger
from streams.kafka_refusals import explained, is_final
from streams.metrics import Metrics
from streams.reference_first import ReferenceFirst
from streams.topic_identity import InputGone

log = structlog.get_logger(__name__)

CONSUME_RECORDS = 5_000
CONSUME_WAIT_S = 0.03
"""A read ends when it has so many records or has waited so long. Too small: facts records of a few events each, which
cost the twin more than the events in them. Too large: every event is that much later."""

QUEUED_KB = 8 * 1024
"""Read ahead of each input partition. Too small: the loop waits for the network; too large: memory."""

SESSION_TIMEOUT_MS = 10_000
"""How long the group waits for a silent worker. Too small: a busy machine loses its partitions; too large: so long
nobody reads what a killed worker had."""

NEW_PARTITIONS_MS = 30_000
"""How often we look for partitions that topics have got. Too large: so long what is in them waits."""

COMMITTED_WAIT_S = 10.0

ASK_AGAIN_S = 0.5
"""Between two questions for committed offsets. Too small: a busy loop while we may not ask."""

_UNREADABLE = frozenset({KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG, KafkaError.INVALID_MSG})
"""Errors of one batch in the log: the bytes are there, and cannot be read."""

_POSITION_GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})

_NOT_OURS_ANY_MORE = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._NO_OFFSET,
    }
)
"""A commit that fails of these is no loss: the new owner reads what we had not committed, and the twin trims."""


def earliest_first(records: Sequence[Message]) -> list[Message]:
    """Records of several topics as they were written, by Kafka's timestamps; the order within a partition stays.

    One answer of a broker names its topics in any order. Whoever waits until a plan has arrived, and tells then what a
    machine does with it, is understood in that order where both come in one answer. What was written in the same
    millisecond is taken to be a plan first.
    """
    latest: dict[tuple[str | None, int | None], int] = {}
    keyed: list[tuple[int, bool, Message]] = []
    for record in records:
        topic = record.topic() or ""
        where = (topic, record.partition())
        at = latest[where] = max(record.timestamp()[1], latest.get(where, 0))
        keyed.append((at, topic.endswith(MACHINE_EVENTS), record))
    return [record for _, _, record in sorted(keyed, key=itemgetter(0, 1))]


class MemberFenced(ForesiteError):
    """This member's place in the group was taken under its own name, and its client can never read again."""


class InputReader:
    """Reads the input topics in a group.

    Args:
        client: settings of every Kafka client.
        group_id: name of the group.
        instance_id: name of this member over restarts, or None.
        topics: full names.
        progress: is told what is owned and read.
        metrics, health: where it tells how it is.
        before_giving_up: called while partitions are still ours and about to go to somebody else.
        stop: ends waiting for a broker.
        held_topics: full names of the topics that wait until all others have been read once.
    """

    def __init__(
        self,
        client: Mapping[str, object],
        *,
        group_id: str,
        instance_id: str | None,
        topics: Sequence[str],
        progress: InputProgress,
        metrics: Metrics,
        health: Health,
        before_giving_up: Callable[[], None],
        stop: threading.Event,
        held_topics: Collection[str] = (),
    ) -> None:
        self._reference_first = ReferenceFirst(held_topics)
        self._group_id = group_id
        self._is_static = instance_id is not None
        self._progress = progress
        self._metrics = metrics
        self._health = health
        self._before_giving_up = before_giving_up
        self._stop = stop
        self._unreadable: dict[SourcePartition, int] = {}
        self._asked: dict[SourcePartition, int] = {}
        self._failed: dict[SourcePartition, int] = {}
        self._complaints: set[str] = set()
        self._last_error = ""
        self._consumer = Consumer(
            {
                **client,
                "group.id": group_id,
                **({} if instance_id is None else {"group.instance.id": instance_id}),
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "partition.assignment.strategy": "cooperative-sticky",
                "enable.partition.eof": True,  # offsets alone do not tell the end: markers and compaction leave holes
                "isolation.level": "read_committed",
                "check.crcs": True,
                "session.timeout.ms": SESSION_TIMEOUT_MS,
                "topic.metadata.refresh.interval.ms": NEW_PARTITIONS_MS,
                "queued.max.messages.kbytes": QUEUED_KB,
                "fetch.queue.backoff.ms": 10,  # librdkafka's second is how long a drained queue would stay empty
                "fetch.wait.max.ms": 200,
                "error_cb": self._on_error,
                "logger": kafka_logger(),
                "on_commit": self._on_commit,
            }
        )
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def read(self) -> list[Message]:
        """The next records, in order within each partition, and of several topics as they were written. May be none.

        Raises:
            InputGone: what should come next is gone.
            KafkaException: the client cannot go on, or does not get past a damaged batch.
        """
        usable: list[Message] = []
        last: dict[SourcePartition, Message] = {}
        ended: set[SourcePartition] = set()
        for message in self._consumer.consume(CONSUME_RECORDS, CONSUME_WAIT_S):
            where: SourcePartition = (message.topic(), message.partition())  # type: ignore[assignment]
            error = message.error()
            if error is None or self._is_dead_letter(where, message, error):
                if self._is_next(where, message, last):
                    usable.append(message)
                    last[where] = message
                    ended.discard(where)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(where)
        for where, message in last.items():
            self._progress.read(where, (message.offset() or 0) + 1, message.timestamp()[1])
        for where in ended:
            self._progress.reach_end(where)
        self._reference_first.reach_end(self._consumer, ended)
        if self._complaints:
            self._take_back({f"input {topic}" for topic, _ in (*last, *ended)})
        return earliest_first(usable) if len({topic for topic, _ in last}) > 1 else usable

    def _is_next(
        self, where: SourcePartition, message: Message, last: Mapping[SourcePartition, Message]
    ) -> bool:
        """Whether to use it: not what was fetched before a rebalance took the partition, or fetched twice by one."""
        before = last.get(where)
        if before is None:
            return self._progress.owns(*where)
        return message.offset() > before.offset()  # type: ignore[operator]  # a consumed record has an offset

    def _is_dead_letter(self, where: SourcePartition, message: Message, error: KafkaError) -> bool:
        """Whether what came instead of a record stands for one that cannot be read; raises if we must stop."""
        code, offset = error.code(), message.offset()
        if code == KafkaError._PARTITION_EOF:
            return False
        self._metrics.kafka_errors.labels(reason=error.name()).inc()
        if code in _POSITION_GONE:
            raise InputGone(self._what_helps(where, error))
        if is_final(error):
            raise MemberFenced(explained(error)) if self._is_static else KafkaException(error)
        if code in _UNREADABLE:
            if offset is None or offset < 0 or self._unreadable.get(where, -1) >= offset:
                raise KafkaException(error)  # the client does not get past it
            self._unreadable[where] = offset
            log.error(
                "batch_unreadable", topic=where[0], partition=where[1], offset=offset, error=error.str()
            )
            return True
        about = f"input {where[0]}" if where[0] else "group"
        self._complain(about, f"{error.name()}: {explained(error)}")
        return False

    def _what_helps(self, where: SourcePartition, error: KafkaError) -> str:
        topic, partition = where
        return (
            f"{topic}/{partition} does not hold what group {self._group_id} should read next ({error.str()}): retention "
            "took it before it was read, or the topic was created anew. We never skip by ourselves. To accept the loss "
            "and go on with what is there, stop ingest and run Kafka's own `kafka-consumer-groups.sh --group "
            f"{self._group_id} --topic {topic}:{partition} --reset-offsets --to-earliest --execute`"
        )

    def end_of(self, where: SourcePartition) -> int:
        """Offset behind the last record of a partition as the last fetch saw it; below zero if there was none."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*where), cached=True)
        return end

    def commit(self, offsets: Mapping[SourcePartition, int], *, must_wait: bool = False) -> None:
        """Commit the offsets of partitions that are still ours.

        Args:
            offsets: next offset to read.
            must_wait: return when the broker has them. A commit that fails is made again with the next one: a rebalance
                leaves us partitions whose commit it refused, and perhaps nothing more comes in them.
        """
        wanted = self._failed | dict(offsets)
        self._asked |= wanted
        self._failed.clear()
        ours = [
            TopicPartition(*where, offset) for where, offset in wanted.items() if self._progress.owns(*where)
        ]
        if not ours:
            return
        try:
            if must_wait:
                self._consumer.commit(offsets=ours, asynchronous=False)
            else:
                self._consumer.commit(offsets=ours, asynchronous=True)
        except KafkaException as error:
            self._on_commit(error.args[0], ours)

    def close(self) -> None:
        """Leave the group (a static member keeps its place)."""
        self._consumer.close()

    # Callbacks, all within read() or close() -------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(self._start_positions(consumer, partitions))
        self._progress.gain((tp.topic, tp.partition) for tp in partitions)
        self._reference_first.gain(consumer, ((tp.topic, tp.partition) for tp in partitions))
        self._count_partitions()
        self._health.ready("assignment")

    def _start_positions(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """The committed offset of each partition, and the beginning where there is none."""
        while partitions:
            try:
                committed = consumer.committed(partitions, timeout=COMMITTED_WAIT_S)
            except KafkaException as error:
                if self._stop.is_set():
                    raise
                self._complain("group", f"committed offsets unknown: {explained(error.args[0])}")
                self._health.beat()
                time.sleep(ASK_AGAIN_S)
            else:
                self._take_back({"group"})
                return [
                    TopicPartition(tp.topic, tp.partition, OFFSET_BEGINNING if tp.offset < 0 else tp.offset)
                    for tp in committed
                ]
        return []

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._before_giving_up()
        self._forget(partitions)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("partitions_lost", count=len(partitions))
        self._health.not_ready("assignment", "the group has thrown this worker out; it will join again")
        self._forget(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        self._progress.lose((tp.topic, tp.partition) for tp in partitions)
        for tp in partitions:  # whoever has it now commits further; ours made again later would take it back
            self._failed.pop((tp.topic, tp.partition), None)
            self._asked.pop((tp.topic, tp.partition), None)
        self._reference_first.lose(self._consumer, ((tp.topic, tp.partition) for tp in partitions))
        self._count_partitions()

    def _count_partitions(self) -> None:
        self._metrics.rebalances.inc()
        self._metrics.assigned_partitions.set(len(self._progress.owned))

    @property
    def must_commit_again(self) -> bool:
        """Whether a commit failed of what nothing has been committed for since."""
        return bool(self._failed)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for tp in partitions:
            where = (tp.topic, tp.partition)
            if (error or tp.error) and self._asked.get(where) == tp.offset:
                self._failed[where] = tp.offset
        for problem in [error, *(tp.error for tp in partitions)]:
            if problem is not None and problem.code() not in _NOT_OURS_ANY_MORE:
                log.warning("offsets_not_committed", error=problem.str())
                return

    def _on_error(self, error: KafkaError) -> None:
        self._metrics.kafka_errors.labels(reason=error.name()).inc()
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._complain("kafka", f"no broker can be reached; the last try ended with: {self._last_error}")
        else:
            self._last_error = explained(error)

    def _complain(self, name: str, reason: str) -> None:
        """Not ready until it is better; said once."""
        if name not in self._complaints:
            log.warning("kafka_complains", about=name, reason=reason)
        self._complaints.add(name)
        self._health.not_ready(name, reason)

    def _take_back(self, names: set[str]) -> None:
        """What was said of these is over."""
        for name in names & self._complaints:
            self._health.ready(name)
        self._complaints -= names

    def look_again(self) -> None:
        """Where something was complained of, ask whether it is better; to be called now and then.

        Records that still come prove nothing: they were read ahead. And none come where none were written meanwhile.
        """
        if not self._complaints:
            return
        try:
            known = self._consumer.list_topics(timeout=0.5).topics
            self._take_back({"kafka", *(f"input {name}" for name in known)})
            if "group" in self._complaints:
                self._consumer.committed(
                    [TopicPartition(*where) for where in self._progress.owned], timeout=0.5
                )
                self._take_back({"group"})
        except KafkaException:
            return
