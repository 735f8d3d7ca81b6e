"""notify.deliveries.v1 and the body of a webhook: what left for whom, and what became of it.

One document a card: what each person was told of it by each sink, what is still to leave, and the last outcomes.
Delivery ids are derived (card, change, level, person), so a repeat after a crash carries the id of the first.
"""

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.base import OutputModel
from schemas.cards import Card, Severity
from schemas.keys import join_key

Change = Literal["raised", "escalated", "cleared"]
"""What a person is told of a card; cleared stands for every end, also by somebody's decision."""

OUTCOMES_KEPT = 20
"""Outcomes kept in a card's document, the newest; more would make documents of cards that flap for months large."""


def notice_level(card: Card) -> int:
    """How loudly a card speaks: two for each escalation, one more where its severity is critical."""
    return 2 * card.escalation + (card.severity is Severity.CRITICAL)


def delivery_id(*parts: str) -> str:
    """Id of a delivery from what it is about: 32 hexadecimal characters, safe in headers whatever ids hold."""
    return hashlib.sha256(join_key(*parts).encode()).hexdigest()[:32]


class PendingNotice(OutputModel):
    """A delivery that is noted and has not left, or has left and its outcome is not noted.

    Attributes:
        noted_at: when it was decided; not_before: end of the quiet hours that hold it back.
        attempts: how often it was tried so far; last_error: what the last of them came to.
    """

    delivery_id: str
    change: Change
    level: int
    noted_at: datetime
    not_before: datetime | None = None
    attempts: int = 0
    last_error: str = ""


class NoticeChannel(OutputModel):
    """One person by one sink.

    Attributes:
        sink: mail, or the name of a webhook.
        told: highest level that was delivered; None: nothing was.
        tried: highest level that is done with: delivered, failed for good, or known to the person anyway.
        is_done_with_end: the end of the card was told, could not be, or was the person's own doing.
    """

    person_id: str
    sink: str
    told: int | None = None
    tried: int | None = None
    is_done_with_end: bool = False
    pending: PendingNotice | None = None


class NoticeOutcome(OutputModel):
    """What became of a delivery.

    Attributes:
        outcome: delivered: the sink took it; failed: it never will; dropped: it did not hold any more before it left.
        reason: the sink's answer, or why not; digest_id: the message that it was part of, if it was a digest.
    """

    delivery_id: str
    person_id: str
    sink: str
    change: Change
    level: int
    outcome: Literal["delivered", "failed", "dropped"]
    reason: str
    attempts: int
    digest_id: str | None = None
    at: datetime


class CardNotices(OutputModel):
    """What was told of one card.

    Attributes:
        version: counts the versions of this document from 1.
        revision: of the card as last considered.
        reopened: how often the card came back after its end had been told.
        is_over: whether it needs nobody any more.
        card: as last seen, while something is pending.
    """

    output_id: str
    card_id: str
    site_id: str
    version: int
    revision: int
    reopened: int = 0
    is_over: bool
    channels: list[NoticeChannel]
    outcomes: list[NoticeOutcome] = Field(default_factory=list)
    card: Card | None = None
    as_of: datetime
    schema_version: Literal[1] = 1


class NoticeItem(OutputModel):
    """A card in a notification, and what is said of it."""

    change: Change
    level: int
    card: Card


class Notification(OutputModel):
    """Body of a webhook.

    Attributes:
        delivery_id: also the Idempotency-Key; the same for each repeat.
        kind: card: one card; digest: several, as after quiet hours; test: `foresite notify test`.
        text: the whole message for people, as chat tools show it.
    """

    delivery_id: str
    kind: Literal["card", "digest", "test"]
    person_id: str
    person_name: str
    text: str
    notices: list[NoticeItem]
    schema_version: Literal[1] = 1
