"""What is damaged is found and mended, on Apache Kafka: checkpoints, quarantine, rebuild, and facts that expired.

Around a fold that is checked by hand in tests/toy_fold.py, where an event is a minute of the clock; with real worker
processes (tests/toy_worker.py) where it matters that one stops and starts.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.errors import StateCorrupt, UsageError
from streams import rebuild_checks
from streams.batch import StateRecord
from streams.fenced_writer import Fenced, FencedWriter
from streams.quarantine import Quarantine, quarantine
from streams.rebuild_checks import require_stopped
from streams.settings import Settings
from streams.shard import ShardFenced
from tests.recovery_world import CRASHING, DAY_EVENTS, RecoveryWorld, toy
from tests.running import wait_until
from tests.toy_fold import folded

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]


class Topics(Protocol):
    """What these tests use of the `topics` fixture."""

    prefix: str

    def create(self, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> str: ...


@pytest.fixture
def world(kafka: str, topics: Topics) -> RecoveryWorld:
    """Three days, a checkpoint each, the last one at facts offset 3 of 5."""

    def create(name: str) -> None:
        policy = {"cleanup.policy": "compact"} if name.endswith((".state.v1", ".checkpoints.v1")) else {}
        topics.create(name.removeprefix(topics.prefix), config=policy)

    made = RecoveryWorld(kafka, topics.prefix, create)
    shard = made.taken_over()
    for events in (100, DAY_EVENTS, DAY_EVENTS, 10, 10):
        made.fold(shard, made.log(events))
    settle(made)
    assert [1, 2, 3] == [each.facts_offset for each in made.checkpoints() if each.said is not None]
    return made


def settle(world: RecoveryWorld) -> None:
    """Kafka answers a commit before readers see it; a new owner is let in when they do."""
    FencedWriter(world.client, world.transactional_id)


class Worker:
    """A twin worker process on a world, and what it prints."""

    def __init__(self, world: RecoveryWorld) -> None:
        self.printed_to = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed by `working`
        settings = {
            "kafka": world.client["bootstrap.servers"],
            "app": "toy",
            "topic_prefix": world.topics.prefix,
            "facts_partitions": 1,
            "instance_id": "w0",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.toy_worker", json.dumps(settings)],
            cwd=ROOT,
            stdout=self.printed_to,
            stderr=subprocess.STDOUT,
        )

    @property
    def printed(self) -> str:
        return os.pread(self.printed_to.fileno(), 10_000_000, 0).decode(errors="replace")


@contextmanager
def working(world: RecoveryWorld) -> Iterator[Worker]:
    worker = Worker(world)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.process.terminate()
            try:
                worker.process.wait(40)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        worker.printed_to.close()


def position(world: RecoveryWorld) -> int:
    manifest = world.state().manifest
    return 0 if manifest is None else manifest.facts_offset


def works(world: RecoveryWorld) -> None:
    """A real worker takes it over and folds on to the end."""
    world.log(10)
    with working(world) as worker:
        wait_until(lambda: position(world) == len(world.records), 120, lambda: worker.printed)
    report = world.verify()
    assert report.is_equal, str(report)


def expire_facts(world: RecoveryWorld, before: int) -> None:
    admin = AdminClient({"bootstrap.servers": str(world.client["bootstrap.servers"])})
    for done in admin.delete_records([TopicPartition(world.topics.facts, 0, before)]).values():
        done.result(30)


def flipped(world: RecoveryWorld) -> None:
    world.put(world.topics.state, ("toy/count/k3", b"7"))


def tombstone(world: RecoveryWorld) -> None:
    world.put(world.topics.state, ("toy/count/k3", None))


def extra(world: RecoveryWorld) -> None:
    world.put(world.topics.state, ("toy/count/k99", b"1"))


def manifest_gone(world: RecoveryWorld) -> None:
    world.put(world.topics.state, ("manifest", None))


def manifest_flipped(world: RecoveryWorld) -> None:
    raw = world.raw_state().manifest
    assert raw is not None
    world.put(world.topics.state, ("manifest", raw.replace(b'"facts_offset":5', b'"facts_offset":4')))


def half_a_commit(world: RecoveryWorld) -> None:
    """Documents of records that were folded, and no manifest of theirs."""
    further = folded([*(record.value for record in world.records), world.records[-1].value])
    before = world.state().documents
    changed = [(name, value) for name, value in further.documents.items() if before[name] != value]
    assert 10 == len(changed)
    world.put(world.topics.state, *changed)


DAMAGES: list[Callable[[RecoveryWorld], None]] = [
    flipped,
    tombstone,
    extra,
    manifest_gone,
    manifest_flipped,
    half_a_commit,
]


def test_damaged_state_is_found_and_mended(world: RecoveryWorld) -> None:
    before = world.state()
    for damage in DAMAGES:
        damage(world)
        with pytest.raises(StateCorrupt, match="foresite rebuild"):
            world.taken_over()
        done = world.rebuild()
        assert ("rebuilt", 3, 5) == (done.outcome, done.began_at, done.facts_offset), damage.__name__
        assert before == world.state(), damage.__name__
        report = world.verify(from_beginning=True)
        assert report.is_equal, f"{damage.__name__}: {report}"
    works(world)


def test_a_worker_on_damaged_state_stops_and_names_the_command(world: RecoveryWorld) -> None:
    flipped(world)
    world.log(10)
    with working(world) as worker:
        assert 1 == worker.process.wait(120), worker.printed
        assert "`foresite rebuild` folds it again" in worker.printed
    assert 5 == position(world), "nothing was served"
    world.rebuild()
    works(world)


def test_facts_before_the_newest_checkpoint_may_expire(world: RecoveryWorld) -> None:
    expire_facts(world, 3)

    report = world.verify()
    assert report.is_equal, str(report)
    assert (3, 2) == (report.partitions[0].begins, report.partitions[0].facts)
    with pytest.raises(UsageError, match=r"begins at offset 3: .*Without --from-beginning"):
        world.verify(from_beginning=True)
    flipped(world)
    assert 3 == world.rebuild().began_at
    world.log(10)
    with working(world) as worker:
        wait_until(lambda: position(world) == 6, 120, lambda: worker.printed)
    assert world.verify().is_equal

    world.topics = replace(world.topics, checkpoints="")
    with pytest.raises(UsageError, match="there is no sound checkpoint to begin from"):
        world.verify()


def test_a_record_that_crashes_our_code_is_quarantined(world: RecoveryWorld) -> None:
    world.log(10)
    crashing = world.log_bytes(CRASHING)
    world.log(10)
    with working(world) as worker:
        assert 1 == worker.process.wait(120), worker.printed
        assert "foresite quarantine 0 6 --reason TEXT --actor NAME" in worker.printed

    assert leave_out(world, crashing[0].offset).is_news
    with working(world) as worker:
        wait_until(lambda: position(world) == 8, 120, lambda: worker.printed)
    report = world.verify(from_beginning=True)
    assert report.is_equal, str(report)
    flipped(world)
    world.rebuild()
    assert {6} == world.state().skips.keys()
    assert world.verify(from_beginning=True).is_equal


def leave_out(world: RecoveryWorld, offset: int) -> Quarantine:
    return quarantine(
        world.client,
        world.topics,
        world.transactional_id,
        0,
        offset,
        reason="asserts on nothing",
        actor="ana",
        at=datetime(2026, 12, 1, tzinfo=UTC),
    )


def test_a_twin_at_work_is_fenced_by_a_quarantine(world: RecoveryWorld) -> None:
    """Else it would go on with the record that an operator has just left out."""
    running = world.taken_over()
    running.apply(*world.log(10))
    batch = running.swap()
    assert batch is not None
    world.log(10)

    leave_out(world, 6)

    with pytest.raises(ShardFenced):
        running.write(batch)
    assert 5 == position(world)
    works(world)
    assert world.verify(from_beginning=True).is_equal


def test_another_version_leaves_a_checkpoint_before_it_folds_and_an_older_one_is_refused(
    world: RecoveryWorld,
) -> None:
    shard = world.taken_over(toy("toy2"))
    world.fold(shard, world.log(10))
    world.fold(shard, world.log(10))
    settle(world)

    newest = world.checkpoints()[-1]
    assert newest.said is not None
    assert (5, "version", "toy", "toy2") == (
        newest.facts_offset,
        newest.said.reason,
        newest.said.manifest.code_version,
        newest.said.written_by,
    )
    report = world.verify(toy("toy2"))
    assert report.is_equal, str(report)
    assert 5 == report.partitions[0].begins

    shard.close()
    newer = toy("toy3", schema_version=2)
    with pytest.raises(StateCorrupt, match="schema version 1 by Foresite toy2, this one reads 2"):
        world.taken_over(newer)
    world.rebuild(newer)
    world.taken_over(newer).close()
    with pytest.raises(StateCorrupt, match="schema version 2 by Foresite toy3"):
        world.taken_over()


def test_half_a_checkpoint_is_not_seen_before_its_commit(world: RecoveryWorld) -> None:
    before = world.checkpoints()
    producer = Producer({**world.client, "transactional.id": world.transactional_id})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(world.topics.checkpoints, key="5/day/0", value=b"half", partition=0)
    producer.flush(30)

    assert before == world.checkpoints()
    shard = world.taken_over()  # ends it
    world.fold(shard, world.log(10))
    assert before == world.checkpoints()


def test_who_rebuilds_is_fenced_by_a_twin_that_comes(world: RecoveryWorld) -> None:
    before = world.state()
    writer = FencedWriter(world.client, world.transactional_id)
    world.taken_over()

    with pytest.raises(Fenced, match="Stop the twins"):
        writer.write([StateRecord(world.topics.state, 0, "toy/count/k3", b"7")])
    assert before == world.state()


def test_a_twin_at_work_holds_up_a_rebuild(world: RecoveryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        kafka=str(world.client["bootstrap.servers"]),
        app="toy",
        topic_prefix=world.topics.prefix,
        facts_partitions=1,
    )
    told: list[str] = []
    require_stopped(settings, told.append)
    world.log(10)
    with working(world) as worker:
        wait_until(lambda: position(world) == 6, 120, lambda: worker.printed)
        monkeypatch.setattr(rebuild_checks, "LEAVING_S", 1.0)
        with pytest.raises(UsageError, match="twins are at work: w0"):
            require_stopped(settings, told.append)
    monkeypatch.setattr(rebuild_checks, "LEAVING_S", 60.0)
    require_stopped(settings, told.append)
    assert told
    assert "waiting for w0" in told[0]
