"""From the wire problem to the kernel's arrays, and back from its sequences to plans.

The arrays are a close picture, not the truth: ticks are whole minutes, rounded so that what fits in them fits on the
line; a drift that ends is spread over the line's queue; an order of several runs counts at each of them. The exact
evaluator has the last word on every plan that comes out.

Runs that feed others keep line and place (Problem.pinned), and runs that are fed start no earlier than their feeders
end under hold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, expm1, floor

import numpy as np

from schemas.scheduling import SchedulingOrder, SchedulingRun
from solvers.evaluator import Evaluated
from solvers.goals import GUIDE_SHARE, Weights
from solvers.instance import NO_OVERRIDE, NOT_ELIGIBLE, Instance, Sequences
from solvers.line_walk import pieces_of
from solvers.outcomes import DAY_S, days_if_missed, ships_at_of
from solvers.problem import Plan, Problem, RunKey
from solvers.working_time import first_part, united

TICK_S = 60.0
"""A minute. Coarser: gaps between short runs; finer: longer tables, nothing gained on a plan of days."""

CENTS = 100.0
"""Costs a unit of money: whole numbers that keep a cent."""

MOST_STEPS = 14
"""Departures or days after which only the guide goes on. Fewer: what is very late is not worth repairing any more."""

AFTER_HORIZON_S = 120 * DAY_S
"""Open time behind the horizon. Less: an overloaded line has plans without end."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """A problem as arrays.

    Attributes:
        keys: run of each task; task_of: the other way round.
        origin: POSIX seconds of tick 0.
    """

    problem: Problem
    plan: Plan
    instance: Instance
    keys: tuple[RunKey, ...]
    task_of: dict[RunKey, int]
    origin: float

    def sequences_of(self, plan: Plan) -> Sequences:
        """The plan's sequences as tasks; runs that must leave their line are left out."""
        leaving = self.problem.must_leave
        return [
            [
                self.task_of[key]
                for key in sequence
                if not (key in leaving and self.instance.work[line, self.task_of[key]] < 0)
            ]
            for line, sequence in enumerate(plan.sequences)
        ]

    def plan_of(self, sequences: Sequence[Sequence[int]]) -> Plan:
        """A plan with these sequences, every run that may move as early as it can be."""
        problem = self.problem
        keys = tuple(tuple(self.keys[task] for task in sequence) for sequence in sequences)
        return Plan(keys, pinned_starts(problem), self.plan.overtime, self.plan.splits)


def pinned_starts(problem: Problem) -> dict[RunKey, float]:
    """Planned starts of the runs that keep their place: those that no plan may bring forward."""
    starts: dict[RunKey, float] = {}
    for head in problem.heads:
        for key in head:
            run = problem.runs[key]
            if run.state == "planned" and run.planned_start is not None:
                starts[key] = run.planned_start
    return starts


def compile_problem(hold: Evaluated, plan: Plan, weights: Weights, *, lines_stay: bool = False) -> Compiled:
    """The arrays for a search over sequences.

    Args:
        hold: the committed plan, evaluated: what drifts and feeders come to.
        plan: whose overtime and splits hold.
        weights: what costs how much.
        lines_stay: runs that are on a line of the plan stay on it.
    """
    problem = hold.problem
    line_of = plan.line_of() if lines_stay else {}
    wire = problem.wire
    keys = (*problem.runs, *plan.splits)
    task_of = {key: task for task, key in enumerate(keys)}
    runs = [problem.run_of(key, plan) for key in keys]
    moments = [run.next_piece_at for run in runs if run.next_piece_at is not None]
    m, n = len(wire.lines), len(keys)
    free_from = [_free_from(problem, line) for line in range(m)]
    origin = floor(min([wire.as_of, *moments, *free_from]) / TICK_S) * TICK_S

    def later(moment: float) -> int:
        return max(0, ceil((moment - origin) / TICK_S - 1e-6))

    work = np.full((m, n), NOT_ELIGIBLE, np.int64)
    tail = np.zeros((m, n), np.int64)
    line_cost = np.zeros((m, n), np.int64)
    pace = [_pace(hold, line) for line in range(m)]
    for task, (key, run) in enumerate(zip(keys, runs, strict=True)):
        own = (run.site_id, run.run_id)
        home = problem.committed_line.get(own)
        pieces = pieces_of(problem, plan, key)
        for line, eligible in problem.eligible[own].items():
            if not _may_be_on(problem, key, run, line, plan) or line_of.get(key, line) != line:
                continue
            work[line, task] = max(1, ceil(pieces / eligible.rate_pcs_per_h * 3600.0 * pace[line] / TICK_S))
            if any(peg.site_id != eligible.site_id for peg in run.pegs):
                tail[line, task] = ceil(eligible.transfer_s / TICK_S)
            money = weights.transfer * eligible.transfer_cost
            if run.remaining_pcs > 0:
                money *= pieces / run.remaining_pcs
            money += weights.move if home is not None and line != home and key not in plan.splits else 0.0
            line_cost[line, task] = round(money * CENTS)
    families = sorted({run.family for run in runs if run.family is not None})
    family_of = {family: index for index, family in enumerate(families)}
    setup, setup_cost = _setups(problem, families)
    step_ptr, step_at, step_cost, due, weight = _lateness(hold, plan, runs, keys, weights, origin)
    span_ptr, span_start, span_end = _spans(problem, plan, origin)
    fixed = [[task_of[key] for key in head] for head in problem.heads]
    instance = Instance.build(
        work,
        family=[len(families) if run.family is None else family_of[run.family] for run in runs],
        setup=setup,
        setup_cost=np.rint(setup_cost * weights.setup_money * CENTS).astype(np.int64),
        initial_family=[
            len(families) + 1 if line.family is None else family_of.get(line.family, len(families) + 1)
            for line in wire.lines
        ],
        task_setup=[_own_setup(key, run, plan) for key, run in zip(keys, runs, strict=True)],
        available=[later(moment) for moment in free_from],
        release=[later(_release(hold, plan, key, run)) for key, run in zip(keys, runs, strict=True)],
        span_ptr=span_ptr,
        span_start=span_start,
        span_end=span_end,
        due=due,
        weight=weight,
        step_ptr=step_ptr,
        step_at=step_at,
        step_cost=step_cost,
        tail=tail,
        line_cost=line_cost,
        setup_weight=round(weights.setup_min * CENTS),
        fixed_ptr=np.cumsum([0, *(len(tasks) for tasks in fixed)]),
        fixed_task=np.array([task for tasks in fixed for task in tasks], np.int64),
    )
    return Compiled(problem, plan, instance, keys, task_of, origin)


def _may_be_on(problem: Problem, key: RunKey, run: SchedulingRun, line: int, plan: Plan) -> bool:
    """Whether a plan may have a run on a line that can make it."""
    own = (run.site_id, run.run_id)
    home = problem.committed_line.get(own)
    if own in problem.must_leave:
        return line != home
    if key in plan.splits:
        return True
    stays = run.freedom != "free" or key in problem.fed
    return not stays or line == home


def _pace(hold: Evaluated, line: int) -> float:
    """Working time over planned work: level, short stops, and a drift that ends spread evenly over the queue."""
    facts = hold.problem.lines[line]
    factor = 1.0 / facts.level
    rate = facts.drift_ends_per_s
    if rate > 0.0:
        # A line without a queue yet gets some before its drift ends: a week's work of one shift.
        full_s = 40 * 3600.0
        queue = hold.lines[line].keys
        if queue:
            eligible = hold.problem.eligible
            full_s = sum(
                pieces_of(hold.problem, hold.plan, key) / eligible[key][line].rate_pcs_per_h * 3600.0
                for key in queue
            ) / facts.level  # fmt: skip
        if full_s > 0.0:
            lasting_s = -expm1(-rate * full_s) / rate
            factor *= 1.0 - (1.0 - facts.level) * (1.0 - lasting_s / full_s)
    return factor * (1.0 + facts.short_share)


def _setups(problem: Problem, families: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Ticks and money by line, family before, family after.

    One family more stands for runs without one, which need no setup; behind them the mean is needed, or a search would
    put them wherever it wants to save one. The last row is a line of which nothing is known.
    """
    m, count = len(problem.lines), len(families) + 1
    ticks = np.zeros((m, count + 1, count), np.int64)
    money = np.zeros((m, count + 1, count))
    of_matrix: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for line, facts in enumerate(problem.lines):
        if facts.setup_id is None:
            continue
        if facts.setup_id not in of_matrix:
            seconds = np.zeros((count + 1, count))
            costs = np.zeros((count + 1, count))
            for row, before in enumerate(families):
                for column, after in enumerate(families):
                    found = problem.setup_of_families(line, before, after)
                    seconds[row, column], costs[row, column] = found
            if families:
                # Behind a run without a family the line is still set up for the one before: which, arrays cannot know.
                seconds[-2, :-1] = seconds[: len(families), :-1].mean(axis=0)
                costs[-2, :-1] = costs[: len(families), :-1].mean(axis=0)
            of_matrix[facts.setup_id] = np.ceil(seconds / TICK_S - 1e-6).astype(np.int64), costs
        ticks[line], money[line] = of_matrix[facts.setup_id]
    return ticks, money


def _own_setup(key: RunKey, run: SchedulingRun, plan: Plan) -> int:
    if run.state != "planned" and key not in plan.splits:
        return 0
    return NO_OVERRIDE if run.setup_s is None else ceil(run.setup_s / TICK_S - 1e-6)


def _free_from(problem: Problem, line: int) -> float:
    """From when a line can be set up: what is planned first and keeps its place was planned with its setup."""
    facts, queue = problem.lines[line], problem.heads[line]
    if queue and queue[0] == problem.committed[line][0]:
        head = problem.runs[queue[0]]
        moments = [head.planned_start, head.release_at, head.not_before]
        if max(moment for moment in [0.0, *moments] if moment is not None) >= problem.wire.as_of:
            return facts.free_from
    return max(facts.free_from, problem.wire.as_of)


def _release(hold: Evaluated, plan: Plan, key: RunKey, run: SchedulingRun) -> float:
    """Before when a run does not start: plan where it is pinned, material, lock, feeders, gates where they bind."""
    problem = hold.problem
    own = (run.site_id, run.run_id)
    if run.state != "planned" and key not in plan.splits:
        return run.next_piece_at or problem.wire.as_of
    moments = [problem.wire.as_of, run.release_at, run.not_before, run.fed_at]
    home = problem.committed_line.get(own)
    if home is not None and key in problem.heads[home]:
        moments.append(run.planned_start)
    moments += [hold.end.get(feeder) for feeder in problem.feeders.get(own, ())]
    line = home if home is not None else next(iter(problem.eligible[own]))
    calendar = problem.working_time(line, plan)
    rate_s = 3600.0 / problem.eligible[own][line].rate_pcs_per_h / problem.lines[line].level
    pieces = pieces_of(problem, plan, key)
    known = [moment for moment in moments if moment is not None]
    for gate in run.gates:
        ends = calendar.add_work(gate.at, min(pieces, gate.after_pcs) * rate_s)
        known.append(calendar.subtract_work(ends, pieces * rate_s))
    return max(known)


def _lateness(
    hold: Evaluated,
    plan: Plan,
    runs: Sequence[SchedulingRun],
    keys: Sequence[RunKey],
    weights: Weights,
    origin: float,
) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    """What being late costs each task: a step a started day or missed truck, and a slope as a guide."""
    problem = hold.problem
    ptr, at, cost, due, weight = [0], [], [], [], []
    for run in runs:
        mine: list[tuple[float, float]] = []
        first, slope = float("inf"), 0.0
        for peg in run.pegs:
            order_key = (peg.site_id, peg.order_id)
            order = problem.orders.get(order_key)
            if order is None:
                continue
            day = weights.day_late(order)
            steps = problem.memory.get((order_key, day))
            if steps is None:
                steps = problem.memory[order_key, day] = list(_steps(hold, order_key, order, day))
            mine += steps
            first = min(first, order.on_time_slot - order.loading_s)
            slope += day * GUIDE_SHARE / (DAY_S / TICK_S)
        mine.sort()
        for moment, money in mine:
            at.append(floor((moment - origin) / TICK_S + 1e-6))
            cost.append(round(money * CENTS))
        ptr.append(len(at))
        due.append(0 if first == float("inf") else floor((first - origin) / TICK_S + 1e-6))
        weight.append(0 if first == float("inf") else max(1, round(slope * CENTS)))
    return ptr, at, cost, due, weight


def _steps(
    hold: Evaluated, order_key: tuple[str, str], order: SchedulingOrder, day: float
) -> Iterable[tuple[float, float]]:
    """Moments after which an order that gets ready costs more, and how much more."""
    if day <= 0.0:
        return
    # What cannot come earlier whatever is planned costs nothing here: it is lost already.
    in_time = order.on_time_slot - order.loading_s
    lost = -float("inf") if order.ready_elsewhere is None else order.ready_elsewhere
    for key in hold.problem.runs_of[order_key]:
        run = hold.problem.runs[key]
        if run.freedom == "started" and key in hold.end:
            lost = max(lost, hold.end[key])
    # A share of the first step comes before it: what is just in time may be late all the same.
    paid = 0.0
    if order.misses and lost <= in_time:
        missed = days_if_missed(order)
        for moment, probability in order.misses:
            if moment > lost:
                yield moment, day * missed * probability - paid
            paid = day * missed * probability
    if order.departures is None:
        first = max(0, ceil((lost - order.promised) / DAY_S)) if lost > order.promised else 0
        for number in range(first, first + MOST_STEPS):
            yield order.promised + number * DAY_S, day - paid
            paid = 0.0
        return
    moment = order.on_time_slot - order.loading_s
    days = _days(order.on_time_slot - order.promised)
    if lost > moment:
        ships_at = ships_at_of(order, lost)
        if ships_at is None:
            return
        moment, days = ships_at - order.loading_s, _days(ships_at - order.promised)
    for _ in range(MOST_STEPS):
        ships_at = ships_at_of(order, moment + 1.0)
        after = _days((moment + 60 * DAY_S if ships_at is None else ships_at) - order.promised)
        if after > days:
            yield moment, day * (after - days) - paid
            paid = 0.0
        if ships_at is None:
            return
        moment, days = ships_at - order.loading_s, after


def _days(slip_s: float) -> int:
    return max(0, ceil(slip_s / DAY_S - 1e-9))


def _spans(problem: Problem, plan: Plan, origin: float) -> tuple[list[int], list[int], list[int]]:
    """Working time in ticks, cut to whole ones; overtime inside; open from the horizon on."""
    ptr, starts, ends = [0], [], []
    for index, line in enumerate(problem.lines):
        spans = [(start, end) for start, end in line.spans]
        for key, hours in plan.overtime.items():
            owner, _, free = problem.window(key)
            if owner == index:
                spans += first_part(free, hours * 3600.0)
        last = max([problem.wire.horizon_end, *(end for _, end in line.spans)])
        for start, end in united([*spans, (last, last + AFTER_HORIZON_S)]):
            first_tick = max(0, ceil((start - origin) / TICK_S - 1e-6))
            last_tick = floor((end - origin) / TICK_S + 1e-6)
            if first_tick < last_tick:
                starts.append(first_tick)
                ends.append(last_tick)
        ptr.append(len(starts))
    return ptr, starts, ends
