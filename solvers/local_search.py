"""The engine of the plan: annealing over line sequences, from a plan to a better one.

`improve` is a function of its arguments: the same instance, sequences, seed and number of moves give the same plan on
any machine. Wall time and cancellation only cut it short, between chunks of moves, and then it returns the best so far.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from solvers.anneal import LOGS, Search, keep_best, restore, set_levels, stretch
from solvers.construct import best_insert, evaluate, loaded
from solvers.instance import Instance, Sequences
from solvers.layout import Array
from solvers.walk import State, makespan, total_cost

Guard = Callable[[], bool]
"""Asked between chunks: true once the search has to end."""

CHUNK_MOVES = 65_536
"""Moves between two looks at the guards, 5 to 30 ms. Larger, and a superseded search is noticed late; smaller, and the
calls into the kernel begin to count."""


REPEATS = 10
"""Rounds of annealing after the first, of equal length, each from the best so far. One long round finds worse plans with
the same moves (wtsds, 10 M moves: median gap 0.88 % with one, 0.35 % with four, 0.3 % with ten); too many, and none is
long enough to leave the valley it began in."""

SCOUT = (0.04, 0.3, 0.03)
HOT = ((1.0 - 0.04) / REPEATS, 0.4, 0.02)
COLD = ((1.0 - 0.04) / REPEATS, 0.1, 0.0001)
"""Rounds: share of the budget, first and last temperature in units of what a task costs. The scout finds the scale. Hotter,
and the time goes into solutions that nobody wants; colder, and the search stays where it began. Setups make valleys that
only HOT rounds leave, and one COLD round at the end settles what is left; without setups there are none, and small
differences decide (wt100, 3 M moves: mean gap 0.13 % with HOT rounds, 0.00 % with COLD ones)."""

MIX_PLAIN = (30, 60, 60, 6, 8, 30, 80, 4, 0, 0)
MIX_FAMILIES = (20, 30, 60, 25, 8, 15, 90, 10, 0, 0)
MIX_SETUPS = (20, 30, 60, 25, 8, 15, 90, 10, 60, 3)
"""The kinds of moves (`Search.mix`): for everything; for long lines with setups and without makespan; and for those where
most tasks have setups of their own, so that a few are close to each and many are not. On such lines a plan
is nearly a tour, and what leaves its valleys is a long block carried to where both ends fit: more and longer blocks,
and ten further gaps looked at instead of four, for a third to a half more time a move (wtsds 1-20, 2 s: median gap
3 % instead of 7 %). Elsewhere it is worse: factories with ten runs a line end 0.1 to 7 % dearer, upmsp_sdst at 7 %
instead of 4 %."""

REACH = 12
"""Close tasks that are known of each task, in both directions. Fewer: a block finds the same few places again; more: they
are not close."""

LONG_LINE = 30
"""Tasks a line from which MIX_SETUPS is used. Between ten (worse) and sixty (better) nothing was measured."""

MIN_UNIT = 1e-3
"""Of a plan that costs nothing: any temperature will do, but not none."""

MAKESPAN_UNIT = 1.0
"""The unit of temperature where only the makespan counts, as a part of it."""


@dataclass(frozen=True, slots=True)
class Solution:
    """What a search found.

    Attributes:
        sequences: one list of tasks per line.
        cost: the objective.
        moves: how many were tried; fewer than asked for where a guard ended it.
    """

    sequences: Sequences
    cost: int
    moves: int


def improve(
    instance: Instance,
    sequences: Sequences,
    *,
    seed: int,
    moves: int,
    deadline: Guard | None = None,
    cancelled: Guard | None = None,
    movable: Iterable[int] | None = None,
) -> Solution:
    """A solution that is no worse than the given one.

    Args:
        instance: the problem.
        sequences: where to begin. Tasks that are nowhere stay nowhere.
        seed: of the generator.
        moves: budget; the schedule is spread over it.
        deadline: true once time is over. It only guards: give as many moves as the time allows.
        cancelled: true once nobody wants the answer any more.
        movable: tasks that may be moved; all others keep line and order, though not their times. Without it all that
            are not fixed.

    Raises:
        InstanceInvalid: the sequences are no solution of the instance.
    """
    state = loaded(instance, sequences)
    search = new_search(instance, state, seed, movable)
    if not search.movable.size:
        return Solution([list(sequence) for sequence in sequences], int(search.cost[1]), 0)
    guards = [guard for guard in (deadline, cancelled) if guard is not None]
    done = 0
    rounds = [SCOUT, *[HOT if _has_setups(instance) else COLD] * (REPEATS - 1), COLD]
    for at_round, (share, hot, cold) in enumerate(rounds):
        budget = int(moves * share) if at_round < REPEATS else moves - done
        restore(instance.layout, state, search)
        reference, unit = _scale(instance, int(search.cost[1]), state)
        set_levels(instance.layout, state, search, reference)
        made = 0
        while made < budget and done < moves:
            if any(guard() for guard in guards):
                return _solution(search, instance, done)
            chunk = min(CHUNK_MOVES, budget - made)
            start, end = (unit * hot * (cold / hot) ** min(1.0, at / budget) for at in (made, made + chunk))
            tried = stretch(instance.layout, state, search, LOGS, chunk, start, end, reference)
            made += tried
            done += tried
    return _solution(search, instance, done)


def _has_setups(instance: Instance) -> bool:
    return bool(instance.setup.any()) or bool((instance.task_setup > 0).any())


def _solution(search: Search, instance: Instance, moves: int) -> Solution:
    n = instance.tasks
    best = [
        search.best[line * n : line * n + int(size)].tolist() for line, size in enumerate(search.best_sizes)
    ]
    return Solution(best, int(search.cost[1]), moves)


def _scale(instance: Instance, cost: int, state: State) -> tuple[float, float]:
    """The makespan as it is, and the unit of temperature.

    The unit lies between what a task costs on average and what a late task costs on average: where few are late, the
    first says nothing of a move that makes one more late, and the second would melt the whole plan.
    """
    last = float(makespan(instance.layout, state))
    by_makespan = instance.makespan_weight * last
    placed = np.flatnonzero(state.places["line"] >= 0)
    line, position = state.places["line"][placed].astype(np.int64), state.places["position"][placed]
    ends = state.slots["end"][line * instance.tasks + position]
    late = int((ends > instance.layout.ways["free"][line * instance.tasks + placed]).sum())
    by_task = (cost - by_makespan) / (placed.size * max(late, 1)) ** 0.5
    return max(last, 1.0), max(by_task + by_makespan * MAKESPAN_UNIT, MIN_UNIT)


def warm_up() -> None:
    """Compile everything, or take it from the cache: seconds the first time, a fraction of one later."""
    instance = Instance.build([[1, 2], [2, 1]], due=[1, 1], weight=[1, 1])
    evaluate(instance, [[0], [1]])
    improve(instance, best_insert(instance, [[], []]), seed=0, moves=1)


def new_search(instance: Instance, state: State, seed: int, movable: Iterable[int] | None) -> Search:
    """A search that begins at a loaded state.

    Raises:
        IndexError: a movable task is none of the instance's.
    """
    m, n = instance.lines, instance.tasks
    free = (state.places["line"] >= 0) & (
        state.places["position"] >= instance.layout.lines["fixed"][np.maximum(state.places["line"], 0)]
    )
    if movable is not None:
        chosen = np.zeros(n, np.bool_)
        chosen[list(movable)] = True
        free &= chosen
    cost = int(total_cost(instance.layout, state))
    is_tour = _has_setups(instance) and not instance.makespan_weight and n >= LONG_LINE * m
    mix = MIX_PLAIN if not is_tour else MIX_FAMILIES if 2 * instance.families < n else MIX_SETUPS
    search = Search(
        best=np.zeros(m * n, np.int64),
        best_sizes=np.zeros(m, np.int64),
        stale=np.ones(m, np.bool_),
        cost=np.array([cost, cost], np.int64),
        level=np.zeros(m, np.float64),
        random=np.array([_scrambled(seed)], np.uint64),
        movable=np.flatnonzero(free).astype(np.int64),
        free=free,
        new=np.zeros(2 * n, np.int64),
        pieces=np.zeros(16, np.int64),
        bounds=np.zeros(8, np.int64),
        mix=np.array(mix, np.int64),
        close=_close(instance) if mix is MIX_SETUPS else np.zeros(0, np.int64),
    )
    keep_best(search, state, n)
    return search


def _close(instance: Instance) -> Array:
    """Of each task those that need the least setup behind it, on average over the lines, then those before it."""
    layout, n = instance.layout, instance.tasks
    columns = layout.setup.size // (instance.lines * (instance.families + 1))
    mean = layout.setup.reshape(instance.lines, -1, columns).mean(axis=0)
    between = mean[np.ix_(instance.family, layout.jobs["column"])]
    np.fill_diagonal(between, np.inf)
    reach = min(REACH, n - 1)
    behind = np.argsort(between, axis=1, kind="stable")[:, :reach]
    before = np.argsort(between, axis=0, kind="stable")[:reach].T
    return np.concatenate([behind, before], axis=1).astype(np.int64).reshape(-1)


def _scrambled(seed: int) -> int:
    """A start for the generator, never 0, unlike for neighbouring seeds (splitmix64)."""
    mask = 2**64 - 1
    x = (seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return (x ^ (x >> 31)) | 1
