"""Compiled construction: every place for one task, the cheapest place for many, and the dispatch rule."""

import numpy as np

from solvers.compiling import compiled
from solvers.layout import NEVER
from solvers.walk import NOWHERE, change, line_cost, makespan, tick_of_end, tick_of_start, walk


@compiled
def try_places(layout, state, j, places, scratch):
    """Write all places of a task into `places`: (line, position, rise, the line's new last tick); returns how many."""
    n = layout.nature[0].tasks
    m = state.sizes.size
    weight = layout.nature[0].makespan_weight
    spare = m * n
    state.slots[spare].task = j
    state.slots[spare].end = NEVER
    scratch[0], scratch[1], scratch[4], scratch[5] = spare, spare + 1, 0, 0
    last_before = makespan(layout, state)
    found = 0
    job = layout.jobs[j]
    for e in range(job.first_line, job.last_line):
        i = np.int64(layout.eligible[e])
        size = state.sizes[i]
        before = line_cost(layout, state, i)
        for q in range(layout.lines[i].fixed, size + 1):
            scratch[2], scratch[3] = i * n + q, i * n + size
            cost, end = walk(layout, state, i, q, scratch[:4], 0, 2, scratch[4:], np.int64(NEVER))
            tick = tick_of_end(layout.lines[i], layout.spans, layout.buckets, end)
            rise = cost - before + layout.ways[i * n + j].line_cost
            if weight > 0:
                rise += weight * max(np.int64(0), tick - last_before)
            places[found, 0], places[found, 1], places[found, 2], places[found, 3] = i, q, rise, tick
            found += 1
    return found


@compiled
def insert_cheapest(layout, state, tasks, places, new, scratch):
    """Insert tasks one after the other where they cost least; of equals on the line that is done first."""
    n = layout.nature[0].tasks
    for at in range(tasks.size):
        j = tasks[at]
        found = try_places(layout, state, j, places, scratch)
        best = 0
        for k in range(1, found):
            if places[k, 2] < places[best, 2] or (
                places[k, 2] == places[best, 2] and places[k, 3] < places[best, 3]
            ):
                best = k
        i, q = places[best, 0], places[best, 1]
        count = state.sizes[i] - q
        new[0] = j
        for k in range(count):
            new[k + 1] = state.slots[i * n + q + k].task
        change(layout, state, i, q, new, 0, count + 1)
        state.placed[0] += layout.ways[i * n + j].line_cost


@compiled
def dispatch_by_index(layout, state, weights, dues, scales, free_at, moment, row, new):
    """Whenever a line is free, start on it the waiting task of the highest ATCS index.

    The three scales are in ticks: how far slack, setup and waiting for a release push a task back. The other arrays
    are room to work in, one number a line.
    """
    n = layout.nature[0].tasks
    m = state.sizes.size
    look_ahead, setup_scale, release_scale = scales[0], scales[1], scales[2]
    waiting = 0
    for j in range(n):
        if state.places[j].line == NOWHERE:
            waiting += 1
    for i in range(m):
        line = layout.lines[i]
        moment[i] = line.origin
        row[i] = line.table + line.first_row
        if state.sizes[i] > 0:
            slot = state.slots[i * n + state.sizes[i] - 1]
            moment[i] = slot.end
            row[i] = line.table + layout.jobs[slot.task].row
        free_at[i] = tick_of_start(line, layout.spans, layout.buckets, moment[i])
    while waiting > 0:
        i = 0
        for k in range(1, m):
            if free_at[k] < free_at[i]:
                i = k
        line = layout.lines[i]
        best, best_index = -1, -1.0
        for j in range(n):
            way = layout.ways[i * n + j]
            if way.work < 0 or state.places[j].line != NOWHERE:
                continue
            setup = layout.setup[row[i] + layout.jobs[j].column]
            wait = max(np.int64(0), way.release - moment[i] - setup)
            slack = max(np.int64(0), dues[j] - way.tail - free_at[i] - way.work)
            index = (
                weights[j]
                / way.work
                * np.exp(-slack / look_ahead - setup / setup_scale - wait / release_scale)
            )
            if index > best_index:
                best, best_index = j, index
        if best < 0:
            free_at[i] = NEVER
            continue
        new[0] = best
        change(layout, state, i, state.sizes[i], new, 0, 1)
        state.placed[0] += layout.ways[i * n + best].line_cost
        slot = state.slots[i * n + state.sizes[i] - 1]
        moment[i] = slot.end
        row[i] = line.table + layout.jobs[best].row
        free_at[i] = tick_of_end(line, layout.spans, layout.buckets, moment[i])
        waiting -= 1


@compiled
def write_times(layout, state, start, end):
    """Ticks at which the work of each placed task begins and ends."""
    n = layout.nature[0].tasks
    for i in range(state.sizes.size):
        line = layout.lines[i]
        for k in range(state.sizes[i]):
            slot = state.slots[i * n + k]
            start[slot.task] = tick_of_start(
                line, layout.spans, layout.buckets, slot.end - layout.ways[i * n + slot.task].work
            )
            end[slot.task] = tick_of_end(line, layout.spans, layout.buckets, slot.end)
