"""What a plan comes to: start and end of each run, shipment, slip and penalty of each order, and its figures.

Law: the same arithmetic as the twin's projection (twin/forecast/projection.py, twin/forecast/lookahead.py, twin/forecast/assessment.py) for the same
plan; tests/unit/test_evaluator_equals_projection.py holds them together. Compared with a plan evaluated before, only
what changed is worked out anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf

from schemas.plans import PlanKpis
from solvers.line_walk import (
    LineResult,
    LineWalk,
    PlanInvalid,
    pieces_of,
    share_of,
    taken_by_splits,
)
from solvers.moves import moved_runs
from solvers.outcomes import WEEK_S, OrderOutcome, outcome_of
from solvers.problem import OrderKey, Plan, Problem, RunKey

__all__ = ["Evaluated", "LineResult", "OrderOutcome", "PlanInvalid", "evaluate", "outcome_of", "pieces_of"]

THROUGHPUT_WINDOW_S = WEEK_S
"""Pieces are counted until so long after as_of. Shorter hides work that was put off a little; longer counts all runs in
every plan, and says nothing."""

NO_LINE = -1


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A plan with what it comes to.

    Attributes:
        lines: results in the order of Problem.lines.
        start, end: of each run that is on a line, POSIX seconds.
        orders: outcome of each order.
    """

    problem: Problem
    plan: Plan
    lines: tuple[LineResult, ...]
    start: dict[RunKey, float]
    end: dict[RunKey, float]
    orders: dict[OrderKey, OrderOutcome]

    @cached_property
    def penalty(self) -> float:
        """Money for started days late."""
        return round(sum(each.penalty for each in self.orders.values()), 2)

    @cached_property
    def penalty_at_risk(self) -> float:
        """Money that orders in time would cost if they were late, times the probability of that."""
        orders = self.problem.orders
        return round(
            sum(
                each.days_at_risk * (orders[key].penalty_per_day or 0.0)
                for key, each in self.orders.items()
                if each.days_at_risk > 0.0
            ),
            2,
        )

    @cached_property
    def line_of(self) -> dict[RunKey, int]:
        """The line of each run that has one."""
        return self.plan.line_of()

    @cached_property
    def setup_s(self) -> float:
        """Seconds of setup."""
        return sum(sum(line.setup_s) for line in self.lines)

    @cached_property
    def setup_cost(self) -> float:
        """Money for setups."""
        return sum(sum(line.setup_costs) for line in self.lines)

    @cached_property
    def overtime_cost(self) -> float:
        """Money for overtime: each window's hours to 0.01 h at its price."""
        return sum(
            round(round(hours, 2) * self.problem.window(key)[1].cost_per_h, 2)
            for key, hours in self.plan.overtime.items()
        )

    @cached_property
    def transfer_cost(self) -> float:
        """Money for bringing goods to the site of their orders; a part of a run costs its share."""
        cost = 0.0
        if not self.problem.has_transfers:
            return cost
        for line, result in enumerate(self.lines):
            for key in result.keys:
                run = self.problem.run_of(key, self.plan)
                whole = self.problem.eligible[run.site_id, run.run_id][line].transfer_cost
                if whole > 0.0:
                    cost += whole * share_of(self.plan, key, run)
        return cost

    @cached_property
    def moved(self) -> list[RunKey]:
        """Runs on another line or at another place than committed."""
        return moved_runs(self.problem, self.plan)

    @cached_property
    def kpis(self) -> PlanKpis:
        """The figures of the plan, rounded for print."""
        orders = self.problem.orders
        late = [(orders[key], each) for key, each in self.orders.items() if each.slip_s > 0.0]
        cost = self.penalty + self.overtime_cost + self.setup_cost + self.transfer_cost
        margin: float | None = 0.0
        for order in orders.values():
            if order.unit_price is None or order.unit_cost is None or margin is None:
                margin = None
                break
            margin += round(order.quantity_pcs * (order.unit_price - order.unit_cost), 2)
        touched = [*self.moved, *(split.of for split in self.plan.splits.values())]
        of_moved = {
            (peg.site_id, peg.order_id)
            for key in touched
            for peg in self.problem.runs[key].pegs
            if (peg.site_id, peg.order_id) in orders
        }
        return PlanKpis(
            late_orders=len(late),
            total_slip_h=round(sum(each.slip_s for _, each in late) / 3600.0, 4),
            max_slip_h=round(max((each.slip_s for _, each in late), default=0.0) / 3600.0, 4),
            weighted_tardiness_h=round(sum(each.slip_s * order.weight for order, each in late) / 3600.0, 4),
            penalty=self.penalty,
            penalty_at_risk=self.penalty_at_risk,
            overtime_h=round(sum(round(hours, 2) for hours in self.plan.overtime.values()), 2),
            overtime_cost=round(self.overtime_cost, 2),
            transfer_cost=round(self.transfer_cost, 2),
            changeovers=sum(1 for line in self.lines for seconds in line.setup_s if seconds > 0.0),
            changeover_min=round(self.setup_s / 60.0, 4),
            changeover_cost=round(self.setup_cost, 2),
            cost=round(cost, 2),
            margin=None if margin is None else round(margin - cost, 2),
            throughput_pcs=round(self.throughput_pcs, 2),
            moved_orders=len(of_moved),
        )

    @cached_property
    def throughput_pcs(self) -> float:
        """Good pieces made within a week of as_of, those of a run spread evenly over its working time."""
        until = min(self.problem.wire.as_of + THROUGHPUT_WINDOW_S, self.problem.wire.horizon_end)
        made = 0.0
        for index, line in enumerate(self.lines):
            calendar = self.problem.working_time(index, self.plan)
            for key, start, end in zip(line.keys, line.starts, line.ends, strict=True):
                pieces = pieces_of(self.problem, self.plan, key)
                if end <= until:
                    made += pieces
                elif start < until:
                    whole = calendar.work_between(start, end)
                    made += pieces * (calendar.work_between(start, until) / whole if whole > 0.0 else 0.0)
        return made


def evaluate(problem: Problem, plan: Plan, base: Evaluated | None = None) -> Evaluated:
    """What the plan comes to.

    Args:
        problem: that it answers.
        plan: its sequences hold each run at most once, on lines that can make it.
        base: a plan of the same problem that was evaluated before; lines that are as in it are taken from it.

    Raises:
        PlanInvalid: runs wait for each other, or a run is on a line that cannot make it.
    """
    taken = taken_by_splits(plan)
    kept = _kept(problem, plan, base)
    results: list[LineResult | None] = [
        known if known is not None and not known.is_fed else None for known in kept
    ]
    ends: dict[RunKey, float] = {}
    for known in results:
        if known is not None:
            ends.update(zip(known.keys, known.ends, strict=True))
    walks = [
        LineWalk(problem, plan, index, sequence, taken)
        for index, sequence in enumerate(plan.sequences)
        if kept[index] is None
    ]
    # Lines of which only the feeders may have changed are looked at again when those have ended.
    fed = [index for index, known in enumerate(kept) if known is not None and known.is_fed]
    if fed and base is not None and not _feeds(problem, walks, base):
        for index in fed:
            known = results[index] = kept[index]
            assert known is not None, f"line {index} is not kept"
            ends.update(zip(known.keys, known.ends, strict=True))
        fed = []
    while walks or fed:
        before = len(ends), len(walks), len(fed)
        for walk in walks:
            if walk.go_on(ends):
                results[walk.line] = walk.result()
        walks = [walk for walk in walks if results[walk.line] is None]
        still: list[int] = []
        for index in fed:
            known = kept[index]
            assert known is not None, f"line {index} is not kept"
            assert base is not None, "without a base nothing is kept"
            as_before = _feeders_end_as_before(problem, plan, known, ends, base)
            if as_before is None:
                still.append(index)
            elif as_before:
                results[index] = known
                ends.update(zip(known.keys, known.ends, strict=True))
            else:
                walks.append(LineWalk(problem, plan, index, plan.sequences[index], taken))
        if before == (len(ends), len(walks), len(still)):
            if not still:
                site_id, run_id = walks[0].sequence[len(walks[0].ends)]
                raise PlanInvalid(f"run {site_id}/{run_id} waits for a run that waits for it, or is nowhere")
            # Lines that feed each other: one of them has to be walked.
            index = still.pop(0)
            walks.append(LineWalk(problem, plan, index, plan.sequences[index], taken))
        fed = still
    lines = tuple(line for line in results if line is not None)
    starts: dict[RunKey, float] = {}
    for line in lines:
        starts.update(zip(line.keys, line.starts, strict=True))
    orders = _outcomes(problem, plan, ends, base, lines)
    return Evaluated(problem, plan, lines, starts, ends, orders)


def _feeds(problem: Problem, walks: list[LineWalk], base: Evaluated) -> bool:
    """Whether a run that others wait for is, or was, on one of the lines that are walked."""
    if not problem.fed:
        return False
    return any(key in problem.fed for walk in walks for key in (*walk.sequence, *base.lines[walk.line].keys))


def _feeders_end_as_before(
    problem: Problem, plan: Plan, known: LineResult, ends: Mapping[RunKey, float], base: Evaluated
) -> bool | None:
    """Whether all that a line waits for ends as it did in the base; None: some of it has not ended yet."""
    waits = False
    for key in known.keys:
        for feeder in problem.feeders.get(plan.splits[key].of if key in plan.splits else key, ()):
            end = ends.get(feeder)
            if end is None:
                waits = True
            elif end != base.end.get(feeder):
                return False
    return None if waits else True


def _kept(problem: Problem, plan: Plan, base: Evaluated | None) -> list[LineResult | None]:
    """Results of the base that hold for the plan where feeders end as before, None for lines that must be walked."""
    if base is None or base.plan.splits != plan.splits:
        return [None] * len(plan.sequences)
    before = base.plan
    other: set[int] = set()
    if plan.overtime is not before.overtime and plan.overtime != before.overtime:
        bought = plan.overtime.items() ^ before.overtime.items()
        other = {problem.window(key)[0] for key, _ in bought}
    changed: set[RunKey] = set()
    if plan.starts is not before.starts:
        changed = _changed_starts(plan.starts, before.starts)
    return [
        known
        if index not in other
        and (sequence is known.keys or sequence == known.keys)
        and (not changed or changed.isdisjoint(sequence))
        else None
        for index, (sequence, known) in enumerate(zip(plan.sequences, base.lines, strict=True))
    ]


def _changed_starts(after: Mapping[RunKey, float], before: Mapping[RunKey, float]) -> set[RunKey]:
    """Runs whose planned start is not the same."""
    changed = {key for key, start in after.items() if before.get(key) != start}
    if len(after) - len(changed) < len(
        before
    ):  # fewer in common than there were: some are gone, or other ones
        changed.update(key for key in before if key not in after)
    return changed


def _outcomes(
    problem: Problem,
    plan: Plan,
    ends: Mapping[RunKey, float],
    base: Evaluated | None,
    results: tuple[LineResult, ...],
) -> dict[OrderKey, OrderOutcome]:
    """Outcome of each order; those whose runs are all on lines as before are taken from the base."""
    concerned: list[OrderKey] | None = None
    if base is None or base.plan.splits != plan.splits:
        line_of = plan.line_of()
    else:
        touched: dict[OrderKey, None] = {}
        line_of = dict(base.line_of)
        come: dict[RunKey, int] = {}
        for index, (before, after) in enumerate(zip(base.lines, results, strict=True)):
            if before is not after:
                line_of.update(dict.fromkeys(before.keys, NO_LINE))
                come.update(dict.fromkeys(after.keys, index))
                for key in (*before.keys, *after.keys):
                    for order_key in problem.orders_of[plan.splits[key].of if key in plan.splits else key]:
                        touched[order_key] = None
        concerned = list(touched)
        line_of.update(come)
    parts: dict[RunKey, list[RunKey]] = {}
    for key, split in plan.splits.items():
        parts.setdefault(split.of, []).append(key)
    outcomes = {} if base is None or concerned is None else dict(base.orders)
    for order_key in problem.orders if concerned is None else concerned:
        order = problem.orders[order_key]
        ready: float | None = -inf if order.ready_elsewhere is None else order.ready_elsewhere
        for run_key in problem.runs_of[order_key]:
            for key in (run_key, *parts.get(run_key, ())):
                line = line_of.get(key, NO_LINE)
                if line == NO_LINE:
                    ready = None
                elif ready is not None:
                    eligible = problem.eligible[run_key][line]
                    brought_s = eligible.transfer_s if eligible.site_id != order.site_id else 0.0
                    ready = max(ready, ends[key] + brought_s)
        # An order without any run here: nothing is known to be late about it.
        outcomes[order_key] = (
            OrderOutcome(None, None, 0.0, 0.0)
            if ready == -inf
            else outcome_of(order, ready, problem.wire.horizon_end)
        )
    return outcomes
