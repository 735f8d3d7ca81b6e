"""The best plan with hindsight: from what was made, never worse in money nor in weighted late hours.

The problem's committed plan is what was made (twin/ledger/hindsight.py). The engine's search goes first, then every run is tried
at every place, in a fixed order, as long as that helps. What comes out is judged by the same evaluator, and by the checker,
which shares no code with it. Deterministic: budgets are moves and plans.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.scheduling import SchedulingProblem
from solvers.checker import check_option
from solvers.evaluator import Evaluated, evaluate
from solvers.goals import weights_of
from solvers.options import option_of
from solvers.plan_arrays import compile_problem
from solvers.problem import Plan, Problem, RunKey, hold_plan
from solvers.repairing import searched

DEFAULT_PLANS = 3_000
"""Plans looked at one by one for one site's week, after the compiled search. Fewer: avoidable changeovers are missed; more:
a ledger of a large site takes long."""

SEARCHED_FROM_RUNS = 13
"""Runs from which the compiled search goes first. Below it, all places of all runs are tried soon enough one by one."""

Worth = tuple[float, float, int, float]
"""Money, weighted late hours, changeovers, seconds of setup: less is better, the first counts most."""


@dataclass(frozen=True, slots=True)
class Hindsight:
    """What was made, and what could have been.

    Attributes:
        made, best: under the same arithmetic; best is never worse in money nor in weighted late hours.
        violations: what the checker says of best; nothing where all is well.
        plans: that were looked at.
    """

    made: Evaluated
    best: Evaluated
    violations: list[str]
    plans: int


def best_with_hindsight(wire: SchedulingProblem, plans: int = DEFAULT_PLANS) -> Hindsight:
    """Search from what was made.

    Args:
        wire: a week's problem.
        plans: most plans to look at.

    Raises:
        ProblemInvalid: the problem cannot be.
    """
    problem = Problem(wire)
    made = evaluate(problem, hold_plan(problem))
    limit = worth_of(made)
    best, looked_at = made, 1
    for start in _beginnings(problem, made):
        looked_at += 1
        best = _better(best, start, limit)
    if len(problem.runs) >= SEARCHED_FROM_RUNS:
        best = _better(best, _searched(made, best), limit)
    best, looked_at = _downhill(problem, best, limit, looked_at, plans)
    best = _better(best, evaluate(problem, best.plan.with_starts({})), limit)
    option = option_of(made, best, "hold" if best is made else "resequence", f"{wire.problem_id}/best")
    return Hindsight(made, best, check_option(wire, option), looked_at)


def worth_of(found: Evaluated) -> Worth:
    """What a plan is judged by."""
    orders = found.problem.orders
    late_h = sum(each.slip_s * orders[key].weight for key, each in found.orders.items()) / 3600.0
    changeovers = sum(1 for line in found.lines for seconds in line.setup_s if seconds > 0.0)
    money = found.penalty + found.setup_cost + found.transfer_cost
    return (round(money, 2), round(late_h, 4), changeovers, round(found.setup_s, 1))


def _better(best: Evaluated, other: Evaluated, limit: Worth) -> Evaluated:
    """The better of two, where the other keeps within what was made."""
    worth = worth_of(other)
    if worth[0] > limit[0] or worth[1] > limit[1]:
        return best
    return other if worth < worth_of(best) else best


def _searched(made: Evaluated, best: Evaluated) -> Evaluated:
    """What the engine's search comes to on all lines, with as many moves as the problem allows."""
    wire = made.problem.wire
    weights = weights_of(wire.goal, wire.move_cost)
    compiled = compile_problem(made, best.plan, weights)
    everywhere = set(range(len(wire.lines)))
    found = best
    for step in searched(compiled, best, weights, everywhere, wire.move_budget, wire.seed):
        found = found if step is None else step
    return found


def _beginnings(problem: Problem, made: Evaluated) -> Iterator[Evaluated]:
    """Plans to begin from: what was made without its gaps, and its runs by the time that their goods are needed."""
    packed = made.plan.with_starts({})
    yield evaluate(problem, packed)
    due = {key: _needed_by(problem, key) for key in problem.runs}
    sequences = {}
    for index, sequence in enumerate(packed.sequences):
        head = [key for key in sequence if problem.runs[key].freedom == "started"]
        rest = [key for key in sequence if problem.runs[key].freedom != "started"]
        if not any(key in problem.fed or key in problem.feeders for key in rest):
            sequences[index] = (*head, *sorted(rest, key=lambda key: (due[key], key)))
    yield evaluate(problem, packed.with_sequences(sequences))


def _needed_by(problem: Problem, key: RunKey) -> float:
    orders = [problem.orders[peg.site_id, peg.order_id] for peg in problem.runs[key].pegs]
    return min((order.on_time_slot - order.loading_s for order in orders), default=problem.wire.horizon_end)


def _downhill(
    problem: Problem, best: Evaluated, limit: Worth, looked_at: int, plans: int
) -> tuple[Evaluated, int]:
    """Move one run at a time to the best of all its places, until no move helps or all plans are used."""
    keys = [key for key, run in problem.runs.items() if run.freedom != "started"]
    improved = True
    while improved and looked_at < plans:
        improved = False
        for key in keys:
            winner = best
            for plan in _places(problem, best.plan, key):
                if looked_at >= plans:
                    return winner, looked_at
                looked_at += 1
                winner = _better(winner, evaluate(problem, plan, best), limit)
            if winner is not best:
                best, improved = winner, True
    return best, looked_at


def _places(problem: Problem, plan: Plan, key: RunKey) -> Iterator[Plan]:
    """The plan with one run, or it and those of its family right behind it, at every other place of every line."""
    home = plan.line_of()[key]
    at = plan.sequences[home].index(key)
    if key in problem.fed or key in problem.feeders:
        return
    block = [key]
    for later in plan.sequences[home][at + 1 :]:
        run = problem.runs[later]
        if run.family != problem.runs[key].family or later in problem.fed or later in problem.feeders:
            break
        block.append(later)
    for moved in {1: [key], len(block): block}.values():
        rest = [each for each in plan.sequences[home] if each not in moved]
        for line in sorted(problem.eligible[key]):
            if any(line not in problem.eligible[each] for each in moved):
                continue
            target = rest if line == home else list(plan.sequences[line])
            first = sum(1 for each in target if problem.runs[each].freedom == "started")
            for place in range(first, len(target) + 1):
                if line == home and place == at:
                    continue
                changed = {home: tuple(rest), line: (*target[:place], *moved, *target[place:])}
                yield plan.with_sequences(changed)
