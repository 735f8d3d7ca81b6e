"""A plan that is executed by planned starts must have them rise along each line's sequence.

The story: a run that kept its place kept its committed start, also where a run was put before it. Twin and shop floor take
runs by planned start, so it jumped the queue: in the simulated shop the plan that was executed had eleven late orders two
hours after one with none was committed.
"""

from solvers.options import planned_runs
from tests.planning import held, hours, line, order, planned, problem, run


def test_a_run_that_another_one_was_put_before_starts_behind_it() -> None:
    """Committed R1 06:00, R2 08:00, R3 10:00. R3 goes first; R1 would keep 06:00, and is told 08:00, where it starts."""
    base = held(
        problem(
            [line()],
            runs=[
                run("R1", at=6.0, position=0),
                run("R2", at=8.0, position=1),
                run("R3", at=10.0, position=2),
            ],
            orders=[order("O1", 40.0), order("O2", 40.0), order("O3", 40.0)],
        )
    )
    found = planned(base, {0: ["R3", "R1", "R2"]}, R1=6.0, R2=8.0)

    told = [(each.run_id, hours(each.planned_start_at.timestamp())) for each in planned_runs(found)]

    assert [("R3", 6.0), ("R1", 8.0), ("R2", 10.0)] == told


def test_a_start_that_is_in_sequence_stays_as_it_was_committed() -> None:
    """R1 takes 3 h, nothing was put before R2 and R3: they keep 08:00 and 10:00, also where they start later."""
    base = held(
        problem(
            [line()],
            runs=[run("R1", at=6.0, work_h=3.0, position=0), run("R2", at=8.0, position=1), run("R3", at=10.0, position=2)],
            orders=[order("O1", 40.0), order("O2", 40.0), order("O3", 40.0)],
        )
    )  # fmt: skip
    found = planned(base, {0: ["R1", "R2", "R3"]}, R1=6.0, R2=8.0, R3=10.0)

    told = [(each.run_id, hours(each.planned_start_at.timestamp())) for each in planned_runs(found)]

    assert [("R1", 6.0), ("R2", 8.0), ("R3", 10.0)] == told
    assert 9.0 == hours(found.start["S1", "R2"]), "the plan says 08:00, it starts when R1 has ended"
