"""A planner adjusts a proposal: locks and pins, what they are held to, and how they are changed and taken off again."""

from schemas import topics
from solvers.options import choices_of
from tests.folding import at, order
from tests.proposing import (
    AS_IT_IS,
    ask,
    command,
    hold,
    option,
    proposal,
    reroute,
    state,
    two_lines,
)


def test_a_frozen_run_cannot_be_pinned_elsewhere() -> None:
    """Mon 13:00, R2 starts at 14:30: within the two hours that are frozen."""
    folded = two_lines()
    folded.tick(at(0, "13:00"))
    folded.tell(proposal(ask(folded), 1, hold(), option("A", "repair", AS_IT_IS)))
    result = command(folded, "proposal_adjust", at(0, "13:01"), locks=[{"run_id": "R2", "line_id": "L2"}])

    assert ("run_frozen", "run R2 is frozen: it stays on L1") == (result.reason, result.message)


def test_an_adjustment_asks_again_under_the_locks_for_the_same_proposal() -> None:
    folded = two_lines()
    request = ask(folded)
    folded.tell(proposal(request, 3, hold(), reroute()))
    locks = [
        {"run_id": "R2", "line_id": "L2", "not_before": at(0, "12:00")},
        {"run_id": "R3", "line_id": "L1"},
    ]
    command(folded, "proposal_adjust", at(0, "08:01"), locks=locks)
    [again] = folded.on(topics.REPLAN_REQUESTS)
    runs = {each.run_id: each for each in again.problem.runs}

    assert ("P1", "adjusted", ["P1/asked"], 103) == (
        again.proposal_id,
        again.trigger,
        again.supersedes,
        again.first_revision,
    )
    assert (["L2"], at(0, "12:00").timestamp()) == (
        [each.line_id for each in runs["R2"].eligible],
        runs["R2"].not_before,
    )
    assert "frozen" == runs["R3"].freedom
    assert ("adjusted", None) == (state(folded).state, state(folded).proposal_revision)
    early = command(folded, "proposal_approve", at(0, "08:02"), option_id="A")
    assert "being_solved" == early.reason
    folded.tell(proposal(request, 4, hold(), reroute("late")))
    assert 1 == folded.twin.counters["duplicate", "proposal"]
    folded.tell(proposal(again, 103, hold(), reroute("new", start=at(0, "12:00"))))
    assert "accepted" == command(folded, "proposal_approve", at(0, "08:02"), option_id="new").outcome


def test_a_lock_is_changed_or_taken_off_by_the_next_adjustment() -> None:
    """Locks were held against what earlier locks had left: a run that was pinned to a line could go to no other again."""
    folded = two_lines()
    request = ask(folded)
    folded.tell(proposal(request, 3, hold(), reroute()))
    first = [
        {"run_id": "R2", "line_id": "L2", "not_before": at(0, "12:00")},
        {"run_id": "R3", "line_id": "L1"},
    ]
    command(folded, "proposal_adjust", at(0, "08:01"), locks=first)
    again = folded.on(topics.REPLAN_REQUESTS)[-1]
    locked = {each.run_id: each for each in choices_of(again.problem)}
    other = command(
        folded,
        "proposal_adjust",
        at(0, "08:02"),
        locks=[{"run_id": "R2", "line_id": "L1"}, {"run_id": "R3", "line_id": "L2"}],
    )
    freed = command(folded, "proposal_adjust", at(0, "08:03"), locks=[])
    runs = {each.run_id: each for each in folded.on(topics.REPLAN_REQUESTS)[-1].problem.runs}

    assert ["R2", "R3"] == list(locked)
    assert ("free", ["S1/L1", "S1/L2"], "L2", at(0, "12:00")) == (
        locked["R2"].status,
        locked["R2"].lines,
        locked["R2"].locked_line_id,
        locked["R2"].not_before,
    )
    assert ("free", ["S1/L1", "S1/L2"], "L1", None) == (
        locked["R3"].status,
        locked["R3"].lines,
        locked["R3"].locked_line_id,
        locked["R3"].not_before,
    )
    assert ("accepted", "accepted") == (other.outcome, freed.outcome), (other.message, freed.message)
    assert {"R2": ("free", None, 2), "R3": ("free", None, 2)} == {
        name: (run.freedom, run.not_before, len(run.eligible)) for name, run in runs.items() if name != "R1"
    }


def test_a_lock_on_an_order_that_nobody_has_planned_is_taken_off_like_any_other() -> None:
    """Order 7 comes: its run F-7 is no run of the plan yet, and is carried along from request to request."""
    folded = two_lines()
    folded.tell(order("7", at(2, "12:00"), when=at(0, "08:00")))
    for minute in ("08:01", "08:02"):
        folded.tick(at(0, minute))
    request = folded.on(topics.REPLAN_REQUESTS)[-1]
    proposal_id = request.proposal_id
    folded.tell(proposal(request, request.first_revision, hold(), reroute()))
    lock = {"run_id": "F-7", "line_id": "L2", "not_before": at(0, "12:00")}
    locked = command(folded, "proposal_adjust", at(0, "08:02"), proposal_id, locks=[lock])
    [pinned] = [each for each in folded.on(topics.REPLAN_REQUESTS)[-1].problem.runs if each.run_id == "F-7"]
    freed = command(folded, "proposal_adjust", at(0, "08:03"), proposal_id, locks=[])
    [free] = [each for each in folded.on(topics.REPLAN_REQUESTS)[-1].problem.runs if each.run_id == "F-7"]

    assert ("accepted", "accepted") == (locked.outcome, freed.outcome), (locked.message, freed.message)
    assert (["L2"], at(0, "12:00").timestamp(), "L2") == (
        [each.line_id for each in pinned.eligible],
        pinned.not_before,
        pinned.locked_line_id,
    )
    assert (["L1", "L2"], None, None, None) == (
        sorted(each.line_id for each in free.eligible),
        free.not_before,
        free.locked_line_id,
        free.unlocked,
    )
