"""Working time: hand-computed days, the two clock changes, and properties against a minute-by-minute oracle."""

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.state.calendar import (
    HORIZON_WEEKS,
    CalendarDescription,
    DatedSpan,
    Interval,
    WeekSpan,
    WorkCalendar,
)
from twin.state.shifts import WeeklyPattern

BERLIN = "Europe/Berlin"
HOUR = 3600.0
DAY = 86400.0


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def week(start: str, end: str, days: range = range(5)) -> tuple[WeekSpan, ...]:
    return tuple(WeekSpan(day, start, end) for day in days)


TWO_SHIFTS = CalendarDescription(zone=BERLIN, shifts=week("06:00", "22:00"))
NIGHTS = CalendarDescription(zone=BERLIN, shifts=week("22:00", "06:00", range(7)))
ALWAYS = CalendarDescription(always=True)
NEVER = CalendarDescription()


def test_work_walks_over_nights_and_weekends() -> None:
    calendar = WorkCalendar(TWO_SHIFTS)

    # Line 3: 26,340 pieces at 460/h from Thursday 08:00 are 57.26 h: Thu 14 h, Fri 16 h, Mon 16 h, Tue 11.26 h.
    finish = calendar.add_work(at("2026-11-19T08:00"), 26_340 / 460 * HOUR)

    assert at("2026-11-24T17:15:39") == pytest.approx(finish, abs=0.2)
    assert 26_340 / 460 * HOUR == pytest.approx(
        calendar.work_between(at("2026-11-19T08:00"), finish), abs=1e-6
    )
    assert at("2026-11-19T08:00") == pytest.approx(
        calendar.subtract_work(finish, 26_340 / 460 * HOUR), abs=1e-6
    )


def test_work_that_ends_with_the_shift_ends_there_and_not_on_the_next_morning() -> None:
    calendar = WorkCalendar(TWO_SHIFTS)
    evening, morning = at("2026-11-17T22:00"), at("2026-11-18T06:00")

    assert evening == calendar.add_work(at("2026-11-17T06:00"), 16 * HOUR)
    assert morning + 1.0 == calendar.add_work(at("2026-11-17T06:00"), 16 * HOUR + 1.0)
    assert morning == calendar.subtract_work(at("2026-11-18T22:00"), 16 * HOUR)
    assert evening - 1.0 == calendar.subtract_work(at("2026-11-18T22:00"), 16 * HOUR + 1.0)
    assert evening == calendar.add_work(at("2026-11-16T06:00"), 32 * HOUR)
    assert 3 * HOUR + morning == calendar.add_work(evening, 3 * HOUR)


def test_no_work_takes_no_time_even_at_night() -> None:
    calendar = WorkCalendar(TWO_SHIFTS)
    night = at("2026-11-17T23:30")

    assert night == calendar.add_work(night, 0.0)
    assert night == calendar.subtract_work(night, 0.0)
    assert 0.0 == calendar.work_between(night, night)
    assert calendar.subtract_work(night, HOUR) == calendar.add_work(night, -HOUR)
    assert calendar.add_work(night, HOUR) == calendar.subtract_work(night, -HOUR)


def test_a_shift_includes_its_start_and_not_its_end() -> None:
    calendar = WorkCalendar(TWO_SHIFTS)
    start, end = at("2026-11-20T06:00"), at("2026-11-20T22:00")

    assert [False, True, True, False] == [calendar.is_working(t) for t in (start - 1, start, end - 1, end)]
    assert (start, end) == calendar.current_interval(start + HOUR)
    assert calendar.current_interval(end) is None
    assert start + HOUR == calendar.next_working(start + HOUR)
    assert at("2026-11-23T06:00") == calendar.next_working(end)  # Friday evening: next is Monday


def test_backwards_is_negative() -> None:
    calendar = WorkCalendar(TWO_SHIFTS)

    assert -2 * HOUR == calendar.work_between(at("2026-11-18T07:00"), at("2026-11-17T21:00"))


def test_the_night_of_spring_has_one_hour_less() -> None:
    calendar = WorkCalendar(NIGHTS)

    # Sun 29 Mar 2026: 02:00 CET becomes 03:00 CEST. From Sat 22:00 to Sun 06:00 are 7 h.
    assert 7 * HOUR == calendar.work_between(at("2026-03-28T12:00"), at("2026-03-29T12:00"))
    assert at("2026-03-29T06:00") == calendar.add_work(at("2026-03-28T22:00"), 7 * HOUR)
    assert at("2026-03-29T23:00") == calendar.add_work(at("2026-03-28T22:00"), 8 * HOUR)
    assert [(1774731600.0, 1774756800.0)] == calendar.intervals(
        at("2026-03-28T12:00"), at("2026-03-29T12:00")
    )


def test_the_night_of_autumn_has_one_hour_more() -> None:
    calendar = WorkCalendar(NIGHTS)

    # Sun 25 Oct 2026: 03:00 CEST becomes 02:00 CET. From Sat 22:00 to Sun 06:00 are 9 h.
    assert 9 * HOUR == calendar.work_between(at("2026-10-24T12:00"), at("2026-10-25T12:00"))
    assert at("2026-10-25T06:00") == calendar.add_work(at("2026-10-24T22:00"), 9 * HOUR)
    assert at("2026-10-25T05:00") == calendar.add_work(at("2026-10-24T22:00"), 8 * HOUR)


def test_a_shift_keeps_its_local_hours_across_a_clock_change() -> None:
    calendar = WorkCalendar(CalendarDescription(zone=BERLIN, shifts=week("06:00", "14:00", range(7))))

    # The 06:00 of Sunday is 04:00 UTC in summer; one day before it was 05:00 UTC.
    expected = [(at("2026-03-28T05:00", "UTC"), at("2026-03-28T13:00", "UTC"))]
    expected += [(at("2026-03-29T04:00", "UTC"), at("2026-03-29T12:00", "UTC"))]
    assert expected == calendar.intervals(at("2026-03-28T00:00"), at("2026-03-30T00:00"))


def test_a_local_time_that_does_not_exist_means_the_moment_of_the_jump() -> None:
    """A shift from 02:30 to 03:00 would end half an hour before it starts if each time were converted alone."""
    jump = at("2026-03-29T01:00", "UTC")
    ends_in_gap = WorkCalendar(CalendarDescription(zone=BERLIN, shifts=(WeekSpan(6, "01:00", "02:30"),)))
    in_gap = WorkCalendar(CalendarDescription(zone=BERLIN, shifts=(WeekSpan(6, "02:30", "03:00"),)))
    starts_in_gap = WorkCalendar(CalendarDescription(zone=BERLIN, shifts=(WeekSpan(6, "02:30", "05:00"),)))

    day = at("2026-03-29T00:00"), at("2026-03-29T12:00")
    assert [(jump - HOUR, jump)] == ends_in_gap.intervals(*day)
    assert [] == in_gap.intervals(*day)
    assert [(jump, jump + 2 * HOUR)] == starts_in_gap.intervals(*day)


def test_a_local_time_that_comes_twice_means_the_first() -> None:
    calendar = WorkCalendar(CalendarDescription(zone=BERLIN, shifts=(WeekSpan(6, "02:30", "04:00"),)))

    # 02:30 CEST is 00:30 UTC, 04:00 CET is 03:00 UTC.
    expected = [(at("2026-10-25T00:30", "UTC"), at("2026-10-25T03:00", "UTC"))]
    assert expected == calendar.intervals(at("2026-10-25T00:00"), at("2026-10-25T12:00"))


def test_a_start_at_24_00_is_the_midnight_of_the_next_day() -> None:
    """Ingest takes "24:00" for any time of day, and the twin stopped at a shift that begins then."""
    calendar = WorkCalendar(CalendarDescription(zone=BERLIN, shifts=(WeekSpan(6, "24:00", "06:00"),)))

    expected = at("2026-11-16T00:00"), at("2026-11-16T06:00")
    assert [expected] == calendar.intervals(at("2026-11-15T00:00"), at("2026-11-18T00:00"))
    assert "2026-11-16" == calendar.shift_at(at("2026-11-16T03:00")).day


def test_an_end_at_24_00_joins_the_next_day() -> None:
    spans = (WeekSpan(0, "14:00", "24:00"), WeekSpan(1, "00:00", "06:00"), WeekSpan(1, "05:00", "08:00"))
    calendar = WorkCalendar(CalendarDescription(zone=BERLIN, shifts=spans))

    expected = at("2026-11-16T14:00"), at("2026-11-17T08:00")
    assert [expected] == calendar.intervals(at("2026-11-16T00:00"), at("2026-11-18T00:00"))
    assert expected == calendar.current_interval(at("2026-11-16T23:59"))


def test_an_end_equal_to_the_start_is_a_whole_day() -> None:
    calendar = WorkCalendar(CalendarDescription(shifts=(WeekSpan(2, "06:00", "06:00"),)))

    assert DAY == calendar.work_between(at("2026-11-16T00:00", "UTC"), at("2026-11-23T00:00", "UTC"))


def test_a_shift_over_the_end_of_the_week_is_one_interval() -> None:
    calendar = WorkCalendar(CalendarDescription(shifts=(WeekSpan(6, "20:00", "04:00"),)))
    start = at("2026-11-22T20:00", "UTC")

    assert (start, start + 8 * HOUR) == calendar.current_interval(start + 5 * HOUR)
    assert start + 8 * HOUR == calendar.add_work(start, 8 * HOUR)
    assert start == calendar.subtract_work(start + 8 * HOUR, 8 * HOUR)
    assert start + 7 * DAY + HOUR == calendar.add_work(start, 9 * HOUR)
    assert 8 * HOUR == calendar.work_per_working_day_s


def test_breaks_are_not_worked() -> None:
    breaks = (*week("10:00", "10:15"), *week("23:30", "00:30"), *week("05:30", "06:30"))
    calendar = WorkCalendar(CalendarDescription(zone=BERLIN, shifts=week("06:00", "00:00"), breaks=breaks))

    morning = at("2026-11-17T06:30")
    evening = at("2026-11-17T23:30")
    expected = [(morning, morning + 3.5 * HOUR), (morning + 3.75 * HOUR, evening)]
    assert expected == calendar.intervals(at("2026-11-17T00:30"), at("2026-11-18T00:30"))
    assert morning + 3.75 * HOUR + 60 == calendar.add_work(morning, 3.5 * HOUR + 60)
    assert 16.75 * HOUR == calendar.work_per_working_day_s


def test_a_holiday_is_not_worked_and_committed_overtime_is() -> None:
    holiday = DatedSpan(at("2026-11-18T00:00"), at("2026-11-19T00:00"), False)
    overtime = DatedSpan(at("2026-11-21T06:00"), at("2026-11-21T14:00"), True)
    calendar = WorkCalendar(
        CalendarDescription(zone=BERLIN, shifts=week("06:00", "22:00"), exceptions=(holiday, overtime))
    )

    assert at("2026-11-19T07:00") == calendar.add_work(at("2026-11-17T21:00"), 2 * HOUR)
    # Mon, Tue, Thu, Fri 16 h and Saturday 8 h.
    assert 72 * HOUR == calendar.work_between(at("2026-11-16T00:00"), at("2026-11-23T00:00"))
    assert at("2026-11-21T06:00") == calendar.next_working(at("2026-11-20T22:00"))
    assert 16 * HOUR == calendar.work_per_working_day_s


def test_the_later_of_two_exceptions_holds_and_an_extra_shift_has_no_break() -> None:
    noon = at("2026-11-17T12:00")
    stop = DatedSpan(noon - 2 * HOUR, noon + 2 * HOUR, False)
    repaired = DatedSpan(noon - HOUR, noon + HOUR, True)
    shifts, breaks = week("06:00", "22:00"), week("12:00", "12:30")

    calendar = WorkCalendar(CalendarDescription(BERLIN, shifts, breaks, (stop, repaired)))
    reverse = WorkCalendar(CalendarDescription(BERLIN, shifts, breaks, (repaired, stop)))

    assert 2 * HOUR == calendar.work_between(noon - 2 * HOUR, noon + 2 * HOUR)
    assert 0.0 == reverse.work_between(noon - 2 * HOUR, noon + 2 * HOUR)


def test_exceptions_are_rounded_to_whole_seconds() -> None:
    calendar = WorkCalendar(
        CalendarDescription(exceptions=(DatedSpan(10.4, 20.6, True), DatedSpan(15.1, 15.2, False)))
    )

    assert [(10.0, 21.0)] == calendar.intervals(0.0, 100.0)


def test_around_the_clock() -> None:
    calendar = WorkCalendar(ALWAYS)
    start = at("2026-11-17T06:00")

    assert start + 1000 * DAY == calendar.add_work(start, 1000 * DAY)
    assert start - 1000 * DAY == calendar.subtract_work(start, 1000 * DAY)
    assert 1000 * DAY == calendar.work_between(start, start + 1000 * DAY)
    assert [(start, start + 30 * DAY)] == calendar.intervals(start, start + 30 * DAY)
    assert DAY == calendar.work_per_working_day_s
    assert (at("2026-11-09T00:00", "UTC"), at("2026-11-30T00:00", "UTC")) == calendar.current_interval(start)


def test_a_calendar_that_never_works_answers_never() -> None:
    calendar = WorkCalendar(NEVER)
    start = at("2026-11-17T06:00")

    assert math.inf == calendar.add_work(start, 1.0)
    assert -math.inf == calendar.subtract_work(start, 1.0)
    assert math.inf == calendar.next_working(start)
    assert 0.0 == calendar.work_between(start, start + 5000 * DAY)
    assert [] == calendar.intervals(start, start + 500 * DAY)
    assert calendar.current_interval(start) is None
    assert 0.0 == calendar.work_per_working_day_s


def test_a_line_closed_for_a_year_opens_again_and_one_closed_for_two_does_not() -> None:
    closed = at("2026-11-17T10:00")

    def reopening_after(days: int) -> WorkCalendar:
        opened = DatedSpan(closed + days * DAY, closed + days * DAY + HOUR, True)
        return WorkCalendar(CalendarDescription(exceptions=(opened,)))

    assert closed + 380 * DAY == reopening_after(380).next_working(closed)
    assert closed + 380 * DAY + 60 == reopening_after(380).add_work(closed, 60.0)
    assert math.inf == reopening_after(760).next_working(closed)
    assert math.inf == reopening_after(760).add_work(closed, 60.0)
    assert closed - 380 * DAY - 60 == reopening_after(-380).subtract_work(closed, HOUR + 60 - HOUR) - HOUR
    assert -math.inf == reopening_after(-760).subtract_work(closed, 60.0)


def test_endless_and_extreme_questions_end() -> None:
    calendar = WorkCalendar(TWO_SHIFTS)
    start = at("2026-11-17T06:00")

    assert math.inf == calendar.add_work(start, math.inf)
    assert -math.inf == calendar.subtract_work(start, math.inf)
    assert math.inf == calendar.add_work(math.inf, 5.0)
    assert math.inf == calendar.next_working(math.inf)
    assert not calendar.is_working(math.inf)
    assert math.inf == calendar.add_work(1e15, 1.0)
    assert math.inf == calendar.add_work(start, 1e13)
    assert 0.0 == calendar.work_between(-1e15, -9e14)
    with pytest.raises(ValueError, match="no working time"):
        calendar.work_between(start, math.inf)


def test_years_of_work_are_walked_exactly() -> None:
    calendar = WorkCalendar(CalendarDescription(shifts=week("06:00", "22:00")))
    monday = at("2026-11-16T06:00", "UTC")

    # 80 h a week: 521 weeks and one hour on the Monday after them.
    assert monday + 521 * 7 * DAY + HOUR == calendar.add_work(monday, 521 * 80 * HOUR + HOUR)
    assert monday == calendar.subtract_work(monday + 521 * 7 * DAY + HOUR, 521 * 80 * HOUR + HOUR)
    assert 521 * 80 * HOUR == calendar.work_between(monday, monday + 521 * 7 * DAY)


def test_decades_are_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run planned with a trillion pieces ends in forty years, and each event of its line asks when."""
    calendar = WorkCalendar(TWO_SHIFTS)
    laid_out: list[int] = []
    lay_out = WeeklyPattern.intervals_of_week

    def counting(pattern: WeeklyPattern, week: int) -> list[Interval]:
        laid_out.append(week)
        return lay_out(pattern, week)

    monkeypatch.setattr(WeeklyPattern, "intervals_of_week", counting)
    start = at("2026-03-02T06:00")
    first = calendar.add_work(start, 40 * 52 * 80 * HOUR)
    once = len(laid_out)

    assert first == calendar.add_work(start, 40 * 52 * 80 * HOUR)
    assert 2_000 < once < 2_600
    assert len(laid_out) - once <= 3 * HORIZON_WEEKS


@pytest.mark.parametrize(
    "description",
    [
        CalendarDescription(zone="Europe/Nowhere"),
        CalendarDescription(shifts=(WeekSpan(7, "06:00", "14:00"),)),
        CalendarDescription(shifts=(WeekSpan(0, "6:00", "14:00"),)),
        CalendarDescription(breaks=(WeekSpan(0, "06:00", "24:01"),)),
        CalendarDescription(exceptions=(DatedSpan(5.0, 5.0, True),)),
        CalendarDescription(exceptions=(DatedSpan(5.0, math.inf, True),)),
        CalendarDescription(shifts=week("06:00", "14:00"), always=True),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(description: CalendarDescription) -> None:
    with pytest.raises(ValueError, match=r"zone|weekday|clock|exception|always"):
        WorkCalendar(description)


# --- properties -------------------------------------------------------------------------------------------------

clocks = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02d}:{quarter % 4 * 15:02d}")
week_spans = st.builds(WeekSpan, st.integers(0, 6), clocks, clocks | st.just("24:00"))
CHANGES = [at("2026-03-26T00:00"), at("2026-10-22T00:00"), at("2026-11-16T00:00")]
minutes = st.integers(0, 6 * 1440)


@st.composite
def descriptions(draw: st.DrawFn) -> CalendarDescription:
    origin = draw(st.sampled_from(CHANGES))
    lengths = st.tuples(minutes, st.integers(1, 2000), st.booleans())
    exceptions = tuple(
        DatedSpan(origin + start * 60, origin + (start + length) * 60, working)
        for start, length, working in draw(st.lists(lengths, max_size=4))
    )
    return CalendarDescription(
        zone=draw(st.sampled_from([BERLIN, "America/New_York", "Asia/Kolkata", "UTC"])),
        shifts=tuple(draw(st.lists(week_spans, max_size=6))),
        breaks=tuple(draw(st.lists(week_spans.filter(lambda span: span.end > span.start), max_size=3))),
        exceptions=exceptions,
    )


def oracle_minutes(description: CalendarDescription, start_s: float, count: int) -> list[bool]:
    """Whether each minute is worked, by looking at its local time alone (right where no span meets a clock change)."""
    zone = ZoneInfo(description.zone)

    def lies_in(spans: tuple[WeekSpan, ...], local: datetime) -> bool:
        for span in spans:
            for back in (0, 1):
                day = local - timedelta(days=back)
                if day.weekday() != span.weekday:
                    continue
                clock = local.hour * 60 + local.minute + 1440 * back
                start = int(span.start[:2]) * 60 + int(span.start[3:])
                end = int(span.end[:2]) * 60 + int(span.end[3:])
                if start <= clock < (end if end > start else end + 1440):
                    return True
        return False

    worked = []
    for minute in range(count):
        moment = start_s + minute * 60
        local = datetime.fromtimestamp(moment, zone).replace(tzinfo=None)
        state = lies_in(description.shifts, local) and not lies_in(description.breaks, local)
        for exception in description.exceptions:
            if exception.start_s <= moment < exception.end_s:
                state = exception.working
        worked.append(state)
    return worked


@settings(max_examples=40, deadline=None)
@given(descriptions(), st.data())
def test_it_equals_counting_minutes(description: CalendarDescription, data: st.DataObject) -> None:
    start = at("2026-11-16T00:00")
    oracle = oracle_minutes(description, start, 3 * 1440)
    calendar = WorkCalendar(description)

    first, last = sorted(data.draw(st.tuples(st.integers(0, 3 * 1440), st.integers(0, 3 * 1440))))
    assert 60.0 * sum(oracle[first:last]) == calendar.work_between(start + first * 60, start + last * 60)
    assert oracle == [calendar.is_working(start + minute * 60) for minute in range(3 * 1440)]


@settings(max_examples=60, deadline=None)
@given(descriptions(), st.sampled_from(CHANGES), minutes, st.integers(1, 40_000_000))
def test_adding_work_and_measuring_it_are_inverse(
    description: CalendarDescription, origin: float, minute: int, quarters: int
) -> None:
    """Quarters of a second are exact in floats of this size, so every comparison can be exact, too."""
    calendar = WorkCalendar(description)
    start, work_s = origin + minute * 60, quarters / 4

    finish = calendar.add_work(start, work_s)
    if finish == math.inf:
        return
    assert work_s == calendar.work_between(start, finish)
    assert work_s == calendar.work_between(calendar.subtract_work(finish, work_s), finish)
    # It is the earliest such moment: just before it, work is still missing.
    assert work_s - 0.25 == calendar.work_between(start, finish - 0.25)
    # And back, exactly, wherever the first moment is worked.
    if calendar.is_working(start):
        assert start == calendar.subtract_work(finish + 1e6, calendar.work_between(start, finish + 1e6))


@settings(max_examples=60, deadline=None)
@given(descriptions(), st.lists(st.integers(-400 * 86400, 400 * 86400), min_size=3, max_size=3))
def test_work_adds_up(description: CalendarDescription, offsets: list[int]) -> None:
    calendar = WorkCalendar(description)
    a, b, c = (CHANGES[1] + offset for offset in offsets)

    assert calendar.work_between(a, c) == calendar.work_between(a, b) + calendar.work_between(b, c)
    low, high = min(a, c), max(a, c)
    listed = sum(end - start for start, end in calendar.intervals(low, high))
    assert listed == calendar.work_between(low, high)


@settings(max_examples=25, deadline=None)
@given(
    descriptions(), st.lists(st.tuples(st.integers(-900, 900), st.floats(0.001, 1e7)), min_size=2, max_size=4)
)
def test_what_was_asked_before_changes_no_bit_of_an_answer(
    description: CalendarDescription, questions: list[tuple[int, float]]
) -> None:
    used = WorkCalendar(description)
    for days, work_s in questions:
        start = CHANGES[2] + days * DAY + 0.123
        fresh = WorkCalendar(description)
        assert fresh.add_work(start, work_s) == used.add_work(start, work_s)
        assert fresh.subtract_work(start, work_s) == used.subtract_work(start, work_s)
        assert fresh.work_between(start, start + work_s) == used.work_between(start, start + work_s)
        assert fresh.next_working(start) == used.next_working(start)


@settings(max_examples=60, deadline=None)
@given(descriptions(), st.integers(0, 6 * 86400))
def test_current_next_and_listed_intervals_agree(description: CalendarDescription, offset: int) -> None:
    calendar = WorkCalendar(description)
    moment = CHANGES[0] + offset

    current = calendar.current_interval(moment)
    assert (current is not None) == calendar.is_working(moment)
    if current is not None:
        assert current[0] <= moment < current[1]
        assert moment == calendar.next_working(moment)
        assert current[1] - moment == calendar.work_between(moment, current[1])
    elif (opening := calendar.next_working(moment)) < math.inf:
        assert calendar.is_working(opening)
        assert 0.0 == calendar.work_between(moment, opening)
