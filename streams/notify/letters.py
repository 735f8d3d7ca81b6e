"""What a person reads: subject and text of a mail, body of a webhook, from the cards as they stand. Pure.

Every number and word is the card's, in the words of streams/card_text.py. Names come from other systems: control
characters in them become spaces, so nothing in a name can end a header or a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas import Card, NoticeItem, Notification
from schemas.notices import Change, delivery_id
from streams.card_text import card_text
from streams.notify.config import NotifyConfig, Person

SUBJECT_LENGTH_MAX: Final = 200

_SUBJECT: Final[dict[Change, str]] = {"raised": "", "escalated": "Escalated: ", "cleared": "Over: "}


@dataclass(frozen=True, slots=True)
class Telling:
    """One notice of one card: what is said, under which id."""

    delivery_id: str
    change: Change
    level: int
    card: Card


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, ready for any sink.

    Attributes:
        delivery_id: the same for each repeat.
        person_id, person_name, address: to whom; address None: not by mail.
        subject, text: for people.
        body: for webhooks, JSON.
        card_id: what it is about; None: several cards, or a test.
        change: in a word, for headers.
        thread: common to all that is told to this person of the card, so that mail programs show it together.
    """

    delivery_id: str
    person_id: str
    person_name: str
    address: str | None
    subject: str
    text: str
    body: bytes
    card_id: str | None
    change: str
    thread: str | None


def letter(person_id: str, tellings: Sequence[Telling], config: NotifyConfig, now: datetime) -> Letter:
    """The message for one or more notices to one person.

    Args:
        person_id: one of the people.
        tellings: what is said, not empty; more than one make a digest.
        config: who is who.
        now: plant time, for distances.
    """
    person = config.people[person_id]
    if len(tellings) == 1:
        return _of_one(person_id, person, tellings[0], config, now)
    return _digest(person_id, person, tellings, config, now)


def digest_id(person_id: str, tellings: Sequence[Telling]) -> str:
    """Id of a digest: the same for the same notices."""
    return delivery_id("digest", person_id, *sorted(telling.delivery_id for telling in tellings))


def trial_letter(person_id: str, person: Person, now: datetime) -> Letter:
    """A message that says only that messages arrive."""
    made_id = delivery_id("test", person_id, now.isoformat())
    text = (
        f"This is a test message of Foresite to {_name(person_id, person)}, sent {now:%Y-%m-%d %H:%M:%S} UTC.\n"
        "Cards that concern you will arrive here. Nothing is to be done.\n"
    )
    return Letter(
        delivery_id=made_id,
        person_id=person_id,
        person_name=_name(person_id, person),
        address=person.mail,
        subject="Foresite: test message",
        text=text,
        body=_body(made_id, "test", person_id, person, text, []),
        card_id=None,
        change="test",
        thread=None,
    )


def clean(words: str) -> str:
    """Words on one line without anything invisible: what is no printable character becomes a space."""
    return "".join(letter if letter.isprintable() else " " for letter in words).strip()


def _of_one(person_id: str, person: Person, telling: Telling, config: NotifyConfig, now: datetime) -> Letter:
    card = telling.card
    zone = config.zone_of(person, card.site_id)
    first = f"{_news(telling)}\n\n" if telling.change != "raised" else ""
    text = f"{first}{card_text(card, zone, now)}\n\n{_foot(card)}\n"
    return Letter(
        delivery_id=telling.delivery_id,
        person_id=person_id,
        person_name=_name(person_id, person),
        address=person.mail,
        subject=_cut(clean(_SUBJECT[telling.change] + card.title)),
        text=text,
        body=_body(telling.delivery_id, "card", person_id, person, text, [telling]),
        card_id=card.card_id,
        change=telling.change,
        thread=delivery_id("thread", card.card_id, person_id),
    )


def _digest(
    person_id: str, person: Person, tellings: Sequence[Telling], config: NotifyConfig, now: datetime
) -> Letter:
    ordered = sorted(tellings, key=_urgency)
    still_open = [each for each in ordered if each.change != "cleared"]
    over = [each for each in ordered if each.change == "cleared"]
    parts = []
    if still_open:
        parts.append(f"{_count(len(still_open), 'card')} for you, the most urgent first:")
        parts += [
            card_text(each.card, config.zone_of(person, each.card.site_id), now, place)
            for place, each in enumerate(still_open, start=1)
        ]
    if over:
        parts.append("Over since you were last told:")
        parts.append("\n".join(f"  -  {clean(each.card.title)} ({_end(each.card)})" for each in over))
    text = "\n\n".join(parts) + "\n"
    made_id = digest_id(person_id, tellings)
    subject = (
        f"{_count(len(still_open), 'card')} for you" if still_open else f"{_count(len(over), 'card')} over"
    )
    if still_open:
        subject += f": {still_open[0].card.title}"
    return Letter(
        delivery_id=made_id,
        person_id=person_id,
        person_name=_name(person_id, person),
        address=person.mail,
        subject=_cut(clean(subject)),
        text=text,
        body=_body(made_id, "digest", person_id, person, text, ordered),
        card_id=None,
        change="digest",
        thread=None,
    )


def _news(telling: Telling) -> str:
    card = telling.card
    if telling.change == "cleared":
        return f"This card is over: {_end(card)}. Nothing more is to be done."
    if card.escalated_to is not None:
        return f"This card speaks louder than before ({card.severity.value}); it was passed on to {clean(card.escalated_to.name)}."
    return f"This card speaks louder than before: {card.severity.value}, {clean(card.severity_because)}."


def _end(card: Card) -> str:
    """How a card ended, and by whom."""
    if card.state_by is None:
        return f"{card.state.value}, {clean(card.update_reason)}"
    return f"{card.state.value} by {clean(card.state_by)}"


def _foot(card: Card) -> str:
    return f"Card {clean(card.card_id)}, revision {card.revision}, site {clean(card.site_id)}."


def _body(
    made_id: str, kind: str, person_id: str, person: Person, text: str, tellings: Sequence[Telling]
) -> bytes:
    items = [NoticeItem(change=each.change, level=each.level, card=each.card) for each in tellings]
    notification = Notification(
        delivery_id=made_id,
        kind=kind,  # type: ignore[arg-type]  # callers are above
        person_id=person_id,
        person_name=_name(person_id, person),
        text=text,
        notices=items,
    )
    return notification.model_dump_json().encode()


def _urgency(telling: Telling) -> tuple[float, float, str]:
    card = telling.card
    deadline = float("inf") if card.deadline is None else card.deadline.timestamp()
    return -card.score, deadline, card.card_id


def _name(person_id: str, person: Person) -> str:
    return clean(person.name) or person_id


def _cut(words: str) -> str:
    return words if len(words) <= SUBJECT_LENGTH_MAX else words[: SUBJECT_LENGTH_MAX - 1] + "…"


def _count(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
