"""The benchmarks: `foresite bench NAME...` or `python -m bench NAME...`, without a name all of them.

Against Apache Kafka of its own where Java and the jars can be had, else against the embedded broker, and it says which.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import KafkaException
from rich.console import Console

from bench import (
    adapters,
    alerts,
    calibration,
    committed,
    detection,
    disruptions,
    factory,
    fold,
    ingest,
    latency,
    loop,
    quality,
    recovery,
    replanning,
    soak,
    solver,
)
from bench.brokers import BenchFailed, Broker, broker
from bench.instances import FAMILIES
from bench.results import Machine, Result, print_table, this_machine
from schemas import ForesiteError

ALONE: dict[str, Callable[..., Iterator[Result]]] = {
    "fold": fold.measure,
    "detection": detection.measure,
    "quality": quality.measure,
    "calibration": calibration.measure,
    "alerts": alerts.measure,
    "disruptions": disruptions.measure,
    "replanning": replanning.measure,
    "factory": factory.measure,
    "adapters": adapters.measure,
}
"""Benchmarks that need no broker; everything random in them follows from the seed."""

WITH_BROKER: dict[str, Callable[..., Iterator[Result]]] = {
    "ingest": ingest.measure,
    "twin": committed.measure,
    "latency": latency.measure,
    "loop": loop.measure,
    "recovery": recovery.measure,
    "soak": soak.measure,
}
"""Benchmarks against Kafka; their plant is made by arithmetic, nothing in it is random."""

DEFAULT_SEED = 1

TABLE_WIDTH = 130

ORDER = (
    *("fold", "ingest", "twin", "latency", "loop", "detection", "quality", "calibration", "alerts"),
    *("replanning", "disruptions", "factory", "adapters", "solver", "recovery", "soak"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print.

    Returns:
        The process's exit code: 1 where something could not be measured.
    """
    options = _parser().parse_args(arguments)
    if options.profile:
        fold.profile(quick=options.quick)
        return 0
    names = [name for name in ORDER if name in (options.benchmark or ORDER)]
    console, notes = Console(), Console(stderr=True)
    console.width = max(console.width, TABLE_WIDTH)
    results: list[Result] = []
    failed = False
    with ExitStack() as stack:
        on: Broker | None = None
        if any(name in WITH_BROKER for name in names):
            on = stack.enter_context(broker(options.kafka, embedded=options.embedded))
            notes.print(f"broker: {on.kind} at {on.servers}", highlight=False)
        for name in names:
            try:
                for row in _rows(name, on, options):
                    results.append(row)
                    if options.json:
                        print(row.to_json(), flush=True)
                    else:
                        notes.print(f"measured {row.benchmark}: {row.metric}", highlight=False)
            except (BenchFailed, ForesiteError, KafkaException) as error:
                failed = True
                notes.print(f"{name} could not be measured: {error}", style="red", markup=False)
    if not options.json:
        print_table(results, console)
    return 1 if failed else 0


def measure(name: str, on: Broker | None, *, quick: bool, seed: int = DEFAULT_SEED) -> Iterator[Result]:
    """The results of one benchmark."""
    if name in ALONE:
        return ALONE[name](this_machine(), quick=quick, seed=seed)
    assert on is not None, f"{name} needs a broker"
    machine: Machine = this_machine(on.kind)
    return WITH_BROKER[name](on, machine, quick=quick)


def _rows(name: str, on: Broker | None, options: argparse.Namespace) -> Iterator[Result]:
    """The results of one benchmark, some of which have options of their own."""
    if name == "solver":
        return _solver_rows(options)
    if name == "recovery":
        assert on is not None
        machine = this_machine(on.kind)
        return recovery.measure(
            on, machine, quick=options.quick, entities=options.entities, rounds=options.rounds
        )
    if name == "soak":
        assert on is not None
        return soak.measure(
            on,
            this_machine(on.kind),
            quick=options.quick,
            seed=options.seed,
            minutes=options.minutes,
            rate=options.rate,
            out=options.out,
        )
    return measure(name, on, quick=options.quick, seed=options.seed)


def _solver_rows(options: argparse.Namespace) -> Iterator[Result]:
    chosen = solver.options_of(
        options.instances,
        options.family or [],
        options.time,
        options.seeds,
        options.against,
        peer_seeds=options.peer_seeds,
        clock=options.clock,
        every=options.every,
    )
    return solver.measure(this_machine(), quick=options.quick, seed=options.seed, options=chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "benchmark", nargs="*", choices=[*ORDER, []], help="default: all", metavar="BENCHMARK"
    )
    parser.add_argument("--json", action="store_true", help="lines of JSON instead of a table")
    parser.add_argument(
        "--seed", type=int, default=DEFAULT_SEED, help="of everything random; same seed, same plants"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny runs, to see that it works; no figures to quote"
    )
    parser.add_argument(
        "--kafka", metavar="HOST:PORT", help="measure against this Kafka; our topics are deleted"
    )
    parser.add_argument("--embedded", action="store_true", help="measure against the embedded broker")
    of_solver = parser.add_argument_group("solver")
    of_solver.add_argument("--instances", metavar="DIR", help="folder of the families, or of one")
    of_solver.add_argument(
        "--family", action="append", help=f"{', '.join(FAMILIES)}; default: all that are there"
    )
    of_solver.add_argument("--time", type=float, default=2.0, help="seconds an instance and seed, by --clock")
    of_solver.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: processor time, for busy machines"
    )
    of_solver.add_argument(
        "--every", type=int, default=1, help="of the instances in order of name, the first of each so many"
    )
    of_solver.add_argument("--peer-seeds", type=int, help="seeds that peers are run with; default: all")
    of_solver.add_argument("--seeds", type=int, default=1, help="how many, from --seed on; medians over them")
    of_solver.add_argument(
        "--against", help=f"{','.join(solver.PEERS)} (default), some of them, or none; at the same time"
    )
    of_recovery = parser.add_argument_group("recovery")
    of_recovery.add_argument("--entities", type=int, default=recovery.ENTITIES, help="that the twin holds")
    of_recovery.add_argument(
        "--rounds", type=int, default=recovery.ROUNDS, help="kills, after one that warms up"
    )
    of_soak = parser.add_argument_group("soak")
    of_soak.add_argument("--minutes", type=float, default=soak.MINUTES, help="at the even rate")
    of_soak.add_argument("--rate", type=float, help="events a second; default: half of the maximum")
    of_soak.add_argument("--out", type=Path, help="folder for soak.ndjson (samples) and soak.svg (the plot)")
    parser.add_argument("--profile", action="store_true", help="profile the pure fold instead of measuring")
    return parser


if __name__ == "__main__":
    sys.exit(main())
