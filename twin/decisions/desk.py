"""What people decide: moves in the life of a card or proposal, and how long they think that a stop will last.

Every command is answered on twin.command-results.v1 and written to twin.audit.v1, carried out or not. A command that
was carried out or refused before is answered again and changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from schemas import (
    AuditRecord,
    Card,
    CardAssigned,
    CardCommand,
    CardDismissed,
    CardResolved,
    CardSnoozed,
    CardState,
    Command,
    CommandResult,
    Owner,
    StopDurationReported,
    topics,
)
from twin.cards.card_board import CardBoard
from twin.cards.card_life import CARD_MOVES, moved
from twin.cards.owners import named
from twin.judges.risk import Root
from twin.refusal import Refused
from twin.replan.replan_triggers import note_stop
from twin.session import Session
from twin.shopfloor.downtime import down_root
from twin.shopfloor.stoppages import set_expected_end
from twin.state.entities import CommandNote
from twin.state.runs import STOPPED
from twin.words import time_of, utc

Done = tuple[int | None, str]
"""Revision of what a command was about, after it, and what is to be said of it."""


class Desk:
    """Folds commands.

    Args:
        session: shared with the twin's other handlers.
        others: kind -> what carries a command of that kind out, for those that are no business of cards.
    """

    def __init__(self, session: Session, others: Mapping[str, Callable[[Any], Done]]) -> None:
        self._session = session
        self._carry_out: dict[str, Callable[[Any], Done]] = {
            **dict.fromkeys({kind for moves in CARD_MOVES.values() for kind in moves}, self._move_card),
            "stop_duration_report": self._expect_end,
            **others,
        }

    def on_command(self, command: Command) -> None:
        """Carry a command out or refuse it; answer and audit either way."""
        session = self._session
        session.counters["applied", command.kind] += 1
        note = session.model.card_book.commands.get((command.site_id, command.command_id))
        if note is not None:
            session.counters["duplicate", "command"] += 1
            self._answer(
                command, note, f"answered before: {note.message}" if note.message else "answered before"
            )
            return
        target = _target_of(command)
        try:
            revision, said = self._carried_out(command)
        except Refused as refused:
            note = CommandNote(
                "refused", refused.reason, refused.message, refused.revision, self._moment(command)
            )
        else:
            note = CommandNote("accepted", None, said, revision, self._moment(command))
        session.model.card_book.note_command(command.site_id, command.command_id, note)
        self._answer(command, note, note.message)
        self._audit(command, note, target)

    def _carried_out(self, command: Command) -> Done:
        handler = self._carry_out.get(command.kind)
        if handler is None:
            raise Refused(
                "not_supported", f"{command.kind} is not carried out by this version; nothing was changed"
            )
        if self._session.now is None:
            raise Refused("no_clock", "the twin has not heard the time yet; send it again in a moment")
        return handler(command)

    # Cards

    def _move_card(self, command: CardCommand) -> Done:
        session = self._session
        assert session.now is not None
        root = session.model.card_book.roots_of_cards.get(command.card_id)
        if root is None or root[2] != command.site_id:
            raise Refused(
                "unknown_card", f"site {command.site_id} has no card {command.card_id}, or a newer episode"
            )
        card = session.model.cards[root]
        if command.expected_revision is None:
            raise Refused(
                "no_revision", "say which revision you looked at (expected_revision)", card.revision
            )
        if command.expected_revision != card.revision:
            raise Refused(
                "stale_revision",
                f"you looked at revision {command.expected_revision}, it is at {card.revision}: {card.update_reason}",
                card.revision,
            )
        state = CARD_MOVES[card.state].get(command.kind)
        if state is None:
            raise Refused("illegal_move", _why_illegal(card, command), card.revision)
        after = self._moved(card, state, command)
        board = CardBoard(session.model, session.now, session.cause, lambda _order: None, lambda _order: None)
        board.publish(root, after)
        session.outputs += board.outputs
        return session.model.cards[root].revision, ""

    def _moved(self, card: Card, state: CardState, command: CardCommand) -> Card:
        session = self._session
        assert session.now is not None
        note, until, owner = None, None, None
        if isinstance(command, CardAssigned):
            owner = self._person(card, command)
        elif isinstance(command, CardSnoozed):
            self._check_snooze(card, command)
            until = command.until
        elif isinstance(command, CardResolved):
            note = command.note
        elif isinstance(command, CardDismissed):
            note = command.reason
        root = session.model.card_book.roots_of_cards[card.card_id]
        output_id = f"{session.cause}>{topics.CARDS}>{'/'.join(root)}"
        verb = command.kind.removeprefix("card_")
        return moved(
            card,
            state,
            session.now,
            output_id,
            f"{verb} by {command.actor}",
            by=command.actor,
            note=note,
            snoozed_until=until,
            owner=owner,
        )

    def _person(self, card: Card, command: CardAssigned) -> Owner:
        plant = self._session.model.plant
        if plant.person(command.site_id, command.owner_id) is None:
            message = f"nobody is known as {command.owner_id}; publish them as person_upserted first"
            raise Refused("unknown_person", message, card.revision)
        return named(plant, command.site_id, command.owner_id, f"assigned by {command.actor}")

    def _check_snooze(self, card: Card, command: CardSnoozed) -> None:
        session = self._session
        assert session.now is not None
        plant = session.model.plant
        zone, longest_h = plant.zone(card.site_id), plant.rules(card.site_id).snooze_max_h
        until = command.until.timestamp()
        if until <= session.now:
            message = f"it is {time_of(session.now, zone)} already; snooze until a later moment"
            raise Refused("in_past", message, card.revision)
        if until > session.now + longest_h * 3600.0:
            raise Refused("too_long", f"the rules allow to snooze for {longest_h:g} h at most", card.revision)
        if card.deadline is not None and session.now < card.deadline.timestamp() < until:
            by = time_of(card.deadline.timestamp(), zone)
            message = f"its deadline is {by}: a card that sleeps beyond it helps nobody"
            raise Refused("past_deadline", message, card.revision)

    # Stops

    def _expect_end(self, command: StopDurationReported) -> Done:
        session = self._session
        line = session.model.lines.get((command.site_id, command.line_id))
        if line is None:
            raise Refused("unknown_line", f"line {command.line_id} of site {command.site_id} is not known")
        run = line.run
        if run is None or run.progress.state not in STOPPED:
            raise Refused("not_down", f"{line.name} is not down: no run of it is held or suspended")
        until = command.event_time.timestamp() + command.expected_duration_min * 60.0
        set_expected_end(session.model, line, until, command.event_id, command.actor)
        note_stop(session.model, session.now, line, command.event_id, f"so long, says {command.actor}")
        session.evaluate([line], roots=[down_root(line)])
        return None, ""

    # Answers

    def _moment(self, command: Command) -> float:
        return command.event_time.timestamp() if self._session.now is None else self._session.now

    def _answer(self, command: Command, note: CommandNote, message: str) -> None:
        session = self._session
        output_id = f"{session.cause}>{topics.COMMAND_RESULTS}"
        body = CommandResult(
            output_id=output_id,
            command_id=command.command_id,
            command_kind=command.kind,
            actor=command.actor,
            site_id=command.site_id,
            outcome="accepted" if note.outcome == "accepted" else "rejected",
            reason=note.reason,
            message=message,
            target_id=_target_of(command),
            current_revision=note.revision,
            as_of=None if session.now is None else utc(session.now),
        )
        session.emit(topics.COMMAND_RESULTS, command.command_id, body, output_id, command)

    def _audit(self, command: Command, note: CommandNote, target: str) -> None:
        session = self._session
        output_id = f"{session.cause}>{topics.AUDIT}"
        root: Root | None = session.model.card_book.roots_of_cards.get(target)
        card = None if root is None else session.model.cards[root]
        said = command.model_dump(
            mode="json", exclude_none=True, exclude={"kind", "event_id", "actor", "command_id"}
        )
        body = AuditRecord(
            output_id=output_id,
            target_id=target,
            action=command.kind,
            actor=command.actor,
            command_id=command.command_id,
            revision=note.revision,
            reason=getattr(command, "reason", None) or getattr(command, "note", None),
            at=utc(note.at),
            details={
                "outcome": "accepted" if note.outcome == "accepted" else "rejected",
                "refused_because": note.reason,
                "state": self._state_of(target, command, card),
                "said": said,
            },
        )
        linked = session.model.card_book.chain(command.site_id, body)
        session.emit(topics.AUDIT, target, linked, output_id, command)

    def _state_of(self, target: str, command: Command, card: Card | None) -> str | None:
        if card is not None:
            return card.state.value
        life = self._session.model.plan_book.lives.get((command.site_id, target))
        return None if life is None else life.state


def _target_of(command: Command) -> str:
    """What a command is about: a card, a proposal, a line."""
    for name in ("card_id", "proposal_id", "line_id", "item_id"):
        target = getattr(command, name, None)
        if target is not None:
            return str(target)
    return command.site_id


def _why_illegal(card: Card, command: CardCommand) -> str:
    moves = sorted(name.removeprefix("card_") for name in CARD_MOVES[card.state])
    if not moves:
        return f"it is {card.state}: its cause is gone, and a new episode opens by itself if it comes back"
    verb = command.kind.removeprefix("card_")
    return f"{verb} is no move of a card that is {card.state.value.replace('_', ' ')}; it can be: {', '.join(moves)}"
