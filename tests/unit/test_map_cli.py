"""`foresite map`, `foresite doctor --json` and `foresite watch` as they are typed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas import UsageError
from streams.cli import app

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "first_sheet"
FIRST = Path(__file__).resolve().parents[2] / "examples" / "first_card" / "events.ndjson"


def run(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, UsageError):
        raise result.exception
    return result.exit_code, result.stdout


def proposed(folder: Path) -> Path:
    out = folder / "orders.yaml"
    code, told = run("map", "init", EXAMPLES / "orders.xlsx", "--zone", "Europe/Paris", "--out", out)
    assert (0, True) == (code, "then: foresite map check" in told)
    return out


def test_a_proposal_is_written_once(tmp_path: Path) -> None:
    out = proposed(tmp_path)
    before = out.read_bytes()

    with pytest.raises(UsageError, match="is there already, and is not overwritten"):
        run("map", "init", EXAMPLES / "orders.xlsx", "--out", out)
    with pytest.raises(UsageError, match="'Paris' is no IANA time zone"):
        run("map", "init", EXAMPLES / "orders.xlsx", "--zone", "Paris")
    assert before == out.read_bytes()


def test_a_check_tells_machines_of_rows_and_refusals(tmp_path: Path) -> None:
    table = tmp_path / "orders.csv"
    header = "Order No,Customer,Product,Quantity,Unit price,Unit cost,Penalty per day,Due date,Line,Planned start,Planned end\n"
    row = "1,Acme,box,{},5,4,8,2026-01-06 12:00,L,2026-01-05 06:00,2026-01-06 02:00\n"
    table.write_text(header + row.format(10) + row.format("ten") + row.format(-1), encoding="utf-8")

    code, told = run("map", "check", proposed(tmp_path), table, "--rows", "1", "--json")

    *rows, summary = [json.loads(line) for line in told.splitlines()]
    assert 1 == code
    assert [(2, 3, None), (3, 0, "schema")] == [
        (each["row"], len(each["events"]), each["refused"] and each["refused"]["code"]) for each in rows
    ], "the first rows, and the first that is refused"
    refused = [(each["code"], each["column"], each["rows"], each["first_row"]) for each in summary["refused"]]
    assert [("range", "Quantity", 1, 4), ("schema", "Quantity", 1, 3)] == refused
    assert (3, {"customer_upserted": 1, "order_upserted": 1, "run_planned": 1}) == (
        summary["rows"],
        summary["events"],
    )
    assert "order_upserted.route_id" in summary["fields_not_filled"]


def test_a_check_of_a_table_with_another_header_names_the_column(tmp_path: Path) -> None:
    table = tmp_path / "orders.csv"
    table.write_text("Order Nr,Customer\n1,Acme\n", encoding="utf-8")

    with pytest.raises(UsageError, match=r"no column .*'Order No'.* in row 1, which has Order Nr, Customer"):
        run("map", "check", proposed(tmp_path), table)


def test_the_doctor_tells_machines_and_ends_with_one_where_it_is_blind() -> None:
    code, told = run("doctor", FIRST, "--json")

    records = [json.loads(line) for line in told.splitlines()]
    assert 1 == code
    assert {"site_id": "lyon", "risk": "shortage", "verdict": "CANNOT BE SEEN"} in records


def test_watching_what_is_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        run("watch", tmp_path / "none", "--once", "--kafka", "127.0.0.1:1")
