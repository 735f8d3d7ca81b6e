"""What a plan comes to, by hand."""

from dataclasses import replace
from random import Random

import pytest

from bench.random_problem import Size, random_problem
from schemas.scheduling import EligibleLine, MaterialGate
from solvers.evaluator import Evaluated, evaluate
from solvers.line_walk import PlanInvalid
from solvers.moves import keep_most
from solvers.problem import Problem, Split, hold_plan
from solvers.working_time import WorkingTime
from tests.planning import held, hour, hours, line, order, overtime, planned, problem, run


def times(found: Evaluated) -> dict[str, tuple[float, float]]:
    return {key[1]: (hours(found.start[key]), hours(found.end[key])) for key in found.start}


def test_runs_follow_each_other_with_setup_and_never_begin_before_their_plan() -> None:
    """R1 6-8; R2 of family B: setup until 8:30, but planned at 9; R3 of A: an hour of setup after 11."""
    found = held(
        problem(
            [line("L1")],
            [
                run("R1", at=6, position=0),
                run("R2", at=9, position=1, family="B"),
                run("R3", at=11, position=2),
            ],
            [order("O1", 10), order("O2", 10), order("O3", 40)],
        )
    )

    assert {"R1": (6.0, 8.0), "R2": (9.0, 11.0), "R3": (12.0, 14.0)} == times(found)
    # O2 is an hour late: a started day, 1,000. Setups 30 + 60 min, 50 + 80. Margin 3 x 200 x 10 less the cost.
    kpis = found.kpis
    assert (1, 1.0, 1.0, 1000.0) == (kpis.late_orders, kpis.total_slip_h, kpis.max_slip_h, kpis.penalty)
    assert (2, 90.0, 130.0, 1130.0) == (
        kpis.changeovers, kpis.changeover_min, kpis.changeover_cost, kpis.cost
    )  # fmt: skip
    assert (4870.0, 600.0, 0) == (kpis.margin, kpis.throughput_pcs, kpis.moved_orders)


def test_work_stops_at_night_and_ends_exactly_with_a_shift() -> None:
    """14 h from 10:00: 12 h until 22:00, 2 h from Tuesday 6:00. 12 h would end with Monday's shift."""
    night = held(problem([line()], [run("R1", at=10, work_h=14)], []))
    evening = held(problem([line()], [run("R1", at=10, work_h=12)], []))

    assert {"R1": (10.0, 32.0)} == times(night)
    assert {"R1": (10.0, 22.0)} == times(evening)


def test_a_slow_line_with_short_stops_takes_longer() -> None:
    """2 h at 80 % are 2.5 h, with 2 % of short stops 2.55 h."""
    found = held(problem([line(level=0.8, short_share=0.02)], [run("R1", at=6)], []))

    assert {"R1": (6.0, 8.55)} == times(found)


def test_a_drift_that_ends_costs_less_the_farther_it_is() -> None:
    """At 50 % ten hours of work would take 20. Ending at a rate of 1 / 10 h, it goes on for (1 - e^-2) x 10 = 8.6466 h.

    Of the 20 h only half of what falls in that time is lost: 20 - 0.5 x (20 - 8.6466) = 14.3233 h.
    """
    found = held(problem([line(level=0.5, drift_ends_per_s=1 / 36_000)], [run("R1", at=6, work_h=10)], []))

    assert {"R1": (6.0, 20.323)} == times(found)


def test_material_release_lock_and_feeder_hold_a_run_up() -> None:
    """R1 feeds R4 and ends at 8; R2 has material from 13, R3 is locked until 18."""
    found = held(
        problem(
            [line("L1"), line("L2")],
            [
                run("R1", at=6, position=0),
                run("R2", at=8, position=1, release_at=hour(13)),
                run("R3", at=15, position=2, not_before=hour(18)),
                run("R4", at=6, on="L2", position=0, lines=("L2",), fed_by=[("S1", "R1")]),
            ],
            [],
        )
    )

    assert {"R1": (6.0, 8.0), "R2": (13.0, 15.0), "R3": (18.0, 20.0), "R4": (8.0, 10.0)} == times(found)


def test_the_last_pieces_wait_for_their_material() -> None:
    """100 of 200 pieces need a part that comes at 12: an hour of work from then on."""
    gate = MaterialGate(item_id="part", at=hour(12), after_pcs=100.0)
    found = held(problem([line()], [run("R1", at=6, gates=[gate])], []))

    assert {"R1": (6.0, 13.0)} == times(found)


def test_a_begun_run_goes_on_and_an_idle_line_that_is_behind_begins_now_with_its_setup() -> None:
    """L1 makes its next piece at 7. L2 should have begun at 5 and has not: half an hour of setup from 6 on."""
    found = held(
        problem(
            [line("L1"), line("L2")],
            [
                run("R1", state="running", freedom="started", next_piece_at=hour(7), remaining_pcs=50.0),
                run("R2", at=5, on="L2", lines=("L2",), family="B"),
            ],
            [],
        )
    )

    assert {"R1": (7.0, 7.5), "R2": (6.5, 8.5)} == times(found)


def test_an_order_leaves_with_the_first_truck_that_it_catches() -> None:
    """Ready at 8, trucks Tue 12:00 and Thu 12:00, loading 1 h. Ready Tue 11:00 catches it, a minute later does not."""
    trucks = [hour(36), hour(84)]

    def shipped(start: float) -> tuple[float, float, float]:
        promise = order("O1", 36, departures=trucks, loading_s=3600.0, penalty=2500.0)
        wire = problem([line()], [run("R1", at=start)], [promise])
        outcome = held(wire).orders["S1", "O1"]
        assert outcome.ships_at is not None
        return hours(outcome.ships_at), outcome.slip_s / 3600.0, outcome.penalty

    assert (36.0, 0.0, 0.0) == shipped(33.0)
    assert (84.0, 48.0, 5000.0) == shipped(33.0 + 1 / 60)


def test_an_order_waits_for_all_its_runs_and_for_what_is_made_elsewhere() -> None:
    found = held(
        problem(
            [line("L1"), line("L2")],
            [
                run("R1", at=6, order="O1"),
                run("R2", at=8, on="L2", lines=("L2",), order="O1"),
                run("R3", at=8, position=1, order="O3"),
            ],
            [order("O1", 9), order("O3", 9, ready_elsewhere=hour(20))],
        )
    )

    assert (10.0, 20.0) == tuple(hours(each.ready_at or 0.0) for each in found.orders.values())


def test_another_site_adds_the_time_and_cost_of_bringing_it() -> None:
    """Two hours of work at 6, six hours of transfer: ready at 14, at 300."""
    there = EligibleLine(
        site_id="S2", line_id="L2", rate_pcs_per_h=100.0, transfer_s=21_600.0, transfer_cost=300.0
    )
    here = EligibleLine(site_id="S1", line_id="L1", rate_pcs_per_h=100.0)
    base = held(
        problem(
            [line("L1"), line("L2", site="S2")],
            [run("R1", at=6, eligible=[here, there])],
            [order("O1", 10)],
        )
    )
    found = planned(base, {0: [], 1: ["R1"]})

    assert 14.0 == hours(found.orders["S1", "O1"].ready_at or 0.0)
    assert (300.0, 1300.0, 1) == (found.kpis.transfer_cost, found.kpis.cost, found.kpis.moved_orders)


def test_overtime_adds_working_time_from_the_window_s_beginning() -> None:
    """14 h from 10:00 end Tuesday 8:00; two of them on Monday night from 22:00 on, and it is done at 24:00."""
    wire = problem(
        [line(overtime=[overtime("night", 22, 26, price=200.0)])], [run("R1", at=10, work_h=14)], []
    )
    base = held(wire)
    plan = base.plan.with_overtime(("S1", "L1", "night"), 2.0)
    found = evaluate(base.problem, plan, base)

    assert {"R1": (10.0, 24.0)} == times(found)
    assert (2.0, 400.0) == (found.kpis.overtime_h, found.kpis.overtime_cost)


def test_a_split_run_is_ready_when_both_parts_are() -> None:
    """200 pieces: 120 here until 7:12, 80 on the other line until 6:48; the order is ready at 7:12."""
    wire = problem([line("L1"), line("L2")], [run("R1", at=6, lines=("L1", "L2"))], [order("O1", 7.5)])
    base = held(wire)
    part = ("S1", "R1/split-1")
    plan = replace(
        base.plan,
        sequences=((("S1", "R1"),), (part,)),
        splits={part: Split(of=("S1", "R1"), quantity_pcs=80.0)},
    )
    found = evaluate(base.problem, plan)

    assert {"R1": (6.0, 7.2), "R1/split-1": (6.0, 6.8)} == times(found)
    assert (7.2, 0.0) == (hours(found.orders["S1", "O1"].ready_at or 0.0), found.kpis.penalty)


def test_what_does_not_fit_before_the_horizon_goes_on_after_it() -> None:
    """One day of 16 h, horizon after 14 days: of 20 h of work from 6:00 four are left for then."""
    found = held(problem([line(days=1)], [run("R1", at=6, work_h=20)], []))

    assert {"R1": (6.0, 14 * 24 + 4.0)} == times(found)


def test_a_run_that_is_on_no_line_leaves_its_order_late() -> None:
    found = held(problem([line()], [run("R1", on=None)], [order("O1", 14 * 24 - 36)]))

    assert (None, 36 * 3600.0, 2000.0) == (
        found.orders["S1", "O1"].ships_at,
        found.orders["S1", "O1"].slip_s,
        found.orders["S1", "O1"].penalty,
    )


def test_runs_that_wait_for_each_other_are_no_plan() -> None:
    base = held(
        problem(
            [line("L1"), line("L2")],
            [
                run("R1", at=6, position=0),
                run("R2", at=8, position=1, fed_by=[("S1", "R3")]),
                run("R3", at=6, on="L2", position=0, lines=("L2",)),
                run("R4", at=8, on="L2", position=1, lines=("L2",), fed_by=[("S1", "R1")]),
            ],
            [],
        )
    )

    with pytest.raises(PlanInvalid, match="waits for a run that waits for it"):
        planned(base, {0: ["R2", "R1"], 1: ["R4", "R3"]})


def test_only_runs_that_explain_the_difference_have_moved() -> None:
    """1 2 3 4 as 2 3 4 1: one run went to the back, three went up by themselves."""
    assert [1, 2, 3] == keep_most([1, 2, 3, 0])
    assert [0, 2, 3] == keep_most([0, 2, 3])
    assert [0, 1, 3] == keep_most([0, 2, 1, 3])  # of equally long ones the smallest


@pytest.mark.parametrize("seed", range(6))
def test_evaluating_against_a_base_gives_what_evaluating_anew_gives(seed: int) -> None:
    random = Random(seed)
    indexed = Problem(random_problem(seed, Size(6, 40, extras=0.3)))
    found = evaluate(indexed, hold_plan(indexed))
    for _ in range(20):
        sequences = [list(sequence) for sequence in found.plan.sequences]
        line_index = random.randrange(len(sequences))
        free = sequences[line_index][indexed.pinned[line_index] :]
        if not free:
            continue
        key = random.choice(free)
        sequences[line_index].remove(key)
        sequences[line_index].insert(
            random.randint(indexed.pinned[line_index], len(sequences[line_index])), key
        )
        starts = {each: start for each, start in found.plan.starts.items() if random.random() < 0.95}
        plan = replace(found.plan, sequences=tuple(map(tuple, sequences)), starts=starts)
        try:
            after = evaluate(indexed, plan, found)
        except PlanInvalid:
            continue
        anew = evaluate(indexed, plan)
        assert (anew.start, anew.end, anew.orders) == (after.start, after.end, after.orders)
        assert anew.kpis == after.kpis
        found = after


def test_a_rounding_does_not_push_the_end_into_the_next_shift() -> None:
    """Work that fills a shift but for a billionth of a second too much ended the next morning, sixteen hours later."""
    calendar = WorkingTime([(hour(6), hour(22)), (hour(30), hour(46))], hour(100))

    assert hour(22) == calendar.add_work(hour(6), 16 * 3600.0 + 1e-7)
    assert hour(46) == calendar.add_work(hour(6), 32 * 3600.0 + 1e-7)
    assert hour(31) == calendar.add_work(hour(6), 17 * 3600.0)
    assert hour(10) == calendar.subtract_work(hour(31), 13 * 3600.0)
