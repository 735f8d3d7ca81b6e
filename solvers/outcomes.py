"""What becomes of an order that is ready at a moment: its truck, how late it ships, and what that costs."""

from bisect import bisect_left
from dataclasses import dataclass
from math import ceil

from schemas.scheduling import SchedulingOrder

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
SEARCH_DAYS = 60
"""How late an order counts that no truck is known for: the twin looks as far for one (twin/state/shipping.py)."""

JUST_MISSED_S = 1.0
"""Readiness that much after the last moment in time has missed the departure."""


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """What becomes of an order.

    Attributes:
        ready_at: when the last of its goods are at its site; None: a run of it is nowhere.
        ships_at: its departure; None: none is known.
        slip_s: after the promise, never negative; penalty: for its started days.
        days_at_risk: of an order in time: started days late if it misses its departure all the same, times the
            probability of that.
    """

    ready_at: float | None
    ships_at: float | None
    slip_s: float
    penalty: float
    days_at_risk: float = 0.0


def outcome_of(order: SchedulingOrder, ready_at: float | None, horizon_end: float) -> OrderOutcome:
    """Shipment, slip and penalty of an order that is ready at a moment; None: a run of it is nowhere."""
    ships_at: float | None = None
    if ready_at is None:
        # Nobody knows when it is made: late by what the horizon shows, and by a day at least.
        slip_s = max(DAY_S, horizon_end - order.promised)
    else:
        ships_at = ships_at_of(order, ready_at)
        slip_s = max(0.0, (ready_at + SEARCH_DAYS * DAY_S if ships_at is None else ships_at) - order.promised)
    penalty = round(ceil(slip_s / DAY_S - 1e-9) * (order.penalty_per_day or 0.0), 2)
    at_risk = 0.0
    if order.misses and ready_at is not None and ready_at > order.misses[0][0] and slip_s == 0.0:
        at_risk = miss_probability(order, ready_at) * days_if_missed(order)
    return OrderOutcome(ready_at, ships_at, slip_s, penalty, at_risk)


def miss_probability(order: SchedulingOrder, ready_at: float) -> float:
    """Probability that an order which is ready in time, as projected, misses its departure all the same."""
    return next((probability for moment, probability in reversed(order.misses) if ready_at > moment), 0.0)


def days_if_missed(order: SchedulingOrder) -> int:
    """Started days that an order is late if it just misses the last departure that keeps its promise."""
    just_missed = order.on_time_slot - order.loading_s + JUST_MISSED_S
    ships_at = ships_at_of(order, just_missed)
    slip_s = (just_missed + SEARCH_DAYS * DAY_S if ships_at is None else ships_at) - order.promised
    return max(0, ceil(slip_s / DAY_S - 1e-9))


def ships_at_of(order: SchedulingOrder, ready_at: float) -> float | None:
    """The departure that takes goods which are ready at a moment; beyond the known ones the last week's repeat."""
    if order.departures is None:
        return ready_at
    if ready_at <= order.on_time_slot - order.loading_s:
        return order.on_time_slot
    if not order.departures:
        return None
    moment = ready_at + order.loading_s
    at = bisect_left(order.departures, moment)
    if at < len(order.departures):
        return order.departures[at]
    week = [each for each in order.departures if each > order.departures[-1] - WEEK_S]
    return min(each + ceil((moment - each) / WEEK_S) * WEEK_S for each in week)
