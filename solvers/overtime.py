"""Which overtime to buy: how many hours of which windows, so that what is late is in time at the least price.

The sequences stay as they are. Then the end of a run is a longest path: for everything that its end can hang on (the
line's head, a release, a planner's lock, material, a feeder, of it or of any run before it on the line) the working time
from there to a moment must hold the work and setups in between. Bought hours count as far as they lie in between. So
"this order is ready for that truck" is a handful of linear conditions, and CP-SAT picks trucks and hours at once, with
crews as a cumulative where they are few. There are no circuits in it.

What is not exact is on the safe side: feeders end as they do without overtime, and nobody sets up a line in the past.
The evaluator has the last word on what comes out.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import ceil

from ortools.sat.python import cp_model

from schemas.scheduling import OvertimeOffer, SchedulingOrder
from solvers.evaluator import Evaluated, evaluate
from solvers.outcomes import DAY_S, OrderOutcome, outcome_of
from solvers.problem import OrderKey, Plan, Problem, WindowKey
from solvers.queue_needs import Need, QueueNeeds
from solvers.working_time import Span, length_of

Expression = cp_model.LinearExpr | int

TICK_S = 60.0
"""Hours are searched in minutes, then trimmed. In tenths of a second CP-SAT crept along some of them for minutes, and
did not count that as deterministic time; in quarters of an hour the choice itself may be a wrong one."""

TRIM_S = 0.1
"""What is left of a minute that is not needed is given back in tenths of a second: 5.2609 hours, not 5.2667."""

BREATH_S = 0.01
"""Bought beyond what is needed. Without it a run may end a rounding error after its truck; much more, and it costs."""

LIMIT = 1.0
"""Deterministic seconds. Forty windows and fifty late orders take a tenth of it; if it runs out the best so far holds."""

_MONEY = 100 * round(3600.0 / TICK_S)
"""Units of the objective in one unit of money: so is a tick of a window its price an hour in cents, a whole number."""


@dataclass(frozen=True, eq=False)
class OvertimeDecision:
    """Overtime worth buying.

    Attributes:
        evaluated: the plan with it, and what it comes to.
        before: the plan without any overtime that it could still decide about.
        saved: orders that ship in time with it and did not without; late: that are late all the same.
        is_proven: no cheaper decision exists (within what the model knows).
    """

    evaluated: Evaluated
    before: Evaluated
    saved: list[OrderKey]
    late: list[OrderKey]
    is_proven: bool

    @property
    def plan(self) -> Plan:
        """The plan with the overtime in it."""
        return self.evaluated.plan

    @property
    def net_benefit(self) -> float:
        """Penalty avoided less the price of the overtime; negative where a customer that cannot slip was put first."""
        return round(self.before.penalty - self.evaluated.penalty - self.evaluated.overtime_cost, 2)


def buy_overtime(
    problem: Problem,
    plan: Plan,
    *,
    must: Collection[OrderKey] = (),
    most_lines: int | None = None,
    seed: int = 1,
    deterministic_limit: float = LIMIT,
) -> OvertimeDecision | None:
    """Decide about the overtime of a plan anew: what it has bought so far is given back first.

    Customers that cannot slip come first, whatever it costs (days late, all together); then penalty plus overtime.

    Args:
        problem: that the plan answers.
        plan: its sequences stay.
        must: further orders to treat as if their customers could not slip.
        most_lines: so many crews there are: at no moment more lines work overtime. None: as many as are bought.
        seed: of CP-SAT; one worker.
        deterministic_limit: of CP-SAT, about seconds of an idle core.

    Returns:
        None where no hour is worth its price.
    """
    bare = evaluate(problem, replace(plan, overtime={}))
    first = {*must, *(key for key, order in problem.orders.items() if order.cannot_slip)}
    late = {key: each for key, each in bare.orders.items() if each.slip_s > 0.0 and each.ready_at is not None}
    model = _Model(problem, bare, late, first, most_lines)
    if not model.windows or not late:
        return None
    hours, is_proven = model.solve(seed, deterministic_limit)
    if not hours:
        return None
    after = _trimmed(problem, evaluate(problem, replace(plan, overtime=hours), bare), first)
    if _worth(after, first) >= _worth(bare, first):
        return None
    return OvertimeDecision(
        evaluated=after,
        before=bare,
        saved=[key for key in late if after.orders[key].slip_s == 0.0],
        late=[key for key in late if after.orders[key].slip_s > 0.0],
        is_proven=is_proven,
    )


def _worth(evaluated: Evaluated, first: Collection[OrderKey]) -> tuple[int, float]:
    """What a decision is compared by: days that customers who cannot slip are late, then money."""
    days = sum(days_late(each) for key, each in evaluated.orders.items() if key in first)
    return days, round(evaluated.penalty + evaluated.overtime_cost, 2)


def _trimmed(problem: Problem, evaluated: Evaluated, first: Collection[OrderKey]) -> Evaluated:
    """The same without the last part of a minute that no order needs, the dearest windows first."""
    bought = evaluated.plan.overtime
    for key in sorted(bought, key=lambda each: (-problem.window(each)[1].cost_per_h, each)):
        days = _worth(evaluated, first)[0]
        least, most = (
            0,
            round(TICK_S / TRIM_S),
        )  # so many tenths of a second can, so many can not be given back
        whole = evaluated.plan.overtime[key]
        while most - least > 1:
            middle = (least + most) // 2
            hours = max(0.0, whole - middle * TRIM_S / 3600.0)
            tried = evaluate(problem, evaluated.plan.with_overtime(key, hours), evaluated)
            if tried.penalty <= evaluated.penalty and _worth(tried, first)[0] <= days:
                least = middle
            else:
                most = middle
        if least:
            hours = max(0.0, whole - least * TRIM_S / 3600.0)
            evaluated = evaluate(problem, evaluated.plan.with_overtime(key, hours), evaluated)
    return evaluated


def days_late(outcome: OrderOutcome) -> int:
    """Started days of slip."""
    return ceil(outcome.slip_s / DAY_S - 1e-9)


@dataclass(frozen=True, slots=True)
class _Window:
    """A window on sale: where, at what price, the time in it, and its bought ticks from the beginning on."""

    line: int
    offer: OvertimeOffer
    free: list[Span]
    ticks: cp_model.IntVar
    total: int

    def before(self, moment: float) -> float:
        """Ticks of it that lie before a moment, if all of it is bought."""
        return sum(max(0.0, min(end, moment) - start) for start, end in self.free) / TICK_S


class _Model:
    """Ticks of each window, the truck that each late order takes, and what both cost."""

    def __init__(
        self,
        problem: Problem,
        bare: Evaluated,
        late: dict[OrderKey, OrderOutcome],
        first: Collection[OrderKey],
        most_lines: int | None,
    ) -> None:
        self._problem, self._bare = problem, bare
        self._model = cp_model.CpModel()
        self.windows: dict[WindowKey, _Window] = {}
        for line in range(len(problem.lines)):
            for key, offer, hours in problem.windows_of(line):
                total = int(hours * 3600.0 / TICK_S + 1e-6)
                ticks = self._model.new_int_var(0, total, "")
                self.windows[key] = _Window(line, offer, problem.window(key)[2], ticks, total)
        self._bought: dict[tuple[WindowKey, int], Expression] = {}
        self._needs: dict[int, QueueNeeds] = {}
        price = cp_model.LinearExpr.sum(
            [round(each.offer.cost_per_h * 100) * each.ticks for each in self.windows.values()]
        )
        dearest = sum(round(each.offer.cost_per_h * 100) * each.total for each in self.windows.values())
        dearest += sum(round(each.penalty * _MONEY) for each in late.values())
        penalties = [
            self._add_order(key, outcome, dearest + 1 if key in first else 0) for key, outcome in late.items()
        ]
        if most_lines is not None:
            self._add_crews(most_lines)
        self._model.minimize(price + cp_model.LinearExpr.sum(penalties))

    def solve(self, seed: int, deterministic_limit: float) -> tuple[dict[WindowKey, float], bool]:
        """Hours of each window that is bought, and whether that is proven to be best."""
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = seed % 2**31
        solver.parameters.max_deterministic_time = deterministic_limit
        status = solver.solve(self._model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return {}, False
        hours = {key: solver.value(each.ticks) * TICK_S / 3600.0 for key, each in self.windows.items()}
        return {key: value for key, value in hours.items() if value > 0.0}, status == cp_model.OPTIMAL

    def _add_order(self, key: OrderKey, outcome: OrderOutcome, day_price: int) -> Expression:
        """A literal for each earlier truck that the order may take, with what it needs; the cost of the one taken."""
        order = self._problem.orders[key]

        def cost_of(result: OrderOutcome) -> int:
            return round(result.penalty * _MONEY) + day_price * days_late(result)

        now = cost_of(outcome)
        taken: list[cp_model.IntVar] = []
        cost: Expression = now
        cheapest = now
        for ready_by in reversed(earlier_targets(order, outcome)):
            gain = now - cost_of(outcome_of(order, ready_by, self._problem.wire.horizon_end))
            if now - gain >= cheapest:
                continue  # a truck that leaves earlier and costs the same is no better
            literal = self._model.new_bool_var("")
            if self._add_readiness(key, order, ready_by, literal):
                cheapest = now - gain
                taken.append(literal)
                cost = cost - gain * literal
        self._model.add_at_most_one(taken)
        return cost

    def _add_readiness(
        self, key: OrderKey, order: SchedulingOrder, ready_by: float, literal: cp_model.IntVar
    ) -> bool:
        """What must hold for an order to be ready by a moment; False where no overtime brings it there."""
        if order.ready_elsewhere is not None and order.ready_elsewhere > ready_by:
            return False
        plan = self._bare.plan
        parts = [
            run
            for line in plan.sequences
            for run in line
            if (plan.splits[run].of if run in plan.splits else run) in self._problem.runs_of[key]
        ]
        line_of = plan.line_of()
        conditions: list[tuple[Expression, int]] = []
        for run in parts:
            line = line_of[run]
            whole = plan.splits[run].of if run in plan.splits else run
            eligible = self._problem.eligible[whole][line]
            brought_s = eligible.transfer_s if eligible.site_id != order.site_id else 0.0
            by = ready_by - brought_s
            for need in self._needs_of(line).of(run, by):
                found = self._condition(line, need, by)
                if found is None:
                    return False
                conditions.append(found)
        for bought, ticks in conditions:
            self._model.add(bought >= ticks).only_enforce_if(literal)
        return True

    def _needs_of(self, line: int) -> QueueNeeds:
        if line not in self._needs:
            self._needs[line] = QueueNeeds(self._problem, self._bare, line)
        return self._needs[line]

    def _condition(self, line: int, need: Need, by: float) -> tuple[Expression, int] | None:
        """Overtime between two moments, and how much of it is needed at least; None where there is too little."""
        # A breath more than needed, for the sum of a calendar's spans is no exact number; but not more than there is.
        ticks = ceil((need.short_s + BREATH_S) / TICK_S)
        most = 0
        bought: list[Expression] = []
        for key, window in self.windows.items():
            if window.line != line:
                continue
            begun = min(ceil(window.before(need.since)), window.total)
            ended = min(int(window.before(by)), window.total)
            if ended <= begun:
                continue
            most += ended - begun
            bought.append(self._bought_before(key, ended) - self._bought_before(key, begun))
        if ticks > most and ceil(need.short_s / TICK_S - 1e-6) <= most:
            ticks = most
        return None if ticks > most else (cp_model.LinearExpr.sum(bought), ticks)

    def _bought_before(self, key: WindowKey, ticks: int) -> Expression:
        """How many of the first so many ticks of a window are bought: it is worked from its beginning on."""
        window = self.windows[key]
        if ticks == 0:
            return 0
        if ticks == window.total:
            return window.ticks
        if (key, ticks) not in self._bought:
            least = self._model.new_int_var(0, ticks, "")
            self._model.add_min_equality(least, [window.ticks, ticks])
            self._bought[key, ticks] = least
        return self._bought[key, ticks]

    def _add_crews(self, most_lines: int) -> None:
        """At no moment more lines in overtime than there are crews."""
        as_of = self._problem.wire.as_of
        intervals: list[cp_model.IntervalVar] = []
        for key, window in self.windows.items():
            for index, (start, end) in enumerate(window.free):
                behind = int(length_of(window.free[:index]) / TICK_S)
                until = min(window.total, behind + ceil((end - start) / TICK_S))
                size = self._bought_before(key, until) - self._bought_before(key, min(behind, window.total))
                begins = int((start - as_of) / TICK_S)
                intervals.append(self._model.new_interval_var(begins, size, begins + size, ""))
        self._model.add_cumulative(intervals, [1] * len(intervals), most_lines)


def earlier_targets(order: SchedulingOrder, outcome: OrderOutcome) -> list[float]:
    """Moments by which an order would have to be ready to ship earlier than it does, the earliest first.

    Without departures it costs less for every started day that it is earlier; earlier than in time it need not be.
    """
    if order.departures is None:
        started = days_late(outcome)
        return [order.promised + day * DAY_S for day in range(started)]
    trucks = [order.on_time_slot, *(each for each in order.departures if each > order.on_time_slot)]
    return [
        truck - order.loading_s for truck in trucks if outcome.ships_at is None or truck < outcome.ships_at
    ]
