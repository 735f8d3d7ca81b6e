"""Workbooks: what a cell shows is what the mapping reads, and what holds no value is never taken for nothing."""

import random
import zipfile
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from schemas import ReasonCode, UsageError
from streams.adapters import workbook as workbook_module
from streams.adapters.mapper import MappedRow, map_file
from streams.adapters.mapping import Mapping
from tests.workbooks import Formula, wall, with_part, workbook

HEADER: list[Any] = ["Order", "Line", "Qty", "Due", "Note"]
MAPPING: dict[str, Any] = {
    "mapping": "book",
    "format": {"zone": "Europe/Berlin"},
    "fields": {"site_id": "s", "event_time": "2026-01-01T00:00:00Z"},
    "events": [
        {
            "kind": "order_upserted",
            "fields": {
                "order_id": {"column": "Order"},
                "customer_id": {"column": "Line"},
                "item_id": "i",
                "quantity_pcs": {"number": "Qty"},
                "promised_at": {"time": "Due", "at": "17:00"},
            },
        }
    ],
}


def mapped(path: Path, **layout: Any) -> list[MappedRow]:
    given = MAPPING | {"format": MAPPING["format"] | layout}
    return list(map_file(path, Mapping.model_validate(given)))


def told(row: MappedRow) -> tuple[Any, ...]:
    assert row.problem is None, row.problem
    [body] = row.bodies
    return tuple(body[name] for name in ("order_id", "customer_id", "quantity_pcs", "promised_at"))


def problem(row: MappedRow) -> tuple[int, str, str, str]:
    assert row.problem is not None, row
    return row.number, row.problem.code, row.problem.field_path, str(row.problem)


def test_cells_are_read_as_they_are_whatever_the_mapping_says_of_texts(tmp_path: Path) -> None:
    rows = [
        ["Order book"],
        [],
        HEADER,
        [4471, "Line 1", 1000, date(2026, 1, 5), "a date alone is due at the mapping's hour"],
        [
            4472.0,
            "Line 1",
            Formula("=2*250.25", 500.5),
            wall("2026-01-06 12:30"),
            "a formula is its value",
        ],
        ["00017", "Line 1", 7, "2026-01-07T08:00:00Z", "text is text"],
    ]

    found = mapped(workbook(tmp_path / "b.xlsx", rows), decimal=",", time_formats=["%d.%m.%Y"])

    assert [
        ("4471", "Line 1", 1000, "2026-01-05T17:00:00+01:00"),
        ("4472", "Line 1", 500.5, "2026-01-06T12:30:00+01:00"),
        ("00017", "Line 1", 7, "2026-01-07T09:00:00+01:00"),
    ] == [told(row) for row in found]
    assert [4, 5, 6] == [row.number for row in found]


def test_dates_of_the_other_calendar_of_spreadsheets_are_the_same_dates(tmp_path: Path) -> None:
    rows = [HEADER, ["1", "L", 1, wall("2026-01-06 12:30")]]

    [old, new] = [
        told(mapped(workbook(tmp_path / f"{is_1904}.xlsx", rows, date_1904=is_1904))[0])
        for is_1904 in (False, True)
    ]

    assert old == new == ("1", "L", 1, "2026-01-06T12:30:00+01:00")


def test_a_date_that_lost_its_format_is_read_as_days(tmp_path: Path) -> None:
    rows = [HEADER, ["1", "L", 1, 46028.5]]

    assert ("1", "L", 1, "2026-01-06T12:00:00+01:00") == told(
        mapped(workbook(tmp_path / "b.xlsx", rows), time_formats=["excel"])[0]
    )
    [without] = mapped(workbook(tmp_path / "c.xlsx", rows))
    assert (2, ReasonCode.TIME, "Due") == problem(without)[:3]


def test_errors_and_formulas_without_a_value_are_dead_letters_where_they_are_read(tmp_path: Path) -> None:
    """The reader of workbooks gives both as empty, and an optional field would be left out in silence."""
    whole = workbook(
        tmp_path / "b.xlsx",
        [
            HEADER,
            ["1", "L", Formula("=1/0", "#DIV/0!"), date(2026, 1, 5), ""],
            ["2", "L", Formula("=1+1", 2), date(2026, 1, 5), Formula("=NA()", "#N/A")],
            ["3", "L", Formula("=7*7", 49), date(2026, 1, 5)],
        ],
    )
    path = with_part(
        whole, tmp_path / "c.xlsx", "xl/worksheets/sheet1.xml", b"<f>7*7</f><v>49</v>", b"<f>7*7</f>"
    )

    divided, noted, never = mapped(path)

    assert (2, ReasonCode.SCHEMA, "Qty", "column 'Qty' holds the error #DIV/0!") == problem(divided)
    assert ("2", "L", 2, "2026-01-05T17:00:00+01:00") == told(noted), "nobody reads the note"
    assert (4, ReasonCode.SCHEMA, "Qty") == problem(never)[:3]
    assert "never calculated" in problem(never)[3]


def test_merged_cells_are_filled_down_only_where_the_mapping_says_so(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "b.xlsx",
        [
            HEADER,
            ["1", None, 10, date(2026, 1, 5)],
            ["2", None, 20, date(2026, 1, 5)],
            ["3", "Line 2", 30, date(2026, 1, 5)],
        ],
        merged=[(1, 1, 2, 1, "Line 1")],
    )

    first, second, third = mapped(path)
    filled = [told(row)[:2] for row in mapped(path, fill_down=["Line"])]

    assert ("1", "Line 1") == told(first)[:2]
    assert (3, ReasonCode.SCHEMA, "Line") == problem(second)[:3]
    assert "covered by the merged cells B2:B3; format.fill_down" in problem(second)[3]
    assert ("3", "Line 2") == told(third)[:2]
    assert [("1", "Line 1"), ("2", "Line 1"), ("3", "Line 2")] == filled


def test_a_date_and_a_time_in_two_cells_are_one_moment(tmp_path: Path) -> None:
    counts = {
        "mapping": "c",
        "format": {"zone": "UTC"},
        "fields": {"site_id": "s", "line_id": "L", "run_id": "R"},
        "events": [
            {
                "kind": "count_reported",
                "fields": {
                    "event_time": {"time": "{Day} {Hour}", "plus_minutes": 60},
                    "good_count": {"number": "Good", "unit": "pcs"},
                },
            }
        ],
    }
    path = workbook(tmp_path / "c.xlsx", [["Day", "Hour", "Good"], [date(2026, 1, 5), time(6), "1 200 pcs"]])

    [unsaid] = map_file(path, Mapping.model_validate(counts))
    counts["format"] = {"zone": "UTC", "thousands": " "}
    [row] = map_file(path, Mapping.model_validate(counts))

    assert (2, ReasonCode.SCHEMA, "Good") == problem(unsaid)[:3]
    assert ("2026-01-05T07:00:00+00:00", 1200) == (row.bodies[0]["event_time"], row.bodies[0]["good_count"])


def test_the_sheet_is_the_only_one_with_anything_in_it_or_the_one_that_is_named(tmp_path: Path) -> None:
    rows = [HEADER, ["1", "L", 1, date(2026, 1, 5)]]
    path = workbook(tmp_path / "b.xlsx", rows, sheets=("Empty", "Orders"))

    assert 1 == len(mapped(path))
    assert 1 == len(mapped(path, sheet="Orders"))
    with pytest.raises(UsageError, match="no sheet 'Plan', there are Empty, Orders"):
        mapped(path, sheet="Plan")


def test_two_sheets_with_something_in_them_must_be_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        for name in ("Orders", "Old"):
            book.add_worksheet(name).write_row(0, 0, HEADER)

    with pytest.raises(UsageError, match=r"has the sheets Orders, Old; format\.sheet says which"):
        mapped(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 half", b"Order;Line\n1;L\n", b"\xd0\xcf\x11\xe0 password"]
)
def test_what_is_no_workbook_is_told_at_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.xlsx"
    path.write_bytes(content)

    with pytest.raises(UsageError, match="is no workbook that can be read"):
        mapped(path)


def test_a_workbook_that_unpacks_beyond_the_limit_is_refused_whatever_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bomb says a small size in its directory."""
    monkeypatch.setattr(workbook_module, "MAX_UNPACKED_BYTES", 1_000_000)
    path = tmp_path / "b.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 2_000_000)
    honest = path.read_bytes()
    lying = honest.replace((2_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lying != honest

    for content in (honest, lying):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="more than 1,000,000 bytes unpacked; save the sheet as CSV"):
            mapped(path)


def test_a_workbook_that_declares_entities_is_not_read(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "b.xlsx", [HEADER, ["1", "L", 1, date(2026, 1, 5)]])
    declared = b'<!DOCTYPE x [<!ENTITY a "1">]><worksheet'
    path = with_part(whole, tmp_path / "c.xlsx", "xl/worksheets/sheet1.xml", b"<worksheet", declared)

    with pytest.raises(UsageError, match=r"declares entities|no workbook"):
        mapped(path)


def test_damaged_workbooks_give_rows_or_one_clear_error(tmp_path: Path) -> None:
    """Bytes are flipped at random in each part: never anything else than a row, a dead letter or a UsageError."""
    whole = workbook(
        tmp_path / "b.xlsx", [HEADER, *[[f"{n}", "L", n, wall("2026-01-05")] for n in range(1, 30)]]
    )
    with zipfile.ZipFile(whole) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    chance = random.Random(7)
    refused = 0
    for number in range(60):
        broken = dict(parts)
        name = chance.choice([*parts])
        content = bytearray(broken[name])
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        broken[name] = bytes(content)
        path = tmp_path / f"{number}.xlsx"
        with zipfile.ZipFile(path, "w") as archive:
            for part, text in broken.items():
                archive.writestr(part, text)
        try:
            mapped(path)
        except UsageError:
            refused += 1

    assert 0 < refused < 60, "some are refused and some are read: both happened"


def test_times_are_not_off_by_a_hair(tmp_path: Path) -> None:
    """A spreadsheet keeps 07:00 as 0.291666..., which is not quite 07:00."""
    rows = [HEADER, *[[f"{h}", "L", 1, wall(f"2026-01-05 {h:02}:20")] for h in range(24)]]

    found = [told(row)[3] for row in mapped(workbook(tmp_path / "b.xlsx", rows), zone="UTC")]

    assert [datetime(2026, 1, 5, h, 20, tzinfo=UTC).isoformat() for h in range(24)] == found
