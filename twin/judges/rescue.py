"""Holding the date by overtime: hours needed for a stated probability, what they cost, until when they can be had."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import exp, inf
from statistics import NormalDist

from schemas import OvertimeWindowUpserted
from twin.forecast.assessment import Assessment, long_stops_expected, probability_not_over
from twin.state.entities import Line, Offer


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
    if line.offers is None:
        line.offers = sorted(
            (offer_of(window) for window in line.overtime), key=lambda offer: (offer.start, offer.window_id)
        )
    last_need_by = max((order.need_by for order in affected), default=-inf)
    soon = islice(line.offers, bisect_left(line.offers, last_need_by, key=_start))
    prices = [(offer, default_price if offer.price is None else offer.price) for offer in soon]
    open_offers = sorted(
        ((offer, price) for offer, price in prices if offer.notice_by >= now and price is not None),
        key=lambda each: each[1],  # what costs the same is taken as it comes
    )
    used: dict[str, tuple[Offer, float, float]] = {}
    for order in sorted(affected, key=lambda each: each.need_by):
        missing_h = (order.overhang_s + z * order.sd_work_s) / 3600.0 - sum(
            hours for _, hours, _ in used.values()
        )
        for offer, price in open_offers:
            if missing_h <= 0.005:
                break
            taken = used.get(offer.window_id, (offer, 0.0, price))[1]
            room = min(_hours_before(order.need_by, offer, line) - taken, missing_h)
            if room > 0:
                used[offer.window_id] = (offer, taken + room, price)
                missing_h -= room
        if missing_h > 0.005:
            return None
    if not used:
        return None
    chosen = sorted(used.values(), key=lambda each: each[0].start)
    hours = [round(hours, 2) for _, hours, _ in chosen]
    cost = sum(h * price for h, (_, _, price) in zip(hours, chosen, strict=True))
    return OvertimePlan(
        hours=round(sum(hours), 2),
        cost=round(cost, 2),
        notice_by=min(offer.notice_by for offer, _, _ in chosen),
        windows=[offer.window_id for offer, _, _ in chosen],
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


def offer_of(window: OvertimeWindowUpserted) -> Offer:
    """A window as it can be bought."""
    start = window.start_at.timestamp()
    gone = window.committed or window.withdrawn
    notice = start if window.notice_by is None else window.notice_by.timestamp()
    return Offer(
        window.window_id, start, window.end_at.timestamp(), -inf if gone else notice, window.cost_per_h
    )


def _hours_before(need_by: float, offer: Offer, line: Line) -> float:
    """Time of the window up to the need that the calendar does not work already."""
    end = min(offer.end, need_by)
    if end <= offer.start:
        return 0.0
    return (end - offer.start - line.calendar.work_between(offer.start, end)) / 3600.0


def _start(offer: Offer) -> float:
    return offer.start
