"""Reads the rows of delimited text, plain or gzipped, one at a time; what a row means is the mapping's business.

Law: every row of the file comes out, as cells or as the reason why it has none. Memory stays flat however long the
file is: one line may not be longer than MAX_LINE_CHARS.
"""

import csv
import difflib
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, AnyStr, Final

from schemas import BadRecord, ReasonCode, UsageError
from streams.adapters.mapping import FileFormat

MAX_LINE_CHARS: Final = 1_048_576
"""Longest line that is read. Too small: wide rows become dead letters; too large: one bad file fills the memory."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        number: as a spreadsheet numbers it, the header included; blank rows count.
        cells: text by column, without surrounding white space; a BadRecord where the row could not be read.
    """

    number: int
    cells: Mapping[str, str] | BadRecord


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked if its name ends in .gz.

    Raises:
        UsageError: there is no such file, it may not be read, or it is no gzip file although its name says so.
    """
    try:
        with path.open("rb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield unpacked  # type: ignore[misc]  # typeshed: GzipFile reads bytes, but is no IO[bytes]
            else:
                yield raw
    except (OSError, EOFError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None


def bounded_lines(readline: Callable[[int], AnyStr], limit: int) -> Iterator[AnyStr | None]:
    """Lines with their ends; None in place of one that is longer than the limit, of which nothing is kept."""
    while line := readline(limit + 1):
        if len(line) <= limit:
            yield line
            continue
        while line and len(line) > limit:
            line = readline(limit + 1)
        yield None


def read_rows(path: Path, layout: FileFormat, needed: Iterable[str] = ()) -> Iterator[Row]:
    """Every row below the header; rows without any text are left out, as spreadsheets append them at will.

    Args:
        path: the file.
        layout: how it is written.
        needed: columns that must be in the header.

    Raises:
        UsageError: the file or its header is not what the mapping says.
    """
    with open_bytes(path) as stream:
        # utf-8-sig swallows a byte order mark; surrogateescape lets one row fail instead of the whole file.
        encoding = "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
        text = TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
        records = _records(text, layout)
        header = _header(path, records, layout, needed)
        for number, cells in records:
            if isinstance(cells, BadRecord):
                yield Row(number, cells)
            elif any(cells):
                yield Row(number, _row(header, cells))


def _records(text: TextIOWrapper, layout: FileFormat) -> Iterator[tuple[int, list[str] | BadRecord]]:
    """Number and stripped cells of every record of the file."""
    too_long = 0

    def lines() -> Iterator[str]:
        nonlocal too_long
        for line in bounded_lines(text.readline, MAX_LINE_CHARS):
            if line is None:
                too_long += 1
            yield line or "\r\n"

    reader = csv.reader(lines(), delimiter=layout.delimiter, strict=True)
    number = 0
    while True:
        number += 1
        seen = too_long
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, BadRecord(ReasonCode.PARSE, f"not delimited text: {error}")
            continue
        if too_long > seen:
            yield number, BadRecord(ReasonCode.SIZE, f"a line of more than {MAX_LINE_CHARS} characters")
        else:
            yield number, [cell.strip() for cell in cells]


def _header(
    path: Path,
    records: Iterator[tuple[int, list[str] | BadRecord]],
    layout: FileFormat,
    needed: Iterable[str],
) -> list[str]:
    for number, cells in records:
        if number < layout.header_row:
            continue
        if isinstance(cells, BadRecord) or not any(cells):
            raise UsageError(f"{path}: row {number} should be the header and is not (format.header_row)")
        repeated = sorted({name for name in cells if name and cells.count(name) > 1})
        if repeated:
            raise UsageError(f"{path}: the header names {', '.join(repeated)} more than once")
        missing = [name for name in needed if name not in cells]
        if missing:
            near = difflib.get_close_matches(missing[0], cells, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"{path}: no column {', '.join(map(repr, missing))} in row {number}, which has "
                f"{', '.join(cells)}{hint}"
            )
        return cells
    raise UsageError(f"{path}: ends before its header, row {layout.header_row}")


def _row(header: list[str], cells: list[str]) -> Mapping[str, str] | BadRecord:
    if len(cells) != len(header):
        return BadRecord(ReasonCode.PARSE, f"{len(cells)} cells under {len(header)} columns")
    for name, cell in zip(header, cells, strict=True):
        if not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell):
            return BadRecord(ReasonCode.PARSE, "bytes that are no text in the mapping's encoding", name)
    return dict(zip(header, cells, strict=True))
