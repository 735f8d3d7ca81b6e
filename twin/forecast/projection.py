"""Where the queue of a line ends: finish of each run from what is left, the rate, the calendar and the setups.

Pure arithmetic on one line's queue; times are POSIX seconds, work is seconds of the line's working time.
A run never starts before its plan (right-shift): what is projected is what happens if nobody acts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from types import MappingProxyType

import msgspec

from twin.forecast.experience import CALM, Habits, lasting_s, lasting_var
from twin.forecast.stop_risk import AtRisk, OpenStop, together, with_air, with_stops
from twin.material.materials import Gate
from twin.state.calendar import WorkCalendar
from twin.state.runs import STOPPED, RunState

SETUP_SPREAD = 0.15
"""Standard deviation of a setup over its planned time. Smaller makes far dates look surer than setups let them be."""

GUESS_SPREAD = 0.3
"""Standard deviation of a stop over the length that people on the line expect it to have."""

MOST_AIR_S = 60 * 86_400.0
"""Time that a line waits for a run, looked at for what stops may eat of it. No stop lasts longer; larger, and a run that
somebody planned decades ahead has every evaluation of its line walk through all their weeks."""

NO_GATES: Mapping[str, Sequence[Gate]] = MappingProxyType({})


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
        fed_at_risk, fed_open_stop: stops that may delay that finish; feed: the projection that all these are from.
        stopped_since: when it was held, None if it is not; is_end_said: somebody said until when, else history did.
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
    fed_at_risk: AtRisk = ()
    fed_open_stop: OpenStop | None = None
    stopped_since: float | None = None
    is_end_said: bool = True
    feed: "ProjectedRun | None" = None


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
        run_work_s: work to make what is left, at the line's pace, a drift ending when drifts here end; planned_work_s
            the same at planned pace.
        sd_work_s: standard deviation of the finish, in work, long stops left out.
        wait_work_s: working time that it stands for want of material; waits_for: the item that it waits for last.
        waits_until: when that comes; held_pcs: good pieces that cannot be made before.
        stop_work_s: what short stops usually cost it.
        at_risk, open_stop: stops that may delay the finish.
    """

    run_id: str
    start_at: float
    finish_at: float
    bound_by: str
    bound_run_id: str | None
    run_work_s: float
    planned_work_s: float
    sd_work_s: float
    wait_work_s: float = 0.0
    waits_for: str | None = None
    waits_until: float | None = None
    held_pcs: float = 0.0
    stop_work_s: float = 0.0
    at_risk: AtRisk = ()
    open_stop: OpenStop | None = None


def project_queue(
    queue: Sequence[QueuedRun],
    calendar: WorkCalendar,
    pace: Pace,
    known_at: float,
    now: float,
    habits: Habits = CALM,
    gates: Mapping[str, Sequence[Gate]] = NO_GATES,
) -> list[ProjectedRun]:
    """Project every run of a line's queue, the one it is on first.

    Args:
        queue: runs in the order in which the line takes them.
        calendar: the line's working time, committed overtime included.
        pace: the line's pace; it lasts, or as long as habits say.
        known_at: the last moment of which the line's progress is known.
        now: the shard's clock, for what should have begun and has not.
        habits: what usually happens to the line; its drift_ends_per_s is 0 where the pace is no drift.
        gates: material that runs have to wait for, by run.

    Returns:
        One projection a run, in order; finish_at is inf where the calendar has no time left.
    """
    projected: list[ProjectedRun] = []
    free_at = known_at
    level_error_s = 0.0  # errors of the pace add up: the same error on every run
    noise_var = 0.0  # everything else is independent
    at_risk: AtRisk = ()
    open_stop: OpenStop | None = None
    ahead_s = 0.0  # production before the run
    previous: str | None = None
    for run in queue:
        began = run.state is not RunState.PLANNED
        if began:
            start, bound_by, bound_run = resume_at(run, calendar, known_at, now), "running", None
            if previous is not None and start < free_at:
                start, bound_by, bound_run = free_at, "queue", previous
            if run.stopped_since is not None:
                noise_var, open_stop = _stopped(run, run.stopped_since, calendar, now, noise_var)
        else:
            start, bound_by, bound_run, air_s = _begin(run, calendar, free_at, previous, now)
            noise_var += (SETUP_SPREAD * run.setup_s) ** 2
            if air_s > 0.0:
                at_risk = with_air(at_risk, air_s)
                open_stop = None if open_stop is None else (open_stop[0], open_stop[1] + air_s)
            if bound_by == "feed":
                noise_var = max(noise_var, run.fed_work_var)
                at_risk = together([*at_risk, *run.fed_at_risk])
                open_stop = run.fed_open_stop or open_stop
        planned_work_s = run.remaining_pcs / run.rate_pcs_per_h * 3600.0
        work_s = planned_work_s / pace.level
        slow = 1.0 - pace.level
        before_s, ahead_s = ahead_s, ahead_s + work_s
        ends = habits.drift_ends_per_s
        if ends > 0.0:
            # Of the time that a drift costs, only the part in which it still goes on is lost.
            noise_var += slow * slow * (lasting_var(ends, ahead_s) - lasting_var(ends, before_s))
            work_s -= slow * (work_s - (lasting_s(ends, ahead_s) - lasting_s(ends, before_s)))
        stop_work_s = habits.short_share * work_s
        finish = calendar.add_work(start, work_s + stop_work_s) if start < inf else inf
        level_error_s += work_s * pace.level_sd / pace.level
        noise_var += pace.noise_sd_300**2 * 300.0 * work_s / pace.level**2
        noise_var += habits.short_var_s * work_s
        if habits.stops_per_s > 0.0:
            at_risk = with_stops(at_risk, habits.stops_per_s * work_s)
        wait = _wait(run, gates[run.run_id], calendar, pace, start, finish) if run.run_id in gates else None
        if wait is not None:
            # What came before the material did no harm: only its own time and the rest of the run can err.
            finish, level_error_s = wait.finish, wait.held_work_s * pace.level_sd / pace.level
            noise_var = wait.sd_work_s**2 + pace.noise_sd_300**2 * 300.0 * wait.held_work_s / pace.level**2
            if wait.work_s < inf:
                at_risk = with_stops(with_air(at_risk, wait.work_s), habits.stops_per_s * wait.held_work_s)
                open_stop = None if open_stop is None else (open_stop[0], open_stop[1] + wait.work_s)
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
                wait_work_s=0.0 if wait is None else wait.work_s,
                waits_for=None if wait is None else wait.gate.item_id,
                waits_until=None if wait is None else wait.gate.at,
                held_pcs=0.0 if wait is None else wait.held_pcs,
                stop_work_s=stop_work_s,
                at_risk=at_risk,
                open_stop=open_stop,
            )
        )
        free_at, previous = finish, run.run_id
    return projected


def _stopped(
    run: QueuedRun, since: float, calendar: WorkCalendar, now: float, noise_var: float
) -> tuple[float, OpenStop | None]:
    """What the stop of a run adds to the variance where its end was said, else the open stop."""
    lasted_s = calendar.work_between(since, max(since, now))
    left_s = 0.0
    if run.stopped_until is not None and run.stopped_until > now:
        left_s = calendar.work_between(now, run.stopped_until)
        if run.is_end_said:
            return noise_var + (GUESS_SPREAD * (lasted_s + left_s)) ** 2, None
    return noise_var, (lasted_s, left_s)  # what history makes of it is inside the finish already


def resume_at(run: QueuedRun, calendar: WorkCalendar, known_at: float, now: float) -> float:
    """When a run that has begun makes its next piece."""
    if run.state is RunState.SETUP:
        since = known_at if run.setup_since is None else run.setup_since
        # In a pause the next piece comes after it: a start that moves with the clock of a night would be no news.
        return calendar.next_working(max(now, calendar.add_work(since, run.setup_s)))
    if run.state in STOPPED:
        return calendar.next_working(max(now, known_at, run.stopped_until or now))
    return known_at


def _begin(
    run: QueuedRun, calendar: WorkCalendar, free_at: float, previous: str | None, now: float
) -> tuple[float, str, str | None, float]:
    """When a planned run can begin, what decides it, and the working time that the line then has waited for it."""
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
    air_s = 0.0
    if bound_by not in ("queue", "now") and start < inf:
        air_s = calendar.work_between(after_setup, min(start, after_setup + MOST_AIR_S))
    return start, bound_by, bound_run, air_s


@dataclass(frozen=True, slots=True)
class _Wait:
    """The gate that a run stands at: when it ends with it, how long it stands, and what is still to do then."""

    gate: Gate
    finish: float
    work_s: float
    held_pcs: float
    held_work_s: float
    sd_work_s: float


def _wait(
    run: QueuedRun, gates: Sequence[Gate], calendar: WorkCalendar, pace: Pace, start: float, finish: float
) -> _Wait | None:
    """The gate that decides when the run ends, None where none does: material that comes before it is needed."""
    if finish == inf or run.remaining_pcs <= 0:
        return None
    decisive: Gate | None = None
    latest, held_pcs, held_work_s = finish, 0.0, 0.0
    for gate in gates:
        if gate.at <= start:
            continue
        pieces = min(run.remaining_pcs, gate.after_pcs)
        work_s = pieces / run.rate_pcs_per_h * 3600.0 / pace.level
        ends = calendar.add_work(gate.at, work_s) if gate.at < inf else inf
        if ends > latest:
            decisive, latest, held_pcs, held_work_s = gate, ends, pieces, work_s
    if decisive is None:
        return None
    work_s = calendar.work_between(finish, latest) if latest < inf else inf
    if work_s <= 0.0:
        return None
    around_s = calendar.work_between(decisive.at - decisive.sd_s, decisive.at + decisive.sd_s) / 2.0
    return _Wait(decisive, latest, work_s, held_pcs, held_work_s, around_s)
