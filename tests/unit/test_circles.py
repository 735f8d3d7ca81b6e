"""Runs that wait for each other in the plan that was given: told as a contradiction, with the circle, and settled."""

from typing import Any

from hypothesis import given, settings, target
from hypothesis import strategies as st

from schemas import Card, CardKind
from tests.folding import Folded, at, event, order, run, small_plant
from twin.forecast.circles import circles, new_circles


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


RUNS, LINES = ("R1", "R2", "R3", "R4", "R5"), ("L1", "L2", "L3")
planned = st.builds(
    lambda run_id, line_id, hour, feeds: (
        run_id, line_id, at(1, f"{6 + hour:02}:00"), sorted(feeds - {run_id})
    ),
    st.sampled_from(RUNS), st.sampled_from(LINES), st.integers(0, 9), st.sets(st.sampled_from(RUNS), max_size=2),
)  # fmt: skip
said_of_runs = st.tuples(
    st.sampled_from(
        ["setup_started", "run_started", "run_held", "run_completed", "run_aborted", "run_cancelled"]
    ),
    st.sampled_from(RUNS),
    st.sampled_from(LINES),
)


def looks_agree(steps: list[Any], folded: Folded) -> bool:
    """Fold each step and look for circles both ways; whether there was ever one."""
    was_circular = False
    for number, step in enumerate(steps):
        when = at(0, f"06:{number:02}")
        if len(step) == 4:
            run_id, line_id, start, feeds = step
            folded.tell(run(run_id, line_id, start, at(2, "06:00"), feeds_run_ids=feeds, when=when))
        else:
            kind, run_id, line_id = step
            fields = {} if kind == "run_cancelled" else {"line_id": line_id}
            folded.tell(event(kind, when, run_id=run_id, **fields))
        found = circles(folded.twin.model)
        was_circular = was_circular or bool(found)

        assert found == new_circles(folded.twin.model)
    return was_circular


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(planned, planned, said_of_runs), max_size=25))
def test_looking_from_what_is_planned_anew_finds_what_looking_everywhere_finds(steps: list[Any]) -> None:
    """Also where runs begin elsewhere and out of turn, end, or go: what is not planned anew brings no circle."""
    folded = Folded()
    folded.tell(*small_plant(), event("line_upserted", at(0, "01:00"), line_id="L3", name="Line 3"))
    target(float(looks_agree(steps, folded)), label="had a circle")
