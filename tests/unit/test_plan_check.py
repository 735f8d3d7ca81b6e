"""Plans that cannot hold whatever the floor does: too late by themselves, overbooked, or with too little planned."""

from schemas import Card, CardKind
from tests.folding import Folded, at, count, event, order, run, small_plant


def plant() -> Folded:
    folded = Folded()
    folded.tell(*small_plant())
    folded.tick(at(0, "06:00"))
    return folded


def plan_cards(folded: Folded) -> list[Card]:
    found = folded.cards.values()
    return [card for card in found if card.kind is CardKind.PLAN_INFEASIBLE and card.state == "open"]


def test_a_plan_that_ends_after_the_truck_is_told_before_anything_runs() -> None:
    """Planned to Tue 14:00, truck Tue 12:00: two hours short; the next is a day later, 1,000."""
    folded = plant()
    folded.tell(order("1", at(1, "12:00"), when=at(0, "06:01")))
    folded.tell(run("R1", "L1", at(1, "06:00"), at(1, "14:00"), pegs=["1"], when=at(0, "06:01")))
    folded.tick(at(0, "06:02"))
    [card] = plan_cards(folded)

    assert ("plan_infeasible/S1/line/L1/1", "plan") == (card.card_id, card.cause.signal)
    assert "The plan itself ends too late, by 2 working hours of Line 1" == card.cause.in_words
    assert (1, 1000.0) == (card.impact.slip_days, card.impact.exposure)


def test_a_line_that_is_booked_twice_is_one_card_with_all_its_orders() -> None:
    """Two runs of 8 h planned for the same 8 h of Monday: the second ends Mon 22:00 instead of 14:00; 8 h too much.

    #2's goods are needed Mon 16:00: 6 h late. #1 is not hit: its run is the first.
    """
    folded = plant()
    folded.tell(
        event("shipment_slots_upserted", at(0, "06:01"), route_id="late", weekly=[{"weekday": 0, "at": "16:00"}, {"weekday": 1, "at": "16:00"}]),
        order("1", at(0, "16:00"), when=at(0, "06:01"), route_id="late"),
        order("2", at(0, "16:00"), when=at(0, "06:01"), route_id="late"),
        run("R1", "L2", at(0, "06:00"), at(0, "14:00"), pegs=["1"], when=at(0, "06:01")),
        run("R2", "L2", at(0, "06:00"), at(0, "14:00"), pegs=["2"], when=at(0, "06:01")),
    )  # fmt: skip
    folded.tick(at(0, "06:02"))
    [card] = plan_cards(folded)

    assert ("plan_infeasible/S1/line/L2/1", "overbooked") == (card.card_id, card.cause.signal)
    assert "The plan books Line 2 for 8 working hours more than it has" == card.cause.in_words
    assert [("2", 6.0)] == [(each.order_id, round(each.overhang_h or 0.0, 1)) for each in card.affected]


def routed(rate: float = 100.0) -> Folded:
    folded = plant()
    folded.tell(
        event("routing_upserted", at(0, "06:01"), item_id="red", steps=[{"step": 1, "line_id": "L1", "rate_pcs_per_h": rate}]),
        # The site says which run is for which order: an order without a run is one that nobody planned.
        order("9", at(20, "12:00"), when=at(0, "06:01")),
        run("R9", "L2", at(7, "06:00"), at(7, "14:00"), pegs=["9"], when=at(0, "06:01")),
    )  # fmt: skip
    return folded


def test_nothing_is_planned_for_an_order_that_comes_near() -> None:
    """800 pieces need 8 h on Line 1: to be ready Tue 12:00 they must be begun Mon 20:00 (2 h, then 6 h from 06:00).

    At Mon 06:30 there are 29.5 h left, of which making it takes 16 (from Mon 20:00 to Tue 12:00): P = 0.542.
    """
    folded = routed()
    folded.tell(order("1", at(1, "12:00"), when=at(0, "06:15")))
    folded.tick(at(0, "06:29"))
    assert [] == plan_cards(folded)  # its runs may come a little after it
    folded.tick(at(0, "06:30"))
    [card] = plan_cards(folded)

    assert "#1 for Acme: nothing is planned for it, and its goods must be ready Tue 3 Mar 12:00" == card.title
    assert (0.542, 1000.0) == (card.rank_terms[0].value, card.impact.exposure)
    assert (at(0, "20:00"), "it must be begun by then") == (card.deadline, card.deadline_because)
    assert (None, None, 1) == (card.affected[0].run_id, card.affected[0].ready_at, card.affected_total)


def test_it_is_told_at_the_hour_at_which_it_has_come_near_enough() -> None:
    """Five days before Wed 11 Mar 12:00: Fri 6 Mar 12:00."""
    folded = routed()
    folded.tell(order("1", at(9, "12:00"), when=at(0, "06:10")))
    folded.tick(at(4, "11:00"))
    assert [] == plan_cards(folded)
    folded.tick(at(4, "12:00"))

    assert ["1"] == [card.affected[0].order_id for card in plan_cards(folded)]


def test_it_goes_when_a_run_is_planned() -> None:
    folded = routed()
    folded.tell(order("1", at(1, "12:00"), when=at(0, "06:10")))
    folded.tick(at(0, "06:30"))
    assert 1 == len(plan_cards(folded))
    folded.tell(run("R1", "L1", at(0, "07:00"), at(0, "15:00"), pegs=["1"], when=at(0, "06:30")))
    folded.tick(at(0, "06:31"))
    folded.tick(at(0, "07:31"))

    assert [] == plan_cards(folded)


def test_a_part_that_is_planned_nowhere_is_told_as_that_part() -> None:
    """300 of 800 are missing: 3 h of work, to be begun Tue 09:00."""
    folded = routed()
    folded.tell(
        order("1", at(1, "12:00"), when=at(0, "06:10")),
        run("R1", "L1", at(0, "07:00"), at(0, "12:00"), quantity=500.0, pegs=["1"], when=at(0, "06:10")),
    )
    folded.tick(at(0, "06:30"))
    [card] = plan_cards(folded)

    assert "300 of its 800 pieces are planned nowhere" in card.title
    assert at(1, "09:00") == card.deadline


def test_an_order_over_two_runs_lacks_nothing() -> None:
    folded = routed()
    folded.tell(
        order("1", at(2, "12:00"), when=at(0, "06:10")),
        run("R1", "L1", at(0, "07:00"), at(0, "12:00"), quantity=500.0, pegs=["1"], when=at(0, "06:10")),
        run("R2", "L2", at(0, "07:00"), at(0, "10:00"), quantity=300.0, pegs=["1"], when=at(0, "06:10")),
    )
    folded.tick(at(0, "06:30"))
    projection = folded.on("twin.order-projections.v1")[-1]

    assert [] == plan_cards(folded)
    assert "projected" == projection.status


def test_when_it_can_no_longer_be_made_in_time_the_card_says_so() -> None:
    folded = routed()
    folded.tell(order("1", at(0, "12:00"), when=at(0, "06:10")))
    folded.tick(at(0, "06:30"))
    [card] = plan_cards(folded)

    assert (0.999, None) == (card.rank_terms[0].value, card.deadline)
    assert "Making it takes 8.0 h on Line 1, which is more than is left." in card.summary


def test_a_site_that_pegs_nothing_is_not_accused() -> None:
    folded = plant()
    folded.tell(order("1", at(1, "12:00"), when=at(0, "06:10")))
    folded.tick(at(1, "06:00"))

    assert [] == plan_cards(folded)


def test_a_run_that_names_an_order_twice_counts_both_parts() -> None:
    """This once stopped the worker: the second part of the peg was taken off where the first had been."""
    folded = routed()
    twice = [{"order_id": "1", "quantity_pcs": 300.0}, {"order_id": "1", "quantity_pcs": 500.0}]
    folded.tell(order("1", at(2, "12:00"), when=at(0, "06:10")))
    folded.tell(
        event(
            "run_planned",
            at(0, "06:10"),
            run_id="R1",
            line_id="L1",
            item_id="red",
            quantity_pcs=800.0,
            planned_start_at=at(0, "07:00"),
            planned_end_at=at(0, "15:00"),
            pegs=twice,
        )
    )
    folded.tick(at(0, "06:30"))
    assert [] == plan_cards(folded)  # 300 + 500 of 800
    folded.tell(event("run_cancelled", at(0, "06:40"), run_id="R1"))
    folded.tick(at(0, "06:41"))

    assert {("S1", "9")} == set(folded.twin.model.pegged)


def test_an_order_shipped_in_part_needs_only_the_rest() -> None:
    """800 ordered, 500 shipped and 300 made by a run that is done: nothing is missing."""
    folded = routed()
    folded.tell(
        order("1", at(1, "12:00"), when=at(0, "06:10")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"], when=at(0, "06:10")),
        event("run_started", at(0, "06:15"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "06:20"), 800.0),
        event("run_completed", at(0, "06:20"), line_id="L1", run_id="R1"),
        event("order_shipped", at(0, "06:30"), order_id="1", shipped_pcs=500.0),
    )
    folded.tick(at(0, "06:31"))

    assert [] == plan_cards(folded)
    assert folded.twin.model.orders["S1", "1"].is_open
