"""From the model to what is projected of a line and of an order. Answers from scratch, remembers nothing."""

from dataclasses import dataclass

from msgspec import structs

from twin.forecast.assessment import Assessment, Ready, assess, penalty_rate, ready_of
from twin.forecast.experience import Habits
from twin.forecast.projection import ProjectedRun, QueuedRun, project_queue
from twin.shopfloor.downtime import expected_end, stopped_run
from twin.shopfloor.drift import DriftPhase
from twin.state.entities import Line, Order, Run
from twin.state.model import Model
from twin.state.runs import STOPPED, RunState
from twin.state.transfers import transfer_to

LONG_AGO_S = 30 * 86_400.0
"""Longer than any setup."""

YIELD_PRIOR_PCS = 200.0
"""Pieces of expected yield that a run's own yield is blended with. Smaller: one early reject moves a forecast."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a line's projection is worked out from.

    Attributes:
        items: its queue; known_at: the last moment of which its progress is known.
        minute: the clock in whole minutes: a waiting line would otherwise move with every tick.
        habits: what usually happens to it.
    """

    items: list[QueuedRun]
    known_at: float
    minute: float
    habits: Habits


def reading_of(line: Line, model: Model, now: float) -> Reading:
    """The line as projections read it."""
    queue = line.queued()
    minute = now - now % 60.0
    habits = model.experience_of(line.site_id).of(line.line_id)
    if line.drift.phase is not DriftPhase.DRIFTING:
        habits = structs.replace(habits, drift_ends_per_s=0.0)
    marked = line.state.marked_at
    if not queue:
        return Reading([], minute - LONG_AGO_S if marked is None else marked, minute, habits)
    down = stopped_run(line)
    stopped_until = queue[0].progress.stopped_until if down is None else expected_end(line, minute).at
    # A line never heard of is taken to have been free for long: it begins as planned.
    known_at = queue[0].planned_start - LONG_AGO_S if marked is None else marked
    return Reading(_items(line, model, queue, stopped_until), known_at, minute, habits)


def project_line(line: Line, model: Model, now: float) -> dict[str, ProjectedRun]:
    """The line's queue as projected now, by run, in queue order. Answers from scratch, remembers nothing."""
    if not line.queued():
        return {}
    read = reading_of(line, model, now)
    gates = model.supply.gates_of(line.site_id)
    projected = project_queue(
        read.items, line.calendar, line.state.pace, read.known_at, read.minute, read.habits, gates
    )
    return {each.run_id: each for each in projected}


def depends_on_clock(line: Line, now: float) -> bool:
    """Whether the line's projection moves although nothing happens: something should go on and does not.

    While nobody works it does not move either, unless a moment passes that something was to begin or go on at.
    """
    for index, run in enumerate(line.queued()):
        state = run.progress.state
        if state in STOPPED or state is RunState.SETUP:
            return _has_passed(line, run.progress.stopped_until, now)
        if state is RunState.PLANNED:  # those that have begun stand before those that have not
            return index == 0 and run.planned_start < now and _has_passed(line, run.planned_start, now)
    return False


def _has_passed(line: Line, moment: float | None, now: float) -> bool:
    """Whether working time, or the moment, has passed since the line was evaluated."""
    before = line.state.evaluated_at
    if before <= 0.0 or (moment is not None and before - 60.0 <= moment <= now):
        return True
    return line.calendar.work_between(before - before % 60.0, now) > 0.0


def ready_run(order: Order, model: Model) -> Ready | None:
    """The run that decides when the order is ready; None where nothing is planned for it."""
    return ready_of(model.runs_of(order), lambda run: transfer_to(model.plant, run, order))


def assess_order(order: Order, model: Model) -> Assessment | None:
    """The order as its runs are projected; None without runs, or where it is never ready."""
    ready = ready_run(order, model)
    if ready is None:
        return None
    event = order.event
    route = None if event.route_id is None else model.plant.route(order.site_id, event.route_id)
    customer = model.plant.customer(order.site_id, event.customer_id)
    agreed = model.plant.agreed_penalty(order.site_id, event.customer_id)
    experience = model.experience_of(ready.line.site_id)
    return assess(order, ready, route, penalty_rate(order, customer, agreed), experience)


def yield_ratio(line: Line, run: Run) -> float:
    """The yield of a run on a line over the expected one, which is inside the planned rate."""
    return max(0.01, expected_yield_of(line, run) / run.expected_yield)


def setup_s(line: Line, model: Model, run: Run, family: str | None) -> float:
    """Work of setting a line up for a run after a family, in seconds."""
    if run.plan.setup_min is not None:
        return run.plan.setup_min * 60.0
    return model.plant.setup_s(run.site_id, line.line_id, family, model.family_of(run))


def _items(line: Line, model: Model, queue: list[Run], stopped_until: float | None) -> list[QueuedRun]:
    """The queue as projections read it, kept on the line: by themselves change only runs that have begun or are fed."""
    if line.quality.risen:
        line.items = None  # a raised share of bad pieces concerns runs that wait, too
    kept = line.items
    if kept is None:
        items: list[QueuedRun] = []
        family = line.state.family
        for index, run in enumerate(queue):
            items.append(
                _queued_run(
                    line, model, run, setup_s(line, model, run, family), stopped_until if index == 0 else None
                )
            )
            family = model.family_of(run) or family
    else:
        items = [
            item
            if run.progress.state is RunState.PLANNED and not model.feeders.get((run.site_id, run.run_id))
            else _anew(item, line, model, run, stopped_until if index == 0 else None)
            for index, (run, item) in enumerate(zip(queue, kept, strict=True))
        ]
    line.items = None if line.quality.risen else items
    return items


def _anew(item: QueuedRun, line: Line, model: Model, run: Run, stopped_until: float | None) -> QueuedRun:
    """The item of a run that has begun or is fed; the one before where nothing about it moved."""
    if run.progress.state is RunState.PLANNED:
        feed = _feed(model, run)
        if feed is not None and feed is item.feed:
            return item
    return _queued_run(line, model, run, item.setup_s, stopped_until)


def _feed(model: Model, run: Run) -> ProjectedRun | None:
    """The run that ends last of those that feed this one, as projected."""
    last: ProjectedRun | None = None
    for feeder_key in sorted(model.feeders.get((run.site_id, run.run_id), ())):
        feeder = model.runs.get(feeder_key)
        if feeder is None or feeder.is_finished:
            continue
        projected = model.line_of_run[feeder_key].projected.get(feeder.run_id)
        if projected is not None and (last is None or projected.finish_at > last.finish_at):
            last = projected
    return last


def _queued_run(
    line: Line, model: Model, run: Run, setup_work_s: float, stopped_until: float | None
) -> QueuedRun:
    plan, progress = run.plan, run.progress
    earliest = run.planned_start
    if plan.release_at is not None:
        earliest = max(earliest, plan.release_at.timestamp())
    feed = _feed(model, run)
    is_first = line.queued()[0] is run
    return QueuedRun(
        run_id=run.run_id,
        state=progress.state,
        remaining_pcs=run.remaining_pcs,
        rate_pcs_per_h=run.rate_pcs_per_h * yield_ratio(line, run),
        setup_s=setup_work_s,
        setup_since=progress.setup_since,
        stopped_until=stopped_until,
        earliest_start=earliest,
        fed_at=None if feed is None else feed.finish_at,
        fed_by=None if feed is None else feed.run_id,
        fed_work_var=0.0 if feed is None else feed.sd_work_s**2,
        fed_at_risk=() if feed is None else feed.at_risk,
        fed_open_stop=None if feed is None else feed.open_stop,
        feed=feed,
        stopped_since=progress.state_since if is_first and progress.state in STOPPED else None,
        is_end_said=progress.stopped_until is not None and progress.stopped_until == stopped_until,
    )


def expected_yield_of(line: Line, run: Run) -> float:
    """Share of good pieces among those that the run still makes: scrap is inside the good rate, once.

    While more is bad than before, the share since that change; else the run's own, blended with the expected one.
    """
    raised = line.quality.shifted_yield(run.plan.item_id)
    if raised is not None:
        return raised
    made, good = run.progress.made_pcs, run.progress.good_pcs
    return (good + YIELD_PRIOR_PCS * run.expected_yield) / (made + YIELD_PRIOR_PCS)
