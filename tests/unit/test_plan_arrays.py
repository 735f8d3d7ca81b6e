"""The kernel's picture of a problem: whole minutes, never earlier than the truth, and its steps are the trucks."""

import pytest

from bench.random_problem import Size, random_problem
from solvers.construct import evaluate as kernel_evaluate
from solvers.evaluator import evaluate
from solvers.goals import GUIDE_SHARE, weights_of
from solvers.plan_arrays import compile_problem
from solvers.problem import Problem, hold_plan
from tests.planning import held, hour, line, order, problem, run


@pytest.mark.parametrize("seed", range(1, 6))
def test_ends_in_minutes_are_never_earlier_and_a_minute_a_run_later_at_most(seed: int) -> None:
    """Work and setup are rounded up: two minutes a run, in working time. Lines whose drift ends are spread, not exact."""
    wire = random_problem(seed, Size(8, 60, extras=0.0))
    indexed = Problem(wire)
    hold = evaluate(indexed, hold_plan(indexed))
    compiled = compile_problem(hold, hold.plan, weights_of("cost", 0.0))
    sequences = compiled.sequences_of(hold.plan)
    kernel = kernel_evaluate(compiled.instance, sequences)
    exact = evaluate(indexed, compiled.plan_of(sequences))

    compared = 0
    for index, sequence in enumerate(exact.plan.sequences):
        if indexed.lines[index].drift_ends_per_s > 0.0 or indexed.lines[index].family is None:
            continue
        calendar = indexed.working_time(index)
        for place, key in enumerate(sequence):
            if indexed.runs[key].family is None:
                break  # behind it the kernel counts a mean setup
            end = compiled.origin + 60.0 * int(kernel.end[compiled.task_of[key]])
            later_s = calendar.work_between(exact.end[key], end)
            assert -1.0 <= later_s <= 120.0 * (place + 2), (key, later_s)
            compared += 1
    assert compared > 20


def test_steps_are_missed_trucks_and_started_days() -> None:
    """O1: trucks Tue 12:00 (the promised one), Thu 12:00: ready after Tue 11:00 costs two days, after Thu 11:00 more.

    O2 has no route: a day each from its promise on. Tick 0 is Monday 06:00.
    """
    wire = problem(
        [line("L1")],
        [run("R1", at=6, position=0), run("R2", at=8, position=1)],
        [
            order("O1", 36, departures=[hour(36), hour(84), hour(108)], loading_s=3600.0, penalty=2500.0),
            order("O2", 40, penalty=100.0),
        ],
    )
    hold = held(wire)
    instance = compile_problem(hold, hold.plan, weights_of("cost", 0.0)).instance

    def steps(task: int) -> list[tuple[float, int]]:
        first, last = instance.step_ptr[task], instance.step_ptr[task + 1]
        return [
            (int(at) / 60 + 6, int(cost) // 100)
            for at, cost in zip(instance.step_at[first:last], instance.step_cost[first:last], strict=True)
        ]

    assert [(35.0, 5000), (83.0, 2500)] == steps(0)[:2]
    assert [(40.0, 100), (64.0, 100)] == steps(1)[:2]
    assert [(35 - 6) * 60, (40 - 6) * 60] == instance.due.tolist()
    assert [round(2500 * GUIDE_SHARE / 1440 * 100), max(1, round(100 * GUIDE_SHARE / 1440 * 100))] == (
        instance.weight.tolist()
    )


def test_what_may_not_move_cannot_move_in_the_arrays_either() -> None:
    wire = problem(
        [line("L1"), line("L2")],
        [
            run("R1", position=0, state="running", freedom="started", next_piece_at=hour(6)),
            run("R2", at=8, position=1, freedom="firm", lines=("L1", "L2")),
            run("R3", at=8, on="L2", position=0, lines=("L1", "L2")),
        ],
        [],
    )
    hold = held(wire)
    instance = compile_problem(hold, hold.plan, weights_of("cost", 25.0)).instance

    assert [[0], []] == [instance.fixed_of(0), instance.fixed_of(1)]
    assert [[120, 120, 120], [-1, -1, 120]] == instance.work.tolist()
    assert [[0, 0, 2500], [0, 0, 0]] == instance.line_cost.tolist()  # another line costs a move
