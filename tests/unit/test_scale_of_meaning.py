"""Orders, runs, lines and sites in every proportion: shared runs, split orders, steps on several lines, two sites.

Every line makes 100 an hour, Mon-Fri 06:00-22:00 UTC; a truck leaves daily at 12:00; late costs 1,000 a day.
"""

from datetime import datetime

from schemas import Card
from tests.folding import Folded, at, count, event, order, run, small_plant


def plant(*more: object) -> Folded:
    folded = Folded()
    folded.tell(*small_plant(), *more)  # type: ignore[arg-type]  # events, as they are
    folded.tick(at(0, "06:00"))
    return folded


def open_cards(folded: Folded) -> dict[str, Card]:
    return {card_id: card for card_id, card in folded.cards.items() if card.state == "open"}


def ready(folded: Folded, order_id: str) -> datetime | None:
    bodies = folded.on("twin.order-projections.v1")
    found: datetime | None = [body for body in bodies if body.order_id == order_id][-1].ready_at
    return found


def test_orders_that_share_a_run_are_ready_with_it_and_are_late_together() -> None:
    """R1 makes 500 for #1 and 300 for #2. Down from 08:00 until Tue 10:00 with 200 made: 600 more end Tue 16:00."""
    folded = plant(
        order("1", at(1, "12:00"), quantity=500.0),
        order("2", at(1, "12:00"), quantity=300.0),
        event(
            "run_planned",
            at(0, "00:00"),
            run_id="R1",
            line_id="L1",
            item_id="red",
            quantity_pcs=800.0,
            planned_start_at=at(0, "06:00"),
            planned_end_at=at(0, "14:00"),
            rate_pcs_per_h=100.0,
            pegs=[{"order_id": "1", "quantity_pcs": 500.0}, {"order_id": "2", "quantity_pcs": 300.0}],
        ),
    )
    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "08:00"), 200.0),
    )
    assert {at(0, "14:00")} == {ready(folded, "1"), ready(folded, "2")}
    folded.tell(event("run_held", at(0, "08:00"), line_id="L1", run_id="R1", expected_duration_min=1560.0))
    folded.tick(at(0, "08:01"))
    [card] = open_cards(folded).values()

    assert "line_down/S1/line/L1/1" == card.card_id
    assert [("1", at(1, "16:00")), ("2", at(1, "16:00"))] == [
        (each.order_id, each.ready_at) for each in card.affected
    ]
    assert (2, 2000.0) == (card.affected_total, card.impact.parts["penalty"])


def test_an_order_over_two_lines_is_ready_with_the_later_run_and_blames_its_line() -> None:
    """400 on Line 1 by Mon 10:00, 400 on Line 2 by Mon 10:00. Line 2 stops at 08:00 until Tue 11:00: Tue 13:00."""
    folded = plant(
        order("1", at(1, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "10:00"), quantity=400.0, pegs=["1"]),
        run("R2", "L2", at(0, "06:00"), at(0, "10:00"), quantity=400.0, pegs=["1"]),
    )
    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"),
        event("run_started", at(0, "06:00"), line_id="L2", run_id="R2"),
        count("L1", "R1", at(0, "08:00"), 200.0),
        count("L2", "R2", at(0, "08:00"), 200.0),
    )
    folded.tell(event("run_held", at(0, "08:00"), line_id="L2", run_id="R2", expected_duration_min=1620.0))
    folded.tick(at(0, "08:01"))
    [card] = open_cards(folded).values()

    assert at(1, "13:00") == ready(folded, "1")
    assert ("line_down/S1/line/L2/1", "R2", "L2") == (
        card.card_id,
        card.affected[0].run_id,
        card.affected[0].line_id,
    )


def test_three_steps_on_three_lines_pass_the_delay_on_to_the_order() -> None:
    """R1 (Line 1) feeds R2 (Line 2) feeds R3 (Line 3), 400 each, four hours each. R1 begins four hours late, at 10:00.

    R1 10:00-14:00, R2 14:00-18:00, R3 18:00-22:00 instead of 14:00-18:00: still before the truck of Tuesday 12:00.
    """
    folded = plant(
        event("line_upserted", at(0, "00:00"), line_id="L3", name="Line 3", calendar_id="two-shifts"),
        order("1", at(1, "12:00"), quantity=400.0),
        run("R1", "L1", at(0, "06:00"), at(0, "10:00"), quantity=400.0, feeds_run_ids=["R2"]),
        run("R2", "L2", at(0, "10:00"), at(0, "14:00"), quantity=400.0, feeds_run_ids=["R3"]),
        run("R3", "L3", at(0, "14:00"), at(0, "18:00"), quantity=400.0, pegs=["1"]),
    )
    assert at(0, "18:00") == ready(folded, "1")
    folded.tick(at(0, "10:00"))
    folded.tell(event("run_started", at(0, "10:00"), line_id="L1", run_id="R1"))

    assert at(0, "22:00") == ready(folded, "1")
    assert {} == open_cards(folded)


def test_a_run_without_orders_takes_the_line_and_raises_nothing_of_its_own() -> None:
    """R1, to stock, is down for a day; R2 for #2 waits behind it: its order is on the line's card, R1 is nobody's."""
    folded = plant(
        order("2", at(1, "12:00")),
        run("R1", "L2", at(0, "06:00"), at(0, "10:00"), quantity=400.0),
        run("R2", "L2", at(0, "10:00"), at(0, "18:00"), pegs=["2"]),
    )
    folded.tell(event("run_started", at(0, "06:00"), line_id="L2", run_id="R1"))
    folded.tell(event("run_held", at(0, "06:00"), line_id="L2", run_id="R1", expected_duration_min=1440.0))
    folded.tick(at(0, "06:01"))
    [card] = open_cards(folded).values()

    assert ["2"] == [each.order_id for each in card.affected]
    assert "R2 waits for R1" in [step.detail for step in card.path]


def test_two_sites_of_a_group_make_one_order() -> None:
    """#1 of S1 is made by R1 on Line 9 of S2, which is down from 06:00 until Tue 10:00: 800 more end Tue 18:00."""
    said = at(0, "00:00")
    shifts = [{"weekday": day, "start": "06:00", "end": "22:00"} for day in range(5)]
    folded = plant(
        event("site_upserted", said, site_id="S2", name="Other plant", zone="UTC", owner_id="chief"),
        event("person_upserted", said, site_id="S2", person_id="chief", name="C. Hief"),
        event("calendar_upserted", said, site_id="S2", calendar_id="two-shifts", shifts=shifts),
        event("line_upserted", said, site_id="S2", line_id="L9", name="Line 9", calendar_id="two-shifts"),
        order("1", at(1, "12:00")),
        event(
            "run_planned",
            said,
            site_id="S2",
            run_id="R1",
            line_id="L9",
            item_id="red",
            quantity_pcs=800.0,
            planned_start_at=at(0, "06:00"),
            planned_end_at=at(0, "14:00"),
            rate_pcs_per_h=100.0,
            pegs=[{"order_id": "1", "quantity_pcs": 800.0, "order_site_id": "S1"}],
        ),
    )
    folded.tell(event("run_started", at(0, "06:00"), site_id="S2", line_id="L9", run_id="R1"))
    folded.tell(
        event(
            "run_held", at(0, "06:00"), site_id="S2", line_id="L9", run_id="R1", expected_duration_min=1680.0
        )
    )
    folded.tick(at(0, "06:01"))
    [card] = open_cards(folded).values()

    assert ("line_down/S2/line/L9/1", "S2", "C. Hief") == (card.card_id, card.site_id, card.owner.name)
    assert [("S1", "1", at(1, "18:00"))] == [
        (each.site_id, each.order_id, each.ready_at) for each in card.affected
    ]
