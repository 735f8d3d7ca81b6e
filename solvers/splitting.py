"""Splits that bring an order in time: part of its run on another line at the same time, or part of a run before it later.

A split costs a setup more and a second thing to watch, so it is looked for only where an order is late, is as small as
it may be, and is offered only where the order is in time by it. Pieces are conserved: what the new run makes, the old
one does not. The evaluator decides; what is computed here is only where to look.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from solvers.evaluator import Evaluated, evaluate, pieces_of
from solvers.goals import Weights, worth
from solvers.line_walk import PlanInvalid
from solvers.problem import SPLIT_MARK, OrderKey, Plan, Problem, RunKey, Split

MINIMUM_LOT_SHARE = 0.1
"""Least part of what a run still makes, on either side of a split. Smaller, and a line is set up for a handful of
pieces; larger, and an order that lacks an hour of ten is not helped where little room is."""

MOST_CORRECTIONS = 3
"""How often a quantity is made larger when the first was too small: drifts that end and material make the first guess
inexact. Fewer lose splits that exist; more cost an evaluation each."""


@dataclass(frozen=True, eq=False)
class SplitFound:
    """A split that brings an order in time.

    Attributes:
        order: that is late without it and in time with it.
        kind: parallel: part of its own run on another line; in_time: part of a run before it after it.
        of: the run that is split; quantity_pcs: that the new run makes.
    """

    evaluated: Evaluated
    order: OrderKey
    kind: Literal["parallel", "in_time"]
    of: RunKey
    quantity_pcs: float


def best_split(base: Evaluated, order: OrderKey, weights: Weights) -> SplitFound | None:
    """The split that brings an order in time and is worth most; None where there is none.

    Args:
        base: a plan under which the order is late, evaluated.
        order: the order.
        weights: what splits are compared by; whether one is better than no split is for the caller to say.
    """
    return min(splits_of(base, order), key=lambda each: worth(each.evaluated, weights), default=None)


def splits_of(base: Evaluated, order: OrderKey) -> Iterator[SplitFound]:
    """Every split of one run that brings a late order in time, each at the smallest quantity that does.

    An order of which more than one run ends too late is not looked at: one split does not save it.
    """
    problem = base.problem
    outcome = base.orders[order]
    if outcome.slip_s <= 0.0 or outcome.ready_at is None:
        return
    facts = problem.orders[order]
    line_of = base.plan.line_of()
    late: list[tuple[RunKey, float]] = []
    for key in _runs_of(base.plan, problem, order):
        eligible = problem.eligible[_whole(base.plan, key)][line_of[key]]
        brought_s = eligible.transfer_s if eligible.site_id != facts.site_id else 0.0
        by = facts.on_time_slot - facts.loading_s - brought_s
        if base.end[key] > by:
            late.append((key, by))
    if len(late) != 1:
        return
    key, by = late[0]
    yield from _parallel(base, order, key, by, line_of[key])
    yield from _in_time(base, order, key, by, line_of[key])


def _parallel(base: Evaluated, order: OrderKey, key: RunKey, by: float, line: int) -> Iterator[SplitFound]:
    """Part of the run at any place of any other line that can make it."""
    problem, plan = base.problem, base.plan
    if not _can_be_split(problem, plan, key):
        return
    for other in problem.eligible[key]:
        if other == line or not problem.may_be_on(key, other):
            continue
        sequence = plan.sequences[other]
        for place in range(problem.pinned[other], len(sequence) + 1):

            def with_part(quantity: float, part: RunKey, other: int = other, place: int = place) -> Plan:
                before = plan.sequences[other]
                return replace(
                    plan.with_sequences({other: (*before[:place], part, *before[place:])}),
                    splits={**plan.splits, part: Split(key, quantity)},
                )

            found = _smallest(base, order, key, key, by, line, with_part)
            if found is not None:
                yield SplitFound(found[0], order, "parallel", key, found[1])


def _in_time(base: Evaluated, order: OrderKey, key: RunKey, by: float, line: int) -> Iterator[SplitFound]:
    """The last part of a run that is made before it, behind it."""
    problem, plan = base.problem, base.plan
    sequence = plan.sequences[line]
    place = sequence.index(key)
    if place + 1 < problem.pinned[line]:
        return
    for earlier in sequence[:place]:
        if not _can_be_split(problem, plan, earlier) or earlier in problem.runs_of[order]:
            continue

        def with_part(quantity: float, part: RunKey, earlier: RunKey = earlier) -> Plan:
            return replace(
                plan.with_sequences({line: (*sequence[: place + 1], part, *sequence[place + 1 :])}),
                splits={**plan.splits, part: Split(earlier, quantity)},
            )

        found = _smallest(base, order, earlier, key, by, line, with_part)
        if found is not None:
            yield SplitFound(found[0], order, "in_time", earlier, found[1])


def _smallest(
    base: Evaluated,
    order: OrderKey,
    split: RunKey,
    late: RunKey,
    by: float,
    line: int,
    with_part: Callable[[float, RunKey], Plan],
) -> tuple[Evaluated, float] | None:
    """The smallest part of a run that can go away for another (or the same) to end in time, evaluated."""
    problem = base.problem
    pieces = pieces_of(problem, base.plan, split)
    least = max(1.0, float(ceil(pieces * MINIMUM_LOT_SHARE)))
    part = _new_key(problem, base.plan, split)
    facts = problem.lines[line]
    per_piece_s = (
        3600.0 / problem.eligible[split][line].rate_pcs_per_h / facts.level * (1.0 + facts.short_share)
    )
    calendar = problem.working_time(line, base.plan)
    missing_s = calendar.work_between(by, base.end[late])
    quantity = max(least, float(ceil(missing_s / per_piece_s - 1e-6)))
    for _ in range(1 + MOST_CORRECTIONS):
        if pieces - quantity < least:
            return None
        try:
            found = evaluate(problem, with_part(quantity, part), base)
        except PlanInvalid:
            return None
        if found.orders[order].slip_s <= 0.0:
            return found, quantity
        missing_s = calendar.work_between(by, found.end[late])
        if missing_s <= 0.0:
            return None  # it is the new part that is late, and it grows only later
        quantity += max(1.0, float(ceil(missing_s / per_piece_s)))
    return None


def _can_be_split(problem: Problem, plan: Plan, key: RunKey) -> bool:
    """Runs that feed or are fed, or are parts themselves or have one, stay whole."""
    return (
        key in problem.runs
        and key not in problem.fed
        and key not in problem.feeders
        and all(each.of != key for each in plan.splits.values())
    )


def _whole(plan: Plan, key: RunKey) -> RunKey:
    split = plan.splits.get(key)
    return key if split is None else split.of


def _runs_of(plan: Plan, problem: Problem, order: OrderKey) -> list[RunKey]:
    """Runs and parts of runs that are for an order and on a line."""
    own = set(problem.runs_of[order])
    return [key for sequence in plan.sequences for key in sequence if _whole(plan, key) in own]


def _new_key(problem: Problem, plan: Plan, key: RunKey) -> RunKey:
    # No other site has a run of that name either: a part may be made there, and is a run of that site then.
    taken = {run_id for _, run_id in (*problem.runs, *plan.splits)}
    number = 1
    while f"{key[1]}{SPLIT_MARK}{number}" in taken:
        number += 1
    return key[0], f"{key[1]}{SPLIT_MARK}{number}"
