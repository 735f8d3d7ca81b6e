"""After a search: moves that bring nothing are taken back, and starts go back to where they were committed.

A search shuffles what costs it nothing; people and suppliers have read the old plan. So runs return to their line and
place one by one where the plan gets no worse, and a run that keeps its place keeps its planned start unless an order
would ship later by it.
"""

from collections.abc import Callable, Iterator

from solvers.evaluator import Evaluated, evaluate
from solvers.goals import Weights, worth
from solvers.line_walk import PlanInvalid
from solvers.problem import Plan, Problem, RunKey

MOST_PLACED_AGAIN = 12
"""Moved runs up to which each place on their line is tried once more. More take longer than they are worth: among many
moves nobody misses the best of equals."""

MOST_TRIES = 300
"""Evaluations that taking moves back may take, and as many for starts of single runs: 0.1 s at 200 runs. With fewer,
needless moves stay in the plans of large plants; with more, a thousand runs wait seconds for their second repair."""

FIRST_WORK = 60_000
"""Tries times runs that a first answer may take: 60 tries of each kind at 1,000 runs, MOST_TRIES at 200, 0.1 s either way.
With less, the first repair that people see moves runs for nothing; with more, large plants wait for it."""

SAME = 1e-6
"""Money by which two plans may differ and be worth the same: sums of floats."""


def first_tries(problem: Problem) -> int:
    """Tries for an answer that people wait for; MOST_TRIES where the problem is small."""
    return min(MOST_TRIES, FIRST_WORK // max(1, len(problem.runs)))


def tidied(found: Evaluated, weights: Weights, tries: int = MOST_TRIES) -> Iterator[Evaluated]:
    """The plan with needless moves taken back and starts put back.

    Args:
        found: the plan.
        weights: what costs how much.
        tries: evaluations that moves may take, and as many that starts may take.

    Yields:
        Plans as it goes on; the last one is the answer.
    """
    for each in _moves_back(found, weights, tries):
        found = each
        yield found
    for each in _starts_back(found, tries):
        found = each
        yield found


def _moves_back(found: Evaluated, weights: Weights, most: int) -> Iterator[Evaluated]:
    problem = found.problem
    best = worth(found, weights)
    tries = 0

    def try_plan(sequences: dict[int, tuple[RunKey, ...]]) -> bool:
        nonlocal found, best, tries
        tries += 1
        after = _evaluated(problem, found.plan.with_sequences(sequences), found)
        if after is None:
            return False
        cost = worth(after, weights)
        if cost > best + SAME or (cost > best - SAME and len(after.moved) >= len(found.moved)):
            return False
        found, best = after, cost
        return True

    # Whole lines first: a line whose runs only changed places needs one try instead of one a run.
    for line, committed in enumerate(problem.committed):
        sequence = found.plan.sequences[line]
        if sequence == committed:
            continue
        place = {key: index for index, key in enumerate(committed)}
        stayed = iter(sorted((key for key in sequence if key in place), key=place.__getitem__))
        try_plan({line: tuple(next(stayed) if key in place else key for key in sequence)})
        yield found
    for key in found.moved:
        if key not in found.moved:
            continue
        if tries >= most:
            break
        changed = _taken_back(problem, found.plan, key)
        if changed is not None:
            try_plan(changed)
            yield found

    if len(found.moved) > MOST_PLACED_AGAIN:
        return
    for key in found.moved:
        line = next(index for index, sequence in enumerate(found.plan.sequences) if key in sequence)
        others = tuple(each for each in found.plan.sequences[line] if each != key)
        for at in range(problem.pinned[line], len(others) + 1):
            try_plan({line: (*others[:at], key, *others[at:])})
        yield found


def _taken_back(problem: Problem, plan: Plan, key: RunKey) -> dict[int, tuple[RunKey, ...]] | None:
    """The sequences that differ where one run is back on its line, behind the nearest run that was before it there."""
    home = problem.committed_line[key]
    if key in problem.must_leave:
        return None
    committed = problem.committed[home]
    line = next(index for index, sequence in enumerate(plan.sequences) if key in sequence)
    changed = {line: tuple(each for each in plan.sequences[line] if each != key)}
    there = changed.get(home, plan.sequences[home])
    at = 0
    for before in reversed(committed[: committed.index(key)]):
        if before in there:
            at = there.index(before) + 1
            break
    changed[home] = (*there[:at], key, *there[at:])
    return changed


def _starts_back(found: Evaluated, most: int) -> Iterator[Evaluated]:
    """Committed starts for all that keeps its place, as far as no order ships later by it, or is surer to."""
    problem = found.problem
    moved = set(found.moved)
    before = found.orders
    wanted: dict[RunKey, float] = {}
    for key, run in problem.runs.items():
        if run.state == "planned" and run.planned_start is not None and key not in moved and key in found.end:
            wanted[key] = run.planned_start

    def no_later(after: Evaluated | None) -> bool:
        return after is not None and all(
            outcome is found.orders[key]
            or (
                outcome.slip_s <= before[key].slip_s + 1e-3
                and outcome.days_at_risk <= before[key].days_at_risk + SAME
            )
            for key, outcome in after.orders.items()
        )

    def with_starts(keys: Callable[[RunKey], bool]) -> Evaluated | None:
        starts = dict(found.plan.starts)
        starts.update({key: start for key, start in wanted.items() if keys(key)})
        return _evaluated(problem, found.plan.with_starts(starts), found)

    everything = with_starts(lambda _: True)
    if everything is not None and no_later(everything):
        yield everything
        return
    tries = 0
    for sequence in found.plan.sequences:
        here = [key for key in sequence if key in wanted and found.plan.starts.get(key) != wanted[key]]
        if not here:
            continue
        whole = with_starts(set(here).__contains__)
        if whole is not None and no_later(whole):
            found = whole
            yield found
            continue
        # From the back: what starts late on a line hinders nobody before it.
        for key in reversed(here[: max(0, most - tries)]):
            tries += 1
            one = with_starts({key}.__contains__)
            if one is not None and no_later(one):
                found = one
            yield found


def _evaluated(problem: Problem, plan: Plan, base: Evaluated) -> Evaluated | None:
    try:
        return evaluate(problem, plan, base)
    except PlanInvalid:
        return None
