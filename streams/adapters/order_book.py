"""`foresite order-book`: an invented order book for a production log that holds no plan, promises or prices.

The log says what was done; everything else here is made up by the rule below and a seed, and says so in every event_id
("order-book/SEED/..."). Planning is by historic medians:

1. The site begins at midnight before the day of the log's first report; every event has that time.
2. Every machine is a line with a supervisor of its own. All work the same week: the hours of the week in which the log
   has at least QUIET_SHARE of the reported work of its median hour.
3. A routing step is planned on its machine for the pieces that it reports, as the log does not say how a work order was
   split over machines and clampings; for the work order's quantity where it reports none.
4. Its rate is the median, over the steps of the same machine and item (of the machine, where those are fewer than
   FEW_STEPS), of pieces an hour of production; its setup is the machine's median.
5. A work order's steps are planned in the order of their first report, each when the one before it is done, the first
   when the work order is released (its first report). A machine takes what is ready first, after its setup. Each step
   feeds the next one and is pegged to the order.
6. A work order is one sales order of one of six customers; price, cost and penalty are drawn. It is promised at 16:00
   of the day in which its release plus an allowance (drawn from ALLOWANCE) times its planned duration lies.

Numbers are drawn by name (seed and id), so a longer log does not change what was drawn for a shorter one.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from heapq import heapify, heappop, heappush
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from schemas import (
    CalendarUpserted,
    CustomerUpserted,
    Event,
    ItemUpserted,
    LineUpserted,
    OrderUpserted,
    Peg,
    PersonUpserted,
    RunPlanned,
    SiteUpserted,
    UsageError,
    WeeklySpan,
    join_key,
)
from streams.adapters.mapping import Mapping
from streams.adapters.production_log import (
    Report,
    Step,
    planned_rates,
    planned_setups,
    read_reports,
    steps_of,
    worked_hours,
)
from twin.state.calendar import CalendarDescription, WorkCalendar
from twin.state.shifts import WeekSpan

_E = TypeVar("_E", bound=Event)

ALLOWANCE: Final = (1.1, 2.0)
"""Promised duration over planned duration. Smaller: every order is late; larger: none is."""

CALENDAR_ID: Final = "plant-week"

_FIRST_NAMES: Final = [
    "Ada",
    "Ben",
    "Cleo",
    "Dov",
    "Eva",
    "Finn",
    "Gil",
    "Hana",
    "Ivo",
    "Jael",
    "Kai",
    "Lea",
    "Milo",
]
_LAST_NAMES: Final = [
    "Alder",
    "Birch",
    "Cedar",
    "Hazel",
    "Juniper",
    "Larch",
    "Maple",
    "Rowan",
    "Sorrel",
    "Willow",
]
_CUSTOMERS: Final = ["Arbour", "Brook", "Cliff", "Dune", "Estuary", "Fjord"]
"""Fictitious, as all names here."""


def order_book(path: Path, mapping: Mapping, seed: int) -> list[Event]:
    """The order book of a log, in the order in which it is to be published.

    Args:
        path: the log.
        mapping: what its columns mean; its fields must hold a constant site_id.
        seed: of what is drawn.

    Raises:
        UsageError: the log cannot be read, or the mapping lacks what the rule needs.
    """
    site = mapping.fields.get("site_id")
    if site is None or not isinstance(site.constant, str):
        raise UsageError(f"the mapping {mapping.mapping} gives no constant fields.site_id")
    return _OrderBook(read_reports(path, mapping), site.constant, mapping.format.zone or "UTC", seed).events()


class _OrderBook:
    """One order book in the making.

    Args:
        reports: the log.
        site_id: of every event.
        zone: of the site.
        seed: of what is drawn.
    """

    def __init__(self, reports: list[Report], site_id: str, zone: str, seed: int) -> None:
        self._seed = seed
        self._zone = zone
        self._steps = steps_of(reports)
        self._rates = planned_rates(self._steps)
        self._setups = planned_setups(self._steps)
        self._shifts = list(_shifts(worked_hours(reports)))
        self._site_id = site_id
        first = self._steps[0].first.start
        self._begin = datetime.combine(first.date() - timedelta(days=1), time(), first.tzinfo)

    def events(self) -> list[Event]:
        """All of it."""
        runs = self._planned_runs()
        return [*self._plant(), *self._people_and_customers(), *self._items(), *self._orders(runs), *runs]

    def _draw(self, *name: str) -> Random:
        return Random(join_key(str(self._seed), *name))

    def _event(self, model: type[_E], *name: str, **fields: Any) -> _E:
        """An event of the order book; its id says that it is invented, and of what."""
        kind = model.model_fields["kind"].default
        given = {"event_id": f"order-book/{self._seed}/{join_key(kind, *name)}", "event_time": self._begin}
        return model.model_validate(given | {"site_id": self._site_id} | fields)

    def _plant(self) -> Iterator[Event]:
        yield self._event(SiteUpserted, name="The logged plant", zone=self._zone, owner_id="plant-manager")
        yield self._event(CalendarUpserted, calendar_id=CALENDAR_ID, shifts=self._shifts)
        for line_id in self._line_ids():
            yield self._event(
                LineUpserted,
                line_id,
                line_id=line_id,
                name=line_id,
                calendar_id=CALENDAR_ID,
                supervisor_id=f"supervisor of {line_id}",
            )

    def _people_and_customers(self) -> Iterator[Event]:
        roles = {"plant-manager": "plant manager"}
        roles |= {f"supervisor of {line_id}": "supervisor" for line_id in self._line_ids()}
        roles |= {f"account {name}": "account owner" for name in _CUSTOMERS}
        for person_id, role in roles.items():
            draw = self._draw("person", person_id)
            name = f"{draw.choice(_FIRST_NAMES)} {draw.choice(_LAST_NAMES)}"
            yield self._event(PersonUpserted, person_id, person_id=person_id, name=name, role=role)
        for rank, name in enumerate(_CUSTOMERS):
            yield self._event(
                CustomerUpserted,
                name,
                customer_id=name,
                name=name,
                weight=2.0 if rank == 0 else 1.0,
                cannot_slip=rank == 0,
                account_owner_id=f"account {name}",
            )

    def _items(self) -> Iterator[Event]:
        for item_id in sorted({step.first.item_id for step in self._steps}):
            yield self._event(
                ItemUpserted,
                item_id,
                item_id=item_id,
                name=item_id,
                setup_family=item_id,
                unit_cost=self._unit_cost(item_id),
            )

    def _orders(self, runs: list[RunPlanned]) -> Iterator[Event]:
        released: dict[str, Report] = {}
        for step in self._steps:
            released.setdefault(step.first.order_id, step.first)
        done = {
            run.pegs[0].order_id: run.planned_end_at
            for run in sorted(runs, key=lambda run: run.planned_end_at)
        }
        for order_id, report in released.items():
            draw = self._draw("order", order_id)
            due = report.start + draw.uniform(*ALLOWANCE) * (done[order_id] - report.start)
            cost = self._unit_cost(report.item_id)
            price = round(cost * draw.uniform(1.1, 1.5), 2)
            yield self._event(
                OrderUpserted,
                order_id,
                order_id=order_id,
                customer_id=draw.choice(_CUSTOMERS),
                item_id=report.item_id,
                quantity_pcs=report.order_pcs,
                promised_at=datetime.combine(due.date(), time(16), due.tzinfo),
                unit_price=price,
                unit_cost=cost,
                penalty_per_day=max(50.0, round(price * report.order_pcs * draw.uniform(0.01, 0.03), -1)),
                priority=draw.randrange(1, 6),
            )

    def _planned_runs(self) -> list[RunPlanned]:
        calendar = WorkCalendar(
            CalendarDescription(
                zone=self._zone,
                shifts=tuple(WeekSpan(span.weekday, span.start, span.end) for span in self._shifts),
            )
        )
        routes: dict[str, list[Step]] = {}
        for step in self._steps:
            routes.setdefault(step.first.order_id, []).append(step)
        ready = [(route[0].first.start.timestamp(), order_id, 0) for order_id, route in routes.items()]
        heapify(ready)
        free_at: dict[str, float] = {}
        runs = []
        while ready:
            ready_at, order_id, number = heappop(ready)
            route = routes[order_id]
            first = route[number].first
            setup_min = self._setups[first.line_id]
            rate = self._rates[first.run_id]
            quantity = route[number].good_pcs or first.order_pcs
            release = route[0].first.start
            begin = max(release.timestamp(), free_at.get(first.line_id, 0.0))
            start = calendar.next_working(max(calendar.add_work(begin, 60.0 * setup_min), ready_at))
            end = calendar.add_work(start, max(60.0, 3600.0 * quantity / rate))
            free_at[first.line_id] = end
            if number + 1 < len(route):
                heappush(ready, (end, order_id, number + 1))
            runs.append(
                self._event(
                    RunPlanned,
                    first.run_id,
                    run_id=first.run_id,
                    line_id=first.line_id,
                    item_id=first.item_id,
                    quantity_pcs=quantity,
                    planned_start_at=_moment(start),
                    planned_end_at=_moment(end),
                    rate_pcs_per_h=rate,
                    setup_min=setup_min,
                    release_at=release,
                    work_order_id=order_id,
                    pegs=[Peg(order_id=order_id, quantity_pcs=quantity)],
                    feeds_run_ids=[step.first.run_id for step in route[number + 1 : number + 2]],
                )
            )
        return runs

    def _line_ids(self) -> list[str]:
        return sorted({step.first.line_id for step in self._steps})

    def _unit_cost(self, item_id: str) -> float:
        return round(self._draw("cost", item_id).uniform(15.0, 120.0), 2)


def _moment(at_s: float) -> datetime:
    """Planned times are whole minutes, up."""
    return datetime.fromtimestamp(-(-at_s // 60) * 60, UTC)


def _shifts(worked: list[bool]) -> Iterator[WeeklySpan]:
    """Spans of the hours worked, day by day."""
    for weekday in range(7):
        hours = [*worked[weekday * 24 : weekday * 24 + 24], False]
        begin: int | None = None
        for hour, is_worked in enumerate(hours):
            if is_worked and begin is None:
                begin = hour
            elif not is_worked and begin is not None:
                yield WeeklySpan(weekday=weekday, start=f"{begin:02}:00", end=f"{hour:02}:00")
                begin = None
