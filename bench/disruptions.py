"""How much of what a disruption costs can be had back, how soon, and at the price of how much unrest.

Twenty disruptions of plans of 200 orders on 20 lines (bench/shop.py): a line down for four hours, a line that drifts
15 % slow, a rush order. What can be had back is what lies between letting everything slip (a rush order goes last on
the line where that costs least) and a full re-solve of everything that is not frozen, from the plan as it stands.

A repair is taxed: a run that changes its line costs MOVE_TAX minutes of its own lateness, a start that moves costs
SHIFT_TAX a minute. The figures leave the taxes out.

All seconds are CPU seconds of this process: the search gets as many moves as it makes in them here.

    python -m bench disruptions, or
    python -m bench.disruptions [--seed 1] [--events 20] [--full 30] [--plan 12] [--undisturbed]
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import process_time

import numpy as np

from bench.results import Machine, Result, result, this_machine
from bench.shop import Disruption, Kind, disrupt, shop
from solvers.construct import Evaluation, atcs, best_insert, evaluate, insertions
from solvers.instance import Instance, Sequences
from solvers.local_search import CHUNK_MOVES, improve, warm_up
from solvers.windows import polish

EVENTS = 20
KINDS: tuple[Kind, ...] = ("line_down", "line_down", "drift", "rush")
ORDERS, LINES = 200, 20
MANY_ORDERS, MANY_LINES = 1_000, 40

FULL_S = 30.0
PLAN_S = 12.0
"""Of the plans that are disrupted. After 3 a re-solve finds 8 % of what is called the gains without any disruption, after
12 it finds 3 %: with less, the share measures how good the plan was."""

WARM_S = (0.1, 0.3, 1.0)

MOVE_TAX = 8
"""Minutes of its own lateness that a run which changes its line must save. At 0 a repair moves a third to a half of
all runs and finds less in the same time; at 15, with a SHIFT_TAX of 1, it leaves a tenth of the gains alone, at 60 more."""

SHIFT_TAX = 0.5
"""Cost of a minute by which a start moves, where a minute late costs 1 to 8. At 0 starts on lines that nothing befell
move by half an hour; at 1 and more gains are left alone."""

TAX_UNITS = 2
"""Units of the taxed instance in one of cost: costs are whole numbers, and a tax is half a unit."""

WINDOWS = 3
WINDOW_LIMIT = 0.35

FIRST_ANSWERS = 200
"""Disruptions whose first answer alone is measured, for a 99th percentile that means something."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair comes to.

    Attributes:
        cost: weighted minutes late.
        moved: share of the runs that are not frozen which are on another line than before.
        shift_min: mean shift of the starts of those that were not on the hit line.
        seconds: CPU.
    """

    cost: int
    moved: float
    shift_min: float
    seconds: float


def measure(machine: Machine, *, quick: bool = False, seed: int = 1) -> Iterator[Result]:
    """Everything, a row a figure."""
    warm_up()
    if quick:
        yield from repairs(machine, seed, events=4, full_s=1.0, orders=60, lines=6)
        yield from first_answers(machine, seed, events=8, orders=60, lines=6)
        yield from quotes(machine, seed, runs=4, orders=60, lines=6)
        yield from many_orders(machine, seed, seconds=0.5, orders=200, lines=10)
        return
    yield from repairs(machine, seed, events=EVENTS, full_s=FULL_S)
    yield from first_answers(machine, seed, events=FIRST_ANSWERS)
    yield from quotes(machine, seed, runs=20)
    yield from many_orders(machine, seed, seconds=5.0)


def repairs(
    machine: Machine,
    seed: int,
    *,
    events: int,
    full_s: float,
    orders: int = ORDERS,
    lines: int = LINES,
    plan_s: float = PLAN_S,
    undisturbed: bool = False,
) -> Iterator[Result]:
    """Share of what can be had back that each stage has, and what it moves for it.

    With `undisturbed` also what the full re-solve finds in the plans before anything has happened to them.
    """
    found: dict[str, list[Repair]] = {}
    slips: list[int] = []
    best: list[int] = []
    idle: list[int] = []
    for number in range(events):
        instance, plan = _plan(seed, number, orders, lines, plan_s if orders >= ORDERS else 0.3)
        if undisturbed:
            moves = round(_moves_per_second(instance, plan) * full_s)
            better = improve(instance, plan, seed=seed + number, moves=moves).cost
            idle.append(evaluate(instance, plan).cost - better)
        event = disrupt(instance, plan, KINDS[number % len(KINDS)], seed + number)
        slipped, first = _first_plans(event)
        slips.append(evaluate(event.instance, slipped).cost)
        for name, repair in _stages(event, first, seed + number, full_s):
            found.setdefault(name, []).append(repair)
        best.append(found["full re-solve"][-1].cost)
    gains = [slip - least for slip, least in zip(slips, best, strict=True)]
    if undisturbed:
        share = 100.0 * sum(idle) / max(1, sum(gains))
        yield result("disruptions", "found without any disruption: of all gains", "%", [share], machine)
    for name, each in found.items():
        shares = [
            (slip - repair.cost) / gain
            for slip, repair, gain in zip(slips, each, gains, strict=True)
            if gain > 0
        ]
        if not shares:
            continue
        whole = sum(slip - repair.cost for slip, repair in zip(slips, each, strict=True)) / sum(gains)

        def row(metric: str, unit: str, values: list[float]) -> Result:
            return result("disruptions", metric, unit, values, machine)

        yield row(f"{name}: of all gains had back", "%", [100.0 * s for s in shares]).with_value(
            100.0 * whole
        )
        yield row(f"{name}: median event", "%", [100.0 * s for s in shares])
        yield row(f"{name}: unfrozen runs on another line", "%", [100.0 * r.moved for r in each]).with_value(
            100.0 * statistics.mean(r.moved for r in each)
        )
        yield row(
            f"{name}: mean start shift off the hit line", "min", [r.shift_min for r in each]
        ).with_value(statistics.mean(r.shift_min for r in each))
        yield row(f"{name}: time", "CPU s", [r.seconds for r in each])


def _stages(event: Disruption, first: Sequences, seed: int, full_s: float) -> Iterator[tuple[str, Repair]]:
    taxed = _taxed(event)
    rate = _moves_per_second(event.instance, first)

    def searched(instance: Instance, begin: Sequences, seconds: float) -> Callable[[], Sequences]:
        return lambda: improve(instance, begin, seed=seed, moves=round(rate * seconds)).sequences

    yield "first answer", _repair(event, lambda: first)[1]
    for seconds in WARM_S:
        warm, repair = _repair(event, searched(taxed, first, seconds))
        yield f"search {seconds:g} s", repair
        if seconds == 0.3:
            _, repair = _repair(
                event,
                lambda begin=warm: polish(  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                    taxed, begin, seed=seed, rounds=WINDOWS, deterministic_limit=WINDOW_LIMIT
                ),
            )
            yield f"search {seconds:g} s + {WINDOWS} windows", repair
    yield "search 1 s without taxes", _repair(event, searched(event.instance, first, 1.0))[1]
    yield "full re-solve", _repair(event, searched(event.instance, first, full_s))[1]


def first_answers(
    machine: Machine, seed: int, *, events: int, orders: int = ORDERS, lines: int = LINES
) -> Iterator[Result]:
    """From the disruption to a first plan: the arrays checked and laid out anew, evaluated, the rush order placed."""
    plans: dict[int, tuple[Instance, Sequences]] = {}
    times: list[float] = []
    for number in range(events):
        which = number % EVENTS
        if which not in plans:
            plans[which] = _plan(seed, which, orders, lines, 0.3)
        instance, plan = plans[which]
        began = process_time()
        event = disrupt(instance, plan, KINDS[number % len(KINDS)], seed + number)
        best_insert(event.instance, event.sequences)
        evaluate(event.instance, event.sequences)
        times.append((process_time() - began) * 1000.0)
    times.sort()
    row = result("disruptions", "first answer: p99", "CPU ms", times, machine)
    yield row.with_value(times[min(len(times) - 1, int(0.99 * len(times)))])
    yield result("disruptions", "first answer: median", "CPU ms", times, machine)


def quotes(
    machine: Machine, seed: int, *, runs: int, orders: int = ORDERS, lines: int = LINES
) -> Iterator[Result]:
    """Every line and position of one more order, ranked."""
    times: list[float] = []
    places: list[float] = []
    for number in range(runs):
        instance, plan = _plan(seed, number, orders, lines, 0.3)
        event = disrupt(instance, plan, "rush", seed + number)
        assert event.rush is not None
        insertions(event.instance, event.sequences, event.rush)
        began = process_time()
        ranked = insertions(event.instance, event.sequences, event.rush)
        times.append((process_time() - began) * 1000.0)
        places.append(float(len(ranked)))
    yield result("disruptions", "quote: all places ranked", "CPU ms", times, machine)
    yield result("disruptions", "quote: places", "places", places, machine)


def many_orders(
    machine: Machine,
    seed: int,
    *,
    seconds: float,
    orders: int = MANY_ORDERS,
    lines: int = MANY_LINES,
) -> Iterator[Result]:
    """When a search over many orders first finds something, and how far it is from the dispatch rule after a while."""
    firsts: list[float] = []
    shares: list[float] = []
    rule: list[float] = []
    for number in range(3):
        instance = shop(orders, lines, seed + number)
        began = process_time()
        plan = atcs(instance)
        rule.append(process_time() - began)
        before = evaluate(instance, plan).cost
        began = process_time()
        moves = CHUNK_MOVES // 16
        while improve(instance, plan, seed=seed, moves=moves).cost >= before and moves < 2**26:
            moves *= 2
        firsts.append(process_time() - began)
        rate = _moves_per_second(instance, plan)
        after = improve(instance, plan, seed=seed, moves=round(rate * seconds)).cost
        shares.append(100.0 * (before - after) / before if before else 0.0)
    size = f"{orders:,} x {lines}"
    yield result("disruptions", f"{size}: first improvement", "CPU s", firsts, machine)
    yield result("disruptions", f"{size}: below the dispatch rule after {seconds:g} s", "%", shares, machine)
    yield result("disruptions", f"{size}: the dispatch rule", "CPU s", rule, machine)


def _plan(seed: int, number: int, orders: int, lines: int, seconds: float) -> tuple[Instance, Sequences]:
    instance = shop(orders, lines, 1_000 * seed + number)
    plan = atcs(instance)
    rate = _moves_per_second(instance, plan)
    return instance, improve(instance, plan, seed=seed, moves=round(rate * seconds)).sequences


def _first_plans(event: Disruption) -> tuple[Sequences, Sequences]:
    """Letting everything slip, and the first answer: the same, but a rush order where it costs least."""
    if event.rush is None:
        return event.sequences, event.sequences
    ends = [[*(list(line) for line in event.sequences)] for _ in event.instance.eligible_lines(event.rush)]
    for line, sequences in zip(event.instance.eligible_lines(event.rush), ends, strict=True):
        sequences[line] = [*sequences[line], event.rush]
    slipped = min(ends, key=lambda each: evaluate(event.instance, each).cost)
    return slipped, best_insert(event.instance, event.sequences)


def _taxed(event: Disruption) -> Instance:
    """The instance with a price for unrest."""
    instance = event.instance
    n = instance.tasks
    untaxed = TAX_UNITS * instance.line_cost
    line_cost = untaxed + TAX_UNITS * MOVE_TAX * instance.weight[None, :]
    for line, tasks in enumerate(event.sequences):
        line_cost[line, tasks] = untaxed[line, tasks]
    home = np.zeros(n, np.int64)
    tax = np.zeros(n, np.int64)
    planned = event.before.start.size
    home[:planned], tax[:planned] = event.before.start, round(TAX_UNITS * SHIFT_TAX)
    if event.rush is not None:
        line_cost[:, event.rush] = untaxed[:, event.rush]
        tax[event.rush] = 0
    return replace(
        instance,
        weight=TAX_UNITS * instance.weight,
        step_cost=TAX_UNITS * instance.step_cost,
        setup_cost=TAX_UNITS * instance.setup_cost,
        setup_weight=TAX_UNITS * instance.setup_weight,
        line_cost=line_cost,
        home_start=home,
        shift_tax=tax,
    )


def _repair(event: Disruption, find: Callable[[], Sequences]) -> tuple[Sequences, Repair]:
    began = process_time()
    sequences = find()
    seconds = process_time() - began
    after = evaluate(event.instance, sequences)
    return sequences, _compared(event, after, seconds)


def _compared(event: Disruption, after: Evaluation, seconds: float) -> Repair:
    """Cost and unrest of a repair, over the runs that it might have moved."""
    fixed = set(event.instance.fixed_task.tolist())
    free = [(task, line) for line, tasks in enumerate(event.sequences) for task in tasks if task not in fixed]
    moved = sum(int(after.line[task]) != line for task, line in free)
    shifts = [
        abs(int(after.start[task]) - int(event.before.start[task]))
        for task, line in free
        if line != event.line
    ]
    return Repair(after.cost, moved / max(1, len(free)), statistics.mean(shifts) if shifts else 0.0, seconds)


def _moves_per_second(instance: Instance, sequences: Sequences) -> float:
    """Moves in a CPU second here and now."""
    moves = 8 * CHUNK_MOVES
    began = process_time()
    improve(instance, sequences, seed=1, moves=moves)
    return moves / max(1e-6, process_time() - began)


def main() -> None:
    """Measure the repairs alone, with other numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--full", type=float, default=FULL_S, help="CPU seconds of the full re-solve")
    parser.add_argument("--plan", type=float, default=PLAN_S, help="CPU seconds of the plans before")
    parser.add_argument("--undisturbed", action="store_true", help="re-solve the plans before, too")
    options = parser.parse_args()
    warm_up()
    for row in repairs(
        this_machine(),
        options.seed,
        events=options.events,
        full_s=options.full,
        plan_s=options.plan,
        undisturbed=options.undisturbed,
    ):
        print(row.to_json(), flush=True)


if __name__ == "__main__":
    main()
