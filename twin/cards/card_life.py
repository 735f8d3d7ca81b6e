"""The life of a card: what people, time and the vanishing of its cause make of it.

open > acknowledged > in progress > resolved > closed; snoozed; cleared (the cause went away by itself); dismissed.
A resolved or dismissed card still stands for its cause: no new one opens while the cause lasts. When the cause is gone
it is closed, and what comes later is a new episode.
"""

from datetime import datetime

from schemas import Card, CardState, Owner, Rules, Severity
from twin.cards.ranking import is_worse
from twin.words import utc

LIVE_STATES = frozenset({CardState.OPEN, CardState.ACKNOWLEDGED, CardState.IN_PROGRESS, CardState.SNOOZED})
"""It needs somebody, now or when its snooze ends."""

HELD_STATES = frozenset({CardState.RESOLVED, CardState.DISMISSED})
"""Somebody has decided about it; its cause may still be there."""

_ANY_LIVE: dict[str, CardState] = {
    "card_assign": CardState.OPEN,  # the new owner has not seen it
    "card_start": CardState.IN_PROGRESS,
    "card_snooze": CardState.SNOOZED,
    "card_resolve": CardState.RESOLVED,
    "card_dismiss": CardState.DISMISSED,
}

# Every legal command on a card, by its state. An absent pair changes nothing and is answered with the reason.
CARD_MOVES: dict[CardState, dict[str, CardState]] = {
    CardState.OPEN: {**_ANY_LIVE, "card_acknowledge": CardState.ACKNOWLEDGED},
    CardState.ACKNOWLEDGED: _ANY_LIVE,
    CardState.IN_PROGRESS: {name: state for name, state in _ANY_LIVE.items() if name != "card_start"},
    CardState.SNOOZED: {
        **_ANY_LIVE,
        "card_acknowledge": CardState.ACKNOWLEDGED,
        "card_reopen": CardState.OPEN,
    },
    CardState.RESOLVED: {"card_reopen": CardState.OPEN},
    CardState.DISMISSED: {"card_reopen": CardState.OPEN},
    CardState.CLEARED: {},
    CardState.CLOSED: {},
}

# What the twin does to a card by itself.
OWN_MOVES: dict[CardState, dict[str, CardState]] = {
    CardState.OPEN: {"clear": CardState.CLEARED},
    CardState.ACKNOWLEDGED: {"clear": CardState.CLEARED},
    CardState.IN_PROGRESS: {"clear": CardState.CLEARED},
    CardState.SNOOZED: {"clear": CardState.CLEARED, "wake": CardState.OPEN},
    CardState.RESOLVED: {"close": CardState.CLOSED, "return": CardState.OPEN},
    CardState.DISMISSED: {"close": CardState.CLOSED, "return": CardState.OPEN},
    CardState.CLEARED: {},
    CardState.CLOSED: {},
}


def revised(card: Card, fresh: Card, reason: str) -> Card:
    """The same episode with its present numbers: state, owner by assignment and history stay as they are."""
    return fresh.model_copy(
        update={
            "revision": card.revision + 1,
            "update_reason": reason,
            "state": card.state,
            "opened_at": card.opened_at,
            "owner": card.owner if card.assigned_by is not None else fresh.owner,
            **{name: getattr(card, name) for name in _KEPT},
        }
    )


_KEPT = (
    "state_since",
    "state_by",
    "state_note",
    "snoozed_until",
    "assigned_by",
    "escalation",
    "escalated_to",
    "proposal_ids",
)


def moved(
    card: Card,
    state: CardState,
    now: float,
    output_id: str,
    reason: str,
    *,
    by: str | None = None,
    note: str | None = None,
    snoozed_until: datetime | None = None,
    owner: Owner | None = None,
) -> Card:
    """The card after it went into a state; everything else stands.

    Args:
        card: as it stands.
        state: where it goes.
        now: the shard's clock.
        output_id: of this revision.
        reason: why this revision is published.
        by: the person who asked; None: by itself.
        note: their reason or note.
        snoozed_until: of a snooze.
        owner: whom it was given to.
    """
    update: dict[str, object] = {
        "output_id": output_id,
        "revision": card.revision + 1,
        "state": state,
        "state_since": utc(now),
        "state_by": by,
        "state_note": note,
        "snoozed_until": snoozed_until,
        "as_of": utc(now),
        "update_reason": reason,
    }
    if state not in LIVE_STATES:
        update["rank"] = None
    if owner is not None:
        update |= {"owner": owner, "assigned_by": by, "escalation": 0, "escalated_to": None}
    return card.model_copy(update=update)


def ended(card: Card, now: float, output_id: str, because: str) -> Card:
    """The card after its cause went away: cleared, or closed where somebody had decided about it."""
    move = "clear" if card.state in LIVE_STATES else "close"
    state = OWN_MOVES[card.state][move]
    # Who resolved or dismissed it, and why, stays on the closed card.
    is_closed = move == "close"
    by, note = (card.state_by, card.state_note) if is_closed else (None, None)
    return moved(card, state, now, output_id, because, by=by, note=note)


def comes_back(card: Card, severity: Severity, rules: Rules, now: float) -> str | None:
    """Why a snoozed, resolved or dismissed card whose cause stands is to be open again; None where it is not.

    Args:
        card: as it was published last.
        severity: that it would have now.
        rules: of its site.
        now: the shard's clock.
    """
    if (
        card.state is CardState.SNOOZED
        and card.snoozed_until is not None
        and now >= card.snoozed_until.timestamp()
    ):
        return "its snooze is over"
    if card.state in (CardState.SNOOZED, *HELD_STATES) and is_worse(severity, card.severity):
        return f"worse than when it was {card.state}: {card.severity} -> {severity}"
    if card.state is not CardState.RESOLVED or card.state_since is None:
        return None
    if now - card.state_since.timestamp() < rules.resolved_grace_h * 3600.0:
        return None
    return f"still there {rules.resolved_grace_h:g} h after it was resolved"


def due_escalation(card: Card, rules: Rules, now: float) -> int:
    """How many times a card should have been passed on by now; 0 where it was seen or has no deadline."""
    if card.state is not CardState.OPEN or card.deadline is None or card.state_since is None:
        return card.escalation
    opened, deadline = card.state_since.timestamp(), card.deadline.timestamp()
    if deadline <= opened:
        return card.escalation
    share = (now - opened) / (deadline - opened)
    return max(card.escalation, sum(share >= fraction for fraction in rules.escalate_at))


def escalated(card: Card, level: int, to: Owner, now: float, output_id: str) -> Card:
    """The card passed on because nobody acknowledged it."""
    return card.model_copy(
        update={
            "output_id": output_id,
            "revision": card.revision + 1,
            "escalation": level,
            "escalated_to": to,
            "as_of": utc(now),
            "update_reason": f"escalated to {to.name}: {card.owner.name} has not acknowledged it",
        }
    )
