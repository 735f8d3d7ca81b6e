"""Lateness that recurs: customers, families, lines and weekdays whose orders were late more often than the others.

A pattern is told only where it rests on enough orders, in more than one week, and where chance makes so many late ones
out of so many orders rarely, counting how many such groups were looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

LEAST_ORDERS = 8
"""Orders of a group below which nothing is said. Fewer: anecdotes; more: small customers are never heard of."""

LEAST_LATE_WEEKS = 2
"""Weeks in which orders of it were late. One bad week is no pattern."""

MOST_CHANCE = 0.05
"""Chance, over all groups looked at, of telling a pattern where there is none. Larger: horoscopes; smaller: silence."""

Dimension = Literal["customer", "family", "line", "weekday"]
DIMENSIONS: tuple[Dimension, ...] = ("customer", "family", "line", "weekday")


@dataclass(frozen=True, slots=True)
class ShippedOrder:
    """An order that left.

    Attributes:
        groups: its customer, family, line and weekday of the promise; None where unknown.
        week: in which it was promised; is_late: it left after that.
    """

    groups: Mapping[Dimension, str | None]
    week: str
    is_late: bool


@dataclass(frozen=True, slots=True)
class Recurring:
    """A group that was late more often than the others.

    Attributes:
        orders, late: of the group; others, others_late: of all others.
        weeks: in which orders of it were late.
        chance: that a group without any fault has so many late orders, times the number of groups looked at.
    """

    dimension: Dimension
    value: str
    orders: int
    late: int
    others: int
    others_late: int
    weeks: int
    chance: float


def recurring(shipped: Iterable[ShippedOrder]) -> list[Recurring]:
    """Patterns, the least likely by chance first."""
    orders = list(shipped)
    late = sum(order.is_late for order in orders)
    groups: dict[tuple[Dimension, str], list[ShippedOrder]] = {}
    for order in orders:
        for dimension in DIMENSIONS:
            value = order.groups.get(dimension)
            if value is not None:
                groups.setdefault((dimension, value), []).append(order)
    large = {
        key: members
        for key, members in sorted(groups.items())
        if len(members) >= LEAST_ORDERS and len(members) < len(orders)
    }
    found = []
    for (dimension, value), members in large.items():
        found.append(_of_group(dimension, value, members, len(orders), late, len(large)))
    told = [
        each
        for each in found
        if each.chance <= MOST_CHANCE
        and each.weeks >= LEAST_LATE_WEEKS
        and each.late * each.others > each.others_late * each.orders
    ]
    return sorted(told, key=lambda each: (each.chance, each.dimension, each.value))


def _of_group(
    dimension: Dimension, value: str, members: Sequence[ShippedOrder], orders: int, late: int, looked_at: int
) -> Recurring:
    late_here = sum(order.is_late for order in members)
    chance = hypergeometric_tail(orders, late, len(members), late_here)
    return Recurring(
        dimension=dimension,
        value=value,
        orders=len(members),
        late=late_here,
        others=orders - len(members),
        others_late=late - late_here,
        weeks=len({order.week for order in members if order.is_late}),
        chance=min(1.0, chance * looked_at),
    )


def hypergeometric_tail(population: int, marked: int, drawn: int, at_least: int) -> float:
    """Chance that of `drawn` out of a population with so many marked ones at least so many are marked (Fisher, one side).

    Of 4 orders 2 late, 2 drawn: both are late in 1 of 6 draws.
    """
    total = comb(population, drawn)
    hits = sum(
        comb(marked, found) * comb(population - marked, drawn - found)
        for found in range(at_least, min(marked, drawn) + 1)
        if drawn - found <= population - marked
    )
    return hits / total
