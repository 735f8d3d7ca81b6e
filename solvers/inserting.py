"""The first answer: runs that have to go somewhere are put where they cost least, one after the other.

The most urgent run first: what is not planned yet, and what a lock wants elsewhere.
"""

from collections.abc import Iterator

from solvers.construct import insertions
from solvers.evaluator import Evaluated, evaluate
from solvers.goals import Weights, worth
from solvers.line_walk import PlanInvalid
from solvers.plan_arrays import compile_problem, pinned_starts
from solvers.problem import Plan, Problem, RunKey

TRIED_EXACTLY = 8
"""Places that the exact evaluator looks at, the best by the arrays first. Fewer: whole minutes may hide the best one;
more: a millisecond for three."""


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


def best_insert(found: Evaluated, key: RunKey, weights: Weights) -> Iterator[Evaluated | None]:
    """A run, which is on no line or has to leave its own, at its best place; yields None now and then, the answer last.

    Places are ranked by the kernel's arrays; the first few are evaluated exactly.
    """
    problem, plan = found.problem, without(found.plan, [key])
    compiled = compile_problem(found, plan, weights)
    yield None
    placed = compiled.sequences_of(plan)  # without those that have to leave, too
    ranked = insertions(compiled.instance, placed, compiled.task_of[key])
    best: tuple[float, Evaluated] | None = None
    tried = 0
    for each in ranked:
        sequence = plan.sequences[each.line]
        after_it = placed[each.line][each.position :][:1]
        at = sequence.index(compiled.keys[after_it[0]]) if after_it else len(sequence)
        trial = plan.with_sequences({each.line: (*sequence[:at], key, *sequence[at:])})
        try:
            after = evaluate(problem, trial, found)
        except PlanInvalid:  # before a run that feeds it
            continue
        cost = worth(after, weights)
        if best is None or cost < best[0]:
            best = cost, after
        tried += 1
        if tried == TRIED_EXACTLY:
            break
    yield None if best is None else best[1]


def first_plan(hold: Evaluated, weights: Weights) -> Iterator[Evaluated | None]:
    """The committed plan with every homeless run at its best place; yields None now and then, the answer last."""
    problem = hold.problem
    keys = homeless(problem)
    # What feeds another run stays until it has a place: that one would wait for ever.
    away = [key for key in keys if key not in problem.fed]
    found = hold if not away else evaluate(problem, without(hold.plan, away), hold)
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
