"""How a proposal ends when nobody ends it: the plan moved, a newer one took its runs, time ran out."""

from schemas import topics
from tests.folding import at, event, run
from tests.proposing import (
    answer,
    approved,
    ask,
    changes,
    command,
    committing,
    hold,
    overtime,
    proposal,
    reroute,
    state,
    two_lines,
)

# Other plans


def test_a_plan_from_outside_that_touches_its_runs_supersedes_a_proposal() -> None:
    folded = two_lines()
    folded.tell(proposal(ask(folded), 1, hold(), reroute()))
    folded.tell(run("R2", "L1", at(0, "14:30"), at(1, "06:30"), pegs=["2"], when=at(0, "08:01")))
    assert "proposed" == state(folded).state, "the same plan said again is no other plan"
    folded.tell(
        run("R3", "L1", at(1, "09:00"), at(1, "13:00"), quantity=400.0, pegs=["3"], when=at(0, "08:01"))
    )

    assert ("superseded", "Run R3 was planned anew on L1: the plan that it rests on has moved on.") == (
        state(folded).state,
        state(folded).say,
    )


def test_a_run_planned_elsewhere_leaves_a_proposal_alone_and_one_on_its_lines_does_not() -> None:
    folded = two_lines(event("line_upserted", at(0, "00:00"), line_id="L8"))
    folded.tell(proposal(ask(folded), 1, hold(), reroute()))
    folded.tell(run("R8", "L8", at(0, "10:00"), at(0, "18:00"), when=at(0, "08:01")))
    assert "proposed" == state(folded).state
    folded.tell(run("R7", "L2", at(0, "10:00"), at(0, "18:00"), when=at(0, "08:01")))
    assert "superseded" == state(folded).state


def test_erp_plans_otherwise_in_mid_commit() -> None:
    """R2 is in force on L2; then ERP puts R3 on L2 although it was asked to put it on L1 at 14:30."""
    folded = committing()
    first, second = changes(folded)
    answer(folded, first, at(0, "08:03"))
    folded.tell(
        run("R3", "L2", at(1, "07:00"), at(1, "11:00"), quantity=400.0, pegs=["3"], when=at(0, "08:04"))
    )

    assert (
        "Run R3 was planned anew on L2, while the commit was under way. In force: R2 to L2. Sent and not answered: "
        "R3 to L1; see whether ERP took it."
    ) == state(folded).say
    assert "superseded" == state(folded).state
    answer(folded, second, at(0, "08:05"), "rejected", reason="planned otherwise")
    assert ["accepted", "rejected"] == [each.outcome for each in state(folded).changes]
    assert ("superseded", "L2") == (
        state(folded).state,
        folded.twin.model.line_of_run["S1", "R3"].line_id,
    )


def test_erp_cancels_a_run_in_mid_commit() -> None:
    folded = committing()
    folded.tell(event("run_cancelled", at(0, "08:03"), run_id="R3"))

    assert "superseded" == state(folded).state
    assert state(folded).say.startswith("Run R3 was cancelled, while the commit was under way.")


def test_one_commit_supersedes_other_proposals_for_the_same_runs_and_not_itself() -> None:
    folded = two_lines()
    approved(folded, reroute())
    folded.tell(proposal(ask(folded, "P2"), 1, hold(), reroute()))
    command(folded, "proposal_commit", at(0, "08:02"), option_id="A")
    assert "proposed" == state(folded, "P2").state
    for change in changes(folded):
        answer(folded, change, at(0, "08:03"))

    assert ("committed", "superseded") == (state(folded).state, state(folded, "P2").state)


def test_a_newer_request_of_the_same_lines_supersedes_what_nobody_decided_on() -> None:
    folded = two_lines()
    folded.tell(proposal(ask(folded), 1, hold(), reroute()))
    ask(folded, "P2", supersedes=["P1/asked"])

    assert ("superseded", "draft") == (state(folded).state, state(folded, "P2").state)


def test_a_newer_request_supersedes_an_adjusted_proposal_by_the_request_that_it_began_with() -> None:
    folded = two_lines()
    folded.tell(proposal(ask(folded), 1, hold(), reroute()))
    command(folded, "proposal_adjust", at(0, "08:01"), locks=[])
    ask(folded, "P2", supersedes=["P1/asked"])

    assert "superseded" == state(folded).state


# Time


def test_a_proposal_that_nobody_decides_on_expires() -> None:
    """Offered Mon 08:00, valid for 3 h; R2 might begin at 12:00 and half an hour later."""
    folded = two_lines(proposal_valid_h=3.0)
    folded.tell(proposal(ask(folded), 1, hold(), reroute(start=at(0, "12:00"))))
    folded.tick(at(0, "10:59"))
    assert "proposed" == state(folded).state
    folded.tick(at(0, "11:01"))

    assert ("expired", "Nobody decided within 3 h. Ask again for the plan as it is now.") == (
        state(folded).state,
        state(folded).say,
    )


def test_an_option_is_too_late_once_its_first_run_should_have_begun() -> None:
    """R2 was to begin at 10:00; it counts as late half an hour after that."""
    folded = two_lines()
    approved(folded, reroute())
    folded.tick(at(0, "10:30"))
    assert "approved" == state(folded).state
    folded.tick(at(0, "10:31"))

    assert ("expired", "Too late since Mon 2 Mar 10:30: run R2 was to begin on L2. Ask again for the plan as it is now.") == (state(folded).state, state(folded).say)  # fmt: skip


def test_overtime_must_be_decided_on_before_its_notice() -> None:
    window = event("overtime_window_upserted", at(0, "00:00"), window_id="W1", line_id="L1", start_at=at(0, "22:00"), end_at=at(1, "00:00"))  # fmt: skip
    folded = two_lines(window)
    folded.tell(proposal(ask(folded), 1, hold(), overtime(notice_by=at(0, "09:00")), reroute()))
    folded.tick(at(0, "09:01"))
    late = command(folded, "proposal_approve", at(0, "09:01"), option_id="O")

    assert ("too_late", "proposed") == (late.reason, state(folded).state), (
        "the other option can still be chosen"
    )


def test_what_ended_long_ago_is_forgotten_with_a_tombstone() -> None:
    folded = two_lines()
    folded.tell(proposal(ask(folded), 1, hold(), reroute(), is_final=True))
    command(folded, "proposal_reject", at(0, "08:01"), reason="no")
    folded.tick(at(6, "08:00"))
    assert {("S1", "P1")} == set(folded.twin.model.plan_book.lives)
    folded.tick(at(7, "08:02"))

    assert {} == folded.twin.model.plan_book.lives
    assert [("P1", None)] == [
        (output.key, output.body)
        for output in folded.outputs
        if output.topic == topics.PLANS and output.body is None
    ]
