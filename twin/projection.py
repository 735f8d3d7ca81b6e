"""Where the queue of a line ends: finish of each run from what is left, the rate, the calendar and the setups.

Pure arithmetic on one line's queue; times are POSIX seconds, work is seconds of the line's working time.
A run never starts before its plan (right-shift): what is projected is what happens if nobody acts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import msgspec

from twin.calendar import WorkCalendar
from twin.runs import STOPPED, RunState

SETUP_SPREAD = 0.15
"""Standard deviation of a setup over its planned time. Smaller makes far dates look surer than setups let them be."""


MOVED_SD = 0.05
"""A projected finish that moved by less than this share of its own standard deviation stays as it was said, and so do
the orders that rest on it. Smaller: each count judges the whole queue again; larger: P(late) lags, by up to 0.4 of it."""

MOVED_S = 0.1
"""What moves less is the arithmetic of floats, also where nothing scatters."""


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """What the projection needs of one run.

    Attributes:
        remaining_pcs: good pieces still to make.
        rate_pcs_per_h: planned good rate times the run's yield against the expected one.
        setup_s: work of setting up before it.
        setup_since: when its setup began, None if it has not.
        stopped_until: when a held run is expected to go on, None if it is not held or nobody knows.
        earliest_start: its planned start or material release, whichever is later.
        fed_at, fed_by, fed_work_var: latest finish of the runs that feed it, which, and its variance of work.
    """

    run_id: str
    state: RunState
    remaining_pcs: float
    rate_pcs_per_h: float
    setup_s: float
    setup_since: float | None
    stopped_until: float | None
    earliest_start: float
    fed_at: float | None = None
    fed_by: str | None = None
    fed_work_var: float = 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the line runs against its plan, and how sure that is.

    Attributes:
        level: effectiveness, 1 = as planned.
        level_sd: its standard deviation.
        noise_sd_300: standard deviation of effectiveness in 300 s of production.
    """

    level: float
    level_sd: float
    noise_sd_300: float


class ProjectedRun(msgspec.Struct, frozen=True):
    """Where a run is projected to start and finish.

    Attributes:
        bound_by: what decided the start: plan, queue, feed, now, or running.
        bound_run_id: the run before it (queue) or the run that feeds it (feed).
        run_work_s: work to make what is left, at the line's pace; planned_work_s the same at planned pace.
        sd_work_s: standard deviation of the finish, in work.
    """

    run_id: str
    start_at: float
    finish_at: float
    bound_by: str
    bound_run_id: str | None
    run_work_s: float
    planned_work_s: float
    sd_work_s: float


def project_queue(
    queue: Sequence[QueuedRun], calendar: WorkCalendar, pace: Pace, known_at: float, now: float
) -> list[ProjectedRun]:
    """Project every run of a line's queue, the one it is on first.

    Args:
        queue: runs in the order in which the line takes them.
        calendar: the line's working time, committed overtime included.
        pace: the line's pace, taken to last.
        known_at: the last moment of which the line's progress is known.
        now: the shard's clock, for what should have begun and has not.

    Returns:
        One projection a run, in order; finish_at is inf where the calendar has no time left.
    """
    projected: list[ProjectedRun] = []
    free_at = known_at
    level_error_s = 0.0  # errors of the pace add up: the same error on every run
    noise_var = 0.0  # everything else is independent
    previous: str | None = None
    for run in queue:
        began = run.state is not RunState.PLANNED
        if began:
            start, bound_by, bound_run = _resume(run, calendar, known_at, now), "running", None
            if previous is not None and start < free_at:
                start, bound_by, bound_run = free_at, "queue", previous
        else:
            start, bound_by, bound_run = _begin(run, calendar, free_at, previous, now)
            noise_var += (SETUP_SPREAD * run.setup_s) ** 2
            if bound_by == "feed":
                noise_var = max(noise_var, run.fed_work_var)
        planned_work_s = run.remaining_pcs / run.rate_pcs_per_h * 3600.0
        work_s = planned_work_s / pace.level
        finish = calendar.add_work(start, work_s) if start < inf else inf
        level_error_s += work_s * pace.level_sd / pace.level
        noise_var += pace.noise_sd_300**2 * 300.0 * work_s / pace.level**2
        projected.append(
            ProjectedRun(
                run_id=run.run_id,
                start_at=start,
                finish_at=finish,
                bound_by=bound_by,
                bound_run_id=bound_run,
                run_work_s=work_s,
                planned_work_s=planned_work_s,
                sd_work_s=sqrt(level_error_s**2 + noise_var),
            )
        )
        free_at, previous = finish, run.run_id
    return projected


def settle(
    before: dict[str, ProjectedRun], after: dict[str, ProjectedRun], tolerances: float = 1.0
) -> dict[str, ProjectedRun]:
    """The new projection of a line, run by run the old one where it did not move beyond the tolerance.

    What is kept is what the next projection is compared with, so that small moves add up and are seen.

    Args:
        before: as it was said last.
        after: as it is worked out now.
        tolerances: how many of them count as no move; more than 1 is for those who check.
    """
    return {
        run_id: old if (old := before.get(run_id)) is not None and not _moved(old, new, tolerances) else new
        for run_id, new in after.items()
    }


def _moved(old: ProjectedRun, new: ProjectedRun, tolerances: float) -> bool:
    if old is new:
        return False
    limit_s = tolerances * max(MOVED_S, MOVED_SD * old.sd_work_s)
    start_s = abs(old.start_at - new.start_at)
    is_bound_anew = (old.bound_by, old.bound_run_id) != (new.bound_by, new.bound_run_id)
    return (
        (is_bound_anew and (tolerances <= 1.0 or start_s > limit_s))
        or (old.finish_at != new.finish_at and not abs(old.finish_at - new.finish_at) <= limit_s)
        or (old.start_at != new.start_at and not start_s <= limit_s)
        or abs(old.sd_work_s - new.sd_work_s) > limit_s
        or abs(old.run_work_s - new.run_work_s) > limit_s
        or abs(old.planned_work_s - new.planned_work_s) > limit_s
    )


def _resume(run: QueuedRun, calendar: WorkCalendar, known_at: float, now: float) -> float:
    """When a run that has begun makes its next piece."""
    if run.state is RunState.SETUP:
        since = known_at if run.setup_since is None else run.setup_since
        ready = calendar.add_work(since, run.setup_s)
        return max(ready, now) if ready < now else ready
    if run.state in STOPPED:
        return max(now, known_at, run.stopped_until or now)
    return known_at


def _begin(
    run: QueuedRun, calendar: WorkCalendar, free_at: float, previous: str | None, now: float
) -> tuple[float, str, str | None]:
    """When a planned run can begin, and what decides it."""
    start, bound_by, bound_run = calendar.next_working(run.earliest_start), "plan", None
    # Nobody sets up a line in the past: an idle line that is behind its plan begins now at the earliest.
    free_from = (
        free_at if previous is not None else max(free_at, now) if run.earliest_start < now else free_at
    )
    after_setup = calendar.next_working(calendar.add_work(free_from, run.setup_s))
    if after_setup > start:
        start = after_setup
        bound_by, bound_run = ("queue", previous) if previous is not None else ("now", None)
    if run.fed_at is not None and run.fed_at > start:
        start, bound_by, bound_run = calendar.next_working(run.fed_at), "feed", run.fed_by
    return start, bound_by, bound_run
