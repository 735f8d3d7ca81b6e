"""What becomes of an order that is ready at a moment: its truck, how late it ships, and what that costs."""

from bisect import bisect_left
from dataclasses import dataclass
from math import ceil

from schemas.scheduling import SchedulingOrder

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
SEARCH_DAYS = 60
"""How late an order counts that no truck is known for: the twin looks as far for one (twin/state/shipping.py)."""


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """What becomes of an order.

    Attributes:
        ready_at: when the last of its goods are at its site; None: a run of it is nowhere.
        ships_at: its departure; None: none is known.
        slip_s: after the promise, never negative; penalty: for its started days.
    """

    ready_at: float | None
    ships_at: float | None
    slip_s: float
    penalty: float


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
    return OrderOutcome(ready_at, ships_at, slip_s, penalty)


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
