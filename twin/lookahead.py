"""From the model to what is projected of a line and of an order. Answers from scratch, remembers nothing."""

from twin.assessment import Assessment, assess, penalty_rate, ready_of
from twin.entities import Line, Order, Run
from twin.model import Model
from twin.projection import ProjectedRun, QueuedRun, project_queue
from twin.runs import STOPPED, RunState

LONG_AGO_S = 30 * 86_400.0
"""Longer than any setup."""

YIELD_PRIOR_PCS = 200.0
"""Pieces of expected yield that a run's own yield is blended with. Smaller: one early reject moves a forecast."""


def project_line(line: Line, model: Model, now: float) -> dict[str, ProjectedRun]:
    """The line's queue as projected now, by run, in queue order. Answers from scratch, remembers nothing."""
    queue = line.queued()
    if not queue:
        return {}
    marked = line.state.marked_at
    # A line never heard of is taken to have been free for long: it begins as planned.
    known_at = queue[0].planned_start - LONG_AGO_S if marked is None else marked
    items = _items(line, model, queue)
    # Whole minutes: a waiting line would otherwise move with every tick of the clock.
    minute = now - now % 60.0
    return {
        each.run_id: each for each in project_queue(items, line.calendar, line.state.pace, known_at, minute)
    }


def depends_on_clock(line: Line, now: float) -> bool:
    """Whether the line's projection moves although nothing happens: something should go on and does not."""
    for index, run in enumerate(line.queued()):
        state = run.progress.state
        if state in STOPPED or state is RunState.SETUP:
            return True
        if state is RunState.PLANNED:  # those that have begun stand before those that have not
            return index == 0 and run.planned_start < now
    return False


def assess_order(order: Order, model: Model) -> Assessment | None:
    """The order as its runs are projected; None without runs, or where it is never ready."""
    ready = ready_of(model.runs_of(order))
    if ready is None:
        return None
    event = order.event
    route = None if event.route_id is None else model.plant.route(order.site_id, event.route_id)
    customer = model.plant.customer(order.site_id, event.customer_id)
    agreed = model.plant.agreed_penalty(order.site_id, event.customer_id)
    return assess(order, ready, route, penalty_rate(order, customer, agreed))


def _items(line: Line, model: Model, queue: list[Run]) -> list[QueuedRun]:
    """The queue as projections read it, kept on the line: by themselves change only runs that have begun or are fed."""
    kept = line.items
    if kept is None:
        items: list[QueuedRun] = []
        family = line.state.family
        for index, run in enumerate(queue):
            items.append(
                _queued_run(line, model, run, _setup_s(line, model, run, family), is_first=index == 0)
            )
            family = model.family_of(run) or family
    else:
        items = [
            item
            if run.progress.state is RunState.PLANNED and not model.feeders.get((run.site_id, run.run_id))
            else _anew(item, line, model, run, is_first=index == 0)
            for index, (run, item) in enumerate(zip(queue, kept, strict=True))
        ]
    line.items = items
    return items


def _anew(item: QueuedRun, line: Line, model: Model, run: Run, *, is_first: bool) -> QueuedRun:
    """The item of a run that has begun or is fed; the one before where nothing about it moved."""
    if run.progress.state is RunState.PLANNED and _feed(model, run) == (
        item.fed_at,
        item.fed_by,
        item.fed_work_var,
    ):
        return item
    return _queued_run(line, model, run, item.setup_s, is_first=is_first)


def _feed(model: Model, run: Run) -> tuple[float | None, str | None, float]:
    """Latest finish of the runs that feed this one, which of them, and its variance of work."""
    fed_at, fed_by, fed_var = None, None, 0.0
    for feeder_key in sorted(model.feeders.get((run.site_id, run.run_id), ())):
        feeder = model.runs.get(feeder_key)
        if feeder is None or feeder.is_finished:
            continue
        projected = model.line_of_run[feeder_key].projected.get(feeder.run_id)
        if projected is not None and (fed_at is None or projected.finish_at > fed_at):
            fed_at, fed_by, fed_var = projected.finish_at, feeder.run_id, projected.sd_work_s**2
    return fed_at, fed_by, fed_var


def _setup_s(line: Line, model: Model, run: Run, family: str | None) -> float:
    if run.plan.setup_min is not None:
        return run.plan.setup_min * 60.0
    return model.plant.setup_s(run.site_id, line.line_id, family, model.family_of(run))


def _queued_run(line: Line, model: Model, run: Run, setup_s: float, *, is_first: bool) -> QueuedRun:
    plan, progress = run.plan, run.progress
    earliest = run.planned_start
    if plan.release_at is not None:
        earliest = max(earliest, plan.release_at.timestamp())
    fed_at, fed_by, fed_var = _feed(model, run)
    return QueuedRun(
        run_id=run.run_id,
        state=progress.state,
        remaining_pcs=run.remaining_pcs,
        rate_pcs_per_h=run.rate_pcs_per_h * _yield_ratio(run),
        setup_s=setup_s,
        setup_since=progress.setup_since,
        stopped_until=progress.stopped_until if is_first else None,
        earliest_start=earliest,
        fed_at=fed_at,
        fed_by=fed_by,
        fed_work_var=fed_var,
    )


def _yield_ratio(run: Run) -> float:
    """The run's yield over the expected one: scrap is inside the good rate, once."""
    made, good = run.progress.made_pcs, run.progress.good_pcs
    shrunk = (good + YIELD_PRIOR_PCS * run.expected_yield) / (made + YIELD_PRIOR_PCS)
    return max(0.01, shrunk / run.expected_yield)
