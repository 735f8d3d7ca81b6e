"""How the kernel reads a problem: calendars turned into working time, the rare cases folded into tables.

Working time is what makes calendars cheap. Each line has an axis of its own that counts its working ticks and nothing
else. On it a sequence is plain arithmetic (end = max(end before + setup, release) + work), whatever pauses lie in
between; only a task that may be late has its end turned back into a tick. On a line that is always open both axes are
the same.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from solvers.instance import Instance

Array = npt.NDArray[np.int64]
Narrow = npt.NDArray[np.int32]

NEVER = 2**60
"""A working tick after every other: what costs nothing however late it ends, and the length of an open line's axis."""

MIN_BUCKET_TICKS = 1


class Layout(NamedTuple):
    """Arrays of the kernel. "Moment" below is a working tick on the line's own axis, "tick" one of the caller's.

    Attributes:
        work: [m, n] ticks, -1 = not eligible.
        row, column: [n] where a task stands in `setup` as the one before and as the one after.
        setup: [m, F + 1, C] ticks; a column is a family, or a family with a setup of its own (task_setup).
        change_cost: [m, F + 1, C] setup_cost + setup_weight x ticks; [1, 1, 1] where nothing costs.
        first_row: [m] row of a line's first task.
        origin: [m] moment from which the line is free.
        release: [m, n] moment before which a task does not start.
        free: [m, n] the last moment at which completion costs nothing.
        linear: [m, n] 1 where being late costs weight x (moment - free) and nothing else.
        weight, due, tail, step_ptr, step_at, step_cost, line_cost, home_start, shift_tax: as in the instance.
        total: [m] working ticks of a line's calendar.
        last_end: [m] the tick at which its calendar ends.
        span_ptr, span_moment, span_start: CSR over lines: moment and tick at which each working span begins. A line
            without any is always open.
        bucket_ptr, bucket_span, bucket_ticks: CSR over lines: the span that holds the first moment of each bucket of
            bucket_ticks[m] moments, so that a moment is found in its span at once.
        eligible_ptr, eligible: CSR over tasks: the lines that can make it.
        fixed: [m] tasks at the head that stay.
        makespan_weight: as in the instance.
        costly_changes, taxed, regular, flat: 1 where changes cost; where any task has a shift tax; where all lines are
            open, all lateness is linear and nothing is taxed; where no completion costs anything but the last.
    """

    work: Narrow
    row: Narrow
    column: Narrow
    setup: Narrow
    change_cost: Array
    first_row: Array
    origin: Array
    release: Array
    free: Array
    linear: npt.NDArray[np.int8]
    weight: Array
    due: Array
    tail: Array
    step_ptr: Array
    step_at: Array
    step_cost: Array
    line_cost: Array
    home_start: Array
    shift_tax: Array
    total: Array
    last_end: Array
    span_ptr: Array
    span_moment: Array
    span_start: Array
    bucket_ptr: Array
    bucket_span: Array
    bucket_ticks: Array
    eligible_ptr: Array
    eligible: Narrow
    fixed: Array
    makespan_weight: int
    costly_changes: int
    taxed: int
    regular: int
    flat: int


def lay_out(instance: "Instance") -> Layout:
    """The kernel's arrays of a problem."""
    m, n = instance.work.shape
    column, setup, change_cost, costly = _setups(instance)
    span_moment, total, last_end = _working_axes(instance)
    bucket_ptr, bucket_span, bucket_ticks = _buckets(instance, span_moment, total)
    opened = np.diff(instance.span_ptr) == 0

    has_steps = np.diff(instance.step_ptr) > 0
    free_until = np.where(instance.weight > 0, instance.due, NEVER)
    if instance.step_at.size:
        first_step = np.full(n, NEVER, np.int64)
        task_of = np.repeat(np.arange(n), np.diff(instance.step_ptr))
        np.minimum.at(first_step, task_of, np.where(instance.step_cost > 0, instance.step_at, NEVER))
        free_until = np.minimum(free_until, first_step)

    origin = np.zeros(m, np.int64)
    release = np.zeros((m, n), np.int64)
    free = np.zeros((m, n), np.int64)
    for line in range(m):
        first, last = int(instance.span_ptr[line]), int(instance.span_ptr[line + 1])
        starts, ends = instance.span_start[first:last], instance.span_end[first:last]
        moments = span_moment[first:last]
        origin[line] = _moments(instance.available[line : line + 1], starts, ends, moments)[0]
        release[line] = _moments(instance.release, starts, ends, moments)
        until = np.where(free_until == NEVER, NEVER, free_until - instance.tail[line])
        free[line] = (
            until if opened[line] else np.minimum(_moments(until, starts, ends, moments), total[line])
        )

    eligible_task, eligible_line = np.nonzero(instance.work.T >= 0)
    taxed = bool((instance.shift_tax > 0).any())
    late_free = not (instance.weight > 0).any() and not (instance.step_cost > 0).any()
    return Layout(
        work=instance.work.astype(np.int32),
        row=instance.family.astype(np.int32),
        column=column.astype(np.int32),
        setup=setup.astype(np.int32),
        change_cost=change_cost,
        first_row=instance.initial_family,
        origin=origin,
        release=release,
        free=free,
        linear=(opened[:, None] & ~has_steps[None, :]).astype(np.int8),
        weight=instance.weight,
        due=instance.due,
        tail=instance.tail,
        step_ptr=instance.step_ptr,
        step_at=instance.step_at,
        step_cost=instance.step_cost,
        line_cost=instance.line_cost,
        home_start=instance.home_start,
        shift_tax=instance.shift_tax,
        total=total,
        last_end=last_end,
        span_ptr=instance.span_ptr,
        span_moment=span_moment,
        span_start=instance.span_start,
        bucket_ptr=bucket_ptr,
        bucket_span=bucket_span,
        bucket_ticks=bucket_ticks,
        eligible_ptr=np.searchsorted(eligible_task, np.arange(n + 1)).astype(np.int64),
        eligible=eligible_line.astype(np.int32),
        fixed=np.diff(instance.fixed_ptr),
        makespan_weight=instance.makespan_weight,
        costly_changes=int(costly),
        taxed=int(taxed),
        regular=int(bool(opened.all()) and not has_steps.any() and not taxed),
        flat=int(bool(opened.all()) and late_free and not taxed),
    )


def _setups(instance: "Instance") -> tuple[Array, Array, Array, bool]:
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
    costly = bool((instance.setup_cost > 0).any()) or instance.setup_weight > 0
    if not costly:
        return column, setup, np.zeros((1, 1, 1), np.int64), False
    cost = np.concatenate([instance.setup_cost, instance.setup_cost[:, :, pairs[:, 0]]], axis=2)
    return column, setup, cost + instance.setup_weight * setup, True


def _working_axes(instance: "Instance") -> tuple[Array, Array, Array]:
    """The moment at which each span begins; how many moments each line has, and the tick after its last."""
    m = instance.lines
    lengths = instance.span_end - instance.span_start
    before = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = np.full(m, NEVER, np.int64)
    last_end = np.zeros(m, np.int64)
    span_moment = np.zeros(lengths.size, np.int64)
    for line in range(m):
        first, last = int(instance.span_ptr[line]), int(instance.span_ptr[line + 1])
        if first == last:
            continue
        span_moment[first:last] = before[first:last] - before[first]
        total[line] = before[last] - before[first]
        last_end[line] = instance.span_end[last - 1]
    return span_moment, total, last_end


def _buckets(instance: "Instance", span_moment: Array, total: Array) -> tuple[Array, Array, Array]:
    """As many buckets as spans on each line: with shifts of similar length a moment is one or two steps away."""
    m = instance.lines
    ptr = np.zeros(m + 1, np.int64)
    ticks = np.ones(m, np.int64)
    spans: list[Array] = []
    for line in range(m):
        first, last = int(instance.span_ptr[line]), int(instance.span_ptr[line + 1])
        if first == last:
            ptr[line + 1] = ptr[line]
            continue
        ticks[line] = max(MIN_BUCKET_TICKS, int(total[line]) // (last - first))
        begins = np.arange(0, int(total[line]) + 1, ticks[line], dtype=np.int64)
        spans.append(first + np.searchsorted(span_moment[first:last], begins, side="right") - 1)
        ptr[line + 1] = ptr[line] + begins.size
    return ptr, np.concatenate(spans) if spans else np.zeros(0, np.int64), ticks


def _moments(ticks: Array, starts: Array, ends: Array, moments: Array) -> Array:
    """How many working ticks of a line lie before each tick."""
    if not starts.size:
        return ticks
    span = np.searchsorted(starts, ticks, side="right") - 1
    inside = np.maximum(span, 0)
    length = ends[inside] - starts[inside]
    within = np.minimum(ticks - starts[inside], length)
    after = np.where(inside == len(starts) - 1, np.maximum(ticks - ends[-1], 0), 0)
    return np.where(span < 0, 0, moments[inside] + within + after)
