"""Where each second of a line's planned busy time goes, and each piece: into the period that it belongs to.

Law: every second of working time from the first news of a line up to its mark is in exactly one element of exactly one
period. One event costs the same however long the history is; a long silence costs one step a shift.
"""

from bisect import bisect_left

from twin.shopfloor.elements import Elements, Period
from twin.state.entities import Line, Run
from twin.state.runs import RunState

PERIODS_KEPT_S = 35 * 86_400.0
"""How long periods of shifts are kept. Smaller: no monthly figures; larger: documents, about four a line and day."""

_ELEMENT_OF_STATE: dict[RunState, str] = {
    RunState.RUNNING: "apt_s",
    RunState.SETUP: "aust_s",
    RunState.HELD: "adet_s",
    RunState.SUSPENDED: "adet_s",
}
_PROGRESS_OF_ELEMENT = {"apt_s": "apt_s", "aust_s": "aust_s", "adet_s": "down_work_s"}


def element_of(line: Line) -> tuple[str, Run | None]:
    """Which element the line's time counts as now, and the run that it is on: down without an order on it."""
    run = line.run
    return ("adot_s", None) if run is None else (_ELEMENT_OF_STATE.get(run.progress.state, "adot_s"), run)


def begin(line: Line, moment: float) -> None:
    """The first news of a line: its time counts from here on."""
    state = line.state
    state.period = _period_from(line, moment)
    state.element_since = moment
    if state.measured_from is None:
        state.measured_from = moment


def count_time(line: Line, start: float, end: float, worked_s: float) -> None:
    """Count working time of the line, from its mark on, as what the line does.

    Args:
        line: as it was from start to end.
        start: its mark.
        end: the moment up to which it is known now.
        worked_s: working time between them.
    """
    state = line.state
    if state.period is None:
        begin(line, start)
    assert state.period is not None, "begun above"
    name, _ = element_of(line)
    while end > state.period.end_s:
        _add_time(state.period.elements, name, line.calendar.work_between(start, state.period.end_s))
        start, worked_s = state.period.end_s, -1.0
        _roll(line)
    if worked_s < 0.0:
        worked_s = line.calendar.work_between(start, end)
    _add_time(state.period.elements, name, worked_s)


def count_pieces(line: Line, run: Run, moment: float, good: float, scrap: float, rework: float) -> None:
    """Add pieces (negative ones take away) to the run's planned time and to the period that the moment lies in."""
    planned_s = (good + scrap + rework) * 3600.0 * run.expected_yield / run.rate_pcs_per_h
    run.progress.planned_s += planned_s
    elements = _elements_at(line, moment)
    if elements is not None:
        elements.good_pcs += good
        elements.scrap_pcs += scrap
        elements.rework_pcs += rework
        elements.planned_s += planned_s


def recount(line: Line, moment: float, before: tuple[str, Run | None]) -> None:
    """A run moved at a moment; what was counted after it, while the line stood differently, is counted anew.

    Args:
        line: after the move.
        moment: when it moved: behind the line's mark where the news came late.
        before: what the line's time was counted as.
    """
    state = line.state
    after = element_of(line)
    if after == before:
        return
    mark = moment if state.marked_at is None else state.marked_at
    since = max(moment, moment if state.element_since is None else state.element_since)
    state.element_since = since
    if since >= mark or state.period is None:
        return
    for period in [*line.periods, state.period]:
        first, last = max(since, period.start_s), min(mark, period.end_s)
        if first < last:
            work_s = line.calendar.work_between(first, last)
            _add_time(period.elements, before[0], -work_s)
            _add_time(period.elements, after[0], work_s)
            if period is not state.period:
                line.touched[period.start_s] = period
    work_s = line.calendar.work_between(since, mark)
    for (name, run), moved_s in ((before, -work_s), (after, work_s)):
        if run is not None:
            field = _PROGRESS_OF_ELEMENT[name]
            setattr(run.progress, field, getattr(run.progress, field) + moved_s)


def _roll(line: Line) -> None:
    """Close the open period and open the next one; those past their days go."""
    state = line.state
    closed = state.period
    assert closed is not None, "only an open period is closed"
    if closed.elements != Elements():
        line.periods.append(closed)
        line.periods.sort(key=_start)
        line.touched[closed.start_s] = closed
    state.period = _period_from(line, closed.end_s)
    while line.periods and line.periods[0].end_s < state.period.start_s - PERIODS_KEPT_S:
        line.touched[line.periods.pop(0).start_s] = None


def _period_from(line: Line, moment: float) -> Period:
    """The period whose time begins at or before the moment; with what is counted of it already."""
    found = line.calendar.shift_at(moment)
    start = found.start_s
    index = bisect_left(line.periods, moment, key=_end_before)
    if index > 0:
        start = max(start, line.periods[index - 1].end_s)  # the calendar has changed since
    end = found.end_s
    if index < len(line.periods):
        ahead = line.periods[index]
        if ahead.start_s <= moment:
            del line.periods[index]
            line.touched[ahead.start_s] = None
            return ahead
        end = min(end, ahead.start_s)
    return Period(start, end, found.day, found.shift, Elements())


def _elements_at(line: Line, moment: float) -> Elements | None:
    """What a count at the moment belongs to; None where that is no longer kept."""
    current = line.state.period
    if current is not None and current.start_s < moment <= current.end_s:
        return current.elements
    periods = line.periods
    index = bisect_left(periods, moment, key=_end)
    if index < len(periods) and periods[index].start_s < moment:
        found = periods[index]
    else:
        if current is not None and moment < current.start_s - PERIODS_KEPT_S:
            return None
        found = _made_at(line, moment, index)
        periods.insert(index, found)
    line.touched[found.start_s] = found
    return found.elements


def _made_at(line: Line, moment: float, index: int) -> Period:
    """A period in which nothing was counted yet, between its neighbours."""
    found = line.calendar.shift_at(moment)
    if found.start_s == moment:
        found = line.calendar.shift_at(moment - 1.0)  # edges are minutes apart
    starts = [found.start_s, *(each.end_s for each in line.periods[max(0, index - 1) : index])]
    ends = [found.end_s, *(each.start_s for each in line.periods[index : index + 1])]
    current = line.state.period
    if current is not None and current.end_s < moment:
        starts.append(current.end_s)
    elif current is not None:
        ends.append(current.start_s)
    return Period(max(starts), min(ends), found.day, found.shift, Elements())


def _add_time(elements: Elements, name: str, work_s: float) -> None:
    setattr(elements, name, getattr(elements, name) + work_s)


def _start(period: Period) -> float:
    return period.start_s


def _end(period: Period) -> float:
    return period.end_s


def _end_before(period: Period) -> float:
    # A period that ends at the moment is over: bisect_left must pass it.
    return period.end_s - 0.5
