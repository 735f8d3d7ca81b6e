"""ISO 22400 by hand: where each second goes, what is added up, and what is null.

Line 1 works Mon-Fri 06:00-22:00; its run is planned at 100 good pieces an hour.
"""

from datetime import datetime

from schemas import CalendarUpserted, Measures, topics
from tests.folding import Folded, at, count, event, run, small_plant
from twin import Twin
from twin.shopfloor.elements import Elements, total
from twin.shopfloor.measures import By, MeasureRow, Per, day_measures, elements_since, measure_rows
from twin.state.calendar import CalendarDescription, WorkCalendar
from twin.state.shifts import WeekSpan


def plant() -> Folded:
    folded = Folded()
    folded.tell(
        *small_plant(),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00")),
        run("R2", "L2", at(0, "06:00"), at(0, "14:00")),
    )
    folded.tick(at(0, "05:00"))
    return folded  # fmt: skip


def moved(folded: Folded, kind: str, when: datetime, line_id: str = "L1", run_id: str = "R1") -> None:
    folded.tick(when)
    folded.tell(event(kind, when, line_id=line_id, run_id=run_id))


def counted(folded: Folded, when: datetime, good: float, line_id: str = "L1", **fields: float) -> None:
    folded.tick(when)
    folded.tell(count(line_id, "R1" if line_id == "L1" else "R2", when, good, **fields))


def rows(folded: Folded, by: By, per: Per = "all") -> list[MeasureRow]:
    return measure_rows(folded.twin.model, by, per)


def a_morning() -> Folded:
    """06:00 setup, 06:30 on, 08:00 held, 08:45 on, 10:00 done; 200 good, 10 scrap, 5 rework; 10:30 the next."""
    folded = plant()
    moved(folded, "setup_started", at(0, "06:00"))
    moved(folded, "run_started", at(0, "06:30"))
    counted(folded, at(0, "08:00"), 140.0, scrap_count=10.0)
    moved(folded, "run_held", at(0, "08:00"))
    moved(folded, "run_resumed", at(0, "08:45"))
    counted(folded, at(0, "10:00"), 60.0, rework_count=5.0)
    moved(folded, "run_completed", at(0, "10:00"))
    folded.tell(run("R3", "L1", at(0, "14:00"), at(0, "22:00")))
    moved(folded, "setup_started", at(0, "10:30"), run_id="R3")
    return folded


def test_a_morning_by_hand() -> None:
    """4.5 h busy: 30 min setup, 90 + 75 min production, 45 min delay, 30 min without an order.

    A = 2.75 / 4.5 = 0.611111; E = 215 pieces x 36 s / 9,900 s = 0.781818; Q = 200 / 215 = 0.930233; OEE = 0.444444.
    """
    [line] = rows(a_morning(), "line")

    assert (
        Measures(
            day=None,
            since=at(0, "06:00"),
            until=at(0, "10:30"),
            pbt_s=16_200.0,
            apt_s=9_900.0,
            aust_s=1_800.0,
            adet_s=2_700.0,
            adot_s=1_800.0,
            gq=200.0,
            sq=10.0,
            rq=5.0,
            pq=215.0,
            availability=0.611111,
            effectiveness=0.781818,
            quality=0.930233,
            oee=0.444444,
        )
        == line.measures
    )


def test_the_run_has_its_own_elements_over_its_whole_life() -> None:
    """The half hour without an order is nobody's: 4 h busy, A = 2.75 / 4 = 0.6875."""
    first = next(row for row in rows(a_morning(), "run") if row.run_id == "R1")

    assert (14_400.0, 9_900.0, 1_800.0, 2_700.0, 0.0) == (
        first.elements.pbt_s,
        first.elements.apt_s,
        first.elements.aust_s,
        first.elements.adet_s,
        first.elements.adot_s,
    )
    assert 0.6875 == first.elements.availability
    assert (at(0, "06:00"), at(0, "10:00")) == (first.measures.since, first.measures.until)


def test_oee_over_two_lines_is_that_of_the_sums_and_not_the_average() -> None:
    """Line 1: 8 h, 800 of 800, OEE 1. Line 2: 2 h, 50 of 200, OEE 0.25. Average 0.625; sums: 850 / 1,000 = 0.85."""
    folded = plant()
    moved(folded, "run_started", at(0, "06:00"))
    moved(folded, "run_started", at(0, "06:00"), "L2", "R2")
    counted(folded, at(0, "08:00"), 50.0, "L2")
    counted(folded, at(0, "14:00"), 800.0)
    lines = [row.elements.oee for row in rows(folded, "line")]
    [site] = rows(folded, "site")
    [area] = rows(folded, "area")

    assert [1.0, 0.25] == lines
    assert 0.85 == site.elements.oee
    assert (0.85, "A1", None) == (area.elements.oee, area.area_id, area.line_id)


def test_what_has_no_denominator_is_null() -> None:
    setup_only = Elements(aust_s=600.0)

    assert (None, None, None, None) == (
        Elements().availability,
        Elements().effectiveness,
        Elements().quality,
        Elements().oee,
    )
    assert (0.0, None, None, None) == (
        setup_only.availability,
        setup_only.effectiveness,
        setup_only.quality,
        setup_only.oee,
    )
    assert None is day_measures(plant().twin.model.lines["S1", "L1"])


def test_a_line_faster_than_planned_has_an_effectiveness_above_one() -> None:
    """120 pieces in an hour planned for 100."""
    folded = plant()
    moved(folded, "run_started", at(0, "06:00"))
    counted(folded, at(0, "07:00"), 120.0)

    assert 1.2 == rows(folded, "line")[0].elements.effectiveness


def test_expected_scrap_is_in_the_planned_run_time_once() -> None:
    """100 good an hour at 20 % expected scrap are 125 pieces: 100 good of 125 made is E = 1 and Q = 0.8."""
    folded = plant()
    folded.tell(event("item_upserted", at(0, "01:00"), item_id="red", setup_family="red", expected_scrap=0.2))
    moved(folded, "run_started", at(0, "06:00"))
    counted(folded, at(0, "07:00"), 100.0, scrap_count=25.0)
    elements = rows(folded, "line")[0].elements

    assert (1.0, 0.8) == (elements.effectiveness, elements.quality)


def test_a_late_count_and_a_correction_land_on_the_day_they_belong_to() -> None:
    folded = plant()
    moved(folded, "run_started", at(0, "20:00"))
    counted(folded, at(0, "22:00"), 200.0)
    counted(folded, at(1, "07:00"), 100.0)
    folded.tell(count("L1", "R1", at(0, "21:00"), 7.0, event_id="late"))
    folded.tell(
        event("count_corrected", at(0, "22:00"), line_id="L1", run_id="R1", good_delta=-2.0, scrap_delta=2.0)
    )
    days = {row.day: row.elements for row in rows(folded, "line", "day")}

    assert {"2026-03-02": (205.0, 2.0, 7_200.0), "2026-03-03": (100.0, 0.0, 3_600.0)} == {
        day: (each.good_pcs, each.scrap_pcs, each.apt_s) for day, each in days.items()
    }


def test_news_of_a_stop_that_comes_late_takes_its_time_from_production() -> None:
    """Held at 07:00, heard at 08:00 after a count had moved the mark there: one hour of delay, not of production."""
    folded = plant()
    moved(folded, "run_started", at(0, "06:00"))
    counted(folded, at(0, "08:00"), 100.0)
    folded.tell(event("run_held", at(0, "07:00"), line_id="L1", run_id="R1"))
    moved(folded, "run_resumed", at(0, "09:00"))
    elements = rows(folded, "line")[0].elements
    progress = folded.twin.model.runs["S1", "R1"].progress

    assert (3_600.0, 7_200.0) == (elements.apt_s, elements.adet_s)
    assert (3_600.0, 7_200.0) == (progress.apt_s, progress.down_work_s)


def test_time_without_a_shift_counts_nothing_and_shifts_part_the_day() -> None:
    """Early and late shift touch at 14:00; the night between is nobody's busy time."""
    folded = plant()
    shifts = [
        {"weekday": day, "start": start, "end": end}
        for day in range(5)
        for start, end in (("06:00", "14:00"), ("14:00", "22:00"))
    ]
    folded.tell(event("calendar_upserted", at(0, "01:00"), calendar_id="two-shifts", shifts=shifts))
    moved(folded, "run_started", at(0, "12:00"))
    counted(folded, at(0, "14:00"), 210.0)
    counted(folded, at(0, "15:00"), 90.0)
    counted(folded, at(1, "06:30"), 700.0)

    assert [
        ("2026-03-02", "06:00", 7_200.0, 210.0),
        ("2026-03-02", "14:00", 28_800.0, 90.0),
        ("2026-03-03", "06:00", 1_800.0, 700.0),
    ] == [
        (row.day, row.shift, row.elements.pbt_s, row.elements.good_pcs)
        for row in rows(folded, "line", "shift")
        if row.elements != Elements()
    ]


def test_a_night_shift_belongs_to_the_day_on_which_it_began() -> None:
    night = WorkCalendar(
        CalendarDescription(zone="Europe/Berlin", shifts=tuple(WeekSpan(day, "22:00", "06:00") for day in range(5)))
    )  # fmt: skip
    friday = datetime.fromisoformat("2026-03-06T23:00:00+01:00").timestamp()

    for hours in (0, 2, 6.9):
        span = night.shift_at(friday + hours * 3600.0)
        assert ("2026-03-06", "22:00") == (span.day, span.shift)
    saturday = night.shift_at(friday + 7 * 3600.0)
    assert ("2026-03-07", "", 18 * 3600.0) == (
        saturday.day,
        saturday.shift,
        saturday.end_s - saturday.start_s,
    )


def test_since_a_moment_begins_with_its_shift() -> None:
    folded = plant()
    moved(folded, "run_started", at(0, "06:00"))
    counted(folded, at(0, "22:00"), 900.0)
    counted(folded, at(1, "08:00"), 150.0)
    line = folded.twin.model.lines["S1", "L1"]

    assert 1_050.0 == elements_since(line, at(0, "12:00").timestamp()).good_pcs
    assert 150.0 == elements_since(line, at(1, "07:00").timestamp()).good_pcs


def test_the_line_s_status_carries_run_and_day() -> None:
    status = [body for body in a_morning().on(topics.LINES) if body.line_id == "L1" and body.run_id == "R1"][
        -1
    ]

    assert status.day is not None
    assert status.elements is not None
    assert ("2026-03-02", at(0, "06:00")) == (status.day.day, status.day.since)
    assert status.elements.pbt_s == status.day.pbt_s


def test_periods_past_their_days_are_forgotten_and_a_restored_twin_knows_the_rest() -> None:
    folded = plant()
    moved(folded, "run_started", at(0, "06:00"))
    counted(folded, at(0, "22:00"), 900.0)
    counted(folded, at(40, "08:00"), 150.0)
    restored = Twin.restore(folded.twin.header(), folded.documents)
    line = folded.twin.model.lines["S1", "L1"]

    assert "2026-03-02" not in {row.day for row in rows(folded, "line", "day")}
    assert rows(folded, "line", "shift") == measure_rows(restored.model, "line", "shift")
    assert total(each.elements for each in line.periods).apt_s > 0.0


def test_a_calendar_that_changes_in_mid_shift_loses_no_second() -> None:
    """From 10:00 on the shift ends at 12:00: four hours before, two after, nothing twice."""
    folded = plant()
    moved(folded, "run_started", at(0, "06:00"))
    counted(folded, at(0, "10:00"), 400.0)
    shorter = [{"weekday": day, "start": "06:00", "end": "12:00"} for day in range(5)]
    change = event("calendar_upserted", at(0, "10:00"), calendar_id="two-shifts", shifts=shorter)
    assert isinstance(change, CalendarUpserted)
    folded.tell(change)
    counted(folded, at(1, "07:00"), 300.0)

    assert 7 * 3600.0 == total(row.elements for row in rows(folded, "line", "shift")).apt_s
