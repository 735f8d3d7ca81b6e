"""The delivery guarantee, on Apache Kafka: whatever kills a twin worker, every output is visible once and state is right.

Each test runs real worker processes (tests/toy_worker.py) around a fold that is checked by hand in tests/toy_fold.py.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import FACTS, STATE
from streams.batch import ShardTopics
from streams.faults import TWIN_POINTS
from streams.local_kafka import LocalKafka
from streams.partition_reader import read_to_end, reader
from streams.state_topic import load_state
from streams.verify import verify
from tests.toy_fold import OUTPUT_TOPIC, TOY, facts, folded

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]

PARTITIONS = 2
EVENTS_PER_RECORD = 25
ROOT = Path(__file__).resolve().parents[2]


CRASHING = b'{"events": [["x0", "k0"], ["x1", "k7"]], "crash": true}'


class Topics(Protocol):
    """What these tests use of the `topics` fixture."""

    prefix: str

    def create(self, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> str: ...


class Worker:
    """A twin worker process and what it prints."""

    def __init__(self, servers: str, prefix: str, instance: str, fault: str | None) -> None:
        settings = {"kafka": servers, "app": "toy", "topic_prefix": prefix, "instance_id": instance}
        environment = dict(os.environ) if fault is None else os.environ | {"FORESITE_FAULT": fault}
        self._printed = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by `end`
        self.born = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.toy_worker", json.dumps(settings)],
            cwd=ROOT,
            env=environment,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
        )

    @property
    def printed(self) -> str:
        return os.pread(self._printed.fileno(), 10_000_000, 0).decode()

    def commits(self, partition: int | None = None) -> int:
        which = "[0-9]+" if partition is None else str(partition)
        return len(re.findall(f"^commit {which} ", self.printed, re.MULTILINE))

    def wait_until_commits(self, timeout_s: float = 60.0) -> float:
        """Seconds from the start of the process to its first commit."""
        wait_until(lambda: self.commits() > 0, timeout_s, lambda: self.printed)
        return time.monotonic() - self.born

    def exit_code(self, timeout_s: float = 60.0) -> int:
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the worker goes on; it printed\n{self.printed}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.exit_code(30.0)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._printed.close()


class Plant:
    """Topics of one test's own, a source of facts, and workers."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.servers = servers
        self.topics = ShardTopics(facts=prefix + FACTS, state=prefix + STATE, prefix=prefix)
        self.workers: list[Worker] = []
        self._client = {"bootstrap.servers": servers, "log_level": 0}
        self._producer = Producer({**self._client, "enable.idempotence": True, "linger.ms": 5})
        self._events = 0

    def worker(self, instance: str = "w0", fault: str | None = None) -> Worker:
        worker = Worker(self.servers, self.topics.prefix, instance, fault)
        self.workers.append(worker)
        return worker

    def log(self, records: int = 1) -> None:
        """Append so many facts records to every partition."""
        for _ in range(records):
            for partition in range(PARTITIONS):
                self.append(facts(self._events, EVENTS_PER_RECORD), partition)
                self._events += EVENTS_PER_RECORD
        assert 0 == self._producer.flush(60)

    def append(self, value: bytes, partition: int) -> None:
        self._producer.produce(self.topics.facts, value, partition=partition)

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Facts arrive all the time, about 1,500 events/s."""
        over = threading.Event()

        def produce() -> None:
            while not over.wait(0.03):
                self.log()

        thread = threading.Thread(target=produce)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def ends(self) -> list[int]:
        with reader(self._client, "read_committed") as consumer:
            places = [TopicPartition(self.topics.facts, partition) for partition in range(PARTITIONS)]
            return [consumer.get_watermark_offsets(place, timeout=10, cached=False)[1] for place in places]

    def positions(self) -> list[int]:
        """Committed facts offset of each shard."""
        with reader(self._client, "read_committed") as consumer:
            states = [load_state(consumer, self.topics.state, partition) for partition in range(PARTITIONS)]
        return [0 if state.manifest is None else state.manifest.facts_offset for state in states]

    def wait_until_drained(self, timeout_s: float = 90.0) -> None:
        ends = self.ends()
        wait_until(
            lambda: self.positions() == ends,
            timeout_s,
            lambda: "\n".join(
                f"worker {number}\n{worker.printed}" for number, worker in enumerate(self.workers)
            ),
        )

    def check(self) -> None:
        """The guarantee: drained, every output of every fact once, documents and order as folded from scratch."""
        assert self.ends() == self.positions()
        expected_ids: Counter[str] = Counter()
        expected_counts: Counter[str] = Counter()
        with reader(self._client, "read_committed") as consumer:
            for partition in range(PARTITIONS):
                records = [
                    message.value() or b"" for message in read_to_end(consumer, self.topics.facts, partition)
                ]
                events = [event for record in records for event in json.loads(record)["events"]]
                expected_ids.update(f"{event_id}/count" for event_id, _ in events)
                expected_counts.update(key for _, key in events)
                expected = folded(records)
                state = load_state(consumer, self.topics.state, partition)
                assert state.manifest is not None
                assert expected.documents == state.documents
                assert expected.digest == state.manifest.digest
            found: Counter[str] = Counter()
            found_counts: Counter[str] = Counter()
            for partition in range(PARTITIONS):
                for message in read_to_end(consumer, self.topics.prefix + OUTPUT_TOPIC, partition):
                    headers, value = message.headers(), message.value()
                    assert isinstance(headers, list)
                    assert value is not None
                    output_id = dict(headers)["ce_id"]
                    assert isinstance(output_id, bytes)
                    found[output_id.decode()] += 1
                    found_counts[json.loads(value)["key"]] += 1
        assert expected_ids.total() == found.total()
        assert expected_ids == found
        assert expected_counts == found_counts
        report = verify(self._client, self.topics, TOY)
        assert report.is_equal, str(report)


def wait_until(happens: object, timeout_s: float, describe: object) -> None:
    assert callable(happens)
    assert callable(describe)
    deadline = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.05)


def create_topics(topics: Topics) -> None:
    topics.create(FACTS, partitions=PARTITIONS)
    topics.create(STATE, partitions=PARTITIONS, config={"cleanup.policy": "compact"})
    topics.create(OUTPUT_TOPIC, partitions=PARTITIONS)


@pytest.fixture
def plant(kafka: str, topics: Topics) -> Iterator[Plant]:
    create_topics(topics)
    made = Plant(kafka, topics.prefix)
    yield made
    for worker in made.workers:
        worker.end()


def test_a_kill_at_any_step_of_the_commit_loses_and_doubles_nothing(plant: Plant) -> None:
    with plant.under_load():
        for number, point in enumerate(TWIN_POINTS):
            count = 1 if point == "during_take_over" else 2 + 3 * number
            worker = plant.worker(fault=f"{point}:{count}")
            assert -signal.SIGKILL == worker.exit_code(), worker.printed
        for _ in range(3):  # and somewhere in between
            worker = plant.worker()
            back_s = worker.wait_until_commits()
            print(f"first commit {back_s:.2f} s after the restart")
            time.sleep(0.537)
            worker.process.kill()
            worker.exit_code()
        survivor = plant.worker()
        print(f"first commit {survivor.wait_until_commits():.2f} s after the restart")
    plant.wait_until_drained()
    assert 0 == survivor.stop(), survivor.printed
    plant.check()


def test_sigterm_under_load_drains_and_exits_with_0(plant: Plant) -> None:
    with plant.under_load():
        worker = plant.worker()
        worker.wait_until_commits()
        time.sleep(1.0)
        began = time.monotonic()
        assert 0 == worker.stop(), worker.printed
        print(f"stopped in {time.monotonic() - began:.2f} s")
    successor = plant.worker()
    plant.wait_until_drained()
    assert 0 == successor.stop(), successor.printed
    plant.check()


def test_a_zombie_is_fenced_and_nothing_of_it_becomes_visible(plant: Plant) -> None:
    """It sleeps inside an open transaction; meanwhile the group gives its partitions to another worker."""
    with plant.under_load():
        zombie = plant.worker("w0", fault="after_documents:9:stop")
        zombie.wait_until_commits()
        heir = plant.worker("w1")
        wait_until(lambda: heir.commits(0) and heir.commits(1), 90, lambda: heir.printed)
        print(f"the heir had both partitions {time.monotonic() - heir.born:.1f} s after it started")
        asleep = zombie.commits()
        zombie.process.send_signal(signal.SIGCONT)
        # It is let back into the group as any other worker, without having disturbed its heir.
        wait_until(lambda: zombie.commits() > asleep + 5, 90, lambda: zombie.printed)
        before = heir.commits()
        wait_until(lambda: heir.commits() > before + 5, 60, lambda: heir.printed)
    plant.wait_until_drained()
    assert 0 == heir.stop(), heir.printed
    assert 0 == zombie.stop(), zombie.printed
    assert "transaction_failed" in zombie.printed
    assert "transaction_failed" not in heir.printed
    plant.check()


def test_workers_that_join_and_leave_share_the_partitions(plant: Plant) -> None:
    with plant.under_load():
        first = plant.worker("w0")
        first.wait_until_commits()
        second = plant.worker("w1")
        second.wait_until_commits()
        before = first.commits()
        wait_until(lambda: first.commits() > before + 5, 60, lambda: first.printed)
        assert 1 == len({partition for partition in range(PARTITIONS) if second.commits(partition)})
        second.process.kill()
        second.exit_code()
        second = plant.worker("w1")
        second.wait_until_commits()
    plant.wait_until_drained()
    assert 0 == first.stop(), first.printed
    assert 0 == second.stop(), second.printed
    plant.check()


def test_a_record_that_our_own_code_cannot_fold_stops_the_worker(plant: Plant) -> None:
    plant.log(3)
    plant.append(CRASHING, 0)
    plant.log(3)

    worker = plant.worker()

    assert 1 == worker.exit_code(), worker.printed
    assert re.search(r"facts_not_folded.*offset=3 partition=0", worker.printed), worker.printed
    again = plant.worker()
    assert 1 == again.exit_code(), again.printed  # never skipped
    assert plant.positions()[0] <= 3


def test_facts_that_retention_took_stop_the_worker(plant: Plant) -> None:
    plant.log(5)
    worker = plant.worker()
    plant.wait_until_drained()
    assert 0 == worker.stop()
    plant.log(5)
    admin = AdminClient({"bootstrap.servers": plant.servers})
    admin.delete_records([TopicPartition(plant.topics.facts, 0, 8)])
    wait_until(lambda: begins_at(plant, 0) == 8, 30, lambda: "records are not deleted")

    worker = plant.worker()

    assert 1 == worker.exit_code(), worker.printed
    assert "begins at offset 8, the twin has folded up to 5" in worker.printed
    assert 5 == plant.positions()[0]


def begins_at(plant: Plant, partition: int) -> int:
    with reader({"bootstrap.servers": plant.servers}, "read_committed") as consumer:
        return consumer.get_watermark_offsets(
            TopicPartition(plant.topics.facts, partition), 10, cached=False
        )[0]


def test_a_facts_topic_created_anew_stops_the_worker(plant: Plant, topics: Topics) -> None:
    plant.log(5)
    worker = plant.worker()
    plant.wait_until_drained()
    assert 0 == worker.stop()
    admin = AdminClient({"bootstrap.servers": plant.servers})
    admin.delete_topics([plant.topics.facts])[plant.topics.facts].result(30)
    time.sleep(1.0)
    admin.create_topics([NewTopic(plant.topics.facts, PARTITIONS, 1)])[plant.topics.facts].result(30)
    time.sleep(1.0)
    plant.log(10)

    worker = plant.worker()

    assert 1 == worker.exit_code(), worker.printed
    assert "is not the record that the twin has folded" in worker.printed


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_broker_that_goes_away_is_waited_for(own_kafka: LocalKafka, how: str) -> None:
    servers = own_kafka.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": servers})
    made = [
        NewTopic(FACTS, PARTITIONS, 1),
        NewTopic(STATE, PARTITIONS, 1, config={"cleanup.policy": "compact"}),
        NewTopic(OUTPUT_TOPIC, PARTITIONS, 1),
    ]
    for done in admin.create_topics(made).values():
        done.result(30)
    plant = Plant(servers, "")
    worker = plant.worker()
    try:
        with plant.under_load():
            worker.wait_until_commits()
            time.sleep(0.5)
            if how == "restart":
                own_kafka.restart()
            else:
                own_kafka.kill()
                time.sleep(15.0)  # longer than a transaction may last
                own_kafka.start()
            began, before = time.monotonic(), worker.commits()
            wait_until(lambda: worker.commits() > before + 5, 90, lambda: worker.printed)
            print(f"committing again {time.monotonic() - began:.1f} s after the broker's {how}")
        plant.wait_until_drained()
        assert 0 == worker.stop(), worker.printed
        plant.check()
    finally:
        worker.end()
