"""Just in time is not in time: how likely a truck is missed all the same, and what plans make of it."""

from math import erf, exp, sqrt
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas import ReplanRequested
from schemas.plans import PlanOption
from solvers.checker import check_option
from solvers.engine import solve
from solvers.goals import weights_of, worth
from solvers.options import option_of
from solvers.plan_arrays import compile_problem
from solvers.problem import ProblemInvalid
from tests.asking import running
from tests.folding import at
from tests.planning import MONDAY, held, hour, line, order, planned, problem, request_of, run
from twin.forecast.experience import UNKNOWN, Habits
from twin.forecast.projection import Pace
from twin.replan.misses import miss_chances
from twin.replan.problems import build_problem
from twin.state.calendar import CalendarDescription, WorkCalendar
from twin.state.entities import Line

MISSES = [(hour(8), 0.1), (hour(11), 0.5)]
"""Ready after 8:00 it is one in ten, after 11:00 one in two; before 8:00 nothing is to be feared."""


def two_runs(**changes: Any) -> Any:
    """R1 for O1, which nobody waits for until Wednesday, before R2 for O2, due today at noon: ready at 11:30 or at 9:30."""
    wire = problem(
        [line("L1")],
        [run("R1", at=6, position=0, work_h=2.0), run("R2", at=8, position=1, work_h=3.5)],
        [order("O1", 60), order("O2", 12, penalty=1000.0, misses=MISSES)],
    )
    return wire.model_copy(update=changes)


def test_what_is_just_in_time_counts_with_its_probability() -> None:
    """Ready at 11:30 a penalty of 1,000 is at risk with 0.5, ready at 9:30 with 0.1; no order is late either way."""
    hold = held(two_runs())
    earlier = planned(hold, {0: ["R2", "R1"]})

    assert (0, 0.0, 500.0) == (hold.kpis.late_orders, hold.kpis.cost, hold.kpis.penalty_at_risk)
    assert (0, 0.0, 100.0) == (earlier.kpis.late_orders, earlier.kpis.cost, earlier.kpis.penalty_at_risk)
    weights = weights_of("cost", 0.0)
    assert 400.0 == pytest.approx(worth(hold, weights) - worth(earlier, weights), abs=0.5)


def test_a_late_order_is_late_and_not_at_risk_too() -> None:
    """R2 takes 5 h and ends at 13:00: the whole penalty, once."""
    wire = problem(
        [line("L1")],
        [run("R1", at=6, position=0, work_h=2.0), run("R2", at=8, position=1, work_h=5.0)],
        [order("O1", 60), order("O2", 12, misses=MISSES)],
    )

    assert (1000.0, 0.0) == (held(wire).kpis.penalty, held(wire).kpis.penalty_at_risk)


def test_days_at_risk_are_those_until_the_next_truck() -> None:
    """Ready at 11:30 for Monday's truck at 12:00; the next one leaves on Thursday at 12:00: three days at one in two."""
    wire = problem(
        [line("L1")],
        [run("R2", at=6, position=0, work_h=5.5)],
        [order("O2", 12, departures=[hour(12), hour(84), hour(180)], misses=MISSES)],
    )

    assert 0.5 * 3 * 1000.0 == held(wire).kpis.penalty_at_risk


def test_the_arrays_put_the_same_figure_before_the_promise() -> None:
    """Of O2's 1,000 the first 100 come after 8:00, 400 more after 11:00, and the rest with the promise itself."""
    hold = held(two_runs())
    instance = compile_problem(hold, hold.plan, weights_of("cost", 0.0)).instance
    first = instance.step_ptr[1]

    steps = [
        (int(instance.step_at[k]) / 60 + 6, int(instance.step_cost[k]) // 100)
        for k in range(first, first + 4)
    ]
    assert [(8.0, 100), (11.0, 400), (12.0, 500), (36.0, 1000)] == steps


def test_the_search_gives_room_where_it_is_free_and_says_why() -> None:
    hold_option, best = _options(two_runs())[:2]

    assert 500.0 == hold_option.kpis.penalty_at_risk
    assert (100.0, -400.0) == (best.kpis.penalty_at_risk, best.against_hold["penalty_at_risk"])
    assert ["R2", "R1"] == [each.run_id for each in best.plan]
    assert "400 EUR less at risk" in best.title
    because = {
        each.because for each in best.changes if each.run_id in ("R1", "R2") and each.field == "position"
    }
    assert any("would be ready only 0.50 h before it must be, and late with 50%" in each for each in because)


def test_without_misses_nothing_but_the_projection_counts() -> None:
    wire = two_runs()
    calm = [each.model_copy(update={"misses": []}) for each in wire.orders]

    assert ["hold"] == [each.label for each in _options(wire.model_copy(update={"orders": calm}))]


def test_the_checker_works_the_risk_out_by_itself() -> None:
    wire = two_runs()
    hold = held(wire)
    told = option_of(hold, planned(hold, {0: ["R2", "R1"]}), "repair", "x")
    lie = told.model_copy(update={"kpis": told.kpis.model_copy(update={"penalty_at_risk": 0.0})})

    assert [] == check_option(wire, told)
    assert ["penalty_at_risk is 100, not 0"] == check_option(wire, lie)


@pytest.mark.parametrize(
    ("misses", "says"),
    [
        ([(hour(8), 0.5), (hour(9), 0.4)], "moments or probabilities of misses do not rise"),
        ([(hour(9), 0.1), (hour(9), 0.4)], "moments or probabilities of misses do not rise"),
        ([(hour(9), 1.5)], "misses are not moments with probabilities from 0 to 1"),
    ],
)
def test_misses_that_cannot_be_are_refused(misses: list[tuple[float, float]], says: str) -> None:
    wire = two_runs()
    orders = [wire.orders[0], wire.orders[1].model_copy(update={"misses": misses})]

    with pytest.raises(ProblemInvalid, match=f"O2: {says}"):
        held(wire.model_copy(update={"orders": orders}))


def test_chances_are_those_of_a_card() -> None:
    """20 h of work until the need, pace sure to 5 %: a deviation of 1 h. A stop every 10 h, of which 10 % last over 2 h.

    With 15 min of room: late by pace with 40.1 %; two stops to come, of which (1 + 2 h / 20 min) ** -1.2 are long.
    """
    about = cast(
        Line,
        SimpleNamespace(
            calendar=_round_the_clock(),
            state=SimpleNamespace(pace=Pace(level=1.0, level_sd=0.05, noise_sd_300=0.0)),
        ),
    )
    habits = Habits(stops_per_s=1 / 36_000.0)
    need_by = MONDAY + 20 * 3600.0

    chances = miss_chances(about, habits, UNKNOWN, MONDAY, need_by, 0.0)

    by_pace = 0.5 * (1.0 + erf(-0.25 / sqrt(2.0)))
    long_share = (1.0 + 7200.0 / 1200.0) ** -1.2
    expected = 1.0 - (1.0 - by_pace) * exp(-2.0 * long_share)
    assert (need_by - 1800.0 - 0.5, round(expected, 3)) == chances[-1]
    assert [16, 8, 4, 2, 1, 0.5][-len(chances) :] == [
        (need_by - moment - 0.5) / 3600.0 for moment, _ in chances
    ]
    assert sorted(chances) == chances == sorted(chances, key=lambda each: each[1])
    # Goods that are brought there for an hour may be ready, there, an hour later.
    assert [(moment + 3600.0, chance) for moment, chance in chances] == miss_chances(
        about, habits, UNKNOWN, MONDAY, need_by, 3600.0
    )
    assert [] == miss_chances(about, habits, UNKNOWN, need_by, need_by, 0.0)


def test_a_request_says_of_its_orders_how_sure_they_are() -> None:
    """Order 2 needs Tuesday's truck at noon, six working hours after the night: 8 h before it is Monday, 20:00."""
    folded = running()
    now = folded.twin.now
    assert now is not None
    _, second = build_problem(folded.twin.model, now, [("S1", "L1"), ("S1", "L2")], problem_id="p").orders

    rooms = [at(0, "12:00"), at(0, "20:00"), at(1, "08:00"), at(1, "10:00"), at(1, "11:00"), at(1, "11:30")]
    moments = [moment + 0.5 for moment, _ in second.misses]
    assert len(moments) >= 3
    assert [each.timestamp() for each in rooms][-len(moments) :] == moments
    chances = [chance for _, chance in second.misses]
    assert chances == sorted(chances)
    assert 0.2 < chances[-1] < 0.6


def _round_the_clock() -> WorkCalendar:
    return WorkCalendar(CalendarDescription(always=True))


def _options(wire: Any) -> list[PlanOption]:
    asked: ReplanRequested = request_of(wire)
    *_, last = (each for each in solve(asked, clock=lambda: 0.0, cancelled=lambda: False) if each is not None)
    return last.options
