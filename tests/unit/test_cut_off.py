"""A line whose source says that it is cut off is stale at once, not after half an hour, and fresh with its next word."""

from schemas import Card, CardState, Event
from tests.folding import Folded, at, count, event, run, small_plant


def plant() -> Folded:
    """Line 1 makes 100 an hour; R1 runs since 06:00."""
    folded = Folded()
    folded.tell(*small_plant(), run("R1", "L1", at(0, "06:00"), at(0, "14:00")))
    folded.tick(at(0, "06:00"))
    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "07:00"), 100.0),
    )
    folded.tick(at(0, "07:00"))
    return folded


def connection(clock: str, *, is_up: bool) -> Event:
    reason = "it is born" if is_up else "edge node E1 is gone"
    return event("connection_changed", at(0, clock), line_id="L1", is_up=is_up, reason=reason)


def stale(folded: Folded) -> list[Card]:
    return [
        card for card in folded.cards.values() if card.kind == "data_stale" and card.state == CardState.OPEN
    ]


def test_five_minutes_after_its_last_word_the_source_is_gone() -> None:
    folded = plant()
    folded.tell(connection("07:05", is_up=False))
    folded.tick(at(0, "07:05"))

    [card] = stale(folded)
    assert "Line 1 is silent since Mon 2 Mar 07:00: nobody knows whether it runs" == card.title
    assert "It is cut off since Mon 2 Mar 07:05: edge node E1 is gone." in card.summary
    assert 1.0 == card.confidence.value
    assert "its source says that it is cut off" == card.cause.method


def test_being_back_or_any_later_word_ends_it() -> None:
    for word in (connection("07:20", is_up=True), count("L1", "R1", at(0, "07:20"), 30.0)):
        folded = plant()
        folded.tell(connection("07:05", is_up=False))
        folded.tick(at(0, "07:06"))
        assert stale(folded)
        folded.tell(word)
        folded.tick(at(0, "07:21"))
        assert [] == stale(folded)


def test_a_death_that_comes_late_is_no_news() -> None:
    folded = plant()
    folded.tell(connection("06:30", is_up=False))
    folded.tick(at(0, "07:01"))

    assert [] == stale(folded)


def test_a_line_on_no_run_owes_no_words() -> None:
    folded = Folded()
    folded.tell(*small_plant())
    folded.tick(at(0, "06:00"))
    folded.tell(connection("06:05", is_up=False))
    folded.tick(at(0, "06:06"))

    assert {} == folded.cards
