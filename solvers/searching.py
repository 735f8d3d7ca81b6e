"""The compiled search as the engine uses it: slices of moves between which the caller can turn to other requests."""

from collections.abc import Collection, Generator

from solvers.compiling import Compiled
from solvers.instance import Sequences

SLICE_MOVES = 40_000
"""Moves between two yields: about 10 ms on 200 runs. Fewer: the loop around costs as much as the moves; more: requests
wait for each other."""


def search(
    compiled: Compiled,
    start: Sequences,
    *,
    movable: Collection[int],
    moves: int,
    seed: int,
) -> Generator[None, None, Sequences]:
    """Warm local search; yields between slices, returns the best sequences it saw.

    Args:
        compiled: the problem.
        start: where it begins.
        movable: tasks that may be moved; the others only shift in time.
        moves: budget; the same gives the same answer.
        seed: of its chance.
    """
    from solvers.anneal import LOGS, new_search, stretch

    layout = compiled.instance.layout
    state, found = new_search(layout, start, seed, movable)
    if not found.movable.size:
        return start
    slices = max(1, round(moves / SLICE_MOVES))
    length = max(1, moves // slices)
    hot, cold = 20000.0, 200.0
    ratio = (cold / hot) ** (1.0 / slices)
    for number in range(slices):
        stretch(layout, state, found, LOGS, length, hot * ratio**number, hot * ratio ** (number + 1), 1.0)
        yield
    n = layout.jobs.size
    return [
        [int(task) for task in found.best[line * n : line * n + found.best_sizes[line]]]
        for line in range(layout.lines.size)
    ]
