"""Material in numbers: what is there, what is needed, which run has to wait for what. Pure arithmetic.

Supply is given to runs in the order of their planned start, over all lines of a site. So what a run can make at which
time follows from stock, receipts, plan and progress, and never from projections: projections rest on it, not it on them.
Quantities are in the unit of the component; pieces are pieces of the product. Times are POSIX seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, sqrt

import msgspec

HOUR_S = 3600.0
DAY_S = 86_400.0

OVER_USE_PRIOR_PCS = 200.0
"""Pieces made exactly by the bill of material that observed use is blended with. Smaller: one report moves a forecast."""

OVER_USE_SD = 0.05
"""Standard deviation of over-use while nothing was observed; falls with the pieces that were."""

LEAST_OVER_USE_SD = 0.005
"""No use is known better than this."""

ISSUED_AHEAD = 1.25
"""Reported use beyond this many times the bill was handed out ahead, not used: it says nothing about over-use."""

SUPPLY_SPREAD = 0.1
"""Standard deviation of the arrival of a receipt over the time until then. Smaller trusts suppliers more."""

LEAST_SHARE = 1e-6
"""Share of a need below which nothing is missing: the arithmetic of floats."""


class Gate(msgspec.Struct, frozen=True):
    """A run can make its last after_pcs good pieces only with material that comes at a moment.

    Attributes:
        at: when it comes; sd_s: standard deviation of that.
        after_pcs: good pieces that cannot be made before.
        receipt_id: what it comes with; None: nothing is on its way, this is when it would come if ordered now.
    """

    item_id: str
    at: float
    after_pcs: float
    sd_s: float
    receipt_id: str | None


def decisive(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Gates of one run that can decide when it ends: no other comes later and holds as much."""
    kept: list[Gate] = []
    held = 0.0
    for gate in sorted(gates, key=lambda gate: (-gate.at, -gate.after_pcs, gate.item_id)):
        if gate.after_pcs > held:
            kept.append(gate)
            held = gate.after_pcs
    return tuple(reversed(kept))


@dataclass(frozen=True, slots=True)
class Need:
    """What a run takes of an item from the moment on of which its use is known.

    Attributes:
        units: for the pieces from then to its end; per_good: units a good piece, over-use and expected scrap included.
    """

    run_id: str
    units: float
    per_good: float


@dataclass(frozen=True, slots=True)
class Supply:
    """Something that comes: when, how much, and how sure its time is."""

    at: float
    quantity: float
    sd_s: float
    receipt_id: str | None


def allocate(
    item_id: str, stock: float, needs: Iterable[Need], supplies: Sequence[Supply], reorder: Supply
) -> dict[str, list[Gate]]:
    """Give stock, then receipts in the order in which they come, to needs in the order given.

    Args:
        item_id: the component.
        stock: available now; below zero counts as nothing.
        needs: in the order in which they are served.
        supplies: by time.
        reorder: what would come if it were ordered now, as much as needed.

    Returns:
        Gates of each run that stock alone does not cover, by time.
    """
    gates: dict[str, list[Gate]] = {}
    supply: Supply | None = None  # what is being given away; None: what is there
    left = max(0.0, stock)
    coming = iter(supplies)
    for need in needs:
        missing = need.units
        nothing = LEAST_SHARE * need.units
        while missing > nothing:
            if left <= nothing:
                supply = next(coming, reorder)
                left = inf if supply is reorder else supply.quantity
            if supply is not None:
                gates.setdefault(need.run_id, []).append(
                    Gate(item_id, supply.at, missing / need.per_good, supply.sd_s, supply.receipt_id)
                )
            taken = min(left, missing)
            missing, left = missing - taken, left - taken
    return gates


def expected_arrival(expected_at: float, hour: float, lead_time_s: float) -> tuple[float, float]:
    """When an open receipt is taken to come, and the standard deviation of that.

    One that is overdue is taken to come as late again as it already is, but no later than a new order would.

    Args:
        expected_at: as announced.
        hour: the clock, in whole hours.
        lead_time_s: of a new order.
    """
    if expected_at > hour:
        return expected_at, SUPPLY_SPREAD * (expected_at - hour)
    overdue_s = min(max(hour - expected_at, HOUR_S), max(lead_time_s, HOUR_S))
    return hour + overdue_s, overdue_s


@dataclass(frozen=True, slots=True)
class OverUse:
    """Observed use over the bill of material.

    Attributes:
        share: 0.03 = 3 % more, shrunk towards 0 while little was observed; sd: its standard deviation.
        reports: consumption reports that it rests on.
    """

    share: float
    sd: float
    reports: int


def over_use(observed: Iterable[tuple[float, float, float, int]]) -> OverUse:
    """Over-use of an item from what runs reported.

    Args:
        observed: of each run: units used, pieces made until its last report, units a piece by the bill, reports.
    """
    used = by_bill = prior = 0.0
    reports = 0
    for units, made_pcs, quantity_per, count in observed:
        expected = made_pcs * quantity_per
        if expected <= 0 or units > ISSUED_AHEAD * expected:
            continue
        used += units
        by_bill += expected
        prior = max(prior, OVER_USE_PRIOR_PCS * quantity_per)
        reports += count
    if by_bill <= 0:
        return OverUse(0.0, OVER_USE_SD, 0)
    share = (used + prior) / (by_bill + prior) - 1.0
    return OverUse(share, max(LEAST_OVER_USE_SD, OVER_USE_SD * sqrt(prior / (prior + by_bill))), reports)


def used_after(made_pcs: float, marked_pcs: float, per_piece: float) -> float:
    """Units that pieces made since a mark took, by the bill and the observed over-use."""
    return max(0.0, made_pcs - marked_pcs) * per_piece


def received_since(arrivals: Sequence[tuple[float, float]], moment: float) -> float:
    """Units of a receipt that came after a moment: what came in all, less what had come by then."""
    before = 0.0
    for at, in_all in arrivals:
        if at <= moment:
            before = in_all
    return max(0.0, arrivals[-1][1] - before) if arrivals else 0.0
