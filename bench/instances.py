"""Published and generated scheduling problems, read from their files: the formats that `foresite bench solver` knows.

Each family is a folder; a file of best values beside the instances, where there is one, says what is known of them.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas import ForesiteError
from solvers.instance import Instance
from solvers.job_shop import JobShop

LATE_UNIT = 10_000
"""pms_real: a tick after its deadline costs this much more than a tick of makespan, so that no makespan buys it."""


class UnreadableInstance(ForesiteError):
    """A file is not of its family's format; the message names it."""


@dataclass(frozen=True, eq=False)
class Case:
    """An instance with what is known of it.

    Attributes:
        problem: for the kernel, or a flexible job shop.
        best: the best value published, or None; `unknown` says why.
        objective: what the cost is.
    """

    family: str
    name: str
    problem: Instance | JobShop
    best: int | None
    unknown: str
    objective: str


def cases(folder: Path, family: str) -> Iterator[Case]:
    """The instances of a family below a folder, by name.

    Raises:
        UnreadableInstance: a file is not of the format.
    """
    read, pattern, table, objective = FAMILIES[family]
    root = folder / family if (folder / family).is_dir() else folder
    known = _best_values(root / table) if table else {}
    for path in sorted(root.glob(pattern), key=lambda path: (len(path.name), str(path))):
        relative = path.relative_to(root).as_posix()
        name = relative.removesuffix(".gz").rsplit(".", 1)[0]
        try:
            problem, own_best = read(_text(path))
        except (ValueError, KeyError, IndexError) as error:
            raise UnreadableInstance(f"{path} is no {family} instance: {error!r}") from error
        best = known.get(relative, known.get(name, own_best))
        unknown = "" if best is not None else f"no best value for it in {table or 'the file'}"
        if best is not None and best <= 0:
            unknown = "the best value is 0: a gap in percent has no meaning, see cost"
        yield Case(family, name, problem, best, unknown, objective)


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")


def _best_values(path: Path) -> dict[str, int]:
    """The last column but sources, by the first."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    column = next(
        name for name in ("optimum", "best_known", "best_known_cmax", "upper") if rows and name in rows[0]
    )
    return {next(iter(row.values())): int(row[column]) for row in rows}


def read_wtsds(text: str) -> tuple[Instance, int | None]:
    """1 | s_ij | sum w_j T_j: sections of lines; row -1 of the setups is the initial state."""
    sections: dict[str, list[list[int]]] = {}
    current: list[list[int]] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.endswith(":") and stripped[:-1] in {
            "Process Times",
            "Weights",
            "Duedates",
            "Setup Times",
        }:
            current = sections.setdefault(stripped[:-1], [])
        elif stripped and (stripped[0].isdigit() or stripped[0] == "-"):
            current.append([int(word) for word in stripped.split()])
    works, weights, dues = (
        [row[-1] for row in sections[name]] for name in ("Process Times", "Weights", "Duedates")
    )
    n = len(works)
    setup = np.zeros((1, n + 1, n), np.int64)
    for before, after, ticks in sections["Setup Times"]:
        setup[0, before if before >= 0 else n, after] = ticks
    return Instance.build([works], family=range(n), setup=setup, due=dues, weight=weights), None


def read_wt(text: str) -> tuple[Instance, int | None]:
    """1 || sum w_j T_j: three lines of work, weight and due."""
    works, weights, dues = (
        [int(word) for word in line.split()] for line in text.splitlines() if line.strip()
    )
    return Instance.build([works], due=dues, weight=weights), None


def read_upmsp_sdst(text: str) -> tuple[Instance, int | None]:
    """R | s_ijk | Cmax: `machine p` pairs per task, then a matrix of setups per machine; none before the first."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    n, m = int(rows[0][0]), int(rows[0][1])
    work = np.zeros((m, n), np.int64)
    for task, row in enumerate(rows[2 : 2 + n]):
        for named, ticks in zip(row[::2], row[1::2], strict=True):
            work[int(named), task] = int(ticks)
    setup = np.zeros((m, n + 1, n), np.int64)
    at = 2 + n + 1
    for machine in range(m):
        setup[machine, :n] = [[int(word) for word in row] for row in rows[at + 1 : at + 1 + n]]
        at += 1 + n
    return Instance.build(work, family=range(n), setup=setup, makespan_weight=1), None


def read_pms_real(text: str) -> tuple[Instance, int | None]:
    """P or R | r_j, d_j | Cmax: deadlines are dues here, each tick late as dear as LATE_UNIT ticks of makespan.

    Rows of eligible lines, where the file has any, follow the tasks: `job line line ...`, lines from 1.
    """
    rows = [
        [int(word) for word in line.split()] for line in text.splitlines() if line.strip() and "#" not in line
    ]
    n, m = rows[0]
    tasks, eligible = rows[1 : 1 + n], rows[1 + n :]
    work = np.tile(np.array([row[1] for row in tasks]), (m, 1))
    for job, *lines in eligible:
        work[[line for line in range(m) if line + 1 not in lines], job - 1] = -1
    instance = Instance.build(
        work,
        release=[row[2] for row in tasks],
        due=[row[3] for row in tasks],
        weight=[LATE_UNIT] * n,
        makespan_weight=1,
    )
    return instance, None


def read_factory(text: str) -> tuple[Instance, int | None]:
    """R | M_j, r_j, s_ij | sum w_j T_j of our generator; row n of the setups is the line's initial state."""
    told = json.loads(text)
    work = [[-1 if ticks is None else ticks for ticks in row] for row in told["p"]]
    instance = Instance.build(
        work, family=range(told["n"]), setup=told["s"], release=told["r"], due=told["d"], weight=told["w"]
    )
    return instance, told.get("ref")


def read_fjsp(text: str) -> tuple[JobShop, int | None]:
    """Flexible job shop, makespan: per job the number of steps, per step its machines and times."""
    rows = [[int(float(word)) for word in line.split()] for line in text.splitlines() if line.strip()]
    jobs = []
    for row in rows[1 : 1 + rows[0][0]]:
        steps, at = [], 1
        for _ in range(row[0]):
            pairs = row[at + 1 : at + 1 + 2 * row[at]]
            steps.append(tuple(zip(pairs[::2], pairs[1::2], strict=True)))
            at += 1 + 2 * row[at]
        jobs.append(tuple(steps))
    return JobShop(machines=rows[0][1], jobs=tuple(jobs)), None


Reader = Callable[[str], tuple[Instance | JobShop, int | None]]

FAMILIES: dict[str, tuple[Reader, str, str, str]] = {
    "wtsds": (read_wtsds, "*.instance*", "optima.csv", "sum of weighted tardiness"),
    "wt": (read_wt, "*.txt*", "best.csv", "sum of weighted tardiness"),
    "upmsp_sdst": (read_upmsp_sdst, "*.txt*", "best.csv", "makespan"),
    "pms_real": (read_pms_real, "*.dat*", "", f"makespan + {LATE_UNIT} x ticks after deadlines"),
    "fjsp": (read_fjsp, "**/*.txt*", "best.csv", "makespan"),
    "factory": (read_factory, "*.json*", "", "sum of weighted tardiness"),
}
"""Reader, files, file of best values, and objective of each family."""
