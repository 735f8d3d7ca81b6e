"""When the twin asks the solver, and what: by hand, on a plant of two lines (tests/asking.py)."""

from collections import Counter
from datetime import timedelta
from typing import Any

from bench.asking import plant
from schemas import Event, Facts, Tick, join_key, topics
from tests.asking import START, asked, held, running
from tests.folding import Folded, at, event, order, run
from twin import Twin
from twin.replan.replan_book import Note
from twin.replan.replan_requests import MOST_BYTES, build_request, proposal_id_of

MINUTE = timedelta(minutes=1)
SOON = START + MINUTE
NEVER_AGAIN = {"replan_answer_within_min": 0.0}
"""Nobody answers in most of these stories, and they are not about that."""


def triggers(folded: Folded) -> list[list[str]]:
    return [list(request.triggers) for request in asked(folded)]


# A line that stands


def test_a_line_that_stops_for_long_is_asked_about_in_the_same_breath() -> None:
    """R1 stands for eight hours: R2 behind it misses Tuesday's truck. The answer to the event itself has the request."""
    folded = running()
    outputs = folded.tell(held(SOON))
    (request,) = asked(folded)

    assert topics.REPLAN_REQUESTS in [output.topic for output in outputs]
    assert ("line_down", ["line_down"], "S1") == (request.trigger, request.triggers, request.site_id)
    assert "Line 1 is down." == request.because[0]
    assert held(SOON).event_id == request.caused_by[0]
    assert ["line_down/S1/line/L1/1"] == request.card_ids
    assert ["S1/L1", "S1/L2"] == request.scope
    assert [("L1", True), ("L2", False)] == [(line.line_id, line.is_hit) for line in request.problem.lines]
    assert ["R1", "R2"] == [each.run_id for each in request.problem.runs]
    assert (START, 1, []) == (request.as_of, request.first_revision, request.supersedes)
    assert [("S1/L1", request.output_id)] == [
        (output.key, output.output_id) for output in outputs if output.topic == topics.REPLAN_REQUESTS
    ]


def test_a_short_stop_that_makes_nothing_late_is_not_worth_a_word() -> None:
    folded = running()
    folded.tell(held(SOON, minutes=10.0))
    folded.tick(SOON)

    assert [] == asked(folded)


def test_a_stop_of_unknown_length_is_asked_about_once_it_has_lasted() -> None:
    """The rules call a stop long after 30 minutes: it is asked about then, and not again because a card comes later."""
    folded = running(rules=NEVER_AGAIN)
    folded.tell(held(SOON, minutes=None))
    folded.tick(SOON + 29 * MINUTE)
    before = len(asked(folded))
    for minutes in (30, 60, 125, 180):
        folded.tick(SOON + minutes * MINUTE)

    assert (0, [["line_down"]]) == (before, triggers(folded))


def test_a_stop_said_to_last_longer_is_asked_about_again() -> None:
    folded = running()
    folded.tell(held(SOON, minutes=60.0))
    folded.tick(SOON + 5 * MINUTE)
    said = event("stop_duration_report", SOON + 5 * MINUTE, command_id="c1", actor="sue", line_id="L1", expected_duration_min=480.0)  # fmt: skip
    folded.tell(said)
    first, second = asked(folded)

    assert ("Line 1 is down (so long, says sue).", [first.request_id]) == (
        second.because[0],
        second.supersedes,
    )


def test_a_card_that_has_grown_by_half_is_asked_about_again() -> None:
    """Order 2 costs the customer's rate: 1,000 a day. At 1,400 that is no news, at 1,700 it is, and at 2,000 none again."""

    def rate(money: float, minutes: int) -> Event:
        when = SOON + minutes * MINUTE
        return event("customer_upserted", when, customer_id="acme", name="Acme", penalty_per_day=money)

    folded = running(order("2", at(1, "12:00"), when=at(0, "01:00")), rules=NEVER_AGAIN)
    folded.tell(held(SOON))
    for minutes, money in ((10, 1_400.0), (20, 1_700.0), (30, 2_000.0)):
        folded.tick(SOON + minutes * MINUTE)
        folded.tell(rate(money, minutes))
        folded.tick(SOON + (minutes + 1) * MINUTE)
    exposures = [card.impact.exposure for card in folded.on(topics.CARDS)]

    assert (1_000.0, 2_000.0) == (exposures[0], exposures[-1])
    assert [at(0, "08:00"), at(0, "08:21")] == [request.as_of for request in asked(folded)]


# Once, not each time


def test_what_follows_within_the_pause_is_asked_about_together_at_its_end() -> None:
    """Asked at 08:00; L2 is down at 08:00:20 and order 7 comes at 08:00:30: both wait until 08:01, and are one request."""
    folded = running(run("R3", "L2", at(0, "07:00"), at(0, "15:00")))
    folded.tell(event("run_started", at(0, "07:00"), line_id="L2", run_id="R3"))
    folded.tell(held(START))
    folded.tick(START + timedelta(seconds=20))
    folded.tell(held(START + timedelta(seconds=20), "L2", "R3"))
    folded.tick(START + timedelta(seconds=30))
    folded.tell(order("7", at(2, "12:00"), when=START + timedelta(seconds=30)))
    folded.tick(START + timedelta(seconds=59))
    held_up = len(asked(folded))
    folded.tick(START + MINUTE)
    first, second = asked(folded)

    assert 1 == held_up
    assert {"line_down", "rush_order"} == set(second.triggers)
    assert [first.request_id] == second.supersedes
    assert ["L1", "L2"] == sorted(line.line_id for line in second.problem.lines if line.is_hit)
    assert "F-7" in [each.run_id for each in second.problem.runs]


def test_a_request_that_takes_the_place_of_another_asks_what_that_one_asked() -> None:
    """L1 is down until the afternoon; two hours later an order comes: its request still knows that L1 is hit."""
    folded = running(rules=NEVER_AGAIN)
    folded.tell(held(START))
    folded.tick(START + 120 * MINUTE)
    folded.tell(order("7", at(2, "12:00"), when=START + 120 * MINUTE))
    folded.tick(START + 121 * MINUTE)
    first, second = asked(folded)

    assert ["rush_order", "line_down"] == second.triggers
    assert [first.request_id] == second.supersedes
    assert ["L1"] == [line.line_id for line in second.problem.lines if line.is_hit]


def test_what_somebody_has_decided_about_is_not_asked_again_with_something_else() -> None:
    """The planner rejects every way round the stop: the order that comes later is asked about alone."""
    folded = running()
    folded.tell(held(START))
    (first,) = asked(folded)
    reject = event("proposal_reject", START, command_id="c1", actor="sue", proposal_id=first.proposal_id, expected_revision=1)  # fmt: skip
    folded.tell(reject)
    folded.tick(START + 120 * MINUTE)
    folded.tell(order("7", at(2, "12:00"), when=START + 120 * MINUTE))
    folded.tick(START + 121 * MINUTE)
    second = asked(folded)[-1]

    assert ["accepted"] == [each.outcome for each in folded.on(topics.COMMAND_RESULTS)]
    assert (["rush_order"], []) == (second.triggers, second.supersedes)


def test_what_is_over_is_not_asked_again() -> None:
    """The line runs again and is in time: the order's request is about the order alone."""
    folded = running()
    folded.tell(held(START))
    folded.tick(START + 5 * MINUTE)
    folded.tell(event("run_resumed", START + 5 * MINUTE, line_id="L1", run_id="R1"))
    folded.tick(START + 6 * MINUTE)
    folded.tell(order("7", at(2, "12:00"), when=START + 6 * MINUTE))
    folded.tick(START + 7 * MINUTE)

    assert [["line_down"], ["rush_order"]] == triggers(folded)
    assert ["Line 1 is down."] == asked(folded)[0].because[:1]
    assert [] == [line.line_id for line in asked(folded)[1].problem.lines if line.is_hit]


def test_lines_that_have_nothing_to_do_with_each_other_are_asked_about_apart_and_at_once() -> None:
    said = at(0, "00:00")
    folded = running(
        event("line_upserted", said, line_id="L3", calendar_id="two-shifts"),
        run("R3", "L3", at(0, "07:00"), at(0, "15:00"), item_id="green"),
    )
    folded.tell(event("run_started", at(0, "07:00"), line_id="L3", run_id="R3"))
    folded.tell(held(START))
    folded.tell(held(START, "L3", "R3"))

    assert [["S1/L1", "S1/L2"], ["S1/L3"]] == [request.scope for request in asked(folded)]
    assert [[], []] == [request.supersedes for request in asked(folded)]


def test_the_pause_is_the_plants_own() -> None:
    folded = running(rules={"replan_pause_s": 0.0})
    folded.tell(held(START))
    folded.tell(order("7", at(2, "12:00"), when=START))
    folded.tick(START + timedelta(seconds=2))
    in_its_grace = len(asked(folded))
    folded.tick(START + timedelta(seconds=3))

    assert (1, 2) == (in_its_grace, len(asked(folded)))


# Orders


def test_an_order_in_a_hurry_brings_the_run_that_it_needs() -> None:
    """Nothing is planned for the 800 of order 7; either line can make them."""
    folded = running()
    folded.tell(order("7", at(2, "12:00"), when=SOON))
    at_once = len(asked(folded))
    folded.tick(SOON)
    (request,) = asked(folded)
    (new,) = [each for each in request.problem.runs if each.run_id == "F-7"]

    assert 0 == at_once  # its runs may come with it
    assert ("rush_order", ["#7 is wanted by Wed 4 Mar 12:00, 800 of red."]) == (
        request.trigger,
        request.because,
    )
    assert (None, None, None, "free", 800.0) == (
        new.line_id,
        new.position,
        new.planned_start,
        new.freedom,
        new.quantity_pcs,
    )
    assert [("L1", 100.0), ("L2", 100.0)] == [(each.line_id, each.rate_pcs_per_h) for each in new.eligible]
    assert [("7", 800.0)] == [(each.order_id, each.quantity_pcs) for each in new.pegs]
    assert ["1", "2", "7"] == [each.order_id for each in request.problem.orders]


def test_an_order_whose_runs_come_before_the_tick_is_in_no_hurry() -> None:
    folded = running()
    folded.tell(order("7", at(2, "12:00"), when=SOON))
    folded.tell(run("R7", "L2", at(1, "06:00"), at(1, "14:00"), pegs=["7"], when=SOON))
    folded.tick(SOON)

    assert [] == asked(folded)


def test_orders_that_are_due_far_ahead_or_that_nobody_can_make_are_not_asked_about() -> None:
    folded = running()
    folded.tell(order("7", at(9, "12:00"), when=SOON), order("8", at(2, "12:00"), item_id="green", when=SOON))
    folded.tick(SOON)

    assert [] == asked(folded)


def test_of_an_order_that_is_planned_in_part_the_rest_is_asked_about() -> None:
    """Order 2 wants 1,100 instead of 800; R2 makes 800 of them: 300 are planned nowhere."""
    folded = running()
    folded.tell(order("2", at(1, "12:00"), quantity=1_100.0, when=SOON))
    folded.tick(SOON)
    (request,) = asked(folded)
    (new,) = [each for each in request.problem.runs if each.line_id is None]

    assert ("order_changed", "F-2", 300.0) == (request.trigger, new.run_id, new.quantity_pcs)


def test_an_order_of_several_steps_brings_a_run_for_each() -> None:
    steps = [{"step": 1, "line_id": "L1", "rate_pcs_per_h": 100.0}, {"step": 2, "line_id": "L2", "rate_pcs_per_h": 50.0}]  # fmt: skip
    folded = running(event("routing_upserted", at(0, "00:00"), item_id="green", steps=steps))
    folded.tell(order("7", at(2, "12:00"), item_id="green", when=SOON))
    folded.tick(SOON)
    (request,) = asked(folded)
    first, second = [each for each in request.problem.runs if each.line_id is None]

    assert ("F-7/1", ["L1"], [], []) == (
        first.run_id,
        [each.line_id for each in first.eligible],
        first.fed_by,
        first.pegs,
    )
    assert ("F-7/2", ["L2"], [("S1", "F-7/1")]) == (
        second.run_id,
        [each.line_id for each in second.eligible],
        second.fed_by,
    )
    assert ["7"] == [each.order_id for each in second.pegs]


def test_material_that_is_taken_already_holds_up_what_is_new() -> None:
    """1,000 bolts; R2 takes 800 of them: of the 800 that order 7 needs 600 come with an order placed now, in three days."""
    said = at(0, "01:00")
    folded = running(
        event("item_upserted", said, item_id="bolt", lead_time_days=3.0),
        event("bill_of_material_upserted", said, item_id="blue", components=[{"item_id": "bolt", "quantity_per": 1.0}]),
        event("stock_reported", said, item_id="bolt", location_id="A", quantity=1_000.0),
        run("R2", "L1", at(0, "14:00"), at(0, "22:00"), item_id="blue", pegs=["2"], setup_min=0.0, when=said),
    )  # fmt: skip
    folded.tell(order("7", at(4, "12:00"), item_id="blue", when=SOON))
    folded.tick(SOON)
    (new,) = [each for each in asked(folded)[-1].problem.runs if each.run_id == "F-7"]
    (gate,) = new.gates

    assert (at(3, "08:00").timestamp(), None) == (gate.at, gate.receipt_id)
    assert abs(600.0 - gate.after_pcs) < 1e-6


def test_a_cancelled_order_is_asked_about_where_others_are_late() -> None:
    """With L1 down R2 is late; order 1 is cancelled, and R1 in its way is for nobody."""
    folded = running(rules={"replan_pause_s": 0.0})
    folded.tell(event("order_cancelled", SOON, order_id="1"))
    folded.tick(SOON)
    nothing_late = len(asked(folded))
    folded.tell(held(SOON))
    folded.tell(event("order_cancelled", SOON + MINUTE, order_id="2", event_id="c2"))
    folded.tick(SOON + MINUTE)

    assert 0 == nothing_late
    assert [["line_down"], ["order_cancelled", "line_down"]] == triggers(folded)


def test_an_order_that_is_wanted_earlier_is_asked_about() -> None:
    """Order 2 is made by Monday 22:00 and now wanted on Monday 12:00: ten hours late, a day for the truck, 500."""
    folded = running()
    folded.tell(order("2", at(0, "12:00"), penalty_per_day=500.0, when=SOON))
    folded.tick(SOON)
    request = asked(folded)[-1]

    assert "order_changed" in request.triggers
    assert "#2 was changed: it is wanted by Mon 2 Mar 12:00, 800 of red." in request.because


def test_an_order_that_is_said_again_as_it_was_is_no_news() -> None:
    folded = running()
    folded.tell(order("2", at(1, "12:00"), penalty_per_day=450.0, when=SOON))
    folded.tick(SOON)

    assert [] == asked(folded)


# The plan, material, gain


def test_a_plan_from_erp_that_makes_an_order_late_is_asked_about() -> None:
    """ERP moves R2 to Tuesday 14:00: it misses the truck of 12:00, 500 a day."""
    folded = running()
    folded.tell(run("R2", "L1", at(1, "14:00"), at(1, "22:00"), pegs=["2"], when=SOON))
    folded.tick(SOON)
    (request,) = asked(folded)

    assert ("plan_changed", ["R2 was planned on Line 1."]) == (request.trigger, request.because)


def test_a_plan_from_erp_that_harms_nobody_is_not() -> None:
    folded = running()
    folded.tell(run("R2", "L1", at(0, "15:00"), at(0, "23:00"), pegs=["2"], when=SOON))
    folded.tick(SOON)

    assert [] == asked(folded)


def test_late_orders_that_cost_less_than_the_least_gain_are_not_asked_about() -> None:
    """500 a day are at stake: asked about where the least gain is 500, not where it is 501."""
    later = run("R2", "L1", at(1, "14:00"), at(1, "22:00"), pegs=["2"], when=SOON)
    enough, too_little = running(rules={"replan_min_gain": 500.0}), running(rules={"replan_min_gain": 501.0})
    for folded in (enough, too_little):
        folded.tell(later)
        folded.tick(SOON)

    assert ([["plan_changed"]], []) == (triggers(enough), triggers(too_little))


def test_a_receipt_that_comes_later_is_asked_about_where_its_run_makes_an_order_late() -> None:
    """The bolts of R2 come on Tuesday at 05:00: it ends at 11:00, in time for 12:00. At 10:00 instead: at 16:00, too late."""
    said = at(0, "01:00")
    folded = running(
        event("item_upserted", said, item_id="bolt", lead_time_days=20.0),
        event("bill_of_material_upserted", said, item_id="blue", components=[{"item_id": "bolt", "quantity_per": 1.0}]),
        event("stock_reported", said, item_id="bolt", location_id="A", quantity=300.0),
        event("receipt_expected", said, receipt_id="PO-1", item_id="bolt", quantity=600.0, expected_at=at(1, "05:00")),
        run("R2", "L1", at(0, "14:00"), at(0, "22:00"), item_id="blue", pegs=["2"], setup_min=0.0, when=said),
    )  # fmt: skip
    before = len(asked(folded))
    folded.tell(event("receipt_expected", SOON, receipt_id="PO-1", item_id="bolt", quantity=600.0, expected_at=at(1, "10:00")))  # fmt: skip
    folded.tick(SOON)
    request = asked(folded)[-1]

    assert 0 == before
    assert "late_receipt" in request.triggers
    assert "PO-1 comes later." in request.because
    assert ["L1"] == [line.line_id for line in request.problem.lines if line.is_hit]


# People


def command(kind: str, **fields: Any) -> Event:
    return event(kind, SOON, command_id="c1", actor="sue", **fields)


def test_somebody_can_ask_for_another_plan_of_some_lines_whatever_it_costs() -> None:
    folded = running()
    folded.tell(command("replan_request", line_ids=["L2"], reason="a visit"))
    (request,) = asked(folded)
    (result,) = folded.on(topics.COMMAND_RESULTS)

    assert ("manual", ["sue asked for another plan: a visit."]) == (request.trigger, request.because)
    assert ["L2"] == [line.line_id for line in request.problem.lines if line.is_hit]
    assert ("accepted", f"asked as {request.request_id}; the answer is proposal {request.proposal_id}") == (
        result.outcome,
        result.message,
    )


def test_without_lines_those_with_late_orders_are_asked_about_else_those_with_runs() -> None:
    in_time, late = running(run("R3", "L2", at(0, "14:00"), at(0, "22:00"))), running(run("R3", "L2", at(0, "14:00"), at(0, "22:00")))  # fmt: skip
    late.tell(held(SOON))
    for folded in (in_time, late):
        folded.tell(command("replan_request"))

    assert (["L1", "L2"], ["L1"]) == tuple(
        [line.line_id for line in asked(folded)[-1].problem.lines if line.is_hit]
        for folded in (in_time, late)
    )


def test_a_quote_is_a_problem_with_a_run_and_an_order_that_do_not_exist() -> None:
    folded = running()
    folded.tell(command("quote_request", item_id="red", quantity_pcs=400.0, due_at=at(2, "12:00")))
    (request,) = asked(folded)
    (result,) = folded.on(topics.COMMAND_RESULTS)
    (new,) = [each for each in request.problem.runs if each.line_id is None]
    (wanted,) = [each for each in request.problem.orders if each.order_id == new.pegs[0].order_id]

    assert ("quote", "accepted") == (request.trigger, result.outcome)
    assert request.request_id in result.message
    assert (400.0, at(2, "12:00").timestamp(), None, None) == (
        wanted.quantity_pcs,
        wanted.promised,
        wanted.departures,
        wanted.penalty_per_day,
    )
    assert ["S1/L1", "S1/L2"] == request.scope


def test_a_quote_supersedes_nothing_and_is_superseded_by_nothing() -> None:
    folded = running()
    folded.tell(held(START))
    folded.tick(SOON)
    folded.tell(command("quote_request", item_id="red", quantity_pcs=400.0, due_at=at(2, "12:00")))
    folded.tick(SOON + 5 * MINUTE)
    folded.tell(order("7", at(2, "12:00"), when=SOON + 5 * MINUTE))
    folded.tick(SOON + 6 * MINUTE)
    first, quote, last = asked(folded)

    assert ([], [first.request_id]) == (quote.supersedes, last.supersedes)


def test_what_cannot_be_asked_is_refused_with_the_reason() -> None:
    said = at(0, "00:00")
    lost = event("routing_upserted", said, item_id="lost", steps=[{"step": 1, "line_id": "L9", "rate_pcs_per_h": 1.0}])  # fmt: skip
    due = at(2, "12:00")
    folded = running(event("item_upserted", said, item_id="green"), lost)
    asks: list[tuple[str, dict[str, Any]]] = [
        ("replan_request", {"line_ids": ["L1", "L9"]}),
        ("quote_request", {"item_id": "plum", "quantity_pcs": 1.0, "due_at": due}),
        ("quote_request", {"item_id": "green", "quantity_pcs": 1.0, "due_at": due}),
        ("quote_request", {"item_id": "lost", "quantity_pcs": 1.0, "due_at": due}),
        ("quote_request", {"item_id": "red", "quantity_pcs": 1.0, "due_at": at(0, "07:00")}),
    ]
    for number, (kind, fields) in enumerate(asks):
        folded.tell(event(kind, SOON, command_id=f"c{number}", actor="sue", **fields))

    assert [] == asked(folded)
    assert [
        ("unknown_line", "site S1 has no line L9"),
        ("unknown_item", "site S1 knows no item plum"),
        ("no_routing", "no routing says on which line item green is made"),
        ("unknown_line", "no line that the routing of lost names is known: L9"),
        ("in_past", "it is Mon 2 Mar 08:00 already; ask for a later moment"),
    ] == [(each.reason, each.message) for each in folded.on(topics.COMMAND_RESULTS)]


# How it is remembered


def test_ids_follow_from_the_fact_that_caused_it() -> None:
    first, again = running(), running()
    for folded in (first, again):
        folded.tell(held(SOON))
    (request,) = asked(first)

    assert [request] == asked(again)
    assert ("mes.machine-events.v1/0/2/0/S1/L1", proposal_id_of(request.request_id)) == (
        request.request_id,
        request.proposal_id,
    )


def test_a_twin_that_was_restored_in_the_pause_asks_at_its_end() -> None:
    folded = running()
    folded.tell(held(START))
    folded.tell(order("7", at(2, "12:00"), when=START))
    folded.tick(START + timedelta(seconds=30))
    restored = Twin.restore(folded.twin.header(), folded.documents)
    outputs = restored.apply(Facts(group_id="*", tick=Tick(now=START + MINUTE)))
    folded.tick(START + MINUTE)

    assert [asked(folded)[-1]] == [
        output.body for output in outputs if output.topic == topics.REPLAN_REQUESTS
    ]
    assert ["rush_order", "line_down"] == asked(folded)[-1].triggers


def test_while_ingest_is_behind_nothing_is_asked() -> None:
    """What the picture shows has passed; once it has caught up, what still stands is asked about."""
    folded = running()
    folded.fold(Facts(group_id="*", tick=Tick(now=SOON, lag_s=600.0)))
    folded.tell(held(SOON))
    behind = len(asked(folded))
    folded.fold(Facts(group_id="*", tick=Tick(now=SOON + MINUTE, lag_s=1.0)))

    assert (0, [["line_down"]]) == (behind, triggers(folded))


def test_requests_are_counted_by_what_triggered_them() -> None:
    folded = running()
    folded.tell(held(SOON))
    counted = Counter({key: n for key, n in folded.twin.counters.items() if key[0] == "replan"})

    assert Counter({("replan", "line_down"): 1}) == counted


def test_a_request_that_would_be_too_large_leaves_out_lines_that_are_not_hit() -> None:
    """2,000 runs on 20 lines are 6.5 MB: lines are left out, the last ones first, and with them their runs."""
    twin = plant(20, 100)
    now, keys = twin.now, sorted(twin.model.lines, reverse=True)
    assert now is not None
    note = Note("manual", "S1", "somebody asked", now, ["e1"], keys[:1])
    request = build_request(twin.model, now, "cause", keys, keys[:1], [note])

    assert 1_000_000 < len(request.problem.model_dump_json()) <= MOST_BYTES
    assert [join_key(*key) for key in keys[:15]] == request.scope
    assert [("L19", True)] == [(line.line_id, line.is_hit) for line in request.problem.lines if line.is_hit]
    assert {key[1] for key in keys[:15]} == {run.line_id for run in request.problem.runs}
