"""A quote: every place ranked, with what each costs whom. A line makes 100 pieces an hour, hours count from 0."""

from datetime import UTC, datetime

import pytest

from schemas import ProblemInvalid
from schemas.plans import Quote
from schemas.scheduling import SchedulingProblem
from solvers.evaluator import evaluate
from solvers.goals import NOMINAL_PENALTY_PER_DAY
from solvers.problem import Problem, hold_plan
from solvers.quote import quote
from tests.small_plants import hours, line, order, problem, run, setups

FAMILIES = setups("m", {("red", "blue"): 60.0, ("blue", "red"): 60.0})


def at(hour: float) -> datetime:
    return datetime.fromtimestamp(hours(hour), UTC)


def two_lines(due: float) -> SchedulingProblem:
    """Line 1 makes A (red) and B (blue); line 2 makes C (blue), 5 h each. Wanted: Q, 200 of red, 2 h."""
    return problem(
        [line("1", family="red", setup_id="m"), line("2", family="blue", setup_id="m")],
        [
            run("A", 500.0, on="1", family="red"),
            run("B", 500.0, on="1", position=1, family="blue", start=6.0),
            run("C", 500.0, on="2", family="blue"),
            run("Q", 200.0, on=None, lines=["1", "2"], family="red"),
        ],
        [
            order("A", 6.0, penalty=70.0),
            order("B", 12.0, penalty=30.0),
            order("C", 50.0, penalty=500.0),
            order("Q", due),
        ],
        matrices=[FAMILIES],
    )


def quoted(wire: SchedulingProblem, due: float) -> Quote:
    return quote(Problem(wire), "item of red", 200.0, at(due))


def told(found: Quote) -> list[tuple[str, int, float, float]]:
    """Line, position, money, minutes of changeover; in the order of the quote."""
    return [(each.line_id, each.position, each.added_cost, each.added_setup_min) for each in found.positions]


def test_every_place_is_ranked_with_what_it_costs() -> None:
    """Due at 24, so Q is late nowhere. Committed: A 0-5, setup, B 6-11; setup, C... on line 2 C 0-5.

    Line 1 before A: Q 0-2, A 2-7 (late: 70), setup, B 8-13 (late: 30): 100, no changeover more.
    Line 1 behind A: A 0-5, Q 5-7, setup, B 8-13: B is late: 30, no changeover more.
    Line 1 last: B 6-11, setup, Q 12-14: 0, 60 min more.
    Line 2 before C: setup, Q 1-3, setup, C 4-9: 0, 120 min more.
    Line 2 last: C 0-5, setup, Q 6-8: 0, 60 min more, and earlier than on line 1.
    """
    found = quoted(two_lines(24.0), 24.0)

    assert [
        ("2", 1, 0.0, 60.0),
        ("1", 2, 0.0, 60.0),
        ("2", 0, 0.0, 120.0),
        ("1", 1, 30.0, 0.0),
        ("1", 0, 100.0, 0.0),
    ] == told(found)
    assert [1, 2, 3, 4, 5] == [each.rank for each in found.positions]
    assert 5 == found.compared
    assert [at(8.0), at(14.0), at(3.0), at(7.0), at(2.0)] == [each.end_at for each in found.positions]
    assert ["C", "B", None, "A", None] == [each.after_run_id for each in found.positions]


def test_whom_a_place_harms_is_told_in_words_and_numbers() -> None:
    found = quoted(two_lines(24.0), 24.0)

    assert [[], [], []] == [each.harmed for each in found.positions[:3]]
    [to_b] = found.positions[3].harmed
    assert "#B for Customer B" in to_b
    assert "1.00 h late" in to_b
    assert "30" in to_b
    assert ["#A", "#B"] == sorted(text.split(" ")[0] for text in found.positions[4].harmed)


def test_its_own_lateness_counts_at_the_nominal_price() -> None:
    """Due at 7: on line 2 Q is ready at 8, an hour late; behind A it is in time and makes B late for 30."""
    found = quoted(two_lines(7.0), 7.0)

    assert ("1", 1, 30.0, 0.0) == told(found)[1]
    assert ("2", 0, 0.0, 120.0) == told(found)[0], "ready at 3, and C is still in time"
    late = [each for each in found.positions if each.line_id == "2" and each.position == 1]
    assert [(1.0, NOMINAL_PENALTY_PER_DAY)] == [(each.slip_h, each.added_cost) for each in late]


def test_frozen_runs_keep_their_place() -> None:
    wire = two_lines(24.0)
    wire = wire.model_copy(
        update={
            "runs": [
                each.model_copy(update={"freedom": "frozen"}) if each.run_id in "AC" else each
                for each in wire.runs
            ]
        }
    )

    assert [("2", 1), ("1", 2), ("1", 1)] == [
        (each.line_id, each.position) for each in quoted(wire, 24.0).positions
    ]


def test_the_first_step_is_placed_before_the_second_is_ranked() -> None:
    """Q needs P, 3 h on line 2 only: P goes where it costs nothing, and Q starts when it has ended."""
    wire = two_lines(24.0)
    first = run("P", 300.0, on=None, lines=["2"], family="blue").model_copy(update={"pegs": []})
    second = next(each for each in wire.runs if each.run_id == "Q").model_copy(
        update={"fed_by": [("S", "P")]}
    )
    wire = wire.model_copy(
        update={"runs": [*(each for each in wire.runs if each.run_id != "Q"), first, second]}
    )

    found = quoted(wire, 24.0)

    # P before C: 0-3, C 3-8. Then Q on line 1 behind A: 5-7.
    assert at(7.0) == min(
        each.end_at for each in found.positions if each.line_id == "1" and each.position == 1
    )
    assert all(each.start_at >= at(3.0) for each in found.positions)


def test_a_run_that_is_not_there_cannot_be_quoted() -> None:
    with pytest.raises(ProblemInvalid, match="no run of 5 item of red waits"):
        quote(Problem(two_lines(7.0)), "item of red", 5.0, at(7.0))


def test_what_is_quoted_is_what_the_evaluator_says_of_it() -> None:
    asked = Problem(two_lines(7.0))
    plan = hold_plan(asked)

    for each in quote(asked, "item of red", 200.0, at(7.0)).positions:
        index = asked.line_index["S", each.line_id]
        before = plan.sequences[index]
        trial = plan.with_sequences({index: (*before[: each.position], ("S", "Q"), *before[each.position :])})
        assert each.end_at.timestamp() == evaluate(asked, trial).end["S", "Q"]


def test_of_very_many_places_the_kernel_chooses_those_that_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With room for three, the best three of five come out as before, and the number of all is told."""
    monkeypatch.setattr("solvers.quote.MOST_EXACT", 3)

    found = quoted(two_lines(24.0), 24.0)

    # An hour of setup counts six for the kernel, so two hours are no dearer than B's 30 for being late.
    assert [("2", 1, 0.0, 60.0), ("1", 2, 0.0, 60.0), ("2", 0, 0.0, 120.0)] == told(found)
    assert 5 == found.compared
