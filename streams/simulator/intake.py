"""Orders as customers place them, whatever is planned: each with its run, not placed on any line yet.

Everything about an order follows from the seed and its number, so that two ways to plan are asked for the same.
"""

from dataclasses import dataclass
from random import Random

from streams.simulator.book import Order, Run
from streams.simulator.clock import moment
from streams.simulator.plant import Item, Line, Site
from streams.simulator.settings import FactorySettings

DAY_S = 86_400.0
HOUR_S = 3_600.0

BEYOND_DAYS = 4.0
"""Orders are promised up to so long after the last day, so that the shop does not run empty towards its end."""

RUN_HOURS = (3.0, 0.45, 1.0, 9.0)
"""Median, log deviation, least and most working hours of a run on a middling line of its area."""

LEAD_DAYS = (3.0, 8.0)
"""Days from the order to its promise, and of a rush order. Shorter than a queue is long: nothing can be on time."""
RUSH_LEAD_DAYS = (0.8, 2.0)
RUSH_SHARE = 0.12
CANCELLED_SHARE = 0.03
MOVED_SHARE = 0.06
RELEASE_H = (0.0, 24.0)
"""Hours from the order until its material is there; a rush order's is there at once."""

PENALTY_PER_WEIGHT = 400.0
"""Money a started late day, times the customer's weight: weights and penalties say the same, so that a rule that knows
weights and a solver that knows money want the same thing."""

OPEN_FROM_H, OPEN_TO_H = 7, 17
"""Customers call in these hours."""


@dataclass(slots=True, eq=False)
class Placed:
    """An order as it comes in.

    Attributes:
        order, run: its line of the book; the run's line and times are for whoever plans to say.
        lines: that can make it.
        told_s: when the customer places it.
        is_rush: placed shortly before its promise.
        first_promised_s: its first promise.
        cancelled_s: when it is taken back, where its run has not begun by then; None: never.
        moves: when its promise moves, and to when; None: never.
    """

    order: Order
    run: Run
    lines: list[Line]
    told_s: float
    is_rush: bool
    first_promised_s: float
    cancelled_s: float | None = None
    moves: tuple[float, float] | None = None


def orders_placed(site: Site, settings: FactorySettings, first_number: int) -> list[Placed]:
    """All orders of the days, by the moment at which they are placed; what is known at the start comes at the start.

    Args:
        site: what is there; lines of one area can make what is made in it.
        settings: `load` is the share of working time that the runs take, setups come on top.
        first_number: number of the first order.
    """
    placed: list[Placed] = []
    number = first_number
    for area_id in site.areas:
        lines = [line for line in site.lines if line.area_id == area_id and not line.is_finishing]
        items = [item for item in site.items.values() if item.area_id == area_id and item.finished_as is None]
        if not lines or not items:
            continue
        until_s = settings.end_s + BEYOND_DAYS * DAY_S
        left_h = sum(line.calendar.work_between(settings.start_s, until_s) for line in lines) / HOUR_S
        left_h *= settings.load
        rate = sum(line.rate_pcs_per_h for line in lines) / len(lines)
        while left_h > 0.0:
            number += 1
            rng = Random(f"{settings.seed}/order/{site.site_id}/{number}")
            median, spread, least, most = RUN_HOURS
            hours = min(most, max(least, rng.lognormvariate(0.0, spread) * median))
            pieces = max(10, round(hours * rate / 10.0) * 10)
            placed.append(_placed(rng, site, settings, lines, rng.choice(items), pieces, number))
            left_h -= hours
    return sorted(placed, key=lambda each: (each.told_s, each.order.order_id))


def _placed(
    rng: Random,
    site: Site,
    settings: FactorySettings,
    lines: list[Line],
    item: Item,
    pieces: int,
    number: int,
) -> Placed:
    start_s = settings.start_s
    is_rush = rng.random() < RUSH_SHARE
    wanted_s = rng.uniform(start_s + 0.5 * DAY_S, settings.end_s + BEYOND_DAYS * DAY_S)
    lead_days = rng.uniform(*(RUSH_LEAD_DAYS if is_rush else LEAD_DAYS))
    told_s = max(start_s, _office_hour(rng, wanted_s - lead_days * DAY_S, settings))
    customer = rng.choice(site.customers)
    route = site.routes[customer.route_id]
    promised_s = route.next_departure(max(wanted_s, told_s + 6.0 * HOUR_S), site.zone)
    order = Order(
        order_id=str(number),
        customer=customer,
        item=item,
        quantity_pcs=pieces,
        promised_s=promised_s,
        route=route,
        penalty_per_day=PENALTY_PER_WEIGHT * customer.weight,
        priority=100 if is_rush else 0,
        waits_for={f"R-{number}": None},
    )
    release_s = told_s if is_rush else told_s + rng.uniform(*RELEASE_H) * HOUR_S
    run = Run(
        run_id=f"R-{number}",
        line=lines[0],
        item=item,
        quantity_pcs=pieces,
        setup_s=release_s,
        start_s=release_s,
        end_s=release_s,
        release_s=release_s,
        announced_s=told_s,
        pegs=[(order, pieces)],
    )
    placed = Placed(order, run, lines, told_s, is_rush, promised_s)
    chance, when = rng.random(), rng.uniform(0.1, 0.6)
    at_s = told_s + when * (promised_s - told_s)
    if not settings.disturbances:
        return placed
    if chance < CANCELLED_SHARE:
        placed.cancelled_s = at_s
    elif chance < CANCELLED_SHARE + MOVED_SHARE:
        base_s = max(at_s, promised_s - 3.0 * DAY_S) if rng.random() < 0.5 else promised_s
        placed.moves = (at_s, route.next_departure(base_s + HOUR_S, site.zone))
    return placed


def _office_hour(rng: Random, at_s: float, settings: FactorySettings) -> float:
    """The same day in the hours in which customers call; of a weekend, the Friday before."""
    here = moment(at_s, settings.zone)
    day_s = here.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    called_s = day_s + rng.uniform(OPEN_FROM_H, OPEN_TO_H) * HOUR_S
    return called_s - max(0, here.weekday() - 4) * DAY_S
