"""The desk by hand: what it drops, forgets and survives; with a sink that takes letters and keeps them."""

from datetime import timedelta
from typing import Any

import pytest

from schemas import CardNotices
from streams.metrics import Metrics
from streams.notify.config import NotifyConfig
from streams.notify.desk import Desk
from streams.notify.letters import Letter, letter
from streams.notify.sinks import Attempt, SendResult
from tests.notify_plant import NOON, Clock, card, config_of


class Drawer:
    """A sink that takes so many letters, and answers when it is told to."""

    def __init__(self, room: int = 100) -> None:
        self.letters: list[Letter] = []
        self.attempts: list[Attempt] = []
        self.room = room

    def offer(self, letter: Letter) -> bool:
        if len(self.letters) >= self.room:
            return False
        self.letters.append(letter)
        return True

    def answer(self, result: SendResult) -> None:
        self.attempts += [Attempt(letter, result, 0.1) for letter in self.letters]
        self.letters = []

    def take_attempts(self) -> list[Attempt]:
        taken, self.attempts = self.attempts, []
        return taken

    def recall(self) -> list[Letter]:
        taken, self.letters = self.letters, []
        return taken


DELIVERED = SendResult("delivered", "yes")


class Setting:
    def __init__(self, config: NotifyConfig | None = None, room: int = 100) -> None:
        self.clock = Clock()
        self.drawer = Drawer(room)
        self.notes: dict[str, CardNotices | None] = {}
        self.desk = Desk(
            config or config_of(),
            {"hook": self.drawer},
            Metrics(),
            clock=self.clock,
            plant_now=lambda card: card.as_of,
            max_age=timedelta(hours=72),
            chance=lambda: 0.0,
        )

    def turn(self) -> None:
        self.desk.take_attempts()
        for _, card_id, notices in self.desk.take_changes():
            self.notes[card_id.split("/")[3]] = notices
        self.desk.dispatch()

    def outcomes(self, line: str) -> list[tuple[str, str]]:
        notices = self.notes[line]
        assert notices is not None
        return [(each.outcome, each.reason) for each in notices.outcomes]

    @property
    def gone(self) -> list[str]:
        """Lines whose document was taken off."""
        return [line for line, notices in self.notes.items() if notices is None]


def at_work(**config: Any) -> Setting:
    made = Setting(config_of(**config))
    made.desk.adopt(0, [], is_first_start=False)
    made.desk.caught_up(0)
    return made


def test_nothing_leaves_before_the_cards_were_read_to_their_end() -> None:
    made = Setting()
    made.desk.adopt(0, [], is_first_start=True)
    made.desk.card_changed(0, card("L1"), NOON)
    made.desk.card_changed(0, card("L2"), NOON)
    made.turn()
    before = len(made.drawer.letters)
    made.desk.card_changed(0, card("L2", 2, state="cleared"), NOON)
    made.desk.caught_up(0)
    made.turn()

    assert (0, ["#4471 for Müller waits for L1"]) == (
        before,
        [letter.subject for letter in made.drawer.letters],
    )


def test_age_at_the_first_start_is_from_opening_to_publishing_to_now() -> None:
    """Opened at noon of the plant's clock, published two plant days later, a wall day and a bit ago: 73 h."""
    made = Setting()
    made.desk.adopt(0, [], is_first_start=True)
    made.desk.card_changed(0, card("old", as_of=NOON + timedelta(hours=48)), NOON - timedelta(hours=25))
    made.desk.card_changed(0, card("new", as_of=NOON + timedelta(hours=48)), NOON - timedelta(hours=23))
    made.desk.caught_up(0)
    made.turn()

    assert ["#4471 for Müller waits for new"] == [letter.subject for letter in made.drawer.letters]


def test_a_full_sink_gets_the_rest_later() -> None:
    made = Setting(room=2)
    made.desk.adopt(0, [], is_first_start=False)
    made.desk.caught_up(0)
    for number in range(3):
        made.desk.card_changed(0, card(f"L{number}"), NOON)
    made.turn()
    assert 2 == len(made.drawer.letters)

    made.drawer.answer(DELIVERED)
    made.turn()
    made.drawer.answer(DELIVERED)
    made.turn()

    assert [[("delivered", "yes")]] * 3 == [made.outcomes(f"L{number}") for number in range(3)]


def test_what_the_file_names_no_more_is_dropped_and_told_so() -> None:
    first = at_work()
    first.desk.card_changed(0, card("L1"), NOON)
    first.turn()
    noted = first.notes["L1"]
    assert noted is not None

    second = Setting(config_of(people={"roy": {"webhook": "hook"}}))
    second.desk.adopt(0, [noted], is_first_start=False)
    second.desk.caught_up(0)
    second.turn()
    second.turn()

    assert [("dropped", "the configuration does not name this person and sink any more")] == second.outcomes(
        "L1"
    )
    assert ([], 0) == (second.drawer.letters, second.desk.waiting_count)


def test_a_partition_given_up_and_back_waits_for_the_answer_it_is_owed() -> None:
    made = at_work()
    made.desk.card_changed(0, card("L1"), NOON)
    made.turn()
    noted = made.notes["L1"]
    assert noted is not None
    made.desk.release(0)
    made.desk.adopt(0, [noted], is_first_start=False)
    made.desk.caught_up(0)
    made.turn()
    assert 1 == len(made.drawer.letters)

    made.drawer.answer(DELIVERED)
    made.turn()

    assert [("delivered", "yes")] == made.outcomes("L1")


def test_a_recalled_letter_is_due_again() -> None:
    made = at_work()
    made.desk.card_changed(0, card("L1"), NOON)
    made.turn()
    made.desk.recall()
    assert (0, 1) == (made.desk.flying_count, made.desk.waiting_count)

    made.turn()

    assert 1 == len(made.drawer.letters)


def test_a_card_that_cannot_be_put_into_words_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No such card is known; the words of cards are another module's, and a mistake there may not silence everybody."""

    def broken(person_id: str, tellings: Any, *rest: Any) -> Letter:
        if any("L1" in telling.card.card_id for telling in tellings):
            raise ZeroDivisionError("no words")
        return letter(person_id, tellings, *rest)

    monkeypatch.setattr("streams.notify.desk.letter", broken)
    made = at_work(digest_above=1)
    for name in ("L0", "L1", "L2"):
        made.desk.card_changed(0, card(name), NOON)
    made.turn()
    made.drawer.answer(DELIVERED)
    made.turn()

    assert [("failed", "our own mistake: ZeroDivisionError: no words")] == made.outcomes("L1")
    assert [("delivered", "yes")] == made.outcomes("L0") == made.outcomes("L2")


def test_documents_of_cards_that_are_over_go_after_thirty_days() -> None:
    made = at_work()
    for name in ("open", "over"):
        made.desk.card_changed(0, card(name), NOON)
    made.turn()
    made.drawer.answer(DELIVERED)
    made.turn()
    made.desk.card_changed(0, card("over", 2, state="resolved", state_by="okafor"), NOON)
    made.turn()
    made.clock.set(NOON + timedelta(days=30))
    made.turn()
    assert [] == made.gone

    made.clock.set(NOON + timedelta(days=30, seconds=1))
    made.turn()

    assert ["over"] == made.gone
