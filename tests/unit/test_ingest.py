"""Ingest around the embedded broker: that it works. What it guarantees is tested on Apache Kafka."""

import base64
import threading
import time
import uuid
from collections.abc import Iterator
from itertools import pairwise

import pytest

from schemas import INGESTED_TOPICS, UsageError
from schemas.topics import DEAD_LETTERS, FACTS, MACHINE_EVENTS, MASTER_DATA, PLANT_MODEL
from streams.embedded_broker import EmbeddedBroker
from streams.ingest import run_ingest
from streams.settings import Settings
from tests.ingest_plant import PATIENCE_S, Plant, holes, running, ticks, wait_for
from tests.unit.broken_records import BASE, BROKEN_RECORDS, encoded, good_record

pytestmark = pytest.mark.slow  # the embedded broker's first member of a group waits three seconds


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as embedded:
        yield embedded


@pytest.fixture
def plant(broker: EmbeddedBroker) -> Plant:
    settings = Settings(kafka=broker.bootstrap_servers, topic_prefix=f"{uuid.uuid4().hex[:8]}.")
    for topic in (*INGESTED_TOPICS, FACTS, DEAD_LETTERS):
        broker.create_topic(settings.topic_prefix + topic)
    return Plant(settings)


def with_clock_from_events(plant: Plant) -> Plant:
    return Plant(plant.settings.model_copy(update={"clock": "events"}))


def test_every_broken_record_becomes_a_dead_letter_and_every_good_neighbour_a_fact(plant: Plant) -> None:
    broken = [b for b in BROKEN_RECORDS if len(b.value or b"") < 500_000]  # it keeps 5 MB of a partition
    for number, bad in enumerate(broken):
        plant.send(bad.topic, good_record(bad.topic, number))
        plant.send(bad.topic, bad.value)
    plant.flush()

    with running(with_clock_from_events(plant).settings):
        wait_for(plant, events=len(broken), letters=len(broken))

    facts, letters = plant.facts(), plant.dead_letters()
    ids = {e.event_id for rs in facts.values() for r in rs for s in r.segments for e in s.events}
    assert {f"good-{number}" for number in range(len(broken))} == ids
    assert sorted((str(bad.code), bad.path, bad.value or b"") for bad in broken) == sorted(
        (letter.code, letter.field_path, base64.b64decode(letter.payload_base64)) for letter in letters
    )
    assert [] == [lost for positions in plant.positions().values() for lost in holes(positions)]


def test_a_stopped_worker_has_committed_all_and_the_next_goes_on_from_there(plant: Plant) -> None:
    settings = with_clock_from_events(plant).settings
    for start in (0, 300):
        for number in range(start, start + 300):
            plant.send(MACHINE_EVENTS, good_record(MACHINE_EVENTS, number), partition=number % 3)
        plant.flush()
        with running(settings) as run:
            wait_for(plant, events=start + 300)
        assert {} == run.health.reasons or {"assignment"} >= set(run.health.reasons)

    positions = [position for found in plant.positions().values() for position in found]
    assert 600 == len(positions) == len(set(positions))
    assert {(MACHINE_EVENTS, partition): 200 for partition in range(3)} == plant.committed()


def test_the_wall_clock_ticks_in_every_partition_and_a_driven_one_is_refused(plant: Plant) -> None:
    plant.send(PLANT_MODEL, encoded({"kind": "clock_ticked", **BASE, "site_id": "*"}))
    plant.send(MASTER_DATA, good_record(MASTER_DATA, 0))
    plant.flush()

    with running(plant.settings) as run:
        deadline = time.monotonic() + PATIENCE_S
        while min(map(len, ticks(plant.facts()).values()), default=0) < 3 and time.monotonic() < deadline:
            time.sleep(0.3)
        assert {} == run.health.reasons
        assert run.health.is_alive

    found = ticks(plant.facts())
    assert [0, 1, 2, 3] == sorted(found)
    for times in found.values():
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(0.4 < gap < 10.0 for gap in gaps), gaps
    assert [("schema", "kind")] == [(letter.code, letter.field_path) for letter in plant.dead_letters()]


def test_a_driven_clock_comes_from_events_alone(plant: Plant) -> None:
    plant.send(PLANT_MODEL, encoded({"kind": "clock_ticked", **BASE, "site_id": "*"}))
    plant.flush()

    with running(with_clock_from_events(plant).settings):
        wait_for(plant, events=1)
        time.sleep(1.5)

    facts = plant.facts()
    assert {partition: [] for partition in range(4)} == ticks(facts)
    assert [1, 1, 1, 1] == [len(records) for records in facts.values()]


def test_missing_topics_are_named(broker: EmbeddedBroker) -> None:
    settings = Settings(kafka=broker.bootstrap_servers, topic_prefix="nobody.")

    with pytest.raises(UsageError, match=r"nobody\.mes\.machine-events\.v1.*foresite topics create"):
        run_ingest(settings, threading.Event())


def test_another_number_of_facts_partitions_is_refused(plant: Plant) -> None:
    settings = plant.settings.model_copy(update={"facts_partitions": 8})

    with pytest.raises(UsageError, match="has 4 partitions, the settings say 8"):
        run_ingest(settings, threading.Event())
