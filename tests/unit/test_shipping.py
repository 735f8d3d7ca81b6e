"""Which truck carries what is ready when, in the route's own zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import ShipmentSlotsUpserted
from twin.state.shipping import Route

BERLIN = ZoneInfo("Europe/Berlin")


def moment(day: int, clock: str, month: int = 11) -> float:
    hour, minute = (int(part) for part in clock.split(":"))
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).timestamp()


def route(**fields: object) -> Route:
    body = {"event_id": "e", "event_time": "2026-11-01T00:00:00Z", "site_id": "S1", "route_id": "r", **fields}
    return Route(ShipmentSlotsUpserted.model_validate(body), BERLIN)


TUESDAY_AND_THURSDAY = [{"weekday": 1, "at": "12:00"}, {"weekday": 3, "at": "12:00"}]


def test_the_next_truck_and_the_last_one() -> None:
    trucks = route(weekly=TUESDAY_AND_THURSDAY)

    assert moment(24, "12:00") == trucks.first_at_or_after(moment(24, "12:00"))
    assert moment(26, "12:00") == trucks.first_at_or_after(moment(24, "12:01"))
    assert moment(24, "12:00") == trucks.last_at_or_before(moment(26, "11:59"))


def test_noon_stays_noon_when_summer_time_ends() -> None:
    """Sunday 25 Oct 2026 has 25 hours: noon to noon is 25 h."""
    trucks = route(weekly=[{"weekday": day, "at": "12:00"} for day in range(7)])
    saturday = moment(24, "12:00", month=10)

    assert saturday + 25 * 3600 == trucks.first_at_or_after(saturday + 1)


def test_single_departures_are_added_and_struck() -> None:
    trucks = route(
        weekly=TUESDAY_AND_THURSDAY,
        extra_at=["2026-11-25T08:00:00+01:00"],
        cancelled_at=["2026-11-26T12:00:00+01:00"],
    )

    assert moment(25, "08:00") == trucks.first_at_or_after(moment(24, "12:01"))
    assert moment(1, "12:00", month=12) == trucks.first_at_or_after(moment(25, "08:01"))


def test_a_route_without_trucks_carries_nothing() -> None:
    assert route().first_at_or_after(moment(1, "00:00")) is None
    assert route().last_at_or_before(moment(1, "00:00")) is None
