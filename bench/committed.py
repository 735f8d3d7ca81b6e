"""The twin's committed path: machine events a second from the facts topic to state, outputs and manifest in Kafka.

The role runs as an operator starts it, on one core, over a facts topic that is full. Each commit leaves a manifest in
the state topic: the rate is taken between the first one and the one that has reached the end, so that imports, joining the
group and the plant's master data are not in it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from subprocess import Popen

from confluent_kafka import Consumer, TopicPartition

from bench.brokers import (
    EMBEDDED_BYTES,
    Broker,
    Watch,
    cpu_seconds,
    installation,
    last_core,
    producer,
    roles,
    send,
)
from bench.plant import PIECES_A_SECOND, SITE, BenchPlant, FactsOf, facts_values
from bench.results import Machine, Result, result
from schemas import Facts, Tick
from schemas.topics import FACTS, STATE
from streams.routing import EVERYWHERE, facts_partition
from streams.settings import Settings
from streams.state_topic import MANIFEST_KEY, Manifest


@dataclass(frozen=True, slots=True)
class _Commit:
    """A manifest seen: the facts offset in it, when the broker had it, and the role's processor time then."""

    offset: int
    at_s: float
    cpu_s: float | None


def measure(on: Broker, machine: Machine, *, quick: bool) -> Iterator[Result]:
    """The two loads of the pure fold's benchmark, now with Kafka around them, and a day that was missed."""
    runs, steady = 1 if quick else 3, 0.0
    for name, each_s, events in (("burst", 0.1, 60_000), ("steady", 1.0, 20_000)):
        plant = BenchPlant()
        seconds = (events // 10 if quick else events) * each_s / plant.lines
        counts = list(plant.counts(each_s, seconds))
        before, values = facts_values(list(plant.model()), counts)
        a_record = sum("line_id" in body for body in counts) / len(
            values
        )  # the clock's ticks are no machine events
        if on.embedded is not None:
            values = _fitting(values, EMBEDDED_BYTES - sum(map(len, before)))
        rates = [_twin(on, before, values, a_record) for _ in range(1 + runs)][1:]
        walls = [wall for wall, _ in rates]
        steady = median(walls)  # the last of the two
        cpus = [cpu for _, cpu in rates if cpu is not None]
        yield result("twin", f"{name}/events_per_s", "events/s", walls, machine)
        if cpus:
            yield result("twin", f"{name}/events_per_cpu_s", "events/CPU s", cpus, machine)
    yield from _backlog(on, machine, steady, quick=quick)


def _backlog(on: Broker, machine: Machine, steady: float, *, quick: bool) -> Iterator[Result]:
    """A day that the twin missed: a tick a second as ingest writes them, each a record, and a count a line and minute."""
    plant, facts_of = BenchPlant(), FactsOf()
    before = facts_of(plant.model())
    minutes, values, events = 30 if quick else 24 * 60, list[bytes](), 0
    for minute in range(minutes):
        begin = plant.start + timedelta(minutes=minute)
        ticks = (Tick(now=begin + timedelta(seconds=second)) for second in range(1, 61))
        values += [Facts(group_id=EVERYWHERE, tick=tick).encode() for tick in ticks]
        counts = [
            plant.count(line, minute + 1, begin + timedelta(minutes=1), 60.0 * PIECES_A_SECOND)
            for line in range(plant.lines)
        ]
        values += facts_of(counts)
        events += 60 + plant.lines
    rate, cpu = _twin(on, before, values, events / len(values))
    yield result("twin", "backlog/hours_per_s", "h/s", [rate / events * minutes / 60.0], machine)
    yield result("twin", "backlog/events_per_s", "events/s", [rate], machine)
    yield result("twin", "backlog/share_of_steady", "ratio", [rate / steady], machine)
    if cpu is not None:
        yield result("twin", "backlog/events_per_cpu_s", "events/CPU s", [cpu], machine)


def _fitting(values: Sequence[bytes], room: int) -> list[bytes]:
    kept = []
    for value in values:
        room -= len(value)
        if room < 0:
            break
        kept.append(value)
    return kept


def _twin(
    on: Broker, before: Sequence[bytes], values: Sequence[bytes], a_record: float
) -> tuple[float, float | None]:
    """One run of the role, on topics of its own.

    Args:
        on: where.
        before, values: facts to fill the topic with: the plant, then the counts.
        a_record: machine events in one of the latter.

    Returns:
        Machine events a second, and a second of processor time where it can be read.
    """
    with installation(on, facts_partitions=1) as settings:
        partition = facts_partition(SITE, settings.facts_partitions)
        key = SITE.encode()
        facts = settings.topic_prefix + FACTS
        send(producer(settings), facts, ((partition, key, value) for value in (*before, *values)))
        with roles(settings, "twin", core=last_core()) as processes:
            commits = _commits(settings, partition, len(before) + len(values), processes)
    first, last = commits[0], commits[-1]
    events = (last.offset - max(first.offset, len(before))) * a_record
    cpu = None if first.cpu_s is None or last.cpu_s is None else events / (last.cpu_s - first.cpu_s)
    return events / (last.at_s - first.at_s), cpu


def _commits(
    settings: Settings, partition: int, end: int, processes: Sequence[Popen[bytes]]
) -> list[_Commit]:
    """All commits up to the one that has reached the end; at least two."""
    consumer = Consumer(
        {
            **settings.client_config(),
            "group.id": "bench-manifests",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 20,
        }
    )
    consumer.assign([TopicPartition(settings.topic_prefix + STATE, partition, 0)])
    watch = Watch("twin", processes)
    commits: list[_Commit] = []
    while len(commits) < 2 or commits[-1].offset < end:
        watch.pause(0.0)
        messages = consumer.consume(1_000, 0.02)
        cpu_s = cpu_seconds(processes[0].pid)
        for message in messages:
            value = message.value()
            if message.key() == MANIFEST_KEY.encode() and value is not None:
                manifest = Manifest.decode(value)
                commits.append(_Commit(manifest.facts_offset, time.perf_counter(), cpu_s))
    consumer.close()
    return commits
