"""`foresite watch`: publishes what is put into a folder, each content once, and sets aside what it cannot read.

Steps, in this order, so that a death at any point loses and doubles nothing:
    1 wait until the file is whole   2 send its records, noting how far after each chunk that the broker has
    3 write what was refused beside   4 note it as published   5 move it to done/
Whoever dies between 2 and 4 sends the last chunk again: under the same event ids, which the twin counts once.
"""

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from schemas import TOPIC_OF_KIND, UsageError
from schemas.topics import MACHINE_EVENTS
from streams.adapters.delimited import open_bytes
from streams.adapters.mapping import Mapping
from streams.adapters.mapping_file import Mappings, mappings_for
from streams.adapters.tabular import TABLES, is_workbook
from streams.publish import PublishOutcome
from streams.refused_rows import RefusedRows
from streams.sources import RefusedRecord, SourceRecord, kind_of_file, read_records
from streams.watch_ledger import Published, WatchLedger, digest_of

DONE: Final = "done"
REFUSED: Final = "refused"
"""Folders inside the watched one: for what is published, and for what cannot be."""

CHUNK_RECORDS: Final = 2_000
"""Records between two notes of how far a file is. Too small: each waits for the broker and the disk; too large: more is
sent again after a death. Below the ids that the twin remembers of a line, which tells it what it has had."""

PATIENCE_S: Final = 60.0
"""How long a file may stand still and yet look half-written, before it is taken as it is. Too small: a slow copy is
refused; too large: a file that will never be whole is told late."""


class Sender(Protocol):
    """The part of publish.RecordPublisher that watching uses."""

    def send(self, record: SourceRecord | RefusedRecord, outcome: PublishOutcome) -> None:
        """Hand one record over."""
        ...

    def wait(self) -> None:
        """Until the broker has answered for each."""
        ...


@dataclass(slots=True)
class Told:
    """What became of a file.

    Attributes:
        name: of the file.
        what: published, published before, set aside, not delivered.
        delivered, refused: records that the broker has, rows that are no events.
        why: of what is not well.
    """

    name: str
    what: str
    delivered: int = 0
    refused: int = 0
    why: str = ""


@dataclass(slots=True)
class _Seen:
    """A file as it was last looked at, and since when it has been so."""

    look: tuple[int, int]
    since: float


@dataclass(slots=True)
class Watcher:
    """One folder.

    Attributes:
        folder: that is watched.
        given: mappings; None: those in mappings/ of the folder.
        sender: to Kafka.
        tell: is called with what became of each file.
        settle_s: how long a file must stand still before it is read.
        now: a clock that never goes back, seconds; tests have their own.
    """

    folder: Path
    given: Sequence[Path] | None
    sender: Sender
    tell: Callable[[Told], object]
    settle_s: float = 2.0
    now: Callable[[], float] = time.monotonic
    _seen: dict[Path, _Seen] = field(default_factory=dict)

    @contextmanager
    def opened(self) -> Iterator["WatchLedger"]:
        """The folder's memory, for this process alone.

        Raises:
            UsageError: there is no such folder, or another process watches it.
        """
        if not self.folder.is_dir():
            raise UsageError(f"{self.folder}: is no folder")
        for name in (DONE, REFUSED):
            (self.folder / name).mkdir(exist_ok=True)
        with (self.folder / ".foresite-watch.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(f"{self.folder}: is watched by another process already") from None
            ledger = WatchLedger(self.folder)
            try:
                yield ledger
            finally:
                ledger.close()

    def look(self, ledger: WatchLedger) -> int:
        """Deal with every file that is whole; gives how many are left waiting."""
        mappings = mappings_for([self.folder], self.given)
        waiting = 0
        for path in self._in_order(mappings):
            if self._is_whole(path):
                self._deal_with(path, mappings, ledger)
                self._seen.pop(path, None)
            waiting += path.exists()
        return waiting

    def _in_order(self, mappings: Mappings | None) -> list[Path]:
        """Files of the folder: the plan before what machines say, and the older first."""
        files = [path for path in self.folder.iterdir() if kind_of_file(path) and path.is_file()]
        self._seen = {path: seen for path, seen in self._seen.items() if path in files}
        return sorted(
            files, key=lambda path: (_speaks_of_machines(path, mappings), _look(path)[1], path.name)
        )

    def _is_whole(self, path: Path) -> bool:
        look = _look(path)
        seen = self._seen.get(path)
        if seen is None or seen.look != look:
            self._seen[path] = _Seen(look, self.now())
            return self.settle_s <= 0
        still = self.now() - seen.since
        return still >= (PATIENCE_S if _looks_cut(path) else self.settle_s)

    def _deal_with(self, path: Path, mappings: Mappings | None, ledger: WatchLedger) -> None:
        try:
            mapping = _mapping_of(path, mappings)
            digest = digest_of(path, "" if mapping is None else mapping.model_dump_json())
            known = ledger.known(digest)
            if known is not None and known.is_whole:
                self._move(path, DONE)
                self.tell(Told(path.name, "published before", why=f"same content as {known.name}"))
                return
            told = self._publish(path, mapping, digest, ledger, 0 if known is None else known.rows)
        except UsageError as error:
            moved = self._move(path, REFUSED)
            moved.with_name(f"{moved.name}.reason.txt").write_text(f"{error}\n", encoding="utf-8")
            told = Told(path.name, "set aside", why=str(error))
        except OSError as error:  # it was taken away, or the disk is full: it is looked at again
            told = Told(path.name, "waits", why=str(error))
        self.tell(told)

    def _publish(
        self, path: Path, mapping: Mapping | None, digest: str, ledger: WatchLedger, before: int
    ) -> Told:
        outcome = PublishOutcome()
        number = 0
        with RefusedRows(self.folder / REFUSED / path.name) as refused:
            for number, record in enumerate(read_records([path], mapping), start=1):
                if isinstance(record, RefusedRecord):
                    refused.add(record)
                if number <= before:
                    continue
                self.sender.send(record, outcome)
                if number % CHUNK_RECORDS == 0:
                    self.sender.wait()
                    if outcome.failed:
                        break
                    ledger.note(Published(digest, path.name, number, is_whole=False))
            self.sender.wait()
            if outcome.failed:
                why = f"{outcome.failed} records did not reach Kafka; it stays here and is tried again"
                refused.forget()
                return Told(path.name, "not delivered", outcome.delivered, refused.rows, why)
        ledger.note(Published(digest, path.name, number, is_whole=True))
        self._move(path, DONE)
        why = f"see {REFUSED}/{refused.path.name}" if refused.rows else ""
        return Told(path.name, "published", outcome.delivered, refused.rows, why)

    def _move(self, path: Path, folder: str) -> Path:
        target = self.folder / folder / path.name
        for again in range(2, 1_000_000):
            if not target.exists():
                break
            target = target.with_name(f"{path.stem}-{again}{path.suffix}")
        shutil.move(path, target)
        return target


def _mapping_of(path: Path, mappings: Mappings | None) -> Mapping | None:
    if kind_of_file(path) not in TABLES:
        return None
    if mappings is None:
        raise UsageError(
            f"{path.name}: a table needs a mapping: put one into the folder's mappings/, or name it with --mapping; "
            "`foresite map init FILE` proposes one"
        )
    return mappings.of(path)


def _speaks_of_machines(path: Path, mappings: Mappings | None) -> int:
    """0: events as they are; 1: tables of plans; 2: tables of what machines say, or of what nobody knows."""
    try:
        mapping = _mapping_of(path, mappings)
    except UsageError:
        return 2
    if mapping is None:
        return 0
    return 2 if any(TOPIC_OF_KIND[rule.kind] == MACHINE_EVENTS for rule in mapping.events) else 1


def _look(path: Path) -> tuple[int, int]:
    """Size and time of change; of a file that is gone: nothing."""
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _looks_cut(path: Path) -> bool:
    """Whether it may be half-written: a workbook without its end, text without its last line end, nothing at all."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 65_557))  # a workbook's directory ends in so many bytes at most
            end = file.read()
        if is_workbook(path):
            return b"PK\x05\x06" not in end
        if path.suffix.lower() == ".gz":
            with open_bytes(path) as stream:
                while stream.read(1 << 20):
                    pass
            return size == 0
        return not end.endswith((b"\n", b"\n\x00"))
    except (OSError, UsageError):
        return True
