"""Ingest: machine events a second from the raw topic to facts that are delivered and offsets that are committed.

The role runs as an operator starts it, on one core. The watch starts when the first facts are seen, so that imports and
joining the group are not in it, and ends when the group's committed offsets have reached the end. Events of the facts
that were there when it started are not counted.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from bench.brokers import (
    EMBEDDED_BYTES,
    BenchFailed,
    Broker,
    Watch,
    cpu_seconds,
    installation,
    last_core,
    on_core,
    producer,
    roles,
    send,
)
from bench.plant import SOURCE_PARTITIONS, BenchPlant, Records, encode, source_partition
from bench.results import Machine, Result, result
from schemas import decode_facts
from schemas.topics import FACTS, MACHINE_EVENTS
from streams.batcher import BatchRules, IngestBatcher
from streams.ingest import tune_garbage_collection
from streams.partition_reader import read_to_end, reader, watermarks
from streams.routing import Router
from streams.settings import Settings

CONSUME_RECORDS = 5_000
CONVERTED_RECORDS = 20_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Events a second of the wall clock, and of processor time where it can be read."""

    wall: float
    cpu: float | None


def measure(on: Broker, machine: Machine, *, quick: bool) -> Iterator[Result]:
    """Ingest as a role, its pure middle alone, and the floor: consume and parse, nothing else."""
    events = 40_000 if quick else 200_000
    if on.embedded is not None:
        events = min(events, SOURCE_PARTITIONS * EMBEDDED_BYTES // 400)
    runs = 1 if quick else 3
    with installation(on, facts_partitions=4) as settings:
        ends = _fill(settings, events)
        floors = [_floor(settings, ends) for _ in range(1 + runs)][1:]
        taken = [
            _ingest(settings.model_copy(update={"app": f"run-{number}"}), ends) for number in range(1 + runs)
        ][1:]
    floor = result("ingest", "floor/events_per_s", "events/s", [each.wall for each in floors], machine)
    rate = result("ingest", "events_per_s", "events/s", [each.wall for each in taken], machine)
    yield _against(rate, floor)
    floor_cpu = _cpu("floor/events_per_cpu_s", floors, machine)
    rate_cpu = _cpu("events_per_cpu_s", taken, machine)
    if floor_cpu is not None and rate_cpu is not None:
        yield _against(rate_cpu, floor_cpu)
    yield floor
    if floor_cpu is not None:
        yield floor_cpu
    yield _converted(machine, runs, quick=quick)


def _cpu(metric: str, rates: Sequence[Rates], machine: Machine) -> Result | None:
    values = [each.cpu for each in rates if each.cpu is not None]
    return result("ingest", metric, "events/CPU s", values, machine) if values else None


def _against(ours: Result, floor: Result) -> Result:
    assert ours.value is not None
    assert floor.value is not None
    return ours.with_peer("floor", ours.value / floor.value)


def _fill(settings: Settings, events: int) -> list[int]:
    """Fill the raw topic with counts; the end of each partition."""
    plant = BenchPlant()
    ends = [0] * SOURCE_PARTITIONS
    values = []
    for body in plant.counts(each_s=0.1, seconds=events / plant.lines / 10.0):
        if body["kind"] == "count_reported":
            partition = source_partition(body)
            ends[partition] += 1
            values.append((partition, body["line_id"].encode(), encode(body)))
    send(producer(settings), settings.topic_prefix + MACHINE_EVENTS, values)
    return ends


def _ingest(settings: Settings, ends: Sequence[int]) -> Rates:
    """One run of the role over the whole topic, in a group of its own."""
    facts = settings.topic_prefix + FACTS
    group = Consumer({**settings.client_config(), "group.id": f"{settings.app_id}-ingest"})
    asked = _partitions(settings, offset=0)
    with reader(settings.client_config(), "read_uncommitted") as looking:
        before = _ends(looking, facts, settings.facts_partitions)
        with roles(settings, "ingest", core=last_core()) as processes:
            pid = processes[0].pid
            watch = Watch("ingest", processes)
            while (seen := _ends(looking, facts, settings.facts_partitions)) == before:
                watch.pause()
            cpu_before, began_at = cpu_seconds(pid), time.perf_counter()
            while [at.offset for at in group.committed(asked, timeout=10.0)] != list(ends):
                watch.pause()
            ended_at, cpu_after = time.perf_counter(), cpu_seconds(pid)
        counted = sum(ends) - sum(
            len(segment.events)
            for partition, (first, end) in enumerate(zip(before, seen, strict=True))
            for message in read_to_end(looking, facts, partition, first, end)
            for segment in decode_facts(message.value() or b"").segments
        )
    group.close()
    if counted <= 0:
        raise BenchFailed("everything was ingested before it was seen: more events are needed")
    cpu = None if cpu_before is None or cpu_after is None else counted / (cpu_after - cpu_before)
    return Rates(counted / (ended_at - began_at), cpu)


def _ends(consumer: Consumer, topic: str, partitions: int) -> list[int]:
    return [watermarks(consumer, topic, partition)[1] for partition in range(partitions)]


def _partitions(settings: Settings, offset: int) -> list[TopicPartition]:
    topic = settings.topic_prefix + MACHINE_EVENTS
    return [TopicPartition(topic, partition, offset) for partition in range(SOURCE_PARTITIONS)]


def _floor(settings: Settings, ends: Sequence[int]) -> Rates:
    """The least that any consumer in Python does: read and parse, on one core too."""
    with on_core(last_core()):
        consumer = Consumer(
            {**settings.client_config(), "group.id": "bench-floor", "enable.auto.commit": False}
        )
        consumer.assign(_partitions(settings, offset=OFFSET_BEGINNING))
        while not (messages := consumer.consume(1, 1.0)):
            pass
        began_at, cpu_before = time.perf_counter(), time.process_time()
        left = sum(ends) - len(messages)
        while left > 0:
            messages = consumer.consume(CONSUME_RECORDS, 0.03)
            for message in messages:
                orjson.loads(message.value() or b"")
            left -= len(messages)
        wall_s, cpu_s = time.perf_counter() - began_at, time.process_time() - cpu_before
        consumer.close()
    return Rates(sum(ends) / wall_s, sum(ends) / cpu_s)


def _converted(machine: Machine, runs: int, *, quick: bool) -> Result:
    """The pure middle of ingest, no broker: decode, validate, group, encode."""
    plant = BenchPlant()
    seconds = (2_000 if quick else CONVERTED_RECORDS) / plant.lines / 10.0
    bodies = [body for body in plant.counts(each_s=0.1, seconds=seconds) if "line_id" in body]
    records = Records().of(bodies)
    batcher = IngestBatcher(Router({}, 4), BatchRules(clock="events"))
    tune_garbage_collection()
    rates = []
    for _ in range(1 + runs):
        began_at = time.process_time()
        for first in range(0, len(records), CONSUME_RECORDS):
            batcher.convert(records[first : first + CONSUME_RECORDS])
        rates.append(len(records) / (time.process_time() - began_at))
    return result("ingest", "convert_alone/events_per_cpu_s", "events/CPU s", rates[1:], machine)
