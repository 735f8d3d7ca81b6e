"""The loop, closed: a simulated shop, the twin, the solver, an automatic planner and ERP, for two days.

What must hold whatever is decided: nothing that has begun or is frozen moves, what is committed is acknowledged, the twin's
picture and the shop floor follow what was committed.
"""

import time
from itertools import pairwise

import pytest

from bench.closed_loop import ClosedLoop, choice
from bench.factory import RULES
from schemas import OrderProjection, PlanOption, PlanState, Proposal, ReplanRequested
from schemas.plans import PlannedRun
from streams.ledger import Week
from streams.ledger_entries import site_entries
from streams.simulator.settings import FactorySettings
from streams.simulator.truth import RunTruth

HOUR_S = 3_600.0
SETTINGS = FactorySettings(
    seed=3, lines=3, areas=1, days=2, load=0.9, setup_scale=2.0, setup_cost_per_h=120.0, stop_every_h=8.0,
    breakdown_share=0.2, count_step_s=1_800.0,
)  # fmt: skip
MOVES = 20_000


@pytest.fixture(scope="module")
def begun() -> ClosedLoop:
    """The first morning: the planner has asked, and committed what came."""
    loop = ClosedLoop(SETTINGS, time.process_time, RULES, MOVES)
    loop.begin()
    loop.step(SETTINGS.start_s)
    loop.ask()
    return loop


@pytest.fixture(scope="module")
def lived() -> ClosedLoop:
    """Two days, looked at every half an hour."""
    loop = ClosedLoop(SETTINGS, time.process_time, RULES, MOVES)
    loop.begin()
    for half_hour in range(2 * 48):
        loop.step(SETTINGS.start_s + half_hour * HOUR_S / 2.0)
        if half_hour in (0, 47):
            loop.ask()
    return loop


def test_the_first_plan_is_committed_and_acknowledged(begun: ClosedLoop) -> None:
    (option,) = begun.log.committed
    assert option.against_hold["cost"] < 0.0
    assert {"committed": 1} == dict(begun.log.ends)
    assert {"accepted": len(begun.log.changes)} == dict(begun.log.answers)
    assert len(begun.log.changes) > 10
    (state,) = [
        output.body for output in begun.outputs if isinstance(output.body, PlanState) and output.body.state == "committed"
        and output.body.committed_by is not None
    ]  # fmt: skip
    assert {"accepted"} == {change.outcome for change in state.changes}
    assert [change.change_id for change in begun.log.changes] == [
        change.change_id for change in state.changes
    ]


def test_the_twins_queues_are_the_sequences_that_were_committed(begun: ClosedLoop) -> None:
    """Runs are taken by planned start, so planned starts must rise along each sequence; they did not always."""
    (option,) = begun.log.committed
    for line_id, planned in by_line(option).items():
        queue = [run.run_id for run in begun.twin.model.lines["plant-1", line_id].queued()]
        assert [each.run_id for each in planned] == queue
        waiting = [each for each in planned if each.status != "started"]
        assert all(one.planned_start_at < other.planned_start_at for one, other in pairwise(waiting))


def test_projections_move_to_what_was_promised(begun: ClosedLoop) -> None:
    (option,) = begun.log.committed
    told = {
        output.body.order_id: output.body for output in begun.outputs if isinstance(output.body, OrderProjection)
    }  # fmt: skip
    assert len(option.per_order) > 3
    for effect in option.per_order:
        assert effect.ships_after == told[effect.order_id].ships_at, effect


def test_the_shop_waits_for_what_was_committed(begun: ClosedLoop) -> None:
    (option,) = begun.log.committed
    for line_id, planned in by_line(option).items():
        waiting = [each.run_id for each in planned if begun.shop.waiting_run(each.run_id) is not None]
        assert waiting == [run.run_id for run in begun.shop.book.queues[line_id]]


def test_nothing_that_has_begun_or_is_frozen_moves(lived: ClosedLoop) -> None:
    """In every option of every answer: their lines stay, and so does their order among themselves."""
    assert len(lived.log.answered) > 5
    fixed_runs = 0
    for request, proposal in lived.log.answered:
        fixed_runs += check_fixed(request, proposal)
    assert fixed_runs > 50


def check_fixed(request: ReplanRequested, proposal: Proposal) -> int:
    """How many fixed runs the options kept where they were."""
    fixed = {run.run_id: run for run in request.problem.runs if run.freedom in ("started", "frozen")}
    for option in proposal.options:
        needs_others = option.label in (
            "partial_ship",
            "expedite_material",
        )  # a customer's or a supplier's word
        assert option.feasible or needs_others, option.violations
        for line_id, planned in by_line(option).items():
            places = [fixed[each.run_id].position for each in planned if each.run_id in fixed]
            assert sorted(places, key=lambda place: place or 0) == places, (line_id, option.label)
            assert all(fixed[each.run_id].line_id == line_id for each in planned if each.run_id in fixed)
    return len(fixed) * len(proposal.options)


def test_no_option_is_worse_than_doing_nothing_and_every_change_is_answered(lived: ClosedLoop) -> None:
    assert all(option.against_hold["cost"] <= 0.0 for option in lived.log.committed)
    assert len(lived.log.changes) == sum(lived.log.answers.values())
    assert set(lived.log.answers) == {"accepted"}
    assert lived.log.ends["commit_failed"] == lived.log.ends["partially_committed"] == 0
    assert {} == dict(lived.log.refused)


def test_what_was_made_was_made_where_it_was_planned_last(lived: ClosedLoop) -> None:
    model = lived.twin.model
    made = [record for record in lived.shop.truth if isinstance(record, RunTruth)]
    assert len(made) > 5
    for record in made:
        run = model.runs["plant-1", record.run_id]
        assert record.line_id == run.plan.line_id
        assert run.progress.planned_line_id is None, "the floor made it elsewhere than planned"


def test_the_ledger_knows_what_was_promised_and_what_came(lived: ClosedLoop) -> None:
    """Every commitment of the two days, over the orders that it was to change; the sums are those of its parts."""
    bounds = Week.of("2026-W47").bounds(SETTINGS.zone)
    now = lived.shop.kernel.now_s
    site, *lines = site_entries(lived.twin.model, lived.chronicle, "plant-1", "2026-W47", bounds, now, 100)
    assert lived.log.ends["committed"] == len(site.commitments)
    assert [] == site.violations
    assert any(each.came["orders"] > 0.0 for each in site.commitments)
    for name in ("orders", "late_orders", "total_slip_h", "penalty"):
        assert site.came[name] == pytest.approx(sum(each.came[name] for each in site.commitments))
        assert site.promised[name] == pytest.approx(sum(each.promised[name] for each in site.commitments))
    assert site.runs == sum(isinstance(record, RunTruth) for record in lived.shop.truth)
    assert site.money_possible <= site.money
    assert site.weighted_tardiness_possible_h <= site.weighted_tardiness_h
    assert len(lines) == 3


def test_the_planner_takes_what_saves_money_and_nothing_that_the_shop_cannot_do(begun: ClosedLoop) -> None:
    _, proposal = begun.log.answered[0]
    hold, *others = proposal.options
    assert choice([hold]) is None
    better = others[0]
    assert better is choice([hold, better])
    assert choice([hold, better.model_copy(update={"label": "overtime"})]) is None
    assert choice([hold, better.model_copy(update={"feasible": False})]) is None
    assert choice([hold, better.model_copy(update={"against_hold": {"cost": 1.0}})]) is None


def by_line(option: PlanOption) -> dict[str, list[PlannedRun]]:
    """The runs of each line in the order of the plan."""
    lines: dict[str, list[PlannedRun]] = {}
    for planned in sorted(option.plan, key=lambda each: each.position):
        lines.setdefault(planned.line_id, []).append(planned)
    return lines
