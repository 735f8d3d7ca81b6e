"""Gaps of a line that a block of tasks would fit into with little setup: chosen by lot among few, compiled."""

import numpy as np

from solvers.compiling import inlined

FAR = 2**40
"""Setup ticks of a gap that nobody takes."""


@inlined
def draw(random):
    """The next 31 random bits (xorshift)."""
    x = random[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    random[0] = x
    return np.int64(x >> np.uint64(33))


@inlined
def gap_setup(layout, slots, i, base, before, size, p, length):
    """How many setup ticks a block at slot base + p adds between `before` and the position after it."""
    jobs, setup, line = layout.jobs, layout.setup, layout.lines[i]
    first, last = jobs[slots[base + p].task].column, jobs[slots[base + p + length - 1].task].row
    row = line.table + (jobs[slots[base + before].task].row if before >= 0 else line.first_row)
    ticks = np.int64(setup[row + first])
    if before + 1 < size:
        after = jobs[slots[base + before + 1].task].column
        ticks += setup[line.table + last + after] - setup[row + after]
    return ticks


@inlined
def close_gap(layout, state, random, close, i, p, length, fixed, tries):
    """The best of some gaps beside a task that needs little setup before or behind the block; p where there is none.

    Gaps are counted without the block: g < p lies before slot g, g > p before slot g + length. `close` holds for each
    task those that need the least setup behind it, then as many that it needs the least behind.
    """
    slots, places = state.slots, state.places
    n = layout.nature[0].tasks
    base = i * n
    size = state.sizes[i]
    reach = close.size // (2 * n)
    best = p
    least = np.int64(FAR)
    for _ in range(tries):
        chosen = (draw(random) * reach) >> 31
        if draw(random) & 1:
            t = close[slots[base + p + length - 1].task * 2 * reach + chosen]
            at = np.int64(places[t].position)
        else:
            t = close[(slots[base + p].task * 2 + 1) * reach + chosen]
            at = np.int64(places[t].position) + 1
        inside = p < at < p + length
        g = at - length if at >= p + length else at
        if places[t].line == i and not inside and g != p and g >= fixed:
            before = g - 1 if g < p else g + length - 1
            ticks = gap_setup(layout, slots, i, base, before, size, p, length)
            if ticks < least:
                least, best = ticks, g
    return best
