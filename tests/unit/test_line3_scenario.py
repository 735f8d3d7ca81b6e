"""The Line 3 case: every input number was worked out by hand and is held here."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from schemas import (
    MODEL_OF_KIND,
    ClockTicked,
    CountReported,
    CustomerUpserted,
    Event,
    ItemUpserted,
    LineUpserted,
    MachineEvent,
    OrderShipped,
    OrderUpserted,
    OvertimeWindowUpserted,
    RunCompleted,
    RunEvent,
    RunPlanned,
    RunStarted,
    SetupMatrixUpserted,
    SetupStarted,
    ShipmentSlotsUpserted,
)
from streams.simulator.line3 import line3_events

BERLIN = ZoneInfo("Europe/Berlin")


def nov(day: int, clock: str) -> datetime:
    hour, minute, second = (clock + ":00").split(":")[:3]
    return datetime(2026, 11, day, int(hour), int(minute), int(second), tzinfo=BERLIN)


THE_END = nov(28, "00:00")
STORY = list(line3_events(until=THE_END))


def counts_of(run_id: str, until: datetime = THE_END) -> list[CountReported]:
    return [e for e in STORY if isinstance(e, CountReported) and e.run_id == run_id and e.event_time <= until]


def made(run_id: str, until: datetime) -> float:
    return sum(count.good_count for count in counts_of(run_id, until))


def floor_moments(kind: type[RunEvent]) -> dict[str, datetime]:
    return {e.run_id: e.event_time for e in STORY if isinstance(e, kind)}


def test_the_plan_is_that_of_the_case() -> None:
    planned = {
        e.run_id: (e.quantity_pcs, e.planned_start_at, e.planned_end_at, e.rate_pcs_per_h, e.pegs[0].order_id)
        for e in STORY
        if isinstance(e, RunPlanned)
    }

    assert {
        "R-4470": (12_000.0, nov(17, "06:00"), nov(18, "14:00"), 500.0, "4470"),
        "R-4471": (29_750.0, nov(18, "14:30"), nov(24, "10:00"), 500.0, "4471"),
        "R-4472": (8_000.0, nov(24, "10:30"), nov(25, "10:30"), 500.0, "4472"),
    } == planned


def test_the_orders_and_their_money_are_those_of_the_case() -> None:
    orders = {e.order_id: e for e in STORY if isinstance(e, OrderUpserted)}

    assert {
        "4470": (12_000.0, nov(20, "12:00")),
        "4471": (29_750.0, nov(24, "12:00")),
        "4472": (8_000.0, nov(27, "12:00")),
    } == {order_id: (order.quantity_pcs, order.promised_at) for order_id, order in orders.items()}
    northwind = orders["4471"]
    assert (4.00, 3.86, 2_500.0) == (northwind.unit_price, northwind.unit_cost, northwind.penalty_per_day)
    assert northwind.unit_price is not None
    assert northwind.unit_cost is not None
    assert 4_165.0 == round(northwind.quantity_pcs * (northwind.unit_price - northwind.unit_cost), 6)


def test_only_northwind_cannot_slip() -> None:
    assert {"Contoso": False, "Northwind": True, "Fabrikam": False} == {
        e.name: e.cannot_slip for e in STORY if isinstance(e, CustomerUpserted)
    }


def test_trucks_leave_as_in_the_case() -> None:
    routes = {
        e.route_id: [(slot.weekday, slot.at) for slot in e.weekly]
        for e in STORY
        if isinstance(e, ShipmentSlotsUpserted)
    }

    assert {"northwind-truck": [(1, "12:00"), (3, "12:00")], "friday-truck": [(4, "12:00")]} == routes


def test_overtime_is_on_offer_on_saturday_until_friday_14() -> None:
    [window] = [e for e in STORY if isinstance(e, OvertimeWindowUpserted)]

    assert (nov(21, "06:00"), nov(21, "14:00"), nov(20, "14:00"), 780.0) == (
        window.start_at,
        window.end_at,
        window.notice_by,
        window.cost_per_h,
    )
    assert not window.committed


def test_three_families_thirty_minutes_apart() -> None:
    families = [e.setup_family for e in STORY if isinstance(e, ItemUpserted)]
    [matrix] = [e for e in STORY if isinstance(e, SetupMatrixUpserted)]
    [line] = [e for e in STORY if isinstance(e, LineUpserted)]

    assert 3 == len(set(families))
    assert {30.0} == {entry.setup_min for entry in matrix.entries}
    assert 6 == len(matrix.entries)
    assert families[0] == line.setup_family, "the line stands set up for the first run"


def test_runs_start_and_end_to_the_second() -> None:
    assert {
        "R-4470": nov(17, "06:00"),
        "R-4471": nov(18, "16:35:13"),
        "R-4472": nov(24, "17:45:39"),
    } == floor_moments(RunStarted)
    assert {
        "R-4470": nov(18, "16:05:13"),
        "R-4471": nov(24, "17:15:39"),
        "R-4472": nov(25, "19:09:08"),
    } == floor_moments(RunCompleted)
    assert {"R-4471": nov(18, "16:05:13"), "R-4472": nov(24, "17:15:39")} == floor_moments(SetupStarted)


def test_pieces_by_the_hour() -> None:
    assert 460.0 == made("R-4470", nov(17, "07:00"))
    assert 7_360.0 == made("R-4470", nov(17, "22:00"))
    assert 7_360.0 == made("R-4470", nov(18, "06:00"))
    assert 12_000.0 == made("R-4470", THE_END)
    assert 3_410.0 == made("R-4471", nov(19, "08:00"))
    assert 29_750.0 == made("R-4471", THE_END)
    assert 8_000.0 == made("R-4472", THE_END)


def test_counts_are_whole_pieces_every_five_minutes() -> None:
    first = counts_of("R-4470")[:3]

    assert [38.0, 38.0, 39.0] == [count.good_count for count in first]
    assert [nov(17, "06:05"), nov(17, "06:10"), nov(17, "06:15")] == [count.event_time for count in first]


def test_nothing_is_counted_outside_of_the_shifts_and_no_stop_is_logged() -> None:
    floor = [e for e in STORY if isinstance(e, MachineEvent)]

    assert {"run_started", "count_reported", "run_completed", "setup_started"} == {e.kind for e in floor}
    assert all(e.event_time.weekday() < 5 for e in floor)
    assert all(nov(1, "06:00").time() <= e.event_time.time() <= nov(1, "22:00").time() for e in floor)


def test_late_ship_dates_are_those_of_the_case() -> None:
    shipped = {e.order_id: e.event_time.date() for e in STORY if isinstance(e, OrderShipped)}

    assert {
        "4470": nov(20, "12:00").date(),
        "4471": nov(26, "12:00").date(),
        "4472": nov(27, "12:00").date(),
    } == shipped


def test_the_clock_steps_through_shifts_and_stops_at_their_boundaries() -> None:
    ticks = [e.event_time for e in line3_events(nov(18, "07:00")) if isinstance(e, ClockTicked)]
    steps = {
        (later - earlier).total_seconds()
        for earlier, later in pairwise(ticks)
        if nov(17, "06:00") <= earlier < nov(17, "22:00")
    }

    assert nov(16, "06:00") == ticks[0]
    assert nov(18, "07:00") == ticks[-1]
    assert {300.0} == steps
    assert {nov(17, "06:00"), nov(17, "22:00"), nov(18, "06:00")} <= set(ticks)
    assert nov(17, "22:15") == ticks[ticks.index(nov(17, "22:00")) + 1]
    assert ticks == sorted(set(ticks))


def test_events_come_in_event_time_order_with_ids_of_their_own() -> None:
    times = [e.event_time for e in STORY]

    assert times == sorted(times)
    assert len(STORY) == len({e.event_id for e in STORY})


def test_a_tick_comes_after_everything_up_to_it() -> None:
    latest_tick = nov(1, "00:00")
    for event in STORY:
        if isinstance(event, ClockTicked):
            latest_tick = event.event_time
        elif event.event_time > nov(16, "06:00"):
            assert latest_tick < event.event_time


def test_events_survive_the_wire() -> None:
    restored: list[Event] = []
    for event in STORY:
        model = MODEL_OF_KIND[event.kind]
        assert issubclass(model, Event)
        restored.append(model.model_validate_json(event.model_dump_json()))

    assert restored == STORY


def test_numbers_of_the_gateway_rise_by_one() -> None:
    assert list(range(1, len([e for e in STORY if isinstance(e, MachineEvent)]) + 1)) == [
        e.source_sequence for e in STORY if isinstance(e, MachineEvent)
    ]
