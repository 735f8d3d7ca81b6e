"""What people do with a card: every legal move, every refusal, the answers and the audit.

Line 1 makes 100 good pieces an hour, 06:00-22:00. R1, 800 pieces from Mon 06:00, is for order 1, promised with Tuesday's
truck at 12:00. The line is held at 08:00 for 24 hours with 200 pieces made: 600 remain, from Tue 08:00 they take until
Tue 14:00, two hours after the truck.
"""

from datetime import datetime
from typing import Any

import pytest

from schemas import Card, CardState, topics
from tests.folding import Folded, at, count, event, order, run, small_plant
from twin import Twin
from twin.cards.card_life import CARD_MOVES, OWN_MOVES

NUMBER = iter(range(1_000_000))


def held_line() -> Folded:
    folded = Folded()
    folded.tell(
        *small_plant(),
        event("person_upserted", at(0, "00:00"), person_id="bob", name="B. Ob"),
        order("1", at(1, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
    )
    folded.tick(at(0, "06:00"))
    folded.tell(
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "08:00"), 200.0),
    )
    folded.tick(at(0, "08:00"))
    folded.tell(event("run_held", at(0, "08:00"), line_id="L1", run_id="R1", expected_duration_min=1440.0))
    folded.tick(at(0, "08:01"))
    return folded


def the_card(folded: Folded) -> Card:
    assert 1 == len(folded.cards)
    return next(iter(folded.cards.values()))


def command(kind: str, card: Card, when: datetime, **fields: Any) -> Any:
    values = {
        "command_id": f"c{next(NUMBER)}",
        "actor": "sue",
        "card_id": card.card_id,
        "expected_revision": card.revision,
        **fields,
    }
    return event(kind, when, event_id=f"e-{values['command_id']}", **values)


def result_of(folded: Folded) -> Any:
    return folded.on(topics.COMMAND_RESULTS)[-1]


MORE: dict[str, dict[str, Any]] = {
    "card_assign": {"owner_id": "bob"},
    "card_snooze": {"until": at(0, "12:00")},
    "card_resolve": {"note": "line runs"},
    "card_dismiss": {"reason": "no risk"},
}


def test_every_state_is_reached_and_every_command_is_a_move_of_some_state() -> None:
    moves = [*CARD_MOVES.values(), *OWN_MOVES.values()]

    assert set(CardState) == set(CARD_MOVES) == set(OWN_MOVES)
    assert set(CardState) == {CardState.OPEN} | {state for table in moves for state in table.values()}
    assert {
        "card_acknowledge",
        "card_assign",
        "card_start",
        "card_snooze",
        "card_resolve",
        "card_dismiss",
        "card_reopen",
    } == {kind for table in CARD_MOVES.values() for kind in table}


@pytest.mark.parametrize("state", sorted({state for state in CARD_MOVES if CARD_MOVES[state]}))
@pytest.mark.parametrize("kind", sorted({kind for table in CARD_MOVES.values() for kind in table}))
def test_a_move_is_made_if_the_table_has_it_and_refused_with_the_reason_if_not(
    state: CardState, kind: str
) -> None:
    folded = held_line()
    into = {
        CardState.OPEN: [],
        CardState.ACKNOWLEDGED: ["card_acknowledge"],
        CardState.IN_PROGRESS: ["card_start"],
        CardState.SNOOZED: ["card_snooze"],
        CardState.RESOLVED: ["card_resolve"],
        CardState.DISMISSED: ["card_dismiss"],
    }[state]
    for move in into:
        folded.tell(command(move, the_card(folded), at(0, "08:02"), **MORE.get(move, {})))
    before = the_card(folded)
    assert state is before.state

    folded.tell(command(kind, before, at(0, "08:03"), **MORE.get(kind, {})))
    after, result = the_card(folded), result_of(folded)

    target = CARD_MOVES[state].get(kind)
    if target is None:
        assert before == after
        assert ("rejected", "illegal_move", before.revision) == (
            result.outcome,
            result.reason,
            result.current_revision,
        )
    else:
        assert (target, before.revision + 1) == (after.state, after.revision)
        assert ("accepted", None, after.revision) == (result.outcome, result.reason, result.current_revision)
        assert "sue" == after.state_by
    audit = folded.on(topics.AUDIT)[-1]
    assert (kind, "sue", before.card_id, result.outcome) == (
        audit.action,
        audit.actor,
        audit.target_id,
        audit.details["outcome"],
    )


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("card_acknowledge", {"expected_revision": 99}, "stale_revision"),
        ("card_acknowledge", {"expected_revision": None}, "no_revision"),
        ("card_acknowledge", {"card_id": "delivery_risk/S1/line/L9/1"}, "unknown_card"),
        ("card_assign", {"owner_id": "who"}, "unknown_person"),
        ("card_snooze", {"until": at(0, "07:00")}, "in_past"),
        ("card_snooze", {"until": at(6, "07:00")}, "too_long"),
        ("card_snooze", {"until": at(1, "13:00")}, "past_deadline"),
    ],
)
def test_a_bad_command_changes_nothing_and_says_why(kind: str, fields: dict[str, Any], reason: str) -> None:
    folded = held_line()
    before = the_card(folded)
    folded.tell(command(kind, before, at(0, "08:02"), **fields))
    result = result_of(folded)

    assert before == the_card(folded)
    assert ("rejected", reason) == (result.outcome, result.reason)
    assert result.message
    assert 1 == len(folded.on(topics.AUDIT))


def test_the_same_command_sent_twice_is_carried_out_once_and_answered_twice() -> None:
    folded = held_line()
    first = command("card_acknowledge", the_card(folded), at(0, "08:02"))
    folded.tell(first)
    revision = the_card(folded).revision
    folded.tell(first.model_copy(update={"event_id": "again"}))

    assert revision == the_card(folded).revision
    assert ["accepted", "accepted"] == [each.outcome for each in folded.on(topics.COMMAND_RESULTS)]
    assert "answered before" == result_of(folded).message
    assert 1 == len(folded.on(topics.AUDIT))


def test_who_was_given_a_card_keeps_it_when_its_numbers_move() -> None:
    folded = held_line()
    folded.tell(command("card_assign", the_card(folded), at(0, "08:02"), owner_id="bob"))
    folded.tell(order("1", at(1, "12:00"), penalty_per_day=5000.0, when=at(0, "08:03")))
    card = the_card(folded)

    assert "exposure moved" == card.update_reason
    assert ("B. Ob", "assigned by sue", "sue") == (card.owner.name, card.owner.rule, card.assigned_by)


def test_a_snoozed_card_wakes_when_its_time_is_over() -> None:
    folded = held_line()
    folded.tell(command("card_snooze", the_card(folded), at(0, "08:02"), until=at(0, "10:00")))
    folded.tick(at(0, "09:59"))
    assert CardState.SNOOZED is the_card(folded).state
    folded.tick(at(0, "10:00"))
    card = the_card(folded)

    assert (CardState.OPEN, "its snooze is over", None) == (
        card.state,
        card.update_reason,
        card.snoozed_until,
    )


def test_a_resolved_card_is_opened_again_where_its_cause_still_stands_after_the_grace() -> None:
    folded = held_line()
    folded.tell(command("card_resolve", the_card(folded), at(0, "08:02")))
    folded.tick(at(0, "12:00"))
    assert CardState.RESOLVED is the_card(folded).state
    folded.tick(at(0, "12:01"))  # the clock stood at 08:01 when it was resolved

    assert (CardState.OPEN, "still there 4 h after it was resolved") == (
        the_card(folded).state,
        the_card(folded).update_reason,
    )


def test_a_dismissed_card_stays_dismissed_while_its_cause_lasts_and_is_closed_with_it() -> None:
    folded = held_line()
    folded.tell(command("card_dismiss", the_card(folded), at(0, "08:02"), reason="customer agreed"))
    folded.tick(at(0, "20:00"))
    assert CardState.DISMISSED is the_card(folded).state
    folded.tell(event("run_resumed", at(0, "20:01"), line_id="L1", run_id="R1"))
    folded.tick(at(0, "20:02"))
    folded.tick(at(0, "21:02"))
    card = the_card(folded)

    assert (CardState.CLOSED, "it was dismissed, and its cause is gone") == (card.state, card.update_reason)
    assert ("sue", "customer agreed") == (card.state_by, card.state_note)


def test_a_card_that_nobody_acknowledges_is_passed_on_at_half_and_at_four_fifths_of_its_time() -> None:
    """Opened Mon 08:00. 600 pieces for Tuesday's truck at 12:00: the line must run by Tue 06:00, that is in 22 h.
    Half of them is Mon 19:00, four fifths Tue 01:36."""
    folded = held_line()
    assert at(1, "06:00") == the_card(folded).deadline
    opened = the_card(folded).opened_at
    assert at(0, "08:00") == opened
    levels = []
    for when in (at(0, "18:59"), at(0, "19:00"), at(1, "01:35"), at(1, "01:36")):
        folded.tick(when)
        levels.append(the_card(folded).escalation)

    assert [0, 1, 1, 2] == levels
    escalated_to = the_card(folded).escalated_to
    assert escalated_to is not None
    assert ("B. Oss", "owner of site S1") == (escalated_to.name, escalated_to.rule)


def test_an_acknowledged_card_is_not_passed_on() -> None:
    folded = held_line()
    folded.tell(command("card_acknowledge", the_card(folded), at(0, "08:02")))
    folded.tick(at(1, "11:00"))

    assert 0 == the_card(folded).escalation


def test_a_restored_twin_knows_the_commands_and_the_cards_it_had() -> None:
    folded = held_line()
    acknowledge = command("card_acknowledge", the_card(folded), at(0, "08:02"))
    folded.tell(acknowledge)
    restored = Twin.restore(folded.twin.header(), folded.documents)

    assert folded.twin.model.card_book.commands == restored.model.card_book.commands
    assert folded.twin.model.card_book.roots_of_cards == restored.model.card_book.roots_of_cards


def test_somebody_says_how_long_the_stop_will_last() -> None:
    """Not 24 hours but 4 from 09:00 on: 600 pieces from 13:00 are done at 19:00, in time for Tuesday's truck."""
    folded = held_line()
    said: dict[str, Any] = {
        "command_id": "d1",
        "actor": "sue",
        "line_id": "L1",
        "expected_duration_min": 240.0,
    }
    folded.tell(event("stop_duration_report", at(0, "09:00"), **said))
    folded.tick(at(0, "09:01"))

    assert "accepted" == result_of(folded).outcome
    assert at(0, "19:00").timestamp() == folded.twin.model.lines["S1", "L1"].projected["R1"].finish_at


def test_a_duration_of_a_line_that_runs_is_refused() -> None:
    folded = held_line()
    said: dict[str, Any] = {
        "command_id": "d2",
        "actor": "sue",
        "line_id": "L2",
        "expected_duration_min": 240.0,
    }
    folded.tell(event("stop_duration_report", at(0, "09:00"), **said))

    assert ("rejected", "not_down") == (result_of(folded).outcome, result_of(folded).reason)
