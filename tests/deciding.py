"""What a solver, a planner and an ERP would do next, from what a twin has said so far: for histories that are made up.

A decision is numbers alone until it is made; the same numbers on the same fold give the same events.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schemas import Event, PlannedRun, PlanOption, ReplanRequested, SchedulingRun, topics
from tests.folding import Folded, event
from tests.proposing import kpis, option, proposal
from twin.decisions.plan_book import ProposalLife
from twin.words import utc

COMMANDS = ("proposal_approve", "proposal_commit", "proposal_approve", "proposal_commit", "proposal_adjust", "proposal_reject")  # fmt: skip


WAITING = ("proposed", "adjusted", "approved", "committing", "partially_committed", "commit_failed")
"""States in which a planner can do something about a proposal."""


@dataclass(frozen=True)
class Decision:
    """Something that somebody decides.

    Attributes:
        what: answer (the solver's), command (a planner's) or acknowledge (ERP's).
        numbers: choose among what there is; identity: begins the ids of its events; when: it happens.
    """

    what: str
    numbers: tuple[int, int, int]
    identity: str
    when: datetime

    def events(self, folded: Folded) -> list[Event]:
        """What is said, seen what the twin has said; nothing where there is nothing to decide."""
        made = {"answer": self._answer, "command": self._command, "acknowledge": self._acknowledge}
        return made[self.what](folded)

    def _answer(self, folded: Folded) -> list[Event]:
        requests: list[ReplanRequested] = folded.on(topics.REPLAN_REQUESTS)
        if not requests:
            return []
        first, second, third = self.numbers
        request = requests[-1 - first % min(3, len(requests))]
        runs = request.problem.runs
        as_it_is = [_as_planned(run) for run in runs if run.line_id is not None]
        free = [run for run in runs if run.freedom not in ("started", "frozen")]
        options = [_option("hold", "hold", as_it_is)]
        if free:
            moved = free[second % len(free)]
            plan = [each for each in as_it_is if each.run_id != moved.run_id]
            line = moved.eligible[third % len(moved.eligible)]
            start = utc(request.problem.as_of + 3600.0 * (1 + third % 5))
            plan.append(_planned(moved, line.site_id, line.line_id, start))
            options.append(_option("A", "reroute", plan))
        answer = proposal(request, request.first_revision + third % 3, *options, is_final=third % 3 == 2)
        return [answer.model_copy(update={"event_id": self.identity})]

    def _command(self, folded: Folded) -> list[Event]:
        lives = [life for _, life in sorted(folded.twin.model.plan_book.lives.items())]
        if not lives:
            return []
        first, second, third = self.numbers
        waiting = [life for life in lives if life.state in WAITING] if second % 4 else []
        usual = waiting or lives
        life = usual[first % len(usual)]
        kind = COMMANDS[first % len(COMMANDS)] if second % 5 == 4 else _fitting(life)
        basis = folded.twin.model.plan_book.bases.get((life.site_id, life.proposal_id))
        run_id = basis.runs[third % len(basis.runs)].run_id if basis is not None and basis.runs else "R9"
        more: dict[str, dict[str, Any]] = {
            "proposal_approve": {"option_id": ("A", "A", "A", "hold")[third % 4]},
            "proposal_commit": {"option_id": life.option_id or "A"},
            "proposal_adjust": {"locks": [{"run_id": run_id, "not_before": self.when + timedelta(hours=2)}]},
            "proposal_reject": {"reason": "no"},
        }
        said = {
            "command_id": self.identity,
            "actor": ("sue", "bob")[third % 2],
            "proposal_id": life.proposal_id,
            "expected_revision": life.revision - (second % 7 == 6),
            **more[kind],
        }
        return [event(kind, self.when, self.identity, **said)]

    def _acknowledge(self, folded: Folded) -> list[Event]:
        changes = folded.on(topics.PLAN_CHANGES)
        if not changes:
            return []
        first, second, third = self.numbers
        change = changes[-1 - first % min(4, len(changes))]
        outcome = ("accepted", "accepted", "modified", "rejected")[second % 4]
        fields: dict[str, Any] = {"change_id": change.change_id, "outcome": outcome}
        if outcome == "modified":
            fields["planned_start_at"] = change.start_at + timedelta(hours=third % 3)
        return [event("plan_acknowledged", self.when, self.identity, site_id=change.site_id, **fields)]


def _fitting(life: ProposalLife) -> str:
    """What usually comes next."""
    return "proposal_approve" if life.state in ("draft", "proposed", "adjusted") else "proposal_commit"


def _as_planned(run: SchedulingRun) -> PlannedRun:
    assert run.planned_start is not None
    assert run.line_id is not None
    return _planned(run, run.site_id, run.line_id, utc(run.planned_start))


def _planned(run: SchedulingRun, line_site_id: str, line_id: str, start: datetime) -> PlannedRun:
    return PlannedRun(
        site_id=run.site_id,
        run_id=run.run_id,
        line_id=line_id,
        line_site_id=None if line_site_id == run.site_id else line_site_id,
        position=run.position or 0,
        planned_start_at=start,
        start_at=start,
        end_at=start + timedelta(hours=8),
        quantity_pcs=run.quantity_pcs,
        status=run.freedom,
    )


def _option(option_id: str, label: str, plan: list[PlannedRun]) -> PlanOption:
    return option(option_id, label, plan, kpis=kpis())
