"""What the twin does about a solver that does not answer: it goes on, and asks once more under the same proposal.

The plant is in tests/asking.py: L1 is down from 08:00 on, and R2 behind it is late. Rules: an answer within 15 minutes.
"""

from datetime import timedelta

from schemas import PlanState, ReplanRequested, topics
from tests.asking import START, asked, held, running
from tests.folding import Folded, event
from tests.proposing import option, proposal
from twin import Twin

MINUTE = timedelta(minutes=1)
HOLD = option("hold", "hold", [])
"""Going on as planned."""


def unanswered(minutes: int, **rules: float) -> Folded:
    """The line went down so many minutes ago, and nobody has answered."""
    folded = running(rules=rules)
    folded.tell(held(START))
    for minute in range(1, minutes + 1):
        folded.tick(START + minute * MINUTE)
    return folded


def said(folded: Folded) -> str:
    return [each for each in folded.on(topics.PLANS) if isinstance(each, PlanState)][-1].say


def test_a_request_without_an_answer_is_asked_once_more_under_the_same_proposal() -> None:
    before, after = asked(unanswered(14)), asked(unanswered(15))
    first, again = after

    assert [first] == before
    assert (first.proposal_id, [first.request_id]) == (again.proposal_id, again.supersedes)
    assert (1, 101) == (first.first_revision, again.first_revision)
    assert (START + 15 * MINUTE, first.because, first.scope) == (again.as_of, again.because, again.scope)
    assert first.output_id != again.output_id


def test_once_and_no_more() -> None:
    folded = unanswered(120)

    assert 2 == len(asked(folded))
    assert "has not answered in time and was asked once more" in said(folded)


def test_the_twin_goes_on_whatever_the_solver_does() -> None:
    """The card of the stop stands, with and without an answer."""
    assert [card.title for card in unanswered(1).on(topics.CARDS)] == [
        card.title for card in unanswered(20).on(topics.CARDS)
    ][: len(unanswered(1).on(topics.CARDS))]


def test_what_was_answered_is_not_asked_again() -> None:
    folded = unanswered(5)
    (request,) = asked(folded)
    folded.tell(proposal(request, 1, HOLD, is_final=True))
    for minute in range(6, 40):
        folded.tick(START + minute * MINUTE)

    assert [request] == asked(folded)


def test_a_late_answer_to_the_first_request_is_skipped_and_the_second_one_counts() -> None:
    folded = unanswered(16)
    first, again = asked(folded)
    folded.tell(proposal(first, 1, HOLD, is_final=True))
    skipped = folded.twin.model.plan_book.lives["S1", first.proposal_id].proposal_revision
    folded.tell(proposal(again, 101, HOLD, is_final=False))
    taken = folded.twin.model.plan_book.lives["S1", first.proposal_id].proposal_revision

    assert (None, 101) == (skipped, taken)


def test_nonsense_is_no_answer() -> None:
    """Options that do not begin with hold are refused, and the request is asked again."""
    folded = unanswered(5)
    (request,) = asked(folded)
    nonsense = proposal(request, 1, option("A", "reroute", []), is_final=True)
    folded.tell(nonsense)
    for minute in range(6, 16):
        folded.tick(START + minute * MINUTE)

    assert ["impossible_proposal"] == [each.reason for each in folded.on(topics.REJECTIONS)]
    assert 2 == len(asked(folded))


def test_what_is_over_is_not_asked_again() -> None:
    folded = unanswered(5)
    folded.tell(event("run_resumed", START + 5 * MINUTE, line_id="L1", run_id="R1"))
    for minute in range(6, 40):
        folded.tick(START + minute * MINUTE)

    assert 1 == len(asked(folded))


def test_the_plant_says_how_long_and_zero_is_never() -> None:
    assert 2 == len(asked(unanswered(3, replan_answer_within_min=3.0)))
    assert 1 == len(asked(unanswered(60, replan_answer_within_min=0.0)))


def test_a_twin_restored_in_between_asks_the_same_once() -> None:
    straight, restored = unanswered(40), unanswered(10)
    twin = restored.twin
    restored.twin = Twin.restore(twin.header(), restored.documents)
    for minute in range(11, 41):
        restored.tick(START + minute * MINUTE)

    assert [each.request_id for each in asked(straight)] == [each.request_id for each in asked(restored)]
    assert all(isinstance(each, ReplanRequested) for each in asked(straight))
