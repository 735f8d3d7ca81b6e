"""How the kernel reads a problem: calendars turned into working time, and records that lie side by side in memory.

Working time is what makes calendars cheap. Each line has an axis of its own that counts its working ticks and nothing
else. On it a sequence is plain arithmetic (end = max(end before + setup, release) + work), whatever pauses lie in
between; only a task that may be late has its end turned back into a tick. On a line that is always open both axes are
the same. A point on the axis is called a moment, a point on the caller's a tick.

Records instead of many arrays: what is read together lies in one cache line, and a compiled function that takes ten
arrays is called three times faster than one that takes forty.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from solvers.instance import Instance

Array = npt.NDArray[np.int64]
Records = npt.NDArray[Any]
"""Structured arrays; the dtype is named beside each use."""

NEVER = 2**60
"""A moment after every other: what costs nothing however late it ends, and the length of an open line's axis."""

WAY = np.dtype(
    [
        ("work", np.int32),  # ticks; -1 = not eligible
        ("linear", np.int32),  # 1 where being late costs weight x (moment - free) and nothing else
        ("release", np.int64),  # moment before which the task does not start here
        ("free", np.int64),  # last moment at which completion here costs nothing
        ("tail", np.int64),  # ticks
        ("line_cost", np.int64),
    ],
    align=True,
)
"""A task on a line: record i x n + j."""

JOB = np.dtype(
    [
        ("row", np.int32),  # where the task stands in `setup` as the one before: row x columns
        ("column", np.int32),  # and as the one after
        ("weight", np.int64),
        ("due", np.int64),
        ("home_start", np.int64),
        ("shift_tax", np.int64),
        ("first_step", np.int32),
        ("last_step", np.int32),  # one past
        ("first_line", np.int32),  # of `eligible`
        ("last_line", np.int32),  # one past
    ],
    align=True,
)

LINE = np.dtype(
    [
        ("table", np.int64),  # where the line's setups begin
        ("first_row", np.int64),  # row x columns of the line's initial state
        ("origin", np.int64),  # moment from which the line is free
        ("total", np.int64),  # moments of its calendar; NEVER where it is always open
        ("last_end", np.int64),  # tick at which its calendar ends
        ("first_span", np.int64),
        ("last_span", np.int64),  # one past; equal to first_span where the line is always open
        ("first_bucket", np.int64),
        ("bucket_moments", np.int64),
        ("fixed", np.int64),  # tasks at the head that stay
    ],
    align=True,
)

SPAN = np.dtype([("moment", np.int64), ("start", np.int64)])
"""Where a working span begins, on both axes."""

STEP = np.dtype([("at", np.int64), ("cost", np.int64)])

NATURE = np.dtype(
    [
        ("tasks", np.int64),
        ("makespan_weight", np.int64),
        ("costly", np.int64),  # 1 where changes cost
        ("taxed", np.int64),  # 1 where any task has a shift tax
        ("regular", np.int64),  # 1 where all lines are open, all lateness is linear and nothing is taxed
        ("flat", np.int64),  # 1 where all lines are open and no completion costs anything but the last
    ]
)
"""What the problem has as a whole: one record."""


class Layout(NamedTuple):
    """The kernel's arrays of a problem.

    Attributes:
        ways, jobs, lines, spans, steps, nature: records of the types above.
        setup: ticks, flat: lines x (F + 1) rows x C columns; a column is a family, or a family with a setup of its own.
        change_cost: setup_cost + setup_weight x ticks in the same places; empty where nothing costs.
        buckets: the span that holds the first moment of each bucket of a line, so that a moment is found at once.
        eligible: the lines of each task, one after the other.
    """

    ways: Records
    jobs: Records
    lines: Records
    spans: Records
    steps: Records
    nature: Records
    setup: npt.NDArray[np.int32]
    change_cost: Array
    buckets: Array
    eligible: npt.NDArray[np.int32]


def lay_out(instance: "Instance") -> Layout:
    """The kernel's arrays of a problem."""
    m, n = instance.work.shape
    column, setup, change_cost = _setups(instance)
    rows, columns = setup.shape[1], setup.shape[2]
    spans, lines = _working_axes(instance)
    lines["table"] = np.arange(m) * rows * columns
    lines["first_row"] = instance.initial_family * columns
    lines["fixed"] = np.diff(instance.fixed_ptr)
    buckets = _buckets(lines, spans)

    opened = lines["first_span"] == lines["last_span"]
    has_steps = np.diff(instance.step_ptr) > 0
    task_free = _free_until(instance)
    ways = np.zeros((m, n), WAY)
    ways["work"] = instance.work
    ways["linear"] = opened[:, None] & ~has_steps[None, :]
    ways["tail"] = instance.tail
    ways["line_cost"] = instance.line_cost
    for line in range(m):
        own = slice(int(instance.span_ptr[line]), int(instance.span_ptr[line + 1]))
        axis = (instance.span_start[own], instance.span_end[own], spans["moment"][own])
        lines["origin"][line] = _moments(instance.available[line : line + 1], *axis)[0]
        ways["release"][line] = _moments(instance.release, *axis)
        until = np.where(task_free == NEVER, NEVER, task_free - instance.tail[line])
        ways["free"][line] = np.minimum(_moments(until, *axis), lines["total"][line])

    jobs = np.zeros(n, JOB)
    eligible_task, eligible = np.nonzero(instance.work.T >= 0)
    first_line = np.searchsorted(eligible_task, np.arange(n + 1))
    jobs["row"], jobs["column"] = instance.family * columns, column
    for name in ("weight", "due", "home_start", "shift_tax"):
        jobs[name] = getattr(instance, name)
    jobs["first_step"], jobs["last_step"] = instance.step_ptr[:-1], instance.step_ptr[1:]
    jobs["first_line"], jobs["last_line"] = first_line[:-1], first_line[1:]

    steps = np.zeros(instance.step_at.size, STEP)
    steps["at"], steps["cost"] = instance.step_at, instance.step_cost
    taxed = bool((instance.shift_tax > 0).any())
    all_open = bool(opened.all())
    never_late = not (instance.weight > 0).any() and not (instance.step_cost > 0).any()
    nature = np.zeros(1, NATURE)
    nature["tasks"] = n
    nature["makespan_weight"] = instance.makespan_weight
    nature["costly"] = change_cost.size > 0
    nature["taxed"] = taxed
    nature["regular"] = all_open and not has_steps.any() and not taxed
    nature["flat"] = all_open and never_late and not taxed
    return Layout(
        ways=ways.reshape(-1),
        jobs=jobs,
        lines=lines,
        spans=spans,
        steps=steps,
        nature=nature,
        setup=setup.astype(np.int32).reshape(-1),
        change_cost=change_cost.reshape(-1),
        buckets=buckets,
        eligible=eligible.astype(np.int32),
    )


def _free_until(instance: "Instance") -> Array:
    """The last tick at which a task may be where it is due without any cost."""
    free = np.where(instance.weight > 0, instance.due, NEVER)
    first_step = np.full(instance.tasks, NEVER, np.int64)
    task_of = np.repeat(np.arange(instance.tasks), np.diff(instance.step_ptr))
    np.minimum.at(first_step, task_of, np.where(instance.step_cost > 0, instance.step_at, NEVER))
    return np.minimum(free, first_step)


def _setups(instance: "Instance") -> tuple[Array, Array, Array]:
    """Columns of the tasks, and the tables with a further column for each family with a setup of its own."""
    column = instance.family.copy()
    own = np.flatnonzero(instance.task_setup >= 0)
    pairs, which = np.unique(
        np.stack([instance.family[own], instance.task_setup[own]], axis=1), axis=0, return_inverse=True
    )
    column[own] = instance.families + which.reshape(-1)
    m, rows, _ = instance.setup.shape
    further = np.broadcast_to(pairs[:, 1], (m, rows, len(pairs)))
    setup = np.concatenate([instance.setup, further], axis=2)
    if not (instance.setup_cost > 0).any() and instance.setup_weight == 0:
        return column, setup, np.zeros(0, np.int64)
    cost = np.concatenate([instance.setup_cost, instance.setup_cost[:, :, pairs[:, 0]]], axis=2)
    return column, setup, cost + instance.setup_weight * setup


def _working_axes(instance: "Instance") -> tuple[Records, Records]:
    """The spans on both axes, and the lines with their calendars."""
    lines = np.zeros(instance.lines, LINE)
    spans = np.zeros(instance.span_start.size, SPAN)
    spans["start"] = instance.span_start
    before = np.concatenate([[0], np.cumsum(instance.span_end - instance.span_start)]).astype(np.int64)
    lines["first_span"], lines["last_span"] = instance.span_ptr[:-1], instance.span_ptr[1:]
    for line in lines:
        first, last = int(line["first_span"]), int(line["last_span"])
        if first == last:
            line["total"] = NEVER
            continue
        spans["moment"][first:last] = before[first:last] - before[first]
        line["total"] = before[last] - before[first]
        line["last_end"] = instance.span_end[last - 1]
    return spans, lines


def _buckets(lines: Records, spans: Records) -> Array:
    """As many buckets as spans on each line: with shifts of similar length a moment is one or two steps away."""
    buckets: list[Array] = [np.zeros(0, np.int64)]
    lines["bucket_moments"] = 1
    for line in lines:
        first, last = int(line["first_span"]), int(line["last_span"])
        line["first_bucket"] = sum(part.size for part in buckets)
        if first == last:
            continue
        line["bucket_moments"] = max(1, int(line["total"]) // (last - first))
        begins = np.arange(0, int(line["total"]) + 1, line["bucket_moments"], dtype=np.int64)
        buckets.append(first + np.searchsorted(spans["moment"][first:last], begins, side="right") - 1)
    return np.concatenate(buckets)


def _moments(ticks: Array, starts: Array, ends: Array, moments: Array) -> Array:
    """How many working ticks of a line lie before each tick."""
    if not starts.size:
        return ticks
    span = np.searchsorted(starts, ticks, side="right") - 1
    inside = np.maximum(span, 0)
    within = np.minimum(ticks - starts[inside], ends[inside] - starts[inside])
    after = np.where(inside == len(starts) - 1, np.maximum(ticks - ends[-1], 0), 0)
    return np.where(span < 0, 0, moments[inside] + within + after)
