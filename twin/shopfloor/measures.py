"""Measures (ISO 22400) of runs, lines, areas and sites: elements are added up, and only then divided.

Pure readings of the model; how time and pieces get into the elements is in busy_time.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from schemas import Measures
from twin.shopfloor.elements import Elements, Period, total
from twin.state.entities import Line, Run
from twin.state.model import Model
from twin.words import utc

By = Literal["line", "run", "area", "site"]
Per = Literal["all", "day", "shift"]


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """Elements of one thing over one stretch of time.

    Attributes:
        site_id, area_id, line_id, run_id: what it is; None where it is a sum over several, or has none.
        day, shift: which, None where it is a sum over several.
        since, until: POSIX seconds.
    """

    site_id: str
    area_id: str | None
    line_id: str | None
    run_id: str | None
    day: str | None
    shift: str | None
    since: float | None
    until: float | None
    elements: Elements

    @property
    def measures(self) -> Measures:
        """Elements and ratios as they are published."""
        return measures_of(self.elements, self.since, self.until, self.day)


def measures_of(
    elements: Elements, since: float | None, until: float | None, day: str | None = None
) -> Measures:
    """Elements with their ratios, rounded for readers: seconds to the millisecond, ratios to 6 decimals."""
    return Measures(
        day=day,
        since=None if since is None else utc(since),
        until=None if until is None else utc(until),
        pbt_s=round(elements.pbt_s, 3),
        apt_s=round(elements.apt_s, 3),
        aust_s=round(elements.aust_s, 3),
        adet_s=round(elements.adet_s, 3),
        adot_s=round(elements.adot_s, 3),
        gq=round(elements.good_pcs, 6),
        sq=round(elements.scrap_pcs, 6),
        rq=round(elements.rework_pcs, 6),
        pq=round(elements.made_pcs, 6),
        availability=_rounded(elements.availability),
        effectiveness=_rounded(elements.effectiveness),
        quality=_rounded(elements.quality),
        oee=_rounded(elements.oee),
    )


def elements_of_run(run: Run) -> Elements:
    """A run's elements over its whole life; its time is never down: that is time without an order."""
    progress = run.progress
    return Elements(
        apt_s=progress.apt_s,
        aust_s=progress.aust_s,
        adet_s=progress.down_work_s,
        good_pcs=progress.good_pcs,
        scrap_pcs=progress.scrap_pcs,
        rework_pcs=progress.rework_pcs,
        planned_s=progress.planned_s,
    )


def run_measures(run: Run, known_until: float | None) -> Measures:
    """A run's measures up to its end, or up to the last moment of which its line's progress is known."""
    ended = run.progress.ended_at
    return measures_of(elements_of_run(run), _began(run), known_until if ended is None else ended)


def periods_of(line: Line) -> list[Period]:
    """The line's shifts and the times between them in which anything was counted, oldest first."""
    current = line.state.period
    return sorted([*line.periods, *([] if current is None else [current])], key=lambda each: each.start_s)


def day_measures(line: Line) -> Measures | None:
    """The line on its present working day; None before its first news."""
    current = line.state.period
    if current is None:
        return None
    mine = [period for period in [*line.periods[-_MOST_SHIFTS:], current] if period.day == current.day]
    since = max(min(each.start_s for each in mine), line.state.measured_from or 0.0)
    return measures_of(total(each.elements for each in mine), since, line.state.marked_at, current.day)


def elements_since(line: Line, moment: float) -> Elements:
    """The line since the beginning of the shift that holds the moment."""
    return total(period.elements for period in periods_of(line) if period.end_s > moment)


def measure_rows(model: Model, by: By, per: Per = "all", since: float | None = None) -> list[MeasureRow]:
    """Elements by line, area or site, in all or per working day or shift; or by run over its whole life.

    Args:
        model: what is known.
        by: what is added up. Lines without an area are an area of their own, None.
        per: over what time; of runs, always their whole life.
        since: only shifts that end after this moment, and runs that were not over by then; POSIX seconds.
    """
    if by == "run":
        return [
            MeasureRow(
                site_id=run.site_id,
                area_id=_area(model.line_of_run[key]),
                line_id=model.line_of_run[key].line_id,
                run_id=run.run_id,
                day=None,
                shift=None,
                since=_began(run),
                until=run.progress.ended_at,
                elements=elements_of_run(run),
            )
            for key, run in sorted(model.runs.items())
            if _began(run) is not None
            and (since is None or run.progress.ended_at is None or run.progress.ended_at > since)
        ]
    groups: dict[tuple[str, str | None, str | None, str | None, str | None], list[tuple[Line, Period]]] = {}
    for _, line in sorted(model.lines.items()):
        area = None if by == "site" else _area(line)
        line_id = line.line_id if by == "line" else None
        for period in periods_of(line):
            if since is not None and period.end_s <= since:
                continue
            day = None if per == "all" else period.day
            shift = period.shift if per == "shift" else None
            groups.setdefault((line.site_id, area, line_id, day, shift), []).append((line, period))
    return [_row(key, groups[key]) for key in sorted(groups, key=_order)]


_MOST_SHIFTS = 16
"""Closed periods that one working day can have: eight shifts, and the times between them."""


def _row(
    key: tuple[str, str | None, str | None, str | None, str | None], parts: Iterable[tuple[Line, Period]]
) -> MeasureRow:
    site_id, area, line_id, day, shift = key
    pairs = list(parts)
    begins = [max(period.start_s, line.state.measured_from or 0.0) for line, period in pairs]
    ends = [min(period.end_s, line.state.marked_at or period.end_s) for line, period in pairs]
    elements = total(period.elements for _, period in pairs)
    return MeasureRow(site_id, area, line_id, None, day, shift, min(begins), max(ends), elements)


def _area(line: Line) -> str | None:
    return None if line.event is None else line.event.area_id


def _began(run: Run) -> float | None:
    times = [at for at in (run.progress.setup_since, run.progress.first_started_at) if at is not None]
    return min(times, default=None)


def _order(key: tuple[str | None, ...]) -> list[str]:
    return [part or "" for part in key]


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 6)
