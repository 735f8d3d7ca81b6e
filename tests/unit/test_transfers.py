"""Goods made at one site for the orders of another, by hand: the way takes time, and every forecast counts it.

S2 makes R1 for order 1 of S1: 800 at 100 an hour from Monday 06:00 to 14:00. The lane takes 8 h and 200, and 0.5 a piece.
"""

from typing import Any
from zoneinfo import ZoneInfo

from schemas import Event, topics
from tests.card_numbers import unexplained_numbers
from tests.folding import Folded, at, event, order, run, small_plant
from tests.hold_by_hand import hold, ready_at, ships_at
from twin.explain.why import why_order
from twin.forecast.lookahead import assess_order
from twin.replan.problem_scope import scope_of
from twin.replan.problems import build_problem
from twin.state.transfers import lane_between, transfer_of, transfer_s

SAID = at(0, "00:00")


def lane(**fields: Any) -> Event:
    values: dict[str, Any] = {
        "to_site_id": "S1",
        "transfer_min": 480.0,
        "cost": 200.0,
        "cost_per_pc": 0.5,
        **fields,
    }
    return event("transfer_lane_upserted", SAID, site_id="S2", **values)


def two_sites(*more: Event) -> Folded:
    """S1 as ever; S2 with the line M1, open as those of S1."""
    shifts = [{"weekday": day, "start": "06:00", "end": "22:00"} for day in range(5)]
    folded = Folded()
    folded.tell(
        *small_plant(),
        event("site_upserted", SAID, site_id="S2", name="Second", zone="UTC"),
        event("calendar_upserted", SAID, site_id="S2", calendar_id="two-shifts", shifts=shifts),
        event("line_upserted", SAID, site_id="S2", line_id="M1", name="Mill 1", calendar_id="two-shifts"),
        *more,
    )
    folded.tick(at(0, "05:00"))
    return folded


def made_elsewhere(promised_day: int, *more: Event, route: str | None = "daily") -> Folded:
    pegs = [{"order_id": "1", "order_site_id": "S1", "quantity_pcs": 800.0}]
    return two_sites(
        order("1", at(promised_day, "12:00"), route_id=route),
        event(
            "run_planned", at(0, "01:00"), site_id="S2", run_id="R1", line_id="M1", item_id="red", quantity_pcs=800.0,
            planned_start_at=at(0, "06:00"), planned_end_at=at(0, "14:00"), rate_pcs_per_h=100.0, pegs=pegs,
        ),
        *more,
    )  # fmt: skip


def test_an_order_is_ready_for_its_truck_once_it_has_been_brought() -> None:
    """Made by 14:00, there by 22:00; for the truck of Tuesday 12:00 it must be made by 04:00: 14 h of slack."""
    folded = made_elsewhere(1, lane())
    each = assess_order(folded.twin.model.orders["S1", "1"], folded.twin.model)

    assert each is not None
    assert (at(0, "14:00").timestamp(), 8 * 3600.0) == (each.ready_at, each.transfer_s)
    assert (at(1, "04:00").timestamp(), 14 * 3600.0) == (each.need_by, each.slack_s)
    assert (at(1, "12:00").timestamp(), 0.0) == (each.ships_at, each.slip_s)


def test_the_way_can_cost_the_truck() -> None:
    """With 23 h of way it is there on Tuesday at 13:00: an hour too late, a day for the truck."""
    folded = made_elsewhere(1, lane(transfer_min=1380.0))
    each = assess_order(folded.twin.model.orders["S1", "1"], folded.twin.model)

    assert each is not None
    assert (at(0, "13:00").timestamp(), -3600.0) == (each.need_by, each.slack_s)
    assert (at(2, "12:00").timestamp(), 86_400.0, 1000.0) == (each.ships_at, each.slip_s, each.penalty)


def test_without_a_truck_it_leaves_when_it_is_there() -> None:
    folded = made_elsewhere(0, lane(), route=None)
    each = assess_order(folded.twin.model.orders["S1", "1"], folded.twin.model)

    assert each is not None
    assert (at(0, "22:00").timestamp(), 10 * 3600.0) == (each.ships_at, each.slip_s)


def test_projections_and_cards_say_how_long_the_way_is() -> None:
    folded = made_elsewhere(1, lane(transfer_min=1380.0))
    projection = folded.on(topics.ORDER_PROJECTIONS)[-1]
    (card,) = [each for each in folded.cards.values() if each.affected]

    assert (23.0, at(0, "14:00"), at(2, "12:00")) == (
        projection.transfer_h,
        projection.ready_at,
        projection.ships_at,
    )
    assert 23.0 == card.affected[0].transfer_h
    assert "#1 is made at S2: bringing it to S1 takes 23.00 h." in card.summary
    assert [] == unexplained_numbers(card, ZoneInfo("UTC"))


def test_why_takes_the_way_off_the_moment_of_the_need() -> None:
    folded = made_elsewhere(1, lane())
    model, now = folded.twin.model, folded.twin.now
    assert now is not None
    steps = why_order(model, model.orders["S1", "1"], now).steps
    (need,) = [step for step in steps if step.what.startswith("when it is needed")]
    (departure,) = [step for step in steps if step.what == "departure"]

    assert "Tue 3 Mar 12:00 - 0.00 h of loading - 8.00 h from S2 to S1 = Tue 3 Mar 04:00" == need.formula
    assert departure.formula.startswith("ready Mon 2 Mar 14:00, at S1 Mon 2 Mar 22:00: ships Tue 3 Mar 12:00")


def test_a_lane_that_is_said_anew_moves_the_orders_that_use_it_at_once() -> None:
    folded = made_elsewhere(1, lane())
    before = folded.on(topics.ORDER_PROJECTIONS)[-1]
    folded.tell(lane(transfer_min=1380.0).model_copy(update={"event_time": at(0, "05:00")}))
    after = folded.on(topics.ORDER_PROJECTIONS)[-1]

    assert (at(1, "12:00"), at(2, "12:00")) == (before.ships_at, after.ships_at)


def test_a_withdrawn_lane_takes_no_time_for_what_is_planned_and_takes_nothing_new() -> None:
    plant = made_elsewhere(1, lane(withdrawn=True)).twin.model.plant

    assert lane_between(plant, "S2", "S1") is None
    assert 0.0 == transfer_s(plant, "S2", "S1")
    assert transfer_of(plant, "S2", [("S1", 800.0)]) is None


def test_a_transfer_costs_the_way_and_each_piece() -> None:
    """200 + 800 x 0.5 = 600; what is for its own site is brought nowhere."""
    plant = made_elsewhere(1, lane()).twin.model.plant

    assert (8 * 3600.0, 600.0) == transfer_of(plant, "S2", [("S1", 800.0)])
    assert (8 * 3600.0, 300.0) == transfer_of(plant, "S2", [("S1", 200.0), ("S2", 600.0)])
    assert (0.0, 0.0) == transfer_of(plant, "S2", [("S2", 600.0)])
    assert transfer_of(plant, "S1", [("S2", 1.0)]) is None


def test_a_problem_knows_the_line_of_the_other_site_and_the_way_from_there() -> None:
    """R2 on L1 could be made on M1, whose site makes the item in one step and has a lane to S1; there at 120 an hour."""
    said_here = [{"step": 1, "line_id": "L1", "rate_pcs_per_h": 100.0}]
    said_there = [{"step": 1, "line_id": "M1", "rate_pcs_per_h": 120.0}]
    folded = two_sites(
        lane(),
        event("routing_upserted", SAID, item_id="red", steps=said_here),
        event("routing_upserted", SAID, site_id="S2", item_id="red", steps=said_there),
        order("1", at(1, "12:00")),
        run("R2", "L1", at(0, "14:00"), at(0, "22:00"), pegs=["1"]),
        run("R3", "L1", at(1, "06:00"), at(1, "14:00"), feeds_run_ids=["R4"]),
        run("R4", "L2", at(1, "14:00"), at(1, "22:00")),
    )
    model, now = folded.twin.model, folded.twin.now
    assert now is not None
    scope = scope_of(model, [("S1", "L1")])
    problem = build_problem(model, now, scope, problem_id="p", hit=[("S1", "L1")])
    eligible = {run.run_id: run.eligible for run in problem.runs}

    assert [("S1", "L1"), ("S2", "M1"), ("S1", "L2")] == scope
    assert [("L1", 100.0, 0.0, 0.0), ("M1", 120.0, 8 * 3600.0, 600.0)] == [
        (each.line_id, each.rate_pcs_per_h, each.transfer_s, each.transfer_cost) for each in eligible["R2"]
    ]
    assert ["L1"] == [each.line_id for each in eligible["R3"]]  # it feeds a run of its site


def test_holding_a_problem_brings_the_goods_as_the_projection_does() -> None:
    folded = made_elsewhere(1, lane(transfer_min=1380.0))
    model, now = folded.twin.model, folded.twin.now
    assert now is not None
    problem = build_problem(model, now, [("S2", "M1")], problem_id="p")
    (known,) = problem.orders
    ready = ready_at(problem, known, hold(problem))

    assert (at(1, "13:00").timestamp(), at(2, "12:00").timestamp()) == (ready, ships_at(known, ready))


def test_an_order_that_only_the_other_site_can_make_is_asked_about_at_its_own() -> None:
    """S1 has no routing for plums, S2 makes them on M1: the request is S1's, its run to be made on M1 and brought."""
    steps = [{"step": 1, "line_id": "M1", "rate_pcs_per_h": 120.0}]
    folded = made_elsewhere(
        1, lane(), event("routing_upserted", SAID, site_id="S2", item_id="plum", steps=steps)
    )
    folded.tell(order("7", at(2, "12:00"), item_id="plum", when=at(0, "05:00")))
    folded.tick(at(0, "05:01"))
    request = folded.on(topics.REPLAN_REQUESTS)[-1]
    (new,) = [each for each in request.problem.runs if each.line_id is None]

    assert ("S1", "rush_order", ["S2/M1"]) == (request.site_id, request.trigger, request.scope)
    assert ("S1", "F-7") == (new.site_id, new.run_id)
    assert [("S2", "M1", 120.0, 8 * 3600.0, 600.0)] == [
        (each.site_id, each.line_id, each.rate_pcs_per_h, each.transfer_s, each.transfer_cost)
        for each in new.eligible
    ]
