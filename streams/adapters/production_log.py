"""A production log as history: its reports, the routing steps they add up to, and the medians that planners plan by."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

from schemas import BadRecord, UsageError
from streams.adapters.mapper import RowMapper
from streams.adapters.mapping import Mapping
from streams.adapters.tabular import Row, read_rows

QUIET_SHARE: Final = 0.25
"""Share of the median hour's work below which an hour of the week is not worked. Too small: one night shift makes every
night a working one; too large: thinly manned shifts are left out."""

FEW_STEPS: Final = 3
"""Steps of one item on a machine that a median of their own needs. Too small: one odd step becomes the plan."""

HOURS_OF_WEEK: Final = 168


@dataclass(frozen=True, slots=True)
class Report:
    """One row of the log: what somebody did on a machine for a work order, from when to when."""

    order_id: str
    item_id: str
    order_pcs: float
    run_id: str
    line_id: str
    start: datetime
    end: datetime
    good_pcs: float
    is_setup: bool

    @property
    def hours(self) -> float:
        """How long it took."""
        return (self.end - self.start) / timedelta(hours=1)


@dataclass(slots=True)
class Step:
    """A routing step: the reports of a work order on a machine, in the order of the log."""

    reports: list[Report] = field(default_factory=list)

    @property
    def first(self) -> Report:
        """The report that came first in time."""
        return min(self.reports, key=lambda report: report.start)

    @property
    def good_pcs(self) -> float:
        """Pieces that it reports, those of the setup included."""
        return sum(report.good_pcs for report in self.reports)

    @property
    def pcs_per_h(self) -> float | None:
        """Pieces per hour of production reported; None where either is none."""
        hours = sum(report.hours for report in self.reports if not report.is_setup)
        pieces = sum(report.good_pcs for report in self.reports if not report.is_setup)
        return pieces / hours if pieces > 0 and hours > 0 else None

    @property
    def setup_min(self) -> float:
        """Minutes of setup reported."""
        return sum(60.0 * report.hours for report in self.reports if report.is_setup)


def read_reports(path: Path, mapping: Mapping) -> list[Report]:
    """The reports of a log; rows that cannot be read are left out, for a replay makes them dead letters.

    Raises:
        UsageError: the mapping has no `order_book` section, or no row could be read.
    """
    if mapping.order_book is None:
        raise UsageError(
            f"the mapping {mapping.mapping} has no section order_book, which names the log's columns"
        )
    mapper = RowMapper(mapping)
    reports = []
    for row in read_rows(path, mapping.format, mapping.columns()):
        if isinstance(row.cells, BadRecord):
            continue
        try:
            reports.append(_report(mapper, mapping, row))
        except BadRecord:
            continue
    if not reports:
        raise UsageError(f"{path}: not one row is a report by the mapping {mapping.mapping}")
    return reports


def steps_of(reports: Iterable[Report]) -> list[Step]:
    """Routing steps in the order of their first report."""
    steps: dict[str, Step] = {}
    for report in reports:
        steps.setdefault(report.run_id, Step()).reports.append(report)
    return sorted(steps.values(), key=lambda step: (step.first.start, step.first.run_id))


def planned_rates(steps: Iterable[Step]) -> dict[str, float]:
    """Run id -> pieces an hour: the median of its machine and item, of its machine, or of all."""
    steps = list(steps)
    by_item: dict[tuple[str, str], list[float]] = {}
    by_line: dict[str, list[float]] = {}
    for step in steps:
        rate = step.pcs_per_h
        if rate is not None:
            by_item.setdefault((step.first.line_id, step.first.item_id), []).append(rate)
            by_line.setdefault(step.first.line_id, []).append(rate)
    everywhere = [rate for rates in by_line.values() for rate in rates] or [1.0]
    planned = {}
    for step in steps:
        of_item = by_item.get((step.first.line_id, step.first.item_id), [])
        known = of_item if len(of_item) >= FEW_STEPS else by_line.get(step.first.line_id, everywhere)
        planned[step.first.run_id] = round(median(known), 3) or 0.001
    return planned


def planned_setups(steps: Iterable[Step]) -> dict[str, float]:
    """Line -> minutes of setup before a step: the median where at least half its steps have one, else 0."""
    by_line: dict[str, list[float]] = {}
    for step in steps:
        by_line.setdefault(step.first.line_id, []).append(step.setup_min)
    return {line_id: float(round(median(minutes))) for line_id, minutes in by_line.items()}


def worked_hours(reports: Iterable[Report]) -> list[bool]:
    """For each hour of the week from Monday 00:00, in the log's own zone: whether the plant works."""
    minutes = [0.0] * HOURS_OF_WEEK
    for report in reports:
        for hour, share in _hours_of(report):
            minutes[hour] += share
    quiet = QUIET_SHARE * median(minutes)
    return [worked > quiet for worked in minutes]


def _hours_of(report: Report) -> Iterator[tuple[int, float]]:
    """Hours of the week that a report lies in, with its minutes in each."""
    moment = report.start
    while moment < report.end:
        hour = moment.replace(minute=0, second=0, microsecond=0)
        end = min(report.end, hour + timedelta(hours=1))
        yield moment.weekday() * 24 + moment.hour, (end - moment) / timedelta(minutes=1)
        moment = end


def _report(mapper: RowMapper, mapping: Mapping, row: Row) -> Report:
    columns = mapping.order_book
    assert columns is not None, "read_reports looked"
    assert not isinstance(row.cells, BadRecord), "read_reports looked"
    cells = dict(row.cells)
    values = mapper.values(cells)
    zone = mapping.format.zone_info or UTC
    return Report(
        order_id=str(mapper.result(columns.order, cells, values)),
        item_id=str(mapper.result(columns.item, cells, values)),
        order_pcs=float(mapper.result(columns.quantity, cells, values)),
        run_id=str(mapper.result(columns.run, cells, values)),
        line_id=str(mapper.result(columns.line, cells, values)),
        start=datetime.fromisoformat(mapper.result(columns.start, cells, values)).astimezone(zone),
        end=datetime.fromisoformat(mapper.result(columns.end, cells, values)).astimezone(zone),
        good_pcs=float(mapper.result(columns.good, cells, values)),
        is_setup=mapper.holds(columns.setup_when, row.number, cells, values),
    )
