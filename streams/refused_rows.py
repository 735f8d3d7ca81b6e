"""What of a file was refused, as a table beside it: row, code, column, reason, and the cells as they were."""

import os
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from schemas.json_text import parse
from streams.sources import RefusedRecord
from streams.web.csv_text import csv_rows

COLUMNS: Final = ("row", "code", "column", "reason")
TEXT_CHARS: Final = 32_000
"""Of a line that is no table's row. A spreadsheet holds 32,767 characters in a cell."""


class RefusedRows:
    """Writes the table once there is something to write; it appears under its name when it is whole.

    Args:
        beside: the name of the file that was read, in the folder for what is refused.
    """

    def __init__(self, beside: Path) -> None:
        self.path = beside.with_name(f"{beside.name}.rows.csv")
        self.rows = 0
        self._draft = beside.with_name(f".{beside.name}.rows.part")
        self._file: IO[str] | None = None
        self._names: list[str] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the table where it is seen, unless something went wrong."""
        if kind is not None:
            self.forget()
        elif self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._draft.replace(self.path)

    def add(self, record: RefusedRecord) -> None:
        """One row more."""
        cells = _cells(record)
        if self._file is None:
            self._names = list(cells)
            # With a byte order mark, or a spreadsheet takes it for the encoding of its country.
            self._file = self._draft.open("w", encoding="utf-8-sig", newline="")
            self._file.write(csv_rows([[*COLUMNS, *self._names]]))
        assert self._names is not None
        problem = record.problem
        row = [record.origin.number, problem.code.value, problem.field_path, str(problem)]
        names = dict.fromkeys([*self._names, *cells])
        self._file.write(csv_rows([[*row, *(cells.get(name, "") for name in names)]]))
        self.rows += 1

    def forget(self) -> None:
        """Nothing of it is to be seen: it will be written anew."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._draft.unlink(missing_ok=True)


def _cells(record: RefusedRecord) -> dict[str, str]:
    if record.origin.unit == "row":
        try:
            found = parse(record.value)
        except ValueError:
            found = {}
        if isinstance(found, dict):
            return {str(name): str(cell) for name, cell in found.items()}
    return {"line": record.value.decode("utf-8", errors="replace")[:TEXT_CHARS]}
