"""Recovery: from kill -9 of a twin under load to its first commit with new facts, and where the time goes.

A plant of many entities is folded once by the real twin. Then facts keep coming, and in each round the twin is killed and
started again at once under the same instance id. What counts is what a read_committed reader sees: the first manifest
beyond the offset that the new process began at. The phases are the process's own log lines; what each used of the
processor is sampled beside them, for somebody else's load moves it less than the clock.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from bench.brokers import BenchFailed, Broker, environment_of, installation, producer, role_command, send
from bench.grown_plant import GrownPlant
from bench.plant import PIECES_A_SECOND, SITE, FactsOf
from bench.results import Machine, Result, result
from bench.trend import percentile
from bench.watching import Manifests, ProcessorTime, resident_bytes
from schemas.topics import FACTS, STATE
from streams.partition_reader import read_to_end, reader
from streams.role_processes import RoleProcesses
from streams.routing import facts_partition
from streams.settings import Settings

ENTITIES = 100_000
ROUNDS = 25
LOAD_EVERY_S = 1.0
"""Each line reports a count, and the clock ticks, once in so many seconds."""

BUILD_S = 900.0
"""Longest wait for the plant to be folded, on a busy machine."""

ROUND_S = 120.0
BETWEEN_ROUNDS_S = 3.0
STAGGER_S = 0.137
"""Each round waits so much longer before it kills: no part of the commit interval, and it comes round after a second."""

PHASES = (
    "start_and_imports",
    "kafka_and_group",
    "fence",
    "read_state",
    "restore",
    "check",
    "first_fold",
    "commit",
)


@dataclass(frozen=True, slots=True)
class _Round:
    """One kill.

    Attributes:
        moments: seconds from the kill to the end of each phase; the last one is the first new commit.
        cpu_s: processor time of each phase.
        caught_up_s: seconds from the kill to a commit with everything that the log held at the first new commit.
    """

    moments: Sequence[float]
    cpu_s: Sequence[float]
    caught_up_s: float


@dataclass(frozen=True, slots=True)
class _Floor:
    """What a mere reader of the state partition needs: read it, decode its JSON, keep the last of each key."""

    wall_s: float
    cpu_s: float
    records: int
    record_bytes: int
    documents: int
    live_bytes: int


class _Twin:
    """The twin's process, killed and started again."""

    def __init__(self, settings: Settings, folder: Path, processes: RoleProcesses) -> None:
        self._settings = settings
        self._folder = folder
        self._processes = processes
        self._starts = 0
        self.process = self._start()

    def _start(self) -> Popen[bytes]:
        self._starts += 1
        return self._processes.start(f"twin-{self._starts}", role_command("twin"))

    def kill_and_start(self) -> float:
        """Kill it with no chance to do anything; says when, seconds since the epoch."""
        killed_at = time.time()
        self.process.kill()
        self.process.wait()
        self._processes.take_ended()
        self.process = self._start()
        return killed_at

    def said(self) -> dict[str, dict[str, Any]]:
        """The last line of each event that this process has logged."""
        lines = (self._folder / f"twin-{self._starts}.log").read_bytes().splitlines()
        return {line["event"]: line for line in map(orjson.loads, filter(_is_json, lines))}


def measure(
    on: Broker, machine: Machine, *, quick: bool, entities: int = ENTITIES, rounds: int = ROUNDS
) -> Iterator[Result]:
    """Percentiles over the rounds, the medians of the phases, and what state costs."""
    plant = GrownPlant.of(2_000 if quick else entities)
    rounds = 2 if quick else rounds
    with installation(on, facts_partitions=1) as base, TemporaryDirectory(prefix="foresite-bench-") as name:
        told = {"instance_id": "bench-twin", "log_level": "info", "log_format": "json"}
        settings, folder = base.model_copy(update=told), Path(name)
        facts_of = FactsOf()
        known = facts_of(plant.model())
        _send_facts(settings, known)
        with RoleProcesses(folder, environment_of(settings)) as processes:
            twin = _Twin(settings, folder, processes)
            with Manifests(settings, _partition(settings)) as manifests:
                manifests.wait_until(lambda commit: commit.offset >= len(known), BUILD_S, twin.process)
                floor = _floor(settings)
                with _load(settings, plant, facts_of):
                    done = [_round(twin, manifests, number) for number in range(1 + rounds)][1:]
                rss = resident_bytes(twin.process.pid)
                floor_after = _floor(settings)
    yield result("recovery", "entities", "entities", [float(plant.entities)], machine)
    yield from _percentiles("kill_to_first_commit", [each.moments[-1] for each in done], machine)
    yield from _percentiles("kill_to_caught_up", [each.caught_up_s for each in done], machine)
    yield from _phases(done, machine)
    total = result("recovery", "cpu", "CPU s", [sum(each.cpu_s) for each in done], machine)
    floors = [floor.cpu_s, floor_after.cpu_s]
    yield total.with_peer("floor", (total.value or 0.0) / min(floors))
    yield result("recovery", "floor/cpu", "CPU s", floors, machine)
    yield result("recovery", "floor/wall", "s", [floor.wall_s, floor_after.wall_s], machine)
    yield from _state(floor_after, rss, machine)


def _percentiles(name: str, seconds: Sequence[float], machine: Machine) -> Iterator[Result]:
    """Median, 95th percentile by nearest rank, and the worst."""
    row = result("recovery", f"{name}/median", "s", seconds, machine)
    yield row
    yield replace(row, metric=f"{name}/p95").with_value(percentile(seconds, 0.95))
    yield replace(row, metric=f"{name}/max").with_value(max(seconds))


def _phases(done: Sequence[_Round], machine: Machine) -> Iterator[Result]:
    for place, name in enumerate(PHASES):
        lengths = [each.moments[place] - (each.moments[place - 1] if place else 0.0) for each in done]
        yield result("recovery", f"phase/{name}", "s", lengths, machine)
        yield result("recovery", f"phase/{name}/cpu", "CPU s", [each.cpu_s[place] for each in done], machine)


def _state(floor: _Floor, rss: int | None, machine: Machine) -> Iterator[Result]:
    yield result("recovery", "state/documents", "documents", [float(floor.documents)], machine)
    yield result("recovery", "state/live", "MB", [floor.live_bytes / 1e6], machine)
    log = result("recovery", "state/log", "MB", [floor.record_bytes / 1e6], machine)
    yield log.with_peer("live", floor.record_bytes / floor.live_bytes)
    if rss is not None:
        yield result("recovery", "twin/rss", "MB", [rss / 1e6], machine)
        yield result("recovery", "twin/rss_a_document", "bytes", [rss / floor.documents], machine)


def _round(twin: _Twin, manifests: Manifests, number: int) -> _Round:
    """Kill, start again, and wait for the first new commit."""
    time.sleep(BETWEEN_ROUNDS_S + number * STAGGER_S % 1.0)
    killed_at = twin.kill_and_start()
    with ProcessorTime(twin.process.pid) as cpu:
        deadline = time.monotonic() + ROUND_S
        while "shard_folds" not in (said := twin.said()):
            if twin.process.poll() is not None or time.monotonic() > deadline:
                raise BenchFailed(f"the twin did not come back; it said {sorted(said)}")
            time.sleep(0.05)
        began_at = said["shard_folds"]["offset"]
        first = manifests.wait_until(lambda commit: commit.offset > began_at, ROUND_S, twin.process)
        end = manifests.log_end()
        caught_up = manifests.wait_until(lambda commit: commit.offset >= end, ROUND_S, twin.process)
    loaded = said["shard_loaded"]
    assigned_at, loaded_at = _moment(said["shards_assigned"]), _moment(loaded)
    restored_at = loaded_at - loaded["checkpoint_s"] - loaded["check_s"]
    read_at = restored_at - loaded["restore_s"]
    fenced_at = max(assigned_at, read_at - loaded["read_s"])
    moments = (
        _moment(said["twin_starting"]),
        assigned_at,
        fenced_at,
        read_at,
        restored_at,
        loaded_at,
        _moment(said["shard_folds"]),
        first.seen_at,
    )
    used = [cpu.until(moment) for moment in moments]
    return _Round(
        moments=[moment - killed_at for moment in moments],
        cpu_s=[used[0], *(after - before for before, after in pairwise(used))],
        caught_up_s=caught_up.seen_at - killed_at,
    )


def _moment(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["time"]).timestamp()


def _is_json(line: bytes) -> bool:
    return line.startswith(b"{") and line.endswith(b"}")


def _partition(settings: Settings) -> int:
    return facts_partition(SITE, settings.facts_partitions)


def _send_facts(settings: Settings, values: Sequence[bytes]) -> None:
    facts, partition, key = settings.topic_prefix + FACTS, _partition(settings), SITE.encode()
    send(producer(settings), facts, ((partition, key, value) for value in values))


@contextmanager
def _load(settings: Settings, plant: GrownPlant, facts_of: FactsOf) -> Iterator[None]:
    """A count of every line and a tick each second, straight to the facts topic, until the block ends."""
    over = threading.Event()

    def count() -> None:
        client = producer(settings, linger_ms=0)
        facts, partition, key = settings.topic_prefix + FACTS, _partition(settings), SITE.encode()
        number = 0
        while not over.wait(LOAD_EVERY_S):
            number += 1
            at = plant.start + timedelta(seconds=number * LOAD_EVERY_S)
            good = PIECES_A_SECOND * LOAD_EVERY_S
            counts = [plant.count(line, number, at, good) for line in range(plant.lines)]
            send(client, facts, ((partition, key, value) for value in facts_of([*counts, plant.tick(at)])))

    thread = threading.Thread(target=count, name="bench-load")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _floor(settings: Settings) -> _Floor:
    began, cpu = time.perf_counter(), time.process_time()
    latest: dict[bytes, int] = {}
    records = record_bytes = 0
    with reader(settings.client_config(), "read_committed") as consumer:
        for message in read_to_end(consumer, settings.topic_prefix + STATE, _partition(settings)):
            key, value = message.key(), message.value()
            assert isinstance(key, bytes)
            records += 1
            record_bytes += len(key) + len(value or b"")
            if value is None:
                latest.pop(key, None)
            else:
                orjson.loads(value)
                latest[key] = len(key) + len(value)
    return _Floor(
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu,
        records=records,
        record_bytes=record_bytes,
        documents=len(latest),
        live_bytes=sum(latest.values()),
    )
