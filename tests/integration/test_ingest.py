"""What ingest guarantees, on Apache Kafka: every event is in the facts, in the order of its source, without a hole.

Read as the twin reads (dropping what comes at or below a source's watermark), each event is there exactly once.
"""

import base64
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from schemas import INGESTED_TOPICS
from schemas.topics import DEAD_LETTERS, FACTS, MACHINE_EVENTS, ORDERS, TOPICS
from streams import input_reader
from streams.gapless_writer import CODECS
from streams.local_kafka import LocalKafka
from streams.settings import Settings
from streams.topic_identity import InputGone
from tests.ingest_plant import PATIENCE_S, Plant, Position, holes, running, ticks, trimmed, wait_for
from tests.unit.broken_records import BROKEN_RECORDS, COUNT, encoded, good_record

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
FACTS_PARTITIONS = 3
SITES = ("lyon", "turin", "bergamo", "S1", "S2")


class Topics(Protocol):
    """What these tests use of the `topics` fixture."""

    prefix: str

    def create(self, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> str: ...


@pytest.fixture
def plant(kafka: str, topics: Topics) -> Plant:
    for topic in INGESTED_TOPICS:
        config = {"max.message.bytes": "12000000", "cleanup.policy": TOPICS[topic].cleanup}
        topics.create(topic, partitions=2, config=config)
    topics.create(FACTS, partitions=FACTS_PARTITIONS)
    topics.create(DEAD_LETTERS)
    return installation(kafka, topics.prefix)


def installation(servers: str, prefix: str) -> Plant:
    return Plant(
        Settings(
            kafka=servers,
            topic_prefix=prefix,
            facts_partitions=FACTS_PARTITIONS,
            planning_groups={"emea": ["lyon", "turin"]},
            clock="events",
            instance_id="ingest-0",  # a killed worker's place is taken over at once
        )
    )


class Worker:
    """An ingest process and what it logs."""

    def __init__(self, settings: Settings) -> None:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed with the worker)
        given = settings.model_dump(mode="json", exclude_defaults=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ingest_worker", json.dumps(given)],
            cwd=ROOT,
            stdout=self._log,
            stderr=self._log,
        )

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        self._log.close()

    def wait_until_up(self) -> None:
        """Until signals are handled."""
        wait_until(lambda: "admin_listening" in self.log, lambda: self.log)

    def end(self, how: signal.Signals, timeout_s: float = PATIENCE_S) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout_s)


@contextmanager
def worker(settings: Settings) -> Iterator[Worker]:
    started = Worker(settings)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.send_signal(signal.SIGCONT)
            started.end(signal.SIGKILL)
        started.close()


def wait_until(is_so: Callable[[], bool], why_not: Callable[[], object] = str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, why_not()
        time.sleep(0.1)


class Load:
    """Numbered counts of several sites over all partitions of the machine events, some in arrays, some broken."""

    def __init__(self, plant: Plant, seed: int = 1) -> None:
        self.plant = plant
        self.expected: set[Position] = set()
        self.letters = 0
        self._random = random.Random(seed)
        self._numbers = count()
        self._offsets = [0, 0]

    @property
    def records(self) -> int:
        return sum(self._offsets)

    def send(self, records: int) -> None:
        for _ in range(records):
            partition = self._random.randrange(2)
            offset = self._offsets[partition]
            self._offsets[partition] += 1
            shape = self._random.random()
            if shape < 0.01:
                self.plant.send(MACHINE_EVENTS, b"{", partition=partition)
                self.letters += 1
                continue
            size = 7 if shape < 0.05 else 1
            bodies = [self._body() for _ in range(size)]
            self.expected |= {(MACHINE_EVENTS, partition, offset, index) for index in range(size)}
            self.plant.send(MACHINE_EVENTS, encoded(bodies if size > 1 else bodies[0]), partition=partition)
        self.plant.flush()

    def _body(self) -> dict[str, object]:
        return COUNT | {"event_id": f"e{next(self._numbers)}", "site_id": self._random.choice(SITES)}


def assert_each_event_exactly_once(plant: Plant, expected: set[Position]) -> None:
    """As the twin sees it: nothing lost, nothing twice, one partition for each site's events."""
    found = plant.positions()
    kept: list[Position] = []
    for positions in found.values():
        assert not holes(positions)
        kept += trimmed(positions)[0]
    assert len(kept) == len(set(kept))
    assert expected == set(kept)


def site_of_partition(plant: Plant) -> dict[str, set[int]]:
    sites: dict[str, set[int]] = {}
    for partition, records in plant.facts().items():
        for record in records:
            for segment in record.segments:
                for event in segment.events:
                    sites.setdefault(event.site_id, set()).add(partition)
    return sites


def test_the_whole_corpus_is_refused_and_its_good_neighbours_arrive(plant: Plant) -> None:
    for number, bad in enumerate(BROKEN_RECORDS):
        plant.send(
            bad.topic, good_record(bad.topic, number), key=b"good %d" % number
        )  # compaction wants a key
        plant.send(bad.topic, bad.value, key=b"bad %d" % number)
    plant.flush()

    with running(plant.settings):
        wait_for(plant, events=len(BROKEN_RECORDS), letters=len(BROKEN_RECORDS))

    facts, letters = plant.facts(), plant.dead_letters()
    ids = {e.event_id for records in facts.values() for r in records for s in r.segments for e in s.events}
    assert {f"good-{number}" for number in range(len(BROKEN_RECORDS))} == ids
    got = {
        (letter.code, letter.field_path, base64.b64decode(letter.payload_base64), letter.payload_bytes)
        for letter in letters
    }
    assert len(BROKEN_RECORDS) == len(letters)
    for bad in BROKEN_RECORDS:
        value = bad.value or b""
        assert any(
            (str(bad.code), bad.path, len(value)) == (code, path, size) and value.startswith(payload)
            for code, path, payload, size in got
        ), bad.name


@pytest.mark.parametrize("codec", CODECS)
def test_records_come_in_whatever_a_source_compresses_with(plant: Plant, codec: str) -> None:
    source = Producer({"bootstrap.servers": plant.settings.kafka, "compression.type": codec, "linger.ms": 50})
    for number in range(500):
        source.produce(plant.prefix + MACHINE_EVENTS, good_record(MACHINE_EVENTS, number), partition=0)
    assert 0 == source.flush(30)

    with running(plant.settings):
        wait_for(plant, events=500)

    assert [] == plant.dead_letters()
    assert_each_event_exactly_once(plant, {(MACHINE_EVENTS, 0, offset, 0) for offset in range(500)})


def test_kill_9_in_the_middle_of_a_stream_leaves_every_event_exactly_once(plant: Plant) -> None:
    load = Load(plant)
    load.send(2_000)
    for round_number in range(6):
        before = len(plant.committed())
        with worker(plant.settings) as ingest:
            load.send(6_000)
            # Somewhere in the stream, another place each round: after the first facts of this round are in.
            seen = sum(map(len, plant.positions().values()))
            wait_until(lambda: sum(map(len, plant.positions().values())) > seen, lambda: ingest.log)  # noqa: B023
            time.sleep(0.05 * round_number)
            ingest.end(signal.SIGKILL)
        assert len(plant.committed()) >= before
    repeats = sum(trimmed(positions)[1] for positions in plant.positions().values())

    with worker(plant.settings) as ingest:
        wait_for(plant, events=len(load.expected), letters=load.letters)
        wait_until(lambda: load.records == sum(plant.committed().values()), lambda: ingest.log)
        ingest.wait_until_up()
        assert 0 == ingest.end(signal.SIGTERM), ingest.log

    assert_each_event_exactly_once(plant, load.expected)
    assert {letter.output_id for letter in plant.dead_letters()} == {
        letter.output_id for letter in plant.dead_letters() if letter.code == "parse"
    }
    assert load.letters == len({letter.output_id for letter in plant.dead_letters()})
    sites = site_of_partition(plant)
    assert all(len(partitions) == 1 for partitions in sites.values())
    assert sites["lyon"] == sites["turin"]
    print(f"{len(load.expected)} events, {repeats} written more than once and trimmed")


def test_sigterm_under_load_drains_commits_and_exits_with_0(plant: Plant) -> None:
    load = Load(plant)
    load.send(1_000)
    with worker(plant.settings) as ingest:
        wait_for(plant, events=1)
        load.send(15_000)
        started = time.monotonic()
        assert 0 == ingest.end(signal.SIGTERM, 30.0), ingest.log
        print(f"stopped in {time.monotonic() - started:.2f} s")

    # Nothing was written that is not committed: each position once, and the commit is behind the last of them.
    positions = [position for found in plant.positions().values() for position in found]
    assert len(positions) == len(set(positions))
    committed = plant.committed()
    for partition in range(2):
        last = max((offset for _, p, offset, _ in positions if p == partition), default=-1)
        assert last < committed.get((MACHINE_EVENTS, partition), 0)

    with running(plant.settings):
        wait_for(plant, events=len(load.expected))
    assert_each_event_exactly_once(plant, load.expected)


def set_topic(plant: Plant, topic: str, name: str, value: str) -> None:
    admin = AdminClient({"bootstrap.servers": plant.settings.kafka})
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, plant.prefix + topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(30)


def test_a_refused_batch_stops_ingest_and_leaves_no_hole(plant: Plant) -> None:
    load = Load(plant)
    load.send(200)

    with worker(plant.settings) as ingest:
        wait_for(plant, events=len(load.expected))
        wait_until(lambda: 200 == sum(plant.committed().values()))
        set_topic(plant, FACTS, "max.message.bytes", "600")
        time.sleep(1.0)  # until the broker judges by it
        load.send(3_000)
        assert 1 == ingest.process.wait(PATIENCE_S)
        assert "DeliveryFailed" in ingest.log

    assert 200 == sum(plant.committed().values())
    for positions in plant.positions().values():
        assert not holes(positions)

    set_topic(plant, FACTS, "max.message.bytes", "1048588")
    time.sleep(1.0)
    with running(plant.settings):
        wait_for(plant, events=len(load.expected))
    assert_each_event_exactly_once(plant, load.expected)


def test_workers_that_come_and_go_leave_every_event_exactly_once(plant: Plant) -> None:
    load = Load(plant)
    members = [plant.settings.model_copy(update={"instance_id": None}) for _ in range(2)]
    with running(members[0]):
        for _ in range(3):
            load.send(3_000)
            with running(members[1]):
                load.send(3_000)
                time.sleep(2.0)
            load.send(3_000)
        wait_for(plant, events=len(load.expected), letters=load.letters)

    assert_each_event_exactly_once(plant, load.expected)


def test_a_zombie_that_wakes_up_loses_and_doubles_nothing(plant: Plant) -> None:
    settings = plant.settings.model_copy(update={"instance_id": None})
    load = Load(plant)
    with worker(settings) as zombie:
        load.send(1_000)
        wait_for(plant, events=len(load.expected))
        load.send(10_000)
        zombie.process.send_signal(signal.SIGSTOP)  # asleep for longer than its session
        with worker(settings) as heir:
            load.send(1_000)
            wait_for(plant, events=len(load.expected), letters=load.letters)
            zombie.process.send_signal(signal.SIGCONT)
            load.send(5_000)
            wait_for(plant, events=len(load.expected), letters=load.letters)
            time.sleep(2.0)
            assert 0 == heir.end(signal.SIGTERM)
        load.send(1_000)
        wait_for(plant, events=len(load.expected), letters=load.letters)
        assert 0 == zombie.end(signal.SIGTERM)

    assert_each_event_exactly_once(plant, load.expected)


def test_input_that_retention_took_before_it_was_read_stops_ingest(plant: Plant) -> None:
    load = Load(plant)
    load.send(100)
    with running(plant.settings):
        wait_for(plant, events=len(load.expected))
    committed = plant.committed()[MACHINE_EVENTS, 0]
    load.send(200)
    where = TopicPartition(plant.prefix + MACHINE_EVENTS, 0, committed + 20)
    admin = AdminClient({"bootstrap.servers": plant.settings.kafka})
    admin.delete_records([where])[where].result(30)

    with (
        pytest.raises(InputGone, match=rf"--group {plant.settings.app_id}-ingest --topic {where.topic}:0"),
        running(plant.settings) as run,
    ):
        run.wait_until_failed()

    assert committed == plant.committed()[MACHINE_EVENTS, 0]


def test_an_input_topic_created_anew_stops_ingest(plant: Plant) -> None:
    for number in range(50):
        plant.send(ORDERS, good_record(ORDERS, number), key=b"%d" % number)
    plant.flush()
    with running(plant.settings):
        wait_for(plant, events=50)
    admin = AdminClient({"bootstrap.servers": plant.settings.kafka})
    name = plant.prefix + ORDERS
    admin.delete_topics([name])[name].result(30)
    time.sleep(1.0)
    admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])[name].result(30)
    plant.send(ORDERS, good_record(ORDERS, 0), key=b"0")
    plant.flush()

    with pytest.raises(InputGone, match="created anew"), running(plant.settings) as run:
        run.wait_until_failed()


def test_partitions_that_an_input_topic_gets_are_read_from_their_beginning(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_reader, "NEW_PARTITIONS_MS", 1_000)
    name = plant.prefix + MACHINE_EVENTS
    with running(plant.settings):
        plant.send(MACHINE_EVENTS, good_record(MACHINE_EVENTS, 0))
        plant.flush()
        wait_for(plant, events=1)
        admin = AdminClient({"bootstrap.servers": plant.settings.kafka})
        admin.create_partitions([NewPartitions(name, 3)])[name].result(30)
        time.sleep(1.0)
        late = Plant(plant.settings)
        late.send(MACHINE_EVENTS, good_record(MACHINE_EVENTS, 1), partition=2)
        late.flush()
        wait_for(plant, events=2)

    assert_each_event_exactly_once(plant, {(MACHINE_EVENTS, 0, 0, 0), (MACHINE_EVENTS, 2, 0, 0)})


def test_what_a_source_aborted_is_not_read_and_its_markers_are_no_lag(plant: Plant) -> None:
    source = Producer({"bootstrap.servers": plant.settings.kafka, "transactional.id": f"{plant.prefix}mes"})
    source.init_transactions(30)
    for number in range(4):
        source.begin_transaction()
        source.produce(plant.prefix + MACHINE_EVENTS, good_record(MACHINE_EVENTS, number), partition=0)
        source.flush(30)
        source.abort_transaction(30) if number % 2 else source.commit_transaction(30)

    with running(plant.settings.model_copy(update={"clock": "wall"})) as run:
        wait_for(plant, events=2)
        wait_until(lambda: all(len(times) >= 2 for times in ticks(plant.facts()).values()))
        lag = run.metrics.consumer_lag_records.labels(topic=MACHINE_EVENTS)._value
        wait_until(lambda: lag.get() == 0.0)

    facts = plant.facts()
    last_ticks = [[r.tick.lag_s for r in records if r.tick is not None][-1] for records in facts.values()]
    assert [0.0] * FACTS_PARTITIONS == last_ticks
    assert_each_event_exactly_once(plant, {(MACHINE_EVENTS, 0, 0, 0), (MACHINE_EVENTS, 0, 4, 0)})


def test_facts_fit_into_what_their_topic_takes(plant: Plant) -> None:
    set_topic(plant, FACTS, "max.message.bytes", "20000")
    time.sleep(0.5)
    load = Load(plant)
    load.send(5_000)

    with running(plant.settings):
        wait_for(plant, events=len(load.expected))

    assert_each_event_exactly_once(plant, load.expected)


def create_topics(broker: LocalKafka) -> None:
    wanted = [
        NewTopic(topic, num_partitions=2, replication_factor=1) for topic in (*INGESTED_TOPICS, DEAD_LETTERS)
    ]
    wanted.append(NewTopic(FACTS, num_partitions=FACTS_PARTITIONS, replication_factor=1))
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    for created in admin.create_topics(wanted).values():
        created.result(30)


def test_a_broker_that_dies_and_comes_back_costs_nothing(own_kafka: LocalKafka) -> None:
    plant = installation(own_kafka.bootstrap_servers, "")
    create_topics(own_kafka)
    load = Load(plant)
    with running(plant.settings) as run:
        for _ in range(2):
            load.send(5_000)
            own_kafka.kill()
            wait_until(lambda: "kafka" in run.health.reasons)
            time.sleep(12.0)  # longer than the session: the group has given the place away when it comes back
            own_kafka.start()
            load.send(2_000)
            wait_for(plant, events=len(load.expected), letters=load.letters)
            wait_until(lambda: run.health.is_ready, lambda: run.health.reasons)

    assert_each_event_exactly_once(plant, load.expected)


def test_a_stop_while_the_broker_is_away_ends_in_time(own_kafka: LocalKafka) -> None:
    plant = installation(own_kafka.bootstrap_servers, "")
    create_topics(own_kafka)
    load = Load(plant)
    load.send(500)
    with running(plant.settings) as run:
        wait_for(plant, events=len(load.expected))
        load.send(5_000)
        own_kafka.kill()
        started = time.monotonic()
        run.end()
        assert time.monotonic() - started < 30.0
    own_kafka.start()
    with running(plant.settings):
        wait_for(plant, events=len(load.expected), letters=load.letters)

    assert_each_event_exactly_once(plant, load.expected)
