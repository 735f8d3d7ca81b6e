"""How a table is written, by its first rows: encoding, delimiter, header, decimals, times. For proposals; a mapping says it.

Nothing here is used while events are made: what a proposal got wrong is seen by whoever checks it, not by the twin.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from schemas import BadRecord, UsageError
from streams.adapters.cell_values import parse_number, parse_time
from streams.adapters.delimited import marked_encoding, open_bytes
from streams.adapters.header_words import WORDS, Sureness, likeness
from streams.adapters.mapping import FileFormat
from streams.adapters.tabular import Header, is_workbook, table_records
from streams.adapters.workbook import FaultyCell, sheet_names

SNIFFED_BYTES: Final = 65_536
SNIFFED_ROWS: Final = 200
"""Of the begin of the file. Too small: a format that shows on the 13th of a month is missed; too large: slow."""

HEADER_ROWS: Final = 30
"""Rows among which the header is looked for."""

TIME_FORMATS: Final = (
    *("iso", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%y %H:%M", "%d.%m.%y"),
    *("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M %p"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%Y/%m/%d %H:%M", "%Y/%m/%d"),
    *(
        "%d-%m-%Y %H:%M",
        "%d-%m-%Y",
        "%d-%b-%Y %H:%M",
        "%d-%b-%Y",
        "%d %b %Y %H:%M",
        "%d %b %Y",
        "%Y-%m-%d %H:%M",
    ),
)
"""Tried in this order; of two that fit alike the first is proposed, and the proposal says so."""

_CLOCK: Final = re.compile(r"(?:[01]?\d|2[0-3])(?::[0-5]\d){0,2}")
_SLOT: Final = re.compile(
    r"((?:[01]?\d|2[0-3])(?::[0-5]\d)?)\s*(?:h|Uhr)?\s*[-\u2013]\s*((?:[01]?\d|2[0-4])(?::[0-5]\d)?)\s*(?:h|Uhr)?"
)
_NUMERIC: Final = re.compile(r"[+-]?\d[\d.,' \u00a0\u202f]*")
_WITH_UNIT: Final = re.compile(
    r"([+-]?\d[\d.,' \u00a0\u202f]*?)[ \u00a0]*([a-zA-Z%\u20ac$][\w./%\u20ac$]{0,9})"
)


@dataclass(slots=True)
class Column:
    """What the first cells of a column are.

    Attributes:
        name: of the header.
        samples: the first cells that hold something.
        empty: share of cells that hold nothing.
        time_format: of all samples; None: they are no times. time_rival: another one that fits as well.
        has_clock: whether the times have a time of day.
        is_clock: the samples are times of day; slots: or spans of the day ("06-07"), text -> begin; slot_min: how long
            they all are, None where they differ.
        is_number: all are numbers; unit: that stands behind them all.
        distinct: different samples.
        gaps: cells that are empty below a filled one, in runs: groups that are named once.
    """

    name: str
    samples: list[str] = field(default_factory=list)
    empty: float = 0.0
    time_format: str | None = None
    time_rival: str | None = None
    has_clock: bool = False
    is_clock: bool = False
    slots: dict[str, str] = field(default_factory=dict)
    slot_min: int | None = None
    is_number: bool = False
    unit: str | None = None
    distinct: int = 0
    is_covered: bool = False


@dataclass(slots=True)
class Sniffed:
    """A table as its first rows show it.

    Attributes:
        layout: what a mapping would say, without the zone.
        header: its row and names.
        columns: by name, in order.
        notes: what was found out of the file, how surely and why.
        rows: that were looked at.
    """

    layout: FileFormat
    header: Header
    columns: dict[str, Column]
    notes: list[tuple[Sureness, str]]
    rows: int


def sniff(path: Path, sheet: str | None = None) -> Sniffed:
    """Look at the begin of a table.

    Raises:
        UsageError: it cannot be read, or holds no table.
    """
    notes: list[tuple[Sureness, str]] = []
    layout = _workbook_layout(path, sheet, notes) if is_workbook(path) else _text_layout(path, notes)
    records = [
        (number, cells)
        for number, cells in islice(table_records(path, layout), HEADER_ROWS + SNIFFED_ROWS)
        if not isinstance(cells, BadRecord)
    ]
    header = _header(path, [(number, cells) for number, cells in records[:HEADER_ROWS] if any(cells)], notes)
    rows = [cells for number, cells in records if number > header.number and any(cells)][:SNIFFED_ROWS]
    columns = {
        name: _column(name, [cells[place] if place < len(cells) else "" for cells in rows])
        for place, name in enumerate(header.names)
        if name
    }
    for column in columns.values():
        _judge_times(column, layout)
    others = [column for column in columns.values() if column.time_format is None and not column.slots]
    layout = _with_numbers(layout, others, notes)
    for column in others:
        _judge_numbers(column, layout)
    return Sniffed(
        layout.model_copy(update={"time_formats": _formats(list(columns.values()))}),
        header,
        columns,
        notes,
        len(rows),
    )


def _workbook_layout(path: Path, sheet: str | None, notes: list[tuple[Sureness, str]]) -> FileFormat:
    names = sheet_names(path)
    if sheet is None and len(names) > 1:
        notes.append(
            (Sureness.GUESS, f"sheet {names[0]!r}: the first of {', '.join(names)}; --sheet takes another")
        )
        sheet = names[0]
    return FileFormat(sheet=sheet)


def _text_layout(path: Path, notes: list[tuple[Sureness, str]]) -> FileFormat:
    with open_bytes(path) as stream:
        marked = marked_encoding(stream)
        begin = stream.read(SNIFFED_BYTES)
    if not begin.strip():
        raise UsageError(f"{path}: is empty")
    encoding = marked or "utf-8"
    if marked is None:
        try:
            begin[: begin.rfind(b"\n") + 1 or None].decode("utf-8")
        except UnicodeDecodeError as error:
            encoding = "cp1252"
            letter = begin[error.start : error.start + 1].decode("cp1252", errors="replace")
            notes.append(
                (Sureness.LIKELY, f"encoding cp1252: it is no UTF-8, and {letter!r} makes sense in it")
            )
    text = begin.decode(encoding, errors="replace")
    lines = text.splitlines()[:SNIFFED_ROWS]
    delimiter, share = max(
        ((letter, _evenness(lines, letter)) for letter in (";", "\t", ",", "|")), key=lambda pair: pair[1]
    )
    sureness = Sureness.SURE if share > 0.9 else Sureness.LIKELY if share > 0.5 else Sureness.GUESS
    notes.append((sureness, f"delimiter {delimiter!r}: {share:.0%} of the lines have as many cells by it"))
    written = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    return FileFormat.model_validate({"delimiter": delimiter, "encoding": written})


def _evenness(lines: Sequence[str], delimiter: str) -> float:
    """Share of lines that have the most usual number of cells, where that is more than one."""
    try:
        widths = Counter(len(cells) for cells in csv.reader(lines, delimiter=delimiter) if any(cells))
    except csv.Error:
        return 0.0
    wide = [(count * min(width, 5), count) for width, count in widths.items() if width > 1]
    return max(wide)[1] / widths.total() if wide else 0.0


def _header(path: Path, rows: list[tuple[int, list[str]]], notes: list[tuple[Sureness, str]]) -> Header:
    """The row that holds most names that tables have."""
    if not rows:
        raise UsageError(f"{path}: holds no table: its first {HEADER_ROWS} rows are empty")
    scored = [(sum(_is_known(cell) for cell in set(cells)), -number, cells) for number, cells in rows]
    known, number, cells = max(scored)
    if known < 2:
        width = max(len([cell for cell in cells if cell]) for _, cells in rows)
        number, cells = next((-n, c) for n, c in rows if len([cell for cell in c if cell]) == width)
        known_words = f"the first row with {width} names; no row holds names that I know"
        notes.append((Sureness.GUESS, f"header in row {-number}: {known_words}"))
    else:
        notes.append((Sureness.SURE, f"header in row {-number}: {known} of its names are usual ones"))
    return Header(-number, cells)


def _is_known(cell: str) -> bool:
    return any(likeness(cell, meaning)[0] >= Sureness.LIKELY for meaning in WORDS)


def _column(name: str, cells: list[str]) -> Column:
    filled = [cell for cell in cells if cell and not isinstance(cell, FaultyCell)]
    return Column(
        name,
        filled,
        empty=1 - len(filled) / len(cells) if cells else 1.0,
        distinct=len(set(filled)),
        is_covered=any(isinstance(cell, FaultyCell) and cell.is_covered for cell in cells),
    )


def _with_numbers(layout: FileFormat, columns: list[Column], notes: list[tuple[Sureness, str]]) -> FileFormat:
    """The layout with the separators by which most cells are numbers."""
    cells = [cell for column in columns for cell in column.samples if _NUMERIC.fullmatch(cell)]
    cells += [
        found[1]
        for column in columns
        for cell in column.samples
        if (found := _WITH_UNIT.fullmatch(cell)) is not None
    ]
    shapes: list[tuple[str, str | None]] = [(".", None), (".", ","), (".", " "), (".", "'")]
    commas: list[tuple[str, str | None]] = [(",", None), (",", "."), (",", " ")]
    shapes = commas + shapes if layout.delimiter == ";" else shapes + commas
    layouts = [
        layout.model_copy(update={"decimal": decimal, "thousands": thousands})
        for decimal, thousands in shapes
    ]
    best = max(layouts, key=lambda each: sum(_number(cell, each) is not None for cell in cells))
    fits = sum(_number(cell, best) is not None for cell in cells)
    rivals = [
        each
        for each in layouts
        if sum(_number(cell, each) is not None for cell in cells) == fits
        and any(_number(cell, each) != _number(cell, best) for cell in cells)
    ]
    if any(not cell.lstrip("+-").isdecimal() for cell in cells):
        shape = f"decimal {best.decimal!r}, thousands {best.thousands!r}"
        if rivals:
            cell = next(each for each in cells if _number(each, rivals[0]) != _number(each, best))
            notes.append((Sureness.GUESS, f"{shape}: {cell!r} could also be {_number(cell, rivals[0]):g}"))
        else:
            notes.append(
                (Sureness.SURE, f"{shape}: {fits} of {len(cells)} numbers fit, and no other way fits as well")
            )
    return best


def _number(text: str, layout: FileFormat, unit: str | None = None) -> float | None:
    try:
        return parse_number(text, layout, "", unit)
    except BadRecord:
        return None


def _formats(columns: list[Column]) -> list[str]:
    """All that times may need, those of a date and a time of day in two columns too."""
    formats = [column.time_format for column in columns if column.time_format is not None]
    dates = [each.time_format for each in columns if each.time_format is not None and not each.has_clock]
    clocks = ["%H:%M"] * any(column.slots for column in columns)
    clocks += ["%H" + ":%M:%S"[: 3 * each.samples[0].count(":")] for each in columns if _is_hour(each)]
    for date in dates:
        formats += [f"{'%Y-%m-%d' if date == 'iso' else date} {clock}" for clock in clocks]
    return list(dict.fromkeys(formats)) or ["iso"]


def _is_hour(column: Column) -> bool:
    return column.is_clock and (":" in column.samples[0] or likeness(column.name, "hour")[0] > Sureness.NONE)


def _judge_times(column: Column, layout: FileFormat) -> None:
    """Whether the column holds moments, or times of day."""
    samples = column.samples
    if not samples:
        return
    fitting = [
        pattern for pattern in TIME_FORMATS if all(_is_time(cell, pattern, layout) for cell in samples)
    ]
    if fitting:
        column.time_format = fitting[0]
        swapped = fitting[0].replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
        column.time_rival = swapped if swapped in fitting and swapped != fitting[0] else None
        if fitting[0] == "iso":
            column.has_clock = any(len(cell) > len("2026-01-05") for cell in samples)
        else:
            column.has_clock = "%H" in fitting[0] or "%I" in fitting[0]
        return
    spans = {cell: found for cell in samples if (found := _SLOT.fullmatch(cell)) is not None}
    if len(spans) == column.distinct:
        lengths = {(_minute(span[2]) - _minute(span[1])) % 1_440 for span in spans.values()}
        column.slot_min = next(iter(lengths)) if len(lengths) == 1 else None
        column.slots = _day_of_slots(spans, column.slot_min)
        return
    column.is_clock = all(_CLOCK.fullmatch(cell) for cell in samples)


def _minute(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute or 0)


def _day_of_slots(spans: dict[str, re.Match[str]], length: int | None) -> dict[str, str]:
    """Text of each span -> its begin; where they are hours as "06-07", those of the whole day."""
    found = {text: _clock(span[1]) for text, span in spans.items()}
    if length == 60 and all(re.fullmatch(r"\d\d-\d\d", text) for text in spans):
        hours = {f"{hour:02}-{hour + 1:02}": f"{hour:02}:00" for hour in range(24)}
        found = hours | {"23-00": "23:00"} | found
    return dict(sorted(found.items()))


def _judge_numbers(column: Column, layout: FileFormat) -> None:
    """Whether the column holds numbers, and of what unit."""
    samples = column.samples
    if not samples:
        return
    units = {found[2] for cell in samples if (found := _WITH_UNIT.fullmatch(cell)) is not None}
    unit = next(iter(units)) if len(units) == 1 else None
    column.is_number = all(_number(cell, layout, unit) is not None for cell in samples)
    column.unit = unit if column.is_number else None


def _clock(text: str) -> str:
    hour, _, minute = text.partition(":")
    return f"{int(hour):02}:{minute or '00'}"


def _is_time(cell: str, pattern: str, layout: FileFormat) -> bool:
    if pattern == "iso" and cell[4:5] != "-":
        return False
    try:
        parse_time(cell, layout.model_copy(update={"time_formats": [pattern], "zone": "UTC"}), "")
    except BadRecord:
        return False
    return True
