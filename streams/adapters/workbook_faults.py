"""Cells of a sheet that hold an error or a formula without its value: the reader of workbooks gives both as empty."""

import re
from collections.abc import Callable
from typing import Final
from xml.parsers import expat
from zipfile import ZipFile

from schemas import UsageError

MAX_FAULTS: Final = 100_000
"""Cells without a value that are told one by one. Too small: a sheet full of #N/A is refused; too large: memory."""

_NEVER_CALCULATED: Final = "is a formula that was never calculated: open the workbook, save it, and try again"
_CHUNK_BYTES: Final = 1 << 16

Attributes = dict[str, str]


def faulty_cells(archive: ZipFile, sheet: str) -> dict[int, dict[int, str]]:
    """Row number -> column index -> why the cell has no value.

    Raises:
        KeyError: the workbook has no such sheet, or not its parts.
        UsageError: its XML is broken, or nearly nothing in it has a value.
    """
    scan = _Scan()
    _parse(archive, _part_of(archive, sheet), scan.start, scan.end, scan.text)
    return scan.faults


class _Scan:
    """What the parser tells of a sheet's cells."""

    def __init__(self) -> None:
        self.faults: dict[int, dict[int, str]] = {}
        self._count = 0
        self._row = 0
        self._column = -1
        self._type = ""
        self._has_formula = False
        self._value: list[str] = []
        self._in_value = False

    def start(self, name: str, attributes: Attributes) -> None:
        tag = _local(name)
        if tag == "row":
            self._row = int(attributes["r"]) if "r" in attributes else self._row + 1
            self._column = -1
        elif tag == "c":
            self._column = _column(attributes["r"]) if "r" in attributes else self._column + 1
            self._type = attributes.get("t", "")
            self._has_formula, self._value = False, []
        elif tag == "f":
            self._has_formula = True
        elif tag in ("v", "t"):
            self._in_value = True

    def end(self, name: str) -> None:
        tag = _local(name)
        if tag in ("v", "t"):
            self._in_value = False
        elif tag == "c":
            value = "".join(self._value)
            if self._type == "e":
                self._fault(f"holds the error {value or '#?'}")
            elif self._has_formula and not value and self._type != "str":
                self._fault(_NEVER_CALCULATED)

    def text(self, data: str) -> None:
        if self._in_value:
            self._value.append(data[:100])

    def _fault(self, why: str) -> None:
        self._count += 1
        if self._count > MAX_FAULTS:
            raise UsageError(f"more than {MAX_FAULTS:,} cells hold an error or a formula without a value")
        self.faults.setdefault(self._row, {})[self._column] = why


def _part_of(archive: ZipFile, sheet: str) -> str:
    """Name of the part that holds the sheet."""
    targets: dict[str, str] = {}
    relations: dict[str, str] = {}

    def on_sheet(name: str, attributes: Attributes) -> None:
        if _local(name) == "sheet":
            relation = next((text for key, text in attributes.items() if _local(key) == "id"), "")
            targets[attributes.get("name", "")] = relation

    def on_relation(name: str, attributes: Attributes) -> None:
        if _local(name) == "Relationship":
            relations[attributes.get("Id", "")] = attributes.get("Target", "")

    _parse(archive, "xl/workbook.xml", on_sheet)
    _parse(archive, "xl/_rels/workbook.xml.rels", on_relation)
    target = relations[targets[sheet]]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _parse(
    archive: ZipFile,
    part: str,
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = _refuse_entities
    try:
        with archive.open(part) as content:
            while chunk := content.read(_CHUNK_BYTES):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
    except (expat.ExpatError, ValueError) as error:
        raise UsageError(f"{archive.filename}: {part} is broken: {error}") from None


def _refuse_entities(*_: object) -> None:
    raise UsageError("a workbook that declares entities is an attack, and is not read")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _column(reference: str) -> int:
    """Index of the column of a reference, as B4."""
    letters = re.match(r"[A-Z]{1,3}", reference)
    if letters is None:
        raise ValueError(f"{reference!r} is no cell")
    index = 0
    for letter in letters[0]:
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1
