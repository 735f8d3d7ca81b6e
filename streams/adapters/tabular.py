"""Reads the rows of a table, delimited text or a sheet of a workbook; what a row means is the mapping's business.

Law: every row of the file comes out, as cells or as the reason why it has none.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas import BadRecord, ReasonCode, UsageError
from streams.adapters.delimited import Record, delimited_records
from streams.adapters.mapping import FileFormat
from streams.adapters.workbook import FaultyCell, workbook_records

DELIMITED: Final = (".csv", ".tsv")
WORKBOOKS: Final = (".xlsx", ".xlsm")
TABLES: Final = (*DELIMITED, *WORKBOOKS)
"""Ends of the names of files that are read as tables; delimited ones may have .gz behind it."""

HEADER_SEARCH_ROWS: Final = 100
"""Rows in which the header is looked for. Too small: it stands below a long title; too large: a file without it is read
for nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        number: as a spreadsheet numbers it, the header included; blank rows count.
        cells: text by column, without surrounding white space; a BadRecord where the row could not be read.
    """

    number: int
    cells: Mapping[str, str] | BadRecord


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns.

    Attributes:
        number: of its row.
        names: by position; a name that stands there again has its count behind it.
    """

    number: int
    names: list[str]


def is_workbook(path: Path) -> bool:
    """Whether the file is a workbook by its name."""
    return path.suffix.lower() in WORKBOOKS


def read_rows(path: Path, layout: FileFormat, needed: Iterable[str] = ()) -> Iterator[Row]:
    """Every row below the header; rows without any text are left out, as spreadsheets append them at will.

    Args:
        path: the file.
        layout: how it is written.
        needed: columns that must be in the header; by them it is found where layout does not say its row.

    Raises:
        UsageError: the file or its header is not what the mapping says.
    """
    records = table_records(path, layout)
    header = find_header(path, records, layout, list(needed))
    filled = dict.fromkeys(layout.fill_down, "")
    for number, cells in records:
        if isinstance(cells, BadRecord):
            yield Row(number, cells)
        elif any(cells):
            yield Row(number, _row(header.names, cells, filled, padded=is_workbook(path)))


def table_records(path: Path, layout: FileFormat) -> Iterator[Record]:
    """Every record of the table, the header and what is above it included."""
    return workbook_records(path, layout) if is_workbook(path) else delimited_records(path, layout)


def find_header(path: Path, records: Iterator[Record], layout: FileFormat, needed: Sequence[str]) -> Header:
    """Read on to the header: the row that the layout names, else the first that holds every needed column.

    Raises:
        UsageError: there is none; the message names the row that came nearest and the column that it lacks.
    """
    nearest: Header | None = None
    for number, cells in records:
        if layout.header_row is not None:
            if number < layout.header_row:
                continue
            if isinstance(cells, BadRecord) or not any(cells):
                raise UsageError(f"{path}: row {number} should be the header and is not (format.header_row)")
            return _checked(path, Header(number, cells), needed)
        if isinstance(cells, BadRecord):
            continue
        if set(needed) <= set(cells) and any(cells):
            return _checked(path, Header(number, cells), needed)
        if any(cells) and (nearest is None or _shared(cells, needed) > _shared(nearest.names, needed)):
            nearest = Header(number, cells)
        if number >= HEADER_SEARCH_ROWS:
            break
    if layout.header_row is not None:
        raise UsageError(f"{path}: ends before its header, row {layout.header_row}")
    if nearest is None:
        raise UsageError(f"{path}: there is no header: the first {HEADER_SEARCH_ROWS} rows are empty")
    return _checked(path, nearest, needed)


def _shared(cells: Sequence[str], needed: Sequence[str]) -> int:
    return len(set(cells) & set(needed))


def _checked(path: Path, header: Header, needed: Sequence[str]) -> Header:
    names = header.names
    missing = [name for name in needed if name not in names]
    if missing:
        near = difflib.get_close_matches(missing[0], [name for name in names if name], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(name for name in names if name)
        raise UsageError(
            f"{path}: no column {', '.join(map(repr, missing))} in row {header.number}, which has {shown}{hint}"
        )
    repeated = sorted({name for name in needed if names.count(name) > 1})
    if repeated:
        raise UsageError(
            f"{path}: the header names {', '.join(repeated)} more than once (row {header.number})"
        )
    told: list[str] = []
    for place, name in enumerate(names):
        again = names[:place].count(name)
        told.append(
            name if name and not again else f"{name or 'column'} ({(again + 1) if name else place + 1})"
        )
    return Header(header.number, told)


def _row(
    names: list[str], cells: list[str], filled: dict[str, str], *, padded: bool
) -> Mapping[str, str] | BadRecord:
    if len(cells) > len(names) and not any(cells[len(names) :]):
        cells = cells[: len(names)]
    if padded:
        cells = cells + [""] * (len(names) - len(cells))
    if len(cells) != len(names):
        return BadRecord(ReasonCode.PARSE, f"{len(cells)} cells under {len(names)} columns")
    for name, cell in zip(names, cells, strict=True):
        if not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell):
            return BadRecord(ReasonCode.PARSE, "bytes that are no text in the mapping's encoding", name)
    row = dict(zip(names, cells, strict=True))
    for name in filled.keys() & row.keys():
        cell = row[name]
        if not cell or (isinstance(cell, FaultyCell) and cell.is_covered):
            row[name] = filled[name]
        else:
            filled[name] = cell
    return row
