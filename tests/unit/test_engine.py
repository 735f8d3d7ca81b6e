"""The engine on plants small enough to solve by hand: what it proposes, what it says, and what it leaves alone."""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bench.plan_events import line_down
from bench.random_problem import Size, random_problem
from schemas import Facts, Proposal
from schemas.plans import PlanOption
from schemas.scheduling import EligibleLine, MaterialGate, SchedulingProblem
from solvers.checker import check_option
from solvers.engine import solve
from streams.simulator import line3_events
from tests.folding import Folded, segment_of
from tests.planning import hour, hours, line, order, overtime, problem, request_of, run
from twin.replan.problems import build_problem

BERLIN = ZoneInfo("Europe/Berlin")


def still() -> float:
    """A clock that stands: no guard ever runs out."""
    return 0.0


def answers(wire: SchedulingProblem) -> list[Proposal]:
    steps = solve(request_of(wire), clock=still, cancelled=lambda: False)
    return [step for step in steps if step is not None]


def options(wire: SchedulingProblem) -> list[PlanOption]:
    """Of the last revision; each passes a checker of its own."""
    last = answers(wire)[-1]
    assert last.error is None
    feasible = [option for option in last.options if option.feasible]
    assert {option.option_id: [] for option in feasible} == {
        option.option_id: check_option(wire, option) for option in feasible
    }
    assert {"expedite_material", "partial_ship"} >= {
        option.label for option in last.options if not option.feasible
    }
    return feasible


def places(option: PlanOption) -> dict[str, list[str]]:
    """Run ids by line, in sequence."""
    lines: dict[str, list[str]] = {}
    for each in sorted(option.plan, key=lambda each: (each.line_id, each.position)):
        lines.setdefault(each.line_id, []).append(each.run_id)
    return lines


def test_line_3_holds_the_date_by_overtime() -> None:
    """Domain, section 8: hold is 2 days late at 5,000; 5.26 h of Saturday at 780 are 4,102.80, and hold the date."""
    folded = Folded()
    thursday = datetime(2026, 11, 19, 8, tzinfo=BERLIN)
    for number, event in enumerate(line3_events(until=thursday)):
        folded.fold(Facts(group_id=event.site_id, segments=[segment_of("story", number, event)]))
    wire = build_problem(
        folded.twin.model, thursday.timestamp(), [("plant-1", "L3")], problem_id="line-3", hit=[("plant-1", "L3")]
    )  # fmt: skip

    hold, *others = options(wire.model_copy(update={"zone": "Europe/Berlin", "move_budget": 20_000}))
    best = next(each for each in others if each.label == "overtime")

    assert ("hold", 1, 48.0, 5000.0) == (
        hold.label, hold.kpis.late_orders, hold.kpis.max_slip_h, hold.kpis.penalty
    )  # fmt: skip
    assert "Hold the plan: 1 order late, 5,000 EUR penalty" == hold.title
    assert (0, 5.26, 4102.8, 0.0) == (
        best.kpis.late_orders, best.kpis.overtime_h, best.kpis.overtime_cost, best.kpis.penalty
    )  # fmt: skip
    assert (5000.0, 0.0) == (best.per_order[0].penalty_before, best.per_order[0].penalty_after)
    assert -897.2 == best.against_hold["cost"]
    assert (
        "Order 5.26 h of overtime on Line 3 by Fri 20 Nov 14:00: "
        "no order late (hold: 1), 897 EUR cheaper than hold" == best.title
    )


def down() -> SchedulingProblem:
    """L1 stands until 14:00. R1, 4 h, was to be made there from 8 and is promised at 14:00; L2 is idle until 16."""
    return line_down(
        problem(
            [line("L1"), line("L2")],
            [
                run("R1", at=8, work_h=4, lines=("L1", "L2")),
                run("R2", at=16, on="L2", lines=("L2",)),
            ],
            [order("O1", 14, penalty=1000.0), order("O2", 20)],
        ),
        0,
        8.0,
    )


def test_a_line_that_is_down_gives_its_run_away() -> None:
    """On hold R1 runs 14 to 18, four hours late: 1,000. On L2 from 6 it ends at 10, and R2 keeps its time."""
    hold, best = options(down())[:2]

    assert (1, 1000.0) == (hold.kpis.late_orders, hold.kpis.penalty)
    assert {"L2": ["R1", "R2"]} == places(best)
    assert {"R1": (6.0, 10.0), "R2": (16.0, 18.0)} == {
        each.run_id: (hours(each.start_at.timestamp()), hours(each.end_at.timestamp())) for each in best.plan
    }
    assert (0, 0.0, 1) == (best.kpis.late_orders, best.kpis.penalty, best.kpis.moved_orders)
    assert "Move R1 to Line 2: no order late (hold: 1), 1,000 EUR cheaper than hold" == best.title
    assert [("line_id", "L1", "L2"), ("position", "0", "0")] == [
        (each.field, each.before, each.after) for each in best.changes if each.field != "start_at"
    ]
    assert {"#O1 for Northwind would be 4.00 h late"} == {each.because for each in best.changes}
    assert [] == best.sacrifices


def test_what_is_frozen_firm_or_feeds_stays_where_it_is() -> None:
    wire = down()
    frozen = wire.runs[0].model_copy(update={"freedom": "frozen"})
    firm = wire.runs[0].model_copy(update={"freedom": "firm"})
    feeds = wire.runs[1].model_copy(update={"fed_by": [("S1", "R1")]})

    for runs in ([frozen, wire.runs[1]], [firm, wire.runs[1]], [wire.runs[0], feeds]):
        assert {("L1", "R1"), ("L2", "R2")} == {
            (each.line_id, each.run_id)
            for option in options(wire.model_copy(update={"runs": runs}))
            for each in option.plan
            if each.of_run_id is None
        }


def test_a_run_that_feeds_another_leaves_where_a_lock_wants_it_away() -> None:
    """R1 on L1 feeds R2 on L2 at 16; a planner locks R1 onto L2. It goes before R2 there, and R2 keeps its time."""
    wire = down()
    (there,) = [each for each in wire.runs[0].eligible if each.line_id == "L2"]
    locked = wire.runs[0].model_copy(update={"eligible": [there]})
    fed = wire.runs[1].model_copy(update={"fed_by": [("S1", "R1")]})
    hold, *found = options(wire.model_copy(update={"runs": [locked, fed]}))

    assert {"L1": ["R1"], "L2": ["R2"]} == places(hold)
    assert {"L2": ["R1", "R2"]} == places(found[0])
    assert {"R1": (6.0, 10.0), "R2": (16.0, 18.0)} == {
        each.run_id: (hours(each.start_at.timestamp()), hours(each.end_at.timestamp()))
        for each in found[0].plan
    }


def test_a_rush_order_goes_where_it_costs_least() -> None:
    """R9, 2 h of family B, due at 14. L1: A 6-10, then B 11-13 (planned), L2: A all day until 18.

    In front of R2 on L1 it needs the setup that R2 needs anyway: 10:30 to 12:30, and R2 follows until 14:30, due at 20.
    """
    wire = problem(
        [line("L1"), line("L2")],
        [
            run("R1", at=6, work_h=4, position=0, state="running", freedom="started", next_piece_at=hour(6)),
            run("R2", at=11, position=1, family="B"),
            run("R3", at=6, work_h=12, on="L2", lines=("L2",), state="running", freedom="started",
                next_piece_at=hour(6)),
            run("R9", on=None, family="B", lines=("L1", "L2")),
        ],
        [order("O1", 12), order("O2", 20), order("O3", 20), order("O9", 14, penalty=3000.0)],
    )  # fmt: skip

    hold, best = options(wire)[:2]

    # On hold nobody makes it: late by all that the problem shows.
    assert "R9" not in {each.run_id for each in hold.plan}
    assert 1 == hold.kpis.late_orders
    assert {"L1": ["R1", "R9", "R2"], "L2": ["R3"]} == places(best)
    assert [(10.5, 12.5), (12.5, 14.5)] == [
        (hours(each.start_at.timestamp()), hours(each.end_at.timestamp()))
        for each in best.plan
        if each.run_id in ("R9", "R2")
    ]
    assert (0, 1, 0) == (best.kpis.late_orders, best.kpis.changeovers, best.kpis.moved_orders)
    assert best.title.startswith("Make R9 on Line 1 at Mon 23 Nov 10:30: no order late")
    assert ("created", "it is not planned yet") not in [(each.field, each.because) for each in best.changes]
    assert ("created", "#O9 for Northwind is not planned yet") in [
        (each.field, each.because) for each in best.changes
    ]


def test_setups_are_saved_by_another_sequence() -> None:
    """A B A B needs 30 + 60 + 30 min, 50 + 80 + 50; A A B B half an hour and 50: 90 min and 130 saved."""
    wire = problem(
        [line("L1")],
        [
            run("R1", at=6, position=0),
            run("R2", at=8.5, position=1, family="B"),
            run("R3", at=11.5, position=2),
            run("R4", at=14, position=3, family="B"),
        ],
        [order(f"O{number}", 40) for number in range(1, 5)],
        goal="cost",
    )

    hold, best = options(wire)[:2]

    assert (3, 120.0, 180.0) == (
        hold.kpis.changeovers, hold.kpis.changeover_min, hold.kpis.changeover_cost
    )  # fmt: skip
    assert {"L1": ["R1", "R3", "R2", "R4"]} == places(best)
    setups = {"R1": 0.0, "R2": 1800.0, "R3": 3600.0, "R4": 1800.0}
    assert setups == {each.run_id: each.setup_s for each in hold.plan}
    assert {**setups, "R3": 0.0, "R4": 0.0} == {each.run_id: each.setup_s for each in best.plan}
    assert [["S1/O1"], ["S1/O3"], ["S1/O2"], ["S1/O4"]] == [each.order_ids for each in best.plan]
    assert (1, 30.0, 50.0, 1) == (
        best.kpis.changeovers, best.kpis.changeover_min, best.kpis.changeover_cost, best.kpis.moved_orders
    )  # fmt: skip
    assert (
        "Make R3 before R2 on Line 1: no order late, 130 EUR cheaper than hold, 2 fewer changeovers"
        == best.title
    )


def test_another_site_is_worth_its_transfer_or_not() -> None:
    """L1 is full until 18; O2 is due at 18 for 1,000 a day. In S2 R2 ends at 8, and six hours later it is here.

    For 300 that is worth it; for 1,500 it is not, and nothing but hold is left.
    """

    def asked(cost: float) -> list[PlanOption]:
        there = EligibleLine(
            site_id="S2", line_id="L2", rate_pcs_per_h=100.0, transfer_s=21_600.0, transfer_cost=cost
        )
        here = EligibleLine(site_id="S1", line_id="L1", rate_pcs_per_h=100.0)
        wire = problem(
            [line("L1"), line("L2", site="S2")],
            [
                run("R1", at=6, work_h=12, position=0, state="running", freedom="started", next_piece_at=hour(6)),
                run("R2", at=18, position=1, eligible=[here, there]),
            ],
            [order("O1", 20), order("O2", 18)],
        )  # fmt: skip
        return options(wire)

    hold, best = asked(300.0)[:2]

    assert 1000.0 == hold.kpis.cost
    assert ("L2", "S2") == next(
        (each.line_id, each.line_site_id) for each in best.plan if each.run_id == "R2"
    )
    assert (0, 300.0, 300.0) == (best.kpis.late_orders, best.kpis.transfer_cost, best.kpis.cost)
    assert "Move R2 to Line 2 in S2: no order late (hold: 1), 700 EUR cheaper than hold" == best.title
    assert not any(
        each.line_site_id is not None and each.of_run_id is None
        for option in asked(1500.0)
        for each in option.plan
    )


def test_a_late_run_may_be_split() -> None:
    """R1, 8 h, is due at 11 and can be made on two lines: 300 of its 800 pieces elsewhere, and it ends at 11."""
    wire = problem(
        [line("L1"), line("L2")],
        [run("R1", at=6, work_h=8, lines=("L1", "L2"))],
        [order("O1", 11)],
    )

    split = next(each for each in options(wire) if each.label == "split")

    assert {"R1": ("L1", 500.0, 11.0), "R1/split-1": ("L2", 300.0, 9.0)} == {
        each.run_id: (each.line_id, each.quantity_pcs, hours(each.end_at.timestamp())) for each in split.plan
    }
    assert (
        "Make 300 pieces of R1 on Line 2: no order late (hold: 1), 1,000 EUR cheaper than hold" == split.title
    )


def advice(wire: SchedulingProblem) -> dict[str, tuple[str, list[str]]]:
    """Titles and what is missing, of options that need somebody else's word."""
    return {
        option.label: (option.title, option.violations)
        for option in answers(wire)[-1].options
        if not option.feasible
    }


def test_an_earlier_receipt_is_told_with_the_moment_by_which_it_helps() -> None:
    """The last 100 pieces of R1, an hour of work, wait for Tuesday 12:00: ready at 13, a day late. Due Monday 20:00.

    By 19:00 they must be there; earlier brings no more.
    """
    gate = MaterialGate(item_id="part", at=hour(36), after_pcs=100.0, receipt_id="PO-7")
    wire = problem([line()], [run("R1", at=6, gates=[gate])], [order("O1", 20)])

    title, missing = advice(wire)["expedite_material"]

    assert (
        "Get part (receipt PO-7) by Mon 23 Nov 19:00 instead of Tue 24 Nov 12:00: no order late (hold: 1), "
        "1,000 EUR cheaper than hold, what that costs left out" == title
    )
    assert ["part (receipt PO-7) must come by Mon 23 Nov 19:00 instead of Tue 24 Nov 12:00"] == missing


def test_the_part_that_the_promised_truck_could_take_is_told() -> None:
    """R1 makes 800 pieces from 6 to 14; the truck leaves at 12 and loads for an hour: 500 are ready at 11."""
    trucks = [hour(12), hour(36)]
    wire = problem(
        [line()],
        [run("R1", at=6, work_h=8)],
        [order("O1", 12, departures=trucks, loading_s=3600.0, quantity_pcs=800.0)],
    )

    title, missing = advice(wire)["partial_ship"]

    assert (
        "Ship 500 of 800 pieces of #O1 for Northwind at Mon 23 Nov 12:00; the rest follows Tue 24 Nov 12:00"
        == title
    )
    assert ["Northwind must agree to a part of #O1"] == missing


def test_overtime_that_costs_more_than_it_saves_is_not_proposed_unless_the_customer_cannot_slip() -> None:
    """R1 ends Tuesday 8:00, due at 7. An hour on Monday night costs 2,000, a day late 1,000."""

    def asked(cannot_slip: bool) -> list[str]:
        wire = problem(
            [line("L1", overtime=[overtime("night", 22, 24, price=2000.0)])],
            [run("R1", at=10, work_h=14)],
            [order("O1", 31, cannot_slip=cannot_slip)],
            as_of=10.0,
        )
        return [option.label for option in options(wire)]

    assert ["hold"] == asked(False)
    assert ["hold", "overtime"] == asked(True)


def test_a_gain_below_the_minimum_is_not_worth_a_word() -> None:
    assert ["hold"] == [each.label for each in options(down().model_copy(update={"min_gain": 5000.0}))]


def test_a_cancelled_order_lets_the_others_come_forward_only_where_they_gain() -> None:
    """R1 is gone: R2, planned at 10 and due at 11, may start now; R3 on L2 is in time and keeps its start."""
    wire = problem(
        [line("L1"), line("L2")],
        [run("R2", at=10, position=0), run("R3", at=9, on="L2", lines=("L2",))],
        [order("O2", 11), order("O3", 20)],
    )

    best = options(wire)[1]

    assert {"R2": 6.0, "R3": 9.0} == {
        each.run_id: hours(each.planned_start_at.timestamp()) for each in best.plan
    }


def test_revisions_rise_and_the_last_one_is_final() -> None:
    proposals = answers(down())

    assert list(range(1, len(proposals) + 1)) == [each.revision for each in proposals]
    assert ["hold", "repair", "polish"] == list(dict.fromkeys(each.stage for each in proposals))
    assert "hold" == proposals[0].stage
    assert [False] * (len(proposals) - 1) + [True] == [each.is_final for each in proposals]
    assert all(each.options[0].label == "hold" for each in proposals)
    assert f"proposal-1/{proposals[-1].revision}" == proposals[-1].event_id


def test_the_same_request_gives_the_same_proposals_whatever_the_clock_says() -> None:
    wire = line_down(random_problem(5, Size(5, 30, extras=0.2)), 1, 4.0)
    ticking = count()

    def dumped(clock: Any) -> Iterator[dict[str, Any]]:
        for step in solve(request_of(wire), clock=clock, cancelled=lambda: False):
            if step is not None:
                yield step.model_dump(exclude={"solve_ms"})

    assert list(dumped(still)) == list(dumped(lambda: next(ticking) * 0.001))


def test_a_superseded_request_is_dropped_between_two_steps() -> None:
    steps = solve(request_of(down()), clock=still, cancelled=lambda: True)

    assert [] == list(steps)


def test_the_guard_ends_with_what_is_there() -> None:
    """Every look at the clock is an hour later: the answer comes at once, and is final."""
    ticking = count()
    steps = solve(request_of(down()), clock=lambda: next(ticking) * 3600.0, cancelled=lambda: False)
    proposals = [step for step in steps if step is not None]

    assert proposals[-1].is_final
    assert "hold" == proposals[-1].options[0].label


def test_a_problem_that_cannot_be_is_answered_with_what_is_wrong() -> None:
    wire = down()
    runs = [wire.runs[0].model_copy(update={"position": 3}), wire.runs[1]]

    (answer,) = answers(wire.model_copy(update={"runs": runs}))

    assert (True, []) == (answer.is_final, answer.options)
    assert "run S1/R1: position is 3, but 0 is next on line S1/L1" == answer.error


@pytest.mark.parametrize("goal", ["service", "cost", "throughput"])
def test_options_are_ordered_by_the_goal_and_none_is_beaten_in_everything(goal: str) -> None:
    wire = line_down(random_problem(7, Size(6, 40)), 2, 6.0).model_copy(update={"goal": goal})

    others = options(wire)[1:]

    figures = [
        (each.kpis.penalty, each.kpis.cost, each.kpis.moved_orders, each.kpis.overtime_h) for each in others
    ]
    assert len(set(figures)) == len(figures) or goal != "cost"
    assert others


def test_a_rush_order_has_a_place_in_the_second_revision() -> None:
    """Hold says what happens if nobody plans it; where it fits best follows at once, before any search."""
    wire = problem([line("L1")], [run("R1", at=6), run("R9", on=None)], [order("O1", 8), order("O9", 14)])

    first, second = answers(wire)[:2]

    assert ("hold", ["hold"], 0) == (first.stage, [each.label for each in first.options], first.moves)
    assert ("hold", ["hold", "repair"], 0) == (
        second.stage, [each.label for each in second.options], second.moves
    )  # fmt: skip
    assert {"L1": ["R1", "R9"]} == places(second.options[1])


def test_a_quote_ranks_places_instead_of_making_options() -> None:
    """R9, 2 h, due at 14. Behind R1, which ends at 8: from 8 to 10, in time, nobody is harmed."""
    wire = problem(
        [line("L1")],
        [run("R1", at=6, position=0), run("R9", on=None)],
        [order("O1", 8), order("O9", 14)],
    )

    (answer,) = [
        step
        for step in solve(request_of(wire, "quote"), clock=still, cancelled=lambda: False)
        if step is not None
    ]

    assert answer.quote is not None
    assert (True, []) == (answer.is_final, answer.options)
    first, second = answer.quote.positions
    assert ("R1", 8.0, 10.0, 0.0, []) == (
        first.after_run_id,
        hours(first.start_at.timestamp()),
        hours(first.end_at.timestamp()),
        first.added_cost,
        first.harmed,
    )
    assert (None, 1000.0) == (second.after_run_id, second.added_cost)


def test_a_quote_of_nothing_says_so() -> None:
    (answer,) = [*solve(request_of(down(), "quote"), clock=still, cancelled=lambda: False)]

    assert answer is not None
    assert "problem test: runs: nothing waits for a place" == answer.error
