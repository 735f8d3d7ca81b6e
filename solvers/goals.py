"""What a plan is worth to a planner: one figure, in money, by which plans of one problem are compared.

Law: the engine never proposes a plan that this figure says is worse than hold under the same weights.
"""

from dataclasses import dataclass, replace

from schemas.scheduling import Goal, SchedulingOrder
from solvers.evaluator import Evaluated
from solvers.outcomes import DAY_S

NOMINAL_PENALTY_PER_DAY = 100.0
"""Money that a started day late counts as where nobody agreed on a penalty. At 0 such orders could be late for ever
for the sake of a setup; at the size of real penalties they would push those aside."""

CANNOT_SLIP_FACTOR = 3.0
"""How much more a day late counts, by the goal service, for a customer who cannot slip."""

GUIDE_SHARE = 0.05
"""Part of a day's penalty that a day of slip costs beside the started days, evenly: of two plans that ship on the same
truck the earlier one is better, and a search sees which way is down. Too large, and hours are bought with trucks."""

SHIFT_H = 0.05
"""Money that an hour off the planned start costs. At 0 runs are shuffled for nothing; at the price of an hour of work
the plan could not follow what happens."""

UNPLACED = 1e9
"""Cost of a run that is on no line: more than any lateness."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How a plan is judged, all in money.

    Attributes:
        late: of a day's penalty; by_customer: times the weight of the customer, and more where he cannot slip.
        setup_min: of a minute of setup; setup_money, overtime, transfer: of what they cost.
        move: of a run on another line or at another place; shift_h: of an hour by which a run that keeps its place
            starts off its planned start: it decides between plans that are worth the same otherwise.
    """

    late: float = 1.0
    by_customer: bool = False
    setup_min: float = 0.1
    setup_money: float = 1.0
    overtime: float = 1.0
    transfer: float = 1.0
    move: float = 0.0
    shift_h: float = SHIFT_H

    def day_late(self, order: SchedulingOrder) -> float:
        """What a started day late of an order counts as."""
        rate = order.penalty_per_day
        money = NOMINAL_PENALTY_PER_DAY if rate is None else rate
        if not self.by_customer:
            return self.late * money
        factor = order.weight * (CANNOT_SLIP_FACTOR if order.cannot_slip else 1.0)
        return self.late * factor * max(money, NOMINAL_PENALTY_PER_DAY)


WEIGHTS: dict[Goal, Weights] = {
    "service": Weights(by_customer=True),
    "cost": Weights(),
    "throughput": Weights(setup_min=5.0),
}
"""service: late money by customer; cost: money as it is paid; throughput: a minute of setup costs what a line makes."""


def weights_of(goal: Goal, move_cost: float) -> Weights:
    """How plans are judged by a planner's goal."""
    return replace(WEIGHTS[goal], move=move_cost)


def worth(found: Evaluated, weights: Weights) -> float:
    """What a plan costs under weights; smaller is better."""
    late = 0.0
    for key, outcome in found.orders.items():
        if outcome.slip_s > 0.0:
            day = weights.day_late(found.problem.orders[key])
            days = -(-(outcome.slip_s - 1e-4) // DAY_S)
            late += day * (days + GUIDE_SHARE * outcome.slip_s / DAY_S)
        elif outcome.days_at_risk > 0.0:
            late += weights.day_late(found.problem.orders[key]) * outcome.days_at_risk
    shifted_s = sum(line.shifted_s for line in found.lines)
    missing = len(found.problem.runs) + len(found.plan.splits) - len(found.end)
    return (
        late
        + weights.setup_min * found.setup_s / 60.0
        + weights.setup_money * found.setup_cost
        + weights.overtime * found.overtime_cost
        + weights.transfer * found.transfer_cost
        + weights.shift_h * shifted_s / 3600.0
        + weights.move * (len(found.moved) + len(found.plan.splits))
        + UNPLACED * (missing + sum(1 for key in found.problem.must_leave if not _has_left(found, key)))
    )


def _has_left(found: Evaluated, key: tuple[str, str]) -> bool:
    """Whether a run is on another line than committed."""
    return key in found.end and key not in found.plan.sequences[found.problem.committed_line[key]]
