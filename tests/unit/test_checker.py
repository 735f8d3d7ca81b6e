"""The independent checker: silent about good options, and each kind of lie in an option is told in words."""

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvers.checker
import solvers.checker_walk
from bench.random_problem import Size, random_problem
from schemas.plans import PlanOption
from schemas.scheduling import EligibleLine, MaterialGate, SchedulingProblem
from solvers.checker import Checker, check_option
from solvers.evaluator import Evaluated, evaluate
from solvers.line_walk import PlanInvalid
from solvers.options import option_of
from solvers.problem import Plan, Problem, Split, hold_plan
from tests.planning import held, hour, line, order, overtime, planned, problem, run


def small() -> SchedulingProblem:
    """Two lines. R1 has begun, R2 is frozen, R3 firm, R4 and R5 free; R5 waits for material, R4 for R1."""
    part = MaterialGate(item_id="part", at=hour(20), after_pcs=50.0)
    there = [EligibleLine(site_id="S1", line_id=each, rate_pcs_per_h=100.0) for each in ("L1", "L2")]
    return problem(
        [line("L1", overtime=[overtime("night", 22, 26, price=200.0)]), line("L2")],
        [
            run("R1", position=0, state="running", freedom="started", next_piece_at=hour(6), remaining_pcs=150.0),
            run("R2", at=8, position=1, freedom="frozen", eligible=there),
            run("R3", at=10, position=2, freedom="firm", family="B", eligible=there),
            run("R4", at=8, on="L2", position=0, lines=("L1", "L2"), fed_by=[("S1", "R1")]),
            run("R5", at=12, on="L2", position=1, lines=("L1", "L2"), release_at=hour(11), gates=[part]),
        ],
        [order(f"O{number}", 12.0, penalty=100.0 * number) for number in range(1, 6)],
    )  # fmt: skip


def option(base: Evaluated, found: Evaluated) -> PlanOption:
    return option_of(base, found, "hold" if found is base else "repair", "x")


def good() -> tuple[SchedulingProblem, PlanOption]:
    """R5 goes before R4 on the second line, with two hours of overtime on the first."""
    wire = small()
    base = held(wire)
    found = planned(base, {1: ["R5", "R4"]}, R2=8, R3=10)
    found = evaluate(base.problem, found.plan.with_overtime(("S1", "L1", "night"), 2.0), found)
    return wire, option(base, found)


def test_good_options_pass() -> None:
    wire, found = good()

    assert [] == check_option(wire, found)
    assert [] == check_option(wire, option(held(wire), held(wire)))


def change(run_id: str, /, **fields: Any) -> Callable[[PlanOption], PlanOption]:
    def changed(found: PlanOption) -> PlanOption:
        return found.model_copy(
            update={
                "plan": [
                    each.model_copy(
                        update={
                            name: value(getattr(each, name)) if callable(value) else value
                            for name, value in fields.items()
                        }
                    )
                    if each.run_id == run_id
                    else each
                    for each in found.plan
                ]
            }
        )

    return changed


def earlier(moment: Any) -> Any:
    return moment - timedelta(hours=1)


def drop(found: PlanOption) -> PlanOption:
    return found.model_copy(update={"plan": [each for each in found.plan if each.run_id != "R5"]})


def double(found: PlanOption) -> PlanOption:
    return found.model_copy(update={"plan": [*found.plan, found.plan[0]]})


def kpi(**fields: Any) -> Callable[[PlanOption], PlanOption]:
    return lambda found: found.model_copy(update={"kpis": found.kpis.model_copy(update=fields)})


def bought(**fields: Any) -> Callable[[PlanOption], PlanOption]:
    return lambda found: found.model_copy(update={"overtime": [found.overtime[0].model_copy(update=fields)]})


def untold(found: PlanOption) -> PlanOption:
    return found.model_copy(update={"per_order": found.per_order[1:]})


def swap_frozen(found: PlanOption) -> PlanOption:
    return change("R3", position=1)(change("R2", position=2)(found))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (drop, "run S1/R5 is missing"),
        (double, "run S1/R1 is in the plan twice"),
        (change("R5", run_id="R9"), "run S1/R9 is neither a run of the problem nor split from one"),
        (change("R1", line_id="L2", position=2), "run S1/R1 is on line S1/L2, which cannot make it"),
        (change("R2", line_id="L2", position=2), "run S1/R2 is frozen, but goes to line L2"),
        (change("R3", line_id="L2", position=2), "run S1/R3 is firm, but goes to line L2"),
        (swap_frozen, "run S1/R2 is frozen, but what comes before it on line L1 changes"),
        (change("R2", planned_start_at=earlier), "run S1/R2 is frozen, but is planned earlier than it was"),
        (change("R4", position=0), "line S1/L2: positions [0, 0] have holes or repeat"),
        (change("R3", status="free"), "run S1/R3 is firm, not free"),
        (change("R5", quantity_pcs=150.0), "run S1/R5: its parts make 150 pieces, not 200"),
        (change("R4", start_at=earlier, end_at=earlier), "run S1/R4 overlaps the run before it on line L2"),
        (change("R4", end_at=earlier), "run S1/R4: too little time for 2.00 h of work"),
        (change("R3", start_at=earlier), "run S1/R3: too little time for 30 min of setup before it"),
        (change("R5", start_at=earlier), "run S1/R5 starts before its material is released"),
        (change("R4", start_at=earlier), "run S1/R4: start and end are -3600 s and +0 s off"),
        (bought(window_id="day"), "overtime day of line S1/L1 is not on offer, or bought twice"),
        (bought(hours=1.0), "overtime night of line S1/L1: 1 h are not what lies between its start and end"),
        (bought(cost=1.0), "overtime night of line S1/L1: costs 400.00, not 1.00"),
        (kpi(penalty=1.0), "penalty is "),
        (kpi(late_orders=0), "late_orders is "),
        (kpi(moved_orders=5), "moved_orders is 1, not 5"),
        (kpi(throughput_pcs=1.0), "throughput_pcs is "),
        (kpi(margin=None), "margin is "),
        (untold, "ships at another time than if nothing is done, and is not told"),
    ],
)
def test_each_lie_is_told(spoil: Callable[[PlanOption], PlanOption], says: str) -> None:
    wire, found = good()

    wrong = check_option(wire, spoil(found))

    assert any(says in each for each in wrong), wrong


def test_overtime_beyond_the_window_or_after_its_notice_is_told() -> None:
    wire, found = good()
    beyond = found.overtime[0].model_copy(
        update={"end_at": found.overtime[0].end_at + timedelta(hours=3), "hours": 5.0, "cost": 1000.0}
    )
    late = wire.model_copy(
        update={
            "lines": [
                wire.lines[0].model_copy(
                    update={"overtime": [overtime("night", 22, 26, price=200.0, notice=5)]}
                ),
                wire.lines[1],
            ]
        }
    )

    assert ["overtime night of line S1/L1 reaches beyond the window"] == check_option(
        wire, found.model_copy(update={"overtime": [beyond]})
    )
    assert ["overtime night of line S1/L1: its notice has passed"] == check_option(late, found)


def test_work_outside_working_time_is_told() -> None:
    wire = problem([line()], [run("R1", at=10, work_h=14)], [])
    base = held(wire)
    spoilt = change("R1", start_at=lambda at: at - timedelta(hours=5), planned_start_at=lambda at: at - timedelta(hours=5))(
        option(base, base)
    )  # fmt: skip

    assert "run S1/R1 starts outside working time" in check_option(wire, spoilt)


def test_pieces_that_are_made_cannot_be_split_off() -> None:
    wire = small()
    base = held(wire)
    part = ("S1", "R1/split-1")
    plan = replace(base.plan, splits={part: Split(("S1", "R1"), 160.0)})
    plan = plan.with_sequences({0: (*plan.sequences[0], part)})

    split = option(base, evaluate(base.problem, plan))
    # 50 are made, 150 are left; 160 on the other line would leave 40 of the 50.
    assert ["run S1/R1: pieces that are made already are split from it"] == check_option(
        wire, change("R1", quantity_pcs=40.0)(split)
    )


def test_the_checker_imports_nothing_of_the_solver_but_its_own_walk() -> None:
    """An error that both share would be seen by neither."""
    allowed = {"schemas", "bisect", "collections", "dataclasses", "math", "solvers.checker_walk"}
    for module in (solvers.checker, solvers.checker_walk):
        assert module.__file__ is not None
        tree = ast.parse(Path(module.__file__).read_text())
        names = {
            each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
        } | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

        assert set() == {
            name for name in names if name not in allowed and name.partition(".")[0] not in allowed
        }


def shuffled(indexed: Problem, found: Evaluated, random: Random) -> Evaluated | None:
    """One random legal move, with or without overtime and splits; None where it has no meaning."""
    plan = found.plan
    sequences = [list(sequence) for sequence in plan.sequences]
    movable = [
        (index, key)
        for index, sequence in enumerate(sequences)
        for key in sequence[indexed.pinned[index] :]
        if key not in plan.splits
    ]
    if not movable:
        return None
    index, key = random.choice(movable)
    target = random.choice(list(indexed.eligible[key])) if indexed.runs[key].freedom == "free" else index
    sequences[index].remove(key)
    sequences[target].insert(random.randint(indexed.pinned[target], len(sequences[target])), key)
    starts = {each: start for each, start in plan.starts.items() if each != key}
    if random.random() < 0.3:
        pinned = {
            each for line, queue in enumerate(indexed.committed) for each in queue[: indexed.pinned[line]]
        }
        starts = {each: start for each, start in starts.items() if each in pinned or random.random() < 0.5}
    splits = dict(plan.splits)
    pieces = indexed.runs[key].remaining_pcs
    if random.random() < 0.2 and pieces > 10 and all(each.of != key for each in splits.values()):
        part = (key[0], f"{key[1]}/split-1")
        splits[part] = Split(key, float(int(pieces / 3)))
        sequences[random.choice(list(indexed.eligible[key]))].append(part)
    bought = dict(plan.overtime)
    offers = list(indexed.windows_of(random.randrange(len(sequences))))
    if offers and random.random() < 0.3:
        window, _, most = random.choice(offers)
        bought[window] = most * random.random()
    try:
        return evaluate(indexed, Plan(tuple(map(tuple, sequences)), starts, bought, splits), found)
    except PlanInvalid:
        return None


@given(st.integers(0, 10**6), st.sampled_from([(2, 8), (4, 20), (6, 40)]), st.sampled_from([0.0, 0.2, 0.6]))
@settings(max_examples=60, deadline=None)
def test_what_the_evaluator_says_of_any_plan_the_checker_finds_too(
    seed: int, size: tuple[int, int], extras: float
) -> None:
    """Two ways of working out the same: random plans of random problems, every start, end, shipment and figure."""
    random = Random(seed)
    wire = random_problem(seed, Size(*size, sites=random.choice([1, 2]), extras=extras))
    indexed = Problem(wire)
    base = evaluate(indexed, hold_plan(indexed))
    checker = Checker(wire)
    found: Evaluated | None = base
    for _ in range(4):
        assert found is not None
        assert [] == checker.check(option_of(base, found, "hold" if found is base else "repair", "x"))
        found = shuffled(indexed, found, random) or found
