"""Every number in a text comes from a field of the card: cards of all kinds, every revision that was published."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas import Card, topics
from streams.picture import PictureTwin
from streams.replay import Replay
from tests.card_numbers import unexplained_numbers
from tests.unit.test_line3_card import nov, the_card, told_until

ROOT = Path(__file__).resolve().parents[2]
BERLIN = ZoneInfo("Europe/Berlin")
STORIES = [
    *sorted((ROOT / "examples" / "cases").glob("*.ndjson")),
    ROOT / "examples" / "first_card" / "events.ndjson",
    ROOT / "examples" / "day" / "day.ndjson.gz",
]


class _Cards(PictureTwin):
    """A twin that keeps every card that it said."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[Card] = []

    def apply(self, facts):  # type: ignore[no-untyped-def]
        outputs = super().apply(facts)
        self.cards += [output.body for output in outputs if isinstance(output.body, Card)]
        return outputs


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.name)
def test_each_number_of_a_text_is_a_field(path: Path) -> None:
    twin = _Cards()
    run = Replay([path], None, twin)
    end = run.last_at
    assert end is not None
    run.advance(end)

    assert [] != twin.cards
    zone = {card.site_id: twin.twin.model.plant.zone(card.site_id) for card in twin.cards}
    wrong = {
        f"{card.card_id}@{card.revision}: {card.title} | {card.summary}": unexplained_numbers(
            card, zone[card.site_id]
        )
        for card in twin.cards
    }
    assert {} == {card: numbers for card, numbers in wrong.items() if numbers}


def test_each_number_of_line_3_is_a_field() -> None:
    assert [] == [
        number
        for card in told_until(nov(19, 8)).on(topics.CARDS)
        for number in unexplained_numbers(card, BERLIN)
    ]


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("Late costs 5,001 EUR", ["5,001"]),
        ("5.27 h of overtime", ["5.27"]),
        ("it ships Thu 26 Nov 12:01", ["12:01"]),
        ("8.1 % under plan", ["8.1"]),
        ("ready Sat 28 Nov", ["28"]),
        ("Line 37", ["37"]),
    ],
)
def test_a_number_from_nowhere_is_found(words: str, wrong: list[str]) -> None:
    card = the_card(told_until(nov(19, 8)))

    assert wrong == unexplained_numbers(
        card.model_copy(update={"summary": f"{card.summary} {words}"}), BERLIN
    )
