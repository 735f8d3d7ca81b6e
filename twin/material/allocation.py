"""From the model to the material that runs have to wait for. Answers from scratch, remembers nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas import Disposition
from twin.material.materials import (
    DAY_S,
    HOUR_S,
    SUPPLY_SPREAD,
    Gate,
    Need,
    OverUse,
    Supply,
    allocate,
    expected_arrival,
    received_since,
)
from twin.material.usage import NO_ACCOUNT, issued_ahead, over_use_of, units_per_good, unmarked_use
from twin.state.entities import SiteKey
from twin.state.model import Model

LEAD_TIME_DAYS_MAX = 3_650.0
"""A longer lead time is taken for ten years: nobody waits for that. Too small: what takes years seems to come sooner.
Too large: its spread runs over centuries of shifts, which each step of the line would have to lay out."""


@dataclass(frozen=True, slots=True)
class LeadTime:
    """How long it takes from order to receipt at the normal price.

    Attributes:
        days: by the calendar, as the item says, else as the rules assume; is_known: the item says so.
        because: which of them, in words.
    """

    days: float
    is_known: bool
    because: str

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.days * DAY_S


@dataclass(frozen=True, slots=True)
class Allocation:
    """What follows from an item's supply.

    Attributes:
        gates: of each run that stock alone does not cover.
        hour: the clock that they rest on, in whole hours; None: they do not depend on it.
    """

    gates: Mapping[str, list[Gate]]
    over_use: OverUse
    hour: float | None


def allocation_of(model: Model, item_key: SiteKey, now: float, also: Sequence[Need] = ()) -> Allocation:
    """Which runs have to wait for an item, and until when.

    Args:
        model: the live model.
        item_key: site and item.
        now: the shard's clock.
        also: needs of what is not planned yet, served last.

    An item without any stock report is not judged, nor is one that the plant makes itself: runs that feed each other
    say when it is there.
    """
    site_id, item_id = item_key
    use = over_use_of(model.supply, item_key)
    if model.supply.reported_at(item_key) is None or model.plant.bill(site_id, item_id) is not None:
        return Allocation({}, use, None)
    hour = now - now % HOUR_S  # nothing here moves with every tick of the clock
    lead = lead_time_of(model, item_key)
    supplies = supplies_of(model, item_key, hour)
    reorder = Supply(hour + lead.seconds, 0.0, SUPPLY_SPREAD * lead.seconds, None)
    stock = stock_of(model, item_key, use)
    gates = allocate(item_id, stock, [*needs_of(model, item_key, use), *also], supplies, reorder)
    return Allocation(gates, use, hour if gates or supplies else None)


def lead_time_of(model: Model, item_key: SiteKey) -> LeadTime:
    """Lead time of an item, known or assumed."""
    item = model.plant.item(*item_key)
    if item is not None and item.lead_time_days is not None:
        return LeadTime(min(item.lead_time_days, LEAD_TIME_DAYS_MAX), True, f"lead time of {item_key[1]}")
    days = model.plant.rules(item_key[0]).assumed_lead_time_days
    return LeadTime(
        min(days, LEAD_TIME_DAYS_MAX), False, f"assumed by the rules: no lead time of {item_key[1]} is known"
    )


def stock_of(model: Model, item_key: SiteKey, use: OverUse) -> float:
    """Units there at the moments of which the use of open runs is known: as reported, plus what came, less what went."""
    book = model.supply
    site_id = item_key[0]
    reported_at = book.reported_at(item_key)
    if reported_at is None:
        return 0.0
    stock = sum(
        lot.quantity
        for _, lot in sorted(book.lots[item_key].items())
        if lot.disposition is Disposition.UNRESTRICTED
    )
    for receipt_id in sorted(book.arrived.get(item_key, {})):
        stock += received_since(book.arrivals[site_id, receipt_id].steps, reported_at)
    supply = book.items.get(item_key)
    stock -= 0.0 if supply is None else supply.carried
    runs = {**book.users.get(item_key, {}), **dict.fromkeys(book.accounts.get(item_key, {}))}
    for run_id in sorted(runs):
        run = model.runs[site_id, run_id]
        account = book.accounts.get(item_key, {}).get(run_id, NO_ACCOUNT)
        stock -= account.used
        if run.is_finished:
            stock -= unmarked_use(book, item_key, run, use)
    return stock


def needs_of(model: Model, item_key: SiteKey, use: OverUse) -> list[Need]:
    """What open runs take from the moments on of which their use is known, by planned start."""
    site_id, item_id = item_key
    runs = [model.runs[site_id, run_id] for run_id in model.supply.users.get(item_key, {})]
    needs = []
    for run in sorted(runs, key=lambda run: (run.planned_start, run.run_id)):
        if run.is_finished:
            continue
        account = model.supply.accounts.get(item_key, {}).get(run.run_id, NO_ACCOUNT)
        quantity_per = model.supply.takes[site_id, run.run_id][item_id]
        per_good = units_per_good(run, quantity_per, use)
        units = max(0.0, run.plan.quantity_pcs - account.good) * per_good
        needs.append(Need(run.run_id, max(0.0, units - issued_ahead(account, quantity_per, use)), per_good))
    return needs


def supplies_of(model: Model, item_key: SiteKey, hour: float) -> list[Supply]:
    """Open receipts of an item in the order in which they are taken to come.

    One that is overdue by more than a lead time is given up: a new order would be there by now, and where sources do
    not say what came in, it may have come long ago and be in the stock.
    """
    book = model.supply
    lead_s = lead_time_of(model, item_key).seconds
    supplies = []
    for receipt_id in sorted(book.expected.get(item_key, {})):
        event = book.receipts[item_key[0], receipt_id]
        quantity = book.open_quantity((item_key[0], receipt_id))
        announced = event.expected_at.timestamp()
        if quantity > 0 and hour - announced <= max(lead_s, HOUR_S):
            at, sd_s = expected_arrival(announced, hour, lead_s)
            supplies.append(Supply(at, quantity, sd_s, receipt_id))
    return sorted(supplies, key=lambda supply: (supply.at, supply.receipt_id or ""))
