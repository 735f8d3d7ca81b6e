"""Splits: the smallest part that brings an order in time. A line makes 100 pieces an hour, the hours count from 0."""

from itertools import islice

import pytest

from bench.random_problem import Size, random_problem
from schemas.scheduling import SchedulingProblem, SchedulingRun
from solvers.checker import Checker
from solvers.evaluator import evaluate, pieces_of
from solvers.goals import WEIGHTS
from solvers.options import option_of
from solvers.overtime import buy_overtime
from solvers.problem import Problem, hold_plan
from solvers.splitting import SplitFound, best_split, splits_of
from tests.small_plants import hours, line, order, problem, run, setups

FAMILIES = setups("m", {("red", "blue"): 30.0, ("blue", "red"): 30.0})


def best(wire: SchedulingProblem, order_id: str = "A") -> SplitFound | None:
    asked = Problem(wire)
    return best_split(evaluate(asked, hold_plan(asked)), ("S", order_id), WEIGHTS["cost"])


def two_lines(promised: float, *, busy_h: float = 0.0) -> SchedulingProblem:
    """A: ten hours on line 1. Line 2 stands in blue and could make A, which is red, after half an hour of setup."""
    runs = [run("A", 1_000.0, on="1", lines=["1", "2"], family="red")]
    orders = [order("A", promised, penalty=300.0)]
    if busy_h:
        runs.append(run("B", 100.0 * busy_h, on="2", family="blue", freedom="frozen"))
        orders.append(order("B", 900.0))
    return problem(
        [line("1", family="red", setup_id="m"), line("2", family="blue", setup_id="m")],
        runs,
        orders,
        matrices=[FAMILIES],
    )


def test_as_much_goes_to_the_other_line_as_must() -> None:
    """Due at 7: 700 pieces are made here by then; 300 there take 0.5 h of setup and 3 h."""
    found = best(two_lines(promised=7.0))

    assert found is not None
    assert ("parallel", ("S", "A"), 300.0) == (found.kind, found.of, found.quantity_pcs)
    plan, ends = found.evaluated.plan, found.evaluated.end
    [part] = plan.splits
    assert {("S", "A"): hours(7.0), part: hours(3.5)} == ends
    assert 0.0 == found.evaluated.penalty


def test_pieces_are_conserved() -> None:
    found = best(two_lines(promised=7.0))

    assert found is not None
    asked, plan = found.evaluated.problem, found.evaluated.plan
    [part] = plan.splits
    assert 1_000.0 == pieces_of(asked, plan, ("S", "A")) + pieces_of(asked, plan, part)


def test_a_part_is_no_smaller_than_the_minimum_lot() -> None:
    """Due at 9.5: 50 pieces would do, a tenth of 1,000 is the least."""
    found = best(two_lines(promised=9.5))

    assert found is not None
    assert 100.0 == found.quantity_pcs


def test_nothing_is_split_that_does_not_save_the_order() -> None:
    """Due at 7, and line 2 is busy until 4: with setup and 300 pieces it ends at 7.5."""
    assert best(two_lines(promised=7.0, busy_h=4.0)) is None
    assert best(two_lines(promised=7.0, busy_h=3.5)) is not None


def test_neither_part_may_fall_below_the_minimum_lot() -> None:
    """Due at 0.9: 910 pieces would have to leave, and 90 are less than a tenth."""
    assert best(two_lines(promised=0.9)) is None


def test_an_order_in_time_is_not_split() -> None:
    assert best(two_lines(promised=10.0)) is None


def begun() -> SchedulingRun:
    """R: 20 hours of red, begun."""
    return run("R", 2_000.0, on="1", family="red", freedom="started").model_copy(
        update={"state": "running", "next_piece_at": 0.0}
    )


def test_a_run_that_has_begun_makes_way_for_a_while() -> None:
    """K, blue, an hour, is due at 10: R may make 850 pieces before half an hour of setup, and goes on after K.

    1,150 are left: K ends at 10, then setup until 10.5 and 11.5 h of red: 22 h, as promised.
    """
    wire = problem(
        [line("1", family="red", setup_id="m")],
        [begun(), run("K", 100.0, on="1", position=1, family="blue")],
        [order("R", 22.0, penalty=100.0), order("K", 10.0, penalty=500.0)],
        matrices=[FAMILIES],
    )

    found = best(wire, "K")

    assert found is not None
    assert ("in_time", ("S", "R"), 1_150.0) == (found.kind, found.of, found.quantity_pcs)
    [part] = found.evaluated.plan.splits
    assert ((("S", "R"), ("S", "K"), part),) == found.evaluated.plan.sequences
    assert {("S", "R"): hours(8.5), ("S", "K"): hours(10.0), part: hours(22.0)} == found.evaluated.end
    assert 0.0 == found.evaluated.penalty


def test_the_split_that_costs_least_is_taken() -> None:
    """Line 2 delays B by the part, line 3 stands idle: both save A."""
    wire = problem(
        [line("1"), line("2"), line("3")],
        [
            run("A", 1_000.0, on="1", lines=["1", "2", "3"]),
            run("B", 700.0, on="2", freedom="firm"),
        ],
        [order("A", 7.0, penalty=300.0), order("B", 7.0, penalty=200.0)],
    )
    asked = Problem(wire)
    base = evaluate(asked, hold_plan(asked))

    found = best_split(base, ("S", "A"), WEIGHTS["cost"])

    assert {1, 2} == {
        index
        for each in splits_of(base, ("S", "A"))
        for index, sequence in enumerate(each.evaluated.plan.sequences)
        if any(key in each.evaluated.plan.splits for key in sequence)
    }
    assert found is not None
    assert 0.0 == found.evaluated.penalty
    assert 1 == len(found.evaluated.plan.sequences[2])


@pytest.mark.parametrize("seed", [4, 5, 6, 8])
def test_the_independent_checker_has_no_objection_to_splits_and_overtime(seed: int) -> None:
    """Random plants of 8 lines with feeds, gates, drifts, two sites; some of their orders are late."""
    wire = random_problem(seed, Size(lines=8, runs=70, sites=1 + seed % 2, extras=0.2))
    asked, checker = Problem(wire), Checker(wire)
    hold = evaluate(asked, hold_plan(asked))
    late = [key for key, outcome in hold.orders.items() if outcome.slip_s > 0.0]
    found = [split.evaluated for key in late for split in islice(splits_of(hold, key), 3)]
    bought = buy_overtime(asked, hold.plan)
    if bought is not None:
        found.append(bought.evaluated)

    assert found
    assert [[]] * len(found) == [checker.check(option_of(hold, each, "split", "x")) for each in found]
    assert all(each.orders.keys() == hold.orders.keys() for each in found)
