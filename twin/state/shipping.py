"""Shipment slots of a route: which truck carries goods that are ready at a moment. Times are POSIX seconds."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schemas import ShipmentSlotsUpserted

_DAY_S = 86_400.0
SEARCH_DAYS = 60
"""How far a truck is looked for; a route without any truck in that time carries nothing."""


@dataclass
class Route:
    """Departures of one route in its site's zone, worked out day by day and kept."""

    slots: ShipmentSlotsUpserted
    zone: ZoneInfo
    _days: dict[int, list[float]] = field(default_factory=dict)

    @property
    def loading_s(self) -> float:
        """Seconds before a departure by which goods must be ready."""
        return self.slots.loading_min * 60.0

    def first_at_or_after(self, moment: float) -> float | None:
        """The first departure at or after the moment; None if there is none within SEARCH_DAYS."""
        day = int(moment // _DAY_S)
        for number in range(day, day + SEARCH_DAYS):
            departures = self._departures(number)
            index = bisect_left(departures, moment)
            if index < len(departures):
                return departures[index]
        return None

    def last_at_or_before(self, moment: float) -> float | None:
        """The last departure at or before the moment; None if there is none within SEARCH_DAYS."""
        day = int(moment // _DAY_S)
        for number in range(day, day - SEARCH_DAYS, -1):
            departures = self._departures(number)
            index = bisect_right(departures, moment)
            if index:
                return departures[index - 1]
        return None

    def between(self, first: float, last: float) -> list[float]:
        """Departures from one moment to another, both included, in order."""
        return [
            departure
            for day in range(int(first // _DAY_S), int(last // _DAY_S) + 1)
            for departure in self._departures(day)
            if first <= departure <= last
        ]

    def _departures(self, day: int) -> list[float]:
        """Departures of one UTC day, in order."""
        known = self._days.get(day)
        if known is not None:
            return known
        if len(self._days) > 4 * SEARCH_DAYS:
            self._days.clear()
        begin = day * _DAY_S
        found = {moment.timestamp() for moment in self.slots.extra_at}
        # A local day overlaps at most three UTC days.
        date = datetime.fromtimestamp(begin, UTC).date()
        for local in (date - timedelta(days=1), date, date + timedelta(days=1)):
            for slot in self.slots.weekly:
                if slot.weekday == local.weekday():
                    hours, minutes = (int(part) for part in slot.at.split(":"))
                    midnight = datetime(local.year, local.month, local.day, tzinfo=self.zone)
                    # Wall-clock arithmetic: 12:00 stays 12:00 across a change of summer time, 24:00 is the next day.
                    found.add((midnight + timedelta(hours=hours, minutes=minutes)).timestamp())
        found -= {moment.timestamp() for moment in self.slots.cancelled_at}
        departures = sorted(moment for moment in found if begin <= moment < begin + _DAY_S)
        self._days[day] = departures
        return departures
