"""The life of a proposal: answers of the solver, decisions of people, answers of ERP, other plans, and time.

The plant is in tests/proposing.py: R2 is planned on L1 from Mon 14:30 and ready Tue 06:30; on L2 it could begin at 10:00
and be ready at 18:00.
"""

from collections.abc import Callable
from typing import Any

import pytest

from schemas import CardKind, topics
from tests.folding import Folded, absorb, at, count, event, run, wire
from tests.proposing import (
    answer,
    approved,
    ask,
    changes,
    command,
    committing,
    hold,
    option,
    planned,
    proposal,
    reroute,
    state,
    two_lines,
)
from twin import Twin
from twin.decisions.plan_book import commitments_of
from twin.decisions.proposal_life import OPEN_STATES, OWN_PROPOSAL_MOVES, PROPOSAL_MOVES, STATES

# The tables


def test_every_state_is_reached_and_every_command_is_a_move_of_some_state() -> None:
    moves = [*PROPOSAL_MOVES.values(), *OWN_PROPOSAL_MOVES.values()]

    assert set(STATES) == set(PROPOSAL_MOVES) == set(OWN_PROPOSAL_MOVES)
    assert set(STATES) == {"draft"} | {each for table in moves for each in table.values()}
    assert {"proposal_adjust", "proposal_approve", "proposal_reject", "proposal_commit"} == {
        kind for table in PROPOSAL_MOVES.values() for kind in table
    }
    assert all(OWN_PROPOSAL_MOVES[each] for each in STATES if each in OPEN_STATES), (
        "what is open can end by itself"
    )


def in_state(name: str) -> Folded:
    """The plant with proposal P1 in a state."""
    folded = two_lines()
    request = ask(folded)
    if name == "draft":
        return folded
    if name == "expired":
        folded.tick(at(0, "16:02"))
        return folded
    folded.tell(proposal(request, 1, hold(), reroute()))
    if name == "proposed":
        return folded
    if name == "superseded":
        folded.tell(run("R2", "L2", at(0, "12:00"), at(0, "20:00"), pegs=["2"], when=at(0, "08:00")))
        return folded
    if name == "rejected":
        command(folded, "proposal_reject", at(0, "08:01"))
        return folded
    if name == "adjusted":
        command(folded, "proposal_adjust", at(0, "08:01"), locks=[{"run_id": "R3", "line_id": "L1"}])
        adjusted = folded.on(topics.REPLAN_REQUESTS)[-1]
        folded.tell(proposal(adjusted, adjusted.first_revision, hold(), reroute()))
        return folded
    command(folded, "proposal_approve", at(0, "08:01"), option_id="A")
    if name == "approved":
        return folded
    command(folded, "proposal_commit", at(0, "08:02"), option_id="A")
    outcomes: dict[str, list[str]] = {
        "committing": [],
        "committed": ["accepted", "accepted"],
        "partially_committed": ["accepted", "rejected"],
        "commit_failed": ["rejected", "rejected"],
    }
    for change, outcome in zip(changes(folded), outcomes[name], strict=False):
        answer(folded, change, at(0, "08:03"), outcome)
    return folded


MORE: dict[str, dict[str, Any]] = {
    "proposal_adjust": {"locks": [{"run_id": "R3", "not_before": at(1, "06:00")}]},
    "proposal_approve": {"option_id": "A"},
    "proposal_reject": {},
    "proposal_commit": {"option_id": "A"},
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("kind", sorted(MORE))
def test_a_move_is_made_if_the_table_has_it_and_refused_with_the_reason_if_not(name: str, kind: str) -> None:
    folded = in_state(name)
    before = state(folded)
    assert name == before.state

    result = command(folded, kind, at(0, "08:05"), **MORE[kind])
    after = state(folded)

    target = PROPOSAL_MOVES[before.state].get(kind)
    if target is None:
        assert before == after
        assert ("rejected", "illegal_move") == (result.outcome, result.reason)
    else:
        assert ("accepted", target, after.revision) == (result.outcome, after.state, result.current_revision)
        assert before.revision < after.revision
        assert after.say
    audit = folded.on(topics.AUDIT)[-1]
    assert (kind, "sue", "P1", result.outcome, after.state) == (
        audit.action,
        audit.actor,
        audit.target_id,
        audit.details["outcome"],
        audit.details["state"],
    )


# Answers of the solver


def test_the_first_of_a_revision_wins_and_older_ones_are_counted_and_skipped() -> None:
    folded = two_lines()
    request = ask(folded)
    folded.tell(proposal(request, 2, hold(), reroute("A")))
    said = state(folded)
    folded.tell(
        proposal(request, 2, hold(), reroute("other")), proposal(request, 1, hold(), reroute("older"))
    )

    assert said == state(folded)
    assert "A" == folded.twin.model.plan_book.proposals["S1", "P1"].options[1].option_id
    assert 2 == folded.twin.counters["duplicate", "proposal"]
    folded.tell(proposal(request, 3, hold(), reroute("better")))
    assert (3, "proposed", said.revision + 1) == (
        state(folded).proposal_revision,
        state(folded).state,
        state(folded).revision,
    )


def test_an_answer_that_nobody_asked_for_is_kept_out() -> None:
    folded = two_lines()
    request = ask(folded)
    stranger = request.model_copy(update={"proposal_id": "P9", "request_id": "P9/asked"})
    mixed_up = request.model_copy(update={"request_id": "P1/other"})
    folded.tell(proposal(stranger, 1, hold(), reroute()), proposal(mixed_up, 1, hold(), reroute()))

    assert ["unknown_request", "unknown_request"] == folded.rejections
    assert "draft" == state(folded).state


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: [reroute()], "hold is not the first option"),
        (lambda: [hold(), reroute("A"), reroute("A")], "the same id"),
        (lambda: [hold(), option("X", "reroute", [planned("R8", "L1", at(0, "10:00"))])], "none of the request"),
        (lambda: [hold(), option("X", "reroute", [planned("R2", "L9", at(0, "10:00"))])], "cannot be made on L9"),
        (lambda: [hold(), option("X", "reroute", [planned("R1", "L2", at(0, "10:00"))])], "is started and was moved"),
        (lambda: [hold(), option("X", "reroute", [planned("R2", "L2", at(0, "10:00"), 0.0)])], "makes nothing"),
        (lambda: [hold(), option("X", "reroute", [planned("R2", "L2", at(0, "10:00").replace(tzinfo=None))])], "without a zone"),
    ],
)  # fmt: skip
def test_nonsense_is_kept_out_and_the_twin_goes_on(wrong: Callable[[], list[Any]], words: str) -> None:
    folded = two_lines()
    request = ask(folded)
    folded.tell(proposal(request, 1, *wrong()))
    assert ["impossible_proposal"] == folded.rejections
    assert words in folded.on(topics.REJECTIONS)[-1].message
    folded.tell(proposal(request, 1, hold(), reroute()))

    assert "proposed" == state(folded).state


def test_a_last_answer_without_an_option_ends_it_and_says_so() -> None:
    folded = two_lines()
    request = ask(folded)
    folded.tell(proposal(request, 1, hold(), stage="hold"))
    assert "draft" == state(folded).state
    folded.tell(proposal(request, 2, hold(), is_final=True))

    assert ("expired", "Nothing is better than going on as planned.") == (
        state(folded).state,
        state(folded).say,
    )
    assert {} == folded.twin.model.plan_book.bases


def test_the_cards_of_a_request_name_its_proposal_once() -> None:
    folded = two_lines()
    stop: dict[str, Any] = {"line_id": "L1", "run_id": "R1", "expected_duration_min": 2880.0}
    folded.tell(event("run_held", at(0, "08:00"), **stop))
    folded.tick(at(0, "08:01"))
    [card] = [each for each in folded.cards.values() if each.kind is CardKind.LINE_DOWN]
    request = ask(folded, card_ids=[card.card_id, "none/such"])
    folded.tell(proposal(request, 1, hold(), reroute()))
    told = folded.cards[card.card_id]
    folded.tell(proposal(request, 2, hold(), reroute()))

    assert (["P1"], "options proposed", card.revision + 1) == (
        told.proposal_ids,
        told.update_reason,
        told.revision,
    )
    assert told == folded.cards[card.card_id]


# Decisions


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("proposal_approve", {"option_id": "A", "expected_revision": 99}, "stale_revision"),
        ("proposal_approve", {"option_id": "A", "expected_revision": None}, "no_revision"),
        ("proposal_approve", {"option_id": "A", "proposal_id": "P9"}, "unknown_proposal"),
        ("proposal_approve", {"option_id": "Z"}, "unknown_option"),
        ("proposal_approve", {"option_id": "I"}, "infeasible"),
        ("proposal_adjust", {"locks": [{"run_id": "R9", "line_id": "L1"}]}, "unknown_run"),
        ("proposal_adjust", {"locks": [{"run_id": "R1", "line_id": "L2"}]}, "run_begun"),
        ("proposal_adjust", {"locks": [{"run_id": "R2", "line_id": "L7"}]}, "not_eligible"),
        ("proposal_adjust", {"locks": [{"run_id": "R2"}]}, "empty_lock"),
        ("proposal_adjust", {"locks": [{"run_id": "R2", "line_id": "L1"}] * 2}, "locked_twice"),
    ],
)
def test_a_bad_command_changes_nothing_and_says_why(kind: str, fields: dict[str, Any], reason: str) -> None:
    folded = two_lines()
    cannot = reroute("I", feasible=False, violations=["R2 ends after its truck"])
    folded.tell(proposal(ask(folded), 1, hold(), reroute(), cannot))
    before = state(folded)
    result = command(folded, kind, at(0, "08:01"), **fields)

    assert before == state(folded)
    assert ("rejected", reason) == (result.outcome, result.reason)
    assert result.message
    assert 1 == len(folded.on(topics.AUDIT))


def test_hold_approved_leaves_nothing_to_commit_and_says_so() -> None:
    folded = two_lines()
    approved(folded, reroute(), option_id="hold")
    assert "there is nothing to commit" in state(folded).say
    result = command(folded, "proposal_commit", at(0, "08:02"), option_id="hold")
    assert "nothing_to_commit" == result.reason
    folded.tick(at(0, "16:02"))

    assert ("expired", "It was decided to go on as planned.") == (state(folded).state, state(folded).say)
    assert [] == changes(folded)


def test_four_eyes_ask_for_another_committer_where_the_rules_do() -> None:
    folded = two_lines(plan_four_eyes=True)
    approved(folded, reroute())
    alone = command(folded, "proposal_commit", at(0, "08:02"), option_id="A")
    assert ("rejected", "four_eyes") == (alone.outcome, alone.reason)
    together = command(folded, "proposal_commit", at(0, "08:02"), option_id="A", actor="bob")

    assert "accepted" == together.outcome
    assert ("sue", "bob") == (state(folded).approved_by, state(folded).committed_by)


def test_only_the_approved_option_is_committed() -> None:
    folded = two_lines()
    approved(folded, reroute("A"), reroute("B"))

    assert "not_approved" == command(folded, "proposal_commit", at(0, "08:02"), option_id="B").reason
    assert "accepted" == command(folded, "proposal_commit", at(0, "08:02"), option_id="A").outcome


def test_what_has_begun_since_is_not_approved_any_more() -> None:
    folded = two_lines()
    folded.tell(proposal(ask(folded), 1, hold(), reroute()))
    folded.tell(event("setup_started", at(0, "08:01"), line_id="L1", run_id="R2"))
    result = command(folded, "proposal_approve", at(0, "08:02"), option_id="A")

    assert "plan_moved" == result.reason
    assert "R2 is setup on L1" in result.message


# Promises


def test_what_was_promised_is_kept_and_what_came_is_noted() -> None:
    folded = in_state("committed")
    [promise] = commitments_of(folded.twin.model, "S1")
    assert ("reroute", False, ["S1/L1", "S1/L2"], -1000.0) == (
        promise.label,
        promise.is_partial,
        promise.lines,
        promise.against_hold["cost"],
    )
    [promised] = promise.orders
    assert ("2", at(1, "12:00").timestamp(), None) == (
        promised.order_id,
        promised.ships_at,
        promised.came_status,
    )
    folded.tick(at(1, "12:04"))
    folded.tell(event("order_shipped", at(1, "12:05"), order_id="2", shipped_pcs=800.0))
    folded.tick(at(1, "12:06"))

    [came] = commitments_of(folded.twin.model, "S1")[0].orders
    assert ("shipped", at(1, "12:05").timestamp()) == (came.came_status, came.came_at)


# Restarts


def test_a_restart_in_mid_commit_changes_nothing() -> None:
    folded = committing(plan_ack_within_min=10.0)
    first, second = changes(folded)
    answer(folded, first, at(0, "08:03"))
    kept = dict(folded.documents)
    restored = Twin.restore(folded.twin.header(), kept)
    from_here = len(folded.records)
    said = len(folded.outputs)
    folded.tick(at(0, "08:20"))
    command(folded, "proposal_commit", at(0, "08:21"), option_id="A")
    answer(folded, second, at(0, "08:22"))
    folded.tick(at(0, "08:23"))
    outputs = [output for facts in folded.records[from_here:] for output in restored.apply(facts)]
    absorb(kept, restored)

    assert "committed" == state(folded).state
    assert wire(folded.outputs[said:]) == wire(outputs)
    assert (folded.documents, folded.twin.digest) == (kept, restored.digest)


def test_a_committed_move_counts_for_the_run_that_changed_its_place_only() -> None:
    """R2 went to another line; R3 follows R1 as before, only earlier."""
    folded = in_state("committed")
    since = at(0, "00:00").timestamp()
    moves = folded.twin.model.moves

    assert (1, 0) == (moves.since(("S1", "R2"), since), moves.since(("S1", "R3"), since))


def test_a_line_whose_run_is_counted_elsewhere_is_projected_without_it() -> None:
    """Found by the property tests: the line that the run left went on being projected with it, and R3 behind it."""
    folded = two_lines()
    before = [*folded.twin.model.lines["S1", "L1"].projected]
    folded.tell(count("L2", "R2", at(0, "08:10"), 50.0))
    folded.tick(at(0, "08:11"))

    assert (["R1", "R2", "R3"], ["R1", "R3"]) == (before, [*folded.twin.model.lines["S1", "L1"].projected])
