"""What a line costs with a part of its sequence exchanged, and how such a change is carried out: the inner loop.

Only this file knows how a sequence becomes times and cost on the kernel's side; tests/reference_schedule.py says the
same in plain Python, tick by tick, and a property test holds the two together.

A change to a line is (keep, new, resume): its first `keep` tasks stay, then come the tasks of `new`, then what stood at
`resume` and after. An insertion, a removal, a swap or a block that moves are all of that form. The prefix is read from
what is kept per position, the middle is walked, and the rest only as far as it must be:

* where a task ends as it did before, everything after it stays as it is;
* where it ends later, the rest costs at least as much more as the shift, less what idle time can swallow of it, times
  the weights of what is late already;
* where it ends earlier, on lines without pauses, steps and taxes, the rest gains no more than the shift times those
  weights.

Most changes are refused within a few steps by these bounds.
"""

from typing import NamedTuple

import numpy as np

from solvers.compiling import compiled, inlined
from solvers.instance import NO_TIME_COST
from solvers.layout import Records

REFUSED = 2**62
"""Cost of a change that certainly exceeds the limit."""

SLOT = np.dtype(
    [
        ("task", np.int64),
        ("end", np.int64),  # moment of completion
        ("cost", np.int64),  # of all tasks and changes up to and with this position; line_cost is left out
        ("tax", np.int64),  # the part of it that is shift tax
        ("late", np.int64),  # weights of the late tasks up to here
        ("idle", np.int64),  # working ticks spent waiting for releases up to here
        ("lag", np.int64),  # flat problems: the line's last end is max(end here + lag, floor)
        ("floor", np.int64),
    ]
)
"""A position of a line, i x n + k: one cache line."""

PLACE = np.dtype([("line", np.int32), ("position", np.int32)])
"""Where a task stands; line -1 = nowhere."""

NOWHERE = -1


class State(NamedTuple):
    """A solution, with what is kept for each position of each line.

    Attributes:
        slots: [m x n] of SLOT; sizes: [m] how many tasks a line has; places: [n] of PLACE.
        placed: [1] sum of line_cost.
    """

    slots: Records
    sizes: Records
    places: Records
    placed: Records


def empty_state(lines: int, tasks: int) -> State:
    """A solution without any task, and one slot more, for a task that looks for its place."""
    places = np.zeros(tasks, PLACE)
    places["line"] = NOWHERE
    return State(np.zeros(lines * tasks + 1, SLOT), np.zeros(lines, np.int64), places, np.zeros(1, np.int64))


@inlined
def tick_of_end(line, spans, buckets, moment):
    """The tick at which the working tick before `moment` is over: the end of a span belongs to the span."""
    tick = moment
    if line.first_span < line.last_span:
        if moment >= line.total:
            tick = line.last_end + moment - line.total
        else:
            k = buckets[line.first_bucket + max(moment - 1, 0) // line.bucket_moments]
            while k + 1 < line.last_span and spans[k + 1].moment < moment:
                k += 1
            tick = spans[k].start + moment - spans[k].moment
    return tick


@inlined
def tick_of_start(line, spans, buckets, moment):
    """The tick at which the working tick after `moment` begins: the end of a span belongs to the next one."""
    tick = moment
    if line.first_span < line.last_span:
        if moment >= line.total:
            tick = line.last_end + moment - line.total
        else:
            k = buckets[line.first_bucket + moment // line.bucket_moments]
            while k + 1 < line.last_span and spans[k + 1].moment <= moment:
                k += 1
            tick = spans[k].start + moment - spans[k].moment
    return tick


@compiled
def uneven_cost(line, way, job, spans, buckets, steps, moment):
    """What completion at a moment after `free` costs, where it is not simply weight x late."""
    tick = tick_of_end(line, spans, buckets, moment) + way.tail
    cost = np.int64(0)
    if moment > line.total:
        cost += NO_TIME_COST
    if tick > job.due:
        cost += job.weight * (tick - job.due)
    for k in range(job.first_step, job.last_step):
        if tick > steps[k].at:
            cost += steps[k].cost
    return cost


@compiled
def shift_cost(line, job, spans, buckets, moment):
    """The tax of a task whose work begins at a moment."""
    if job.shift_tax == 0:
        return np.int64(0)
    return job.shift_tax * abs(tick_of_start(line, spans, buckets, moment) - job.home_start)


@inlined
def bound(layout, state, i, keep, pieces, first, count, bounds):
    """What a line costs at least after a change, without a walk through the pieces that it has already.

    Writes into `bounds` what each piece costs at least.
    """
    ways, jobs, slots, setup = layout.ways, layout.jobs, state.slots, layout.setup
    spans, buckets, steps, change_cost = layout.spans, layout.buckets, layout.steps, layout.change_cost
    nature = layout.nature[0]
    n = nature.tasks
    costly, regular = nature.costly, nature.regular
    line = layout.lines[i]
    base = i * n
    c = line.origin
    row = line.table + line.first_row
    total = np.int64(0)
    if keep > 0:
        slot = slots[base + keep - 1]
        c = slot.end
        total = slot.cost
        row = line.table + jobs[slot.task].row
    for s in range(first, first + count):
        begin, end = pieces[2 * s], pieces[2 * s + 1]
        cost = np.int64(0)
        own = base <= begin < base + n
        for k in range(begin, end):
            slot = slots[k]
            job = jobs[slot.task]
            way = ways[base + slot.task]
            c += setup[row + job.column]
            if costly:
                cost += change_cost[row + job.column]
            c = max(c, way.release) + way.work
            row = line.table + job.row
            if not own:
                if c > way.free:
                    if way.linear:
                        cost += job.weight * (c - way.free)
                    else:
                        cost += uneven_cost(line, way, job, spans, buckets, steps, c)
                continue
            # All that follows in the piece is shifted with its first task, less what idle time swallows.
            last = slots[end - 1]
            shift = c - slot.end
            whole, late = last.cost - last.tax, last.late
            if k > base:
                before = slots[k - 1]
                whole -= before.cost - before.tax
                late -= before.late
                if costly:
                    whole -= change_cost[line.table + jobs[before.task].row + job.column]
            elif costly:
                whole -= change_cost[line.table + line.first_row + job.column]
            if shift > 0:
                shift = max(np.int64(0), shift - (last.idle - slot.idle))
                cost += whole + shift * late
            elif regular:
                cost += max(np.int64(0), whole + shift * late)
            c = last.end + shift
            row = line.table + jobs[last.task].row
            break
        bounds[s] = cost
        total += cost
    return total


@inlined
def walk(layout, state, i, keep, pieces, first, count, bounds, limit):
    """Cost and last moment of a line after a change; REFUSED where the cost certainly exceeds `limit`.

    `bounds` says what each piece costs at least. The last moment of an empty line is 0.
    """
    ways, jobs, slots, setup = layout.ways, layout.jobs, state.slots, layout.setup
    spans, buckets, steps, change_cost = layout.spans, layout.buckets, layout.steps, layout.change_cost
    nature = layout.nature[0]
    n = nature.tasks
    costly, taxed, flat, regular = nature.costly, nature.taxed, nature.flat, nature.regular
    line = layout.lines[i]
    base = i * n
    size = state.sizes[i]
    last = base + size - 1
    c = line.origin
    row = line.table + line.first_row
    cost = np.int64(0)
    empty = keep == 0
    if keep > 0:
        slot = slots[base + keep - 1]
        c = slot.end
        cost = slot.cost
        row = line.table + jobs[slot.task].row
    ahead = np.int64(0)
    for s in range(first, first + count):
        ahead += bounds[s]
    for s in range(first, first + count):
        begin, end = pieces[2 * s], pieces[2 * s + 1]
        ahead -= bounds[s]
        resumed = s == first + count - 1
        for k in range(begin, end):
            empty = False
            slot = slots[k]
            job = jobs[slot.task]
            way = ways[base + slot.task]
            c += setup[row + job.column]
            if costly:
                cost += change_cost[row + job.column]
            c = max(c, way.release)
            if taxed:
                cost += shift_cost(line, job, spans, buckets, c)
            c += way.work
            if c > way.free:
                if way.linear:
                    cost += job.weight * (c - way.free)
                else:
                    cost += uneven_cost(line, way, job, spans, buckets, steps, c)
            row = line.table + job.row
            if not resumed:
                continue
            shift = c - slot.end
            rest = slots[last].cost - slot.cost
            if shift == 0 or flat:
                cost += rest
                c = max(c + slot.lag, slot.floor) if flat else slots[last].end
                break
            low = cost
            if shift > 0:
                shift -= slots[last].idle - slot.idle
                low += rest
                if shift > 0:
                    low += shift * (slots[last].late - slot.late)
                if taxed:
                    low -= slots[last].tax - slot.tax
            elif regular:
                low += max(np.int64(0), rest + shift * (slots[last].late - slot.late))
            if low > limit:
                cost = np.int64(REFUSED)
                break
        if cost + ahead > limit:
            cost = np.int64(REFUSED)
            break
    if empty:
        c = np.int64(0)
    return cost, c


@compiled
def compose(state, pieces, first, count, new, at):
    """Write the tasks of the pieces one after the other into new[at:]; returns where they end."""
    for s in range(first, first + count):
        for k in range(pieces[2 * s], pieces[2 * s + 1]):
            new[at] = state.slots[k].task
            at += 1
    return at


@compiled
def change(layout, state, i, keep, new, begin, end):
    """Let a line go on with new[begin:end] after its first `keep` tasks."""
    base = i * layout.nature[0].tasks
    for k in range(begin, end):
        state.slots[base + keep + k - begin].task = new[k]
    state.sizes[i] = keep + end - begin
    renew(layout, state, i, keep)


@compiled
def renew(layout, state, i, keep):
    """Compute what is kept per position again, from position `keep` on."""
    ways, jobs, slots, setup, places = layout.ways, layout.jobs, state.slots, layout.setup, state.places
    spans, buckets, steps = layout.spans, layout.buckets, layout.steps
    nature = layout.nature[0]
    base = i * nature.tasks
    line = layout.lines[i]
    size = state.sizes[i]
    c = line.origin
    row = line.table + line.first_row
    cost = tax = late = idle = np.int64(0)
    if keep > 0:
        before = slots[base + keep - 1]
        c, cost, tax, late, idle = before.end, before.cost, before.tax, before.late, before.idle
        row = line.table + jobs[before.task].row
    for k in range(keep, size):
        slot = slots[base + k]
        j = slot.task
        job = jobs[j]
        way = ways[base + j]
        c += setup[row + job.column]
        if nature.costly:
            cost += layout.change_cost[row + job.column]
        if c < way.release:
            idle += way.release - c
            c = way.release
        if nature.taxed:
            here = shift_cost(line, job, spans, buckets, c)
            tax += here
            cost += here
        c += way.work
        if c > way.free:
            if way.linear:
                cost += job.weight * (c - way.free)
                late += job.weight
            else:
                cost += uneven_cost(line, way, job, spans, buckets, steps, c)
                if tick_of_end(line, spans, buckets, c) + way.tail > job.due:
                    late += job.weight
        row = line.table + job.row
        places[j].line = i
        places[j].position = k
        slots[base + k].end = c
        slots[base + k].cost = cost
        slots[base + k].tax = tax
        slots[base + k].late = late
        slots[base + k].idle = idle
    if nature.flat and size > 0:
        lag = floor = np.int64(0)
        slots[base + size - 1].lag = 0
        slots[base + size - 1].floor = 0
        for k in range(base + size - 1, base, -1):
            j = slots[k].task
            way = ways[base + j]
            floor = max(floor, way.release + way.work + lag)
            lag += setup[line.table + jobs[slots[k - 1].task].row + jobs[j].column] + way.work
            slots[k - 1].lag = lag
            slots[k - 1].floor = floor


@compiled
def line_cost(layout, state, i):
    """What a line costs now, line_cost and makespan left out."""
    size = state.sizes[i]
    return state.slots[i * layout.nature[0].tasks + size - 1].cost if size > 0 else np.int64(0)


@compiled
def load(layout, state, tasks, ptr):
    """Fill a state from sequences (CSR over lines)."""
    n = layout.nature[0].tasks
    for j in range(n):
        state.places[j].line = NOWHERE
    state.placed[0] = 0
    for i in range(state.sizes.size):
        state.sizes[i] = ptr[i + 1] - ptr[i]
        for k in range(state.sizes[i]):
            j = tasks[ptr[i] + k]
            state.slots[i * n + k].task = j
            state.placed[0] += layout.ways[i * n + j].line_cost
        renew(layout, state, i, np.int64(0))


@compiled
def makespan(layout, state):
    """The tick at which the last task of all lines is done."""
    n = layout.nature[0].tasks
    last = np.int64(0)
    for i in range(state.sizes.size):
        size = state.sizes[i]
        if size > 0:
            end = state.slots[i * n + size - 1].end
            last = max(last, tick_of_end(layout.lines[i], layout.spans, layout.buckets, end))
    return last


@compiled
def total_cost(layout, state):
    """The objective."""
    cost = state.placed[0]
    for i in range(state.sizes.size):
        cost += line_cost(layout, state, i)
    weight = layout.nature[0].makespan_weight
    if weight > 0:
        cost += weight * makespan(layout, state)
    return cost
