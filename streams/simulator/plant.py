"""The plant that a seed stands for: sites, lines, calendars, items, customers, routes. Nothing here ever changes."""

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from streams.simulator.settings import FactorySettings
from twin.state.calendar import CalendarDescription, WeekSpan, WorkCalendar

WEEKDAYS = range(5)
CALENDARS: dict[str, tuple[tuple[WeekSpan, ...], tuple[WeekSpan, ...]]] = {
    "shifts-1": (
        tuple(WeekSpan(day, "07:00", "15:30") for day in WEEKDAYS),
        tuple(WeekSpan(day, "12:00", "12:30") for day in WEEKDAYS),
    ),
    "shifts-2": (
        tuple(WeekSpan(day, "06:00", "22:00") for day in WEEKDAYS),
        tuple(WeekSpan(day, *span) for day in WEEKDAYS for span in (("10:00", "10:15"), ("18:00", "18:15"))),
    ),
    "shifts-3": (tuple(WeekSpan(day, "06:00", "06:00") for day in WEEKDAYS), ()),
}
"""Shifts and breaks by calendar id; three shifts run from Monday 06:00 to Saturday 06:00."""

AREAS = ("Forming", "Machining", "Assembly")
FINISHING_AREA = "Packing"
FAMILIES = ("red", "blue", "white", "black")
CUSTOMERS = (
    "Adatum", "Litware", "Tailspin", "Woodgrove", "Wingtip", "Proseware", "Trey", "Lucerne", "Margie", "Alpine",
)  # fmt: skip
SURNAMES = (
    "Abara", "Bauer", "Costa", "Dubois", "Eriksen", "Fontaine", "Garcia", "Huber", "Ivanova", "Jansen", "Keller",
    "Lopez", "Moreau", "Novak", "Olsen", "Petrov", "Quinn", "Rossi", "Schmidt", "Tanaka", "Urban", "Vogel", "Weber",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody who owns a line, an item or a site."""

    person_id: str
    name: str
    role: str


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """Something bought."""

    item_id: str
    unit_cost: float
    lead_time_days: float
    buyer_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """Something made.

    Attributes:
        scrap: share of the pieces that is bad on a good day.
        components: (item, quantity per piece).
        unit_price, unit_cost: money per piece.
        finished_as: the item that the finishing line turns it into; None: it is sold as it is.
    """

    item_id: str
    area_id: str
    family: str
    scrap: float
    components: tuple[tuple[str, float], ...]
    unit_price: float
    unit_cost: float
    finished_as: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line, and how its gateway talks: deltas or totals, with the run's name or without."""

    line_id: str
    number: int
    area_id: str
    calendar_id: str
    calendar: WorkCalendar
    supervisor_id: str
    rate_pcs_per_h: float
    first_family: str
    stations: tuple[str, ...]
    counts_totals: bool
    names_run: bool
    reports_states: bool
    is_finishing: bool


@dataclass(frozen=True, slots=True, eq=False)
class Customer:
    """A customer, served by one route."""

    customer_id: str
    name: str
    cannot_slip: bool
    weight: float
    penalty_per_day: float
    account_owner_id: str
    route_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """Weekly departures as (weekday, hour), in the site's zone."""

    route_id: str
    slots: tuple[tuple[int, int], ...]
    loading_min: float

    def next_departure(self, ready_s: float, zone: ZoneInfo) -> float:
        """The first departure that goods ready by then still reach, POSIX seconds."""
        earliest_s = ready_s + self.loading_min * 60.0
        midnight = datetime.fromtimestamp(earliest_s, zone).replace(hour=0, minute=0, second=0, microsecond=0)
        for day in range(15):
            date = midnight + timedelta(days=day)
            for weekday, hour in self.slots:
                departure_s = date.replace(hour=hour).timestamp()
                if weekday == date.weekday() and departure_s >= earliest_s:
                    return departure_s
        raise AssertionError(f"route {self.route_id} never leaves")


@dataclass(slots=True, eq=False)
class Site:
    """One site and everything in it, by id, in the order in which it was made."""

    site_id: str
    name: str
    zone: ZoneInfo
    people: list[Person] = field(default_factory=list)
    areas: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    components: dict[str, Component] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    customers: list[Customer] = field(default_factory=list)
    routes: dict[str, Route] = field(default_factory=dict)
    setup_min: dict[tuple[str, str], float] = field(default_factory=dict)

    def setup_minutes(self, line: Line, before: str, after: str) -> float:
        """Planned setup of a line between two families."""
        if before == after:
            return 0.0
        return FINISHING_SETUP_MIN if line.is_finishing else self.setup_min[before, after]


FINISHING_SETUP_MIN = 10.0


def build_sites(settings: FactorySettings) -> list[Site]:
    """The sites of a seed; lines are spread over them as evenly as they go."""
    sites = []
    numbers = iter(
        number for number in range(settings.first_line, 10**6) if number not in settings.skipped_lines
    )
    for index in range(settings.sites):
        share = settings.lines // settings.sites + (1 if index < settings.lines % settings.sites else 0)
        site_id = f"{settings.site_prefix}-{index + 1}"
        site = Site(site_id=site_id, name=f"Plant {index + 1}", zone=settings.zone)
        rng = Random(f"{settings.seed}/plant/{index}")
        has_finishing = settings.two_steps and share >= 3
        _add_people(site, rng)
        _add_products(site, rng, settings, has_finishing)
        _add_trade(site, rng, index)
        _add_lines(site, rng, settings, [next(numbers) for _ in range(share)], has_finishing)
        sites.append(site)
    return sites


def _add_people(site: Site, rng: Random) -> None:
    roles = ["plant manager", "buyer", "buyer", "quality lead", "account owner", "account owner"]
    for number, role in enumerate(roles + ["line supervisor"] * 6):
        name = f"{rng.choice('ABCDEFGHIJKLMNOPRSTVW')}. {rng.choice(SURNAMES)}"
        site.people.append(Person(f"{site.site_id}.p{number:02d}", name, role))


def _with_role(site: Site, role: str) -> list[Person]:
    return [person for person in site.people if person.role == role]


def _add_products(site: Site, rng: Random, settings: FactorySettings, has_finishing: bool) -> None:
    buyers = _with_role(site, "buyer")
    for number in range(1, 13):
        item_id = f"{site.site_id}-C{number:02d}"
        site.components[item_id] = Component(
            item_id=item_id,
            unit_cost=round(rng.uniform(0.05, 1.2), 2),
            lead_time_days=float(rng.randint(2, 10)),
            buyer_id=rng.choice(buyers).person_id,
        )
    for name in AREAS[: settings.areas]:
        site.areas[f"{site.site_id}-{name.lower()}"] = name
        for number in range(1, 9):
            _add_item(site, rng, name, number, is_finished=has_finishing and number % 4 == 0)
    if has_finishing:
        site.areas[f"{site.site_id}-{FINISHING_AREA.lower()}"] = FINISHING_AREA
    for before in FAMILIES:
        for after in FAMILIES:
            if before != after:
                site.setup_min[before, after] = rng.randrange(15, 65, 5) * settings.setup_scale


def _add_item(site: Site, rng: Random, area: str, number: int, is_finished: bool) -> None:
    used = rng.sample(list(site.components.values()), rng.randint(1, 3))
    per_piece = [(part.item_id, rng.choice((0.5, 1.0, 1.0, 2.0))) for part in used]
    material_cost = sum(part.unit_cost * per for part, (_, per) in zip(used, per_piece, strict=True))
    cost = round(material_cost + rng.uniform(0.4, 2.5), 2)
    item_id = f"{site.site_id}-{area[0]}{number:02d}"
    item = Item(
        item_id=item_id,
        area_id=f"{site.site_id}-{area.lower()}",
        family=FAMILIES[(number // 2) % len(FAMILIES)],
        scrap=round(rng.uniform(0.004, 0.02), 4),
        components=tuple(per_piece),
        unit_price=round(cost * rng.uniform(1.05, 1.35), 2),
        unit_cost=cost,
        finished_as=f"{item_id}-P" if is_finished else None,
    )
    site.items[item_id] = item
    if item.finished_as is not None:
        site.items[item.finished_as] = replace(
            item,
            item_id=item.finished_as,
            area_id=f"{site.site_id}-{FINISHING_AREA.lower()}",
            scrap=0.002,
            components=(),
            unit_price=round(item.unit_price + 0.30, 2),
            unit_cost=round(item.unit_cost + 0.20, 2),
            finished_as=None,
        )


def _add_trade(site: Site, rng: Random, index: int) -> None:
    for number in range(1, 5):
        route_id = f"{site.site_id}-route-{number}"
        days = sorted(rng.sample(range(5), rng.choice((2, 3, 5))))
        slots = tuple((day, rng.choice((10, 12, 14, 16))) for day in days)
        site.routes[route_id] = Route(route_id, slots, loading_min=float(rng.choice((0, 30, 60))))
    owners = _with_role(site, "account owner")
    for number, name in enumerate(CUSTOMERS):
        site.customers.append(
            Customer(
                customer_id=f"{site.site_id}-{name.lower()}",
                name=name if index == 0 else f"{name} {index + 1}",
                cannot_slip=number == 0,
                weight=rng.choice((1.0, 1.0, 1.5, 2.0)),
                penalty_per_day=float(rng.randrange(200, 2_000, 50)),
                account_owner_id=rng.choice(owners).person_id,
                route_id=rng.choice(list(site.routes)),
            )
        )


def _add_lines(
    site: Site, rng: Random, settings: FactorySettings, numbers: list[int], has_finishing: bool
) -> None:
    for place, number in enumerate(numbers):
        is_finishing = has_finishing and place == len(numbers) - 1
        area = FINISHING_AREA if is_finishing else AREAS[place % settings.areas]
        kind = "shifts-2" if is_finishing else rng.choices(list(CALENDARS), weights=(1, 6, 2))[0]
        rate = float(rng.randrange(160, 760, 20))
        if is_finishing:  # it sees a quarter of what the others make, and has room for more
            rate = math.ceil(sum(line.rate_pcs_per_h for line in site.lines) * 0.45 / 20.0) * 20.0
        site.lines.append(_line(site, rng, settings, number, area, kind, rate))


def _line(
    site: Site, rng: Random, settings: FactorySettings, number: int, area: str, kind: str, rate: float
) -> Line:
    shifts, breaks = CALENDARS[kind]
    supervisors = _with_role(site, "line supervisor")
    counts_totals = settings.troubles and rng.random() < 0.3
    return Line(
        line_id=f"L{number}",
        number=number,
        area_id=f"{site.site_id}-{area.lower()}",
        calendar_id=f"{site.site_id}-{kind}",
        calendar=WorkCalendar(CalendarDescription(zone=site.zone.key, shifts=shifts, breaks=breaks)),
        supervisor_id=supervisors[number % len(supervisors)].person_id,
        rate_pcs_per_h=rate,
        first_family=rng.choice(FAMILIES),
        stations=tuple(f"L{number}-{station}" for station in ("infeed", "main", "outfeed")),
        counts_totals=counts_totals,
        names_run=not (counts_totals and rng.random() < 0.5),
        reports_states=rng.random() < 0.6,
        is_finishing=area == FINISHING_AREA,
    )
