"""Finish of a queue, worked out by hand: 100 pieces an hour, 06:00-22:00, Monday to Friday."""

from math import isclose, sqrt

from tests.folding import at
from twin.forecast.experience import Habits
from twin.forecast.projection import SETUP_SPREAD, Pace, QueuedRun, project_queue
from twin.state.calendar import WorkCalendar
from twin.state.runs import RunState
from twin.state.shifts import CalendarDescription, WeekSpan

TWO_SHIFTS = WorkCalendar(
    CalendarDescription(shifts=tuple(WeekSpan(day, "06:00", "22:00") for day in range(5)))
)
ON_PLAN = Pace(level=1.0, level_sd=0.0, noise_sd_300=0.0)


def s(day: int, clock: str) -> float:
    return at(day, clock).timestamp()


def queued(
    run_id: str, state: RunState, remaining: float, start: float, **fields: float | str | None
) -> QueuedRun:
    values = {"setup_s": 0.0, "setup_since": None, "stopped_until": None, **fields}
    return QueuedRun(run_id, state, remaining, 100.0, earliest_start=start, **values)  # type: ignore[arg-type]


def test_what_is_left_is_walked_through_the_calendar() -> None:
    """700 left at Monday 16:00: 6 h today, 1 h tomorrow."""
    [run] = project_queue(
        [queued("R1", RunState.RUNNING, 700.0, s(0, "06:00"))],
        TWO_SHIFTS,
        ON_PLAN,
        s(0, "16:00"),
        s(0, "16:05"),
    )
    assert (s(0, "16:00"), s(1, "07:00"), "running") == (run.start_at, run.finish_at, run.bound_by)


def test_the_pace_counts_for_all_that_follows() -> None:
    """At 80 %, 400 pieces take 5 h: 06:00-11:00; 30 min of setup are not slower; 800 take 10 h from 11:30: 21:30."""
    pace = Pace(level=0.8, level_sd=0.0, noise_sd_300=0.0)
    first, second = project_queue(
        [
            queued("R1", RunState.RUNNING, 400.0, s(0, "06:00")),
            queued("R2", RunState.PLANNED, 800.0, s(0, "10:00"), setup_s=1800.0),
        ],
        TWO_SHIFTS,
        pace,
        s(0, "06:00"),
        s(0, "06:00"),
    )
    assert (s(0, "11:00"), s(0, "11:30"), s(0, "21:30")) == (
        first.finish_at,
        second.start_at,
        second.finish_at,
    )
    assert ("queue", "R1") == (second.bound_by, second.bound_run_id)


def test_nothing_starts_before_its_plan() -> None:
    [_, second] = project_queue(
        [
            queued("R1", RunState.RUNNING, 100.0, s(0, "06:00")),
            queued("R2", RunState.PLANNED, 100.0, s(0, "12:00")),
        ],
        TWO_SHIFTS,
        ON_PLAN,
        s(0, "06:00"),
        s(0, "06:00"),
    )
    assert (s(0, "12:00"), "plan") == (second.start_at, second.bound_by)


def test_what_should_have_begun_begins_now_at_the_earliest() -> None:
    [run] = project_queue(
        [queued("R1", RunState.PLANNED, 100.0, s(0, "06:00"), setup_s=1800.0)],
        TWO_SHIFTS,
        ON_PLAN,
        s(0, "00:00"),
        s(0, "08:00"),
    )
    assert (s(0, "08:30"), "now") == (run.start_at, run.bound_by)


def test_a_run_waits_for_what_feeds_it() -> None:
    [run] = project_queue(
        [
            queued(
                "R2",
                RunState.PLANNED,
                100.0,
                s(0, "06:00"),
                fed_at=s(0, "21:30"),
                fed_by="R1",
                fed_work_var=9.0,
            )
        ],
        TWO_SHIFTS,
        ON_PLAN,
        s(0, "05:00"),
        s(0, "05:00"),
    )
    assert (s(0, "21:30"), s(1, "06:30"), "feed", "R1") == (
        run.start_at,
        run.finish_at,
        run.bound_by,
        run.bound_run_id,
    )
    assert 3.0 == run.sd_work_s


def test_errors_of_pace_add_up_and_noise_averages_out() -> None:
    """Level error 1 % of 4 h and of 8 h: 144 + 288 s. Noise 0.15 in 300 s: var 0.0225 x 300 x (14,400 + 28,800).
    Setup 1,800 s: (0.15 x 1,800)^2."""
    pace = Pace(level=1.0, level_sd=0.01, noise_sd_300=0.15)
    _, second = project_queue(
        [
            queued("R1", RunState.RUNNING, 400.0, s(0, "06:00")),
            queued("R2", RunState.PLANNED, 800.0, s(0, "10:00"), setup_s=1800.0),
        ],
        TWO_SHIFTS,
        pace,
        s(0, "06:00"),
        s(0, "06:00"),
    )
    expected = sqrt(432.0**2 + 0.0225 * 300.0 * 43_200.0 + (SETUP_SPREAD * 1800.0) ** 2)
    assert isclose(expected, second.sd_work_s, rel_tol=1e-12)


def test_air_before_a_run_that_is_planned_decades_ahead_is_looked_at_for_sixty_days() -> None:
    """R1 ends Monday 08:00; sixty days later it is Friday 08:00, and what is worked until then is the air.

    Found by the property tests: one run with a mistyped year had each evaluation walk through thousands of weeks.
    """
    [first, second] = project_queue(
        [
            queued("R1", RunState.RUNNING, 200.0, s(0, "06:00")),
            queued("R2", RunState.PLANNED, 100.0, s(0, "06:00") + 60 * 365 * 86_400.0),
        ],
        TWO_SHIFTS,
        ON_PLAN,
        s(0, "06:00"),
        s(0, "06:00"),
        Habits(stops_per_s=1e-5),
    )
    in_sixty_days_s = (
        8 * 5 * 16 + 14 + 3 * 16 + 2
    ) * 3600.0  # 8 weeks, then Mon from 08:00, Tue to Thu, Fri to 08:00

    assert s(0, "08:00") == first.finish_at
    assert in_sixty_days_s == second.at_risk[-1][1]
