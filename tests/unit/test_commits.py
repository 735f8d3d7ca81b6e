"""A commit and what comes back: accepted, modified, refused, silence, and the order in which two sites are told.

The plant is in tests/proposing.py, as for test_proposals.py.
"""

from schemas import topics
from tests.folding import Folded, at, event, order, run
from tests.proposing import (
    AS_IT_IS,
    answer,
    approved,
    ask,
    changes,
    command,
    committing,
    hold,
    option,
    overtime,
    planned,
    proposal,
    reroute,
    state,
    two_lines,
)
from twin.decisions.plan_book import commitments_of, revision_of


def test_a_commit_sends_what_moves_and_its_answers_move_the_projections() -> None:
    """R2 on L2 from 10:00 is ready at 18:00 and not on Tue 06:30; R3 is ready Mon 18:30 and not on Tue 11:00."""
    folded = committing()
    before = revision_of(folded.twin.model, "S1")
    sent = changes(folded)

    assert [("plan_run", "R2", "L2", "2"), ("plan_run", "R3", "L1", "3")] == [
        (each.action, each.run_id, each.line_id, each.order_id) for each in sent
    ]
    assert [at(0, "10:00"), at(0, "14:30")] == [each.start_at for each in sent]
    assert ["2", "3"] == [output.key for output in folded.outputs if output.topic == topics.PLAN_CHANGES]
    assert ["sent", "sent"] == [each.outcome for each in state(folded).changes]
    for change in sent:
        answer(folded, change, at(0, "08:03"))
    folded.tick(at(0, "08:04"))
    ready = {body.order_id: body.ready_at for body in folded.on(topics.ORDER_PROJECTIONS)}

    assert ("committed", "All 2 changes are in force.") == (state(folded).state, state(folded).say)
    assert (at(0, "18:00"), at(0, "18:30")) == (ready["2"], ready["3"])
    assert before + 2 == revision_of(folded.twin.model, "S1")
    plan = state(folded, "committed/S1")
    assert before + 2 == plan.revision
    assert [("R1", "L1"), ("R2", "L2"), ("R3", "L1")] == [(each.run_id, each.line_id) for each in plan.runs]
    assert [["S1/1"], ["S1/2"], ["S1/3"]] == [each.order_ids for each in plan.runs]
    assert {} == folded.twin.model.plan_book.proposals


def test_the_same_plan_said_by_erp_afterwards_changes_nothing() -> None:
    folded = committing()
    for change in changes(folded):
        answer(folded, change, at(0, "08:03"))
    folded.tick(at(0, "08:04"))
    before = (state(folded), revision_of(folded.twin.model, "S1"), len(folded.on(topics.ORDER_PROJECTIONS)))
    folded.tell(run("R2", "L2", at(0, "10:00"), at(0, "18:00"), pegs=["2"], when=at(0, "08:04")))
    folded.tick(at(0, "08:05"))

    assert before == (
        state(folded),
        revision_of(folded.twin.model, "S1"),
        len(folded.on(topics.ORDER_PROJECTIONS)),
    )


def test_the_plan_is_told_at_once_after_a_commit_and_once_a_minute_where_erp_goes_on_planning() -> None:
    folded = committing()
    told = [plan.revision for plan in folded.on(topics.PLANS) if plan.plan_id == "committed/S1"]
    for second, change in enumerate(changes(folded)):
        answer(folded, change, at(0, "08:02"))
        folded.tick(at(0, f"08:02:0{second + 1}"))
    for second in range(3):
        start = at(0, f"12:0{second}")
        folded.tell(run("R2", "L2", start, at(0, "20:00"), pegs=["2"], when=at(0, f"08:02:1{second}")))
        folded.tick(at(0, f"08:02:1{second}"))
    folded.tick(at(0, "08:03"))
    now = [plan.revision for plan in folded.on(topics.PLANS) if plan.plan_id == "committed/S1"]

    assert [told[-1] + 1, told[-1] + 2, told[-1] + 5] == now[len(told) :]


def test_erp_may_say_the_plan_before_it_answers() -> None:
    folded = committing()
    folded.tell(run("R2", "L2", at(0, "10:00"), at(0, "18:00"), pegs=["2"], when=at(0, "08:03")))
    assert "committing" == state(folded).state
    for change in changes(folded):
        answer(folded, change, at(0, "08:04"))

    assert "committed" == state(folded).state


def test_a_modified_change_is_taken_over_as_answered() -> None:
    folded = committing()
    first, second = changes(folded)
    answer(
        folded,
        first,
        at(0, "08:03"),
        "modified",
        planned_start_at=at(0, "11:00"),
        reason="tool is there at 11",
    )
    answer(folded, second, at(0, "08:03"))
    planned_at = folded.twin.model.runs["S1", "R2"].planned_start

    assert at(0, "11:00").timestamp() == planned_at
    assert (
        "All 2 changes are in force. R2 to L2 was modified: on L2 from Mon 2 Mar 11:00 (tool is there at 11)."
        == state(folded).say
    )


def test_a_partial_failure_says_what_stands_and_what_does_not_and_can_be_committed_again() -> None:
    folded = committing()
    first, second = changes(folded)
    answer(folded, first, at(0, "08:03"))
    answer(folded, second, at(0, "08:03"), "rejected", reason="R3 is locked in ERP")

    assert (
        "In force: R2 to L2. Not in force: R3 to L1 (R3 is locked in ERP). Mend what it was refused for and commit "
        "again, or take back in ERP what stands; the twin goes by what stands."
    ) == state(folded).say
    assert ("partially_committed", ["accepted", "rejected"]) == (
        state(folded).state,
        [each.outcome for each in state(folded).changes],
    )
    result = command(folded, "proposal_commit", at(0, "08:05"), option_id="A")
    assert ("accepted", 3) == (result.outcome, len(changes(folded)))
    assert second.change_id == changes(folded)[-1].change_id
    answer(folded, second, at(0, "08:06"))
    assert "committed" == state(folded).state


def test_a_commit_that_is_refused_altogether_leaves_the_plan_as_it_was() -> None:
    folded = committing()
    before = revision_of(folded.twin.model, "S1")
    for change in changes(folded):
        answer(folded, change, at(0, "08:03"), "rejected", reason="closed")

    assert "commit_failed" == state(folded).state
    assert "The plan is as it was." in state(folded).say
    assert before == revision_of(folded.twin.model, "S1")
    assert [] == commitments_of(folded.twin.model, "S1")


def test_silence_is_said_after_its_time_and_the_same_changes_can_be_sent_again() -> None:
    folded = committing(plan_ack_within_min=10.0)
    answer(folded, changes(folded)[0], at(0, "08:03"))
    folded.tick(at(0, "08:09"))
    assert not state(folded).say.startswith("No answer")
    folded.tick(at(0, "08:11"))
    said = state(folded)
    assert said.say.startswith("No answer within 10 min to R3 to L1.")
    folded.tick(at(0, "08:30"))
    assert said == state(folded), "said once"
    command(folded, "proposal_commit", at(0, "08:31"), option_id="A")

    ids = [each.change_id for each in changes(folded)]
    assert [ids[0], ids[1], ids[1]] == ids
    output_ids = [each.output_id for each in changes(folded)]
    assert len(set(output_ids)) == len(output_ids)


def test_a_run_that_the_floor_began_before_the_answer_stays_where_it_is() -> None:
    folded = committing()
    first, second = changes(folded)
    folded.tell(event("setup_started", at(0, "08:02"), line_id="L1", run_id="R2"))
    answer(folded, first, at(0, "08:03"))
    answer(folded, second, at(0, "08:03"))

    assert "L1" == folded.twin.model.line_of_run["S1", "R2"].line_id
    assert ("partially_committed", "it is setup on L1: it stays there") == (
        state(folded).state,
        state(folded).changes[0].reason,
    )


def test_two_commits_about_the_same_run_are_not_under_way_at_once() -> None:
    folded = two_lines()
    approved(folded, reroute())
    folded.tell(proposal(ask(folded, "P2"), 1, hold(), reroute()))
    command(folded, "proposal_approve", at(0, "08:02"), "P2", option_id="A")
    command(folded, "proposal_commit", at(0, "08:02"), option_id="A")
    result = command(folded, "proposal_commit", at(0, "08:02"), "P2", option_id="A")

    assert ("commit_under_way", "P1 is being committed and not answered yet: R2 to L2, R3 to L1") == (
        result.reason,
        result.message,
    )
    assert 2 == len(changes(folded))


def test_an_answer_sent_twice_counts_once_and_another_one_or_an_unknown_one_is_kept_out() -> None:
    folded = committing()
    first, _ = changes(folded)
    answer(folded, first, at(0, "08:03"))
    said = state(folded)
    answer(folded, first, at(0, "08:03"))
    assert 1 == folded.twin.counters["duplicate", "answer"]
    answer(folded, first, at(0, "08:04"), "rejected")
    answer(folded, first.model_copy(update={"change_id": "change-9"}), at(0, "08:04"))

    assert ["answered_before", "unknown_change"] == folded.rejections
    assert said == state(folded)


def test_overtime_goes_first_and_counts_as_bought_once_it_is_acknowledged() -> None:
    """R1 to R3 have 2 h more on Monday night: R2 is ready at Mon 22:30 and not on Tue 06:30."""
    window = event(
        "overtime_window_upserted",
        at(0, "00:00"),
        window_id="W1",
        line_id="L1",
        start_at=at(0, "22:00"),
        end_at=at(1, "00:00"),
        cost_per_h=50.0,
    )
    folded = two_lines(window)
    later = planned("R3", "L1", at(0, "22:30"), 4.0, position=2)
    bought = overtime().model_copy(update={"plan": [*AS_IT_IS[:2], later]})
    approved(folded, bought, option_id="O")
    command(folded, "proposal_commit", at(0, "08:02"), option_id="O")
    first, second = changes(folded)
    assert [("order_overtime", "W1", 2.0), ("plan_run", None, None)] == [
        (each.action, each.window_id, each.hours) for each in (first, second)
    ]
    before = revision_of(folded.twin.model, "S1")
    answer(folded, first, at(0, "08:03"))
    answer(folded, second, at(0, "08:03"))
    folded.tick(at(0, "08:04"))

    assert before + 2 == revision_of(folded.twin.model, "S1")
    assert at(0, "22:30").timestamp() == folded.twin.model.lines["S1", "L1"].projected["R2"].finish_at


def test_a_split_makes_its_new_part_before_the_old_one_gets_smaller() -> None:
    """600 of R2's 800 pieces stay on L1, 200 go to L2: order 2 still gets 800."""
    folded = two_lines()
    parts = [
        AS_IT_IS[0],
        planned("R2", "L1", at(0, "14:30"), 6.0),
        planned("R2.1", "L2", at(0, "10:00"), 2.0, of_run_id="R2"),
        AS_IT_IS[2],
    ]
    approved(folded, option("S", "split", parts), option_id="S")
    command(folded, "proposal_commit", at(0, "08:02"), option_id="S")
    [new] = changes(folded)
    assert ("R2.1", "R2", 200.0) == (new.run_id, new.of_run_id, new.quantity_pcs)
    assert ["sent", "held_back"] == [each.outcome for each in state(folded).changes]
    answer(folded, new, at(0, "08:03"))
    smaller = changes(folded)[1]
    assert ("R2", 600.0) == (smaller.run_id, smaller.quantity_pcs)
    answer(folded, smaller, at(0, "08:04"))

    model = folded.twin.model
    assert "committed" == state(folded).state
    assert {("S1", "R2"): 600.0, ("S1", "R2.1"): 200.0} == model.pegged["S1", "2"]


def test_what_is_left_of_a_run_that_has_begun_can_be_split_and_it_stays_where_it_is() -> None:
    folded = two_lines()
    parts = [
        planned("R1", "L1", at(0, "06:00"), 6.0, status="started"),
        AS_IT_IS[1],
        planned("R1.1", "L1", at(0, "22:00"), 2.0, position=2, of_run_id="R1"),
        planned("R3", "L1", at(1, "08:30"), 4.0, position=3),
    ]
    approved(folded, option("S", "split", parts), option_id="S")
    command(folded, "proposal_commit", at(0, "08:02"), option_id="S")
    for number in range(3):
        answer(folded, changes(folded)[number], at(0, "08:03"))

    model = folded.twin.model
    assert "committed" == state(folded).state
    assert ["R1.1", "R3", "R1"] == [each.run_id for each in changes(folded)]
    assert ("L1", at(0, "06:00").timestamp(), "running") == (
        model.line_of_run["S1", "R1"].line_id,
        model.runs["S1", "R1"].planned_start,
        model.runs["S1", "R1"].progress.state,
    )
    assert {("S1", "R1"): 600.0, ("S1", "R1.1"): 200.0} == model.pegged["S1", "1"]


def test_a_late_run_behind_one_that_is_planned_later_now_is_said_to_begin_after_it() -> None:
    """R3 is put before R2, which was planned at 14:30 and is late: the line must take R3 first all the same."""
    folded = two_lines()
    resequenced = [
        AS_IT_IS[0],
        planned("R3", "L1", at(0, "16:00"), 4.0, position=1),
        planned("R2", "L1", at(0, "14:30"), position=2, start_at=at(0, "20:00")),
    ]
    approved(folded, option("Q", "resequence", resequenced), option_id="Q")
    command(folded, "proposal_commit", at(0, "08:02"), option_id="Q")
    for change in changes(folded):
        answer(folded, change, at(0, "08:03"))

    assert ["R1", "R3", "R2"] == [run.run_id for run in folded.twin.model.lines["S1", "L1"].queued()]


# Two sites


def two_sites() -> Folded:
    """Line L9 of site S2 can make what R2 makes."""
    shifts = [{"weekday": day, "start": "06:00", "end": "22:00"} for day in range(5)]
    said = at(0, "00:00")
    folded = two_lines(
        event("site_upserted", said, site_id="S2", name="Other"),
        event("calendar_upserted", said, site_id="S2", calendar_id="two-shifts", shifts=shifts),
        event("line_upserted", said, site_id="S2", line_id="L9", calendar_id="two-shifts"),
        event("item_upserted", said, site_id="S2", item_id="red", setup_family="red"),
        event("routing_upserted", said, site_id="S2", item_id="red", steps=[{"step": 1, "line_id": "L9", "rate_pcs_per_h": 200.0}]),
        event("transfer_lane_upserted", said, site_id="S2", to_site_id="S1", transfer_min=120.0),
    )  # fmt: skip
    request = ask(folded, lines=("S1/L1", "S2/L9"))
    away = planned("R2", "L9", at(0, "10:00"), line_site_id="S2", end_at=at(0, "14:00"))
    folded.tell(proposal(request, 1, hold(), option("A", "other_site", [AS_IT_IS[0], away, AS_IT_IS[2]])))
    command(folded, "proposal_approve", at(0, "08:01"), option_id="A")
    command(folded, "proposal_commit", at(0, "08:02"), option_id="A")
    return folded


def test_a_transfer_is_planned_on_the_receiving_site_before_the_giving_site_is_released() -> None:
    folded = two_sites()
    [first] = changes(folded)
    assert ("S2", "plan_run", "R2", "L9", "S1") == (
        first.site_id,
        first.action,
        first.run_id,
        first.line_id,
        first.order_site_id,
    )
    assert [("S2", "sent"), ("S1", "held_back")] == [
        (each.site_id, each.outcome) for each in state(folded).changes
    ]
    answer(folded, first, at(0, "08:03"))
    assert {"R2"} == set(folded.twin.model.lines["S2", "L9"].runs)
    assert "R2" in folded.twin.model.lines["S1", "L1"].runs, "not released before it is acknowledged"
    second = changes(folded)[1]
    assert ("S1", "cancel_run", "R2") == (second.site_id, second.action, second.run_id)
    answer(folded, second, at(0, "08:04"))
    folded.tick(at(0, "08:05"))

    assert "committed" == state(folded).state
    assert {("S2", "R2"): 800.0} == folded.twin.model.pegged["S1", "2"]
    assert 200.0 == folded.twin.model.runs["S2", "R2"].rate_pcs_per_h
    assert ["R1", "R3"] == [each.run_id for each in state(folded, "committed/S1").runs]
    assert ["R2"] == [each.run_id for each in state(folded, "committed/S2").runs]


def test_a_transfer_that_the_receiving_site_refuses_keeps_the_giving_site_as_it_is() -> None:
    folded = two_sites()
    answer(folded, changes(folded)[0], at(0, "08:03"), "rejected", reason="no crew")

    assert 1 == len(changes(folded))
    assert ("commit_failed", [("rejected", "no crew"), ("rejected", "not sent: what it makes room for was refused")]) == (
        state(folded).state,
        [(each.outcome, each.reason) for each in state(folded).changes],
    )  # fmt: skip
    assert "R2" in folded.twin.model.lines["S1", "L1"].runs


def test_a_giving_site_that_has_begun_meanwhile_is_told_as_made_twice() -> None:
    folded = two_sites()
    answer(folded, changes(folded)[0], at(0, "08:03"))
    folded.tell(event("setup_started", at(0, "08:03"), line_id="L1", run_id="R2"))
    answer(folded, changes(folded)[1], at(0, "08:04"))

    assert (
        "partially_committed",
        ("rejected", "it is setup on L1: what took it over is made twice"),
    ) == (state(folded).state, (state(folded).changes[1].outcome, state(folded).changes[1].reason))
    assert "R2" in folded.twin.model.lines["S1", "L1"].runs


def test_the_committed_plan_says_what_each_run_is_for_and_the_setup_before_it() -> None:
    more = [
        order("4", at(2, "12:00"), quantity=400.0, item_id="blue"),
        run("R4", "L1", at(1, "11:30"), at(1, "15:30"), quantity=400.0, pegs=["4"], item_id="blue"),
    ]
    plan = state(two_lines(*more), "committed/S1")

    assert [
        ("R1", 0.0, ["S1/1"]),
        ("R2", 0.0, ["S1/2"]),
        ("R3", 0.0, ["S1/3"]),
        ("R4", 1800.0, ["S1/4"]),
    ] == [(each.run_id, each.setup_s, each.order_ids) for each in plan.runs]
