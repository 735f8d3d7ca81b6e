"""What an instance refuses, and what it fills in."""

from typing import Any

import numpy as np
import pytest

from solvers.construct import evaluate
from solvers.instance import NO_TIME_COST, Instance, InstanceInvalid


def test_what_is_not_given_is_nothing() -> None:
    instance = Instance.build([[2, 3]])

    found = evaluate(instance, [[0, 1]])

    assert (0, [0, 2], [2, 5], 5) == (found.cost, found.start.tolist(), found.end.tolist(), found.makespan)


def test_a_shift_ends_work_and_setup_and_the_next_goes_on_with_them() -> None:
    """Open 0 to 10 and 20 to 30. Setup 4, work 6: done at 10, not at 20. Setup 4 from 20, then work 8 from 24 to 30:
    two ticks are missing, made after the calendar's end, at 32, and that costs NO_TIME_COST beside 3 x 2 late."""
    instance = Instance.build(
        [[6, 8]],
        setup=[[[4], [4]]],
        span_ptr=[0, 2],
        span_start=[0, 20],
        span_end=[10, 30],
        due=[10, 30],
        weight=[9, 3],
    )

    found = evaluate(instance, [[0, 1]])

    assert (NO_TIME_COST + 6, [4, 24], [10, 32]) == (found.cost, found.start.tolist(), found.end.tolist())


def test_setup_is_done_before_the_release() -> None:
    instance = Instance.build([[5, 5]], setup=[[[10], [0]]], release=[0, 20])

    assert [0, 20] == evaluate(instance, [[0, 1]]).start.tolist()


def test_steps_tails_and_taxes_add_up() -> None:
    """Done at 5, 7 with the tail: 2 late x 3, one of two steps passed (4), tax 2 x |0 - 8|, line 11, setup cost 7."""
    instance = Instance.build(
        [[5]],
        setup_cost=[[[0], [7]]],
        setup=[[[0], [0]]],
        due=[5],
        weight=[3],
        step_ptr=[0, 2],
        step_at=[6, 7],
        step_cost=[4, 100],
        tail=[[2]],
        line_cost=[[11]],
        home_start=[8],
        shift_tax=[2],
    )

    assert 6 + 4 + 16 + 11 + 7 == evaluate(instance, [[0]]).cost


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"work": [[1, 0]]}, "work holds 0: a task takes at least a tick"),
        ({"work": [[1.5, 2.0]]}, "work holds float64, not whole numbers"),
        ({"work": [[1, -1]]}, "task 1 can be made on no line"),
        ({"due": [1]}, "due has the shape (1,), not (2,)"),
        ({"weight": [1, -1]}, "weight[1] is -1, not at least 0"),
        ({"family": [0, 1]}, "family[1] is 1, not in 0..0"),
        (
            {"span_ptr": [0, 2], "span_start": [0, 3], "span_end": [4, 8]},
            "the working spans of line 0 overlap or are out of order",
        ),
        ({"span_ptr": [0, 1], "span_start": [3], "span_end": [3]}, "a working span ends before it begins"),
        ({"step_ptr": [0, 2, 1]}, "step_ptr does not begin with 0 and rise"),
        ({"fixed_ptr": [0, 2], "fixed_task": [1, 1]}, "task 1 is fixed twice"),
        ({"fixed_ptr": [0, 1], "fixed_task": [2]}, "fixed_task of line 0 is 2, of 2 tasks"),
    ],
)
def test_what_is_no_problem_is_refused(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(InstanceInvalid) as refused:
        Instance.build(**{"work": [[1, 2]], **given})

    assert fault == str(refused.value)


def test_costs_that_could_overflow_are_refused() -> None:
    with pytest.raises(InstanceInvalid, match="use coarser units"):
        Instance.build([[1000, 1000]], due=[0, 0], weight=[2**52, 2**52])


def test_the_latest_end_of_a_huge_instance_stays_within_63_bits() -> None:
    instance = Instance.build(np.full((2, 500), 2**20), due=[0] * 500, weight=[1000] * 500)

    ends = [2**20 * (k + 1) for k in range(500)]
    assert 1000 * sum(ends) == evaluate(instance, [list(range(500)), []]).cost
