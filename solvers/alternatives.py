"""Other ways to go on than the repair: few moves, sequences only, overtime, splits, the other site, CP-SAT's windows.

Each is a short search under its own weights from a plan that is there already; the board judges all of them by the
request's goal and drops what another option beats in everything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

from schemas.plans import OptionLabel
from solvers.aside import aside
from solvers.board import Board
from solvers.evaluator import Evaluated, evaluate
from solvers.goals import Weights
from solvers.inserting import early, first_plan
from solvers.line_walk import PlanInvalid
from solvers.overtime import buy_overtime
from solvers.plan_arrays import compile_problem
from solvers.problem import Problem
from solvers.repairing import searched
from solvers.splitting import best_split
from solvers.tidying import tidied
from solvers.windows import WINDOW_LIMIT, polish
from solvers.working_time import length_of

SHARE = 0.08
"""Part of the move budget for each search."""

FEW_MOVES_FACTOR = 10.0
"""How much dearer a move is where few are wanted; LEAST_MOVE is what one costs at least then."""

LEAST_MOVE = 50.0

MOST_SPLITS = 3
"""Late orders for which a split is looked for, the dearest first. Each tries every place of every line that can help."""

WINDOWS = 2
"""Windows that CP-SAT solves. More belong to idle time."""

WINDOW_S_A_MOVE = 3e-7
"""Deterministic seconds of a window for each move of the budget, up to WINDOW_LIMIT: who asks for a quick answer gets no
second of CP-SAT. At the usual million moves 0.3 s each: after the compiled search longer windows found 0.15 points more
(`foresite bench disruptions`), and a full second each took the last revision beyond its 4 s on a busy machine."""

LEAST_WINDOW_S = 0.05
"""Below it CP-SAT gives back the plan that it was given."""


@dataclass(frozen=True, slots=True)
class Other:
    """An alternative: what kind of way it is, and the moves that it took."""

    label: OptionLabel
    found: Evaluated
    moves: int = 0


def alternatives(board: Board) -> Iterator[Other | None]:
    """Every alternative that has a meaning, None between steps; the board's best grows as they are taken."""
    hold = board.hold
    first = hold
    for step in first_plan(hold, board.weights):
        if step is None:
            yield None
        else:
            first = step
    yield from _overtime(board, first)
    yield from _few_moves(board, first)
    yield from _resequenced(board, first)
    yield from _split(board, first)
    yield from _other_site(board, first)
    yield from _windows(board)
    yield from _overtime(board, board.best)


def label_of(found: Evaluated) -> OptionLabel:
    """What kind of way a plan is, by the most that it asks for."""
    problem, plan = found.problem, found.plan
    if plan.splits:
        return "split"
    if plan.overtime:
        return "overtime"
    line_of = plan.line_of()
    away = [key for key in found.moved if line_of[key] != problem.committed_line[key]]
    if any(problem.lines[line_of[key]].site_id != key[0] for key in away):
        return "other_site"
    return "reroute" if away else "resequence"


def _budget(problem: Problem) -> int:
    return int(SHARE * problem.wire.move_budget)


def _searched(
    board: Board, start: Evaluated, weights: Weights, seed: int, *, lines_stay: bool = False
) -> Iterator[Other | None]:
    """A search over all lines under weights, from a plan."""
    problem = board.hold.problem
    compiled = compile_problem(board.hold, start.plan, weights, lines_stay=lines_stay)
    yield None
    lines = set(range(len(problem.lines)))
    moves = _budget(problem)
    for step in searched(compiled, start, weights, lines, moves, seed):
        yield None if step is None else Other(label_of(step), step, moves)


def _few_moves(board: Board, first: Evaluated) -> Iterator[Other | None]:
    dear = replace(board.weights, move=max(LEAST_MOVE, board.weights.move * FEW_MOVES_FACTOR))
    yield from _searched(board, first, dear, board.hold.problem.wire.seed + 1)


def _resequenced(board: Board, first: Evaluated) -> Iterator[Other | None]:
    yield from _searched(board, first, board.weights, board.hold.problem.wire.seed + 2, lines_stay=True)


def _other_site(board: Board, first: Evaluated) -> Iterator[Other | None]:
    """As if bringing goods cost nothing: what another site could do. The board counts what it costs."""
    problem = board.hold.problem
    if len({line.site_id for line in problem.lines}) < 2:
        return
    cheap = replace(board.weights, transfer=0.0)
    yield from _searched(board, first, cheap, problem.wire.seed + 3)


def _overtime(board: Board, start: Evaluated) -> Iterator[Other | None]:
    """Overtime on the plan as it is, and as early as its sequences can be."""
    problem = board.hold.problem
    for plan in (start.plan, early(start).plan):
        decision = yield from aside(partial(buy_overtime, problem, plan, seed=problem.wire.seed))
        if decision is None:
            continue
        found = _in_whole_seconds(decision.evaluated)
        for step in tidied(found, board.weights):
            found = step
            yield None
        yield Other(label_of(found), found)


def _in_whole_seconds(found: Evaluated) -> Evaluated:
    """Hours up to the next second, and one more: a plan that hangs on microseconds would miss its truck on the wire."""
    problem, bought = found.problem, {}
    for window, hours in found.plan.overtime.items():
        most = length_of(problem.window(window)[2]) / 3600.0
        bought[window] = min(most, (ceil(hours * 3600.0) + 1) / 3600.0)
    return evaluate(problem, replace(found.plan, overtime=bought), found)


def _windows(board: Board) -> Iterator[Other | None]:
    """CP-SAT on windows of the best plan so far."""
    problem = board.hold.problem
    limit = min(WINDOW_LIMIT, WINDOW_S_A_MOVE * problem.wire.move_budget)
    if limit < LEAST_WINDOW_S:
        return
    best = board.best
    compiled = compile_problem(board.hold, best.plan, board.weights)
    yield None
    if best is board.hold and problem.must_leave:
        return
    before = compiled.sequences_of(best.plan)
    seed = problem.wire.seed
    solve = partial(polish, compiled.instance, before, seed=seed, rounds=WINDOWS, deterministic_limit=limit)
    sequences = yield from aside(solve)
    if sequences == before:
        return
    try:
        found = evaluate(problem, compiled.plan_of(sequences), best)
    except PlanInvalid:
        return
    for step in tidied(found, board.weights):
        found = step
        yield None
    yield Other("repair" if label_of(found) not in ("split", "overtime") else label_of(found), found)


def _split(board: Board, first: Evaluated) -> Iterator[Other | None]:
    """Part of a run elsewhere or later, where an order is in time by it; the dearest late orders only."""
    late = sorted(
        (key for key, outcome in first.orders.items() if outcome.slip_s > 0.0),
        key=lambda key: (-board.weights.day_late(first.problem.orders[key]), -first.orders[key].slip_s, key),
    )
    if first.plan.splits:
        return
    for order in late[:MOST_SPLITS]:
        split = yield from aside(partial(best_split, first, order, board.weights))
        if split is not None:
            found = split.evaluated
            for step in tidied(found, board.weights):
                found = step
                yield None
            yield Other("split", found)
