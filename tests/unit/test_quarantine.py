"""Quarantine of a facts record that our own code cannot fold. Fencing needs Apache Kafka."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from schemas import UsageError
from streams.embedded_broker import PARTITIONS, EmbeddedBroker
from streams.partition_reader import read_to_end, reader
from streams.quarantine import Quarantine, quarantine
from tests.recovery_world import CRASHING, DAY_EVENTS, RecoveryWorld
from tests.toy_fold import facts


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def world(broker: EmbeddedBroker) -> RecoveryWorld:
    return RecoveryWorld.in_memory(broker)


def leave_out(
    world: RecoveryWorld, offset: int, *, is_dry_run: bool = False, partition: int = 0
) -> Quarantine:
    return quarantine(
        world.client,
        world.topics,
        world.transactional_id,
        partition,
        offset,
        reason="asserts on nothing",
        actor="ana",
        at=datetime(2026, 12, 1, tzinfo=UTC),
        is_dry_run=is_dry_run,
    )


def bodies(world: RecoveryWorld, topic: str) -> list[dict[str, object]]:
    with reader(world.client, "read_committed") as consumer:
        return [
            json.loads(message.value() or b"")
            for partition in range(PARTITIONS)
            for message in read_to_end(consumer, world.topics.prefix + topic, partition)
        ]


def test_the_twin_passes_over_it_and_so_does_a_refold(world: RecoveryWorld) -> None:
    shard = world.taken_over()
    world.fold(shard, world.log(10))
    crashing = world.log_bytes(CRASHING)
    behind = world.log(10)
    with pytest.raises(AssertionError):
        shard.apply(*crashing)

    found = leave_out(world, 1)
    assert (True, len(CRASHING), 1) == (found.is_news, found.byte_count, found.folded_up_to)
    shard = world.taken_over()
    world.fold(shard, [*crashing, *behind])

    assert 3 == world.verify(from_beginning=True).partitions[0].facts
    assert world.verify(from_beginning=True).is_equal
    (letter,) = bodies(world, "ingest.dead-letters.v1")
    assert ("quarantined", "twin.facts.v1", 0, 1) == (
        letter["code"],
        letter["source_topic"],
        letter["source_partition"],
        letter["source_offset"],
    )
    assert CRASHING == base64.b64decode(str(letter["payload_base64"]))
    (audit,) = bodies(world, "twin.audit.v1")
    assert ("facts_quarantined", "ana", "asserts on nothing", "twin.facts.v1/0/1") == (
        audit["action"],
        audit["actor"],
        audit["reason"],
        audit["target_id"],
    )


def test_it_survives_in_a_checkpoint(world: RecoveryWorld) -> None:
    crashing = world.log_bytes(CRASHING)
    leave_out(world, 0)
    shard = world.taken_over()
    world.fold(shard, [*crashing, *world.log(DAY_EVENTS)])
    world.fold(shard, world.log(1))

    (stored,) = world.checkpoints()
    assert {0: "ana"} == {
        offset: json.loads(word)["actor"] for offset, word in world.content(stored).skips.items()
    }


def test_what_was_folded_or_is_not_there_is_refused(world: RecoveryWorld) -> None:
    shard = world.taken_over()
    world.fold(shard, world.log(10))
    world.log(10)

    with pytest.raises(UsageError, match="has folded everything below offset 1, so record 0 is part of"):
        leave_out(world, 0)
    with pytest.raises(UsageError, match="ends at offset 2: there is no record 2"):
        leave_out(world, 2)
    with pytest.raises(UsageError, match="has 4 partitions, numbered from 0; there is no 4"):
        leave_out(world, 0, partition=4)
    assert {} == world.state().skips


def test_a_dry_run_writes_nothing_and_a_second_time_is_no_news(world: RecoveryWorld) -> None:
    world.log_bytes(facts(0, 10))

    assert leave_out(world, 0, is_dry_run=True).is_news
    assert {} == world.state().skips
    leave_out(world, 0)
    again = leave_out(world, 0)

    assert (False, "ana", "asserts on nothing") == (again.is_news, again.known_actor, again.known_reason)
    assert 1 == len(bodies(world, "twin.audit.v1"))
