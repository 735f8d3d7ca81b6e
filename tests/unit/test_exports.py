"""Exports: what a spreadsheet opens without a question, and never calculates."""

import base64
import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from schemas import DeadLetter, PlanChange, UsageError
from streams.exports import CELL_CHARS_MAX, ExportTable, change_table, export_table, letter_table, write_table
from streams.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "examples" / "first_card" / "events.ndjson"
NASTY = [
    '=HYPERLINK("http://x";"y")',
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "http://example.org",
    "00017",
    "1" * 20,
]


def sheet(path: Path) -> list[list[object]]:
    return [list(row) for row in CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows()]


def letter(payload: bytes, message: str = "m") -> DeadLetter:
    return DeadLetter(
        output_id="t/0/1/0",
        code="schema",
        message=message,
        field_path="good_count",
        source_topic="t",
        source_partition=0,
        source_offset=1,
        index=0,
        source_timestamp_ms=1_767_621_600_000,
        key_base64=None,
        payload_base64=base64.b64encode(payload).decode(),
        payload_bytes=len(payload),
        headers=[],
    )


def test_the_cards_of_a_file_are_rows_with_dates_of_the_zone(tmp_path: Path) -> None:
    table = export_table("cards", [FIRST], None, Settings(), None, "Europe/Paris", 60)
    write_table(tmp_path / "c.xlsx", table)

    header, row = sheet(tmp_path / "c.xlsx")
    told = dict(zip(header, row, strict=True))

    assert str(told["title"]).startswith(
        "Line 1 is down: #7001 for Acme will miss its date of Mon 5 Jan 18:00"
    )
    assert ("O. Roy", "7001", 800.0, "EUR") == (
        told["owner"],
        told["orders"],
        told["penalty"],
        told["currency"],
    )
    assert datetime.fromisoformat("2026-01-05 10:00") == told["as of"]
    assert [] == export_table("cards", [FIRST], None, Settings(), "elsewhere", "UTC", 60).rows


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv"])
def test_no_cell_is_a_formula_or_a_link_whatever_it_begins_with(tmp_path: Path, name: str) -> None:
    table = ExportTable("t", ["text", "number"], "UTC", [[text, -1.5] for text in NASTY])
    path = tmp_path / name

    write_table(path, table)

    if name == "t.xlsx":
        assert [[text, -1.5] for text in NASTY] == sheet(path)[1:]
        content = path.read_bytes()
        assert b"hyperlink" not in content.lower()
    else:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))[1:]
        told = [row[0] for row in rows]
        assert ['\'=HYPERLINK("http://x";"y")', "'+1+1", "'-2", "'@SUM(A1)", "'\t=1"] == told[:5]
        assert NASTY[5:] == told[5:]
        assert {"-1.5"} == {row[1] for row in rows}
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_semicolons_come_with_decimal_commas(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", ExportTable("t", ["a", "b"], "UTC", [["x;y", 1.5]]), semicolons=True)

    assert 'a;b\r\n"x;y";1,5\r\n' == (tmp_path / "t.csv").read_bytes().decode("utf-8-sig")


def test_what_is_too_long_for_a_cell_is_cut_and_bytes_that_are_no_text_are_shown(tmp_path: Path) -> None:
    table = letter_table([letter(b"=1" + b"x" * 100_000), letter(b"\xff\x00\x01")], "Europe/Paris")

    write_table(tmp_path / "l.xlsx", table)

    rows = sheet(tmp_path / "l.xlsx")
    assert CELL_CHARS_MAX == len(str(rows[1][-1]))
    assert str(rows[2][-1]).startswith("\ufffd")
    assert datetime.fromisoformat("2026-01-05 15:00") == rows[1][7]


def test_a_plan_change_is_a_row(tmp_path: Path) -> None:
    change = PlanChange(
        output_id="o",
        change_id="c1",
        proposal_id="P",
        option_id="A",
        site_id="lyon",
        action="plan_run",
        order_id="7001",
        run_id="R1",
        line_id="L2",
        start_at=datetime(2026, 1, 5, 9, tzinfo=UTC),
        end_at=datetime(2026, 1, 5, 12, tzinfo=UTC),
        quantity_pcs=300.0,
        expected_revision=1,
    )
    write_table(tmp_path / "p.xlsx", change_table([change], "Europe/Paris"))

    header, row = sheet(tmp_path / "p.xlsx")
    told = dict(zip(header, row, strict=True))

    assert ("plan_run", "R1", "L2", 300.0) == (told["action"], told["run"], told["line"], told["quantity"])
    assert datetime.fromisoformat("2026-01-05 10:00") == told["start"]


def test_other_names_and_other_things_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"only \.xlsx and \.csv are written"):
        write_table(tmp_path / "t.ods", ExportTable("t", ["a"], "UTC"))
    with pytest.raises(UsageError, match="cannot be written"):
        write_table(tmp_path / "none" / "t.csv", ExportTable("t", ["a"], "UTC"))
    with pytest.raises(UsageError, match="dead-letters are on Kafka alone"):
        export_table("dead-letters", [FIRST], None, Settings(), None, "UTC", 60)
