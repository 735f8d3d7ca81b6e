"""Quiet hours: until when somebody is left alone. Pure; the moment is an argument."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from streams.notify.config import WEEKDAYS, QuietHours, time_of_day

LOOK_AHEAD_DAYS = 8
"""Windows that touch are one. Somebody who is never awake within so many days has a mistake in the file."""


def quiet_until(windows: Sequence[QuietHours], zone: ZoneInfo, now: datetime) -> datetime | None:
    """The end (UTC) of the quiet hours that hold now, over windows that touch; None: it is not quiet.

    Times are by the clock on the wall: where it is set back, an hour is quiet twice; where it is put forward and the
    end falls into the gap, quiet ends an hour later by that clock, which is the same moment.
    """
    moment = now.astimezone(UTC)
    limit = moment + timedelta(days=LOOK_AHEAD_DAYS)
    end: datetime | None = None
    while moment < limit:
        ends = [found for window in windows if (found := _end(window, zone, moment)) is not None]
        if not ends:
            break
        moment = end = max(ends)
    return end


def is_never_awake(windows: Sequence[QuietHours], zone: ZoneInfo, now: datetime) -> bool:
    """Whether the quiet hours leave nothing of a week."""
    end = quiet_until(windows, zone, now)
    return end is not None and end - now >= timedelta(days=LOOK_AHEAD_DAYS)


def _end(window: QuietHours, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """When this window ends, if it holds the moment; it may have begun on the day before."""
    today = moment.astimezone(zone).date()
    start_time, _ = time_of_day(window.start)
    end_time, is_next_day = time_of_day(window.end)
    for day in (today - timedelta(days=1), today):
        if WEEKDAYS[day.weekday()] not in window.days:
            continue
        last = day + timedelta(days=1) if is_next_day or window.is_overnight else day
        start = datetime.combine(day, start_time, zone).astimezone(UTC)
        end = datetime.combine(last, end_time, zone).astimezone(UTC)
        if start <= moment < end:
            return end
    return None
