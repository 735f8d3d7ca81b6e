"""The twin alone, without Kafka: what a core can fold, and what decoding and writing down cost beside it.

One thread, no waiting: measured in processor time, so that somebody else's load on the machine moves it less.
"""

import cProfile
import gc
import pstats
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bench.asking import measure_problem
from bench.plant import BenchPlant, Body, facts_values
from bench.results import Machine, Result, result
from schemas import Facts, Output, decode_facts
from streams.simulator import Factory, FactorySettings
from streams.twin_worker import ALLOCATIONS_PER_COLLECTION
from twin import Twin

COMMIT_EVERY_S = 0.1
"""As the shard's commit interval: so often changes are taken and outputs encoded."""

PROFILED_FUNCTIONS = 40


@dataclass(frozen=True, slots=True)
class Case:
    """Facts to fold.

    Attributes:
        name: part of the metric's name.
        before: facts that make the plant, folded before the watch is started.
        timed: facts that are measured; events: machine events in them.
    """

    name: str
    before: Sequence[bytes]
    timed: Sequence[bytes]
    events: int


def cases(*, quick: bool, seed: int = 1) -> Iterator[Case]:
    """The three kinds of load."""
    plant = BenchPlant(lines=4, runs_a_line=2) if quick else BenchPlant()
    # A line is evaluated once a second of the clock at most: here with every tenth count, there with every one.
    yield _counts("burst", plant, each_s=0.1, seconds=5 if quick else 40)
    yield _counts("steady", plant, each_s=1.0, seconds=5 if quick else 100)
    yield _factory("factory", lines=2 if quick else 12, days=1 if quick else 3, seed=seed)


def _counts(name: str, plant: BenchPlant, *, each_s: float, seconds: float) -> Case:
    model, counts = list(plant.model()), list(plant.counts(each_s, seconds))
    before, timed = facts_values(model, counts)
    return Case(name, before, timed, _machine_events(counts))


def _factory(name: str, *, lines: int, days: int, seed: int) -> Case:
    """The simulated factory with all its troubles; everything is timed, master data and orders too."""
    settings = FactorySettings(seed=seed, sites=1, lines=lines, days=days)
    bodies = [event.model_dump(mode="json", exclude_none=True) for event in Factory(settings).events()]
    (timed,) = facts_values(bodies)
    return Case(name, [], timed, _machine_events(bodies))


def _machine_events(bodies: Sequence[Body]) -> int:
    return sum("line_id" in body and not body["kind"].endswith("_upserted") for body in bodies)


def measure(machine: Machine, *, quick: bool, seed: int = 1) -> Iterator[Result]:
    """Decoding alone, folding alone, and the two with all that a commit needs."""
    warm_up, runs = (0, 1) if quick else (1, 3)
    for case in cases(quick=quick, seed=seed):
        facts = [decode_facts(value) for value in case.timed]
        _spare_the_collector()
        works = {
            "decode": partial(decoding, case),
            "apply": partial(applying, case, facts),
            "decode_apply_encode": partial(folding, case),
        }
        for metric, work in works.items():
            seconds = [work() for _ in range(warm_up + runs)][warm_up:]
            rates = [case.events / each for each in seconds]
            yield result("fold", f"{case.name}/{metric}", "events/CPU s", rates, machine)
    yield measure_problem(machine, quick=quick)


def decoding(case: Case) -> float:
    """Seconds to read the facts records."""
    started = time.process_time()
    for value in case.timed:
        decode_facts(value)
    return time.process_time() - started


def applying(case: Case, facts: Sequence[Facts]) -> float:
    """Seconds to fold facts that are decoded already; changes are taken, as they would pile up, but not timed."""
    twin = folded(case.before)
    seconds = 0.0
    for each in facts:
        started = time.process_time()
        twin.apply(each)
        seconds += time.process_time() - started
        twin.take_changes()
    return seconds


def folding(case: Case) -> float:
    """Seconds for what a shard does with records short of talking to Kafka: decode, fold, and at each commit encode."""
    twin = folded(case.before)
    started = committed_at = time.process_time()
    outputs: list[Output] = []
    for value in case.timed:
        outputs += twin.apply(decode_facts(value))
        if time.process_time() - committed_at >= COMMIT_EVERY_S:
            _encode(twin, outputs)
            outputs = []
            committed_at = time.process_time()
    _encode(twin, outputs)
    return time.process_time() - started


def _spare_the_collector() -> None:
    """As the twin's process does."""
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION, 20, 100)
    gc.collect()
    gc.freeze()


def _encode(twin: Twin, outputs: Sequence[Output]) -> None:
    twin.take_changes()
    twin.header()
    _ = twin.digest
    for output in outputs:
        output.value()
        output.headers()


def folded(values: Sequence[bytes]) -> Twin:
    """A twin that has folded these facts records."""
    twin = Twin()
    for value in values:
        twin.apply(decode_facts(value))
    twin.take_changes()
    return twin


def profile(*, quick: bool) -> None:
    """Print the functions that take the most time by themselves, case by case."""
    for case in cases(quick=quick):
        _spare_the_collector()
        profiler = cProfile.Profile()
        profiler.runcall(folding, case)
        print(f"--- {case.name}: {case.events:,} machine events")
        pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(PROFILED_FUNCTIONS)
