"""Weeks of the simulated shop, scored by its truth: late hours weighted by customer, changeovers, money.

The honest baseline lives here: the dispatch rule, tuned anew and run on everything that waits, every morning.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from streams.simulator.dispatch_rule import plan_by_rule
from streams.simulator.settings import FactorySettings
from streams.simulator.shop import Shop
from streams.simulator.truth import RunTruth

DAY_S = 86_400.0
HOUR_S = 3_600.0

MORNING_BEFORE_S = 1_800.0
"""The rule runs half an hour before the early shift, whose start is the settings' start of the day."""

MOST_DAYS_AFTER = 40
"""Longest time after the last day until everything has left. Reached: the shop is overloaded beyond sense."""


@dataclass(frozen=True, slots=True)
class Score:
    """What the weeks came to, in truth.

    Attributes:
        orders: that were promised within the days and not taken back, whoever planned; late: of them.
        weighted_tardiness_h: late hours times weight of the customer.
        changeovers: runs begun within the days that needed a setup; setup_h: planned hours of these setups.
        penalty: of started late days; setup_cost: of the changeovers; money: both.
    """

    orders: int
    late: int
    weighted_tardiness_h: float
    changeovers: int
    setup_h: float
    penalty: float
    setup_cost: float

    @property
    def money(self) -> float:
        """Everything that the plan lost."""
        return self.penalty + self.setup_cost


def score_of(shop: Shop) -> Score:
    """The truth about the days, once everything has left."""
    settings = shop.settings
    orders = late = 0
    tardiness_h = penalty = 0.0
    for placed in shop.placed:
        order = placed.order
        if placed.cancelled_s is not None or placed.first_promised_s > settings.end_s:
            continue  # an order meant to be taken back may have been begun under one plan only
        assert order.shipped_s is not None, f"order {order.order_id} has not left"
        orders += 1
        late_s = max(0.0, order.shipped_s - order.promised_s)
        late += late_s > 0.0
        tardiness_h += late_s / HOUR_S * order.customer.weight
        rate = order.penalty_per_day
        penalty += math.ceil(late_s / DAY_S) * (order.customer.penalty_per_day if rate is None else rate)
    setups = [
        record.planned_setup_s
        for record in shop.truth
        if isinstance(record, RunTruth)
        and record.planned_setup_s > 0.0
        and record.started_s <= settings.end_s
    ]
    setup_h = sum(setups) / HOUR_S
    return Score(
        orders=orders,
        late=late,
        weighted_tardiness_h=tardiness_h,
        changeovers=len(setups),
        setup_h=setup_h,
        penalty=penalty,
        setup_cost=setup_h * settings.setup_cost_per_h,
    )


def weeks_by_rule(
    settings: FactorySettings, air_s: float = 0.0, progress: Callable[[float], None] | None = None
) -> Score:
    """The weeks under the dispatch rule: planned at the start, and again every morning until all have left.

    Args:
        settings: of the shop.
        air_s: goods are planned to be ready so long before they must be.
        progress: told the share of the days that is done.
    """
    shop = Shop(settings)
    _pass_until(shop, settings.start_s)
    at_s = settings.start_s
    for day in range(settings.days + MOST_DAYS_AFTER):
        shop.replan(plan_by_rule(shop.site, shop.waiting(), shop.free(), at_s, air_s).positions)
        at_s = settings.start_s + (day + 1) * DAY_S - MORNING_BEFORE_S
        _pass_until(shop, at_s)
        if progress is not None:
            progress(min(1.0, (day + 1) / settings.days))
        if is_over(shop, at_s):
            break
    return score_of(shop)


def is_over(shop: Shop, at_s: float) -> bool:
    """Whether every order that counts has left."""
    return at_s > shop.settings.end_s and not any(
        placed.order.shipped_s is None
        for placed in shop.placed
        if placed.cancelled_s is None and placed.first_promised_s <= shop.settings.end_s
    )


def _pass_until(shop: Shop, until_s: float) -> None:
    for _ in shop.advance(until_s):
        pass
