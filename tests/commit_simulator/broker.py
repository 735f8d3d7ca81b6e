"""A Kafka in memory: logs with transactions, fencing by transactional id, and read_committed readers.

What it keeps of the real one: producer epochs; markers that take an offset and reach each partition at a time of their
own after the outcome is decided; a last stable offset that an open transaction holds back; an outcome that stands
whether or not anybody heard of it; the timeout of a transaction whose producer is silent.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from confluent_kafka import KafkaError, KafkaException

from tests.commit_simulator.actors import Scheduler

Headers = list[tuple[str, bytes]]

Record = tuple[str, int | None, bytes | None, bytes | None, Headers | None]
"""Topic, partition or None, key, value, headers."""


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction: where it has written, and what became of it."""

    producer: str
    outcome: Literal["committed", "aborted"] | None = None
    unmarked: list["Log"] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """A record or a marker in a log; a marker has no transaction."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    transaction: Transaction | None
    is_marker: bool = False


class Log:
    """One partition."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.open: dict[Transaction, int] = {}
        """Transactions without a marker here, and where they began."""

    def end(self, isolation: str) -> int:
        """Offset behind the last entry that a reader may see."""
        if isolation == "read_committed" and self.open:
            return min(self.open.values())
        return len(self.entries)

    def is_visible(self, entry: Entry, isolation: str) -> bool:
        """Whether a reader gets the entry, which is below its end."""
        if entry.is_marker:
            return False
        transaction = entry.transaction
        return transaction is None or isolation == "read_uncommitted" or transaction.outcome == "committed"

    def read_committed(self) -> list[Entry]:
        """All that a committed reader sees."""
        visible = self.entries[: self.end("read_committed")]
        return [entry for entry in visible if self.is_visible(entry, "read_committed")]


@dataclass(slots=True)
class _Producer:
    """What the coordinator knows of a transactional id."""

    epoch: int = 0
    ongoing: Transaction | None = None
    completing: Transaction | None = None


class Broker:
    """The logs and the transaction coordinator.

    Args:
        topics: name -> partitions.
        scheduler: of the time at which things happen.
        on_visible: told of each transaction that was committed, when the last of its markers is written.
    """

    def __init__(
        self,
        topics: dict[str, int],
        scheduler: Scheduler,
        on_visible: Callable[[Transaction], None],
    ) -> None:
        self.logs = {topic: [Log() for _ in range(count)] for topic, count in topics.items()}
        self._scheduler = scheduler
        self._on_visible = on_visible
        self._producers: dict[str, _Producer] = {}

    def append(
        self,
        topic: str,
        partition: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        transaction: Transaction | None = None,
    ) -> None:
        """Write a record; without a partition, the key decides."""
        logs = self.logs[topic]
        log = logs[zlib.crc32(key or b"") % len(logs) if partition is None else partition]
        if transaction is not None and transaction not in log.open:
            log.open[transaction] = len(log.entries)
            transaction.unmarked.append(log)
        log.entries.append(Entry(key, value, headers or [], round(self._scheduler.now * 1000), transaction))

    # Transactions -------------------------------------------------------------------------------------------------

    def initialise(self, producer_id: str) -> int:
        """A new epoch; what an older one has begun is ended: as it was decided, or aborted."""
        producer = self._producers.setdefault(producer_id, _Producer())
        self._complete(producer)
        if producer.ongoing is not None:
            self._decide(producer, "aborted")
            self._complete(producer)
        producer.epoch += 1
        return producer.epoch

    def write(self, producer_id: str, epoch: int, timeout_s: float, record: Record) -> None:
        """Append within the producer's transaction, which begins with its first record."""
        producer = self._checked(producer_id, epoch)
        self._complete(producer)
        if producer.ongoing is None:
            transaction = producer.ongoing = Transaction(producer_id)
            self._scheduler.at(timeout_s, lambda: self._expire(producer, transaction))
        self.append(*record, producer.ongoing)

    def end(self, producer_id: str, epoch: int) -> None:
        """Commit. Decided at once; visible in each partition when its marker is written."""
        producer = self._checked(producer_id, epoch)
        if producer.ongoing is not None:
            self._decide(producer, "committed")

    def mark_all(self) -> None:
        """Write all markers that are due."""
        for producer in self._producers.values():
            self._complete(producer)

    def _checked(self, producer_id: str, epoch: int) -> _Producer:
        producer = self._producers[producer_id]
        if producer.epoch != epoch:
            raise KafkaException(
                KafkaError(KafkaError._FENCED, f"epoch {epoch} of {producer_id}", fatal=True)
            )
        return producer

    def _decide(self, producer: _Producer, outcome: Literal["committed", "aborted"]) -> None:
        transaction = producer.ongoing
        assert transaction is not None
        transaction.outcome = outcome
        producer.ongoing, producer.completing = None, transaction
        self._mark_later(producer, transaction)

    def _mark_later(self, producer: _Producer, transaction: Transaction) -> None:
        """Write the markers one by one, each at a time of its own."""

        def mark() -> None:
            if producer.completing is transaction:
                self._mark(producer)
                self._mark_later(producer, transaction)

        if transaction.unmarked:
            self._scheduler.at(self._scheduler.random.choice((0.0, 0.001, 0.01, 0.1)), mark)

    def _mark(self, producer: _Producer) -> None:
        transaction = producer.completing
        assert transaction is not None
        log = transaction.unmarked.pop(0)
        log.entries.append(Entry(None, None, [], round(self._scheduler.now * 1000), None, is_marker=True))
        del log.open[transaction]
        if not transaction.unmarked:
            producer.completing = None
            if transaction.outcome == "committed":
                self._on_visible(transaction)

    def _complete(self, producer: _Producer) -> None:
        while producer.completing is not None:
            self._mark(producer)

    def _expire(self, producer: _Producer, transaction: Transaction) -> None:
        """The coordinator's own end of a transaction that takes too long; its producer is fenced by that."""
        if producer.ongoing is transaction:
            self._decide(producer, "aborted")
            self._complete(producer)
            producer.epoch += 1
