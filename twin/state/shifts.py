"""What is worked in one week: weekly shifts less breaks in local time, overridden by dated exceptions.

Weeks are cut at Monday 00:00 UTC, whatever the zone, so that every moment lies in exactly one of them.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_WEEK_S: Final = 7 * 86400.0
_MONDAY_S: Final = 4 * 86400.0  # 1970-01-05 00:00 UTC
FIRST_WEEK: Final = -100_000
"""In year 53: before it no date is surely there, and nobody works."""
LAST_WEEK: Final = 413_000
"""In year 9885: after it no date is surely there, and nobody works."""

_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")

Interval = tuple[float, float]
"""Start and end, POSIX seconds; the end does not belong to it."""


class WeekSpan(NamedTuple):
    """A span of local time that recurs every week; an end not after the start lies on the next day.

    Attributes:
        weekday: 0 = Monday ... 6 = Sunday, of the start.
        start: "HH:MM".
        end: "HH:MM" or "24:00".
    """

    weekday: int
    start: str
    end: str


class DatedSpan(NamedTuple):
    """One absolute span that overrides the weekly pattern.

    Attributes:
        start_s: POSIX seconds, rounded to whole seconds.
        end_s: POSIX seconds, rounded to whole seconds.
        working: true for an extra shift or committed overtime, false for a holiday or a planned stop.
    """

    start_s: float
    end_s: float
    working: bool


class ShiftSpan(NamedTuple):
    """The time between two edges of the weekly shifts: a shift, a part of one that others overlap, or what is between.

    Attributes:
        start_s, end_s: POSIX seconds.
        day: ISO date on which the shift began; between shifts, the local date.
        shift: "HH:MM" at which it begins, "" between shifts.
    """

    start_s: float
    end_s: float
    day: str
    shift: str


@dataclass(frozen=True, slots=True)
class CalendarDescription:
    """All that a calendar is made of: hashable, so that lines with equal descriptions can share a WorkCalendar.

    Attributes:
        zone: IANA time zone of shifts and breaks.
        shifts: weekly working spans; overlapping ones count once. None at all: only exceptions are worked.
        breaks: weekly spans that are not worked, taken out of the shifts but not out of exceptions.
        exceptions: override the pattern; where two overlap, the later one in the tuple holds.
        always: 24 hours a day (less breaks and exceptions); goes without shifts.
    """

    zone: str = "UTC"
    shifts: tuple[WeekSpan, ...] = ()
    breaks: tuple[WeekSpan, ...] = ()
    exceptions: tuple[DatedSpan, ...] = ()
    always: bool = False


class WeeklyPattern:
    """Lays one description out over single weeks.

    Local times are converted by the zone's rules. A time that the clocks skip in spring means the moment they jump; a
    time that comes twice in autumn means the first one.

    Args:
        description: what is worked when.

    Raises:
        ValueError: an unknown zone, weekday or clock text, an exception that does not end after its start, or shifts
            together with always.
    """

    def __init__(self, description: CalendarDescription) -> None:
        try:
            self._zone: tzinfo = UTC if description.zone == "UTC" else ZoneInfo(description.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"calendar zone {description.zone!r} is not an IANA time zone") from None
        if description.always and description.shifts:
            raise ValueError("a calendar is either always working or has shifts")
        self._always = description.always
        self._shifts = _spans_by_weekday(description.shifts)
        self._breaks = _spans_by_weekday(description.breaks)
        self._exceptions = [_whole_seconds(exception) for exception in description.exceptions]

    def work_per_working_day_s(self) -> float:
        """Mean seconds of work per working day of the pattern, exceptions and clock changes left out; 0.0 if none.

        A day counts as working if a shift starts on it, so a night shift belongs to its first day.
        """
        days = 7 if self._always else len(self._shifts)
        worked = [(0.0, _WEEK_S)] if self._always else _on_nominal_week(self._shifts)
        pattern = _without(worked, _on_nominal_week(self._breaks))
        return sum(end - start for start, end in pattern) / days if days else 0.0

    def intervals_of_week(self, week: int) -> list[Interval]:
        """The working intervals of a week, in order, disjoint, cut at its borders, in whole seconds."""
        low, high = week_start(week), week_start(week + 1)
        if not FIRST_WEEK <= week <= LAST_WEEK:
            return []
        # Two days back reach a shift that started before midnight in the westernmost zone.
        monday = (datetime(1970, 1, 5, tzinfo=UTC) + timedelta(weeks=week)).date()
        days = [monday + timedelta(days=day) for day in range(-2, 9)]
        if self._always:
            worked = [(low, high)]
        else:
            worked = _merged(_cut(self._local_spans(days, self._shifts), low=low, high=high))
        worked = _without(worked, _merged(_cut(self._local_spans(days, self._breaks), low=low, high=high)))
        for start, end, working in self._exceptions:
            span = _cut([(start, end)], low=low, high=high)
            if span:
                worked = _merged(worked + span) if working else _without(worked, span)
        return worked

    def shift_at(self, moment: float) -> ShiftSpan:
        """The span with start <= moment < end. Edges are where shifts begin and end, and midnights outside of shifts.

        Breaks and exceptions cut nothing: a shift is one however much of it is worked. Where shifts overlap, the one
        that began last holds.
        """
        today = datetime.fromtimestamp(moment, self._zone).date()
        shifts = [
            ShiftSpan(self._moment(day, first), self._moment(day, last), day.isoformat(), _clock_of(first))
            for day in (today + timedelta(days=offset) for offset in (-2, -1, 0, 1))
            for first, last in self._shifts.get(day.weekday(), ())
        ]
        edges = [edge for span in shifts for edge in (span.start_s, span.end_s)]
        for day in (today, today + timedelta(days=1)):
            midnight = self._moment(day, 0)
            if not any(span.start_s < midnight < span.end_s for span in shifts):
                edges.append(midnight)
        start = max(edge for edge in edges if edge <= moment)
        end = min(edge for edge in edges if edge > moment)
        inside = [span for span in shifts if span.start_s <= moment < span.end_s]
        if inside:
            latest = max(inside)
            return ShiftSpan(start, end, latest.day, latest.shift)
        return ShiftSpan(start, end, today.isoformat(), "")

    def _local_spans(self, days: list[date], spans: dict[int, list[tuple[int, int]]]) -> Iterator[Interval]:
        for day in days:
            for start_minute, end_minute in spans.get(day.weekday(), ()):
                yield self._moment(day, start_minute), self._moment(day, end_minute)

    def _moment(self, day: date, minute: int) -> float:
        """POSIX seconds of a local time, given as minutes of the wall clock after a day's midnight."""
        local = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 the zone follows
        earlier, later = local.replace(tzinfo=self._zone), local.replace(tzinfo=self._zone, fold=1)
        moment, other = earlier.timestamp(), later.timestamp()
        if other >= moment:  # unambiguous, or it comes twice and fold=0 is the first one
            return moment
        # The clocks skip this time: the jump lies between the readings by the offset after it and the one before it.
        offset = earlier.utcoffset()
        low, high = int(other), int(moment)
        while low < high:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, self._zone).utcoffset() == offset:
                low = middle + 1
            else:
                high = middle
        return float(low)


def week_of(moment: float) -> int:
    """Number of the UTC week that holds a moment; week 0 began on 1970-01-05."""
    return math.floor((moment - _MONDAY_S) / _WEEK_S)


def week_start(week: int) -> float:
    """Monday 00:00 UTC of a week, POSIX seconds."""
    return week * _WEEK_S + _MONDAY_S


def _whole_seconds(exception: DatedSpan) -> DatedSpan:
    start_s, end_s, working = exception
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s < end_s):
        raise ValueError(f"calendar exception from {start_s} to {end_s} does not end after its start")
    return DatedSpan(float(round(start_s)), float(round(end_s)), working)


def _spans_by_weekday(spans: Iterable[WeekSpan]) -> dict[int, list[tuple[int, int]]]:
    """Start and end in minutes after the midnight of the weekday; an end on the next day lies past 1440."""
    by_weekday: dict[int, list[tuple[int, int]]] = {}
    for span in spans:
        weekday, start, end = span
        if weekday not in range(7):
            raise ValueError(f"weekday {weekday} is not 0 (Monday) to 6 (Sunday)")
        if start == "24:00":  # the midnight that ends a day begins the next one
            weekday, start = (weekday + 1) % 7, "00:00"
        start_minute, end_minute = _minute(start), 1440 if end == "24:00" else _minute(end)
        if end_minute <= start_minute:
            end_minute += 1440
        by_weekday.setdefault(weekday, []).append((start_minute, end_minute))
    return by_weekday


def _clock_of(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _minute(clock: str) -> int:
    match = _CLOCK.fullmatch(clock)
    if match is None:
        raise ValueError(f"clock text {clock!r} is not HH:MM")
    return int(match[1]) * 60 + int(match[2])


def _on_nominal_week(spans: dict[int, list[tuple[int, int]]]) -> list[Interval]:
    """Weekly spans on one nominal week of seconds; what runs over its end continues at its start."""
    laid: list[Interval] = []
    for weekday, minutes in spans.items():
        for start, end in minutes:
            start_s, end_s = weekday * 86400.0 + start * 60.0, weekday * 86400.0 + end * 60.0
            laid += [(start_s, end_s), (start_s - _WEEK_S, end_s - _WEEK_S)]
    return _merged(_cut(laid, low=0.0, high=_WEEK_S))


def _cut(intervals: Iterable[Interval], *, low: float, high: float) -> list[Interval]:
    return [(max(low, start), min(high, end)) for start, end in intervals if max(low, start) < min(high, end)]


def _merged(intervals: list[Interval]) -> list[Interval]:
    """The union, in order, without empty, overlapping or touching intervals."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif start < end:
            merged.append((start, end))
    return merged


def _without(intervals: list[Interval], removed: list[Interval]) -> list[Interval]:
    """What is left of intervals outside of the removed ones; both in order and disjoint."""
    left = intervals
    for cut_start, cut_end in removed:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, cut_start)), (max(start, cut_end), end))
            if piece[0] < piece[1]
        ]
    return left
