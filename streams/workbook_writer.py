"""Workbooks (XLSX) that open without a question: every text is text, whatever it begins with; every moment is one."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import xlsxwriter
from xlsxwriter.exceptions import XlsxFileError

WIDTH: Final = 18
"""Of a column, in characters."""

NUMBER_DIGITS: Final = 15
"""Digits that a spreadsheet keeps of a number; longer ones are written as text, or their end would be zeros."""


def write_workbook(
    out: Path, sheet: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = ""
) -> None:
    """Write one sheet with a header that stays in sight and can be filtered. Memory stays flat.

    Args:
        out: the file.
        sheet: its name.
        columns: the header.
        rows: cells: text, numbers, moments without zone, None.
        note: stands as a comment of the file.

    Raises:
        OSError: it cannot be written.
    """
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": True,
    }
    try:
        with xlsxwriter.Workbook(str(out), options) as book:
            book.set_properties({"title": sheet, "comments": note})
            page = book.add_worksheet(sheet)
            bold, moment = (
                book.add_format({"bold": True}),
                book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
            )
            page.set_column(0, len(columns) - 1, WIDTH)
            page.freeze_panes(1, 0)
            page.write_row(0, 0, columns, bold)
            number = 0
            for number, row in enumerate(rows, start=1):
                for place, cell in enumerate(row):
                    if cell is None:
                        continue
                    if isinstance(cell, datetime):
                        page.write_datetime(number, place, cell, moment)
                    elif isinstance(cell, bool):
                        page.write_boolean(number, place, cell)
                    elif isinstance(cell, int | float) and abs(cell) < 10**NUMBER_DIGITS:
                        page.write_number(number, place, cell)
                    else:
                        page.write_string(number, place, str(cell))
            page.autofilter(0, 0, number, len(columns) - 1)
    except XlsxFileError as error:
        raise OSError(str(error)) from None
