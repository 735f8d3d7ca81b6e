"""A line's downtime as it stands: whether it is down, since when, until when presumably. Answers from scratch."""

from dataclasses import dataclass
from math import inf

from twin.shopfloor.stops import PresentStop, expected_length
from twin.state.entities import Line, Run
from twin.state.runs import STOPPED

NO_PIECES_CONFIDENCE = 0.9
"""How sure it is that a line is down whose station is, and which has counted nothing, without its own word."""


@dataclass(frozen=True, slots=True)
class ExpectedEnd:
    """When a stop is expected to end.

    Attributes:
        at: the moment; None where neither anybody nor the line's history says.
        because: who said so, or what it follows from.
        n: past stops that it follows from, 0 where somebody said so.
        sd_work_s: standard deviation in working time, from those stops; 0.0 where somebody said so.
        event_id: the event in which it was said.
    """

    at: float | None
    because: str
    n: int = 0
    sd_work_s: float = 0.0
    event_id: str | None = None


def down_root(line: Line) -> tuple[str, str, str, str]:
    """Root of the card about the line being down."""
    return "line_down", "line", line.site_id, line.line_id


def stopped_run(line: Line) -> Run | None:
    """The run that the line is on, if it is held or suspended: then the line is down."""
    run = line.run
    return run if run is not None and run.progress.state in STOPPED else None


def present_stop(line: Line) -> PresentStop | None:
    """What is known of the stop that lasts; None where the line is not down."""
    run, stop = stopped_run(line), line.stops.present
    if run is None:
        return None
    if stop is not None and stop.run_id == run.run_id:
        return stop
    since = run.progress.state_since
    assert since is not None, f"run {run.run_id} is {run.progress.state} since never"
    return PresentStop(run.run_id, since, "reported", run.progress.state_event_id)


def lasted_s(line: Line, stop: PresentStop, now: float) -> float:
    """Working time that the stop has taken so far."""
    return line.calendar.work_between(stop.since, max(stop.since, now))


def expected_end(line: Line, now: float) -> ExpectedEnd:
    """When the present stop is expected to end.

    What was said holds until that moment has passed; then, as where nothing was said, the line's past stops speak.
    """
    stop, run = present_stop(line), stopped_run(line)
    if stop is None or run is None:
        return ExpectedEnd(None, "it is not down")
    until = run.progress.stopped_until
    if until is not None and until > now:
        said = stop.expected_by or "said with the stop"
        return ExpectedEnd(until, said, event_id=stop.expected_event_id or stop.event_id)
    found = expected_length(line.stops.past, lasted_s(line, stop, now), stop.reason)
    passed = "" if until is None else ", and what was said has passed"
    if found is not None:
        at = line.calendar.add_work(stop.since, found.work_s)
        if at < inf:
            alike = "" if found.reason is None else f" for {found.reason}"
            hours = _round_hours(found.work_s)
            because = (
                f"half of its past stops{alike} that lasted this long were over after {hours:g} h{passed}"
            )
            return ExpectedEnd(at, because, found.n, found.sd_s)
    return ExpectedEnd(None, f"not enough data: too few of its past stops lasted this long{passed}")


def is_long(line: Line, limit_min: float, now: float) -> bool:
    """Whether the present stop has lasted for so many minutes of working time, or will presumably go on for them."""
    stop = present_stop(line)
    if stop is None:
        return False
    limit_s = limit_min * 60.0
    if lasted_s(line, stop, now) >= limit_s:
        return True
    left_s = remaining_s(line, stop, expected_end(line, now), now)
    return left_s is not None and left_s >= limit_s


def remaining_s(line: Line, stop: PresentStop, expected: ExpectedEnd, now: float) -> float | None:
    """Working time that the stop is expected to take yet; None where nobody knows."""
    if expected.at is None:
        return None
    begin = max(now, stop.since)  # events may lie ahead of the clock
    return line.calendar.work_between(begin, max(begin, expected.at))


def counted_s(line: Line) -> float:
    """Part of the line's down_work_s that belongs to the stop that lasts."""
    stop, marked = present_stop(line), line.state.marked_at
    if stop is None or marked is None:
        return 0.0
    return min(line.state.down_work_s, line.calendar.work_between(stop.since, max(stop.since, marked)))


def lost_since(line: Line) -> float | None:
    """When the stops began whose working time the line still misses, those that are over; None where it misses none."""
    missing_s = line.state.down_work_s - counted_s(line)
    since: float | None = None
    for stop in reversed(line.stops.past):
        if missing_s <= 0.5:  # half a second: sums of floats
            break
        since = stop.at
        missing_s -= stop.work_s
    return since


def _round_hours(work_s: float) -> float:
    """Coarse, so that the words stay while the figure creeps: to 0.1 h below an hour, to half hours above."""
    hours = work_s / 3600.0
    return max(0.1, round(hours, 1)) if hours < 1.0 else round(hours * 2.0) / 2.0
