"""What is known on Monday about the Line 3 case: site, people, line, calendar, customers, items, orders and the plan."""

from collections.abc import Iterator
from typing import Any

from schemas import (
    AreaUpserted,
    CalendarUpserted,
    CustomerUpserted,
    Event,
    ItemUpserted,
    LineUpserted,
    OrderUpserted,
    OvertimeWindowUpserted,
    Peg,
    PersonUpserted,
    RoutingStep,
    RoutingUpserted,
    RunPlanned,
    SetupEntry,
    SetupMatrixUpserted,
    ShipmentSlotsUpserted,
    SiteUpserted,
    StationUpserted,
    WeeklySlot,
    WeeklySpan,
)
from streams.simulator.line3_case import (
    BEGIN,
    LINE_ID,
    PLANNED_RATE_PCS_PER_H,
    RUNS,
    SETUP_MIN,
    SITE_ID,
    ZONE,
    local,
)

AREA_ID = "forming"
CALENDAR_ID = "two-shifts"
OVERTIME_ID = "OT-L3-2026-11-21"
OVERTIME_COST_PER_H = 780.0
MATRIX_FAMILIES = ("aluminium", "steel", "copper")

_PEOPLE = (
    ("t.brandt", "T. Brandt", "plant manager"),
    ("r.okafor", "R. Okafor", "line supervisor"),
    ("m.lindqvist", "M. Lindqvist", "account owner"),
)
_CUSTOMERS = (
    ("contoso", "Contoso", False, None),
    ("northwind", "Northwind", True, "m.lindqvist"),
    ("fabrikam", "Fabrikam", False, None),
)
_ITEM_NAMES = {"HX-20": "Heat sink 20", "HX-31": "Bracket 31", "HX-45": "Busbar 45"}
_ROUTES = (
    ("northwind-truck", "Northwind's truck", ((1, "12:00"), (3, "12:00"))),
    ("friday-truck", "Friday truck", ((4, "12:00"),)),
)


def line3_plant_events() -> Iterator[Event]:
    """Everything told on Monday 06:00, in an order in which nothing is named before it is known."""
    yield from _site()
    yield from _line()
    yield from _trade()
    yield from _plan()


def _said(source: str, about: str) -> dict[str, Any]:
    """What every event of the morning has in common."""
    return {"event_id": f"{source}/{about}", "event_time": BEGIN, "site_id": SITE_ID}


def _site() -> Iterator[Event]:
    yield SiteUpserted(
        **_said("plant", "site"), name="Plant 1", zone=ZONE.key, currency="EUR", owner_id="t.brandt"
    )
    for person_id, name, role in _PEOPLE:
        yield PersonUpserted(**_said("erp", f"person/{person_id}"), person_id=person_id, name=name, role=role)
    yield AreaUpserted(**_said("plant", f"area/{AREA_ID}"), area_id=AREA_ID, name="Forming")
    yield CalendarUpserted(
        **_said("plant", f"calendar/{CALENDAR_ID}"),
        calendar_id=CALENDAR_ID,
        shifts=[WeeklySpan(weekday=day, start="06:00", end="22:00") for day in range(5)],
    )


def _line() -> Iterator[Event]:
    yield LineUpserted(
        **_said("plant", f"line/{LINE_ID}"),
        line_id=LINE_ID,
        name="Line 3",
        area_id=AREA_ID,
        calendar_id=CALENDAR_ID,
        supervisor_id="r.okafor",
        rate_pcs_per_h=float(PLANNED_RATE_PCS_PER_H),
        setup_family=RUNS[0].family,
    )
    yield StationUpserted(
        **_said("plant", "station/L3-press"), station_id="L3-press", line_id=LINE_ID, name="Press"
    )
    yield SetupMatrixUpserted(
        **_said("plant", f"setups/{LINE_ID}"),
        line_id=LINE_ID,
        entries=[
            SetupEntry(from_family=before, to_family=after, setup_min=float(SETUP_MIN))
            for before in MATRIX_FAMILIES
            for after in MATRIX_FAMILIES
            if before != after
        ],
        default_min=float(SETUP_MIN),
    )
    yield OvertimeWindowUpserted(
        **_said("plant", f"overtime/{OVERTIME_ID}"),
        window_id=OVERTIME_ID,
        line_id=LINE_ID,
        start_at=local(21, "06:00"),
        end_at=local(21, "14:00"),
        notice_by=local(20, "14:00"),
        cost_per_h=OVERTIME_COST_PER_H,
    )


def _trade() -> Iterator[Event]:
    for route_id, carrier, slots in _ROUTES:
        yield ShipmentSlotsUpserted(
            **_said("plant", f"route/{route_id}"),
            route_id=route_id,
            carrier=carrier,
            weekly=[WeeklySlot(weekday=day, at=at) for day, at in slots],
        )
    for customer_id, name, cannot_slip, account_owner_id in _CUSTOMERS:
        yield CustomerUpserted(
            **_said("erp", f"customer/{customer_id}"),
            customer_id=customer_id,
            name=name,
            cannot_slip=cannot_slip,
            account_owner_id=account_owner_id,
        )
    for run in RUNS:
        yield ItemUpserted(
            **_said("erp", f"item/{run.item_id}"),
            item_id=run.item_id,
            name=_ITEM_NAMES[run.item_id],
            setup_family=run.family,
            unit_cost=run.unit_cost,
        )
        yield RoutingUpserted(
            **_said("erp", f"routing/{run.item_id}"),
            item_id=run.item_id,
            steps=[RoutingStep(step=1, line_id=LINE_ID, rate_pcs_per_h=float(PLANNED_RATE_PCS_PER_H))],
        )


def _plan() -> Iterator[Event]:
    for run in RUNS:
        yield OrderUpserted(
            **_said("erp", f"order/{run.order_id}"),
            order_id=run.order_id,
            customer_id=run.customer_id,
            item_id=run.item_id,
            quantity_pcs=float(run.quantity_pcs),
            promised_at=run.promised_at,
            route_id=run.route_id,
            unit_price=run.unit_price,
            unit_cost=run.unit_cost,
            penalty_per_day=run.penalty_per_day,
        )
    for run in RUNS:
        yield RunPlanned(
            **_said("erp", f"run/{run.run_id}"),
            run_id=run.run_id,
            line_id=LINE_ID,
            item_id=run.item_id,
            quantity_pcs=float(run.quantity_pcs),
            planned_start_at=run.planned_start_at,
            planned_end_at=run.planned_end_at,
            rate_pcs_per_h=float(PLANNED_RATE_PCS_PER_H),
            pegs=[Peg(order_id=run.order_id, quantity_pcs=float(run.quantity_pcs))],
        )
