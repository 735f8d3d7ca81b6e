"""The driven clock: when it ticks, and how its ticks are woven into a stream of events.

A timed event is (when it reaches us, the event): a late count arrives after the moment that it speaks of.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import ClockTicked, Event
from twin.state.calendar import Interval

TimedEvent = tuple[float, Event]
"""POSIX seconds at which an event arrives, and the event."""

IDLE_STEP_S = 900.0
"""Step of the clock while nobody works. Too small: nights take long to play. Too large: silence is noticed late."""


def moment(at_s: float, zone: ZoneInfo) -> datetime:
    """A POSIX time as a moment in a site's zone, to the millisecond."""
    return datetime.fromtimestamp(round(at_s, 3), zone)


def tick_times(
    working: Iterable[Interval], start_s: float, end_s: float, working_step_s: float, idle_step_s: float
) -> Iterator[float]:
    """Moments from start to end, both included, in steps, and at each boundary of the working intervals.

    Args:
        working: disjoint intervals of working time, in order.
        start_s: first tick, POSIX seconds.
        end_s: last tick.
        working_step_s: step in working time, counted from the start of the interval.
        idle_step_s: step between working intervals.
    """
    yield start_s
    now = start_s
    for work_start, work_end in [*working, (end_s, end_s)]:
        for boundary, step_s in ((work_start, idle_step_s), (work_end, working_step_s)):
            stop = min(boundary, end_s)
            while now < stop:
                now = min(now + step_s, stop)
                yield now


def with_clock(
    timed: Iterable[TimedEvent], ticks: Iterable[float], site_id: str, zone: ZoneInfo
) -> Iterator[Event]:
    """The events with the clock's ticks between them, each tick after everything that arrived by its moment."""
    source = iter(timed)
    pending = next(source, None)
    for at_s in ticks:
        while pending is not None and pending[0] <= at_s:
            yield pending[1]
            pending = next(source, None)
        at = moment(at_s, zone)
        yield ClockTicked(event_id=f"clock/{site_id}/{at.isoformat()}", event_time=at, site_id=site_id)
