"""Overtime: which windows, how many hours of each. Hours count from midnight; a line makes 100 pieces an hour."""

from collections.abc import Mapping
from itertools import product

import pytest

from schemas.scheduling import SchedulingProblem
from solvers.evaluator import evaluate
from solvers.overtime import OvertimeDecision, buy_overtime
from solvers.problem import Plan, Problem, WindowKey, hold_plan
from tests.small_plants import line, offer, order, problem, run

DAY_SHIFT = [(8.0, 16.0), (32.0, 40.0), (56.0, 64.0), (80.0, 88.0), (104.0, 112.0)]


def decide(wire: SchedulingProblem, **options: object) -> OvertimeDecision | None:
    asked = Problem(wire)
    return buy_overtime(asked, hold_plan(asked), **options)  # type: ignore[arg-type]


def bought(decision: OvertimeDecision | None) -> dict[str, float]:
    """Hours by window, to 0.01 h."""
    assert decision is not None
    return {key[2]: round(hours, 2) for key, hours in decision.plan.overtime.items()}


def test_the_line_3_case_needs_5_26_hours_of_saturday() -> None:
    """26,340 pieces at 460/h are 57.26 h; from Thursday 08:00 to Tuesday 12:00 the line works 52 h."""
    thursday, saturday, tuesday_noon = 8.0, 54.0, 124.0
    work = [(6.0, 22.0), (30.0, 46.0), (102.0, 118.0), (126.0 - 0.0, 142.0), (150.0, 166.0)]
    tuesday_noon = 126.0 + 6.0
    wire = problem(
        [
            line(
                "3",
                work,
                free_from=thursday,
                level=0.92,
                overtime=[offer("saturday", saturday, saturday + 8.0, cost_per_h=780.0, notice_by=38.0)],
            )
        ],
        [run("R-4471", 26_340.0, on="3", rate=500.0, start=thursday)],
        [
            order(
                "R-4471",
                tuesday_noon,
                penalty=2_500.0,
                departures=[tuesday_noon, tuesday_noon + 48.0],
                cannot_slip=True,
            )
        ],
    )

    decision = decide(wire)

    assert {"saturday": 5.26} == bought(decision)
    assert decision is not None
    assert 5_000.0 == decision.before.penalty
    assert 0.0 == decision.evaluated.penalty
    assert 4_102.8 == decision.evaluated.overtime_cost
    assert 897.2 == decision.net_benefit
    assert [("S", "R-4471")] == decision.saved
    assert decision.is_proven


def late_by_two_hours(price: float, penalty: float, *, cannot_slip: bool = False) -> SchedulingProblem:
    """1,000 pieces are ten hours; the day has eight, and the order goes at its end."""
    return problem(
        [line("1", DAY_SHIFT, overtime=[offer("early", 4.0, 8.0, cost_per_h=price)])],
        [run("A", 1_000.0, on="1")],
        [order("A", 16.0, penalty=penalty, cannot_slip=cannot_slip)],
    )


def test_overtime_is_bought_where_it_costs_less_than_being_late() -> None:
    decision = decide(late_by_two_hours(price=90.0, penalty=200.0))

    assert {"early": 2.0} == bought(decision)
    assert decision is not None
    assert 20.0 == decision.net_benefit


def test_overtime_that_costs_more_than_being_late_is_not_bought() -> None:
    assert decide(late_by_two_hours(price=110.0, penalty=200.0)) is None


def test_it_is_bought_all_the_same_for_a_customer_that_cannot_slip() -> None:
    decision = decide(late_by_two_hours(price=110.0, penalty=200.0, cannot_slip=True))

    assert {"early": 2.0} == bought(decision)
    assert decision is not None
    assert -20.0 == decision.net_benefit


def test_overtime_whose_notice_has_passed_is_not_bought() -> None:
    wire = problem(
        [line("1", DAY_SHIFT, overtime=[offer("early", 4.0, 8.0, cost_per_h=1.0, notice_by=-1.0)])],
        [run("A", 1_000.0, on="1")],
        [order("A", 16.0, penalty=200.0)],
    )

    assert decide(wire) is None


def test_overtime_after_the_need_helps_nobody() -> None:
    wire = problem(
        [line("1", DAY_SHIFT, overtime=[offer("evening", 17.0, 21.0, cost_per_h=1.0)])],
        [run("A", 1_000.0, on="1")],
        [order("A", 16.0, penalty=200.0)],
    )

    assert decide(wire) is None


def test_overtime_before_the_material_is_there_helps_nobody() -> None:
    """Material comes at 9: the hours from 4 to 8 are of no use, the two after the shift are."""
    offers = [offer("early", 4.0, 8.0, cost_per_h=1.0), offer("late", 16.0, 20.0, cost_per_h=50.0)]
    wire = problem(
        [line("1", DAY_SHIFT, overtime=offers)],
        [run("A", 900.0, on="1", release=9.0)],
        [order("A", 19.0, penalty=200.0)],
    )

    assert {"late": 2.0} == bought(decide(wire))


def test_the_cheaper_window_is_emptied_first() -> None:
    """Five hours are missing: four at 10 and one at 30."""
    offers = [offer("dear", 2.0, 4.0, cost_per_h=30.0), offer("cheap", 4.0, 8.0, cost_per_h=10.0)]
    wire = problem(
        [line("1", DAY_SHIFT, overtime=offers)],
        [run("A", 1_300.0, on="1")],
        [order("A", 16.0, penalty=500.0)],
    )

    assert {"cheap": 4.0, "dear": 1.0} == bought(decide(wire))


def test_one_purchase_serves_every_order_behind_it() -> None:
    """Alone neither is worth two hours at 150; together they are."""
    wire = problem(
        [line("1", DAY_SHIFT, overtime=[offer("early", 4.0, 8.0, cost_per_h=150.0)])],
        [run("A", 1_000.0, on="1"), run("B", 800.0, on="1", position=1)],
        [order("A", 16.0, penalty=200.0), order("B", 40.0, penalty=200.0)],
    )

    decision = decide(wire)

    assert {"early": 2.0} == bought(decision)
    assert decision is not None
    assert [("S", "A"), ("S", "B")] == decision.saved


def two_lines(cost_2: float) -> SchedulingProblem:
    """Both lines lack two hours at the same time."""
    return problem(
        [
            line("1", DAY_SHIFT, overtime=[offer("early-1", 4.0, 8.0, cost_per_h=50.0)]),
            line("2", DAY_SHIFT, overtime=[offer("early-2", 4.0, 8.0, cost_per_h=cost_2)]),
        ],
        [run("A", 1_000.0, on="1"), run("B", 1_000.0, on="2")],
        [order("A", 16.0, penalty=200.0), order("B", 16.0, penalty=200.0)],
    )


def test_two_lines_buy_at_once_where_there_are_crews_enough() -> None:
    assert {"early-1": 2.0, "early-2": 2.0} == bought(decide(two_lines(60.0), most_lines=2))


def test_a_single_crew_goes_where_it_saves_more() -> None:
    """Line 1 saves 200 - 100, line 2 200 - 60 at half an hour's price less."""
    assert {"early-2": 2.0} == bought(decide(two_lines(30.0), most_lines=1))
    assert {"early-1": 2.0} == bought(decide(two_lines(60.0), most_lines=1))


def test_a_run_that_waits_for_another_line_is_not_promised_what_only_its_own_line_buys() -> None:
    """B waits for A until 18; two hours more on its own line before that do not help."""
    fed = run("B", 100.0, on="2").model_copy(update={"fed_by": [("S", "A")]})
    wire = problem(
        [line("1", [(8.0, 40.0)]), line("2", DAY_SHIFT, overtime=[offer("early", 4.0, 8.0, cost_per_h=1.0)])],
        [run("A", 1_000.0, on="1"), fed],
        [order("A", 90.0), order("B", 16.0, penalty=500.0)],
    )

    assert decide(wire) is None


@pytest.mark.parametrize("seed", range(6))
def test_no_hours_on_a_grid_are_better_than_those_decided(seed: int) -> None:
    """Two lines, four windows, six orders with trucks: every combination of whole hours, evaluated."""
    prices = [20.0 + (seed * 37 + 13 * index) % 60 for index in range(4)]
    lines = [
        line(
            str(number),
            DAY_SHIFT,
            overtime=[
                offer(f"{number}a", 4.0, 8.0, cost_per_h=prices[2 * number - 2]),
                offer(f"{number}b", 28.0, 31.0, cost_per_h=prices[2 * number - 1]),
            ],
        )
        for number in (1, 2)
    ]
    runs = [
        run(f"{number}{place}", 300.0 + 100.0 * ((seed + place) % 5), on=str(number), position=place)
        for number in (1, 2)
        for place in range(3)
    ]
    orders = [
        order(
            each.run_id,
            14.0 + 12.0 * (each.position or 0),
            penalty=60.0 + (seed * 29 + 31 * index) % 150,
            departures=[14.0 + 12.0 * (each.position or 0) + later for later in (0.0, 6.0, 30.0, 60.0)],
        )
        for index, each in enumerate(runs)
    ]
    asked = Problem(problem(lines, runs, orders))
    plan = hold_plan(asked)
    keys = [key for number in (0, 1) for key, _, _ in asked.windows_of(number)]

    decision = buy_overtime(asked, plan)

    least = min(
        evaluated.penalty + evaluated.overtime_cost
        for chosen in product(range(5), range(4), range(5), range(4))
        for evaluated in [evaluate(asked, _with(plan, dict(zip(keys, chosen, strict=True))))]
    )
    mine = (
        evaluate(asked, plan).penalty
        if decision is None
        else decision.evaluated.penalty + decision.evaluated.overtime_cost
    )
    assert mine <= least + 0.5


def _with(plan: Plan, hours: Mapping[WindowKey, int]) -> Plan:
    for key, value in hours.items():
        plan = plan.with_overtime(key, value + 0.0001 if value else 0.0)
    return plan


def test_a_window_that_is_just_long_enough_is_bought_whole() -> None:
    wire = problem(
        [line("1", DAY_SHIFT, overtime=[offer("early", 6.0, 8.0, cost_per_h=50.0)])],
        [run("A", 1_000.0, on="1")],
        [order("A", 16.0, penalty=200.0)],
    )

    assert {"early": 2.0} == bought(decide(wire))
