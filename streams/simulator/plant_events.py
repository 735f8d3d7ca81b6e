"""The plant as events: what plant model and ERP tell before anything happens."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from schemas import (
    AreaUpserted,
    BillOfMaterialUpserted,
    BomComponent,
    CalendarUpserted,
    CustomerUpserted,
    Event,
    ItemUpserted,
    LineUpserted,
    OvertimeWindowUpserted,
    PersonUpserted,
    RoutingStep,
    RoutingUpserted,
    SetupEntry,
    SetupMatrixUpserted,
    ShipmentSlotsUpserted,
    SiteUpserted,
    StationUpserted,
    WeeklySlot,
    WeeklySpan,
)
from streams.simulator.plant import CALENDARS, FINISHING_SETUP_MIN, Line, Site
from streams.simulator.settings import FactorySettings
from twin.state.calendar import WeekSpan

OVERTIME_COST_PER_H = 450.0


def plant_events(site: Site, settings: FactorySettings) -> Iterator[Event]:
    """Everything that is known at the start, in an order in which nothing is named before it is known."""
    yield from _site_events(site, settings)
    for line in site.lines:
        yield from _line_events(site, line, settings)
    yield from _trade_events(site, settings)
    yield from _product_events(site, settings)


def _said(site: Site, settings: FactorySettings, source: str, about: str) -> dict[str, Any]:
    """What every event of the start has in common."""
    return {
        "event_id": f"{source}/{site.site_id}/{about}",
        "event_time": settings.start,
        "site_id": site.site_id,
    }


def _site_events(site: Site, settings: FactorySettings) -> Iterator[Event]:
    if settings.with_site:
        yield SiteUpserted(
            **_said(site, settings, "plant", "site"),
            name=site.name,
            zone=site.zone.key,
            currency="EUR",
            owner_id=site.people[0].person_id,
        )
    for person in site.people:
        yield PersonUpserted(
            **_said(site, settings, "erp", f"person/{person.person_id}"),
            person_id=person.person_id,
            name=person.name,
            role=person.role,
        )
    for area_id, name in site.areas.items():
        yield AreaUpserted(**_said(site, settings, "plant", f"area/{area_id}"), area_id=area_id, name=name)
    for calendar_id, (shifts, breaks) in CALENDARS.items():
        yield CalendarUpserted(
            **_said(site, settings, "plant", f"calendar/{calendar_id}"),
            calendar_id=f"{site.site_id}-{calendar_id}",
            shifts=[_weekly(span) for span in shifts],
            breaks=[_weekly(span) for span in breaks],
        )


def _weekly(span: WeekSpan) -> WeeklySpan:
    return WeeklySpan(weekday=span.weekday, start=span.start, end=span.end)


def _line_events(site: Site, line: Line, settings: FactorySettings) -> Iterator[Event]:
    yield LineUpserted(
        **_said(site, settings, "plant", f"line/{line.line_id}"),
        line_id=line.line_id,
        name=f"Line {line.number}",
        area_id=line.area_id,
        calendar_id=line.calendar_id,
        supervisor_id=line.supervisor_id,
        rate_pcs_per_h=line.rate_pcs_per_h,
        setup_family=line.first_family,
    )
    for station_id in line.stations:
        yield StationUpserted(
            **_said(site, settings, "plant", f"station/{station_id}"),
            station_id=station_id,
            line_id=line.line_id,
            name=station_id.partition("-")[2],
        )
    entries = [
        SetupEntry(
            from_family=before,
            to_family=after,
            setup_min=site.setup_minutes(line, before, after),
            cost=site.setup_minutes(line, before, after) / 60.0 * settings.setup_cost_per_h,
        )
        for before, after in site.setup_min
    ]
    yield SetupMatrixUpserted(
        **_said(site, settings, "plant", f"setups/{line.line_id}"),
        line_id=line.line_id,
        entries=entries,
        default_min=FINISHING_SETUP_MIN if line.is_finishing else 30.0,
    )
    yield from _overtime_events(site, line, settings)


def _overtime_events(site: Site, line: Line, settings: FactorySettings) -> Iterator[Event]:
    """Saturday mornings that could be bought until Friday noon; nobody ever buys one here."""
    monday = settings.start.astimezone(site.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    monday -= timedelta(days=monday.weekday())
    for week in range(settings.days // 7 + 2):
        saturday = monday + timedelta(days=7 * week + 5)
        if saturday <= settings.start or line.calendar_id.endswith("shifts-3"):
            continue
        window_id = f"OT-{line.line_id}-{saturday:%Y-%m-%d}"
        yield OvertimeWindowUpserted(
            **_said(site, settings, "plant", f"overtime/{window_id}"),
            window_id=window_id,
            line_id=line.line_id,
            start_at=saturday.replace(hour=6),
            end_at=saturday.replace(hour=14),
            notice_by=(saturday - timedelta(days=1)).replace(hour=12),
            cost_per_h=OVERTIME_COST_PER_H,
        )


def _trade_events(site: Site, settings: FactorySettings) -> Iterator[Event]:
    for route in site.routes.values():
        yield ShipmentSlotsUpserted(
            **_said(site, settings, "plant", f"route/{route.route_id}"),
            route_id=route.route_id,
            carrier=f"Carrier {route.route_id[-1]}",
            weekly=[WeeklySlot(weekday=day, at=f"{hour:02d}:00") for day, hour in route.slots],
            loading_min=route.loading_min,
        )
    for customer in site.customers:
        yield CustomerUpserted(
            **_said(site, settings, "erp", f"customer/{customer.customer_id}"),
            customer_id=customer.customer_id,
            name=customer.name,
            weight=customer.weight,
            cannot_slip=customer.cannot_slip,
            account_owner_id=customer.account_owner_id,
            penalty_per_day=customer.penalty_per_day,
        )


def _product_events(site: Site, settings: FactorySettings) -> Iterator[Event]:
    for component in site.components.values():
        yield ItemUpserted(
            **_said(site, settings, "erp", f"item/{component.item_id}"),
            item_id=component.item_id,
            name=f"Component {component.item_id[-2:]}",
            unit_cost=component.unit_cost,
            lead_time_days=component.lead_time_days,
            buyer_id=component.buyer_id,
        )
    for item in site.items.values():
        yield ItemUpserted(
            **_said(site, settings, "erp", f"item/{item.item_id}"),
            item_id=item.item_id,
            name=f"Product {item.item_id[-3:]}",
            setup_family=item.family,
            unit_cost=item.unit_cost,
            expected_scrap=item.scrap,
        )
        yield BillOfMaterialUpserted(
            **_said(site, settings, "erp", f"bill/{item.item_id}"),
            item_id=item.item_id,
            components=[BomComponent(item_id=part, quantity_per=per) for part, per in item.components],
        )
        steps = [
            RoutingStep(step=1, line_id=line.line_id, rate_pcs_per_h=line.rate_pcs_per_h)
            for line in site.lines
            if line.area_id == item.area_id
        ]
        yield RoutingUpserted(
            **_said(site, settings, "erp", f"routing/{item.item_id}"), item_id=item.item_id, steps=steps
        )
