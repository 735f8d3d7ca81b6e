"""One shard of the toy fold with its checkpoints, on a broker in memory or on Kafka: what the tests of recovery do with it."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from confluent_kafka import Producer

from schemas.topics import AUDIT, CHECKPOINTS, DEAD_LETTERS, FACTS, STATE
from streams.batch import FactsRecord, ShardTopics
from streams.checkpoints import CheckpointContent, StoredCheckpoint, checkpoint_content, stored_checkpoints
from streams.embedded_broker import EmbeddedBroker
from streams.fold import FoldKind
from streams.partition_reader import read_to_end, reader
from streams.rebuild import Rebuilt, rebuild
from streams.shard import Shard
from streams.state_topic import RawState, StoredState, load_state, read_state
from streams.verify import VerifyReport, verify
from tests.toy_fold import OUTPUT_TOPIC, TOY, facts

DAY_EVENTS = 1_440
"""An event is a minute of the toy's clock."""

CRASHING = b'{"events": [["x0", "k0"], ["x1", "k7"]], "crash": true}'


def toy(version: str, schema_version: int = 1) -> FoldKind:
    """The toy fold as another version of the code."""
    return replace(TOY, code_version=version, schema_version=schema_version)


class RecoveryWorld:
    """Topics of one test's own, and their first partition.

    Args:
        servers: the broker.
        prefix: begins the names of the topics.
        create: makes a topic of this full name.
    """

    def __init__(self, servers: str, prefix: str, create: Callable[[str], object]) -> None:
        self.client: dict[str, object] = {"bootstrap.servers": servers, "log_level": 3}
        self.topics = ShardTopics(
            facts=prefix + FACTS,
            state=prefix + STATE,
            prefix=prefix,
            checkpoints=prefix + CHECKPOINTS,
            shown=(OUTPUT_TOPIC,),
        )
        for topic in (FACTS, STATE, CHECKPOINTS, OUTPUT_TOPIC, DEAD_LETTERS, AUDIT):
            create(prefix + topic)
        self.transactional_id = f"{prefix}toy-twin-0"
        self.records: list[FactsRecord] = []
        self._events = 0

    @classmethod
    def in_memory(cls, broker: EmbeddedBroker) -> "RecoveryWorld":
        """On the embedded broker."""
        return cls(broker.bootstrap_servers, f"test-{uuid.uuid4().hex[:12]}.", broker.create_topic)

    def log(self, events: int, keys: int = 20) -> list[FactsRecord]:
        """Append a facts record of so many events, and hand it back as a reader would get it."""
        self._events += events
        return self.log_bytes(facts(self._events - events, events, keys))

    def log_bytes(self, value: bytes) -> list[FactsRecord]:
        """Append a facts record."""
        self.put(self.topics.facts, ("S1", value))
        with reader(self.client, "read_committed") as consumer:
            for message in read_to_end(consumer, self.topics.facts, 0, start=len(self.records)):
                offset, found = message.offset(), message.value()
                assert offset is not None
                assert isinstance(found, bytes)
                self.records.append(FactsRecord(offset, found, message.timestamp()[1], partial(int)))
        return self.records[-1:]

    def put(self, topic: str, *pairs: tuple[str, bytes | None]) -> None:
        """Write records past the shard, as damage does."""
        producer = Producer({**self.client, "message.max.bytes": 20_000_000})
        for key, value in pairs:
            producer.produce(topic, key=key, value=value, partition=0)
        assert 0 == producer.flush(10)

    def put_output(self, output_id: str, facts_position: str | None) -> None:
        """Write an output that no fold has said."""
        headers: list[tuple[str, str | bytes | None]] = [("ce_id", output_id)]
        if facts_position is not None:
            headers.append(("ce_factsposition", facts_position))
        producer = Producer(dict(self.client))
        producer.produce(self.topics.prefix + OUTPUT_TOPIC, key="k", value=b"{}", headers=headers)
        assert 0 == producer.flush(10)

    def taken_over(self, kind: FoldKind = TOY, kept: int = 14) -> Shard:
        """A new owner."""
        shard = Shard(
            0,
            self.client,
            self.transactional_id,
            self.topics,
            kind,
            lambda _p, _o: True,
            checkpoints_kept=kept,
        )
        shard.take_over()
        return shard

    def fold(self, shard: Shard, records: Sequence[FactsRecord]) -> None:
        """Fold and commit, and wait for the copy of a checkpoint that this begins."""
        for record in records:
            shard.apply(record)
        batch = shard.swap()
        assert batch is not None
        shard.write(batch)
        shard.wait_for_checkpoint()

    def checkpoints(self) -> list[StoredCheckpoint]:
        """As they lie in the topic."""
        with reader(self.client, "read_committed") as consumer:
            return stored_checkpoints(consumer, self.topics.checkpoints, 0)

    def content(self, stored: StoredCheckpoint, kind: FoldKind = TOY) -> CheckpointContent:
        """What one holds."""
        with reader(self.client, "read_committed") as consumer:
            return checkpoint_content(consumer, self.topics.checkpoints, kind, stored)

    def state(self) -> StoredState:
        """The state partition, with a manifest that can be read."""
        with reader(self.client, "read_committed") as consumer:
            return load_state(consumer, self.topics.state, 0)

    def raw_state(self) -> RawState:
        """The state partition as it is."""
        with reader(self.client, "read_committed") as consumer:
            return read_state(consumer, self.topics.state, 0)

    def rebuild(self, kind: FoldKind = TOY, *, is_forced: bool = False, is_dry_run: bool = False) -> Rebuilt:
        """What rebuild does."""
        return rebuild(
            self.client,
            self.topics,
            kind,
            self.transactional_id,
            lambda: [self.topics.prefix + OUTPUT_TOPIC],
            0,
            is_forced=is_forced,
            is_dry_run=is_dry_run,
        )

    def verify(self, kind: FoldKind = TOY, *, from_beginning: bool = False) -> VerifyReport:
        """What verify says."""
        return verify(self.client, self.topics, kind, from_beginning=from_beginning)
