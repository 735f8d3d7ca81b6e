"""A quote: where a quantity could go, every place ranked, with what each costs whom.

The problem carries what is quoted as runs without a line, for an order of its own. Every line and position is
evaluated exactly (of very many those that the kernel finds cheapest) and ranked, in money: what everybody
pays for being late, the new order included, setups, transfers. Of equally dear places the one with fewer minutes of
changeover comes first, then the earlier one. So a rush order goes where its family runs anyway, if that costs nobody.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from schemas import ProblemInvalid
from schemas.plans import Quote, QuotePosition
from solvers.construct import insertions
from solvers.evaluator import Evaluated, evaluate
from solvers.goals import NOMINAL_PENALTY_PER_DAY, WEIGHTS
from solvers.line_walk import PlanInvalid
from solvers.option_words import Words
from solvers.outcomes import DAY_S
from solvers.plan_arrays import compile_problem
from solvers.problem import OrderKey, Problem, RunKey, hold_plan

MOST_EXACT = 250
"""Places that are evaluated exactly, the cheapest by the arrays. Fewer: their whole minutes may leave the best one out;
more: half a millisecond each. 200 orders on 20 lines have about 120 for one item."""

MOST_WORDED = 20
"""Places that say in words whom they harm. Each takes a millisecond, and nobody reads on."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A place, evaluated."""

    line: int
    position: int
    found: Evaluated
    added_cost: float
    added_setup_s: float


def quote(problem: Problem, item_id: str, quantity_pcs: float, due: datetime) -> Quote:
    """Rank the places of what is quoted.

    Args:
        problem: with the quoted run on no line, pegged to an order of its own; where the item has several steps, one
            run a step, each fed by the one before it.
        item_id: what is quoted; with the quantity and the due date it names the run among others without a line.
        quantity_pcs: how much.
        due: by when.

    Returns:
        The places, cheapest first; `compared` says how many there were.

    Raises:
        ProblemInvalid: no such run waits for a place.
    """
    key = _quoted_run(problem, item_id, quantity_pcs, due)
    own = _order_of(problem, key)
    base = _with_steps(problem, key)
    tried = _tried(base, key, own)
    words = {index: Words(base, each.found).sacrifices() for index, each in enumerate(tried[0][:MOST_WORDED])}
    return Quote(
        item_id=item_id,
        quantity_pcs=quantity_pcs,
        due_at=due,
        positions=[
            _position(each, key, own, base, index, words.get(index)) for index, each in enumerate(tried[0])
        ],
        compared=tried[1],
    )


def _quoted_run(problem: Problem, item_id: str, quantity_pcs: float, due: datetime) -> RunKey:
    """The last step of what is quoted."""
    waiting = [
        key
        for key, run in problem.runs.items()
        if run.line_id is None and run.item_id == item_id and run.pegs and run.quantity_pcs == quantity_pcs
    ]
    promised = [key for key in waiting if problem.orders[_order_of(problem, key)].promised == due.timestamp()]
    found = promised or waiting
    if not found:
        raise ProblemInvalid(
            f"problem {problem.wire.problem_id}: no run of {quantity_pcs:g} {item_id} waits for a place"
        )
    return found[-1]


def _order_of(problem: Problem, key: RunKey) -> OrderKey:
    for peg in problem.runs[key].pegs:
        if (peg.site_id, peg.order_id) in problem.orders:
            return peg.site_id, peg.order_id
    raise ProblemInvalid(f"run {key[0]}/{key[1]}: it is pegged to no order of the problem")


def _with_steps(problem: Problem, last: RunKey) -> Evaluated:
    """The committed plan with the earlier steps of what is quoted, each where it ends first at the least cost."""
    found = evaluate(problem, hold_plan(problem))
    steps: list[RunKey] = []
    waiting = [last]
    while waiting:
        feeders = [
            each for each in problem.feeders.get(waiting.pop(), ()) if each not in problem.committed_line
        ]
        steps = [*feeders, *steps]
        waiting += feeders
    for step in dict.fromkeys(steps):
        places = _tried(found, step, None)[0]
        if not places:
            raise ProblemInvalid(f"run {step[0]}/{step[1]}: it has no place on any line")
        found = min(places, key=lambda each: (each.added_cost, each.found.end[step])).found
    return found


def _tried(base: Evaluated, key: RunKey, own: OrderKey | None) -> tuple[list[_Tried], int]:
    """The cheapest places of a run, evaluated exactly and ranked by that; and how many places there are."""
    problem, plan = base.problem, base.plan
    places = [
        (line, position)
        for line in problem.eligible[key]
        if problem.may_be_on(key, line)
        for position in range(problem.pinned[line], len(plan.sequences[line]) + 1)
    ]
    cost_before = _cost(base, without=own)
    tried: list[_Tried] = []
    for line, position in places if len(places) <= MOST_EXACT else _cheapest(base, key):
        sequence = plan.sequences[line]
        trial = plan.with_sequences({line: (*sequence[:position], key, *sequence[position:])})
        try:
            found = evaluate(problem, trial, base)
        except PlanInvalid:  # a step before the one that feeds it
            continue
        tried.append(
            _Tried(
                line,
                position,
                found,
                round(_cost(found) - cost_before, 2),
                found.setup_s - base.setup_s,
            )
        )
    tried.sort(
        key=lambda each: (
            each.added_cost,
            round(each.added_setup_s),
            each.found.end[key],
            each.line,
            each.position,
        )
    )
    return tried, len(places)


def _cheapest(base: Evaluated, key: RunKey) -> list[tuple[int, int]]:
    """The places that are worth an exact look: the cheapest by the kernel's arrays."""
    compiled = compile_problem(base, base.plan, WEIGHTS["cost"])
    ranked = insertions(compiled.instance, compiled.sequences_of(base.plan), compiled.task_of[key])
    return [(each.line, each.position) for each in ranked[:MOST_EXACT]]


def _cost(found: Evaluated, *, without: OrderKey | None = None) -> float:
    """Money that a plan costs everybody; a started day late without an agreed penalty counts the nominal one."""
    late = 0.0
    for key, outcome in found.orders.items():
        if outcome.slip_s > 0.0 and key != without and outcome.ready_at is not None:
            rate = found.problem.orders[key].penalty_per_day
            per_day = NOMINAL_PENALTY_PER_DAY if rate is None else rate
            late += per_day * ceil(outcome.slip_s / DAY_S - 1e-9)
    return late + found.setup_cost + found.overtime_cost + found.transfer_cost


def _position(
    tried: _Tried, key: RunKey, own: OrderKey, base: Evaluated, index: int, harmed: list[str] | None
) -> QuotePosition:
    problem, found = base.problem, tried.found
    line, outcome = problem.lines[tried.line], found.orders[own]
    if harmed is None:
        count = sum(1 for each, after in found.orders.items() if after.slip_s > base.orders[each].slip_s)
        harmed = [f"{count} orders get later"] if count > 1 else ["1 order gets later"] if count else []
    return QuotePosition(
        rank=index + 1,
        site_id=line.site_id,
        line_id=line.line_id,
        position=tried.position,
        after_run_id=base.plan.sequences[tried.line][tried.position - 1][1] if tried.position else None,
        start_at=_moment(found.start[key]),
        end_at=_moment(found.end[key]),
        ships_at=None if outcome.ships_at is None else _moment(outcome.ships_at),
        slip_h=round(outcome.slip_s / 3600.0, 4),
        added_cost=tried.added_cost,
        added_setup_min=round(tried.added_setup_s / 60.0, 4),
        harmed=harmed,
    )


def _moment(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
