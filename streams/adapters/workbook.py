"""Records of one sheet of a workbook (XLSX): what its cells held when it was saved, as text of the mapping's own format.

Formulas count by the value that was saved with them. What is no value (an error, a formula that was never calculated, a
cell below another one that it is merged with) is a FaultyCell: harmless where no mapping reads it, else a dead letter.

Law: a workbook is unpacked up to MAX_UNPACKED_BYTES and no further, whatever it says of its size.
"""

import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile, ZipInfo

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum

from schemas import BadRecord, UsageError
from streams.adapters.mapping import FileFormat
from streams.adapters.workbook_faults import faulty_cells

MAX_UNPACKED_BYTES: Final = 300_000_000
"""Unpacked size of a workbook that is read. Too small: large sheets must be saved as CSV; too large: one file fills the
memory, for a sheet is held as a whole (about as many bytes as this)."""

_CHUNK_BYTES: Final = 1 << 20


class FaultyCell(str):  # noqa: SLOT000  # it carries one attribute, and there are few of them
    """A cell that holds no value; its text says why.

    Attributes:
        is_covered: it lies below a cell that it is merged with, and is filled down where the mapping says so.
    """

    is_covered: bool

    def __new__(cls, why: str, *, is_covered: bool = False) -> "FaultyCell":
        """A cell without a value."""
        cell = super().__new__(cls, why)
        cell.is_covered = is_covered
        return cell


def workbook_records(path: Path, layout: FileFormat) -> Iterator[tuple[int, list[str] | BadRecord]]:
    """Number and cells of every row of the sheet: layout.sheet, else the only one that holds anything.

    Raises:
        UsageError: the file is no workbook, has no such sheet, or is too large.
    """
    try:
        with ZipFile(path) as archive:
            _refuse_large(path, archive)
        sheet = _loaded(path, layout.sheet)
        with ZipFile(path) as archive:
            faults = faulty_cells(archive, sheet.name)
    except (OSError, BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
        raise UsageError(
            f"{path}: is no workbook that can be read ({error}); is it protected by a password, or still being written?"
        ) from None
    if sheet.start is None:
        return
    first_column = sheet.start[1]
    covered = _covered(sheet)
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [""] * first_column + [_text(cell, layout.decimal) for cell in cells]
        for column, why in faults.pop(number, {}).items():
            _put(texts, column, FaultyCell(why))
        for column, merged in covered.pop(number, {}).items():
            why = f"is covered by the merged cells {merged}; format.fill_down can take their value"
            _put(texts, column, FaultyCell(why, is_covered=True))
        yield number, texts


def sheet_names(path: Path) -> list[str]:
    """Names of the sheets that hold anything.

    Raises:
        UsageError: the file is no workbook.
    """
    try:
        with ZipFile(path) as archive:
            _refuse_large(path, archive)
        with CalamineWorkbook.from_path(path) as workbook:
            return _filled_sheets(workbook)
    except (
        OSError,
        BadZipFile,
        zlib.error,
        EOFError,
        CalamineError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise UsageError(f"{path}: is no workbook that can be read ({error})") from None


def _refuse_large(path: Path, archive: ZipFile) -> None:
    """Unpack it once and keep nothing: what the archive says of its sizes may be a lie."""
    room = MAX_UNPACKED_BYTES
    for member in archive.infolist():
        honest = ZipInfo(member.filename)
        for name in ("header_offset", "compress_type", "compress_size", "flag_bits", "orig_filename"):
            setattr(honest, name, getattr(member, name))
        honest.file_size = room + 1
        # No CRC: zipfile would compare what it read up to the size that is said. We ask what is there.
        with archive.open(honest) as content:
            while chunk := content.read(_CHUNK_BYTES):
                room -= len(chunk)
                if room < 0:
                    limit = f"{MAX_UNPACKED_BYTES:,} bytes unpacked"
                    raise UsageError(f"{path}: a workbook of more than {limit}; save the sheet as CSV")


def _loaded(path: Path, wanted: str | None) -> CalamineSheet:
    try:
        with CalamineWorkbook.from_path(path) as workbook:
            if wanted is None:
                filled = _filled_sheets(workbook)
                if len(filled) > 1:
                    raise UsageError(
                        f"{path}: has the sheets {', '.join(filled)}; format.sheet says which one"
                    )
                wanted = filled[0] if filled else workbook.sheet_names[0]
            elif wanted not in workbook.sheet_names:
                raise UsageError(f"{path}: no sheet {wanted!r}, there are {', '.join(workbook.sheet_names)}")
            return workbook.get_sheet_by_name(wanted)
    except CalamineError as error:
        raise UsageError(f"{path}: is no workbook that can be read ({error})") from None
    except BaseException as error:
        # A panic of the reader's Rust is no Exception; it is this file's, and no reason to end the process.
        if type(error).__name__ != "PanicException":
            raise
        raise UsageError(f"{path}: is no workbook that can be read ({error})") from None


def _filled_sheets(workbook: CalamineWorkbook) -> list[str]:
    sheets = [each.name for each in workbook.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    return [name for name in sheets if workbook.get_sheet_by_name(name).start is not None]


def _covered(sheet: CalamineSheet) -> dict[int, dict[int, str]]:
    """Row number -> column index -> range, of cells below the first of a merged range.

    Cells beside it are plainly empty: a title over several columns takes nothing from anybody.
    """
    covered: dict[int, dict[int, str]] = {}
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        name = f"{_letters(left)}{top + 1}:{_letters(right)}{bottom + 1}"
        _, end = sheet.end or (0, 0)
        for row in range(top + 1, min(bottom, sheet.total_height) + 1):
            for column in range(left, min(right, end) + 1):
                covered.setdefault(row + 1, {})[column] = name
    return covered


def _letters(column: int) -> str:
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _put(texts: list[str], column: int, cell: FaultyCell) -> None:
    if column >= len(texts):
        texts += [""] * (column + 1 - len(texts))
    texts[column] = cell


def _text(cell: object, decimal: str) -> str:
    """The cell as the mapping's format writes it, moments as RFC 3339 without a zone."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, int | float):
        return (str(int(cell)) if float(cell).is_integer() and abs(cell) < 1e15 else repr(cell)).replace(
            ".", decimal
        )
    if isinstance(cell, datetime):
        return _rounded(cell).isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return str(cell).strip()


def _rounded(moment: datetime) -> datetime:
    """To the millisecond: a workbook keeps moments as fractions of a day, and 07:00 comes back a hair off."""
    near = moment + timedelta(microseconds=500)
    return near.replace(microsecond=near.microsecond // 1000 * 1000)
