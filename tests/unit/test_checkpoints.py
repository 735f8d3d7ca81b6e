"""Checkpoints of a shard: when, what, and what is none. Isolation, fencing and expiry need Apache Kafka."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from schemas.errors import StateCorrupt
from streams import checkpoints
from streams.checkpoints import StoredCheckpoint
from streams.embedded_broker import EmbeddedBroker
from tests.recovery_world import DAY_EVENTS, RecoveryWorld, toy
from tests.toy_fold import OUTPUT_TOPIC, TOY, folded


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def world(broker: EmbeddedBroker) -> RecoveryWorld:
    return RecoveryWorld.in_memory(broker)


def days(stored: list[StoredCheckpoint]) -> list[tuple[int, str | None]]:
    return [(each.facts_offset, None if each.said is None else each.said.day) for each in stored]


def test_the_first_commit_of_each_day_is_kept(world: RecoveryWorld) -> None:
    shard = world.taken_over()

    world.fold(shard, world.log(100))  # the first commit of all
    world.fold(shard, world.log(100))  # carries the checkpoint of the one before
    assert [(1, "1970-01-01")] == days(world.checkpoints())
    world.fold(shard, world.log(DAY_EVENTS - 300))  # 23:20
    world.fold(shard, world.log(200))  # 00:20
    world.fold(shard, world.log(10))
    world.fold(shard, world.log(10))

    assert [(1, "1970-01-01"), (4, "1970-01-02")] == days(world.checkpoints())
    second = world.checkpoints()[1]
    assert second.said is not None
    expected = folded(record.value for record in world.records[:4])
    assert (expected.digest, expected.document_count) == (
        second.said.manifest.digest,
        second.said.manifest.document_count,
    )
    content = world.content(second)
    assert expected.documents == content.documents
    counts = {name.removeprefix("toy/count/"): int(value) for name, value in expected.documents.items()}
    assert counts == {
        json.loads(value)["key"]: json.loads(value)["count"] for value in content.said[OUTPUT_TOPIC].values()
    }


def test_a_new_owner_knows_of_which_day_there_is_one(world: RecoveryWorld) -> None:
    shard = world.taken_over()
    world.fold(shard, world.log(100))
    world.fold(shard, world.log(100))

    shard = world.taken_over()
    world.fold(shard, world.log(100))
    world.fold(shard, world.log(100))

    assert [(1, "1970-01-01")] == days(world.checkpoints())


def test_one_that_was_not_completed_is_none_and_is_begun_anew(
    world: RecoveryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PART_BYTES", 40)  # a document or two a part
    shard = world.taken_over()
    world.fold(shard, world.log(100))
    world.fold(shard, world.log(100))  # carries the first parts, and then the owner is gone
    (begun,) = world.checkpoints()
    assert (1, None, "never completed") == (begun.facts_offset, begun.said, begun.flaw)

    shard = world.taken_over()
    for _ in range(20):
        world.fold(shard, world.log(1))

    (second,) = world.checkpoints()  # and what was begun before is taken back
    assert (3, "") == (second.facts_offset, second.flaw)
    assert folded(record.value for record in world.records[:3]).documents == world.content(second).documents


def test_only_so_many_are_kept(world: RecoveryWorld) -> None:
    shard = world.taken_over(kept=3)
    for events in (100, DAY_EVENTS, DAY_EVENTS):
        world.fold(shard, world.log(events))
    world.put(world.topics.checkpoints, ("2/version/0", b"half of one"))
    world.fold(shard, world.log(10))
    assert [1, 2, 2, 3] == [each.facts_offset for each in world.checkpoints()]

    for events in (DAY_EVENTS, 10, DAY_EVENTS, 10, 10, 10):
        world.fold(shard, world.log(events))

    assert [(3, "1970-01-03"), (5, "1970-01-04"), (7, "1970-01-05")] == days(world.checkpoints())


def test_a_change_of_version_is_kept_before_anything_is_folded(world: RecoveryWorld) -> None:
    shard = world.taken_over()
    world.fold(shard, world.log(100))
    world.fold(shard, world.log(100))
    world.fold(shard, world.log(100))

    world.taken_over(toy("toy2"))  # and is killed before its first commit
    world.taken_over(toy("toy2"))

    assert [(1, "1970-01-01"), (3, "1970-01-01")] == days(world.checkpoints())
    said = world.checkpoints()[1].said
    assert said is not None
    assert ("version", "toy", "toy2") == (said.reason, said.manifest.code_version, said.written_by)
    assert world.state().documents == world.content(world.checkpoints()[1]).documents


def test_one_of_a_newer_version_is_refused(world: RecoveryWorld) -> None:
    newer = toy("toy2", schema_version=2)
    shard = world.taken_over(newer)
    world.fold(shard, world.log(100))
    world.fold(shard, world.log(100))

    with pytest.raises(StateCorrupt, match="schema version 2 by Foresite toy2"):
        world.content(world.checkpoints()[0])
    with pytest.raises(StateCorrupt, match="schema version 2 by Foresite toy2"):
        world.taken_over()


def test_state_that_contradicts_its_manifest_is_not_copied(world: RecoveryWorld) -> None:
    """A checkpoint is a check of the state topic, too."""
    shard = world.taken_over()
    world.fold(shard, world.log(100))
    world.fold(shard, world.log(DAY_EVENTS - 200))
    world.put(world.topics.state, ("toy/count/k0", b"7"), ("toy/count/k30", b"7"))
    shard.apply(*world.log(DAY_EVENTS, keys=3))  # mends k0, not k30
    batch = shard.swap()
    assert batch is not None
    shard.write(batch)
    shard.wait_for_checkpoint()
    shard.apply(*world.log(1))
    batch = shard.swap()
    assert batch is not None
    shard.write(batch)

    assert 1 == batch.counters["checkpoint", "failed"]
    assert [(1, "1970-01-01")] == days(world.checkpoints())


def test_verify_begins_before_the_newest_and_compares_it(world: RecoveryWorld) -> None:
    shard = world.taken_over()
    for _ in range(4):
        for events in (DAY_EVENTS - 20, 10, 10):
            world.fold(shard, world.log(events))
    assert [1, 3, 6, 9] == [each.facts_offset for each in world.checkpoints()]

    report = world.verify()
    assert report.is_equal, str(report)
    part = report.partitions[0]
    assert (6, 6, 1) == (part.begins, part.facts, part.checkpoints)
    assert 2 * DAY_EVENTS == report.topics[0].not_judged

    whole = world.verify(from_beginning=True)
    assert whole.is_equal, str(whole)
    assert (0, 12, 4) == (
        whole.partitions[0].begins,
        whole.partitions[0].facts,
        whole.partitions[0].checkpoints,
    )
    assert 0 == whole.topics[0].not_judged


def test_outputs_are_told_apart_by_the_facts_that_they_follow_from(world: RecoveryWorld) -> None:
    shard = world.taken_over()
    for _ in range(4):
        for events in (DAY_EVENTS - 20, 10, 10):
            world.fold(shard, world.log(events))

    world.put_output("invented-before", "0/5")
    assert world.verify().is_equal
    assert not world.verify(from_beginning=True).is_equal
    world.put_output("invented-behind", "0/6")
    world.put_output("invented-nowhere", None)

    report = world.verify()
    assert ("2 outputs do not follow from the facts: invented-behind, invented-nowhere",) == tuple(
        sorted(report.topics[0].differences)
    )


def test_verify_finds_a_checkpoint_that_the_facts_do_not_lead_to(world: RecoveryWorld) -> None:
    shard = world.taken_over()
    for events in (100, DAY_EVENTS, 10, 10):
        world.fold(shard, world.log(events))
    assert world.verify().is_equal

    # A sound copy of another state: as if the code had folded otherwise.
    other = toy("toy")
    stored = world.checkpoints()[-1]
    assert stored.said is not None
    content = world.content(stored)
    documents = {**content.documents, "toy/count/k0": b"7"}
    header = stored.said.manifest.header.encode()
    count, digest = other.count_and_digest(header, documents)
    manifest = replace(stored.said.manifest, document_count=count, digest=digest)
    for record in checkpoints.checkpoint_records(
        world.topics.checkpoints, 0, other, manifest, "day", replace(content, documents=documents)
    ):
        world.put(record.topic, (record.key, record.value))

    report = world.verify()
    assert not report.is_equal
    assert "the checkpoint at offset 2 has 20 documents" in report.partitions[0].differences[0]


def test_a_damaged_one_is_passed_over(world: RecoveryWorld) -> None:
    shard = world.taken_over()
    for events in (100, DAY_EVENTS, 10, 10):
        world.fold(shard, world.log(events))
    newest = world.checkpoints()[-1]
    assert newest.said is not None
    complete = newest.said.encode()
    world.put(world.topics.checkpoints, ("2/day/0", b"other bytes"), ("2/day/complete", complete))

    found = world.checkpoints()

    assert ["", "", "its parts are not those that were written"] == [each.flaw for each in found]
    assert found[2].said is None
    assert TOY.code_version == newest.said.written_by
