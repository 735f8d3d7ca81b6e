"""Tables for spreadsheets, in which no cell is ever a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters (also full width) that make a spreadsheet calculate what others wrote."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """RFC 4180 with CRLF; None is an empty cell."""
    return csv_rows([header, *rows])


def csv_rows(rows: Iterable[Sequence[object]], *, delimiter: str = ",", decimal: str = ".") -> str:
    """Rows alone, for spreadsheets of countries that write numbers in another way, too."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_cell(value, decimal) for value in row])
    return out.getvalue()


def safe_text(text: str) -> str:
    """Text that no spreadsheet calculates: an apostrophe goes before what would begin a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _cell(value: object, decimal: str) -> object:
    """Numbers stay numbers, also negative ones."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return value if decimal == "." or isinstance(value, bool | int) else str(value).replace(".", decimal)
    return safe_text(str(value))
