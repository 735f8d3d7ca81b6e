"""A problem that cannot be is refused with the entity and the field; a good one is indexed."""

from typing import Any

import pytest

from schemas import ForesiteError, ProblemInvalid
from schemas.scheduling import EligibleLine, SchedulingProblem
from solvers.problem import Problem, hold_plan
from tests.planning import hour, line, order, overtime, problem, run


def good() -> SchedulingProblem:
    return problem(
        [line("L1"), line("L2")],
        [
            run("R1", on="L1", position=0, state="running", freedom="started", next_piece_at=hour(6)),
            run("R2", at=9, on="L1", position=1, lines=("L1", "L2")),
            run("R3", at=6, on="L2", position=0, lines=("L2",), fed_by=[("S1", "R1")]),
        ],
        [order("O1", 20), order("O2", 30), order("O3", 30)],
    )


def with_run(number: int, **changes: Any) -> SchedulingProblem:
    wire = good()
    runs = list(wire.runs)
    runs[number] = runs[number].model_copy(update=changes)
    return wire.model_copy(update={"runs": runs})


def with_line(**changes: Any) -> SchedulingProblem:
    wire = good()
    return wire.model_copy(update={"lines": [wire.lines[0].model_copy(update=changes), wire.lines[1]]})


def test_a_good_problem_is_indexed() -> None:
    found = Problem(good())

    assert ((("S1", "R1"), ("S1", "R2")), (("S1", "R3"),)) == found.committed
    assert {("S1", "L1"): 0, ("S1", "L2"): 1} == found.line_index
    assert [0, 1] == list(found.eligible["S1", "R2"])
    assert [("S1", "R2")] == found.runs_of["S1", "O2"]
    assert {("S1", "R3"): [("S1", "R1")]} == found.feeders
    # R1 has begun and feeds R3: it stays at the head. R2 and R3 may move.
    assert (1, 0) == found.pinned
    assert {("S1", "R2"): hour(9), ("S1", "R3"): hour(6)} == hold_plan(found).starts


TWICE = good().runs[0]
OFF = EligibleLine(site_id="S1", line_id="L9", rate_pcs_per_h=1.0)
STILL = EligibleLine(site_id="S1", line_id="L1", rate_pcs_per_h=0.0)


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        (with_run(1, run_id="R1"), "run S1/R1 is there twice"),
        (with_run(1, eligible=[]), "run S1/R2: eligible is empty"),
        (with_run(1, eligible=[OFF]), "run S1/R2, eligible S1/L9 is not among the lines"),
        (with_run(1, eligible=[STILL]), "run S1/R2, eligible S1/L1: rate_pcs_per_h is 0.0, not above 0"),
        (with_run(1, position=2), "run S1/R2: position is 2, but 1 is next on line S1/L1"),
        (with_run(1, line_id="L9"), "run S1/R2: line_id L9 is not among the lines"),
        (with_run(1, planned_start=None), "run S1/R2: position or planned_start is missing, it is on L1"),
        (with_run(1, line_id=None), "run S1/R2: it has a position or planned_start, but no line_id"),
        (with_run(1, freedom="started"), "run S1/R2: freedom is started, its state planned"),
        (with_run(0, next_piece_at=None), "run S1/R1: next_piece_at is missing, its state is running"),
        (with_run(0, remaining_pcs=-1.0), "run S1/R1: remaining_pcs is -1.0, not 0 or above"),
        (with_run(0, next_piece_at=float("nan")), "run S1/R1: next_piece_at is nan"),
        (with_run(2, fed_by=[("S1", "R9")]), "run S1/R3: fed_by names run S1/R9, which is not another run"),
        (with_run(0, fed_by=[("S1", "R3")]), "run S1/R1: fed_by goes round in a circle with the queues"),
        (with_line(spans=[(5.0, 9.0), (8.0, 10.0)]), "line S1/L1: spans are not in order, empty or overlap"),
        (with_line(level=0.0), "line S1/L1: level is 0.0, not above 0"),
        (with_line(setup_id="x"), "line S1/L1: setup_id x is not among the setups"),
        (
            with_line(overtime=[overtime("w", 20, 10, price=1.0)]),
            "line S1/L1, overtime w: end is -36000.0, not above 0",
        ),
        (good().model_copy(update={"lines": []}), "problem test: lines is empty"),
        (good().model_copy(update={"horizon_end": 0.0}), "problem test: horizon_end is"),
        (
            good().model_copy(update={"orders": [order("O1", 20), order("O1", 21)]}),
            "order S1/O1 is there twice",
        ),
        (
            good().model_copy(update={"orders": [order("O1", 20, departures=[2.0, 1.0])]}),
            "order S1/O1: departures are not in order or repeat",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_entity_and_field(wire: SchedulingProblem, says: str) -> None:
    with pytest.raises(ProblemInvalid) as refused:
        Problem(wire)

    assert str(refused.value).startswith(says)
    assert isinstance(refused.value, ForesiteError)


def test_a_run_that_began_stands_before_those_that_have_not() -> None:
    wire = problem(
        [line("L1")],
        [
            run("R1", at=6, position=0),
            run("R2", position=1, state="running", freedom="started", next_piece_at=hour(6)),
        ],
        [],
    )

    with pytest.raises(ProblemInvalid, match="run S1/R2: position 1 lies behind run R1, which has not begun"):
        Problem(wire)


def test_overtime_is_sold_only_where_nobody_works_and_not_in_the_past() -> None:
    """Monday 20:00 to 24:00 of a line that works until 22:00: two hours. As of 23:00, one of them is left."""
    wire = problem([line("L1", overtime=[overtime("late", 20, 24, price=100.0)])], [], [])
    evening = wire.model_copy(update={"as_of": hour(23), "frozen_until": hour(23)})

    assert [2.0] == [hours for _, _, hours in Problem(wire).windows_of(0)]
    assert [] == [hours for _, _, hours in Problem(evening).windows_of(0)]  # its notice passed at 20:00
