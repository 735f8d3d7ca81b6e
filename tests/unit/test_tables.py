"""Tables as people keep them: headers below titles, groups named once, several mappings, several rows an event."""

import csv
import gzip
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import MODEL_OF_KIND, BadRecord, ReasonCode, UsageError
from streams.adapters.cell_values import parse_number, parse_time
from streams.adapters.mapper import GATHERED_ROWS_MAX, map_file
from streams.adapters.mapping import FileFormat, Mapping
from streams.adapters.mapping_file import load_mapping, load_mappings, mappings_for
from streams.sources import ReadTally, RefusedRecord, SourceRecord, read_records

BILL = """
mapping: bills
files: ["parts*.csv"]
fields: { site_id: s, event_time: "2026-01-01T00:00:00Z" }
events:
  - kind: bill_of_material_upserted
    gather: "{Parent}"
    fields:
      item_id: { column: Parent }
      components: { list: [{ item_id: { column: Component }, quantity_per: { number: Per } }] }
"""
ORDERS = """
mapping: orders
files: ["orders*.csv", "Auftrag*.csv"]
fields: { site_id: s, event_time: "2026-01-01T00:00:00Z" }
events:
  - kind: run_planned
    fields:
      run_id: { column: Order }
      line_id: { column: Line }
      item_id: i
      quantity_pcs: { number: Qty }
      planned_start_at: { time: Start }
      planned_end_at: { time: End }
      pegs: { list: [{ order_id: { column: Order }, quantity_pcs: { number: Qty } }] }
"""


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def bodies(path: Path, mapping: Mapping) -> list[dict[str, Any]]:
    return [body for row in map_file(path, mapping) for body in row.bodies]


def test_rows_of_one_parent_are_one_event_wherever_they_stand(tmp_path: Path) -> None:
    table = written(tmp_path, "parts.csv", "Parent,Component,Per\nbox,card,2\nlid,card,1\nbox,glue,0.5\n")
    mapping = load_mapping(written(tmp_path, "bills.yaml", BILL))
    tally = ReadTally()

    box, lid = bodies(table, mapping)
    records = list(read_records([table], mapping, tally))

    assert ("box", [{"item_id": "card", "quantity_per": 2}, {"item_id": "glue", "quantity_per": 0.5}]) == (
        box["item_id"],
        box["components"],
    )
    assert ("lid", [{"item_id": "card", "quantity_per": 1}]) == (lid["item_id"], lid["components"])
    MODEL_OF_KIND["bill_of_material_upserted"].model_validate(box)
    assert (3, 3, 2) == (tally.lines, tally.recorded, tally.records)
    assert 2 == len(records)


def test_a_group_with_a_refused_row_is_refused_whole(tmp_path: Path) -> None:
    """Half a bill of material would let a shortage go unseen."""
    table = written(tmp_path, "parts.csv", "Parent,Component,Per\nbox,card,2\nlid,card,1\nbox,glue,half\n")
    mapping = load_mapping(written(tmp_path, "bills.yaml", BILL))
    tally = ReadTally()

    records = list(read_records([table], mapping, tally))

    refused = [record for record in records if isinstance(record, RefusedRecord)]
    assert [("Per", 4), ("", 4)] == [(each.problem.field_path, each.origin.number) for each in refused]
    assert "row 4 of the bill_of_material_upserted of 'box' was refused" in str(refused[1].problem)
    assert [b'"lid"' in record.value for record in records if not isinstance(record, RefusedRecord)] == [True]
    assert (3, 1, {"schema": 2}) == (tally.lines, tally.recorded, dict(tally.refused))


def test_the_same_group_has_the_same_id_and_a_changed_one_another(tmp_path: Path) -> None:
    mapping = load_mapping(written(tmp_path, "bills.yaml", BILL))
    ids = [
        bodies(written(tmp_path, "parts.csv", f"Parent,Component,Per\nbox,card,{per}\n"), mapping)[0][
            "event_id"
        ]
        for per in (2, 2, 3)
    ]

    assert ids[0] == ids[1] != ids[2]


def test_too_many_rows_to_gather_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.adapters.mapper.GATHERED_ROWS_MAX", 2)
    assert GATHERED_ROWS_MAX > 2
    table = written(tmp_path, "parts.csv", "Parent,Component,Per\n" + "box,card,2\n" * 3)

    with pytest.raises(UsageError, match="more than 2 rows are gathered"):
        bodies(table, load_mapping(written(tmp_path, "bills.yaml", BILL)))


def test_a_list_field_is_filled_and_its_blame_finds_the_column(tmp_path: Path) -> None:
    mapping = load_mapping(written(tmp_path, "orders.yaml", ORDERS))
    rows = "Order,Line,Qty,Start,End\n1,L,10,2026-01-05T06:00Z,2026-01-05T08:00Z\n2,L,-1,2026-01-05T06:00Z,2026-01-05T08:00Z\n"

    good, bad = map_file(written(tmp_path, "orders.csv", rows), mapping)

    assert [{"order_id": "1", "quantity_pcs": 10}] == good.bodies[0]["pegs"]
    assert bad.problem is not None
    assert (ReasonCode.RANGE, "Qty") == (bad.problem.code, bad.problem.field_path)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("order_id: {", "order: {", "pegs.0.order: no such field; did you mean 'order_id'?"),
        (", quantity_pcs: { number: Qty } }] }", "}] }", "pegs.0: needs quantity_pcs"),
        ("run_id: { column: Order }", "run_id: { list: [{ x: y }] }", "run_id: holds no list of objects"),
        (
            "list: [{ order_id: { column: Order }",
            "list: [{ order_id: { value: o }",
            "0.order_id: no value 'o'",
        ),
    ],
)
def test_a_faulty_list_is_refused_when_the_mapping_is_read(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in ORDERS

    with pytest.raises(UsageError) as error:
        load_mapping(written(tmp_path, "orders.yaml", ORDERS.replace(old, new)))

    assert expected in str(error.value)


def test_each_table_is_read_by_the_mapping_that_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "mappings").mkdir(parents=True)
    written(folder / "mappings", "orders.yaml", ORDERS)
    written(folder / "mappings", "bills.yaml", BILL)
    written(folder, "parts 2026.csv", "Parent,Component,Per\nbox,card,2\n")
    written(folder, "AUFTRAG_7.csv", "Order,Line,Qty,Start,End\n1,L,10,2026-01-05T06:00Z,2026-01-05T08:00Z\n")
    mappings = mappings_for([folder], None)

    kinds = [each.topic for each in read_records([folder], mappings) if isinstance(each, SourceRecord)]

    assert ["erp.orders.v1", "erp.master-data.v1"] == kinds
    assert mappings is not None
    with pytest.raises(UsageError, match=r"no mapping is for a file of this name \(files\): .*orders\*\.csv"):
        mappings.of(Path("stock.csv"))
    both = written(tmp_path, "both.yaml", BILL.replace("bills", "all").replace("parts*", "orders*"))
    book = load_mappings([folder / "mappings", both])
    assert book is not None
    with pytest.raises(UsageError, match="more than one mapping is for it"):
        book.of(Path("orders.csv"))
    with pytest.raises(UsageError, match=r"is called bills, as .* is: ids would clash"):
        load_mappings([folder / "mappings", written(tmp_path, "again.yaml", BILL)])


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("\ufeffOrder;Menge\nÄ;1\n", "utf-8"),
        ("\ufeffOrder;Menge\nÄ;1\n", "utf-16-le"),
        ("\ufeffOrder;Menge\nÄ;1\n", "utf-16-be"),
        ("Order;Menge\nÄ;1\n", "cp1252"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_goes_before_the_mapping_s_encoding(
    tmp_path: Path, content: str, encoding: str, packed: bool
) -> None:
    mapping = Mapping.model_validate(
        {
            "mapping": "m",
            "format": {"delimiter": ";", "encoding": "cp1252"},
            "fields": {"site_id": "s", "event_time": "2026-01-01T00:00:00Z"},
            "events": [{"kind": "item_upserted", "fields": {"item_id": {"column": "Order"}}}],
        }
    )
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    raw = content.encode(encoding)
    path.write_bytes(gzip.compress(raw) if packed else raw)

    assert ["Ä"] == [body["item_id"] for body in bodies(path, mapping)]


def test_a_total_that_is_narrower_and_empty_cells_behind_the_header_do_no_harm(tmp_path: Path) -> None:
    mapping = load_mapping(written(tmp_path, "bills.yaml", BILL))
    rows = "Parts list,,,,\n,,,,\nParent,Component,Per,,Note,Note\nbox,card,2,,a,b,,,\nbox,glue,1,,,,x\n"

    first, extra, _ = map_file(written(tmp_path, "parts.csv", rows), mapping)

    assert first.problem is None
    assert extra.problem is not None
    assert (5, ReasonCode.PARSE, "7 cells under 6 columns") == (
        extra.number,
        extra.problem.code,
        str(extra.problem),
    )


def test_groups_that_are_named_once_are_filled_down_in_text_too(tmp_path: Path) -> None:
    mapping = load_mapping(
        written(
            tmp_path, "bills.yaml", BILL.replace("fields:", "format: { fill_down: [Parent] }\nfields:", 1)
        )
    )
    table = written(tmp_path, "parts.csv", "Parent,Component,Per\nbox,card,2\n,glue,1\nlid,card,1\n")

    assert [("box", 2), ("lid", 1)] == [(b["item_id"], len(b["components"])) for b in bodies(table, mapping)]


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        (FileFormat(thousands=","), "1,5", None),  # not 15
        (FileFormat(thousands=","), "1,234,567.5", 1_234_567.5),
        (FileFormat(thousands=","), "1234,567", None),
        (FileFormat(thousands=","), "12,34", None),
        (FileFormat(decimal=",", thousands=" "), "1\u202f234,5", 1_234.5),
        (FileFormat(decimal=",", thousands=" "), "1\u00a0234", 1_234.0),
        (FileFormat(decimal=","), "1.234", None),
        (FileFormat(), "1.2.3", None),
        (FileFormat(), "", None),
        (FileFormat(), "--1", None),
    ],
)
def test_a_separator_of_thousands_stands_between_groups_of_three(
    layout: FileFormat, text: str, expected: float | None
) -> None:
    if expected is None:
        with pytest.raises(Exception, match="is no number"):
            parse_number(text, layout, "c")
    else:
        assert expected == parse_number(text, layout, "c")


@given(
    st.integers(-(10**9), 10**9),
    st.integers(0, 99),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'")]),
)
def test_a_number_written_with_separators_is_the_number(
    whole: int, cents: int, marks: tuple[str, str]
) -> None:
    decimal, thousands = marks
    layout = FileFormat.model_validate({"decimal": decimal, "thousands": thousands})
    text = f"{whole:,}".replace(",", thousands) + f"{decimal}{cents:02}"

    sign = -1 if text.startswith("-") else 1
    assert whole + sign * cents / 100 == pytest.approx(parse_number(text, layout, "c"))


@given(
    st.datetimes(datetime.fromisoformat("2001-01-01"), datetime.fromisoformat("2099-01-01")),
    st.sampled_from(["Europe/Paris", "America/New_York"]),
)
@settings(max_examples=200, deadline=None)
def test_a_local_time_is_the_moment_at_which_clocks_there_show_it(moment: datetime, zone: str) -> None:
    """Or it is refused: in the hour that is skipped or repeated, and nowhere else."""
    layout = FileFormat.model_validate({"zone": zone, "time_formats": ["%Y-%m-%d %H:%M"]})
    text = moment.strftime("%Y-%m-%d %H:%M")
    assert layout.zone_info is not None
    shown = moment.replace(second=0, microsecond=0)
    candidates = [shown.replace(tzinfo=layout.zone_info, fold=fold) for fold in (0, 1)]
    is_plain = candidates[0].utcoffset() == candidates[1].utcoffset()
    if is_plain:
        assert shown == parse_time(text, layout, "c").astimezone(layout.zone_info).replace(tzinfo=None)
    else:
        with pytest.raises(BadRecord, match=r"exists twice|does not exist"):
            parse_time(text, layout, "c")


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)


@given(st.lists(st.tuples(cells, cells, cells), max_size=12))
@settings(deadline=None, max_examples=60)
def test_every_row_is_an_event_or_one_dead_letter_whatever_its_cells_hold(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("table")
    path = folder / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "qty", "at"), *rows])
    mapping = Mapping.model_validate(
        {
            "mapping": "m",
            "format": {"zone": "UTC", "time_formats": ["iso", "%d.%m.%Y", "excel"]},
            "fields": {"site_id": "s"},
            "events": [
                {
                    "kind": "receipt_expected",
                    "fields": {
                        "event_time": {"time": "at"},
                        "receipt_id": {"column": "id"},
                        "item_id": "i",
                        "quantity": {"number": "qty", "unit": "kg"},
                        "expected_at": {"time": "at", "at": "12:00"},
                    },
                }
            ],
        }
    )
    seen = ReadTally()

    records = list(read_records([path], mapping, seen))

    filled = [row for row in rows if any(cell.strip() for cell in row)]
    assert len(filled) == seen.lines == len(records)
    for record in records:
        if not isinstance(record, RefusedRecord):
            MODEL_OF_KIND["receipt_expected"].model_validate_json(record.value)


BOUND_MB = 40
"""What reading a table may add to the memory of the process, whose imports take the rest. A table read as a whole adds
more: 240,000 rows of 180 bytes are 43 MB of text, and several hundred as cells."""


def test_memory_is_flat_however_long_a_table_is(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    note = "x" * 120
    with path.open("w", encoding="utf-8") as file:
        file.write("Order,Line,Qty,Start,End,Note\n")
        for number in range(240_000):
            file.write(f"{number},L,10,2026-01-05T06:00Z,2026-01-05T08:00Z,{note}\n")
    mapping = written(tmp_path, "orders.yaml", ORDERS)
    program = f"""
import resource
from pathlib import Path
from streams.adapters.tabular import read_rows
from streams.adapters.mapping_file import load_mapping
from streams.adapters.mapper import map_file
mapping = load_mapping(Path({str(mapping)!r}))
next(map_file(Path({str(path)!r}), mapping))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(1 for row in read_rows(Path({str(path)!r}), mapping.format, mapping.columns()))
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    rows, grown_mb = done.stdout.split()
    assert 240_000 == int(rows)
    assert BOUND_MB > float(grown_mb)
