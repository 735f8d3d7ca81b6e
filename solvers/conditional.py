"""Options that need somebody else's word: material that comes earlier, a customer who takes a part.

They are told with what they would bring, and as not feasible: the violation names the word that is missing. When it is
given it comes back as a fact, and the next request solves with it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from schemas.plans import PlanOption
from schemas.scheduling import SchedulingProblem
from solvers.board import Board
from solvers.checker import Checker
from solvers.evaluator import Evaluated, evaluate
from solvers.line_walk import pieces_of
from solvers.option_words import Words
from solvers.options import option_of
from solvers.problem import OrderKey, Problem, hold_plan

MOST = 2
"""Options of each kind. More are a list, not a choice."""

LEAST_PART = 0.1
"""Part of an order that is worth a truck of its own."""

MOST_TRIED = 8
"""Receipts that are tried. Each takes some thirty milliseconds on 200 runs."""

HOUR_S = 3600.0

Supply = tuple[str, str | None]
"""Item, and the receipt that it comes with."""


def conditional(board: Board) -> Iterator[PlanOption | None]:
    """Every such option, None between steps."""
    yield from _earlier_material(board)
    yield from _parts(board)


def _earlier_material(board: Board) -> Iterator[PlanOption | None]:
    hold = board.hold
    problem = hold.problem
    supplies: dict[Supply, float] = {}
    for key, outcome in hold.orders.items():
        if outcome.slip_s > 0.0:
            for run_key in problem.runs_of[key]:
                for gate in problem.runs[run_key].gates:
                    if gate.at > problem.wire.as_of:
                        at = supplies.get((gate.item_id, gate.receipt_id), 0.0)
                        supplies[gate.item_id, gate.receipt_id] = max(at, gate.at)
    found: list[tuple[float, PlanOption]] = []
    for supply, at in list(supplies.items())[:MOST_TRIED]:
        at_once = _held(problem.wire, supply, problem.wire.as_of)
        gain = hold.kpis.cost - at_once.kpis.cost
        yield None
        if gain <= max(0.0, problem.wire.min_gain):
            continue
        # The latest full hour that brings as much: earlier helps, later does not.
        first = problem.wire.as_of - problem.wire.as_of % HOUR_S
        early, late = 0, int((at - first) // HOUR_S) + 1
        while late - early > 1:
            middle = (early + late) // 2
            if _held(problem.wire, supply, first + middle * HOUR_S).kpis.cost <= at_once.kpis.cost:
                early = middle
            else:
                late = middle
            yield None
        by = max(problem.wire.as_of, first + early * HOUR_S)
        there = _held(problem.wire, supply, by)
        if Checker(there.problem.wire).check(option_of(there, there, "hold", "hold")):
            board.dropped += 1
            continue
        name = supply[0] if supply[1] is None else f"{supply[0]} (receipt {supply[1]})"
        when = f"by {_at(problem, by)} instead of {_at(problem, at)}"
        option = option_of(
            hold,
            there,
            "expedite_material",
            f"expedite_material-{supply[0]}-{supply[1] or 'new'}",
            f"Get {name} {when}: {Words(hold, there).effect()}, what that costs left out",
        )
        found.append((-gain, _needs(option, f"{name} must come {when}")))
    yield from [option for _, option in sorted(found, key=lambda each: (each[0], each[1].option_id))][:MOST]


def _held(wire: SchedulingProblem, supply: Supply, at: float) -> Evaluated:
    """The plan as it stands, if something came by a moment."""
    runs = [
        run.model_copy(
            update={
                "gates": [
                    gate.model_copy(update={"at": min(gate.at, at)})
                    if (gate.item_id, gate.receipt_id) == supply
                    else gate
                    for gate in run.gates
                ]
            }
        )
        if run.gates
        else run
        for run in wire.runs
    ]
    problem = Problem(wire.model_copy(update={"runs": runs}))
    return evaluate(problem, hold_plan(problem))


def _parts(board: Board) -> Iterator[PlanOption | None]:
    hold = board.hold
    problem = hold.problem
    late = sorted(
        (
            key
            for key, outcome in hold.orders.items()
            if outcome.slip_s > 0.0 and outcome.ships_at is not None
        ),
        key=lambda key: (-hold.orders[key].penalty, key),
    )
    told = 0
    for key in late:
        order, outcome = problem.orders[key], hold.orders[key]
        part = _ready_by(hold, key, order.on_time_slot - order.loading_s)
        if not LEAST_PART * order.quantity_pcs <= part < order.quantity_pcs or told == MOST:
            continue
        told += 1
        title = (
            f"Ship {part:,.0f} of {order.quantity_pcs:,.0f} pieces of #{key[1]} for {order.customer_name} at "
            f"{_at(problem, order.on_time_slot)}; the rest follows {_at(problem, outcome.ships_at)}"
        )
        option = option_of(hold, hold, "partial_ship", f"partial_ship-{key[0]}-{key[1]}", title)
        yield _needs(option, f"{order.customer_name} must agree to a part of #{key[1]}")
    yield None


def _ready_by(hold: Evaluated, key: OrderKey, moment: float) -> float:
    """Good pieces for an order that are at its site by a moment, whole ones; those of a run spread over its work."""
    problem = hold.problem
    order = problem.orders[key]
    ready, pegged = 0.0, 0.0
    for run_key in problem.runs_of[key]:
        run = problem.runs[run_key]
        mine = sum(peg.quantity_pcs for peg in run.pegs if (peg.site_id, peg.order_id) == key)
        pegged += mine
        line = problem.committed_line.get(run_key)
        if line is None or run.quantity_pcs <= 0.0:
            continue
        eligible = problem.eligible[run_key][line]
        by = moment - (eligible.transfer_s if eligible.site_id != order.site_id else 0.0)
        start, end = hold.start[run_key], hold.end[run_key]
        calendar = problem.working_time(line)
        left = pieces_of(problem, hold.plan, run_key)
        whole = calendar.work_between(start, end)
        done = (
            1.0
            if end <= by
            else 0.0
            if by <= start or whole <= 0.0
            else calendar.work_between(start, by) / whole
        )
        made = run.quantity_pcs - left * (1.0 - done)
        ready += mine * made / run.quantity_pcs
    if order.ready_elsewhere is not None and order.ready_elsewhere <= moment:
        ready += max(0.0, order.quantity_pcs - pegged)
    return float(int(ready))


def _needs(option: PlanOption, word: str) -> PlanOption:
    return option.model_copy(update={"feasible": False, "violations": [word]})


def _at(problem: Problem, moment: float | None) -> str:
    if moment is None:
        return "later"
    return f"{datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(problem.wire.zone)):%a %-d %b %H:%M}"
