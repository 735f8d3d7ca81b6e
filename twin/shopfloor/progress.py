"""From counts to buckets: what a line made in how much production time, late counts and corrections included.

A bucket is what was made in at least BUCKET_APT_S of actual production time (APT, ISO 22400): it closes at the first
count after that, so hourly counts give hourly buckets and nothing is spread over time by guess.
"""

from bisect import bisect_left
from itertools import pairwise

from twin.shopfloor.busy_time import begin, count_pieces, count_time
from twin.shopfloor.drift import Bucket
from twin.state.entities import Line, Run
from twin.state.runs import STOPPED, RunState

BUCKET_APT_S = 300.0
"""Production time of a bucket. Smaller: more noise and work per bucket; larger: drift is found later."""

BUCKETS_KEPT = 400
"""Closed buckets kept a line, 33 h of production: fewer forget the beginning of a drift, more cost memory."""


def advance(line: Line, moment: float) -> None:
    """Count working time up to the moment: of the line, and of the run that it is on."""
    state = line.state
    mark = state.marked_at
    if mark is None:
        state.marked_at = moment
        begin(line, moment)
        return
    if moment <= mark:
        return
    run = line.run
    worked = line.calendar.work_between(mark, moment)
    count_time(line, mark, moment, worked)
    if run is not None:
        progress = run.progress
        if progress.state is RunState.RUNNING:
            if worked > 0.0:
                if state.opened_at is None:
                    state.opened_at = line.calendar.next_working(mark)
                progress.apt_s += worked
                state.apt_s += worked
                state.produced_s += worked
                state.expected_pcs += worked * run.rate_pcs_per_h / run.expected_yield / 3600.0
        elif progress.state in STOPPED:
            progress.down_work_s += worked
            state.down_work_s += worked
        elif progress.state is RunState.SETUP:
            progress.aust_s += worked
    state.marked_at = moment


def add_pieces(line: Line, run: Run, moment: float, good: float, scrap: float, rework: float) -> float | None:
    """Add pieces (negative ones take away) to the run, and to shift and bucket that the moment belongs to.

    Returns:
        Start of the closed bucket that changed; None if none did.
    """
    progress = run.progress
    progress.good_pcs += good
    progress.scrap_pcs += scrap
    progress.rework_pcs += rework
    made = good + scrap + rework
    count_pieces(line, run, moment, good, scrap, rework)
    state = line.state
    if run.run_id == state.run_id and (not line.buckets or moment > line.buckets[-1].end_s):
        # Pieces made while setting up are no measure of pace.
        if progress.state is not RunState.SETUP:
            state.made_pcs += made
        return None
    return _add_to_closed(line, moment, made)


def close_bucket(line: Line, moment: float) -> Bucket | None:
    """Close the open bucket if it holds enough production time; it ends at the moment."""
    state = line.state
    if state.apt_s < BUCKET_APT_S or state.opened_at is None:
        return None
    bucket = Bucket(
        start_s=state.opened_at,
        end_s=moment,
        apt_s=state.apt_s,
        made_pcs=state.made_pcs,
        expected_pcs=state.expected_pcs,
    )
    line.buckets.append(bucket)
    buckets_changed(line)
    state.opened_at = None
    state.apt_s = state.made_pcs = state.expected_pcs = 0.0
    return bucket


def hour_of(start_s: float) -> int:
    """Which document a bucket lies in."""
    return int(start_s // 3600)


def attainment(line: Line, run: Run, moment: float) -> float | None:
    """Good pieces made over good pieces due by the moment, walking the calendar from the planned start; None if 0."""
    due = line.calendar.work_between(run.planned_start, moment) * run.rate_pcs_per_h / 3600.0
    due = min(due, run.plan.quantity_pcs)
    return run.progress.good_pcs / due if due > 0 else None


def lost_work_s(line: Line, since: float) -> float:
    """Production time lost to low effectiveness since a moment, in closed buckets."""
    known = line.lost
    if known is None or known[0] != since:
        lost_s = sum(
            (1.0 - bucket.made_pcs / bucket.expected_pcs) * bucket.apt_s
            for bucket in line.buckets
            if bucket.start_s >= since and bucket.expected_pcs > 0
        )
        known = line.lost = (since, lost_s)
    return known[1]


def window_apt_s(line: Line) -> float:
    """Production time in closed buckets."""
    if line.window_apt_s is None:
        line.window_apt_s = sum(bucket.apt_s for bucket in line.buckets)
    return line.window_apt_s


def buckets_changed(line: Line) -> None:
    """What was worked out from the closed buckets is to be worked out anew."""
    line.lost = line.window_apt_s = None


def _add_to_closed(line: Line, moment: float, made: float) -> float | None:
    buckets = line.buckets
    index = bisect_left(buckets, moment, key=_end)
    if index >= len(buckets) or moment <= buckets[index].start_s:
        return None
    old = buckets[index]
    buckets_changed(line)
    buckets[index] = Bucket(
        start_s=old.start_s,
        end_s=old.end_s,
        apt_s=old.apt_s,
        made_pcs=max(0.0, old.made_pcs + made),
        expected_pcs=old.expected_pcs,
    )
    return old.start_s


def _end(bucket: Bucket) -> float:
    return bucket.end_s


def are_ordered(buckets: list[Bucket]) -> bool:
    """Whether buckets follow each other without overlap; an invariant that tests lean on."""
    return all(first.end_s <= second.start_s for first, second in pairwise(buckets))
