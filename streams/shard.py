"""One shard of the twin: one facts partition, its fold, and the transactional producer that makes it durable.

The law of the shell: what a fold says becomes visible in one transaction together with the state it follows from and
the facts offset it was read up to, or not at all. No other module produces to the twin's topics.

A shard knows nothing of Faust or asyncio. `apply` and `swap` belong to the thread that folds; `take_over`, `write`
and `close` block and belong to a worker thread. The two meet only in the `Batch` that `swap` hands over.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import ForesiteError
from schemas.topics import LARGE_RECORD_BYTES
from streams.batch import Batch, FactsRecord, ShardTopics, StateRecord
from streams.checkpoint_writer import CheckpointWriter
from streams.facts_log import check_continues, facts_mark, partition_count
from streams.facts_position import position_header
from streams.faults import fault_point
from streams.fold import Fold, FoldKind, Output
from streams.kafka_clients import KAFKA_ITSELF, KafkaClients
from streams.kafka_refusals import DENIED, explained
from streams.state_topic import MANIFEST_KEY, Manifest, load_state
from streams.tracing import OFF, Span, Tracing, header_of

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT_MS = 10_000
"""A dead twin's open transaction holds up every read_committed reader for so long, and a twin that was asleep for
longer finds itself fenced. Too small: a slow broker costs restarts. Too large: readers wait."""

BROKER_WAIT_S = 15.0
"""How long one blocking call waits for the broker before we say so in the log and try again."""

RETRY_WAIT_S = (0.2, 5.0)
"""First and longest pause between attempts at a transaction. Too small: a busy loop; too large: late recovery."""

OUR_OWN_FAULT = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError._INVALID_ARG})
"""Errors that the same batch will meet again for ever."""


class ShardFenced(ForesiteError):
    """Somebody else has written this shard since we did."""


class ShardClosed(ForesiteError):
    """The shard was told to wait no longer while it waited for Kafka."""


class _NotConfirmed(ForesiteError):
    """The group did not say that a shard is ours; it may a moment later."""


class FactsGap(ForesiteError):
    """The reader handed over a record that does not follow the last one."""


@dataclass(slots=True)
class _Uncommitted:
    """What was folded since the last swap."""

    outputs: list[Output] = field(default_factory=list)
    causes: list[int] = field(default_factory=list)
    arrived_at: list[float] = field(default_factory=list)
    acknowledge: list[Callable[[], object]] = field(default_factory=list)
    spans: dict[int, Span] = field(default_factory=dict)


class Shard:
    """The twin of one facts partition.

    Args:
        partition: of the facts topic and of the state topic.
        client: settings of every Kafka client (servers, security).
        transactional_id: the same for every owner this shard will ever have, so that a new one fences the old.
        topics: where to read and write.
        kind: the fold.
        is_owner: asks the group whether a partition is still assigned to this worker, noting an offset on the way.
            Blocks; called after a failure only.
        clients: how to reach Kafka.
        checkpoints_kept: how many checkpoints stay, the newest ones.
        tracing: that carries traces from facts to outputs.
    """

    def __init__(
        self,
        partition: int,
        client: Mapping[str, object],
        transactional_id: str,
        topics: ShardTopics,
        kind: FoldKind,
        is_owner: Callable[[int, int], bool],
        clients: KafkaClients = KAFKA_ITSELF,
        checkpoints_kept: int = 2,
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        self.partition = partition
        self.position = 0
        """Offset of the next facts record to fold."""
        self.committed_position = 0
        """The same, as of the last commit that is known to have succeeded."""
        self._client = client
        self._transactional_id = transactional_id
        self._topics = topics
        self._kind = kind
        self._is_owner = is_owner
        self._clients = clients
        self._fold: Fold = kind.new()
        self._facts_mark = ""
        self._facts_partitions = 0
        self._is_sound = True
        self._skipped_offsets: frozenset[int] = frozenset()
        self._uncommitted = _Uncommitted()
        self._producer: Producer | None = None
        self._refusals: list[KafkaError] = []
        self._errors: Counter[tuple[str, str]] = Counter()
        self._is_hurried = threading.Event()
        self.trouble = "Kafka has not answered"
        """What the last attempt at a transaction met, and what helps."""
        self._checkpoints = CheckpointWriter(partition, client, topics, kind, checkpoints_kept)

    # Taking over --------------------------------------------------------------------------------------------------

    def take_over(self) -> None:
        """Fence the old owner, then read what it left. Blocks; waits for a broker that is away.

        The two are inseparable: state read before fencing may be extended by the old owner a moment later.

        Raises:
            ShardClosed: told to wait no longer.
            StateCorrupt, FactsGone: this picture must not be served; the message says what helps.
        """
        self._retry("take_over", self._fence_and_load)

    def _fence_and_load(self) -> None:
        began = time.monotonic()
        self._open_producer()
        fenced = time.monotonic()
        fault_point("during_take_over")
        where = f"{self._topics.state}/{self.partition}"
        with self._clients.reader(self._client, "read_committed") as consumer:
            stored = load_state(consumer, self._topics.state, self.partition)
            read = time.monotonic()
            manifest = stored.manifest
            self._facts_partitions = partition_count(consumer, self._topics.facts)
            if manifest is None:
                self._fold = self._kind.new()
                self._facts_mark = ""
                self.position = 0
            else:
                manifest.refuse_other_version(self._kind.schema_version, where)
                manifest.refuse_other_partitioning(self._facts_partitions, self._topics.facts)
                self._fold = self._kind.restore(manifest.header.encode(), stored.documents)
                manifest.vouch_for(self._fold.document_count, self._fold.digest, where)
                self._facts_mark = manifest.facts_mark
                self.position = manifest.facts_offset
            restored = time.monotonic()
            check_continues(consumer, self._topics.facts, self.partition, self.position, self._facts_mark)
            checked = time.monotonic()
            for records in self._checkpoints.begin(consumer, stored):
                self._write_records(records)
        log.info(
            "shard_loaded",
            partition=self.partition,
            documents=len(stored.documents),
            fence_s=round(fenced - began, 3),
            read_s=round(read - fenced, 3),
            restore_s=round(restored - read, 3),
            check_s=round(checked - restored, 3),
            checkpoint_s=round(time.monotonic() - checked, 3),
        )
        self._skipped_offsets = stored.skipped_offsets
        self._uncommitted = _Uncommitted()
        self.committed_position = self.position

    def _open_producer(self) -> None:
        """A new producer under the shard's own id. Its init fences every other and ends their open transaction."""
        self._refusals.clear()
        self._producer = self._clients.producer(
            {
                **self._client,
                "transactional.id": self._transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "retry.backoff.ms": 10,  # librdkafka's 100 ms would be the length of every commit
                "linger.ms": 2,
                "compression.type": "lz4",
                "message.max.bytes": LARGE_RECORD_BYTES,
                "partitioner": "murmur2",  # Java's: every producer of a key must agree on its partition
                "queue.buffering.max.messages": 1_000_000,
                "queue.buffering.max.kbytes": 1_048_576,
                "delivery.report.only.error": True,
                "on_delivery": self._on_refused,
            }
        )
        self._producer.init_transactions(BROKER_WAIT_S)

    def _on_refused(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._refusals.append(error)

    # Folding ------------------------------------------------------------------------------------------------------

    def apply(self, record: FactsRecord) -> None:
        """Fold one facts record; it becomes visible with the next batch.

        Raises:
            FactsGap: the record does not follow the last one.
            Exception: whatever the decoder or the fold raises is a bug of ours; nothing more will be committed.
        """
        if record.offset < self.position:
            record.acknowledge()  # folded and committed before; the group's offset is only advice
            return
        if record.offset > self.position:
            raise FactsGap(
                f"{self._topics.facts}/{self.partition}: offset {record.offset} was read where {self.position} follows"
            )
        uncommitted = self._uncommitted
        if record.traces:
            where: dict[str, str | int] = {
                "messaging.destination.partition.id": str(self.partition),
                "messaging.kafka.offset": record.offset,
            }
            uncommitted.spans[record.offset] = self._tracing.span("twin", record.traces, where)
        if record.offset not in self._skipped_offsets:
            self._is_sound = False  # a fold that raises may have changed half of what it meant to
            outputs = self._fold.apply(self._kind.decode(record.value))
            uncommitted.outputs.extend(outputs)
            uncommitted.causes.extend([record.offset] * len(outputs))
            self._is_sound = True
            fault_point("after_fold")
        uncommitted.arrived_at.append(record.timestamp_ms / 1000.0)
        uncommitted.acknowledge.append(record.acknowledge)
        self._facts_mark = facts_mark(record.value, record.timestamp_ms)
        self.position = record.offset + 1

    @property
    def uncommitted_records(self) -> int:
        """Facts records folded but not yet known to be committed."""
        return self.position - self.committed_position

    def swap(self) -> Batch | None:
        """Take what was folded since the last swap, with the manifest of this very moment.

        None if nothing was, or since the fold has raised: what it left half done must never be committed.

        Swapping comes before the commit and never after it: folding goes on while the batch is being written, and a
        prototype that cleared its buffers after the commit lost what had been folded meanwhile.
        """
        taken, self._uncommitted = self._uncommitted, _Uncommitted()
        if not taken.arrived_at or not self._is_sound:
            return None
        header = self._fold.header()
        return Batch(
            outputs=taken.outputs,
            causes=taken.causes,
            documents=self._fold.take_changes(),
            manifest=Manifest(
                facts_offset=self.position,
                facts_mark=self._facts_mark,
                facts_partitions=self._facts_partitions,
                header=header.decode(),
                schema_version=self._kind.schema_version,
                code_version=self._kind.code_version,
                document_count=self._fold.document_count,
                digest=self._fold.digest,
            ),
            arrived_at=taken.arrived_at,
            acknowledge=taken.acknowledge,
            counters=self._take_counters(),
            now=self._kind.now(header),
            spans=taken.spans,
        )

    def _take_counters(self) -> Counter[tuple[str, str]]:
        taken, self._fold.counters = self._fold.counters, Counter()
        return taken

    # Committing ---------------------------------------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        """Make a batch visible. Blocks; waits for a broker that is away, without giving the batch up.

        Raises:
            ShardFenced: another owner has committed; nothing of this batch is visible.
            ShardClosed: told to wait no longer; it is unknown whether the batch is visible.
            KafkaException: the broker will never take this batch (a record too large): a bug of ours.
        """
        batch.checkpoint = self._checkpoints.take()
        try:
            self._transact(batch)
        except KafkaException as error:
            self._refuse_hopeless(error)
            log.warning("transaction_failed", partition=self.partition, error=self._told(error))
            self._retry("settle", lambda: self._settle(batch))
        self.committed_position = batch.manifest.facts_offset
        self._checkpoints.committed(batch)
        batch.counters.update(self._checkpoints.take_counters())
        batch.counters.update(self._errors)
        self._errors.clear()

    def _transact(self, batch: Batch) -> None:
        producer = self._kept_producer()
        producer.begin_transaction()  # 1 begin
        fault_point("after_begin")
        for output, cause in zip(batch.outputs, batch.causes, strict=True):  # 2 outputs
            self._produce(
                producer,
                topic=self._topics.prefix + output.topic,
                key=output.key.encode(),
                value=output.value(),
                headers=[
                    *output.headers(),
                    position_header(self.partition, cause),
                    *(header_of(batch.spans[cause]) if cause in batch.spans else ()),
                ],
            )
        fault_point("after_outputs")
        for name, document in batch.documents.items():  # 3 documents
            self._produce(
                producer,
                topic=self._topics.state,
                key=name.encode(),
                value=document,
                partition=self.partition,
            )
        for record in batch.checkpoint:
            self._produce(producer, **record._asdict())
        fault_point("after_documents")
        self._produce(  # 4 manifest
            producer,
            topic=self._topics.state,
            key=MANIFEST_KEY.encode(),
            value=batch.manifest.encode(),
            partition=self.partition,
        )
        fault_point("after_manifest")
        producer.commit_transaction(BROKER_WAIT_S)  # 5 commit
        fault_point("after_commit")  # 6 acknowledge is the keeper's, in the thread that folds
        producer.poll(0)  # librdkafka hands over its log lines only when asked

    def _write_records(self, records: Sequence[StateRecord]) -> None:
        """Records by themselves, before there is anything to commit."""
        producer = self._kept_producer()
        producer.begin_transaction()
        for record in records:
            self._produce(producer, **record._asdict())
        producer.commit_transaction(BROKER_WAIT_S)

    def _kept_producer(self) -> Producer:
        """The producer of the take-over; a shard that was let go while it was asleep has none any more."""
        if self._producer is None:
            raise ShardClosed(f"shard {self.partition} was closed before it could write")
        return self._producer

    def _produce(self, producer: Producer, **record: Any) -> None:
        while True:
            try:
                producer.produce(**record)
                return
            except BufferError:  # the local queue is full: let some of it go out
                if self._is_hurried.is_set():
                    raise ShardClosed(f"shard {self.partition} was closed while its queue was full") from None
                producer.poll(0.05)

    def _settle(self, batch: Batch) -> None:
        """After a transaction that failed: learn whether it is in all the same, and write the batch again if not.

        First the group has to confirm that the shard is still ours: a zombie that has just woken up must not fence
        its successor, but wait for the rebalance that releases it. Then a new producer ends the old transaction one
        way or the other, and the manifest tells which. The fold is right in either case, so it needs no restoring:
        only what the topics hold was in doubt.
        """
        if not self._is_owner(self.partition, self.committed_position):
            raise _NotConfirmed("the group does not confirm that this shard is ours")
        self._open_producer()
        with self._clients.reader(self._client, "read_committed") as consumer:
            stored = load_state(consumer, self._topics.state, self.partition)
        if stored.manifest == batch.manifest:
            return
        stored_position = 0 if stored.manifest is None else stored.manifest.facts_offset
        if (stored_position, stored.skipped_offsets) != (self.committed_position, self._skipped_offsets):
            raise ShardFenced(
                f"{self._topics.state}/{self.partition}: somebody else has written up to facts offset "
                f"{stored_position} since our last commit at {self.committed_position}"
            )
        self._transact(batch)

    def _retry(self, step: str, attempt: Callable[[], None]) -> None:
        """Try until Kafka lets us; an outage is waited out here, whatever its length."""
        wait_s, longest_s = RETRY_WAIT_S
        while not self._is_hurried.is_set():
            try:
                attempt()
                return
            except (KafkaException, _NotConfirmed) as error:
                self._refuse_hopeless(error)
                log.warning("shard_waits", step=step, partition=self.partition, error=self._told(error))
            self._clients.wait(self._is_hurried, wait_s)
            wait_s = min(2 * wait_s, longest_s)
        raise ShardClosed(f"shard {self.partition} was told to wait no longer during {step}")

    def _told(self, error: Exception) -> str:
        """An error as people should read it, and counted; where Kafka refused single records, that says more."""
        refused = next((each for each in self._refusals if each.code() in DENIED), None)
        reason = refused or error.args[0]
        self._errors["kafka_error", reason.name() if isinstance(reason, KafkaError) else "not_confirmed"] += 1
        self.trouble = explained(reason) if isinstance(reason, KafkaError) else str(error)
        return self.trouble

    def _refuse_hopeless(self, error: Exception) -> None:
        """Raise for what the same batch would meet again for ever."""
        for reason in (error.args[0], *self._refusals):
            if isinstance(reason, KafkaError) and reason.code() in OUR_OWN_FAULT:
                raise KafkaException(reason) from error

    # Letting go ---------------------------------------------------------------------------------------------------

    def hurry(self) -> None:
        """From now on wait for nobody: a step that fails ends with ShardClosed. What succeeds goes on."""
        self._is_hurried.set()

    def wait_for_checkpoint(self) -> None:
        """Wait until no checkpoint is being copied; what was copied goes out with the next batches."""
        self._checkpoints.wait()

    def close(self) -> None:
        """Let go. An open transaction is left for the next owner to end."""
        self.hurry()
        self._checkpoints.close()
        self._producer = None
