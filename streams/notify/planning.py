"""What is to be told of a card, to whom: from what was told and how the card now stands. Pure.

Law: a channel (a person by one sink) has at most one pending notice, the newest; what it replaces is dropped, for it
does not hold any more. What is being sent at this moment is left alone until its outcome is known.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas import Card, CardNotices, CardState, NoticeChannel, NoticeOutcome, PendingNotice
from schemas.notices import OUTCOMES_KEPT, Change, delivery_id, notice_level
from streams.replay import ENDED

ChannelKey = tuple[str, str]
"""(person, sink)."""

IN_HAND = frozenset({CardState.ACKNOWLEDGED, CardState.IN_PROGRESS})


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a plan depends on besides the card.

    Attributes:
        targets: who is told of this card now, and by which sinks.
        passes: person -> whether the card passes the filters for them.
        now: wall clock, UTC.
        quiet_until: (person, change, card) -> the end of the quiet hours that hold it back, or None.
        in_flight: channels whose notice is being sent.
        is_history: the card stood on the topic before anybody was told of anything, and is too old to be news.
    """

    targets: Sequence[ChannelKey]
    passes: Callable[[str], bool]
    now: datetime
    quiet_until: Callable[[str, Change, Card], datetime | None]
    in_flight: AbstractSet[ChannelKey] = frozenset()
    is_history: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one attempt to tell.

    Attributes:
        outcome: delivered, failed for good, dropped before it left, or to be tried again.
        reason: in words; digest_id: the message it was part of.
    """

    outcome: Literal["delivered", "failed", "dropped", "again"]
    reason: str
    digest_id: str | None = None


def plan(before: CardNotices | None, card: Card, about: Circumstances) -> CardNotices | None:
    """The card's document after a revision of it.

    Returns:
        `before` itself where nothing is to be noted; None where there is no document and needs none.
    """
    if before is None:
        if card.state in ENDED:
            return None  # nobody was told that it began
        before = _blank(card, about.now)
    elif card.revision <= before.revision:
        return before  # a repeat
    after = _considered(before, card, about)
    if before.version == 0 and not after.channels:
        return None
    is_same = after.channels == before.channels and after.is_over == before.is_over
    return before if is_same and after.card is None and before.version > 0 else _next_version(after)


def settle(before: CardNotices, key: ChannelKey, sent: Sent, about: Circumstances) -> CardNotices:
    """The card's document after an attempt on one channel, which has a pending notice."""
    channels = list(before.channels)
    place = next(n for n, each in enumerate(channels) if _key(each) == key)
    channel = channels[place]
    pending = channel.pending
    assert pending is not None, f"nothing was pending for {key} on {before.card_id}"
    assert before.card is not None, f"{before.card_id} has something pending and no card"
    tried = pending.attempts + (sent.outcome != "dropped")
    if sent.outcome == "again":
        again = pending.model_copy(update={"attempts": tried, "last_error": sent.reason})
        channels[place] = channel.model_copy(update={"pending": again})
        outcomes = before.outcomes
    else:
        channels[place] = _done(channel, pending, sent)
        outcomes = [*before.outcomes, _outcome(key, pending, sent, tried, about.now)]
    after = before.model_copy(update={"channels": channels, "outcomes": outcomes})
    return _next_version(_considered(after, before.card, about))


def hold(before: CardNotices, key: ChannelKey, until: datetime) -> CardNotices:
    """The card's document with one channel's pending notice held back until the end of quiet hours."""
    channels = [
        each.model_copy(update={"pending": each.pending.model_copy(update={"not_before": until})})
        if each.pending is not None and _key(each) == key
        else each
        for each in before.channels
    ]
    return _next_version(before.model_copy(update={"channels": channels}))


def _considered(before: CardNotices, card: Card, about: Circumstances) -> CardNotices:
    """The document with each channel's pending notice as it follows from the card."""
    is_over = card.state in ENDED
    channels, reopened = list(before.channels), before.reopened
    if before.is_over and not is_over and any(each.is_done_with_end for each in channels):
        reopened += 1
        channels = [_anew(each) for each in channels]
    known = {_key(each) for each in channels}
    if not is_over:
        channels += [
            NoticeChannel(person_id=key[0], sink=key[1]) for key in about.targets if key not in known
        ]
    outcomes = list(before.outcomes)
    for place, channel in enumerate(channels):
        if _key(channel) in about.in_flight:
            continue
        is_new = _key(channel) not in known and about.is_history
        wanted = _at_end(channel, card) if is_over else _while_open(channel, card, about, is_new=is_new)
        pending = None if wanted is None else _pending(channel, wanted, card, reopened, about)
        dropped = channel.pending
        if dropped is not None and (pending is None or pending.delivery_id != dropped.delivery_id):
            now_so = f"the card is {card.state.value.replace('_', ' ')}"
            why_not = f"not due any more: {now_so}" if pending is None else f"replaced by {pending.change}"
            outcomes.append(
                _outcome(_key(channel), dropped, Sent("dropped", why_not), dropped.attempts, about.now)
            )
        channels[place] = channel.model_copy(
            update={"pending": pending, **_known_anyway(channel, card, pending, is_new=is_new)}
        )
    channels = [each for each in channels if _key(each) in known or not _is_blank(each)]
    is_waiting = any(each.pending is not None for each in channels)
    return before.model_copy(
        update={
            "revision": max(card.revision, before.revision),
            "reopened": reopened,
            "is_over": is_over,
            "channels": channels,
            "outcomes": outcomes[-OUTCOMES_KEPT:],
            "card": card if is_waiting else None,
            "as_of": about.now,
        }
    )


def _while_open(
    channel: NoticeChannel, card: Card, about: Circumstances, *, is_new: bool
) -> tuple[Change, int] | None:
    """What this channel is to be told of an open card: the change and its level."""
    is_target = _key(channel) in about.targets and about.passes(channel.person_id)
    if not is_target or card.state is CardState.SNOOZED or is_new:
        return None
    level = notice_level(card)
    if channel.tried is None:
        if _knows(channel.person_id, card):
            return None
        return ("escalated" if _is_passed_on_to(channel.person_id, card) else "raised"), level
    return ("escalated", level) if level > channel.tried else None


def _at_end(channel: NoticeChannel, card: Card) -> tuple[Change, int] | None:
    """What this channel is to be told of a card that is over: that it is, if it was told that it began."""
    if channel.told is None or channel.is_done_with_end or card.state_by == channel.person_id:
        return None
    return "cleared", channel.told


def _known_anyway(
    channel: NoticeChannel, card: Card, pending: PendingNotice | None, *, is_new: bool
) -> dict[str, object]:
    """What a person knows without being told: what they did themselves, and what is history."""
    if card.state in ENDED:
        return {"is_done_with_end": True} if card.state_by == channel.person_id else {}
    is_open_question = pending is None and channel.tried is None and card.state is not CardState.SNOOZED
    if is_open_question and (is_new or _knows(channel.person_id, card)):
        return {"tried": notice_level(card)}
    return {}


def _knows(person_id: str, card: Card) -> bool:
    """Whether a person need not be told that the card is there.

    Whoever took it knows; what somebody has in hand is told only to one whom it was handed to.
    """
    if card.assigned_by is not None and card.owner.id == person_id:
        return card.assigned_by == person_id
    return card.state in IN_HAND


def _is_passed_on_to(person_id: str, card: Card) -> bool:
    return card.escalated_to is not None and card.escalated_to.id == person_id and card.owner.id != person_id


def _pending(
    channel: NoticeChannel, wanted: tuple[Change, int], card: Card, reopened: int, about: Circumstances
) -> PendingNotice:
    change, level = wanted
    times = [] if reopened == 0 else [str(reopened)]
    made_id = delivery_id(card.card_id, change, str(level), channel.person_id, *times)
    if channel.pending is not None and channel.pending.delivery_id == made_id:
        return channel.pending
    held = about.quiet_until(channel.person_id, change, card)
    return PendingNotice(delivery_id=made_id, change=change, level=level, noted_at=about.now, not_before=held)


def _done(channel: NoticeChannel, pending: PendingNotice, sent: Sent) -> NoticeChannel:
    done: dict[str, object] = {"pending": None}
    if pending.change == "cleared":
        done["is_done_with_end"] = True
    elif sent.outcome != "dropped":
        done["tried"] = pending.level
        if sent.outcome == "delivered":
            done["told"] = pending.level
    return channel.model_copy(update=done)


def _outcome(
    key: ChannelKey, pending: PendingNotice, sent: Sent, attempts: int, now: datetime
) -> NoticeOutcome:
    assert sent.outcome != "again"
    return NoticeOutcome(
        delivery_id=pending.delivery_id,
        person_id=key[0],
        sink=key[1],
        change=pending.change,
        level=pending.level,
        outcome=sent.outcome,
        reason=sent.reason,
        attempts=attempts,
        digest_id=sent.digest_id,
        at=now,
    )


def _anew(channel: NoticeChannel) -> NoticeChannel:
    """A channel on a card that came back: who was told of its end is told again; for all others it never ended."""
    if not channel.is_done_with_end:
        return channel
    return NoticeChannel(person_id=channel.person_id, sink=channel.sink)


def _is_blank(channel: NoticeChannel) -> bool:
    """Whether a channel says nothing: its person was told nothing yet and nothing waits for them."""
    return channel == NoticeChannel(person_id=channel.person_id, sink=channel.sink)


def _key(channel: NoticeChannel) -> ChannelKey:
    return channel.person_id, channel.sink


def _blank(card: Card, now: datetime) -> CardNotices:
    return CardNotices(
        output_id="",
        card_id=card.card_id,
        site_id=card.site_id,
        version=0,
        revision=0,
        is_over=False,
        channels=[],
        as_of=now,
    )


def _next_version(after: CardNotices) -> CardNotices:
    version = after.version + 1
    return after.model_copy(update={"version": version, "output_id": f"{after.card_id}/notices/{version}"})
