"""Other ways to go on than the repair: few moves, sequences only, overtime, splits, the other site, CP-SAT's windows.

Each is a short search under its own weights from a plan that is there already; the board judges all of them by the
request's goal and drops what another option beats in everything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from schemas.plans import OptionLabel
from solvers.board import Board
from solvers.compiling import compile_problem
from solvers.evaluator import Evaluated, evaluate
from solvers.goals import Weights, worth
from solvers.inserting import best_insert, early, first_plan
from solvers.line_walk import PlanInvalid, pieces_of
from solvers.problem import SPLIT_MARK, Problem, RunKey, Split
from solvers.repairing import searched
from solvers.tidying import tidied
from solvers.working_time import length_of

SHARE = 0.08
"""Part of the move budget for each search."""

FEW_MOVES_FACTOR = 10.0
"""How much dearer a move is where few are wanted; LEAST_MOVE is what one costs at least then."""

LEAST_MOVE = 50.0

MOST_SPLITS = 3
"""Late orders for which a split is tried. Each tries every line at three sizes."""

SPLIT_PARTS = (0.25, 0.5, 0.75)
"""Parts of a run that are tried on another line."""

LEAST_SPLIT_PCS = 2.0


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
    # WINDOWS yield from _windows(board)
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
    from solvers.overtime import buy_overtime

    problem = board.hold.problem
    for plan in (start.plan, early(start).plan):
        decision = buy_overtime(problem, plan, seed=problem.wire.seed)
        yield None
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
    from solvers.windows import polish

    problem = board.hold.problem
    best = board.best
    compiled = compile_problem(board.hold, best.plan, board.weights)
    yield None
    if best is board.hold and problem.must_leave:
        return
    sequences = polish(compiled.instance, compiled.sequences_of(best.plan), seed=problem.wire.seed, rounds=2)
    yield None
    if sequences is None:
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
    """Part of a late order's run on another line, at the best place there."""
    problem = board.hold.problem
    late = sorted(
        (key for key, outcome in first.orders.items() if outcome.slip_s > 0.0),
        key=lambda key: (-first.orders[key].penalty, -first.orders[key].slip_s, key),
    )
    for order in late[:MOST_SPLITS]:
        ends = [(first.end[key], key) for key in problem.runs_of[order] if key in first.end]
        if not ends:
            continue
        key = max(ends)[1]
        best: Evaluated | None = None
        for found in _parts(board, first, key):
            if found is None:
                yield None
            elif best is None or worth(found, board.weights) < worth(best, board.weights):
                best = found
        if best is not None:
            yield Other("split", best)


def _parts(board: Board, first: Evaluated, key: RunKey) -> Iterator[Evaluated | None]:
    problem = board.hold.problem
    line = next(index for index, sequence in enumerate(first.plan.sequences) if key in sequence)
    home = problem.committed_line.get(key) if key in problem.must_leave else line
    others = [index for index in problem.eligible[key] if index not in (line, home)]
    pieces = pieces_of(problem, first.plan, key)
    if not others or key in problem.fed or key in problem.feeders or first.plan.splits:
        return
    for part in SPLIT_PARTS:
        quantity = float(int(pieces * part))
        if quantity < LEAST_SPLIT_PCS or pieces - quantity < LEAST_SPLIT_PCS:
            continue
        new = (key[0], f"{key[1]}{SPLIT_MARK}1")
        if new in problem.runs:
            return
        plan = replace(first.plan, splits={new: Split(key, quantity)})
        base = evaluate(problem, plan)
        for found in best_insert(base, new, board.weights, others):
            if found is None:
                yield None
                continue
            for step in tidied(found, board.weights):
                found = step
                yield None
            yield found
