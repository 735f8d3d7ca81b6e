"""Holding the date by overtime: hours needed for a stated probability, what they cost, until when they can be had."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf
from statistics import NormalDist

from schemas import OvertimeWindowUpserted
from twin.forecast.assessment import Assessment, long_stops_expected, probability_not_over
from twin.state.entities import Line


@dataclass(frozen=True, slots=True)
class OvertimePlan:
    """Overtime that brings every affected order of a line in on time.

    Attributes:
        hours: rounded to 0.01 h, so that hours x price is the cost on paper.
        probability: that it is enough for the order that it leaves in most danger, long stops included.
        notice_by: the last moment at which all of it can still be ordered.
    """

    hours: float
    cost: float
    notice_by: float
    windows: list[str]
    probability: float


def overtime_plan(
    line: Line, affected: Sequence[Assessment], probability: float, default_price: float | None, now: float
) -> OvertimePlan | None:
    """The cheapest overtime on offer that brings these orders in on time with the probability.

    Args:
        line: the line on which time is short.
        affected: orders that it makes late.
        probability: of each order being ready by its need if no long stop comes.
        default_price: money an hour where a window names none.
        now: windows whose notice has passed are gone.

    Returns:
        None where no overtime on offer reaches it.
    """
    z = NormalDist().inv_cdf(probability)
    offers = [_Offer.of(window, line, default_price) for window in line.overtime]
    open_offers = sorted(
        (offer for offer in offers if offer.notice_by >= now and offer.price is not None),
        key=lambda offer: (offer.price, offer.start, offer.window_id),
    )
    used: dict[str, tuple[_Offer, float]] = {}
    for order in sorted(affected, key=lambda each: each.need_by):
        missing_h = (order.overhang_s + z * order.sd_work_s) / 3600.0 - sum(
            hours for _, hours in used.values()
        )
        for offer in open_offers:
            if missing_h <= 0.005:
                break
            taken = used.get(offer.window_id, (offer, 0.0))[1]
            room = min(offer.hours_before(order.need_by) - taken, missing_h)
            if room > 0:
                used[offer.window_id] = (offer, taken + room)
                missing_h -= room
        if missing_h > 0.005:
            return None
    if not used:
        return None
    chosen = sorted(used.values(), key=lambda each: each[0].start)
    hours = [round(hours, 2) for _, hours in chosen]
    cost = sum(h * (offer.price or 0.0) for h, (offer, _) in zip(hours, chosen, strict=True))
    return OvertimePlan(
        hours=round(sum(hours), 2),
        cost=round(cost, 2),
        notice_by=min(offer.notice_by for offer, _ in chosen),
        windows=[offer.window_id for offer, _ in chosen],
        probability=round(probability * min(_unstopped(order, z) for order in affected), 2),
    )


def _unstopped(order: Assessment, z: float) -> float:
    """Probability that no stop eats the room which the rescue gives to an order."""
    projection = order.line.projected.get(order.run.run_id)
    if projection is None:
        return 1.0
    room_s = z * order.sd_work_s
    stops = long_stops_expected(projection.at_risk, room_s, order.experience)
    return exp(-stops) * (1.0 - probability_not_over(projection.open_stop, room_s, order.experience))


@dataclass(frozen=True, slots=True)
class _Offer:
    """One window as it can be bought: time in it that the calendar does not work already."""

    window_id: str
    start: float
    end: float
    notice_by: float
    price: float | None
    line: Line

    @staticmethod
    def of(window: OvertimeWindowUpserted, line: Line, default_price: float | None) -> "_Offer":
        start = window.start_at.timestamp()
        gone = window.committed or window.withdrawn
        notice = start if window.notice_by is None else window.notice_by.timestamp()
        price = default_price if window.cost_per_h is None else window.cost_per_h
        return _Offer(
            window.window_id, start, window.end_at.timestamp(), -inf if gone else notice, price, line
        )

    def hours_before(self, need_by: float) -> float:
        end = min(self.end, need_by)
        if end <= self.start:
            return 0.0
        return (end - self.start - self.line.calendar.work_between(self.start, end)) / 3600.0
