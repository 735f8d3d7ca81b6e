"""The compiled search as the engine uses it: slices of moves between which the caller can turn to other requests."""

from collections.abc import Collection, Generator

from solvers.anneal import LOGS, stretch
from solvers.construct import loaded
from solvers.instance import Sequences
from solvers.local_search import new_search
from solvers.plan_arrays import Compiled

SLICE_MOVES = 40_000
"""Moves between two yields: about 10 ms on 200 runs. Fewer: the loop around costs as much as the moves; more: requests
wait for each other."""

COOLED = 0.01
"""Temperature at the end of a search over that at its beginning, as in solvers/local_search.py."""


def search(
    compiled: Compiled,
    start: Sequences,
    *,
    movable: Collection[int],
    moves: int,
    seed: int,
) -> Generator[None, None, Sequences]:
    """Warm local search, as `improve` of solvers/local_search.py, in slices.

    Args:
        compiled: the problem.
        start: where it begins.
        movable: tasks that may be moved; the others only shift in time.
        moves: budget; the same gives the same answer.
        seed: of its chance.

    Yields:
        None between slices.

    Returns:
        The best sequences it saw, never worse than where it began.
    """
    instance = compiled.instance
    state = loaded(instance, start)
    found = new_search(instance, state, seed, movable)
    if not found.movable.size or moves <= 0:
        return start
    hot = max(1.0, float(found.cost[1]) / instance.tasks)
    done = 0
    while done < moves:
        length = min(SLICE_MOVES, moves - done)
        begin, end = (hot * COOLED ** (at / moves) for at in (done, done + length))
        done += max(length, stretch(instance.layout, state, found, LOGS, length, begin, end, 1.0))
        yield
    n = instance.tasks
    return [
        found.best[line * n : line * n + int(size)].tolist() for line, size in enumerate(found.best_sizes)
    ]
