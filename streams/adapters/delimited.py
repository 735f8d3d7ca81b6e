"""Records of delimited text, plain or gzipped, one at a time. Memory stays flat however long the file is."""

import csv
import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, AnyStr, Final

from schemas import BadRecord, ReasonCode, UsageError
from streams.adapters.mapping import FileFormat

MAX_LINE_CHARS: Final = 1_048_576
"""Longest line that is read. Too small: wide rows become dead letters; too large: one bad file fills the memory."""

_BYTE_ORDER_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

Record = tuple[int, list[str] | BadRecord]
"""Number as a spreadsheet counts, and stripped cells; a BadRecord where the record could not be read."""


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


def delimited_records(path: Path, layout: FileFormat) -> Iterator[Record]:
    """Every record of the file, the header and what is above it included.

    Raises:
        UsageError: the file cannot be read, or holds NUL characters as no text does.
    """
    with open_bytes(path) as stream:
        # A byte order mark says what the file is, whatever the mapping says; surrogateescape lets one row fail alone.
        encoding = marked_encoding(stream) or layout.encoding
        text = TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
        try:
            yield from _records(text, layout.delimiter)
        except UnicodeError as error:  # a code of several bytes that breaks off: nothing after it can be told
            raise UsageError(
                f"{path}: is no {encoding} from some place on (format.encoding): {error}"
            ) from None


def marked_encoding(stream: IO[bytes]) -> str | None:
    """The encoding that a byte order mark names; None where there is none. Nothing is taken from the stream."""
    begin = stream.peek(4)[:4]  # type: ignore[attr-defined]  # both of open_bytes can
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if begin.startswith(mark)), None)


def _records(text: TextIOWrapper, delimiter: str) -> Iterator[Record]:
    too_long = 0

    def lines() -> Iterator[str]:
        nonlocal too_long
        for line in bounded_lines(text.readline, MAX_LINE_CHARS):
            if line is None:
                too_long += 1
            yield line or "\r\n"

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
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
