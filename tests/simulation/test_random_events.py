"""Plans that live through random events: nothing that has started or is frozen moves, no plan is infeasible or worse.

`foresite bench replanning` does the same ten thousand times.
"""

from random import Random
from time import monotonic

import pytest

from bench.plan_events import LivingPlan, request_of
from bench.random_problem import Size, random_problem
from bench.replanning import Tally, live_on
from solvers.engine import solve

SIZES = (Size(4, 20, extras=0.2), Size(5, 24, sites=2, extras=0.3), Size(8, 48, extras=0.1))


@pytest.mark.parametrize("seed", range(1, 8))
def test_no_proposal_after_a_random_event_is_wrong(seed: int) -> None:
    """Forty events a seed, every option of every revision judged by the checker and twice more."""
    tally = live_on(seed, 40, SIZES[seed % 3], 1_500, Tally())

    assert [] == tally.wrong, f"seed {seed}"
    assert (40, 0) == (tally.events, tally.dropped)
    assert tally.options > 80
    assert tally.committed > 5


def test_every_kind_of_event_happens() -> None:
    tally = Tally()
    for seed in (21, 22):
        live_on(seed, 40, SIZES[0], 0, tally)

    assert {"down", "rush", "cancel", "drift", "late receipt", "lock"} == set(tally.happened)


def test_the_same_events_give_the_same_proposals() -> None:
    """Two plants from one seed, fed with their own answers: bytes apart from the time that solving took."""

    def told() -> list[str]:
        random = Random(31)
        plan = LivingPlan(random_problem(31, SIZES[1]).model_copy(update={"move_budget": 1_500}), random)
        lines: list[str] = []
        for number in range(12):
            plan.pass_time()
            request = request_of(plan.problem, plan.happen(), f"request-{number}")
            request = request.model_copy(update={"problem": plan.problem})
            proposals = [
                step for step in solve(request, clock=monotonic, cancelled=lambda: False) if step is not None
            ]
            lines += [each.model_dump_json(exclude={"solve_ms"}) for each in proposals]
            others = [option for option in proposals[-1].options[1:] if option.feasible]
            if others:
                plan.commit(others[0])
            plan.without_the_unplanned()
        return lines

    assert told() == told()
