"""The first answer: runs that have to go somewhere are put where they cost least, one after the other.

Each place is tried on the exact evaluator, the most urgent run first: what is not planned yet, what a lock wants
elsewhere, and then what is late on the lines that are hit.
"""

from collections.abc import Iterator

from solvers.compiling import pinned_starts
from solvers.evaluator import Evaluated, evaluate
from solvers.goals import Weights, worth
from solvers.line_walk import PlanInvalid
from solvers.problem import Plan, Problem, RunKey


def homeless(problem: Problem) -> list[RunKey]:
    """Runs that need a place: on no line yet, or locked onto another one; the earliest promise first."""

    def promise(key: RunKey) -> float:
        orders = [problem.orders.get((peg.site_id, peg.order_id)) for peg in problem.runs[key].pegs]
        return min((order.on_time_slot for order in orders if order is not None), default=float("inf"))

    missing = [key for key in problem.runs if key not in problem.committed_line or key in problem.must_leave]
    return sorted(missing, key=lambda key: (promise(key), key))


def without(plan: Plan, keys: list[RunKey]) -> Plan:
    """The plan without some runs."""
    gone = set(keys)
    starts = {key: start for key, start in plan.starts.items() if key not in gone}
    changed = {
        line: tuple(key for key in sequence if key not in gone)
        for line, sequence in enumerate(plan.sequences)
        if not gone.isdisjoint(sequence)
    }
    return plan.with_sequences(changed).with_starts(starts)


def best_insert(
    found: Evaluated, key: RunKey, weights: Weights, lines: list[int] | None = None
) -> Iterator[Evaluated | None]:
    """Try a run, which is on no line, at every place that it may have; yields None now and then, the best one last."""
    problem, plan = found.problem, found.plan
    best: tuple[float, Evaluated] | None = None
    own = plan.splits[key].of if key in plan.splits else key
    home = problem.committed_line.get(own)
    for line in problem.eligible[own] if lines is None else lines:
        if own in problem.must_leave and line == home:
            continue
        sequence = plan.sequences[line]
        for place in range(problem.pinned[line], len(sequence) + 1):
            trial = plan.with_sequences({line: (*sequence[:place], key, *sequence[place:])})
            try:
                after = evaluate(problem, trial, found)
            except PlanInvalid:
                continue
            cost = worth(after, weights)
            if best is None or cost < best[0]:
                best = cost, after
        yield None
    if best is not None:
        yield best[1]


def first_plan(hold: Evaluated, weights: Weights) -> Iterator[Evaluated | None]:
    """The committed plan with every homeless run at its best place; yields None now and then, the answer last."""
    problem = hold.problem
    keys = homeless(problem)
    found = hold if not keys else evaluate(problem, without(hold.plan, keys), hold)
    for key in keys:
        for after in best_insert(found, key, weights):
            if after is None:
                yield None
            else:
                found = after
    yield found


def early(found: Evaluated) -> Evaluated:
    """The same sequences with every run that may move as early as it can be."""
    plan = found.plan
    return evaluate(
        found.problem, Plan(plan.sequences, pinned_starts(found.problem), plan.overtime, plan.splits), found
    )
