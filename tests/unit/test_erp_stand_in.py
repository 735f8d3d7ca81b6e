"""The stand-in for ERP and MES: carries plan changes out once, rounds and refuses by its rules, and says so."""

from datetime import UTC, datetime, timedelta

from schemas import (
    OvertimeWindowUpserted,
    PlanAcknowledged,
    PlanChange,
    RunCancelled,
    RunPlanned,
    RunStarted,
)
from schemas.orders import Peg
from streams.simulator.erp import ErpPlan, ErpRules

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    hour, minute = map(int, text.split(":"))
    return NOW.replace(hour=hour, minute=minute)


def planned(run_id: str = "R-1", line_id: str = "L1") -> RunPlanned:
    return RunPlanned(
        event_id=f"mes/{run_id}",
        event_time=NOW - timedelta(days=1),
        site_id="lyon",
        source_id="mes",
        source_sequence=7,
        run_id=run_id,
        line_id=line_id,
        item_id="box",
        quantity_pcs=400.0,
        planned_start_at=at("12:00"),
        planned_end_at=at("16:00"),
        rate_pcs_per_h=100.0,
        pegs=[Peg(order_id="O-1", quantity_pcs=300.0), Peg(order_id="O-2", quantity_pcs=100.0)],
        feeds_run_ids=["R-9"],
    )


def change(action: str = "plan_run", **fields: object) -> PlanChange:
    body: dict[str, object] = {
        "output_id": "c",
        "change_id": "c-1",
        "proposal_id": "p",
        "option_id": "o",
        "site_id": "lyon",
        "action": action,
        "order_id": "O-1",
        "run_id": "R-1",
        "line_id": "L2",
        "start_at": at("13:10"),
        "end_at": at("17:10"),
        "quantity_pcs": 400.0,
        "expected_revision": 3,
    }
    return PlanChange.model_validate(body | fields)


def erp(rules: ErpRules | None = None) -> ErpPlan:
    made = ErpPlan(rules)
    made.learn(planned())
    return made


def test_a_run_is_moved_to_another_line_and_keeps_what_it_is_for() -> None:
    """Its speed there is not the one it had: 100 an hour was line 1's."""
    plan = erp()
    answer = plan.answer(change(), NOW)
    expected = planned().model_copy(
        update={
            "event_id": "erp/c-1",
            "event_time": NOW,
            "source_id": "erp",
            "source_sequence": None,
            "line_id": "L2",
            "planned_start_at": at("13:10"),
            "planned_end_at": at("17:10"),
            "rate_pcs_per_h": None,
        }
    )

    assert (expected,) == answer.events
    assert ("accepted", "erp/ack/c-1", "c-1") == (
        answer.ack.outcome,
        answer.ack.event_id,
        answer.ack.change_id,
    )
    assert expected == plan.run("lyon", "R-1")


def test_a_change_sent_twice_is_carried_out_once_and_answered_the_same() -> None:
    plan = erp()
    first = plan.answer(change(), NOW)
    again = plan.answer(change(), NOW + timedelta(minutes=5))

    assert (first.ack, ()) == (again.ack, again.events)


def test_what_it_answered_before_it_was_restarted_is_known_from_its_own_words() -> None:
    said = erp().answer(change(), NOW).ack
    restarted = erp()
    restarted.learn(PlanAcknowledged.model_validate_json(said.model_dump_json()))

    assert (said, ()) == (
        restarted.answer(change(), NOW).ack,
        restarted.answer(change(), NOW).events,
    )


def test_steps_of_half_an_hour_put_a_start_off_and_say_so() -> None:
    """13:10 becomes 13:30, and the end goes with it from 17:10 to 17:30."""
    answer = erp(ErpRules(round_start_min=30)).answer(change(), NOW)

    assert (
        "modified",
        "L2",
        at("13:30"),
        at("17:30"),
        "begins 20 min later: planned in steps of 30 min",
    ) == (
        answer.ack.outcome,
        answer.ack.line_id,
        answer.ack.planned_start_at,
        answer.ack.planned_end_at,
        answer.ack.reason,
    )


def test_what_its_rules_forbid_is_refused_and_changes_nothing() -> None:
    closed = erp(ErpRules(closed_lines=frozenset({("lyon", "L2")})))
    hasty = erp(ErpRules(notice_min=240))

    assert ("rejected", "L2 is closed to planning") == (
        closed.answer(change(), NOW).ack.outcome,
        closed.answer(change(), NOW).ack.reason,
    )
    assert "it would begin at 2026-11-24T13:10:00+00:00, and 240 min of notice are needed" == (
        hasty.answer(change(), NOW).ack.reason
    )
    assert planned() == hasty.run("lyon", "R-1")


def test_a_run_that_has_begun_is_neither_moved_nor_taken_back() -> None:
    plan = erp()
    plan.learn(RunStarted(event_id="s", event_time=NOW, site_id="lyon", line_id="L1", run_id="R-1"))

    assert "R-1 has begun on L1" == plan.answer(change(), NOW).ack.reason
    assert "R-1 has begun" == plan.answer(change("cancel_run", change_id="c-2"), NOW).ack.reason


def test_a_split_makes_a_new_run_for_the_order_and_leaves_the_rest_its_shares() -> None:
    """150 of 400 pieces go to line 2. Both parts are for the two orders 3 to 1: 112.5 + 187.5 = 300, 37.5 + 62.5 = 100."""
    plan = erp()
    new = plan.answer(
        change(change_id="c-2", run_id="R-1/2", of_run_id="R-1", quantity_pcs=150.0), NOW
    ).events[0]
    rest = plan.answer(change(line_id="L1", quantity_pcs=250.0), NOW).events[0]

    assert isinstance(new, RunPlanned)
    assert isinstance(rest, RunPlanned)
    assert ("R-1/2", "box", [112.5, 37.5]) == (
        new.run_id,
        new.item_id,
        [peg.quantity_pcs for peg in new.pegs],
    )
    assert [187.5, 62.5] == [peg.quantity_pcs for peg in rest.pegs]
    assert 100.0 == rest.rate_pcs_per_h


def test_a_transfer_is_planned_at_the_receiving_site_and_then_taken_back_at_the_giving_one() -> None:
    plan = erp()
    there = plan.answer(
        change(site_id="turin", order_site_id="lyon", run_id="T-1", of_run_id="R-1", line_id="T1"), NOW
    ).events[0]
    here = plan.answer(change("cancel_run", change_id="c-2", because="made in Turin"), NOW).events[0]

    assert isinstance(there, RunPlanned)
    assert isinstance(here, RunCancelled)
    assert ("turin", "box") == (there.site_id, there.item_id)
    assert [("O-1", 300.0, "lyon"), ("O-2", 100.0, "lyon")] == [
        (peg.order_id, peg.quantity_pcs, peg.order_site_id) for peg in there.pegs
    ]
    assert "made in Turin" == here.reason
    assert plan.run("lyon", "R-1") is None


def test_a_run_that_nobody_knows_is_refused() -> None:
    plan = ErpPlan()

    assert "there is no run R-1, and nobody says what it makes" == plan.answer(change(), NOW).ack.reason
    assert "there is no run R-1" == plan.answer(change("cancel_run", change_id="c-2"), NOW).ack.reason


def test_overtime_is_ordered_while_there_is_notice() -> None:
    plan = erp()
    plan.learn(
        OvertimeWindowUpserted(
            event_id="w",
            event_time=NOW,
            site_id="lyon",
            window_id="sat",
            line_id="L1",
            start_at=at("20:00"),
            end_at=at("23:00"),
            notice_by=at("12:00"),
            cost_per_h=80.0,
        )
    )
    asked = change(
        "order_overtime", line_id="L1", window_id="sat", start_at=at("20:00"), end_at=at("22:00"), hours=2.0
    )
    late = plan.answer(asked, at("12:01"))
    [bought] = plan.answer(asked.model_copy(update={"change_id": "c-3"}), NOW).events

    assert "rejected" == late.ack.outcome
    assert isinstance(bought, OvertimeWindowUpserted)
    assert (True, at("20:00"), at("22:00"), 80.0) == (
        bought.committed,
        bought.start_at,
        bought.end_at,
        bought.cost_per_h,
    )


def test_a_run_for_a_new_order_is_made_of_what_the_change_says_and_one_for_stock_is_for_nobody() -> None:
    plan = ErpPlan()
    rush = plan.answer(change(run_id="F-9", order_id="O-9", item_id="tub"), NOW).events[0]
    stock = plan.answer(change(change_id="c-2", run_id="F-10", order_id="", item_id="tub"), NOW).events[0]

    assert isinstance(rush, RunPlanned)
    assert isinstance(stock, RunPlanned)
    assert ("tub", [Peg(order_id="O-9", quantity_pcs=400.0)]) == (rush.item_id, rush.pegs)
    assert [] == stock.pegs
