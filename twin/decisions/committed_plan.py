"""The committed plan of each site: when it has changed, and what it says.

A change is another line, start or quantity of a planned run, a run more or less, or overtime that is ordered or not any
more. What the floor does is no change of the plan, and neither is the same plan said again.
"""

from collections.abc import Callable, Iterator
from typing import Any

from schemas import (
    Event,
    Output,
    OvertimeWindowUpserted,
    PlannedRun,
    PlanState,
    RunCancelled,
    RunPlanned,
    join_key,
    topics,
)
from twin.decisions.plan_book import SitePlan
from twin.decisions.plan_moves import moves_in_shift
from twin.decisions.planned import planned_as
from twin.decisions.proposals import Proposals
from twin.forecast.lookahead import setup_s
from twin.replan.problem_runs import LATEST_S, freeness_of
from twin.session import Session
from twin.state.entities import Line, Run, SiteKey
from twin.state.model import Model
from twin.state.runs import RunState
from twin.words import utc

MOST_RUNS = 2_000
"""Runs of a site in its published plan, the next to begin first. More, and the record is too large for the topic."""

Bought = tuple[float, float] | None
"""Committed overtime: start and end, POSIX seconds; None where the window is not bought."""


class CommittedPlan:
    """Watches the plan of each site, and publishes it.

    Args:
        session: shared with the twin's other handlers.
        proposals: that rest on the plan.
    """

    def __init__(self, session: Session, proposals: Proposals) -> None:
        self._session = session
        self._proposals = proposals
        self.cause: SiteKey | None = None
        """The proposal whose commit is being carried out; None: what comes is from outside."""

    def around(self, fold: Callable[[Any], None]) -> Callable[[Any], None]:
        """What folds an event, and sees whether the plan is another one then."""

        def watch(event: Event) -> None:
            model = self._session.model
            if isinstance(event, OvertimeWindowUpserted):
                bought = _bought(model, event)
                fold(event)
                if _bought(model, event) != bought:
                    model.plan_book.plan_changed(event.site_id, by_commit=self.cause is not None)
                return
            assert isinstance(event, RunPlanned | RunCancelled)
            key = (event.site_id, event.run_id)
            before = planned_as(model, key)
            fold(event)
            after = planned_as(model, key)
            if before == after:
                return
            model.plan_book.plan_changed(event.site_id, by_commit=self.cause is not None)
            if before is not None and after is not None:
                if after.is_like(before.line_id, before.start, before.quantity_pcs):
                    return
                what = f"Run {event.run_id} was planned anew on {after.line_id}"
            elif after is not None:
                what = f"Run {event.run_id} was planned on {after.line_id}"
            else:
                what = f"Run {event.run_id} was cancelled"
            self._proposals.plan_changed(key, after, what, self.cause)

        return watch

    def at_tick(self, now: float, *, is_new_minute: bool) -> None:
        """Publish the plans that have changed since they were last told.

        A plan is published whole. What a commit changed is told at once; an ERP that goes on planning, once a minute.
        """
        book = self._session.model.plan_book
        for site_id, plan in sorted(book.plans.items()):
            if plan.told != plan.revision and (is_new_minute or plan.is_urgent):
                plan.told, plan.is_urgent = plan.revision, False
                book.save_plan(site_id)
                self._publish(site_id, plan, now)

    def _publish(self, site_id: str, plan: SitePlan, now: float) -> None:
        model = self._session.model
        plan_id = f"committed/{site_id}"
        output_id = f"{self._session.cause}>{topics.PLANS}>{plan_id}/{plan.revision}"
        runs = [
            run
            for (site, _), line in sorted(model.lines.items())
            if site == site_id
            for run in _planned_runs(model, line, now)
        ]
        left_out = len(runs) - MOST_RUNS
        runs = sorted(runs, key=lambda run: (run.planned_start_at, run.run_id))[:MOST_RUNS]
        body = PlanState(
            output_id=output_id,
            plan_id=plan_id,
            site_id=site_id,
            revision=plan.revision,
            state="committed",
            say=f"{left_out} runs further away are left out." if left_out > 0 else "",
            runs=runs,
            as_of=utc(now),
        )
        self._session.outputs.append(Output(topics.PLANS, plan_id, body, output_id, utc(now).isoformat()))


def _bought(model: Model, event: OvertimeWindowUpserted) -> Bought:
    line = model.lines.get((event.site_id, event.line_id))
    for window in [] if line is None else line.overtime:
        if window.window_id == event.window_id and window.committed and not window.withdrawn:
            return window.start_at.timestamp(), window.end_at.timestamp()
    return None


def _planned_runs(model: Model, line: Line, now: float) -> Iterator[PlannedRun]:
    family = line.state.family
    for position, run in enumerate(line.queued()):
        has_begun = run.progress.state is not RunState.PLANNED
        yield _planned_run(
            model, line, run, position, now, 0.0 if has_begun else setup_s(line, model, run, family)
        )
        family = model.family_of(run) or family


def _planned_run(
    model: Model, line: Line, run: Run, position: int, now: float, setup_work_s: float
) -> PlannedRun:
    projected = line.projected.get(run.run_id)
    rules = model.plant.rules(run.site_id)
    start, end = run.planned_start, run.planned_end
    if projected is not None and projected.finish_at < LATEST_S:
        start, end = projected.start_at, projected.finish_at
    if run.progress.state is not RunState.PLANNED and run.progress.first_started_at is not None:
        start = run.progress.first_started_at
    return PlannedRun(
        site_id=run.site_id,
        run_id=run.run_id,
        line_id=line.line_id,
        position=position,
        planned_start_at=utc(run.planned_start),
        start_at=utc(start),
        end_at=utc(end),
        quantity_pcs=run.plan.quantity_pcs,
        status=freeness_of(line, run, rules, now, moves_in_shift(model, run, now)).freedom,
        setup_s=setup_work_s,
        order_ids=sorted(join_key(*key) for key in run.order_keys),
    )
