"""The scheduling problem as flat integer arrays: what the compiled search works on, whatever the plant is called.

Tasks j = 0..n-1 go to lines i = 0..m-1; a solution is one sequence of tasks per line. All times are ticks: the caller
chooses what a tick is (plans use a minute) and where tick 0 lies. All costs are whole numbers in one unit, so that two
solutions are compared exactly and the same seed gives the same answer.

What a sequence means, and nothing else may decide it:

* A line is free from `available`. Between two tasks it needs setup, `setup` working ticks by the families of the one
  before and the one after. Setup follows the end before at once, and may be done before the task's release.
* A task starts at the later of the first working moment at or after its release and the first working moment at or
  after its setup is done. Nothing waits on purpose.
* Work and setup stop where a working span ends and go on where the next begins. What is done exactly when a span ends,
  ends there, not where the next begins.
* After its last working span a line goes on as if it were open, but each task that ends there costs NO_TIME_COST: a
  plan that does not fit into the calendar is told apart from one that does, and of two such plans the one that lacks
  less is better.

The cost of a solution is the sum over its tasks of

* line_cost of its line, and weight x tardiness, where what is late is completion + tail against due,
* step_cost of each of its steps with completion + tail later than step_at,
* shift_tax x |start - home_start|,
* setup_cost of its setup + setup_weight x its setup ticks,

plus makespan_weight x the last completion of any task, tails left out.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from solvers.layout import Layout, lay_out

IntArray = npt.NDArray[np.int64]

NOT_ELIGIBLE = -1
"""In `work`: the line cannot make the task."""

NO_OVERRIDE = -1
"""In `task_setup`: the matrix holds."""

NO_TIME_COST = 10**12
"""Cost of a task that ends after the line's last working span. Must exceed what any real lateness costs, or a plan
without working time would be preferred to a late one; too large, and the sum over tasks leaves 63 bits."""

MAX_TICKS = 2**31 - 1
"""The longest work or setup: the kernel keeps durations in 32 bits, for its tables to stay in the cache."""

MAX_COST = 2**61
"""What the worst solution may cost. Beyond it sums of two solutions could overflow 63 bits."""


class InstanceInvalid(ValueError):
    """The arrays do not describe a problem; the message names the field and what is wrong with it."""


@dataclass(frozen=True, eq=False, slots=False)
class Instance:
    """A problem, validated on construction. `Instance.build` fills in what a problem does not use.

    m lines, n tasks, F families; every array is int64. CSR means: the entries of row k are those from ptr[k] to
    ptr[k + 1].

    Attributes:
        work: [m, n] working ticks of a task on a line, at least 1; NOT_ELIGIBLE where the line cannot make it.
        family: [n] family of each task, 0..F-1.
        setup: [m, F + 1, F] working ticks from the family before (row) to the family after; row F is a line's initial
            state where it has no family.
        setup_cost: [m, F + 1, F] cost of that setup.
        initial_family: [m] row of `setup` for the first task of a line, 0..F.
        task_setup: [n] setup ticks of a task whatever came before; NO_OVERRIDE where the matrix holds. Its cost stays
            the matrix's.
        available: [m] tick from which the line is free.
        release: [n] tick before which a task does not start.
        span_ptr, span_start, span_end: CSR over lines: working spans, sorted and apart (start < end <= next start).
            A line without spans is always open.
        due, weight: [n] tick due, and cost a tick of tardiness.
        step_ptr, step_at, step_cost: CSR over tasks: costs that fall due once, when completion + tail > step_at.
        tail: [m, n] ticks between completion on a line and where the task is due (transfer to another site).
        line_cost: [m, n] cost of making a task on a line.
        home_start, shift_tax: [n] a task's start so far, and the cost a tick of moving away from it; 0 = free.
        makespan_weight: cost a tick of the last completion.
        setup_weight: cost a tick of setup.
        fixed_ptr, fixed_task: CSR over lines: tasks at the head of a line that keep line and order (started, frozen).
    """

    work: IntArray
    family: IntArray
    setup: IntArray
    setup_cost: IntArray
    initial_family: IntArray
    task_setup: IntArray
    available: IntArray
    release: IntArray
    span_ptr: IntArray
    span_start: IntArray
    span_end: IntArray
    due: IntArray
    weight: IntArray
    step_ptr: IntArray
    step_at: IntArray
    step_cost: IntArray
    tail: IntArray
    line_cost: IntArray
    home_start: IntArray
    shift_tax: IntArray
    makespan_weight: int
    setup_weight: int
    fixed_ptr: IntArray
    fixed_task: IntArray

    @classmethod
    def build(
        cls,
        work: npt.ArrayLike,
        *,
        family: npt.ArrayLike | None = None,
        setup: npt.ArrayLike | None = None,
        setup_cost: npt.ArrayLike | None = None,
        initial_family: npt.ArrayLike | None = None,
        task_setup: npt.ArrayLike | None = None,
        available: npt.ArrayLike | None = None,
        release: npt.ArrayLike | None = None,
        span_ptr: npt.ArrayLike | None = None,
        span_start: npt.ArrayLike = (),
        span_end: npt.ArrayLike = (),
        due: npt.ArrayLike | None = None,
        weight: npt.ArrayLike | None = None,
        step_ptr: npt.ArrayLike | None = None,
        step_at: npt.ArrayLike = (),
        step_cost: npt.ArrayLike = (),
        tail: npt.ArrayLike | None = None,
        line_cost: npt.ArrayLike | None = None,
        home_start: npt.ArrayLike | None = None,
        shift_tax: npt.ArrayLike | None = None,
        makespan_weight: int = 0,
        setup_weight: int = 0,
        fixed_ptr: npt.ArrayLike | None = None,
        fixed_task: npt.ArrayLike = (),
    ) -> Self:
        """A problem from what it uses; the rest is nothing: no setups, always open, due never, no tax, nothing fixed.

        Raises:
            InstanceInvalid: the arrays do not describe a problem.
        """
        jobs = integers("work", work)
        if jobs.ndim != 2:
            raise InstanceInvalid(f"work has {jobs.ndim} dimensions, not lines x tasks")
        m, n = jobs.shape
        setups = np.zeros((m, 2, 1), np.int64) if setup is None else integers("setup", setup)
        families = setups.shape[-1]

        def given(
            name: str, values: npt.ArrayLike | None, shape: tuple[int, ...], default: int = 0
        ) -> IntArray:
            return np.full(shape, default, np.int64) if values is None else integers(name, values)

        return cls(
            work=jobs,
            family=given("family", family, (n,)),
            setup=setups,
            setup_cost=given("setup_cost", setup_cost, setups.shape),
            initial_family=given("initial_family", initial_family, (m,), families),
            task_setup=given("task_setup", task_setup, (n,), NO_OVERRIDE),
            available=given("available", available, (m,)),
            release=given("release", release, (n,)),
            span_ptr=given("span_ptr", span_ptr, (m + 1,)),
            span_start=integers("span_start", span_start),
            span_end=integers("span_end", span_end),
            due=given("due", due, (n,)),
            weight=given("weight", weight, (n,)),
            step_ptr=given("step_ptr", step_ptr, (n + 1,)),
            step_at=integers("step_at", step_at),
            step_cost=integers("step_cost", step_cost),
            tail=given("tail", tail, (m, n)),
            line_cost=given("line_cost", line_cost, (m, n)),
            home_start=given("home_start", home_start, (n,)),
            shift_tax=given("shift_tax", shift_tax, (n,)),
            makespan_weight=makespan_weight,
            setup_weight=setup_weight,
            fixed_ptr=given("fixed_ptr", fixed_ptr, (m + 1,)),
            fixed_task=integers("fixed_task", fixed_task),
        )

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, entry.name, np.ascontiguousarray(integers(entry.name, value)))
        _check_shapes(self)
        _check_values(self)
        _check_fixed(self)
        _check_size(self)

    @property
    def lines(self) -> int:
        """How many lines there are, m."""
        return len(self.work)

    @property
    def tasks(self) -> int:
        """How many tasks there are, n."""
        return len(self.family)

    @property
    def families(self) -> int:
        """How many families there are, F."""
        return int(self.setup.shape[2])

    @cached_property
    def layout(self) -> Layout:
        """The same problem as the kernel reads it, laid out at the first use."""
        return lay_out(self)

    def fixed_of(self, line: int) -> list[int]:
        """The tasks that stay at the head of a line, in order."""
        return [int(task) for task in self.fixed_task[self.fixed_ptr[line] : self.fixed_ptr[line + 1]]]

    def eligible_lines(self, task: int) -> list[int]:
        """The lines that can make a task."""
        return [int(line) for line in np.flatnonzero(self.work[:, task] >= 0)]

    def check_sequences(self, sequences: "Sequences") -> None:
        """Refuse sequences that are no solution: a task twice or where it cannot be made, a fixed head changed.

        Tasks may be missing: what is nowhere costs nothing.

        Raises:
            InstanceInvalid: with the line and task at fault.
        """
        if len(sequences) != self.lines:
            raise InstanceInvalid(f"{len(sequences)} sequences for {self.lines} lines")
        line_of: dict[int, int] = {}
        for line, sequence in enumerate(sequences):
            fixed = self.fixed_of(line)
            if list(sequence[: len(fixed)]) != fixed:
                raise InstanceInvalid(
                    f"line {line} begins with {list(sequence[: len(fixed)])}, not with {fixed}"
                )
            for task in sequence:
                if not 0 <= task < self.tasks:
                    raise InstanceInvalid(f"line {line} holds task {task} of {self.tasks}")
                if task in line_of:
                    raise InstanceInvalid(f"task {task} is on line {line_of[task]} and again on line {line}")
                if self.work[line, task] < 0:
                    raise InstanceInvalid(f"task {task} cannot be made on line {line}")
                line_of[task] = line


Sequences = list[list[int]]
"""One list of tasks per line."""


def integers(name: str, values: npt.ArrayLike) -> IntArray:
    """Whole numbers as int64.

    Raises:
        InstanceInvalid: they are not whole numbers.
    """
    array = np.asarray(values)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InstanceInvalid(f"{name} holds {array.dtype}, not whole numbers")
    return array.astype(np.int64)


def _check_shapes(instance: Instance) -> None:
    if instance.work.ndim != 2:
        raise InstanceInvalid(f"work has {instance.work.ndim} dimensions, not lines x tasks")
    if instance.setup.ndim != 3:
        raise InstanceInvalid(
            f"setup has {instance.setup.ndim} dimensions, not lines x (families + 1) x families"
        )
    m, n = instance.work.shape
    families = instance.setup.shape[2]
    shapes = {
        "setup": (m, families + 1, families),
        "setup_cost": (m, families + 1, families),
        **dict.fromkeys(("initial_family", "available"), (m,)),
        **dict.fromkeys(
            ("family", "task_setup", "release", "due", "weight", "home_start", "shift_tax"), (n,)
        ),
        **dict.fromkeys(("tail", "line_cost"), (m, n)),
        "span_ptr": (m + 1,),
        "step_ptr": (n + 1,),
        "fixed_ptr": (m + 1,),
    }
    for name, shape in shapes.items():
        found = getattr(instance, name).shape
        if found != shape:
            raise InstanceInvalid(f"{name} has the shape {found}, not {shape}")
    for ptr_name, names in (
        ("span_ptr", ("span_start", "span_end")),
        ("step_ptr", ("step_at", "step_cost")),
        ("fixed_ptr", ("fixed_task",)),
    ):
        ptr = getattr(instance, ptr_name)
        if ptr[0] != 0 or (np.diff(ptr) < 0).any():
            raise InstanceInvalid(f"{ptr_name} does not begin with 0 and rise")
        for name in names:
            if getattr(instance, name).shape != (ptr[-1],):
                raise InstanceInvalid(
                    f"{name} has {getattr(instance, name).size} entries, {ptr_name} ends with {ptr[-1]}"
                )


def _check_values(instance: Instance) -> None:
    m = instance.lines
    families = instance.families

    def within(name: str, least: int, most: int | None = None) -> None:
        values = np.asarray(getattr(instance, name))
        wrong = (values < least) if most is None else (values < least) | (values > most)
        if wrong.any():
            at = tuple(int(index) for index in np.argwhere(wrong)[0])
            bounds = f"at least {least}" if most is None else f"in {least}..{most}"
            raise InstanceInvalid(f"{name}{list(at) if at else ''} is {int(values[at])}, not {bounds}")

    within("work", NOT_ELIGIBLE, MAX_TICKS)
    if (instance.work == 0).any():
        raise InstanceInvalid("work holds 0: a task takes at least a tick")
    within("family", 0, families - 1)
    within("initial_family", 0, families)
    within("setup", 0, MAX_TICKS)
    within("task_setup", NO_OVERRIDE, MAX_TICKS)
    for name in (
        "setup_cost",
        "available",
        "release",
        "weight",
        "step_cost",
        "tail",
        "line_cost",
        "shift_tax",
    ):
        within(name, 0)
    within("makespan_weight", 0)
    within("setup_weight", 0)
    if instance.tasks and (instance.work < 0).all(axis=0).any():
        task = int(np.flatnonzero((instance.work < 0).all(axis=0))[0])
        raise InstanceInvalid(f"task {task} can be made on no line")
    if instance.span_start.size and (instance.span_start < 0).any():
        raise InstanceInvalid("a working span begins before tick 0")
    if (instance.span_start >= instance.span_end).any():
        raise InstanceInvalid("a working span ends before it begins")
    for line in range(m):
        own = slice(int(instance.span_ptr[line]), int(instance.span_ptr[line + 1]))
        if (instance.span_start[own][1:] < instance.span_end[own][:-1]).any():
            raise InstanceInvalid(f"the working spans of line {line} overlap or are out of order")


def _check_fixed(instance: Instance) -> None:
    seen: set[int] = set()
    for line in range(instance.lines):
        for task in instance.fixed_of(line):
            if not 0 <= task < instance.tasks:
                raise InstanceInvalid(f"fixed_task of line {line} is {task}, of {instance.tasks} tasks")
            if task in seen:
                raise InstanceInvalid(f"task {task} is fixed twice")
            if instance.work[line, task] < 0:
                raise InstanceInvalid(f"task {task} is fixed on line {line}, which cannot make it")
            seen.add(task)


def _check_size(instance: Instance) -> None:
    """Bound what the worst solution costs, in Python's own integers, which cannot overflow."""

    def most(values: IntArray) -> int:
        return int(values.max()) if values.size else 0

    n = instance.tasks
    longest_setup = max(most(instance.setup), most(instance.task_setup))
    duration = n * (most(instance.work) + longest_setup)
    latest = (
        max(most(instance.available), most(instance.release), most(instance.span_end))
        + duration
        + most(instance.tail)
    )
    span = (
        latest
        + (int(np.abs(instance.due).max()) if n else 0)
        + (int(np.abs(instance.home_start).max()) if n else 0)
    )
    pauses = int((instance.span_end - instance.span_start).sum()) if instance.span_start.size else 0
    span += pauses
    worst = (
        span * (int(instance.weight.astype(object).sum()) + int(instance.shift_tax.astype(object).sum()))
        + int(instance.step_cost.astype(object).sum())
        + n * (most(instance.line_cost) + most(instance.setup_cost) + NO_TIME_COST)
        + latest * instance.makespan_weight
        + duration * instance.setup_weight
    )
    if worst >= MAX_COST:
        raise InstanceInvalid(
            f"the worst solution would cost {worst}, more than {MAX_COST}: use coarser units"
        )
