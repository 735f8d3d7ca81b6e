"""What a site has lived through, and what forecasts make of it: by hand."""

from math import exp, inf, isclose

from schemas import Event
from tests.folding import Folded, at, count, event, order, run, small_plant
from twin import Twin
from twin.forecast.assessment import long_stops_expected, probability_not_over
from twin.forecast.experience import (
    CALM,
    UNKNOWN,
    Experience,
    Habits,
    LineRecord,
    lasting_s,
    lasting_var,
    learned,
    share_above,
)
from twin.forecast.projection import Pace, ProjectedRun, QueuedRun, project_queue
from twin.forecast.settled import settle
from twin.state.calendar import WorkCalendar
from twin.state.runs import RunState
from twin.state.shifts import CalendarDescription, WeekSpan

H = 3600.0
TWO_SHIFTS = WorkCalendar(
    CalendarDescription(shifts=tuple(WeekSpan(day, "06:00", "22:00") for day in range(5)))
)
ON_PLAN = Pace(level=1.0, level_sd=0.0, noise_sd_300=0.0)


def s(day: int, clock: str) -> float:
    return at(day, clock).timestamp()


def queued(run_id: str, state: RunState, remaining: float, start: float, **fields: float | None) -> QueuedRun:
    values = {"setup_s": 0.0, "setup_since": None, "stopped_until": None, **fields}
    return QueuedRun(run_id, state, remaining, 100.0, earliest_start=start, **values)  # type: ignore[arg-type]


def projected(pace: Pace, habits: Habits, *queue: QueuedRun) -> list[ProjectedRun]:
    return project_queue(queue, TWO_SHIFTS, pace, s(0, "06:00"), s(0, "06:00"), habits)


def record(produced_h: float, stops_min: list[float]) -> LineRecord:
    line = LineRecord(produced_s=produced_h * H)
    for minutes in stops_min:
        line.note_stop(minutes * 60.0)
    return line


def test_a_line_is_blended_with_its_site() -> None:
    """A stops 5 times in 100 h, B never in 100 h: 0.025 an hour in all. 100 h of it are added: A 7.5 / 200, B 2.5 / 200.

    Lost: 100 min in 200 h = 1/120 of the time; A (100 min + 100 h / 120) / 200 h = 1/80, B 50 min / 200 h = 1/240.
    """
    site = learned({"A": record(100.0, [20.0] * 5), "B": record(100.0, [])}, drifting_s=0.0)

    assert isclose(0.025 / H, site.typical.stops_per_s)
    assert isclose(0.0375 / H, site.of("A").stops_per_s)
    assert isclose(0.0125 / H, site.of("B").stops_per_s)
    assert isclose(1 / 80, site.of("A").short_share)
    assert isclose(1 / 240, site.of("B").short_share)
    assert site.typical == site.of("a line not heard of")


def test_where_nothing_stops_nothing_is_added() -> None:
    """From 24 h of production on the evidence alone counts: Line 3's numbers are those of paper."""
    site = learned({"L3": record(24.0, [])}, drifting_s=34.0 * H)

    assert CALM == site.of("L3")


def test_a_young_site_is_taken_for_a_usual_one() -> None:
    """6 h without a stop: 18 of 24 h still speak for a stop each 25 h: 0.72 / 24 h = 0.03 an hour."""
    assert isclose(0.04 / H, UNKNOWN.typical.stops_per_s)
    assert isclose(0.03 / H, learned({"L": record(6.0, [])}, drifting_s=0.0).typical.stops_per_s)


def test_how_many_stops_last_longer() -> None:
    """Four between 20 and 40 min, even over the log: two beyond 20 x sqrt 2. Unknown: (1 + 120/20) ** -1.2 beyond 2 h."""
    stops = record(100.0, [25.0, 30.0, 35.0, 39.0]).stops

    assert isclose(2.0, share_above(stops, 1200.0 * 2**0.5))
    assert 4.0 == share_above(stops, 1200.0)
    assert 0.0 == share_above(stops, 2400.0)
    assert (1.0, 0.097) == (UNKNOWN.share_longer(0.0), round(UNKNOWN.share_longer(2 * H), 3))
    assert isclose(5 / 9 * UNKNOWN.share_longer(2 * H), Experience(stops=stops).share_longer(2 * H))


def test_a_long_stop_is_no_part_of_the_usual_loss() -> None:
    line = record(10.0, [30.0, 121.0])

    assert (1800.0, 1800.0**2, 2.0) == (line.short_s, line.short_s2, sum(line.stops))


def test_what_is_old_fades() -> None:
    """After 60 days everything counts half, and no rate moves."""
    line = record(100.0, [20.0] * 4)
    before = learned({"A": line}, drifting_s=0.0).typical.stops_per_s
    line.fade(60.0)

    assert (50.0 * H, 2.0, 2400.0) == (line.produced_s, sum(line.stops), line.short_s)
    assert isclose(before, learned({"A": line}, drifting_s=0.0).typical.stops_per_s)


def test_short_stops_take_their_usual_time() -> None:
    """700 pieces at 100/h are 7 h, 5 % of it stops: 7.35 h, 13:21. Their variance adds 60 s x 7 h of work."""
    [each] = projected(
        ON_PLAN,
        Habits(stops_per_s=0.0, short_share=0.05, short_var_s=60.0),
        queued("R1", RunState.RUNNING, 700.0, s(0, "06:00")),
    )

    assert (s(0, "13:21"), 7 * H, 0.35 * H) == (each.finish_at, each.run_work_s, round(each.stop_work_s, 6))
    assert isclose((60.0 * 7 * H) ** 0.5, each.sd_work_s)


def test_a_drift_is_expected_to_end_as_drifts_here_do() -> None:
    """80 %, drifts end after 20 h: 400 pieces take 5 h if it lasts. It lasts (1 - exp(-5/20)) x 20 = 4.4240 h of them,
    so a fifth of 0.5760 h is won: 4.8848 h.
    """
    slow = Pace(level=0.8, level_sd=0.0, noise_sd_300=0.0)
    habits = Habits(stops_per_s=0.0, drift_ends_per_s=1 / (20 * H))
    [each] = projected(slow, habits, queued("R1", RunState.RUNNING, 400.0, s(0, "06:00")))

    assert isclose(20 * (1 - exp(-0.25)), lasting_s(1 / (20 * H), 5 * H) / H)
    assert 4.8848 == round(each.run_work_s / H, 4)
    assert isclose(0.2 * lasting_var(1 / (20 * H), 5 * H) ** 0.5, each.sd_work_s)
    assert (5 * H, 0.0) == (lasting_s(0.0, 5 * H), lasting_var(0.0, 5 * H))


def test_air_in_the_plan_is_room_for_the_stops_before_it() -> None:
    """0.05 stops an hour: 0.2 in R1, 06:00-10:00; R2 waits for its plan till 12:00, so 2 h more are harmless."""
    _, second = projected(
        ON_PLAN,
        Habits(stops_per_s=0.05 / H),
        queued("R1", RunState.RUNNING, 400.0, s(0, "06:00")),
        queued("R2", RunState.PLANNED, 600.0, s(0, "12:00")),
    )
    numbers = [(round(number, 9), air_s) for number, air_s in second.at_risk]

    assert [(0.3, 0.0), (0.2, 2 * H)] == numbers
    assert isclose(
        0.3 * UNKNOWN.share_longer(3 * H) + 0.2 * UNKNOWN.share_longer(5 * H),
        long_stops_expected(second.at_risk, 3 * H, UNKNOWN),
    )


def test_no_stop_that_is_called_long_is_shorter_than_two_hours() -> None:
    assert isclose(0.3 * UNKNOWN.share_longer(2 * H), long_stops_expected(((0.3, 0.0),), 60.0, UNKNOWN))


def test_a_stop_of_unknown_length_is_judged_by_how_long_it_has_lasted() -> None:
    """20 min so far, 1 h of room: (1 + 80/20) ** -1.2 / (1 + 20/20) ** -1.2 = 0.145 / 0.435 = 1/3."""
    held = queued("R1", RunState.HELD, 100.0, s(1, "06:00"), stopped_since=s(0, "21:40"))
    [each] = project_queue([held], TWO_SHIFTS, ON_PLAN, s(0, "21:40"), s(1, "06:00"), CALM)

    assert (1200.0, 0.0) == each.open_stop
    assert 0.333 == round(probability_not_over((1200.0, 0.0), H, UNKNOWN), 3)
    assert 0.0 == probability_not_over(None, H, UNKNOWN)


def test_a_stop_whose_end_was_told_is_a_spread_and_no_open_stop() -> None:
    """Since 06:00 an hour was told: 30 % of it."""
    held = queued(
        "R1", RunState.HELD, 100.0, s(0, "06:00"), stopped_since=s(0, "06:00"), stopped_until=s(0, "07:00")
    )
    [each] = projected(ON_PLAN, CALM, held)

    assert (None, s(0, "08:00")) == (each.open_stop, each.finish_at)
    assert isclose(0.3 * H, each.sd_work_s)


def test_a_finish_stays_as_it_was_said_until_it_moves_by_a_twentieth_of_its_deviation() -> None:
    noisy = Pace(level=1.0, level_sd=0.05, noise_sd_300=0.0)
    [said] = projected(noisy, CALM, queued("R1", RunState.RUNNING, 400.0, s(0, "06:00")))
    [near] = projected(noisy, CALM, queued("R1", RunState.RUNNING, 400.9, s(0, "06:00")))
    [far] = projected(noisy, CALM, queued("R1", RunState.RUNNING, 401.1, s(0, "06:00")))

    # 5 % of 4 h are 720 s, a twentieth of it 36 s: 0.9 pieces are 32.4 s, 1.1 pieces 39.6 s.
    assert {"R1": said} == settle({"R1": said}, {"R1": near})
    assert {"R1": far} == settle({"R1": said}, {"R1": far})


def a_monday() -> list[Event]:
    """R1 of 800 pieces, 06:00-14:00 and stopped for 30 min; R2 behind it on Tuesday, its truck at 12:00 on Wednesday."""
    return [
        order("1", at(2, "12:00")),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00")),
        run("R2", "L1", at(1, "06:00"), at(1, "14:00"), pegs=["1"]),
        event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"),
        event("run_held", at(0, "08:00"), line_id="L1", run_id="R1"),
        event("run_resumed", at(0, "08:30"), line_id="L1", run_id="R1"),
        count("L1", "R1", at(0, "14:30"), 800.0),
        event("run_completed", at(0, "14:30"), line_id="L1", run_id="R1"),
    ]


def test_the_twin_learns_at_midnight() -> None:
    """8 h of production with a stop of 30 min, faded by a day (f = 0.98851): 7.908 h and 16.092 h of a usual site's.

    Site: (f + 16.092 / 25) / 24 h = 0.06801 an hour, f x 30 min / 24 h = 0.020594 lost. Line: (f + 100 x 0.06801) /
    107.908 h = 0.0722, (f x 0.5 h + 100 h x 0.020594) / 107.908 h = 0.023665: of Tuesday's 8 h, 11 min 21.6 s.
    """
    plant = Folded()
    plant.tell(*small_plant())
    plant.tick(at(0, "14:30"))
    plant.tell(*a_monday())
    plant.tick(at(0, "23:00"))
    line = plant.twin.model.lines["S1", "L1"]
    before = line.projected["R2"].finish_at
    plant.tick(at(1, "00:00"))
    habits = plant.twin.model.experience_of("S1").of("L1")
    # Its pace is what 100 pieces an hour of production are: the one count closed a bucket of 8 h.
    pace_h = 8.0 / line.state.level

    assert (0.0722, 0.023665) == (round(habits.stops_per_s * H, 4), round(habits.short_share, 6))
    assert s(1, "06:00") + round(pace_h * H, 3) == round(before, 3)
    assert isclose(before + pace_h * H * habits.short_share, line.projected["R2"].finish_at)
    assert 681.6 == round(8 * H * habits.short_share, 1)


def test_a_line_that_never_works_again_is_restored() -> None:
    """Its runs never end, and JSON knows no infinity: a twin that took over from its documents did not start."""
    plant = Folded()
    plant.tell(*small_plant(), event("calendar_upserted", at(0, "00:00"), calendar_id="closed", shifts=[]))
    plant.tell(event("line_upserted", at(0, "00:00"), line_id="L9", name="Line 9", calendar_id="closed"))
    plant.tell(run("R1", "L9", at(0, "06:00"), at(0, "14:00")))
    plant.tick(at(0, "05:00"))
    restored = Twin.restore(plant.twin.header(), plant.documents)

    assert inf == plant.twin.model.lines["S1", "L9"].projected["R1"].finish_at
    assert plant.twin.model.lines["S1", "L9"].projected == restored.model.lines["S1", "L9"].projected
