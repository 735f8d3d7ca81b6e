"""Repair: warm local search that grows from the lines that are hit until the plan meets the committed one again."""

from collections.abc import Iterator
from dataclasses import dataclass

from solvers.evaluator import Evaluated, evaluate
from solvers.goals import Weights, worth
from solvers.line_walk import PlanInvalid
from solvers.plan_arrays import Compiled, compile_problem
from solvers.problem import RunKey
from solvers.searching import search
from solvers.tidying import MOST_TRIES, first_tries, tidied

SHARES = (0.15, 0.25, 0.3)
"""Parts of the move budget for the hit lines, those that can take their runs, and all lines. The rest is for polish."""

FIRST_WORK = 75_000_000
"""Moves times runs of the first search at most: 75,000 moves at 1,000 runs, 0.1 s; 0.15 of the usual budget up to 500 runs.
With less, the first repair of a large plant is a poor one; with more, people wait for it longer than half a second."""

WORTH_GROWING = 0.02
"""Part of its gain that a larger neighbourhood must add to be kept: what moves far from the trouble must pay."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plan that a search came to, and how many moves that took."""

    found: Evaluated
    moves: int


def repaired(hold: Evaluated, first: Evaluated, weights: Weights) -> Iterator[Found | None]:
    """Ever better plans, None between them.

    Args:
        hold: the committed plan.
        first: the plan to begin from: hold with every run at a place.
        weights: what costs how much.
    """
    problem = hold.problem
    compiled = compile_problem(hold, first.plan, weights)
    yield None
    best, cost = first, worth(first, weights)
    began = worth(hold, weights)
    lines = concerned_lines(hold, first)
    tries = first_tries(problem)
    for share, among in zip(SHARES, _growing(hold, lines), strict=True):
        moves = int(share * problem.wire.move_budget)
        if tries < MOST_TRIES:
            moves = min(moves, FIRST_WORK // len(problem.runs))
        found = best
        for step in searched(compiled, best, weights, among, moves, problem.wire.seed, tries):
            if step is None:
                yield None
            else:
                found = step
        after = worth(found, weights)
        if after < cost - WORTH_GROWING * max(0.0, began - cost):
            best, cost = found, after
        yield Found(best, moves)
        if tries < MOST_TRIES:  # the first answer had to be quick: tidy it as the later ones
            tries = MOST_TRIES
            for each in tidied(best, weights):
                best = each
                yield None
            cost = worth(best, weights)
            yield Found(best, 0)


def searched(
    compiled: Compiled,
    start: Evaluated,
    weights: Weights,
    lines: set[int],
    moves: int,
    seed: int,
    tries: int = MOST_TRIES,
) -> Iterator[Evaluated | None]:
    """One search over what may move on some lines, tidied; None between steps, the plan last (if it has a meaning)."""
    problem = start.problem
    movable = [
        compiled.task_of[key]
        for line in sorted(lines)
        for key in start.plan.sequences[line][problem.pinned[line] :]
    ]
    sequences = compiled.sequences_of(start.plan)
    answer = sequences
    steps = search(compiled, sequences, movable=movable, moves=moves, seed=seed)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer = end.value
            break
        yield None
    try:
        found = evaluate(problem, compiled.plan_of(answer), start)
    except PlanInvalid:  # runs that feed each other across lines, in an order that can never be
        return
    for each in tidied(found, weights, tries):
        found = each
        yield None
    yield found


def concerned_lines(hold: Evaluated, first: Evaluated) -> set[int]:
    """Lines that are hit, those with runs of late orders, and those that got a run which had no place."""
    problem = hold.problem
    lines = {index for index, line in enumerate(problem.lines) if line.is_hit}
    for key, outcome in first.orders.items():
        if outcome.slip_s > 0.0:
            lines |= {index for run in problem.runs_of[key] for index in _lines_of(first, run)}
    lines |= {
        index
        for index, (before, after) in enumerate(zip(hold.plan.sequences, first.plan.sequences, strict=True))
        if before != after
    }
    return lines


def _lines_of(found: Evaluated, key: RunKey) -> list[int]:
    return [index for index, sequence in enumerate(found.plan.sequences) if key in sequence]


def _growing(hold: Evaluated, lines: set[int]) -> Iterator[set[int]]:
    """The lines that are hit, with those that can take their runs, all lines."""
    problem = hold.problem
    yield lines
    wider = set(lines)
    for line in lines:
        for key in problem.committed[line]:
            if key in problem.heads[line]:
                continue
            wider |= set(problem.eligible[key])
    yield wider
    yield set(range(len(problem.lines)))
