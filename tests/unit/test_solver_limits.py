"""What is asked of the solver, and what it answers, at the limits: by hand."""

from datetime import timedelta

import pytest

from schemas import Facts, Tick, topics
from streams.solver_answers import fitted
from tests.asking import START, asked, held, running
from tests.folding import Folded, at, event, order, wire
from tests.proposing import ask, hold, option, overtime, proposal, reroute, two_lines
from twin import Twin
from twin.replan import replan_requests
from twin.replan.replan_book import MOST_PENDING, UNANSWERED_FREE

HALF_HOUR = timedelta(minutes=30)


# Answers


def test_an_answer_that_fits_is_sent_as_it_is() -> None:
    made = proposal(ask(two_lines()), 1, hold(), reroute())
    size = len(made.model_dump_json())

    assert (made, made.model_dump_json().encode(), 0) == fitted(made, size)


def test_options_of_least_value_are_left_out_first_and_the_answer_says_so() -> None:
    """A byte less than all of it: the last option goes, hold and the best one stay."""
    made = proposal(ask(two_lines()), 1, hold(), reroute("A"), overtime("O"))
    size = len(made.model_dump_json())
    cut, value, left_out = fitted(made, size - 1)

    assert (["hold", "A"], 1) == ([each.option_id for each in cut.options], left_out)
    assert cut.model_dump_json().encode() == value
    assert cut.error is not None
    assert cut.error.startswith(f"1 of 3 options are left out: the answer would have {size:,} bytes")
    assert len(value) <= size - 1


def test_where_not_even_hold_fits_the_answer_says_why_there_is_none() -> None:
    cut, value, left_out = fitted(proposal(ask(two_lines()), 1, hold(), reroute()), 900)

    assert ([], True, 2) == (cut.options, cut.is_final, left_out)
    assert cut.error is not None
    assert "for doing nothing alone, of 900 that a record may" in cut.error
    assert len(value) > 0


def test_the_twin_takes_an_answer_whose_options_were_cut() -> None:
    """Options of a large answer are worth having without the last of them."""
    folded = two_lines()
    request = ask(folded)
    made = proposal(request, 1, hold(), reroute("A"), option("B", "reroute", []), is_final=True)
    cut, _, left_out = fitted(made, len(made.model_dump_json()) - 1)
    folded.tell(cut)

    assert (1, [], "proposed") == (left_out, folded.rejections, folded.on(topics.PLANS)[-1].state)


# Requests


def test_a_line_that_is_more_than_a_request_holds_is_not_asked_about_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Written out it would be refused by the broker, and the twin would meet it again for ever."""
    monkeypatch.setattr(replan_requests, "MOST_BYTES", 1_000)
    folded = running()
    folded.tell(held(START))
    folded.tell(event("replan_request", START, command_id="c1", actor="sue", line_ids=["L1"]))
    result = folded.on(topics.COMMAND_RESULTS)[-1]

    assert ([], 1) == (asked(folded), folded.twin.counters["replan_refused", "too_large"])
    assert ("rejected", "too_large") == (result.outcome, result.reason)
    assert "S1/L1 alone is" in result.message


# A solver that does not answer


def rush(folded: Folded, number: int) -> None:
    """An order in a hurry, cancelled ten minutes later."""
    when = START + number * HALF_HOUR
    folded.tick(when)
    folded.tell(order(f"rush{number}", at(2, "12:00"), when=when))
    folded.tick(when + timedelta(seconds=5))
    folded.tick(when + timedelta(minutes=2))
    folded.tell(event("order_cancelled", when + timedelta(minutes=10), order_id=f"rush{number}"))
    folded.tick(when + timedelta(minutes=10))


def test_a_solver_that_does_not_answer_is_asked_less_and_less_often() -> None:
    """An order each half hour from 08:00, each cancelled soon: three are asked about at once; the next not before a
    quarter of an hour has passed, then half an hour, one, two and four hours: the one that comes then is asked about."""
    folded = running()
    for number in range(27):
        rush(folded, number)
    times = [request.as_of.strftime("%H:%M") for request in asked(folded)]

    assert ["08:00", "08:30", "09:00", "09:30", "10:00", "11:00", "13:00", "17:00", "21:00"] == times
    assert times[:UNANSWERED_FREE] == ["08:00", "08:30", "09:00"]
    assert all(request.supersedes for request in asked(folded)[1:])


def test_an_answer_ends_the_waiting_and_what_is_over_is_not_asked_any_more() -> None:
    """Three orders without an answer; the fourth, at 08:09, waits until 08:17 and is cancelled. With an answer at 08:10,
    the fifth is asked about at once, and nothing of the fourth."""
    folded = running()
    for number, minutes in enumerate((0, 2, 4)):
        folded.tell(order(f"rush{number}", at(2, "12:00"), when=START + timedelta(minutes=minutes)))
        folded.tick(START + timedelta(minutes=minutes, seconds=65))
    folded.tell(order("rush3", at(2, "12:00"), when=START + timedelta(minutes=6)))
    folded.tick(START + timedelta(minutes=7))
    before = len(asked(folded))
    folded.tell(event("order_cancelled", START + timedelta(minutes=8), order_id="rush3"))
    folded.tell(proposal(asked(folded)[-1], 1, hold()))
    folded.tick(START + timedelta(minutes=10))
    folded.tell(order("rush4", at(2, "12:00"), when=START + timedelta(minutes=10)))
    folded.tick(START + timedelta(minutes=10, seconds=5))

    assert (3, 4) == (before, len(asked(folded)))
    assert "rush4" in " ".join(asked(folded)[-1].because)
    assert "rush3" not in " ".join(asked(folded)[-1].because)


def test_what_is_over_makes_room_among_what_waits() -> None:
    """Half of MOST_PENDING wait for a silent solver, all cancelled: they go, or the next trouble would not be noted."""
    folded = running()
    for number in range(3):
        rush(folded, number)
    orders = [f"many{number}" for number in range(MOST_PENDING // 2)]
    later = at(0, "09:11")
    folded.tick(later)
    folded.tell(*(order(name, at(2, "12:00"), when=later) for name in orders))
    folded.tick(later + timedelta(seconds=1))
    full = folded.twin.model.replans.pending_count("S1")
    folded.tell(*(event("order_cancelled", later, order_id=name) for name in orders))
    folded.tick(later + timedelta(seconds=2))

    assert full >= MOST_PENDING // 2
    assert folded.twin.model.replans.pending_count("S1") < MOST_PENDING // 2


def test_a_twin_restored_while_the_solver_is_silent_waits_as_long() -> None:
    folded = running()
    for number in range(4):
        rush(folded, number)
    restored = Twin.restore(folded.twin.header(), folded.documents)
    when = START + 4 * HALF_HOUR
    records = [
        folded.log.of(order("next", at(2, "12:00"), when=when)),
        Facts(group_id="*", tick=Tick(now=when)),
        Facts(group_id="*", tick=Tick(now=when + HALF_HOUR)),
    ]
    ours = [output for record in records for output in folded.twin.apply(record)]
    theirs = [output for record in records for output in restored.apply(record)]

    assert wire(ours) == wire(theirs)
    assert folded.twin.take_changes() == restored.take_changes()
