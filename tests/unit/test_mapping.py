"""Mapping files: what they may say, and what becomes of each row."""

import gzip
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from schemas import ReasonCode, UsageError
from streams.adapters import delimited
from streams.adapters.cell_values import parse_number, parse_time
from streams.adapters.mapper import MappedRow, map_file
from streams.adapters.mapping import FileFormat, Mapping
from streams.adapters.mapping_file import load_mapping

COUNTS = """
mapping: shop
format: { delimiter: ";", decimal: ",", zone: Europe/Berlin, time_formats: ["%d.%m.%Y %H:%M"] }
maps:
  machine: { "1": line-1, "2": line-2 }
values:
  end: { time: Ende }
fields:
  site_id: s1
  line_id: { column: Maschine, map: machine }
  run_id: { template: "{Auftrag}@{Maschine}" }
ignore:
  - { when: [{ column: Art, equals: P }], because: a break }
events:
  - kind: run_started
    when: [{ column: Art, equals: D }]
    fields: { event_time: { time: Ende, minus_minutes: Dauer } }
  - kind: count_reported
    when: [{ column: Art, one_of: [D, Z] }, { column: Gut, above: 0 }]
    fields:
      event_time: { value: end }
      good_count: { number: Gut }
      scrap_count: { number: Schlecht, default: 0 }
"""
HEADER = "Maschine;Auftrag;Art;Ende;Dauer;Gut;Schlecht"


def written(folder: Path, text: str, name: str = "shop.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def mapped(folder: Path, *rows: str, mapping: str = COUNTS, header: str = HEADER) -> list[MappedRow]:
    table = written(folder, "\n".join((header, *rows)) + "\n", "rows.csv")
    return list(map_file(table, load_mapping(written(folder, mapping))))


def problem(row: MappedRow) -> tuple[int, str, str]:
    assert row.problem is not None, row
    return row.number, row.problem.code, row.problem.field_path


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as error:
        load_mapping(written(folder, text))
    return str(error.value).replace(str(folder), "")


def test_a_row_becomes_every_event_whose_conditions_hold(tmp_path: Path) -> None:
    [row] = mapped(tmp_path, "1;A 7;D;30.01.2012 06:42;58,5;10;")

    kinds = [body["kind"] for body in row.bodies]
    assert ["run_started", "count_reported"] == kinds
    started, counted = row.bodies
    assert row.number == 2
    assert {
        "kind": "run_started",
        "event_id": started["event_id"],
        "site_id": "s1",
        "line_id": "line-1",
        "run_id": "A 7@1",
        "event_time": "2012-01-30T05:43:30+01:00",
    } == started
    assert ("2012-01-30T06:42:00+01:00", 10, 0) == (
        counted["event_time"],
        counted["good_count"],
        counted["scrap_count"],
    )


def test_ids_are_the_same_when_a_row_is_read_again_and_differ_between_rows_and_files(tmp_path: Path) -> None:
    rows = ["1;A;D;30.01.2012 06:42;58;10;0", "1;A;D;30.01.2012 06:42;58;10;0"]

    first, second = (
        [body["event_id"] for row in mapped(tmp_path, *rows) for body in row.bodies] for _ in "12"
    )
    other = mapped(tmp_path, "1;B;D;30.01.2012 06:42;58;10;0")[0].bodies[0]["event_id"]

    assert first == second
    assert 5 == len({*first, other}), "a row's number and content tell it from all others"
    assert first[0].startswith("shop/2-")
    assert first[0].endswith("/run_started")


def test_a_row_id_makes_ids_independent_of_where_the_row_stands(tmp_path: Path) -> None:
    mapping = COUNTS.replace("mapping: shop", 'mapping: shop\nrow_id: "{Auftrag}"')

    [_, row] = mapped(
        tmp_path, "1;A;P;30.01.2012 06:42;1;0;0", "1;B;D;30.01.2012 06:42;58;10;0", mapping=mapping
    )

    assert ["shop/B/run_started", "shop/B/count_reported"] == [body["event_id"] for body in row.bodies]


def test_every_row_is_events_a_dead_letter_or_ignored_by_name(tmp_path: Path) -> None:
    rows = mapped(
        tmp_path,
        "1;A;P;30.01.2012 06:42;58;10;0",  # a break: ignored
        "1;A;Z;30.01.2012 06:42;58;0;0",  # no condition holds
        "3;A;D;30.01.2012 06:42;58;10;0",  # no such machine in the map
        ";A;D;30.01.2012 06:42;58;10;0",  # no machine
        "1;;D;30.01.2012 06:42;58;10;0",  # empty in a template
        "1;A;D;2012-01-30;58;10;0",  # another time format
        "1;A;D;30.01.2012 06:42;1h;10;0",  # no number
        "1;A;D;30.01.2012 06:42;58;1.000;0",  # a separator that the mapping does not name
        "1;A;D;30.01.2012 06:42;58;1e999;0",  # infinite
        "1;A;D;30.01.2012 06:42;58;5;-1",  # below zero, says the event's model
        "1;A;D;30.01.2012 06:42;58;5",  # a cell is missing
        "",  # a blank row is none
        ";;;;;;",
        "2;A;D;30.01.2012 06:42;58;5;1",
    )

    assert ("a break", 2) == (rows[0].ignored, rows[0].number)
    assert [
        (3, ReasonCode.SCHEMA, ""),
        (4, ReasonCode.SCHEMA, "Maschine"),
        (5, ReasonCode.SCHEMA, "Maschine"),
        (6, ReasonCode.SCHEMA, "Auftrag"),
        (7, ReasonCode.TIME, "Ende"),
        (8, ReasonCode.SCHEMA, "Dauer"),
        (9, ReasonCode.SCHEMA, "Gut"),
        (10, ReasonCode.RANGE, "Gut"),
        (11, ReasonCode.RANGE, "Schlecht"),
        (12, ReasonCode.PARSE, ""),
    ] == [problem(row) for row in rows[1:11]]
    assert all(not row.bodies for row in rows[:11]), "no row is half taken"
    assert (15, 2) == (rows[11].number, len(rows[11].bodies))
    assert 12 == len(rows)


def test_the_last_row_of_a_group_is_found_by_a_second_look(tmp_path: Path) -> None:
    mapping = """
mapping: ends
format: { zone: UTC }
fields: { site_id: s, line_id: L, run_id: { column: run }, event_time: { time: at } }
events:
  - kind: run_started
  - kind: run_completed
    when: [{ last_of: "{run}" }]
"""
    rows = mapped(
        tmp_path,
        "a,2012-01-30 06:00",
        "b,2012-01-30 07:00",
        "a,2012-01-30 08:00",
        mapping=mapping,
        header="run,at",
    )

    kinds = [(body["run_id"], body["kind"]) for row in rows for body in row.bodies]
    expected = [("a", "run_started"), ("b", "run_started"), ("b", "run_completed")]
    assert [*expected, ("a", "run_started"), ("a", "run_completed")] == kinds


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("packed", [False, True])
def test_byte_order_marks_and_gzip_make_no_difference(tmp_path: Path, encoding: str, packed: bool) -> None:
    content = f"{HEADER}\r\n1;Ä;D;30.01.2012 06:42;58;10;0\r\n".encode(encoding)
    path = tmp_path / ("rows.csv.gz" if packed else "rows.csv")
    path.write_bytes(gzip.compress(content) if packed else content)

    [row] = map_file(path, load_mapping(written(tmp_path, COUNTS)))

    assert "Ä@1" == row.bodies[0]["run_id"]


def test_bytes_that_are_no_text_condemn_their_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    row = b"1;%s;D;30.01.2012 06:42;58;10;0\n"
    path.write_bytes(HEADER.encode() + b"\n" + row % b"\xc4" + row % b"A")

    first, second = map_file(path, load_mapping(written(tmp_path, COUNTS)))

    assert (2, ReasonCode.PARSE, "Auftrag") == problem(first)
    assert 2 == len(second.bodies)


def test_a_line_beyond_the_limit_is_a_dead_letter_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "MAX_LINE_CHARS", 100)

    first, second = mapped(
        tmp_path, f"1;{'A' * 250};D;30.01.2012 06:42;58;10;0", "1;A;D;30.01.2012 06:42;58;10;0"
    )

    assert (2, ReasonCode.SIZE, "") == problem(first)
    assert (3, 2) == (second.number, len(second.bodies))


def test_the_header_may_stand_below_a_title(tmp_path: Path) -> None:
    mapping = COUNTS.replace('delimiter: ";"', 'delimiter: ";", header_row: 3')

    [row] = mapped(
        tmp_path, "", HEADER, "1;A;D;30.01.2012 06:42;58;10;0", mapping=mapping, header="Shop floor"
    )

    assert (4, 2) == (row.number, len(row.bodies))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Maschine;Auftrag;Art;Ende;Dauer;Gutt;Schlecht", "no column 'Gut'.*did you mean 'Gutt'"),
        (f"{HEADER};Gut", "the header names Gut more than once"),
        ("", "no column .*Gut.* in row 2, which has 1, 2, 3"),
    ],
)
def test_a_header_that_does_not_fit_is_told_at_once(tmp_path: Path, header: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        mapped(tmp_path, "1;2;3", header=header)


def test_a_file_that_is_no_gzip_although_it_says_so_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"rows\.csv\.gz: cannot be read"):
        list(map_file(written(tmp_path, "a;b\n", "rows.csv.gz"), load_mapping(written(tmp_path, COUNTS))))


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        (FileFormat(), "1.5", 1.5),
        (FileFormat(), "-2", -2.0),
        (FileFormat(decimal=","), "1,5", 1.5),
        (FileFormat(decimal=",", thousands="."), "1.234.567,5", 1_234_567.5),
        (FileFormat(thousands="'"), "1'234", 1_234.0),
        (FileFormat(), "1,5", None),
        (FileFormat(decimal=","), "1.5", None),
        (FileFormat(), "1_000", None),
        (FileFormat(), "nan", None),
        (FileFormat(), "٣", None),
        (FileFormat(), "0x10", None),
    ],
)
def test_numbers_are_read_as_the_mapping_writes_them_or_not_at_all(
    layout: FileFormat, text: str, expected: float | None
) -> None:
    if expected is None:
        with pytest.raises(Exception, match="is no number"):
            parse_number(text, layout, "c")
    else:
        assert expected == parse_number(text, layout, "c")


def test_local_times_that_the_clock_skips_or_repeats_are_not_guessed() -> None:
    berlin = FileFormat(zone="Europe/Berlin", time_formats=["%d.%m.%Y %H:%M", "iso"])

    with pytest.raises(Exception, match="does not exist in Europe/Berlin"):
        parse_time("29.03.2026 02:30", berlin, "c")
    with pytest.raises(Exception, match="exists twice in Europe/Berlin"):
        parse_time("25.10.2026 02:30", berlin, "c")
    second = berlin.model_copy(update={"repeated_hour": "second"})
    assert datetime.fromisoformat("2026-10-25T02:30+01:00") == parse_time("25.10.2026 02:30", second, "c")
    assert datetime.fromisoformat("2026-10-25T02:30+02:00") == parse_time(
        "2026-10-25T02:30+02:00", berlin, "c"
    )
    with pytest.raises(Exception, match="no zone"):
        parse_time("2026-10-25T02:30", FileFormat(), "c")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: run_started", "kind: run_start", "events.0.kind: no event of kind 'run_start'; did you mean 'run_started'?"),
        ("good_count:", "goodcount:", "events.1.fields.goodcount: count_reported has no such field to map; did you mean 'good_count'?"),
        ("event_time: { value: end }", "event_time: { value: ende }", "no value 'ende'; did you mean 'end'?"),
        ("map: machine", "map: machines", "fields.line_id: no map 'machines'; did you mean 'machine'?"),
        ("site_id: s1", "site: s1", "fields.site: no event of this mapping has such a field"),
        ("line_id: { column: Maschine, map: machine }", "{}", "no YAML"),
        ("  line_id: { column: Maschine, map: machine }\n", "", "events.0.fields: run_started needs line_id"),
        ("number: Gut", "number: Gut, column: Gut", "needs exactly one of constant, column"),
        ("number: Gut", "number: Gut, map: machine", "map goes with column, not with number"),
        ("number: Gut", "nummer: Gut", "no such key here; allowed are constant, column, value"),
        ("decimal:", "dezimal:", "format.dezimal: no such key here; allowed are delimiter, decimal"),
        ("zone: Europe/Berlin", "zone: Berlin", "format.zone: not an IANA time zone"),
        ("column: Art, equals: D", "column: Art", "column needs exactly one of equals, not_equals"),
        ("column: Art, equals: D", "column: Art, equal: D", "allowed are column, value, last_of, equals"),
        ("fields: { event_time: { time: Ende", "event_id: x\n    fields: { event_time: { time: Ende", "allowed are kind, gather, when, fields"),
        ("because: a break", "becuse: a break", "allowed are when, because"),
        ("mapping: shop", "mapping: shop\nmapping: shop", "the key 'mapping' stands twice"),
        ("mapping: shop", "mapping: [", "no YAML"),
    ],
)  # fmt: skip
def test_a_faulty_mapping_is_refused_with_file_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in COUNTS

    told = complaint(tmp_path, COUNTS.replace(old, new, 1))

    assert told.startswith("/shop.yaml: ")
    assert expected in told


def test_minutes_are_taken_off_real_time_across_a_change_of_the_clock(tmp_path: Path) -> None:
    [row] = mapped(tmp_path, "1;A;D;29.03.2026 04:00;120;1;0")

    assert "2026-03-29T01:00:00+01:00" == row.bodies[0]["event_time"]


def test_a_mapping_may_not_run_code(tmp_path: Path) -> None:
    assert "no YAML" in complaint(tmp_path, "mapping: !!python/object/apply:os.getcwd []")


def test_constants_keep_their_type_and_units_are_converted(tmp_path: Path) -> None:
    mapping = """
mapping: consts
fields: { site_id: s, line_id: L, run_id: "7", event_time: { time: at } }
events:
  - kind: run_held
    fields: { reason: { column: why, optional: true }, expected_duration_min: { number: hours, times: 60 } }
"""
    first, second = mapped(
        tmp_path,
        "2012-01-30T06:00:00Z,jam,1.5",
        "2012-01-30T06:00:00Z,,2",
        mapping=mapping,
        header="at,why,hours",
    )

    expected: list[dict[str, Any]] = [
        {"reason": "jam", "expected_duration_min": 90, "run_id": "7"},
        {"expected_duration_min": 120, "run_id": "7"},
    ]
    told = [
        {name: row.bodies[0].get(name) for name in wanted}
        for row, wanted in zip((first, second), expected, strict=True)
    ]
    assert expected == told
    assert "reason" not in second.bodies[0]


def test_the_example_mapping_is_a_good_one() -> None:
    example = Path(__file__).parents[2] / "examples" / "levy" / "levy_production.yaml"

    mapping = load_mapping(example)

    assert isinstance(mapping, Mapping)
    assert "Case ID" in mapping.columns()
