"""A line as it stands, for twin.lines.v1: published when it says something new, not with every count."""

from schemas import LineStatus
from twin.shopfloor.drift import DriftPhase
from twin.shopfloor.measures import day_measures, run_measures
from twin.shopfloor.progress import attainment
from twin.state.entities import Line, StatusReading
from twin.state.model import Model
from twin.words import utc

SHARE_MOVED = 0.02
"""Attainment or level must move this much before a line is published again. Smaller: every count is news."""


def line_status(line: Line, model: Model, now: float, output_id: str) -> LineStatus | None:
    """The line's status, and note that it was published; None where the last one still says it all."""
    state = line.state
    run = line.run
    drifts = line.drift.phase is DriftPhase.DRIFTING and line.drift.since_s is not None
    reached = None if run is None else attainment(line, run, state.marked_at or now)
    run_state = "" if run is None else run.progress.state.value
    reading = StatusReading(f"{state.packml}|{state.run_id}|{run_state}|{drifts}", reached, state.level)
    if state.published is not None and not _is_news(state.published, reading):
        return None
    state.published = reading
    model.save_line(line)
    progress = None if run is None else run.progress
    return LineStatus(
        output_id=output_id,
        line_id=line.line_id,
        site_id=line.site_id,
        state=state.packml,
        run_id=state.run_id,
        order_ids=[] if run is None else [order.order_id for order in model.orders_of(run)],
        attainment=None if reached is None else round(reached, 4),
        level=round(state.level, 4) if state.buckets_n else None,
        drift_delta=round(state.level - 1.0, 4) if drifts else None,
        drift_since=utc(line.drift.since_s) if drifts and line.drift.since_s is not None else None,
        apt_s=0.0 if progress is None else round(progress.apt_s, 3),
        made_pcs=0.0 if progress is None else progress.made_pcs,
        good_pcs=0.0 if progress is None else progress.good_pcs,
        scrap_pcs=0.0 if progress is None else progress.scrap_pcs,
        rework_pcs=0.0 if progress is None else progress.rework_pcs,
        last_event_at=None if state.last_event_at is None else utc(state.last_event_at),
        as_of=utc(now),
        elements=None if run is None else run_measures(run, state.marked_at),
        day=day_measures(line),
    )


def _is_news(before: StatusReading, after: StatusReading) -> bool:
    if before.words != after.words or (before.attainment is None) != (after.attainment is None):
        return True
    moved = abs((before.attainment or 0.0) - (after.attainment or 0.0)) >= SHARE_MOVED
    return moved or abs(before.level - after.level) >= SHARE_MOVED
