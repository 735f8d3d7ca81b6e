"""A scheduling problem from the live model: all that a plan is judged by, and nothing else. Answers from scratch.

Law: the plan as it stands, evaluated from the problem alone, gives what the twin projects (schemas/scheduling.py says by
which arithmetic). So everything here is read from where projections read it, and nothing is worked out a second way.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import inf

from schemas import Lock, SchedulingOrder, SchedulingProblem, SchedulingRun
from twin.forecast.lookahead import reading_of
from twin.replan.problem_lines import scheduling_line, setup_matrices
from twin.replan.problem_orders import scheduling_order
from twin.replan.problem_runs import HOUR_S, scheduling_runs
from twin.state.entities import Line, Order, Run, SiteKey
from twin.state.model import Model
from twin.state.runs import RunState

DAY_S = 86_400.0

QUEUE_DAYS = 90.0
"""Runs planned to start later than this are left out, and so is their line's queue from there on. Fewer: moves push
what nobody sees; more: problems grow."""

SLACK_DAYS = 7.0
"""Time after the last projected end, and after the last promise, that a problem still tells working time and trucks of.
Less: what is moved to a full line has no time there; more: longer lists."""

STRETCH = 0.5
"""And this share of the time until that end: a line may get work of others."""

LEAST_DAYS, MOST_DAYS = 14.0, 200.0
"""Bounds of the time that a problem tells of."""


def build_problem(
    model: Model,
    now: float,
    lines: Sequence[SiteKey],
    *,
    problem_id: str,
    hit: Collection[SiteKey] = (),
    added: Sequence[SchedulingRun] = (),
    added_orders: Sequence[SchedulingOrder] = (),
    locks: Mapping[SiteKey, Lock] | None = None,
    site_id: str | None = None,
) -> SchedulingProblem:
    """A self-contained problem.

    Args:
        model: the live model, evaluated: projections are up to date.
        now: the shard's clock.
        lines: lines that may be used, as scope_of gives them.
        problem_id: its id.
        hit: lines that what happened concerns.
        added: runs that nobody has planned yet (see twin/replan/candidates.py).
        added_orders: orders that do not exist yet, as a quote's.
        locks: planners' pins, by (site_id, run_id).
        site_id: whose rules set goal and thresholds, and whose money it is; None: the first line's.

    Raises:
        KeyError: a line is not known.
    """
    assert lines, "a problem is about at least one line"
    among = {key: model.lines[key] for key in lines}
    reads = {key: reading_of(line, model, now) for key, line in among.items()}
    as_of = now - now % 60.0
    queues = {key: _in_time(line.queued(), as_of) for key, line in among.items()}
    inside: dict[SiteKey, Run] = {
        (run.site_id, run.run_id): run for queue in queues.values() for run in queue
    }
    orders = _orders(model, inside.values(), added)
    horizon_end = _horizon_end(among.values(), queues, orders, added, added_orders, as_of)
    runs = [
        each
        for key, line in among.items()
        for each in scheduling_runs(model, line, reads[key], queues[key], among, inside, locks or {})
    ]
    site_id = lines[0][0] if site_id is None else site_id
    rules = model.plant.rules(site_id)
    may_make = _may_make(added, among)
    known = (
        scheduling_order(
            model, order, inside, as_of, horizon_end, may_make.get((order.site_id, order.order_id))
        )
        for order in orders
    )
    families = {run.family for run in [*runs, *added]} | {line.state.family for line in among.values()}
    return SchedulingProblem(
        problem_id=problem_id,
        as_of=as_of,
        horizon_end=horizon_end,
        frozen_until=as_of + rules.plan_frozen_h * HOUR_S,
        currency=model.plant.currency(site_id),
        zone=model.plant.zone(site_id).key,
        goal=rules.plan_goal,
        min_gain=rules.replan_min_gain,
        move_cost=rules.replan_move_cost,
        lines=[
            scheduling_line(
                model, line, reads[key], _begins(runs, key, as_of), horizon_end, is_hit=key in hit
            )
            for key, line in among.items()
        ],
        setups=setup_matrices(model, among, [each for each in families if each is not None]),
        runs=[*runs, *(_within(each, among) for each in added)],
        orders=[*(each for each in known if each is not None), *added_orders],
    )


def _in_time(queue: Sequence[Run], as_of: float) -> list[Run]:
    """A queue up to the first run that is planned beyond the problem's time and has not begun."""
    kept: list[Run] = []
    for run in queue:
        if run.progress.state is RunState.PLANNED and run.planned_start > as_of + QUEUE_DAYS * DAY_S:
            break
        kept.append(run)
    return kept


def _orders(model: Model, runs: Iterable[Run], added: Iterable[SchedulingRun]) -> list[Order]:
    """Open orders that runs of the problem are for, by site and id."""
    keys = {key for run in runs for key in run.order_keys}
    keys |= {(peg.site_id, peg.order_id) for run in added for peg in run.pegs}
    return [model.orders[key] for key in sorted(keys) if key in model.orders and model.orders[key].is_open]


def _may_make(added: Iterable[SchedulingRun], among: Mapping[SiteKey, Line]) -> dict[tuple[str, str], Line]:
    """Of orders that added runs are for, the first line of the problem that can make one."""
    lines: dict[tuple[str, str], Line] = {}
    for run in added:
        line = next(
            (
                among[each.site_id, each.line_id]
                for each in run.eligible
                if (each.site_id, each.line_id) in among
            ),
            None,
        )
        if line is not None:
            for peg in run.pegs:
                lines.setdefault((peg.site_id, peg.order_id), line)
    return lines


def _horizon_end(
    lines: Iterable[Line],
    queues: Mapping[SiteKey, Sequence[Run]],
    orders: Iterable[Order],
    added: Sequence[SchedulingRun],
    added_orders: Sequence[SchedulingOrder],
    as_of: float,
) -> float:
    """Until when working time and trucks are told: the queues and promises, what is added, and slack; whole minutes."""
    last = as_of
    for line in lines:
        for run in queues[line.site_id, line.line_id]:
            projected = line.projected.get(run.run_id)
            if projected is not None and projected.finish_at < inf:
                last = max(last, projected.finish_at)
    last = max([last, *(order.promised for order in orders), *(order.promised for order in added_orders)])
    for new in added:
        slowest = min((each.rate_pcs_per_h for each in new.eligible), default=inf)
        last += new.remaining_pcs / slowest * HOUR_S
    reach_s = (last - as_of) * (1.0 + STRETCH) + SLACK_DAYS * DAY_S
    reach_s = min(max(reach_s, LEAST_DAYS * DAY_S), MOST_DAYS * DAY_S)
    return float(int((as_of + reach_s) // 60.0) * 60)


def _begins(runs: Iterable[SchedulingRun], key: SiteKey, as_of: float) -> float:
    """The earliest moment of which a line's working time is asked."""
    pieces = [
        run.next_piece_at
        for run in runs
        if (run.site_id, run.line_id) == key and run.next_piece_at is not None
    ]
    return min([as_of, *pieces])


def _within(run: SchedulingRun, among: Mapping[SiteKey, Line]) -> SchedulingRun:
    """An added run, on lines of the problem only."""
    eligible = [each for each in run.eligible if (each.site_id, each.line_id) in among]
    return run if len(eligible) == len(run.eligible) else run.model_copy(update={"eligible": eligible})
