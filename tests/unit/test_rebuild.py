"""Rebuild of a state that its manifest does not vouch for. What a broker hides and fences needs Apache Kafka."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from schemas.errors import StateCorrupt, UsageError
from streams.checkpoints import checkpoint_records
from streams.embedded_broker import EmbeddedBroker
from streams.facts_log import FactsGone
from streams.rebuild import rebuild
from tests.recovery_world import DAY_EVENTS, RecoveryWorld, toy
from tests.toy_fold import TOY


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def world(broker: EmbeddedBroker) -> RecoveryWorld:
    """Three days, a checkpoint each, the last one at offset 3 of 5."""
    made = RecoveryWorld.in_memory(broker)
    shard = made.taken_over()
    for events in (100, DAY_EVENTS, DAY_EVENTS, 10, 10):
        made.fold(shard, made.log(events))
    return made


def flipped(world: RecoveryWorld) -> None:
    world.put(world.topics.state, ("toy/count/k3", b"7"))


def missing(world: RecoveryWorld) -> None:
    world.put(world.topics.state, ("toy/count/k3", None))


def extra(world: RecoveryWorld) -> None:
    world.put(world.topics.state, ("toy/count/k99", b"1"))


def without_manifest(world: RecoveryWorld) -> None:
    world.put(world.topics.state, ("manifest", None))


def flipped_manifest(world: RecoveryWorld) -> None:
    raw = world.raw_state().manifest
    assert raw is not None
    world.put(world.topics.state, ("manifest", raw.replace(b'"facts_offset":5', b'"facts_offset":4')))


def everything(world: RecoveryWorld) -> None:
    names = [*world.state().documents, "manifest"]
    world.put(world.topics.state, *((name, None) for name in names))


@pytest.mark.parametrize(
    ("damage", "written", "removed"),
    [
        (flipped, 1, 0),
        (missing, 1, 0),
        (extra, 0, 1),
        (without_manifest, 0, 0),
        (flipped_manifest, 0, 0),
    ],
)
def test_damage_is_refused_at_the_take_over_and_mended(
    world: RecoveryWorld, damage: Callable[[RecoveryWorld], None], written: int, removed: int
) -> None:
    before = world.state()
    damage(world)
    with pytest.raises(StateCorrupt, match="foresite rebuild"):
        world.taken_over()

    planned = world.rebuild(is_dry_run=True)
    with pytest.raises(StateCorrupt):
        world.taken_over()
    done = world.rebuild()

    assert "would be rebuilt" == planned.outcome
    assert ("rebuilt", 3, 5, written, removed) == (
        done.outcome,
        done.began_at,
        done.facts_offset,
        done.written,
        done.removed,
    )
    assert before == world.state()
    assert world.verify(from_beginning=True).is_equal
    shard = world.taken_over()
    world.fold(shard, world.log(10))
    assert world.verify(from_beginning=True).is_equal


def test_a_state_that_is_gone_is_rebuilt_as_far_as_outputs_were_published(world: RecoveryWorld) -> None:
    before = world.state()
    everything(world)

    done = world.rebuild()

    assert ("it is empty, though outputs were published up to facts offset 5", 5) == (
        done.flaw,
        done.facts_offset,
    )
    assert before.manifest == world.state().manifest
    assert before.documents == world.state().documents


def test_what_is_sound_is_left_alone_unless_it_is_asked_for(world: RecoveryWorld) -> None:
    assert "sound" == world.rebuild().outcome
    done = world.rebuild(is_forced=True)
    assert ("rebuilt", 0, 0) == (done.outcome, done.written, done.removed)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(world: RecoveryWorld) -> None:
    newest = world.checkpoints()[-1]
    assert newest.said is not None
    lying = replace(newest.said, manifest=replace(newest.said.manifest, digest="0" * 32))
    records = checkpoint_records(
        world.topics.checkpoints, 0, TOY, lying.manifest, "day", world.content(newest)
    )
    world.put(world.topics.checkpoints, *((record.key, record.value) for record in records))
    flipped(world)

    done = world.rebuild()

    assert 3 == done.began_at
    assert "its manifest (facts offset 3) says" in done.notes[0]
    assert world.verify(from_beginning=True).partitions[0].documents == done.documents


def test_without_a_checkpoint_it_is_folded_from_the_first_facts(broker: EmbeddedBroker) -> None:
    world = RecoveryWorld.in_memory(broker)
    world.topics = replace(world.topics, checkpoints="")
    shard = world.taken_over()
    for events in (100, DAY_EVENTS):
        world.fold(shard, world.log(events))
    flipped(world)

    done = world.rebuild()

    assert (0, 2, 1) == (done.began_at, done.facts_offset, done.written)


def test_state_of_another_log_is_not_rebuilt(world: RecoveryWorld) -> None:
    manifest = world.state().manifest
    assert manifest is not None
    world.put(
        world.topics.state, ("manifest", replace(manifest, facts_mark="0-00000000", digest="0").encode())
    )

    with pytest.raises(FactsGone, match="is not the record that the twin has folded"):
        world.rebuild()
    with pytest.raises(UsageError, match="there is no 9"):
        rebuild(world.client, world.topics, TOY, "x", list, 9)


def test_state_of_an_older_schema_is_refused_with_the_command_that_folds_it_again(
    world: RecoveryWorld,
) -> None:
    """The way to migrate: nothing is converted. Checkpoints of the older schema are passed over, for nobody can read them."""
    newer = toy("toy2", schema_version=2)
    before = world.state()
    with pytest.raises(
        StateCorrupt, match=r"schema version 1 by Foresite toy, this one reads 2: .*`foresite rebuild`"
    ):
        world.taken_over(newer)
    assert before == world.state()

    done = world.rebuild(newer)

    assert ("rebuilt", 0, 5) == (done.outcome, done.began_at, done.facts_offset)
    assert "schema version 1 wrote it, this one reads 2" == done.flaw
    manifest = world.state().manifest
    assert manifest is not None
    assert (2, "toy2", 5) == (manifest.schema_version, manifest.code_version, manifest.facts_offset)
    shard = world.taken_over(newer)
    world.fold(shard, world.log(10))
    assert world.verify(newer, from_beginning=True).partitions[0].differences == ()


def test_state_of_a_newer_version_is_not_rebuilt_by_an_older_one(world: RecoveryWorld) -> None:
    world.rebuild(toy("toy2", schema_version=2))

    for is_forced in (False, True):
        with pytest.raises(StateCorrupt, match="start the version of Foresite that wrote it"):
            world.rebuild(is_forced=is_forced)
    with pytest.raises(StateCorrupt, match="start the version of Foresite that wrote it"):
        world.taken_over()
