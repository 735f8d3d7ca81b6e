"""Workbooks for tests, written cell by cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import xlsxwriter


@dataclass(frozen=True)
class Formula:
    """A formula, and the value that is saved with it."""

    text: str
    value: Any


def wall(text: str) -> datetime:
    """What a clock on the wall shows: workbooks know no zones."""
    return datetime.fromisoformat(text)


def workbook(
    path: Path,
    rows: Sequence[Sequence[Any]],
    *,
    merged: Sequence[tuple[int, int, int, int, Any]] = (),
    sheets: Sequence[str] = ("Sheet1",),
    date_1904: bool = False,
) -> Path:
    """The rows on the last of the sheets; merged ranges as first row, first column, last row, last column, value."""
    options = {"date_1904": date_1904, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        formats = {
            date: book.add_format({"num_format": "dd.mm.yyyy"}),
            datetime: book.add_format({"num_format": "dd.mm.yyyy hh:mm"}),
            time: book.add_format({"num_format": "hh:mm"}),
        }
        pages = [book.add_worksheet(name) for name in sheets]
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                if isinstance(cell, Formula):
                    pages[-1].write_formula(number, place, cell.text, None, cell.value)
                elif type(cell) in formats:
                    pages[-1].write_datetime(number, place, cell, formats[type(cell)])
                elif cell is not None:
                    pages[-1].write(number, place, cell)
        for top, left, bottom, right, value in merged:
            pages[-1].merge_range(top, left, bottom, right, value)
    return path


def with_part(path: Path, out: Path, part: str, old: bytes, new: bytes) -> Path:
    """A copy in which one part is changed."""
    with ZipFile(path) as source, ZipFile(out, "w") as target:
        for member in source.infolist():
            content = source.read(member)
            if member.filename == part:
                assert old in content
                content = content.replace(old, new)
            target.writestr(member, content)
    return out
