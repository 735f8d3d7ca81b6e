"""What came of a run of `make chaos`: a table for people, one JSON object for machines."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import quantiles

from tests.chaos.lanes import Death
from tests.chaos.rows import RowOutcome


@dataclass(slots=True)
class Report:
    """One run.

    Attributes:
        deaths: every kill and what came of it; counts: what there was, by name.
        failures: in words, of the whole installation.
        load: the machine's load average before, after the kills, and at the end.
        is_cold: each role was an interpreter of its own; else recovery leaves out Python's imports.
        is_cut_short: the time was over before all rounds were through.
    """

    seed: int
    rounds: int
    is_cold: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    deaths: list[Death] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    is_cut_short: bool = False

    @property
    def is_passed(self) -> bool:
        """Nothing lost, nothing doubled, everybody came back."""
        return not self.failures and not any(death.failure for death in self.deaths)

    def as_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "seed": self.seed,
            "rounds": self.rounds,
            "machine": machine(),
            "load": self.load,
            "passed": self.is_passed,
            "cold": self.is_cold,
            "cut_short": self.is_cut_short,
            "points": [
                {"role": role, "point": point, **_figures(deaths)}
                for (role, point), deaths in self._by_point().items()
            ],
            "counts": self.counts,
            "failures": [*self.failures, *self._failed_deaths()],
        }

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("role", "point", "kills", "passed", "median s", "p95 s", "max s")]
        rows += [(role, point, *_words(deaths)) for (role, point), deaths in self._by_point().items()]
        by_role: dict[str, list[Death]] = {}
        for death in self.deaths:
            by_role.setdefault(death.kill.role, []).append(death)
        rows += [(role, "all", *_words(deaths)) for role, deaths in sorted(by_role.items())]
        loads = ", ".join(f"{each:.1f}" for each in self.load)
        lines = [
            f"make chaos ROUNDS={self.rounds} SEED={self.seed}, {self.began:%Y-%m-%d %H:%M} UTC, {machine()}, load {loads}",
            "",
            *_table(rows),
            "",
            ", ".join(f"{count:,} {name}" for name, count in self.counts.items()),
        ]
        if not self.is_cold:
            lines.append(
                "roles were forked from a process that had imported everything: add seconds for a cold start"
            )
        if self.is_cut_short:
            lines.append("cut short: the time given was over before all rounds were through")
        failures = [*self.failures, *self._failed_deaths()]
        lines += [f"FAILED: {failure}" for failure in failures]
        if failures:
            lines.append(f"replay with: make chaos ROUNDS={self.rounds} SEED={self.seed}")
        else:
            lines.append("passed: nothing lost, nothing doubled, the refold is equal")
        return "\n".join(lines)

    def _by_point(self) -> dict[tuple[str, str], list[Death]]:
        found: dict[tuple[str, str], list[Death]] = {}
        for death in self.deaths:
            found.setdefault((death.kill.role, death.kill.point), []).append(death)
        return dict(sorted(found.items()))

    def _failed_deaths(self) -> list[str]:
        return [f"{death.kill}: {death.failure}" for death in self.deaths if death.failure]


def rows_table(rows: Sequence[RowOutcome]) -> str:
    """The rows of the table of failure cases, and what came of each."""
    cells: list[tuple[str, ...]] = [("row", "outcome", "seconds", "tests")]
    cells += [(each.row, each.outcome, f"{each.seconds:.0f}", each.detail) for each in rows]
    return "\n".join(_table(cells))


def machine() -> str:
    """What it ran on."""
    return f"{os.cpu_count()} cores {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def _figures(deaths: Sequence[Death]) -> dict[str, object]:
    times = sorted(death.recovered_s for death in deaths if death.recovered_s is not None)
    figures: dict[str, object] = {
        "kills": len(deaths),
        "passed": sum(not death.failure for death in deaths),
    }
    if times:
        cuts = quantiles(times, n=20, method="inclusive") if len(times) > 1 else times * 19
        figures |= {
            "median_s": round(cuts[9], 2),
            "p95_s": round(cuts[18], 2),
            "max_s": round(times[-1], 2),
        }
    return figures


def _words(deaths: Sequence[Death]) -> tuple[str, ...]:
    figures = _figures(deaths)
    return tuple(str(figures.get(name, "")) for name in ("kills", "passed", "median_s", "p95_s", "max_s"))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
