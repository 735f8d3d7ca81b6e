"""Producers and readers on the broker in memory, with the parts of confluent-kafka's interface that a shard uses.

Each call to the broker may fail before it arrives, or arrive without an answer; at each the process may be killed or
stopped, and the others run.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams.kafka_clients import KafkaClients
from streams.partition_reader import Isolation
from tests.commit_simulator.actors import Process, Scheduler
from tests.commit_simulator.broker import Broker, Entry, Log, Record
from tests.commit_simulator.chances import Chances, transport_error

T = TypeVar("T")

QUEUE_RECORDS = 40
"""What a producer's local queue holds before it may be full."""


class World(Protocol):
    """What clients know of the world."""

    scheduler: Scheduler
    broker: Broker
    chances: Chances

    def interrupt(self, process: Process, where: str) -> None:
        """Let the others run; this process may be killed or stopped meanwhile."""

    def failed(self, what: str) -> None:
        """Something was lost, refused or late."""

    def opened(self, process: Process, producer_id: str) -> None:
        """A producer was initialised, which fences all others of its id."""


class Network:
    """One process's way to the broker."""

    def __init__(self, world: World, process: Process) -> None:
        self.world = world
        self.process = process

    def call(self, name: str, effect: Callable[[], T]) -> T:
        """A request and its answer.

        Raises:
            KafkaException: one of the two was lost, or the broker said no.
        """
        chances = self.world.chances
        self.world.interrupt(self.process, f"before {name}")
        if chances(chances.fail):
            self.world.failed(f"{name} lost")
            raise transport_error(name, "lost")
        answer = effect()
        self.world.interrupt(self.process, f"after {name}")
        if chances(chances.unheard):
            self.world.failed(f"{name} unheard")
            raise transport_error(name, "unheard")
        return answer


class SimulatedClients(KafkaClients):
    """Clients of one process."""

    def __init__(self, world: World, process: Process) -> None:
        self._network = Network(world, process)

    def producer(self, config: Mapping[str, object]) -> Producer:
        return cast("Producer", SimulatedProducer(self._network, config))

    @contextmanager
    def _reader(self, isolation: Isolation) -> Iterator[Consumer]:
        yield cast("Consumer", SimulatedConsumer(self._network, isolation))

    def reader(self, client: Mapping[str, object], isolation: Isolation) -> Any:
        return self._reader(isolation)

    def wait(self, is_woken: threading.Event, timeout_s: float) -> None:
        self._network.world.scheduler.sleep(timeout_s, is_woken)


class SimulatedProducer:
    """A transactional producer: a local queue, which goes out bit by bit and all of it before a commit."""

    def __init__(self, network: Network, config: Mapping[str, object]) -> None:
        self._network = network
        self._broker = network.world.broker
        self._id = str(config["transactional.id"])
        self._timeout_s = float(cast("int", config["transaction.timeout.ms"])) / 1000.0
        self._on_delivery = cast("Callable[[KafkaError, Any], None]", config["on_delivery"])
        self._epoch = 0
        self._queue: list[Record] = []
        self._is_open = False
        self._must_abort = False

    def init_transactions(self, _timeout_s: float) -> None:
        self._epoch = self._network.call("init", lambda: self._broker.initialise(self._id))
        self._network.world.opened(self._network.process, self._id)

    def begin_transaction(self) -> None:
        self._network.world.interrupt(self._network.process, "begin")
        chances = self._network.world.chances
        if chances(chances.fail):
            self._network.world.failed("begin refused")
            raise KafkaException(KafkaError(KafkaError._STATE, "begin refused"))
        assert self._epoch, "a transaction begins on an initialised producer"
        assert not self._is_open, "a transaction begins once"
        self._is_open = True

    def produce(
        self,
        topic: str,
        key: bytes,
        value: bytes | None,
        partition: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        assert self._is_open, "produced outside a transaction"
        chances = self._network.world.chances
        if len(self._queue) > QUEUE_RECORDS or chances(chances.full):
            self._send(1)
            raise BufferError
        if self._must_abort:
            raise KafkaException(KafkaError(KafkaError._STATE, "must abort", txn_requires_abort=True))
        self._queue.append((topic, partition, key, value, headers))
        if chances.random.random() < 0.2:
            self._send(chances.random.randrange(len(self._queue) + 1))

    def poll(self, _timeout_s: float) -> int:
        self._network.world.interrupt(self._network.process, "poll")
        if self._is_open:
            self._send(1)
        return 0

    def commit_transaction(self, _timeout_s: float) -> None:
        self._send(len(self._queue))
        if self._must_abort:
            raise KafkaException(KafkaError(KafkaError._STATE, "must abort", txn_requires_abort=True))
        world = self._network.world
        if world.chances(world.chances.late):
            world.scheduler.at(world.chances.pause_s() / 10, self._end_late)
            world.failed("commit late")
            world.interrupt(self._network.process, "after a late commit")
            raise transport_error("commit", "unheard")
        self._network.call("commit", lambda: self._broker.end(self._id, self._epoch))
        self._is_open = False

    def _end_late(self) -> None:
        """The request arrives when nobody waits for it any more."""
        try:
            self._broker.end(self._id, self._epoch)
        except KafkaException:
            return  # it was fenced meanwhile

    def _send(self, count: int) -> None:
        """Let some of the queue go out; one of them may be refused, and the transaction cannot be committed then."""
        chances = self._network.world.chances
        for _ in range(count):
            if not self._queue or self._must_abort:
                return
            if chances.random.random() < 0.3:
                self._network.world.interrupt(self._network.process, "send")
            record = self._queue.pop(0)
            if chances(chances.refuse):
                self._must_abort = True
                self._network.world.failed("record refused")
                self._on_delivery(KafkaError(KafkaError._MSG_TIMED_OUT, "refused"), None)
                return
            self._broker.write(self._id, self._epoch, self._timeout_s, record)


class SimulatedMessage:
    """A record as a consumer hands it over, or what it has to say instead."""

    def __init__(self, topic: str, partition: int, offset: int, entry: Entry | None, error: int = 0) -> None:
        self._topic, self._partition, self._offset = topic, partition, offset
        self._entry = entry
        self._error = KafkaError(error) if error else None

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._entry.key if self._entry else None

    def value(self) -> bytes | None:
        return self._entry.value if self._entry else None

    def timestamp(self) -> tuple[int, int]:
        return 1, self._entry.timestamp_ms if self._entry else 0

    def headers(self) -> list[tuple[str, bytes]]:
        return self._entry.headers if self._entry else []


class SimulatedConsumer:
    """A reader of one partition at a time, in no group."""

    def __init__(self, network: Network, isolation: Isolation) -> None:
        self._network = network
        self._isolation = isolation
        self._broker = network.world.broker
        self._here: TopicPartition | None = None
        self._next = 0

    def list_topics(self, topic: str, timeout: float) -> Any:
        logs = self._network.call("list_topics", lambda: self._broker.logs[topic])
        found = SimpleNamespace(error=None, partitions=dict(enumerate(logs)))
        return SimpleNamespace(topics={topic: found})

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float, cached: bool
    ) -> tuple[int, int]:
        log = self._log(partition)
        return 0, self._network.call("watermarks", lambda: log.end(self._isolation))

    def assign(self, partitions: list[TopicPartition]) -> None:
        (self._here,) = partitions
        self._next = self._here.offset

    def unassign(self) -> None:
        self._here = None

    def position(self, _partitions: list[TopicPartition]) -> list[TopicPartition]:
        assert self._here is not None
        return [TopicPartition(self._here.topic, self._here.partition, self._next)]

    def consume(self, _count: int, _timeout_s: float) -> list[SimulatedMessage]:
        here, random = self._here, self._network.world.chances.random
        assert here is not None
        log = self._log(here)
        self._network.call("fetch", lambda: None)
        end = log.end(self._isolation)
        stop = min(end, self._next + random.choice((1, 3, 10, 100)))
        messages = [
            SimulatedMessage(here.topic, here.partition, offset, log.entries[offset])
            for offset in range(self._next, stop)
            if log.is_visible(log.entries[offset], self._isolation)
        ]
        self._next = stop
        if stop == end and random.random() < 0.5:
            messages.append(
                SimulatedMessage(here.topic, here.partition, end, None, KafkaError._PARTITION_EOF)
            )
        return messages

    def _log(self, partition: TopicPartition) -> Log:
        return self._broker.logs[partition.topic][partition.partition]
