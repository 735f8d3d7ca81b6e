"""Each way in which two systems contradict each other is found, told after its grace, and settled."""

import pytest

from schemas import Card, CardKind, Event
from tests.folding import Folded, at, count, event, order, run, small_plant
from twin import Twin


def plant(*more: Event) -> Folded:
    folded = Folded()
    folded.tell(
        *small_plant(),
        event("item_upserted", at(0, "01:00"), item_id="red", setup_family="red", unit_cost=2.0),
        order("1", at(3, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"], work_order_id="W1"),
        *more,
    )
    folded.tick(at(0, "06:00"))
    folded.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    return folded


def conflicts(folded: Folded) -> list[Card]:
    return [
        card for card in folded.cards.values() if card.kind is CardKind.DATA_CONFLICT and card.state == "open"
    ]


def test_the_floor_says_done_and_pieces_are_missing() -> None:
    """700 of 800: 100 more take an hour; #1 has days: nothing is at stake, but somebody should know."""
    folded = plant()
    folded.tick(at(0, "12:59"))
    folded.tell(
        count("L1", "R1", at(0, "13:00"), 700.0),
        event("run_completed", at(0, "13:00"), line_id="L1", run_id="R1"),
    )
    folded.tick(at(0, "13:00"))
    assert [] == conflicts(folded)
    folded.tick(at(0, "13:30"))
    [card] = conflicts(folded)

    assert (
        "Contradiction about whether R1 is done: MES says completed with 700 good pieces, ERP says 800 pieces to make"
        == card.title
    )
    folded.tell(
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), quantity=700.0, pegs=["1"], when=at(0, "14:00"))
    )
    folded.tick(at(0, "14:01"))
    assert [] == conflicts(folded)
    assert ["conflict_found", "conflict_settled"] == [
        signal.signal for signal in folded.on("twin.signals.v1") if signal.metric == "conflict"
    ]


def test_two_per_cent_is_no_contradiction() -> None:
    folded = plant()
    folded.tick(at(0, "12:59"))
    folded.tell(
        count("L1", "R1", at(0, "13:00"), 790.0),
        event("run_completed", at(0, "13:00"), line_id="L1", run_id="R1"),
    )
    folded.tick(at(0, "15:00"))

    assert [] == conflicts(folded)


def test_more_was_made_than_erp_wants() -> None:
    """100 pieces beyond 800, at 2.00 each: 200 for nobody, P 0.5."""
    folded = plant()
    folded.tick(at(0, "14:59"))
    folded.tell(count("L1", "R1", at(0, "15:00"), 900.0))
    folded.tick(at(0, "15:31"))
    [card] = conflicts(folded)

    assert (
        "Contradiction about quantity of R1: ERP says 800 pieces to make, MES says 900 good pieces made"
        == card.title
    )
    assert {"scrapped_value": 200.0} == card.impact.parts


def test_erp_closed_what_the_floor_goes_on_with() -> None:
    folded = plant()
    folded.tell(event("work_order_closed", at(0, "07:00"), work_order_id="W1", source_id="sap"))
    folded.tick(at(0, "07:29"))
    assert [] == conflicts(folded)
    folded.tick(at(0, "07:30"))
    [card] = conflicts(folded)
    assert (
        "Contradiction about whether R1 is wanted: MES says running with 0 good pieces, sap says work order W1 is closed"
        == card.title
    )

    folded.tell(event("run_completed", at(0, "07:40"), line_id="L1", run_id="R1"))
    folded.tick(at(0, "07:41"))
    assert "work order W1 is closed" not in " ".join(card.title for card in conflicts(folded))


def test_the_floor_makes_what_was_cancelled() -> None:
    folded = plant()
    folded.tell(event("order_cancelled", at(0, "07:00"), order_id="1"))
    folded.tick(at(0, "07:30"))
    [card] = conflicts(folded)

    assert (
        "Contradiction about whether R1 is wanted: ERP says #1 cancelled, MES says running with 0 good pieces"
        == card.title
    )
    assert {"scrapped_value": 1600.0} == card.impact.parts


@pytest.mark.parametrize(("alternates", "found"), [([], 1), (["L2"], 0)])
def test_a_run_on_a_line_that_no_plan_names(alternates: list[str], found: int) -> None:
    folded = plant(run("R9", "L1", at(1, "06:00"), at(1, "14:00"), alternate_line_ids=alternates))
    folded.tell(event("run_started", at(0, "07:00"), line_id="L2", run_id="R9"))
    folded.tick(at(0, "07:30"))
    cards = conflicts(folded)

    assert found == len(cards)
    if found:
        assert "Contradiction about line of R9: MES says made on L2, ERP says planned on L1" == cards[0].title


def test_two_systems_promise_two_dates() -> None:
    folded = plant()
    folded.tell(
        order("5", at(4, "12:00"), when=at(0, "06:10"), source_id="erp"),
        order("5", at(3, "12:00"), when=at(0, "06:20"), source_id="crm"),
    )
    folded.tick(at(0, "06:50"))
    cards = [card for card in conflicts(folded) if card.cause.entity_type == "order"]

    assert [
        "Contradiction about promised date of #5: crm says Thu 5 Mar 12:00, erp says Fri 6 Mar 12:00"
    ] == [card.title for card in cards]


def test_one_system_may_change_its_mind() -> None:
    folded = plant()
    folded.tell(
        order("5", at(4, "12:00"), when=at(0, "06:10"), source_id="erp"),
        order("5", at(3, "12:00"), when=at(0, "06:20"), source_id="erp"),
    )
    folded.tick(at(0, "08:00"))

    assert [] == conflicts(folded)


def test_a_restored_twin_still_knows_who_said_what_and_since_when() -> None:
    folded = plant()
    folded.tell(
        order("5", at(4, "12:00"), when=at(0, "06:10"), source_id="erp"),
        order("5", at(3, "12:00"), when=at(0, "06:20"), source_id="crm"),
    )
    restored = Twin.restore(folded.twin.header(), folded.documents)

    assert folded.twin.model.card_book.suspects == restored.model.card_book.suspects
    assert ["crm", "erp"] == [
        claim.source_id for claim in restored.model.plant.claims("S1", "order_upserted", "5")
    ]


def test_one_system_has_one_plan_and_two_may_differ_by_hours() -> None:
    """Odoo's production order ends at 14:00, its work order at 16:00. ERP and MES with the same two ends are no news."""
    for first, second, found in (("odoo/mrp.production", "odoo/mrp.workorder", 1), ("erp", "mes", 0)):
        folded = plant()
        for source, end in ((first, "14:00"), (second, "16:00")):
            folded.tell(
                run(
                    "R1",
                    "L1",
                    at(0, "06:00"),
                    at(0, end),
                    pegs=["1"],
                    work_order_id="W1",
                    source_id=source,
                    event_time=at(0, "06:10"),
                    event_id=f"{source}-{end}",
                )
            )
        folded.tick(at(0, "06:10"))
        folded.tick(at(0, "06:41"))

        assert ["planned end of R1"] * found == [
            card.data.subject for card in conflicts(folded) if card.data is not None
        ]
