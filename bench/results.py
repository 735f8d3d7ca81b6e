"""The form that every benchmark's figures have, as lines of JSON for machines and as a table for people."""

import json
import math
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the figures come from.

    Attributes:
        python: version; cpus: that this process may use; platform: system and architecture.
        kafka: which broker, or None where the benchmark needs none.
        load: the system's load average of the last minute when the benchmark began: above the benchmark's own one or
            two, somebody else was computing too. None where the system has none.
    """

    python: str
    cpus: int
    platform: str
    kafka: str | None
    load: float | None


def this_machine(kafka: str | None = None) -> Machine:
    """The machine as it is now."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    system = f"{platform.system()} {platform.machine()}"
    return Machine(platform.python_version(), cpus, system, kafka, load)


@dataclass(frozen=True, slots=True)
class Result:
    """One figure.

    Attributes:
        value: the median of `runs` repetitions, or what `metric` names; None where there is none (never found).
        runs: repetitions after the warm-up, or trials behind the figure.
        min, max: of the repetitions; equal to the value where there was one.
        against: peer -> our figure over the peer's, measured in the same run.
    """

    benchmark: str
    metric: str
    value: float | None
    unit: str
    runs: int
    min: float | None
    max: float | None
    machine: Machine
    against: Mapping[str, float] = field(default_factory=dict)

    def with_peer(self, peer: str, ratio: float) -> "Result":
        """The same figure, compared with one more peer."""
        return replace(self, against={**self.against, peer: float(f"{ratio:.4g}")})

    def with_value(self, value: float) -> "Result":
        """Another figure of the same repetitions than their median."""
        return replace(self, value=rounded(value))

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


def result(
    benchmark: str,
    metric: str,
    unit: str,
    values: Sequence[float],
    machine: Machine,
) -> Result:
    """The median of several repetitions, with the smallest and the largest."""
    return Result(
        benchmark=benchmark,
        metric=metric,
        value=rounded(statistics.median(values)),
        unit=unit,
        runs=len(values),
        min=rounded(min(values)),
        max=rounded(max(values)),
        machine=machine,
    )


def rounded(value: float) -> float | None:
    """To four digits, more would pretend; None for what never happened, as JSON knows no infinity."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def print_table(results: Iterable[Result], console: Console) -> None:
    """The figures for people; the machine is named once, above."""
    rows = list(results)
    if not rows:
        return
    machine = rows[0].machine
    brokers = sorted({row.machine.kafka for row in rows if row.machine.kafka})
    load = max((row.machine.load for row in rows if row.machine.load is not None), default=None)
    console.print(
        f"Python {machine.python}, {machine.cpus} CPUs, {machine.platform}; broker: {', '.join(brokers) or 'none'}; "
        f"load before a benchmark up to {'unknown' if load is None else load}",
        highlight=False,
    )
    table = Table(box=None, pad_edge=False)
    for name in ("benchmark", "metric"):
        table.add_column(name)
    for name in ("value", "min", "max"):
        table.add_column(name, justify="right")
    for name in ("unit", "runs", "against"):
        table.add_column(name)
    for row in rows:
        ratios = ", ".join(f"{ratio:g} x {peer}" for peer, ratio in row.against.items())
        figures = (_shown(figure) for figure in (row.value, row.min, row.max))
        table.add_row(row.benchmark, row.metric, *figures, row.unit, str(row.runs), ratios)
    console.print(table)


def _shown(figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:g}"
