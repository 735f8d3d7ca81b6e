"""Runs that wait for each other in the plan that was given: told as a contradiction, with the circle, and settled."""

from schemas import Card, CardKind
from tests.folding import Folded, at, event, order, run, small_plant


def conflicts(folded: Folded) -> list[Card]:
    cards = [card for card in folded.cards.values() if card.kind is CardKind.DATA_CONFLICT]
    return [card for card in cards if card.state == "open"]


def circular() -> Folded:
    """Line 1 makes A1, then A2; Line 2 makes B1, then B2. A1 needs B2, and B1 needs A2: none of them can begin."""
    folded = Folded()
    folded.tell(
        *small_plant(),
        event("item_upserted", at(0, "01:00"), item_id="red", setup_family="red", unit_cost=2.0),
        order("1", at(3, "12:00")),
        run("A1", "L1", at(1, "06:00"), at(1, "14:00"), pegs=["1"]),
        run("A2", "L1", at(1, "14:00"), at(1, "22:00"), feeds_run_ids=["B1"]),
        run("B1", "L2", at(1, "06:00"), at(1, "14:00")),
        run("B2", "L2", at(1, "14:00"), at(1, "22:00"), feeds_run_ids=["A1"]),
    )
    return folded


def test_a_plan_in_a_circle_is_told_after_its_grace_with_its_runs_in_order() -> None:
    folded = circular()
    folded.tick(at(0, "06:00"))
    folded.tick(at(0, "06:29"))
    assert [] == conflicts(folded)
    folded.tick(at(0, "06:30"))
    [card] = conflicts(folded)

    assert (
        "Contradiction about the sequence of A1, B2, B1, A2, which wait for each other in a circle: "
        "ERP says A1 needs what B2 makes, ERP says B2 comes after B1 on L2, ERP says B1 needs what A2 makes, "
        "ERP says A2 comes after A1 on L1" == card.title
    )
    assert ("run", "A1", "conflict") == (card.cause.entity_type, card.cause.entity_id, card.cause.signal)
    assert at(0, "06:00") == card.cause.since


def test_the_card_goes_once_the_plan_is_put_right() -> None:
    """B2 before B1: A1 waits for B2 alone, then A2, then B1."""
    folded = circular()
    folded.tick(at(0, "06:00"))
    folded.tick(at(0, "06:30"))
    folded.tell(
        run("B2", "L2", at(1, "00:00"), at(1, "06:00"), feeds_run_ids=["A1"], when=at(0, "06:40")),
    )
    folded.tick(at(0, "06:41"))

    assert [] == conflicts(folded)
    assert ["conflict_found", "conflict_settled"] == [
        signal.signal for signal in folded.on("twin.signals.v1") if signal.metric == "conflict"
    ]


def test_a_circle_that_lasts_less_than_the_grace_is_not_told() -> None:
    """A planning run that is sent run by run goes through such moments."""
    folded = circular()
    folded.tick(at(0, "06:00"))
    folded.tell(run("B2", "L2", at(1, "00:00"), at(1, "06:00"), feeds_run_ids=["A1"], when=at(0, "06:10")))
    folded.tick(at(0, "07:00"))

    assert [] == conflicts(folded)


def test_what_only_waits_for_a_circle_is_not_in_it() -> None:
    """B3 comes after B2 and feeds nobody; 0 comes first by id, and is fed by a run of the circle."""
    folded = circular()
    folded.tell(
        run("B3", "L2", at(1, "22:00"), at(2, "06:00")),
        run("0", "L2", at(2, "06:00"), at(2, "14:00")),
        run("A2", "L1", at(1, "14:00"), at(1, "22:00"), feeds_run_ids=["0", "B1"]),
    )
    folded.tick(at(0, "06:00"))
    folded.tick(at(0, "06:30"))
    [card] = conflicts(folded)

    assert "A1" == card.cause.entity_id


def test_a_run_that_feeds_the_one_before_it_on_its_line_is_a_circle_of_two() -> None:
    folded = Folded()
    folded.tell(
        *small_plant(),
        run("R1", "L1", at(1, "06:00"), at(1, "14:00")),
        run("R2", "L1", at(1, "14:00"), at(1, "22:00"), feeds_run_ids=["R1"]),
    )
    folded.tick(at(0, "06:00"))
    folded.tick(at(0, "06:30"))
    [card] = conflicts(folded)

    assert (
        "Contradiction about the sequence of R1, R2, which wait for each other in a circle: "
        "ERP says R1 needs what R2 makes, ERP says R2 comes after R1 on L1" == card.title
    )


def test_circles_that_share_a_run_are_told_apart_and_stay() -> None:
    """R1 needs R2, which comes after it: two runs. R2 needs R0, R0 comes after R9, and R9 needs R1: four."""
    folded = Folded()
    folded.tell(
        *small_plant(),
        run("R1", "L1", at(1, "06:00"), at(1, "14:00"), feeds_run_ids=["R9"]),
        run("R2", "L1", at(1, "14:00"), at(1, "22:00"), feeds_run_ids=["R1"]),
        run("R9", "L2", at(1, "06:00"), at(1, "14:00")),
        run("R0", "L2", at(1, "14:00"), at(1, "22:00"), feeds_run_ids=["R2"]),
    )
    folded.tick(at(0, "06:00"))
    folded.tick(at(0, "06:30"))
    told = {card.cause.entity_id: (card.title, card.cause.since) for card in conflicts(folded)}
    folded.tick(at(0, "06:40"))

    assert told == {card.cause.entity_id: (card.title, card.cause.since) for card in conflicts(folded)}
    assert ["R0, R9, R1, R2", "R1, R2"] == [
        told[first][0].removeprefix("Contradiction about the sequence of ").split(", which")[0]
        for first in ("R0", "R1")
    ]
