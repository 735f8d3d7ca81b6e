"""The invented order book of a production log: its rule by hand, on a log of a few rows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas import CalendarUpserted, OrderUpserted, RunPlanned, UsageError
from streams.adapters.mapping import Mapping
from streams.adapters.mapping_file import load_mapping
from streams.adapters.order_book import order_book
from streams.adapters.production_log import planned_rates, planned_setups, read_reports, steps_of

MAPPING = """
mapping: log
format: { zone: UTC }
values:
  start: { time: end, minus_minutes: minutes }
  end: { time: end }
fields: { site_id: s, line_id: { column: machine }, run_id: { template: "{case}@{machine}" }, event_time: { value: start } }
events: [{ kind: run_started }]
order_book:
  order: { column: case }
  item: { column: part }
  quantity: { number: ordered }
  run: { template: "{case}@{machine}" }
  line: { column: machine }
  start: { value: start }
  end: { value: end }
  good: { number: good }
  setup_when: [{ column: type, equals: S }]
"""
LOG = """case,part,machine,type,ordered,good,minutes,end
A,cog,lathe,S,10,1,30,2026-01-05 06:30
A,cog,lathe,D,10,9,90,2026-01-05 08:00
A,cog,bench,D,10,0,60,2026-01-05 09:00
B,cog,lathe,D,20,20,120,2026-01-05 10:00
B,cog,bench,D,20,20,60,2026-01-05 11:00
"""


def files(folder: Path, log: str = LOG, mapping: str = MAPPING) -> tuple[Path, Mapping]:
    (folder / "m.yaml").write_text(mapping)
    (folder / "log.csv").write_text(log)
    return folder / "log.csv", load_mapping(folder / "m.yaml")


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 1, 5, hour, minute, tzinfo=UTC)


def test_rates_and_setups_are_medians(tmp_path: Path) -> None:
    steps = steps_of(read_reports(*files(tmp_path)))

    assert ["A@lathe", "A@bench", "B@lathe", "B@bench"] == [step.first.run_id for step in steps]
    # lathe: 9 in 1.5 h and 20 in 2 h; bench: nothing, and 20 in 1 h
    assert {"A@lathe": 8.0, "B@lathe": 8.0, "A@bench": 20.0, "B@bench": 20.0} == planned_rates(steps)
    assert {"lathe": 15.0, "bench": 0.0} == planned_setups(steps)


def test_runs_wait_for_the_step_before_and_for_the_machine(tmp_path: Path) -> None:
    runs = [event for event in order_book(*files(tmp_path), seed=1) if isinstance(event, RunPlanned)]

    # A: 10 pieces from 06:15 at 8/h. B is released at 08:00, before A is done at 07:30 plus setup: 20 pieces from 08:15.
    # The bench makes 20/h; A reports none there and is planned for the order's 10. The log works from 06:00 to 11:00 on
    # Mondays: of B's hour on the bench, 45 minutes remain for the week after.
    assert [
        ("A@lathe", 10.0, at(6, 15), at(7, 30), ["A@bench"]),
        ("A@bench", 10.0, at(7, 30), at(8), []),
        ("B@lathe", 20.0, at(8, 15), at(10, 45), ["B@bench"]),
        ("B@bench", 20.0, at(10, 45), datetime(2026, 1, 12, 6, 45, tzinfo=UTC), []),
    ] == [
        (run.run_id, run.quantity_pcs, run.planned_start_at, run.planned_end_at, run.feeds_run_ids)
        for run in runs
    ]
    assert [at(6), at(6), at(8), at(8)] == [run.release_at for run in runs]
    assert ["A", "A", "B", "B"] == [run.pegs[0].order_id for run in runs]


def test_orders_are_promised_after_their_release_and_drawn_by_name(tmp_path: Path) -> None:
    first = [event for event in order_book(*files(tmp_path), seed=1) if isinstance(event, OrderUpserted)]
    again = [event for event in order_book(*files(tmp_path), seed=1) if isinstance(event, OrderUpserted)]
    other = [event for event in order_book(*files(tmp_path), seed=2) if isinstance(event, OrderUpserted)]
    only_a = "\n".join(row for row in LOG.splitlines() if not row.startswith("B"))
    shorter = [
        event
        for event in order_book(*files(tmp_path, log=only_a), seed=1)
        if isinstance(event, OrderUpserted)
    ]

    assert first == again
    assert first != other
    assert [("A", 10.0, at(16)), ("B", 20.0, 16)] == [
        (first[0].order_id, first[0].quantity_pcs, first[0].promised_at),
        (first[1].order_id, first[1].quantity_pcs, first[1].promised_at.hour),
    ]
    drawn = ("customer_id", "unit_price", "unit_cost", "penalty_per_day")
    assert [getattr(first[0], name) for name in drawn] == [getattr(shorter[0], name) for name in drawn]


def test_everything_is_said_before_the_log_begins_and_says_that_it_is_invented(tmp_path: Path) -> None:
    events = order_book(*files(tmp_path), seed=7)

    assert {datetime(2026, 1, 4, tzinfo=UTC)} == {event.event_time for event in events}
    assert len(events) == len({event.event_id for event in events})
    assert all(event.event_id.startswith("order-book/7/") for event in events)
    assert {"s"} == {event.site_id for event in events}


def test_the_week_is_worked_in_the_hours_in_which_the_log_works(tmp_path: Path) -> None:
    log, mapping = files(tmp_path)

    [calendar] = [event for event in order_book(log, mapping, seed=1) if isinstance(event, CalendarUpserted)]

    assert [(0, "06:00", "11:00")] == [(span.weekday, span.start, span.end) for span in calendar.shifts]


def test_a_mapping_or_log_without_what_the_rule_needs_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no section order_book"):
        order_book(*files(tmp_path, mapping=MAPPING.split("order_book", maxsplit=1)[0]), seed=1)
    with pytest.raises(UsageError, match="not one row is a report"):
        order_book(*files(tmp_path, log=LOG.replace("2026", "26")), seed=1)
    with pytest.raises(UsageError, match=r"no constant fields\.site_id"):
        order_book(
            *files(tmp_path, mapping=MAPPING.replace("site_id: s", "site_id: { column: case }")), seed=1
        )
