"""What the solver promises is what the twin projects once it is committed: run by run, to the minute.

Each option of each answer is approved, committed and accepted on a twin of its own. The solver and the twin share no
code but the words on the wire: the plan goes through changes, answers and the fold before it is projected.
"""

import random
import time

import pytest

from schemas import Proposal, ReplanRequested, topics
from solvers.engine import solve
from tests.disrupted_plant import disrupted
from tests.folding import Folded, at
from tests.proposing import answer, changes, command, state

TOLERANCE_S = 60.0
"""Systems plan in minutes, and so does the solver."""


def answered(request: ReplanRequested) -> list[Proposal]:
    return [
        each for each in solve(request, clock=time.monotonic, cancelled=lambda: False) if each is not None
    ]


def told_again(folded: Folded) -> Folded:
    again = Folded()
    for facts in folded.records:
        again.fold(facts)
    return again


@pytest.mark.parametrize("seed", [0, 3, 7, 9])
def test_a_committed_option_is_projected_as_it_was_promised(seed: int) -> None:
    before = disrupted(seed)
    request = before.on(topics.REPLAN_REQUESTS)[-1]
    proposals = answered(request)
    # What a customer or a supplier must agree to first is shown, and not carried out.
    options = [option for option in proposals[-1].options if option.label != "hold" and option.feasible]
    assert options, "a line that stands for hours leaves something to decide"
    for option in options:
        folded = told_again(before)
        folded.tell(*proposals)
        assert [] == folded.rejections
        for kind in ("proposal_approve", "proposal_commit"):
            result = command(folded, kind, at(0, "06:31"), request.proposal_id, option_id=option.option_id)
            assert "accepted" == result.outcome, result.message
        number = 0
        while number < len(changes(folded)):  # an answer may release what was held back
            answer(folded, changes(folded)[number], at(0, "06:31"))
            number += 1
        folded.tick(at(0, "06:32"))

        assert "committed" == state(folded, request.proposal_id).state
        model = folded.twin.model
        promised: dict[tuple[str, str], list[str]] = {}
        for planned in sorted(option.plan, key=lambda each: each.position):
            line = (planned.line_site_id or planned.site_id, planned.line_id)
            promised.setdefault(line, []).append(planned.run_id)
            projected = model.lines[line].projected[planned.run_id]
            assert abs(projected.finish_at - planned.end_at.timestamp()) <= TOLERANCE_S, (
                f"{option.label}: {planned.run_id}"
            )
        assert promised == {line: [run.run_id for run in model.lines[line].queued()] for line in promised}
        for effect in option.per_order:
            ships = [
                body.ships_at
                for body in folded.on(topics.ORDER_PROJECTIONS)
                if (body.site_id, body.order_id) == (effect.site_id, effect.order_id)
            ][-1]
            assert effect.ships_after == ships, f"{option.label}: #{effect.order_id}"


def pieces_of_orders(folded: Folded) -> dict[tuple[str, str], float]:
    """Pieces that are planned for each order, on whatever site."""
    return {key: round(sum(pegs.values()), 6) for key, pegs in folded.twin.model.pegged.items()}


@pytest.mark.parametrize("seed", [0, 3, 7, 9])
def test_whatever_is_refused_no_order_loses_pieces(seed: int) -> None:
    """Each change is accepted or rejected at random: an order may be made twice in part, and never less than it was."""
    before = disrupted(seed)
    request = before.on(topics.REPLAN_REQUESTS)[-1]
    proposals = answered(request)
    planned = pieces_of_orders(before)
    rng = random.Random(seed)
    ends: set[str] = set()
    for option in [each for each in proposals[-1].options if each.label != "hold" and each.feasible]:
        for share_refused in (0.3, 0.7):
            folded = told_again(before)
            folded.tell(*proposals)
            for kind in ("proposal_approve", "proposal_commit"):
                command(folded, kind, at(0, "06:31"), request.proposal_id, option_id=option.option_id)
            number = 0
            while number < len(changes(folded)):
                outcome = "rejected" if rng.random() < share_refused else "accepted"
                answer(folded, changes(folded)[number], at(0, "06:31"), outcome)
                number += 1
            left = pieces_of_orders(folded)

            assert all(left[key] >= pieces for key, pieces in planned.items()), option.title
            ends.add(state(folded, request.proposal_id).state)
            if state(folded, request.proposal_id).state != "partially_committed":
                assert planned == left, option.title
    assert ends <= {"committed", "partially_committed", "commit_failed"}
    assert ends - {"committed"}, "refusals were tried"
