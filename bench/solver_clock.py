"""Time that a solver gets: wall time, or processor time where the machine is busy with other people's work.

On a loaded machine a second of wall time is a fraction of a second of work, and not the same one for two solvers that run
one after the other. By the processor's clock each gets the same work.
"""

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from ortools.sat.python import cp_model

ClockName = Literal["wall", "cpu"]

PYJOBSHOP_MODULE = "pyjobshop.solvers.ortools.CPModel"
"""Where PyJobShop makes its CP-SAT; the package has a class of the module's name, so it is imported by name."""

LOOK_S = 0.01
"""Between two looks at the processor's clock. Longer: a solver gets more than the others; shorter: looking costs."""

MOST_TIMES_WALL = 30.0
"""Wall time over processor time after which a solver is stopped whatever it used: the machine has come to a standstill."""


class SolverClock:
    """What counts as a second.

    Args:
        name: wall, or cpu: of this process, all its threads.
    """

    def __init__(self, name: ClockName = "wall") -> None:
        self.name = name
        self.now: Callable[[], float] = time.monotonic if name == "wall" else time.process_time

    def solver(self, seconds: float) -> cp_model.CpSolver:
        """A CP-SAT that stops after so many seconds of this clock."""
        solver = cp_model.CpSolver() if self.name == "wall" else _CpuTimedSolver()
        self.limit(solver, seconds)
        return solver

    def limit(self, solver: cp_model.CpSolver, seconds: float) -> None:
        """Say when a solver of this clock stops."""
        if isinstance(solver, _CpuTimedSolver):
            solver.cpu_seconds = seconds
            seconds *= MOST_TIMES_WALL
        solver.parameters.max_time_in_seconds = max(0.01, seconds)

    @contextmanager
    def pyjobshop(self, seconds: float) -> Iterator[float]:
        """Let PyJobShop, which makes its CP-SAT itself, go by this clock; the time limit to give it."""
        if self.name == "wall":
            yield max(0.01, seconds)
            return
        where = vars(importlib.import_module(PYJOBSHOP_MODULE))
        made = where["CpSolver"]
        where["CpSolver"] = lambda: _CpuTimedSolver(seconds)
        try:
            yield max(0.01, seconds) * MOST_TIMES_WALL
        finally:
            where["CpSolver"] = made


class _CpuTimedSolver(cp_model.CpSolver):
    """CP-SAT that is stopped once the process has used so many seconds more of its processor."""

    def __init__(self, cpu_seconds: float = float("inf")) -> None:
        super().__init__()
        self.cpu_seconds = cpu_seconds

    def solve(
        self,
        model: cp_model.CpModel,
        solution_callback: cp_model.CpSolverSolutionCallback | None = None,
    ) -> cp_model.CpSolverStatus:
        until = time.process_time() + self.cpu_seconds
        is_done = threading.Event()

        def watch() -> None:
            while not is_done.wait(LOOK_S):
                if time.process_time() >= until:
                    self.stop_search()

        watcher = threading.Thread(target=watch, name="cpu clock of a solver")
        watcher.start()
        try:
            return super().solve(model, solution_callback)
        finally:
            is_done.set()
            watcher.join()
