"""Scheduling problems from the live model, by hand: what is in them, and that they say what the twin projects."""

from datetime import timedelta

from schemas import EligibleLine, Lock, SchedulingProblem, SchedulingRun, SetupTime
from tests.asking import START, both_lines, held, running
from tests.folding import Folded, at, event, order, run, small_plant
from tests.hold_by_hand import hold, ready_at, ships_at
from tests.unit.test_line3_card import nov, told_until
from twin import Twin
from twin.decisions.plan_moves import note_move
from twin.forecast.projection import ProjectedRun
from twin.replan.problem_scope import scope_of
from twin.replan.problems import build_problem

L1, L2 = ("S1", "L1"), ("S1", "L2")


def problem_of(folded: Folded, **options: object) -> SchedulingProblem:
    model, now = folded.twin.model, folded.twin.now
    assert now is not None
    return build_problem(model, now, sorted(model.lines), problem_id="p", **options)  # type: ignore[arg-type]


def the_run(problem: SchedulingProblem, run_id: str) -> SchedulingRun:
    (found,) = [each for each in problem.runs if each.run_id == run_id]
    return found


def projected(folded: Folded, line_id: str, run_id: str) -> ProjectedRun:
    return folded.twin.model.lines["S1", line_id].projected[run_id]


# Line 3, the golden case


def test_the_problem_of_line_3_says_what_paper_says() -> None:
    """26,340 of R-4471 remain at 500/h and 8.0 % under plan: 57.26 h from Thu 19 Nov 08:00; then R-4472 after 30 min."""
    folded = told_until(nov(19, 8))
    model, now = folded.twin.model, folded.twin.now
    assert now is not None
    key = ("plant-1", "L3")
    problem = build_problem(model, now, scope_of(model, [key]), problem_id="p", hit=[key])
    (line,), (first, second) = problem.lines, problem.runs

    assert nov(19, 8).timestamp() == problem.as_of == line.free_from
    assert ("steel", 0.92, True) == (line.family, round(line.level, 3), line.is_hit)
    assert [(780.0, nov(20, 14).timestamp())] == [(each.cost_per_h, each.notice_by) for each in line.overtime]
    assert (nov(19, 8).timestamp(), nov(19, 22).timestamp()) == line.spans[0]
    assert (nov(20, 6).timestamp(), nov(20, 22).timestamp()) == line.spans[1]
    assert (nov(23, 6).timestamp(), nov(23, 22).timestamp()) == line.spans[2]
    assert ("R-4471", "started", 26_340.0, nov(19, 8).timestamp()) == (
        first.run_id,
        first.freedom,
        first.remaining_pcs,
        first.next_piece_at,
    )
    assert ("R-4472", "free", 8_000.0, None) == (
        second.run_id,
        second.freedom,
        second.remaining_pcs,
        second.next_piece_at,
    )
    assert [1_800.0] == [each.default_s for each in problem.setups]
    assert ["4471", "4472"] == [each.order_id for each in problem.orders]
    northwind = problem.orders[0]
    assert (2_500.0, True, nov(24, 12).timestamp()) == (
        northwind.penalty_per_day,
        northwind.cannot_slip,
        northwind.on_time_slot,
    )
    assert northwind.departures is not None
    assert [nov(19, 12), nov(24, 12), nov(26, 12)] == [
        nov(19, 12) + timedelta(seconds=each - nov(19, 12).timestamp()) for each in northwind.departures[:3]
    ]


def test_holding_line_3_ends_when_paper_says_and_misses_the_same_truck() -> None:
    folded = told_until(nov(19, 8))
    model, now = folded.twin.model, folded.twin.now
    assert now is not None
    problem = build_problem(model, now, [("plant-1", "L3")], problem_id="p")
    plan = hold(problem)
    ends = {run_id: end for (_, run_id), (_, end) in plan.items()}
    ready = ready_at(problem, problem.orders[0], plan)

    said = model.lines["plant-1", "L3"].projected

    assert said["R-4471"].finish_at == ends["R-4471"]
    assert (
        abs(said["R-4472"].finish_at - ends["R-4472"]) < 0.05 * said["R-4472"].sd_work_s
    )  # stays as it was said
    assert abs(nov(24, 17, 15).timestamp() + 39.0 - ends["R-4471"]) < 15.0
    assert nov(26, 12).timestamp() == ships_at(problem.orders[0], ready)


# What may be moved


def test_begun_runs_are_started_near_ones_frozen_and_far_ones_free() -> None:
    """R1 runs; R2 starts at 14:00: free at 08:00 with a frozen horizon of 2 h, frozen with one of 6.5 h."""
    near = {"plan_frozen_h": 6.5}

    assert [("R1", "started"), ("R2", "free")] == [
        (each.run_id, each.freedom) for each in problem_of(running()).runs
    ]
    assert [("R1", "started"), ("R2", "frozen")] == [
        (each.run_id, each.freedom) for each in problem_of(running(rules=near)).runs
    ]
    assert "starts within 6.5 h" == the_run(problem_of(running(rules=near)), "R2").because


def test_between_the_frozen_and_the_firm_horizon_a_run_keeps_its_line() -> None:
    problem = problem_of(running(rules={"plan_firm_h": 7.0}))

    assert ("firm", "starts within 7 h") == (the_run(problem, "R2").freedom, the_run(problem, "R2").because)


def test_a_run_behind_a_stop_is_not_about_to_start_whatever_was_planned() -> None:
    """R2 is planned for 14:00; at 13:00 L1 is down until 21:00, so that it starts far beyond the frozen two hours."""
    folded = running()
    folded.tick(at(0, "13:00"))
    folded.tell(held(at(0, "13:00")))

    assert "free" == the_run(problem_of(folded), "R2").freedom


def test_a_run_that_was_moved_in_this_shift_is_out_of_moves_until_the_next_one() -> None:
    """Its line's shift runs from 06:00 to 22:00: a move at 07:00 counts at 08:00, one of Sunday does not."""
    folded = running()
    model = folded.twin.model
    note_move(model, model.runs["S1", "R2"], at(0, "07:00").timestamp() - 86_400.0)
    free = the_run(problem_of(folded), "R2")
    note_move(model, model.runs["S1", "R2"], at(0, "07:00").timestamp())
    moved = the_run(problem_of(folded), "R2")

    assert ("free", 0) == (free.freedom, free.moves)
    assert ("frozen", "was moved 1 x in this shift already", 1) == (moved.freedom, moved.because, moved.moves)


def test_locks_pin_a_run_to_a_line_and_to_a_moment() -> None:
    folded = running()
    later = at(0, "16:00")
    here = problem_of(folded, locks={("S1", "R2"): Lock(run_id="R2", line_id="L1")})
    there = problem_of(folded, locks={("S1", "R2"): Lock(run_id="R2", line_id="L2", not_before=later)})

    assert ("frozen", "a planner locked it there") == (
        the_run(here, "R2").freedom,
        the_run(here, "R2").because,
    )
    assert ["L2"] == [each.line_id for each in the_run(there, "R2").eligible]
    assert later.timestamp() == the_run(there, "R2").not_before


# Where it may be made


def test_lines_of_the_routing_step_and_of_the_plan_can_make_a_run_its_own_first() -> None:
    """The routing has L1 and L2 at step 1 and L3 at step 2; the plan names L4, of which only the line's own rate is known."""
    said = at(0, "00:00")
    steps = [{"step": 1, "line_id": "L1", "rate_pcs_per_h": 100.0}, {"step": 1, "line_id": "L2", "rate_pcs_per_h": 80.0}, {"step": 2, "line_id": "L3", "rate_pcs_per_h": 50.0}]  # fmt: skip
    folded = Folded()
    folded.tell(
        *small_plant(),
        event("line_upserted", said, line_id="L3"),
        event("line_upserted", said, line_id="L4", rate_pcs_per_h=60.0),
        event("routing_upserted", said, item_id="red", steps=steps),
        run("R1", "L2", at(0, "06:00"), at(0, "14:00"), alternate_line_ids=["L4", "L9"]),
    )
    folded.tick(at(0, "05:00"))

    assert [("L2", 100.0), ("L1", 100.0), ("L4", 60.0)] == [
        (each.line_id, each.rate_pcs_per_h) for each in the_run(problem_of(folded), "R1").eligible
    ]


def test_a_run_that_has_begun_can_be_made_nowhere_else() -> None:
    assert [EligibleLine(site_id="S1", line_id="L1", rate_pcs_per_h=100.0)] == the_run(
        problem_of(running()), "R1"
    ).eligible


# What it waits for


def test_holding_a_line_that_is_down_gives_what_the_twin_projects() -> None:
    """R1 has 600 to make when L1 stops at 08:01 until 16:01: it ends at 22:01, in the night, so on Tuesday at 06:01."""
    folded = running()
    folded.tell(held(at(0, "08:01")))
    folded.tick(at(0, "08:02"))
    plan = hold(problem_of(folded))

    assert at(0, "16:01").timestamp() == plan["S1", "R1"][0] == projected(folded, "L1", "R1").start_at
    assert projected(folded, "L1", "R1").finish_at == plan["S1", "R1"][1]
    assert (projected(folded, "L1", "R2").start_at, projected(folded, "L1", "R2").finish_at) == plan[
        "S1", "R2"
    ]


def test_material_holds_a_run_in_the_problem_as_in_the_projection() -> None:
    """R2 takes 800 bolts, of which 300 are there; 600 come on Tuesday at 10:00: the last 500 pieces are made from then."""
    said = at(0, "07:00")
    folded = running(
        event("item_upserted", said, item_id="bolt", lead_time_days=3.0),
        event(
            "bill_of_material_upserted",
            said,
            item_id="blue",
            components=[{"item_id": "bolt", "quantity_per": 1.0}],
        ),
        event("stock_reported", said, item_id="bolt", location_id="A", quantity=300.0),
        event("receipt_expected", said, receipt_id="PO-1", item_id="bolt", quantity=600.0, expected_at=at(1, "10:00")),
        run("R2", "L1", at(0, "14:00"), at(0, "22:00"), item_id="blue", pegs=["2"], setup_min=0.0, when=at(0, "01:00")),
    )  # fmt: skip
    problem = problem_of(folded)
    (gate,) = the_run(problem, "R2").gates

    assert ("bolt", at(1, "10:00").timestamp(), "PO-1") == (gate.item_id, gate.at, gate.receipt_id)
    assert abs(500.0 - gate.after_pcs) < 1e-6
    assert (at(0, "14:00").timestamp(), at(1, "15:00").timestamp()) == hold(problem)["S1", "R2"]
    assert at(1, "15:00").timestamp() == projected(folded, "L1", "R2").finish_at


def test_feeders_of_the_problem_are_named_and_those_outside_give_a_moment() -> None:
    folded = Folded()
    folded.tell(
        *small_plant(),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), feeds_run_ids=["R2"]),
        run("R2", "L2", at(0, "10:00"), at(0, "18:00")),
    )
    folded.tick(at(0, "05:00"))
    model, now = folded.twin.model, folded.twin.now
    assert now is not None
    alone = build_problem(model, now, [L2], problem_id="p")

    assert [("S1", "R1")] == the_run(problem_of(folded), "R2").fed_by
    assert ([], at(0, "14:00").timestamp()) == (the_run(alone, "R2").fed_by, the_run(alone, "R2").fed_at)
    assert at(0, "14:00").timestamp() == hold(alone)["S1", "R2"][0] == hold(problem_of(folded))["S1", "R2"][0]


# Setups, scope, bounds


def test_setups_are_told_between_families_of_the_problem_only_the_first_word_standing() -> None:
    entries = [
        {"from_family": "red", "to_family": "blue", "setup_min": 20.0, "cost": 15.0},
        {"from_family": "red", "to_family": "blue", "setup_min": 99.0},
        {"from_family": "red", "to_family": "green", "setup_min": 40.0},
    ]
    folded = Folded()
    folded.tell(
        *small_plant(),
        event("setup_matrix_upserted", at(0, "01:00"), line_id="L1", default_min=30.0, entries=entries),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00")),
        run("R2", "L1", at(0, "14:00"), at(0, "22:00"), item_id="blue"),
    )
    folded.tick(at(0, "05:00"))
    (matrix,) = problem_of(folded).setups

    assert ("S1/L1", 1_800.0) == (matrix.setup_id, matrix.default_s)
    assert [SetupTime(from_family="red", to_family="blue", setup_s=1_200.0, cost=15.0)] == matrix.entries


def test_the_scope_is_the_hit_line_where_its_runs_could_go_and_what_hangs_on_them() -> None:
    """L1 is hit: L2 could make R1; L3 makes another part of order 1; R1 feeds R4 on L4. L5 has nothing to do with it."""
    said = at(0, "00:00")
    folded = Folded()
    folded.tell(
        *small_plant(),
        *(event("line_upserted", said, line_id=f"L{number}") for number in (3, 4, 5)),
        order("1", at(1, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"], alternate_line_ids=["L2"], feeds_run_ids=["R4"]),
        run("R3", "L3", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
        run("R4", "L4", at(0, "14:00"), at(0, "22:00")),
        run("R5", "L5", at(0, "14:00"), at(0, "22:00")),
    )  # fmt: skip
    folded.tick(at(0, "05:00"))

    assert [("S1", each) for each in ("L1", "L2", "L3", "L4")] == scope_of(folded.twin.model, [L1])


def test_orders_of_a_problem_know_their_runs_outside_it_and_their_trucks() -> None:
    """Order 1 also waits for R9 on L2, until Tuesday at 22:00; on L1 alone that is what it is ready by."""
    folded = running(run("R9", "L2", at(1, "14:00"), at(1, "22:00"), pegs=["1"]))
    model, now = folded.twin.model, folded.twin.now
    assert now is not None
    first, second = build_problem(model, now, [L1], problem_id="p").orders

    assert (at(1, "22:00").timestamp(), None) == (first.ready_elsewhere, second.ready_elsewhere)
    assert first.departures is not None
    assert [at(day, "12:00").timestamp() for day in range(3)] == first.departures[:3]
    assert (1_000.0, 500.0) == (first.penalty_per_day, second.penalty_per_day)


def test_a_line_never_heard_of_has_been_free_for_long_not_until_its_first_run() -> None:
    """L2 first runs in five weeks: what is put there before must not wait for that."""
    folded = running(run("R7", "L2", at(35, "06:00"), at(35, "14:00")))
    (line,) = [each for each in problem_of(folded).lines if each.line_id == "L2"]

    assert line.free_from < START.timestamp()
    assert at(35, "06:00").timestamp() == hold(problem_of(folded))["S1", "R7"][0]


def test_time_is_told_beyond_the_last_end_and_the_last_promise() -> None:
    """The last order is promised in 20 days: 20 x 1.5 + 7 = 37 days; without it at least 14 are told."""
    far = running(order("3", at(20, "08:00"), route_id=None), run("R3", "L2", at(1, "06:00"), at(1, "14:00"), pegs=["3"]))  # fmt: skip

    assert at(14, "08:00").timestamp() == problem_of(running()).horizon_end
    assert at(37, "08:00").timestamp() == problem_of(far).horizon_end


def test_overtime_that_can_still_be_ordered_is_on_offer_at_the_rate_of_its_line() -> None:
    said = at(0, "00:00")
    folded = running(
        event("overtime_rate_upserted", said, line_id="L1", cost_per_h=70.0),
        event("overtime_window_upserted", said, window_id="O1", line_id="L1", start_at=at(0, "22:00"), end_at=at(1, "02:00")),
        event("overtime_window_upserted", said, window_id="O2", line_id="L1", start_at=at(1, "22:00"), end_at=at(2, "02:00"), notice_by=at(0, "07:00")),
        event("overtime_window_upserted", said, window_id="O3", line_id="L2", start_at=at(1, "22:00"), end_at=at(2, "02:00")),
        event("overtime_window_upserted", said, window_id="O4", line_id="L1", start_at=at(2, "22:00"), end_at=at(3, "02:00"), committed=True),
    )  # fmt: skip
    first, second = problem_of(folded).lines

    assert [("O1", 70.0, at(0, "22:00").timestamp())] == [
        (each.window_id, each.cost_per_h, each.notice_by) for each in first.overtime
    ]
    assert [] == second.overtime
    assert (at(2, "06:00").timestamp(), at(3, "02:00").timestamp()) in first.spans


def test_the_same_model_gives_the_same_bytes_after_a_restore() -> None:
    folded = running(*both_lines("green"))
    restored = Twin.restore(folded.twin.header(), folded.documents)
    assert restored.now is not None
    again = build_problem(restored.model, restored.now, [L1, L2], problem_id="p")

    assert problem_of(folded).model_dump_json() == again.model_dump_json()
