"""What a watched folder has published, by content: the memory of `foresite watch` between its runs.

An append-only file of JSON lines, each written to disk before the next step. A line that broke off when the power went
is cut away on the next start: the file that it spoke of is simply published again, under the same event ids.
"""

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from schemas import UsageError

LEDGER: Final = ".foresite-watch.ndjson"
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """A file that was dealt with.

    Attributes:
        digest: of its content and of the mapping that it was read by.
        name: that it had.
        rows: of it that are published; is_whole: that is all of them.
    """

    digest: str
    name: str
    rows: int
    is_whole: bool


class WatchLedger:
    """The memory of one folder.

    Args:
        folder: that is watched; its ledger lies in it.

    Raises:
        UsageError: the ledger cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEDGER
        self._known: dict[str, Published] = {}
        try:
            self._read()
            self._file = self._path.open("ab")
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be used: {error}") from None

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def known(self, digest: str) -> Published | None:
        """What is known of a content."""
        return self._known.get(digest)

    def note(self, entry: Published) -> None:
        """Remember an entry, on disk before this returns."""
        line = {"digest": entry.digest, "name": entry.name, "rows": entry.rows, "is_whole": entry.is_whole}
        self._file.write(orjson.dumps(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._known[entry.digest] = entry

    def _read(self) -> None:
        if not self._path.exists():
            return
        whole = 0
        with self._path.open("rb+") as file:
            for line in file:
                entry = _entry(line)
                if entry is None:
                    break
                whole += len(line)
                self._known[entry.digest] = entry
            rest = file.read()
            if rest.count(b"\n"):
                raise UsageError(
                    f"{self._path}: is damaged before its end; put it aside, and what lies in the folder is published "
                    "once more under the same event ids"
                )
            file.truncate(whole)


def digest_of(path: Path, mapping_text: str) -> str:
    """Fingerprint of a file's content and of what its columns mean: under another mapping it is other news."""
    digest = blake2b(mapping_text.encode(), digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _entry(line: bytes) -> Published | None:
    try:
        said: dict[str, Any] = orjson.loads(line)
        return (
            Published(said["digest"], said["name"], said["rows"], said["is_whole"])
            if line.endswith(b"\n")
            else None
        )
    except (ValueError, KeyError, TypeError):
        return None
