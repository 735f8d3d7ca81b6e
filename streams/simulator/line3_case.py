"""The Line 3 case in numbers, worked out by hand: what is planned, promised and really made. Times are the site's own.

    R-4470  12,000 pcs  planned Tue 17 Nov 06:00 - Wed 18 Nov 14:00   #4470 Contoso    truck Fri 20 Nov 12:00
    R-4471  29,750 pcs  planned Wed 18 Nov 14:30 - Tue 24 Nov 10:00   #4471 Northwind  truck Tue 24 Nov 12:00
    R-4472   8,000 pcs  planned Tue 24 Nov 10:30 - Wed 25 Nov 10:30   #4472 Fabrikam   truck Fri 27 Nov 12:00

Planned: 500 good pieces an hour, Mon-Fri 06:00-22:00. Made: 460 an hour, evenly, from the first piece on.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from twin.state.calendar import CalendarDescription, WeekSpan, WorkCalendar

SITE_ID = "plant-1"
LINE_ID = "L3"
ZONE = ZoneInfo("Europe/Berlin")

PLANNED_RATE_PCS_PER_H = 500
ACTUAL_RATE_PCS_PER_H = 460
SETUP_MIN = 30
COUNT_STEP_S = 300

GATEWAY_ID = "gateway-l3"


def local(day: int, clock: str = "00:00") -> datetime:
    """A moment of November 2026 at the site."""
    hour, minute = clock.split(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=ZONE)


BEGIN = local(16, "06:00")
"""Monday: master data, orders and the plan are told; Line 3 begins on Tuesday."""


@dataclass(frozen=True, slots=True)
class StoryRun:
    """One run of the case with its order.

    Attributes:
        shipped_at: the truck that takes the order if nobody acts.
    """

    run_id: str
    item_id: str
    family: str
    quantity_pcs: int
    planned_start_at: datetime
    planned_end_at: datetime
    order_id: str
    customer_id: str
    route_id: str
    promised_at: datetime
    unit_price: float
    unit_cost: float
    penalty_per_day: float
    shipped_at: datetime


RUNS = (
    StoryRun("R-4470", "HX-20", "aluminium", 12_000, local(17, "06:00"), local(18, "14:00"),
             "4470", "contoso", "friday-truck", local(20, "12:00"), 3.20, 2.72, 400.0, local(20, "12:00")),
    StoryRun("R-4471", "HX-31", "steel", 29_750, local(18, "14:30"), local(24, "10:00"),
             "4471", "northwind", "northwind-truck", local(24, "12:00"), 4.00, 3.86, 2_500.0, local(26, "12:00")),
    StoryRun("R-4472", "HX-45", "copper", 8_000, local(24, "10:30"), local(25, "10:30"),
             "4472", "fabrikam", "friday-truck", local(27, "12:00"), 6.50, 5.60, 500.0, local(27, "12:00")),
)  # fmt: skip

CALENDAR = WorkCalendar(
    CalendarDescription(zone=ZONE.key, shifts=tuple(WeekSpan(day, "06:00", "22:00") for day in range(5)))
)
"""Working time of Line 3 as the story plays it: nobody orders the overtime."""
