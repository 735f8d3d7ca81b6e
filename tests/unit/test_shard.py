"""The shard's transaction, take-over and refusals, on the embedded broker. Isolation and fencing need Apache Kafka."""

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import pytest
from confluent_kafka import Producer

from schemas import Facts, Segment
from schemas.errors import StateCorrupt, UsageError
from schemas.topics import TOPICS
from streams.batch import Batch, FactsRecord, ShardTopics
from streams.embedded_broker import PARTITIONS, EmbeddedBroker
from streams.facts_log import FactsGone
from streams.metrics import Metrics
from streams.partition_reader import read_to_end, reader
from streams.shard import FactsGap, Shard
from streams.shard_keeper import UNCOMMITTED_RECORDS_MAX, ShardKeeper, ShardMetrics
from streams.shard_metrics import PrometheusShardMetrics
from streams.simulator.line3 import line3_events
from streams.state_topic import Manifest, StoredState, load_state
from streams.twin_fold import TWIN
from streams.verify import verify
from tests.toy_fold import OUTPUT_TOPIC, TOY, facts, folded

CRASHING = b'{"events": [["x0", "k0"], ["x1", "k7"]], "crash": true}'


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


class World:
    """Topics of one test's own, and what it does with them. All on partition 0."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.client = {"bootstrap.servers": broker.bootstrap_servers, "log_level": 3}
        prefix = f"test-{uuid.uuid4().hex[:12]}."
        self.topics = ShardTopics(facts=prefix + "facts", state=prefix + "state", prefix=prefix)
        for topic in (self.topics.facts, self.topics.state, prefix + OUTPUT_TOPIC):
            broker.create_topic(topic)
        self.records: list[FactsRecord] = []
        self.acknowledged: list[int] = []
        self.asked: list[tuple[int, int]] = []

    def log(self, *values: bytes) -> list[FactsRecord]:
        """Append facts records, and hand them back as a reader would get them."""
        self.put(self.topics.facts, *(("S1", value) for value in values))
        with reader(self.client, "read_committed") as consumer:
            for message in read_to_end(consumer, self.topics.facts, 0, start=len(self.records)):
                offset, value = message.offset(), message.value()
                assert offset is not None
                assert isinstance(value, bytes)
                acknowledge = partial(self.acknowledged.append, offset)
                self.records.append(FactsRecord(offset, value, message.timestamp()[1], acknowledge))
        return self.records[-len(values) :]

    def put(self, topic: str, *pairs: tuple[str, bytes | None]) -> None:
        producer = Producer({**self.client, "message.max.bytes": 20_000_000})
        for key, value in pairs:
            producer.produce(topic, key=key, value=value, partition=0)
        assert 0 == producer.flush(10)

    def shard(self) -> Shard:
        return Shard(0, self.client, self.topics.prefix + "twin-0", self.topics, TOY, self.is_owner)

    def is_owner(self, partition: int, offset: int) -> bool:
        self.asked.append((partition, offset))
        return len(self.asked) > 1  # confirmed at the second time

    def taken_over(self) -> Shard:
        shard = self.shard()
        shard.take_over()
        return shard

    def state(self) -> StoredState:
        with reader(self.client, "read_committed") as consumer:
            return load_state(consumer, self.topics.state, 0)

    def manifest(self) -> Manifest:
        manifest = self.state().manifest
        assert manifest is not None
        return manifest

    def counts_said(self) -> list[tuple[str, int]]:
        """Key and count of every output, sorted."""
        said = []
        with reader(self.client, "read_committed") as consumer:
            for partition in range(PARTITIONS):
                for message in read_to_end(consumer, self.topics.prefix + OUTPUT_TOPIC, partition):
                    value = message.value()
                    assert value is not None
                    body = json.loads(value)
                    said.append((body["key"], body["count"]))
        return sorted(said)


@pytest.fixture
def world(broker: EmbeddedBroker) -> World:
    return World(broker)


def commit(shard: Shard) -> None:
    batch = shard.swap()
    assert batch is not None
    shard.write(batch)


def test_outputs_documents_and_manifest_come_out_together(world: World) -> None:
    shard = world.taken_over()

    for record in world.log(facts(0, 3, keys=2), facts(3, 1, keys=2)):
        shard.apply(record)
    commit(shard)

    assert [("k0", 1), ("k0", 2), ("k1", 1), ("k1", 2)] == world.counts_said()
    state = world.state()
    assert {"toy/count/k0": b"2", "toy/count/k1": b"2"} == state.documents
    manifest = world.manifest()
    assert (2, 4, 2, '{"events": 4}') == (
        manifest.facts_offset,
        manifest.facts_partitions,
        manifest.document_count,
        manifest.header,
    )


def test_nothing_new_is_no_batch(world: World) -> None:
    shard = world.taken_over()

    assert shard.swap() is None


def test_what_is_folded_during_a_commit_goes_into_the_next(world: World) -> None:
    """A prototype cleared its buffers after the commit and lost what had been folded meanwhile."""
    shard = world.taken_over()
    first, second, third = world.log(facts(0, 1), facts(1, 1), facts(2, 1))

    shard.apply(first)
    batch = shard.swap()
    assert batch is not None
    writing = threading.Thread(target=shard.write, args=(batch,))
    writing.start()
    shard.apply(second)
    shard.apply(third)
    writing.join()

    assert (1, 2) == (shard.committed_position, shard.uncommitted_records)
    assert {"toy/count/k0": b"1"} == world.state().documents
    commit(shard)
    assert [("k0", 1), ("k1", 1), ("k2", 1)] == world.counts_said()
    assert 3 == world.manifest().facts_offset


def test_a_new_owner_continues_as_if_never_stopped(world: World) -> None:
    records = world.log(*(facts(number, 10) for number in range(0, 100, 10)))
    old = world.taken_over()
    for record in records[:6]:
        old.apply(record)
    commit(old)
    for record in records[6:8]:  # folded, never committed
        old.apply(record)

    new = world.taken_over()
    assert 6 == new.position
    for record in records[6:]:
        new.apply(record)
    commit(new)

    assert folded(record.value for record in records).digest == world.manifest().digest
    assert folded(record.value for record in records).documents == world.state().documents


def test_a_record_is_folded_once_and_none_is_left_out(world: World) -> None:
    shard = world.taken_over()
    first, second, third = world.log(facts(0, 1), facts(1, 1), facts(2, 1))
    shard.apply(first)

    shard.apply(first)
    with pytest.raises(FactsGap, match="offset 2 was read where 1 follows"):
        shard.apply(third)
    shard.apply(second)
    commit(shard)

    assert [0] == world.acknowledged  # the repeated one; the others wait for their batch's owner
    assert [("k0", 1), ("k1", 1)] == world.counts_said()


def test_a_quarantined_record_is_passed_over(world: World) -> None:
    records = world.log(facts(0, 1), CRASHING, facts(1, 1))
    shard = world.taken_over()
    shard.apply(records[0])
    commit(shard)
    with pytest.raises(AssertionError):
        shard.apply(records[1])
    assert shard.swap() is None  # its changes are half done

    world.put(world.topics.state, ("skip/1", b'{"actor": "ana"}'))
    shard = world.taken_over()
    for record in records[1:]:
        shard.apply(record)
    commit(shard)

    assert [("k0", 1), ("k1", 1)] == world.counts_said()
    assert 3 == world.manifest().facts_offset
    assert verify(world.client, world.topics, TOY).is_equal


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("toy/count/k0", b"7"),  # changed
        ("toy/count/k9", b"1"),  # extra
        ("toy/count/k0", None),  # missing
    ],
)
def test_state_that_its_manifest_does_not_vouch_for_is_refused(
    world: World, key: str, value: bytes | None
) -> None:
    shard = world.taken_over()
    shard.apply(*world.log(facts(0, 2)))
    commit(shard)
    world.put(world.topics.state, (key, value))

    with pytest.raises(StateCorrupt, match="foresite verify"):
        world.taken_over()


def test_documents_without_a_manifest_are_refused(world: World) -> None:
    world.put(world.topics.state, ("toy/count/k0", b"1"))

    with pytest.raises(StateCorrupt, match="no manifest"):
        world.taken_over()


def test_state_of_a_newer_version_or_other_partitioning_is_refused(world: World) -> None:
    shard = world.taken_over()
    shard.apply(*world.log(facts(0, 2)))
    commit(shard)
    manifest = world.manifest()

    world.put(world.topics.state, ("manifest", replace(manifest, schema_version=2).encode()))
    with pytest.raises(StateCorrupt, match="schema version 2"):
        world.taken_over()
    world.put(world.topics.state, ("manifest", replace(manifest, facts_partitions=3).encode()))
    with pytest.raises(UsageError, match="has 4 partitions, the twin was built on 3"):
        world.taken_over()


def test_facts_that_do_not_continue_the_state_are_refused(world: World) -> None:
    shard = world.taken_over()
    for record in world.log(facts(0, 2), facts(2, 2)):
        shard.apply(record)
    commit(shard)
    manifest = world.manifest()

    world.put(world.topics.state, ("manifest", replace(manifest, facts_offset=5).encode()))
    with pytest.raises(FactsGone, match="ends at offset 2, the twin has folded up to 5"):
        world.taken_over()
    world.put(world.topics.state, ("manifest", replace(manifest, facts_mark="0-00000000").encode()))
    with pytest.raises(FactsGone, match="offset 1 is not the record that the twin has folded"):
        world.taken_over()


def test_verify_names_what_differs(world: World) -> None:
    shard = world.taken_over()
    for record in world.log(facts(0, 2), facts(2, 2)):
        shard.apply(record)
    commit(shard)
    assert verify(world.client, world.topics, TOY).is_equal

    world.put(world.topics.state, ("toy/count/k0", b"7"), ("toy/count/k9", b"1"))
    producer = Producer(world.client)
    for output_id in ("e0/count", "e9/count"):
        producer.produce(world.topics.prefix + OUTPUT_TOPIC, b"{}", headers=[("ce_id", output_id.encode())])
    producer.flush(10)
    report = verify(world.client, world.topics, TOY)

    assert not report.is_equal
    assert (
        "1 documents should not exist: toy/count/k9",
        "1 documents differ: toy/count/k0",
    ) == report.partitions[0].differences
    assert (
        "1 outputs stand there more than once: e0/count",
        "1 outputs do not follow from the facts: e9/count",
    ) == report.topics[0].differences
    assert "DIFFERENT" in str(report)


class Recorded(ShardMetrics):
    def __init__(self) -> None:
        self.told: list[str] = []
        self.has_committed = asyncio.Event()

    def folded(self, partition: int, seconds: float) -> None:
        self.told.append("folded")

    def restored(self, partition: int, seconds: float) -> None:
        self.told.append("restored")

    def digest_mismatch(self, partition: int) -> None:
        self.told.append("digest_mismatch")

    def committed(self, partition: int, seconds: float, batch: Batch) -> None:
        self.told.append("committed")
        self.has_committed.set()

    def failed(self, partition: int) -> None:
        self.told.append("failed")


class Keeping:
    """A keeper on a world, and what it died of."""

    def __init__(self, world: World) -> None:
        self.crash_reason: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.metrics = Recorded()
        self.keeper = ShardKeeper(lambda _: world.shard(), 0.05, self.metrics, self.crash)

    async def crash(self, reason: BaseException) -> None:
        self.crash_reason.set_result(reason)


def test_facts_are_acknowledged_after_the_commit_that_holds_them(world: World) -> None:
    async def scenario() -> None:
        keeping = Keeping(world)
        keeper = keeping.keeper
        await keeper.take_over([0])
        for record in world.log(facts(0, 2), facts(2, 2), facts(4, 2)):
            await keeper.fold(0, record)
        assert [] == world.acknowledged
        await keeping.metrics.has_committed.wait()
        assert [0, 1, 2] == world.acknowledged
        assert 3 == world.manifest().facts_offset
        await keeper.close()
        assert not keeping.crash_reason.done()
        assert ["restored", "folded", "folded", "folded", "committed"] == keeping.metrics.told

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_backlog_does_not_wait_for_the_next_commit_s_turn(world: World) -> None:
    """Commits are 1,000 s apart, and the fold is as far ahead as it may be (UNCOMMITTED_RECORDS_MAX) three times over:
    each time it is committed at once. With a pause it would stand still until this test gives up."""

    async def scenario() -> None:
        keeping = Keeping(world)
        keeper = ShardKeeper(lambda _: world.shard(), 1_000.0, keeping.metrics, keeping.crash)
        await keeper.take_over([0])
        records = world.log(*(facts(number, 1) for number in range(3 * UNCOMMITTED_RECORDS_MAX + 1)))
        for record in records:
            await keeper.fold(0, record)
        folded = keeping.metrics.told.count("folded")
        assert len(world.acknowledged) > 2 * UNCOMMITTED_RECORDS_MAX
        assert folded == len(records)
        for task in asyncio.all_tasks():
            if task.get_name() == "commits-0":
                task.cancel()  # it would wait for its turn for long
        await keeper.close()

    asyncio.run(asyncio.wait_for(scenario(), 100))


def test_a_release_commits_what_was_folded(world: World) -> None:
    async def scenario() -> None:
        keeper = Keeping(world).keeper
        await keeper.take_over([0])
        for record in world.log(facts(0, 2), facts(2, 2)):
            await keeper.fold(0, record)
        await keeper.release()
        assert [0, 1] == world.acknowledged
        assert keeper.position(0) is None
        await keeper.fold(0, world.records[0])  # read before the rebalance: no longer ours
        await keeper.take_over([0])
        assert 2 == keeper.position(0)
        await keeper.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_state_that_cannot_be_believed_stops_the_take_over(world: World) -> None:
    world.put(world.topics.state, ("toy/count/k0", b"1"))

    async def scenario() -> None:
        keeping = Keeping(world)
        with pytest.raises(StateCorrupt):
            await keeping.keeper.take_over([0])
        assert ["digest_mismatch"] == keeping.metrics.told
        assert keeping.keeper.position(0) is None
        await keeping.keeper.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_batch_that_kafka_will_never_take_stops_the_worker(world: World) -> None:
    """A record above the size limit is a bug of ours: to try again would be a busy loop for ever."""

    async def scenario() -> None:
        keeping = Keeping(world)
        await keeping.keeper.take_over([0])
        await keeping.keeper.fold(0, *world.log(json.dumps({"events": [["e0", "k" * 4_500_000]]}).encode()))
        assert "MSG_SIZE_TOO_LARGE" in str(await keeping.crash_reason)
        assert ["restored", "folded", "failed"] == keeping.metrics.told
        assert [] == world.acknowledged
        await keeping.keeper.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_the_twins_metrics_are_fed(world: World) -> None:
    async def scenario() -> None:
        metrics = Metrics()
        shards = PrometheusShardMetrics(metrics)
        keeper = ShardKeeper(lambda _: world.shard(), 0.05, shards, Keeping(world).crash)
        await keeper.take_over([0])
        for record in world.log(facts(0, 2), facts(2, 2)):
            await keeper.fold(0, record)
        await keeper.close()
        site = {"site": "partition-0"}
        read = metrics.registry.get_sample_value
        assert 4 == read("foresite_twin_events_applied_total", {**site, "kind": "event"})
        assert 2 == read("foresite_twin_apply_seconds_count", site)
        assert 2 == read("foresite_twin_end_to_end_seconds_count", site)
        assert 4 == read("foresite_twin_outputs_total", {"topic": OUTPUT_TOPIC})
        assert 1 == read("foresite_twin_restore_seconds_count", site)
        assert 0 == read("foresite_twin_uncommitted_seconds", site)
        assert 1 <= (read("foresite_twin_commits_total", {**site, "outcome": "committed"}) or 0)

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_the_real_twin_is_restored_and_refolded_to_the_same(world: World, broker: EmbeddedBroker) -> None:
    """The Line 3 case, with a new owner after every fifth commit."""
    for topic in TOPICS:
        broker.create_topic(world.topics.prefix + topic)
    values = [
        Facts(
            group_id=event.site_id,
            segments=[
                Segment(topic="story", partition=0, positions=[(number, 0)], events=[cast(Any, event)])
            ],
        ).encode()
        for number, event in enumerate(line3_events(until=datetime(2026, 11, 17, 12, tzinfo=UTC)))
    ]
    records = world.log(*values)
    shard = Shard(0, world.client, world.topics.prefix + "twin-0", world.topics, TWIN, world.is_owner)
    shard.take_over()
    for number, record in enumerate(records):
        shard.apply(record)
        if number % 40 == 39:
            commit(shard)
        if number % 200 == 199:
            shard = Shard(0, world.client, world.topics.prefix + "twin-0", world.topics, TWIN, world.is_owner)
            shard.take_over()
            assert number + 1 == shard.position
    if shard.uncommitted_records:
        commit(shard)

    report = verify(world.client, world.topics, TWIN)

    assert report.is_equal, str(report)
    assert len(records) == report.partitions[0].facts
    assert 0 < report.partitions[0].documents
