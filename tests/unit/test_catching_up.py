"""Ingest was away and reads what piled up: ticks carry how far it is behind, and cards wait until it is not. By hand."""

from datetime import datetime, timedelta

import pytest

from schemas import Facts, SiteStatus, Tick, topics
from tests.asking import held, running
from tests.folding import Folded, at, event, order, wire
from twin import Twin
from twin.session import CARDS_HELD_S

NOON = at(0, "12:00")
"""Ingest comes back; the last that was heard is of 08:00."""
SECOND = timedelta(seconds=1)


def behind(folded: Folded, when: datetime, lag_s: float) -> None:
    folded.fold(Facts(group_id="*", tick=Tick(now=when, lag_s=lag_s)))


def kinds(folded: Folded) -> list[tuple[str, str]]:
    return [(card.kind.value, card.state.value) for card in folded.on(topics.CARDS)]


def catching_up(folded: Folded) -> list[bool]:
    return [each.is_catching_up for each in folded.on(topics.SITES) if isinstance(each, SiteStatus)]


def test_a_stop_that_began_and_ended_in_the_backlog_has_no_card() -> None:
    """Down from 08:01 to 08:05, told at noon: judged in the middle of the backlog it would stand for four hours."""
    folded = running()
    behind(folded, NOON, 14_000.0)
    folded.tell(held(at(0, "08:01")))
    behind(folded, NOON + SECOND, 14_000.0)
    folded.tell(event("run_resumed", at(0, "08:05"), line_id="L1", run_id="R1"))
    folded.tell(event("count_reported", at(0, "11:59"), line_id="L1", run_id="R1", good_count=390.0))
    behind(folded, NOON + 2 * SECOND, 0.0)
    folded.tick(NOON + timedelta(minutes=1))

    assert ([], []) == (kinds(folded), folded.on(topics.REPLAN_REQUESTS))


def test_what_still_stands_at_the_end_of_the_backlog_is_told_once() -> None:
    folded = running()
    behind(folded, NOON, 14_000.0)
    folded.tell(held(at(0, "11:00")))
    while_behind = kinds(folded)
    for second in range(1, 10):
        behind(folded, NOON + second * SECOND, 14_000.0 - second)
    behind(folded, NOON + 10 * SECOND, 3.0)
    behind(folded, NOON + 11 * SECOND, 3.0)

    assert ([], [("line_down", "open")]) == (while_behind, kinds(folded))
    assert 1 == len(folded.on(topics.REPLAN_REQUESTS))


def test_a_card_that_was_known_has_no_revision_for_what_came_and_went() -> None:
    """The line is down with a card; in the backlog it runs for a minute and stands again, as before: no word of it."""
    folded = running()
    folded.tell(held(at(0, "08:00"), minutes=None))
    for minutes in range(0, 181, 30):
        folded.tick(at(0, "08:00") + timedelta(minutes=minutes))
    before = folded.on(topics.CARDS)
    behind(folded, NOON, 3_000.0)
    folded.tell(event("run_resumed", at(0, "11:05"), line_id="L1", run_id="R1"))
    folded.tell(event("run_completed", at(0, "11:06"), line_id="L1", run_id="R1"))
    behind(folded, NOON + SECOND, 3_000.0)
    while_behind = len(folded.on(topics.CARDS)) - len(before)

    assert (True, 0) == (any(card.state == "open" for card in before), while_behind)


def test_the_picture_says_that_it_is_catching_up_and_stops() -> None:
    folded = running()
    for second, lag_s in ((0, 0.0), (10, 90.0), (20, 61.0), (21, 60.0), (30, 0.0)):
        behind(folded, NOON + second * SECOND, lag_s)

    assert [False, True, True, False, False] == catching_up(folded)[-5:]


def test_what_fell_due_while_ingest_was_behind_is_found_when_it_is_not() -> None:
    """Order 9 has no run. Orders are looked at at each quarter of an hour, this one from 08:15 on, when ingest is behind:
    it has its card at 08:16 and not a quarter of an hour later."""
    folded = running()
    folded.tell(order("9", at(1, "12:00"), when=at(0, "07:58")))
    folded.tick(at(0, "08:14"))
    before = kinds(folded)
    behind(folded, at(0, "08:14:30"), 100.0)
    behind(folded, at(0, "08:15:30"), 100.0)
    behind(folded, at(0, "08:16"), 0.0)

    assert ([], [("plan_infeasible", "open")]) == (before, kinds(folded))


def test_a_source_that_stays_away_does_not_keep_all_cards_back_for_ever() -> None:
    """Half an hour after it fell behind, cards are judged by what is known."""
    folded = running()
    behind(folded, at(0, "08:10"), 100.0)
    folded.tell(held(at(0, "08:10")))
    behind(folded, at(0, "08:10") + timedelta(seconds=CARDS_HELD_S - 1.0), 100.0)
    before = kinds(folded)
    behind(folded, at(0, "08:10") + timedelta(seconds=CARDS_HELD_S), 100.0)

    assert ([], [("line_down", "open")]) == (before, kinds(folded))


@pytest.mark.parametrize("cut", range(4))
def test_a_twin_restored_while_ingest_is_behind_tells_the_same(cut: int) -> None:
    folded = running()
    records = [
        Facts(group_id="*", tick=Tick(now=NOON, lag_s=900.0)),
        folded.log.of(held(at(0, "11:00"))),
        Facts(group_id="*", tick=Tick(now=NOON + SECOND, lag_s=900.0)),
        Facts(group_id="*", tick=Tick(now=NOON + 2 * SECOND, lag_s=0.0)),
        Facts(group_id="*", tick=Tick(now=NOON + 70 * SECOND, lag_s=0.0)),
    ]
    for record in records[: cut + 1]:
        folded.fold(record)
    restored = Twin.restore(folded.twin.header(), folded.documents)
    ours = [output for record in records[cut + 1 :] for output in folded.twin.apply(record)]
    theirs = [output for record in records[cut + 1 :] for output in restored.apply(record)]

    assert wire(ours) == wire(theirs)
    assert folded.twin.take_changes() == restored.take_changes()
    assert folded.twin.digest == restored.digest


def test_a_tick_that_does_not_advance_says_nothing() -> None:
    """Of an ingest worker that lost its place and woke up: its lag is not that of the one that works."""
    folded = running()
    behind(folded, NOON, 0.0)
    header = folded.twin.header()
    behind(folded, NOON, 5_000.0)

    assert header == folded.twin.header()
