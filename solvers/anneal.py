"""The moves: a stretch of annealing over line sequences, compiled."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from solvers.compiling import compiled, inlined
from solvers.gaps import close_gap, draw, gap_setup
from solvers.layout import Array
from solvers.walk import (
    REFUSED,
    bound,
    change,
    compose,
    renew,
    tick_of_end,
    total_cost,
    walk,
)

LOGS = -np.log((np.arange(4096) + 0.5) / 4096)


class Search(NamedTuple):
    """What a search keeps beside its solution.

    Attributes:
        best, best_sizes: the best solution so far: tasks at i x n + k, and how many there are on each line.
        stale: [m] lines that have changed since the best was written down.
        cost: [0] of the solution as it is, [1] of the best.
        level: [m] what a line's last end weighs where the makespan counts.
        random: [1] state of the generator.
        movable, free: the tasks that may be moved, as a list and as marks.
        new, pieces, bounds: room to describe a change in.
        mix: what is tried: below [0] of a hundred a swap, below [1] a single task, else a block of 2 to [3]; [2] in a
            hundred insertions look at all lines; on the same line [5] in a hundred go at most [4] places away; of the
            others [8] in a hundred take the best of [9] gaps beside a close task, and up to [6] in a hundred, as on
            other lines, the gap with the least setup of 1 + [7] at random.
        close: what close_gap takes.
    """

    best: Array
    best_sizes: Array
    stale: npt.NDArray[np.bool_]
    cost: Array
    level: npt.NDArray[np.float64]
    random: npt.NDArray[np.uint64]
    movable: Array
    free: npt.NDArray[np.bool_]
    new: Array
    pieces: Array
    bounds: Array
    mix: Array
    close: Array


@compiled
def keep_best(search, state, n):
    """Write the solution down as the best so far: only the lines that changed since."""
    for i in range(search.best_sizes.size):
        if search.stale[i]:
            search.stale[i] = False
            size = state.sizes[i]
            search.best_sizes[i] = size
            for k in range(size):
                search.best[i * n + k] = state.slots[i * n + k].task
    search.cost[1] = search.cost[0]


@inlined
def guide(x, reference):
    """What a line's last end weighs: little below the makespan, steeply more towards it.

    The makespan alone says nothing of a move on any line but the last; this leads off its plateaus.
    """
    r = x / reference
    r2 = r * r
    r4 = r2 * r2
    return reference * r4 * r4


@compiled
def restore(layout, state, search):
    """Go back to the best solution."""
    n = layout.nature[0].tasks
    state.placed[0] = 0
    for i in range(search.best_sizes.size):
        state.sizes[i] = search.best_sizes[i]
        for k in range(search.best_sizes[i]):
            state.slots[i * n + k].task = search.best[i * n + k]
            state.placed[0] += layout.ways[i * n + search.best[i * n + k]].line_cost
        renew(layout, state, i, np.int64(0))
        search.stale[i] = False
    search.cost[0] = search.cost[1]


@compiled
def set_levels(layout, state, search, reference):
    """Weigh the last end of every line anew."""
    n = layout.nature[0].tasks
    for i in range(state.sizes.size):
        end = np.int64(0)
        if state.sizes[i] > 0:
            end = tick_of_end(
                layout.lines[i], layout.spans, layout.buckets, state.slots[i * n + state.sizes[i] - 1].end
            )
        search.level[i] = guide(np.float64(end), reference)


@compiled
def stretch(layout, state, search, logs, moves, hot, cold, reference):
    """Anneal for a number of moves, from temperature hot to cold."""
    random = search.random
    movable = search.movable
    free = search.free
    new, pieces, bounds = search.new, search.pieces, search.bounds
    slots, places, ways, jobs, lines, sizes = (
        state.slots,
        state.places,
        layout.ways,
        layout.jobs,
        layout.lines,
        state.sizes,
    )
    eligible = layout.eligible
    n = layout.nature[0].tasks
    makespan_weight = layout.nature[0].makespan_weight
    guided = makespan_weight > 0
    m = sizes.size
    mix = search.mix
    mix_swap, mix_single, mix_cross, mix_block, mix_near, mix_near_share, mix_guided, mix_tries = (
        mix[0],
        mix[1],
        mix[2],
        mix[3],
        mix[4],
        mix[5],
        mix[6],
        mix[7],
    )
    mix_close, mix_among = mix[8], mix[9]
    steps = max(1, moves // 128)
    temperature = hot
    ratio = (cold / hot) ** (1.0 / steps) if hot > 0 else 1.0
    count = movable.size
    for step in range(steps * 128):
        if step & 127 == 127:
            temperature *= ratio
        j = movable[(draw(random) * count) >> 31]
        a = np.int64(places[j].line)
        p = np.int64(places[j].position)
        at = a * n
        threshold = temperature * logs[draw(random) & 4095]
        kind = (draw(random) * 100) >> 31
        b = a
        keep_a = p
        keep_b = np.int64(0)
        moved_cost = np.int64(0)
        pieces_a, pieces_b = np.int64(3), np.int64(0)
        if kind < mix_swap:
            other = movable[(draw(random) * count) >> 31]
            b = np.int64(places[other].line)
            q = np.int64(places[other].position)
            if other == j:
                continue
            bt = b * n
            if a == b:
                if p > q:
                    p, q = q, p
                keep_a = p
                pieces[0], pieces[1] = at + q, at + q + 1
                pieces[2], pieces[3] = at + p + 1, at + q
                pieces[4], pieces[5] = at + p, at + p + 1
                pieces[6], pieces[7] = at + q + 1, at + sizes[a]
                pieces_a = 4
            else:
                if ways[bt + j].work < 0 or ways[at + other].work < 0:
                    continue
                pieces[0], pieces[1] = bt + q, bt + q + 1
                pieces[2], pieces[3] = at + p + 1, at + sizes[a]
                pieces[8], pieces[9] = at + p, at + p + 1
                pieces[10], pieces[11] = bt + q + 1, bt + sizes[b]
                pieces_a = pieces_b = 2
                keep_b = q
                moved_cost = (
                    ways[at + other].line_cost
                    + ways[bt + j].line_cost
                    - ways[at + j].line_cost
                    - ways[bt + other].line_cost
                )
        else:
            # block insertion
            length = np.int64(1)
            if kind >= mix_single:
                length = np.int64(2)
                while length < mix_block and (draw(random) & 3) > 0:
                    length += 1
            length = min(length, sizes[a] - p)
            if m > 1 and (draw(random) * 100) >> 31 < mix_cross:
                first = jobs[j].first_line
                b = np.int64(eligible[first + ((draw(random) * (jobs[j].last_line - first)) >> 31)])
            bt = b * n
            fits = True
            for k in range(length):
                t = slots[at + p + k].task
                if not free[t] or ways[bt + t].work < 0:
                    fits = False
                    break
            if not fits:
                continue
            if a == b:
                # target: gap g in fixed..size-length, other than p
                fixed = lines[a].fixed
                span = sizes[a] - length - fixed
                if span <= 0:
                    continue
                if (draw(random) * 100) >> 31 < mix_near_share:
                    d = 1 + ((draw(random) * mix_near) >> 31)
                    g = p - d if draw(random) & 1 else p + d
                    if g < fixed or g > sizes[a] - length:
                        continue
                else:
                    g = fixed + ((draw(random) * span) >> 31)
                    if g >= p:
                        g += 1
                    guidance = (draw(random) * 100) >> 31
                    if guidance < mix_close:
                        g = close_gap(layout, state, random, search.close, a, p, length, fixed, mix_among)
                        if g == p:
                            continue
                    elif guidance < mix_guided:
                        least = gap_setup(
                            layout, slots, a, at, g - 1 if g < p else g + length - 1, sizes[a], p, length
                        )
                        for _ in range(mix_tries):
                            h = fixed + ((draw(random) * span) >> 31)
                            if h >= p:
                                h += 1
                            ticks = gap_setup(
                                layout, slots, a, at, h - 1 if h < p else h + length - 1, sizes[a], p, length
                            )
                            if ticks < least:
                                least, g = ticks, h
                # exchange of two adjacent stretches: [lo, mid) and [mid, hi)
                lo, mid, hi = p, p + length, g + length
                if g < p:
                    lo, mid, hi = g, p, p + length
                keep_a = lo
                pieces[0], pieces[1] = at + mid, at + hi
                pieces[2], pieces[3] = at + lo, at + mid
                pieces[4], pieces[5] = at + hi, at + sizes[a]
            else:
                fixed, gaps = lines[b].fixed, sizes[b] - lines[b].fixed + 1
                q = fixed + ((draw(random) * gaps) >> 31)
                if (draw(random) * 100) >> 31 < mix_guided:
                    least = gap_setup(layout, slots, b, bt, q - 1, sizes[b], at + p - bt, length)
                    for _ in range(mix_tries):
                        h = fixed + ((draw(random) * gaps) >> 31)
                        ticks = gap_setup(layout, slots, b, bt, h - 1, sizes[b], at + p - bt, length)
                        if ticks < least:
                            least, q = ticks, h
                keep_b = q
                pieces[0], pieces[1] = at + p + length, at + sizes[a]
                pieces[8], pieces[9] = at + p, at + p + length
                pieces[10], pieces[11] = bt + q, bt + sizes[b]
                pieces_a, pieces_b = 1, 2
                for k in range(length):
                    t = slots[at + p + k].task
                    moved_cost += ways[bt + t].line_cost - ways[at + t].line_cost
        # evaluate
        rise = 0.0
        old = slots[at + sizes[a] - 1].cost
        if a != b and sizes[b] > 0:
            old += slots[b * n + sizes[b] - 1].cost
        limit = np.int64(threshold) + old - moved_cost
        sides = 1 if a == b else 2
        low = np.int64(0)
        if guided:
            limit = np.int64(REFUSED) - 1
        low_b = np.int64(0)
        for side in range(sides):
            low_b = bound(
                layout,
                state,
                b if side else a,
                keep_b if side else keep_a,
                pieces,
                4 * side,
                pieces_b if side else pieces_a,
                bounds,
            )
            low += low_b
        if low > limit:
            continue
        level_a = level_b = 0.0
        cost = np.int64(0)
        for side in range(sides):
            i = b if side else a
            here, end = walk(
                layout,
                state,
                i,
                keep_b if side else keep_a,
                pieces,
                4 * side,
                pieces_b if side else pieces_a,
                bounds,
                limit - cost - (low_b if sides - side == 2 else 0),
            )
            cost += here
            if cost > limit:
                break
            if guided:
                level = guide(np.float64(tick_of_end(lines[i], layout.spans, layout.buckets, end)), reference)
                rise += makespan_weight * (level - search.level[i])
                if side == 0:
                    level_a = level
                else:
                    level_b = level
        if cost > limit:
            continue
        delta = cost - old + moved_cost
        if guided:
            if rise + delta > threshold:
                continue
            search.level[a] = level_a
            if a != b:
                search.level[b] = level_b
        middle = compose(state, pieces, 0, pieces_a, new, 0)
        search.stale[a] = True
        if a != b:
            ends = compose(state, pieces, 4, pieces_b, new, middle)
            change(layout, state, a, keep_a, new, 0, middle)
            change(layout, state, b, keep_b, new, middle, ends)
            state.placed[0] += moved_cost
            search.stale[b] = True
        else:
            change(layout, state, a, keep_a, new, 0, middle)
        if guided:
            search.cost[0] = total_cost(layout, state)
        else:
            search.cost[0] += delta
        if search.cost[0] < search.cost[1]:
            keep_best(search, state, n)
    return steps * 128
