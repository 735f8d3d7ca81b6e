"""What a scheduling problem says of the plan as it stands is what the twin projects, on histories that Hypothesis makes up."""

from datetime import datetime

import pytest
from hypothesis import given

from solvers.problem import Problem, ProblemInvalid
from tests.folding import Folded
from tests.hold_by_hand import hold, ready_at, ships_at
from tests.living_plant import STEPS, Step, begun, histories, take
from twin import Twin
from twin.forecast.circles import circles
from twin.forecast.lookahead import assess_order, project_line
from twin.replan.problems import build_problem

ROUNDS = 60
"""More than any chain of lines that feed each other here needs."""


@STEPS
@given(histories())
def test_holding_a_problem_gives_what_the_twin_projects(history: list[Step]) -> None:
    folded = begun()
    for step in history:
        take(folded, step)
        if isinstance(step, datetime):
            check(unsettled(folded))


def check(twin: Twin) -> None:
    """Starts and ends of every run, and readiness and slip of every order, are the projected ones."""
    assert twin.now is not None
    problem = build_problem(twin.model, twin.now, sorted(twin.model.lines), problem_id="p")
    if circles(
        twin.model
    ):  # somebody planned runs to wait for each other: no date is right, and nobody is to plan on it
        with pytest.raises(ProblemInvalid, match="fed_by goes round in a circle"):
            Problem(problem)
        return
    plan = hold(problem)
    for (site_id, _), line in twin.model.lines.items():
        for each in line.projected.values():
            start, end = plan[site_id, each.run_id]
            assert is_same(each.start_at, start), f"{each.run_id} starts"
            assert is_same(each.finish_at, end), f"{each.run_id} ends"
    for order in problem.orders:
        assessment = assess_order(twin.model.orders[order.site_id, order.order_id], twin.model)
        assert assessment is not None
        ready = ready_at(problem, order, plan)
        ships = ships_at(order, ready)
        assert ships is not None
        assert is_same(assessment.ready_at + assessment.transfer_s, ready)
        assert is_same(assessment.slip_s, max(0.0, ships - order.promised))


def unsettled(folded: Folded) -> Twin:
    """A copy in which every projection is worked out anew: what is said stays until it moved, and lags by so much."""
    twin = Twin.restore(folded.twin.header(), folded.documents)
    assert twin.now is not None
    for _ in range(ROUNDS):
        moved = False
        for _, line in sorted(twin.model.lines.items()):
            after = project_line(line, twin.model, twin.now)
            moved = moved or after != line.projected
            line.projected = after
        if not moved:
            break
    return twin


def is_same(expected: float, actual: float) -> bool:
    """Equal to a millisecond; never is never."""
    return expected == actual or abs(expected - actual) < 1e-3
