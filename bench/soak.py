"""The soak: every role for an hour on a simulated plant at half of what the machine can, watched for what grows and slows.

A simulated factory of thirty lines sends to the input topics, through ingest, the twin and the solver, all as processes.
First as fast as the twin commits: three days of plant time, so that the plant has its usual troubles and the twin its
usual memory of them, and then a minute, which is the maximum. Then evenly at half of it. Plant time runs as fast as the
events are sent, some hundred times the wall clock, and what is completed is kept for two days of it, so that runs, orders,
cards, dedupe windows and requests come and go in the hour as they would in weeks.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory

from bench.brokers import BenchFailed, Broker, environment_of, installation, role_command
from bench.results import Machine, Result, result, rounded
from bench.soak_load import Load
from bench.soak_plot import draw
from bench.soak_samples import Sample, Sampler, is_ready
from bench.trend import percentile, trend
from bench.watching import Manifests
from schemas import TOPICS
from streams.local_kafka import free_port
from streams.role_processes import RoleProcesses
from streams.routing import facts_partition
from streams.settings import Settings
from streams.twin_fold import TWIN
from streams.twin_worker import shard_topics
from streams.verify import verify

MINUTES = 60.0
WARM_UP_DAYS = 3.0
"""Of plant time, before the maximum is measured: retention, the buckets that pace is judged by and the cards of late orders
have filled up by then. Shorter: half of a maximum of the first morning is too much for the third day."""

MAXIMUM_S = 60.0
"""The minute that is measured."""

READY_S = 600.0
"""Longest wait until all roles are ready: the solver compiles its code first."""

SHARE_OF_MAXIMUM = 0.5
ROLES = ("ingest", "twin", "solver")
SITE = "plant-1"

WARM_UP_SHARE = 0.25
"""Of the run, left out of slopes: caches fill, and what is completed is kept for days before any of it goes."""

WINDOW_S = 600.0
COST_S = 120.0
"""Stretch over which one point of the cost is taken. Shorter: a weekend of the plant, which has hardly any event, is a point
of its own."""

DRAIN_S = 180.0
"""Longest wait, when the load has ended, until all of it is committed and answered."""


def measure(
    on: Broker,
    machine: Machine,
    *,
    quick: bool,
    seed: int = 1,
    minutes: float = MINUTES,
    rate: float | None = None,
    out: Path | None = None,
) -> Iterator[Result]:
    """The maximum, then the run: latency by window, memory with its slope, queues, what is left at the end, verify.

    Args:
        on: where.
        machine: for the figures.
        quick: a minute in all.
        seed: of the factory.
        minutes: at the even rate.
        rate: events a second; None: half of the maximum.
        out: folder for the samples (soak.ndjson) and the plot (soak.svg); None: they are not kept.
    """
    warm_up_days, maximum_s = (0.05, 10.0) if quick else (WARM_UP_DAYS, MAXIMUM_S)
    minutes = 0.5 if quick else minutes
    with (
        installation(on, facts_partitions=1) as settings,
        TemporaryDirectory(prefix="foresite-bench-") as logs,
    ):
        with RoleProcesses(Path(logs), environment_of(settings)) as processes:
            ports = {name: free_port() for name in ROLES}
            started = {name: _start(processes, name, port) for name, port in ports.items()}
            partition = facts_partition(SITE, settings.facts_partitions)
            with Manifests(settings, partition) as manifests:
                _wait_until_ready(ports, processes)
                load = Load(settings, seed, manifests, started["twin"])
                maximum = load.as_fast_as_committed(warm_up_days, maximum_s)
                yield result("soak", "maximum", "events/s", [maximum], machine)
                even = SHARE_OF_MAXIMUM * maximum if rate is None else rate
                with Sampler(settings, load, manifests, started, ports) as sampler:
                    began = time.time()
                    load.evenly(even, minutes * 60.0, processes.check)
                    ended = time.time()
                    is_drained = sampler.wait_until_idle(DRAIN_S)
                samples = sampler.samples
            processes.check()
        yield from _load_rows(load, even, machine)
        yield from _latency_rows(load.latencies, began, ended, machine)
        yield from _sample_rows([each for each in samples if each.at <= ended], machine)
        yield from _cost_rows([each for each in samples if each.at <= ended], machine)
        yield result("soak", "lag_at_end", "records", [_left(samples[-1])], machine)
        yield result("soak", "is_drained", "yes=1", [float(is_drained)], machine)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / "soak.ndjson").write_text("".join(f"{each.to_json()}\n" for each in samples))
            draw(out / "soak.svg", samples, load.latencies, began)
        yield from _verified(settings, machine)


def _start(processes: RoleProcesses, name: str, port: int) -> Popen[bytes]:
    return processes.start(name, role_command(name), environment={"FORESITE_ADMIN_PORT": str(port)})


def _wait_until_ready(ports: Mapping[str, int], processes: RoleProcesses) -> None:
    deadline = time.monotonic() + READY_S
    for role, port in ports.items():
        while not is_ready(port):
            processes.check()
            if time.monotonic() > deadline:
                raise BenchFailed(f"{role} is not ready within {READY_S:.0f} s")
            time.sleep(1.0)


def _load_rows(load: Load, rate: float, machine: Machine) -> Iterator[Result]:
    yield result("soak", "rate", "events/s", [rate], machine)
    yield result("soak", "events", "events", [float(load.sent)], machine)
    yield result("soak", "plant_days", "days", [load.plant_days], machine)
    yield result("soak", "sender_behind_max", "s", [load.behind_s_max], machine)


def _latency_rows(
    latencies: Sequence[tuple[float, float]], began: float, ended: float, machine: Machine
) -> Iterator[Result]:
    """p50 and p99 of all, then p99 of each window of ten minutes and how it moves an hour."""
    within = [(at, seconds) for at, seconds in latencies if began <= at < ended]
    yield from _percentiles("record_to_commit", [seconds for _, seconds in within], machine)
    by_window = {
        number: [seconds for _, seconds in group]
        for number, group in groupby(within, key=lambda each: int((each[0] - began) // WINDOW_S))
    }
    for number, seconds in by_window.items():
        row = result(
            "soak", f"p99_of_minutes_{10 * number}_to_{10 * number + 10}", "ms", _ms(seconds), machine
        )
        yield row.with_value(percentile(_ms(seconds), 0.99))
    by_minute = [
        (minute, percentile(_ms([seconds for _, seconds in group]), 0.99))
        for minute, group in groupby(within, key=lambda each: int((each[0] - began) // 60.0))
    ]
    yield from _trend_rows("p99", "ms", [(minute / 60.0, p99) for minute, p99 in by_minute], machine)


def _percentiles(name: str, seconds: Sequence[float], machine: Machine) -> Iterator[Result]:
    milliseconds = _ms(seconds)
    row = result("soak", f"{name}/p50", "ms", milliseconds, machine)
    yield row
    yield replace(row, metric=f"{name}/p99").with_value(percentile(milliseconds, 0.99))


def _sample_rows(samples: Sequence[Sample], machine: Machine) -> Iterator[Result]:
    """Memory of each role and its slope, and how long the queues were."""
    began = samples[0].at
    for role in ROLES:
        megabytes = [each.rss_mb[role] for each in samples]
        yield result("soak", f"rss/{role}", "MB", megabytes, machine)
        by_minute = [
            ((minute + 0.5) / 60.0, statistics.fmean(each.rss_mb[role] for each in group))
            for minute, group in groupby(samples, key=lambda each: int((each.at - began) // 60.0))
        ]
        yield from _trend_rows(f"rss/{role}", "MB", by_minute, machine)
        used = samples[-1].cpu_s[role] - samples[0].cpu_s[role]
        share = used / max(1e-9, samples[-1].at - samples[0].at)
        yield result("soak", f"cpu/{role}", "CPU s/s", [share], machine)
    for name in ("in_flight", "ingest_lag", "twin_lag", "solver_queue", "solver_lag", "documents", "load"):
        yield result("soak", name, "count", [float(getattr(each, name)) for each in samples], machine)


def _cost_rows(samples: Sequence[Sample], machine: Machine) -> Iterator[Result]:
    """The twin's processor time an event: it must not rise with the days that the plant has lived."""
    for hours, cost in _costs(samples, WINDOW_S):
        begin = round(60.0 * hours - 0.5 * WINDOW_S / 60.0)
        yield result("soak", f"cost_of_minutes_{begin}_to_{begin + 10}", "CPU ms/event", [cost], machine)
    yield from _trend_rows("cost", "CPU ms/event", _costs(samples, COST_S), machine)


def _costs(samples: Sequence[Sample], every_s: float) -> list[tuple[float, float]]:
    """Middle of each stretch in hours, and what an event that was committed in it took of the twin's processor time, ms."""
    began = samples[0].at
    stretches = [
        [*group] for _, group in groupby(samples, key=lambda each: int((each.at - began) // every_s))
    ]
    ends = [samples[0], *(stretch[-1] for stretch in stretches)]
    return [
        ((number + 0.5) * every_s / 3600.0, 1000.0 * (last.cpu_s["twin"] - first.cpu_s["twin"]) / events)
        for number, (first, last) in enumerate(pairwise(ends))
        if (events := last.committed - first.committed)
    ]


def _trend_rows(
    name: str, unit: str, hourly: Sequence[tuple[float, float]], machine: Machine
) -> Iterator[Result]:
    """The slope after the warm-up; min and max are its 95 % confidence interval."""
    settled = hourly[int(WARM_UP_SHARE * len(hourly)) :]
    if len(settled) < 4:  # a quick run has no trend
        return
    found = trend(settled)
    row = result("soak", f"{name}/slope", f"{unit}/h", [found.slope], machine)
    yield replace(row, runs=len(settled), min=rounded(found.low), max=rounded(found.high))
    yield result("soak", f"{name}/noise", unit, [found.noise], machine)


def _left(sample: Sample) -> float:
    return float(sample.in_flight + sample.ingest_lag + sample.twin_lag + sample.solver_lag)


def _verified(settings: Settings, machine: Machine) -> Iterator[Result]:
    compacted = [name for name, topic in TOPICS.items() if topic.cleanup == "compact"]
    report = verify(settings.client_config(), shard_topics(settings), TWIN, compacted)
    print(report, file=sys.stderr)
    yield result("soak", "verify_is_equal", "yes=1", [float(report.is_equal)], machine)


def _ms(seconds: Sequence[float]) -> list[float]:
    return [1000.0 * each for each in seconds]
