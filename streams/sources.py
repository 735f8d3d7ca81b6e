"""Reads input files into records for the input topics: lines of JSON as they are, tables through a mapping.

Law: nothing is dropped in silence. What a file holds comes out as a record, as a refusal with its place and reason, or
is counted as ignored because the mapping says so. Whether a body is a good event is for ingest to judge, not for us.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from schemas import (
    MODEL_OF_KIND,
    TOPIC_OF_KIND,
    BadRecord,
    CardCommand,
    Event,
    MachineEvent,
    ReasonCode,
    UsageError,
    join_key,
)
from schemas.commands import Command, PlanAcknowledged, ProposalCommand, StopDurationReported
from schemas.json_text import DEFAULT_LIMITS, read_json, refuse_unparsed
from schemas.refusals import refused_kind
from streams.adapters.delimited import bounded_lines, open_bytes
from streams.adapters.mapper import map_file
from streams.adapters.mapping import Mapping
from streams.adapters.mapping_file import Mappings
from streams.adapters.tabular import TABLES, is_workbook

LINES_OF_JSON: Final = (".ndjson", ".jsonl")

OWNER_FILES: Final = ("~$", ".")
"""Begins of names that no table has: what office programs put beside an open file, and hidden files."""

Route = tuple[str, str | None]
"""Topic and key of a record."""

_BOM: Final = b"\xef\xbb\xbf"
_TARGETS: Final[dict[type[Command], str]] = {
    CardCommand: "card_id",
    ProposalCommand: "proposal_id",
    StopDurationReported: "line_id",
}
"""Commands -> the field that says what they are about; any other command stands for itself."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record was read: file and line, or row as a spreadsheet numbers it."""

    path: Path
    number: int
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.path}: {self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record to publish: topic and key as schemas/topics.py has them, and the body's bytes."""

    topic: str
    key: str | None
    value: bytes
    origin: Origin


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """What no topic can be named for, or no event be made of: code, reason, and what it was."""

    origin: Origin
    problem: BadRecord
    value: bytes

    def __str__(self) -> str:
        where = f" [{self.problem.field_path}]" if self.problem.field_path else ""
        return f"{self.origin}: {self.problem.code}{where}: {self.problem}"


@dataclass(slots=True)
class ReadTally:
    """What reading came to, counted as it goes on.

    Attributes:
        lines: lines and rows read, blank ones left out; each is in one of the counts below.
        recorded: those that became records; records: how many records those are.
        refused: refused by code.
        ignored: rows that the mapping leaves out, by its reason.
    """

    lines: int = 0
    recorded: int = 0
    records: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)


def input_files(paths: Iterable[Path]) -> list[Path]:
    """The files that paths name; of a folder, the files in it that can be read, by name.

    Raises:
        UsageError: a path does not exist, or names a kind of file that is not read.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(file for file in path.iterdir() if kind_of_file(file) and file.is_file())
        elif not path.exists():
            raise UsageError(f"{path}: there is no such file")
        elif not kind_of_file(path):
            known = ", ".join((*LINES_OF_JSON, *TABLES))
            raise UsageError(f"{path}: only {known} are read; text also with .gz behind it")
        else:
            files.append(path)
    return files


def read_records(
    paths: Iterable[Path], mapping: Mappings | None = None, tally: ReadTally | None = None
) -> Iterator[SourceRecord | RefusedRecord]:
    """Every record of the files, in the order of paths and lines.

    Args:
        paths: files of JSON lines or tables, plain or gzipped, or folders of such.
        mapping: what the rows of tables mean.
        tally: is counted up while reading.

    Raises:
        UsageError: a file cannot be read, or is a table and there is no mapping for it.
    """
    files = input_files(paths)
    mapped = {path: _mapping_of(path, mapping) for path in files if kind_of_file(path) in TABLES}
    tally = ReadTally() if tally is None else tally
    for path in files:
        if path in mapped:
            yield from _read_table(path, mapped[path], tally)
        else:
            yield from _read_lines(path, tally)


def key_fields(model: type[Event]) -> tuple[str, ...]:
    """Fields of a body that make the key of its record: one as it is, several joined (schemas/keys.py).

    Machine events go by line, so that those of a line stay in order; states of entities by kind, site and id, for ids
    are unique within a site only and compaction must not take one site's order for another's; commands by what they
    are about.
    """
    if issubclass(model, MachineEvent):
        return ("line_id",)
    if issubclass(model, PlanAcknowledged):
        return ("change_id",)
    if issubclass(model, Command):
        return (next((name for kind, name in _TARGETS.items() if issubclass(model, kind)), "command_id"),)
    return tuple(dict.fromkeys(("kind", "site_id", *model.entity)))


def record_key(body: dict[str, Any]) -> str | None:
    """The record key that schemas/topics.py asks for; None where the body lacks what it is made of."""
    model = MODEL_OF_KIND.get(str(body.get("kind")))
    if model is None:
        return None
    assert issubclass(model, Event), "every input is an event"
    names = key_fields(model)
    if len(names) == 1:
        return _text(body, names[0])
    return join_key(*(_text(body, name) or "" for name in names))


def route_of(text: bytes) -> Route | BadRecord:
    """Topic and key of a line, or why there is no topic for it. What else is wrong with it is ingest's to say."""
    value = refuse_unparsed(text, DEFAULT_LIMITS) or read_json(text)
    if isinstance(value, BadRecord):
        return value
    bodies = [_unwrapped(element) for element in (value if isinstance(value, list) else [value])]
    topics = {_topic(body) for body in bodies} - {None}
    if len(topics) > 1:
        return BadRecord(
            ReasonCode.SCHEMA, f"an array for several topics: {', '.join(sorted(map(str, topics)))}"
        )
    topic = next(iter(topics), None)
    if topic is None:
        return refused_kind(bodies[0]) if bodies else BadRecord(ReasonCode.SCHEMA, "an empty array")
    first = next(body for body in bodies if _topic(body) == topic)
    return topic, record_key(first)


def kind_of_file(path: Path) -> str:
    """The end of its name that says how it is read; "" where it is not."""
    is_packed = path.suffix.lower() == ".gz"
    last = (path.with_suffix("") if is_packed else path).suffix.lower()
    if path.name.startswith(OWNER_FILES) or (is_packed and is_workbook(Path(last))):
        return ""
    return last if last in LINES_OF_JSON or last in TABLES else ""


def _mapping_of(path: Path, mapping: Mappings | None) -> Mapping:
    if mapping is None:
        raise UsageError(
            f"{path}: a table needs a mapping that says what its columns mean (--mapping FILE); "
            f"`foresite map init {path}` proposes one"
        )
    return mapping.of(path)


def _read_table(path: Path, mapping: Mapping, tally: ReadTally) -> Iterator[SourceRecord | RefusedRecord]:
    for row in map_file(path, mapping):
        origin = Origin(path, row.number, "row")
        tally.lines += row.rows
        if row.problem is not None:
            tally.refused[row.problem.code] += row.rows
            yield RefusedRecord(origin, row.problem, _dumped(row.cells or {}))
        elif row.ignored is not None:
            tally.ignored[row.ignored] += 1
        else:
            tally.recorded += row.rows
            for body in row.bodies:
                tally.records += 1
                yield SourceRecord(TOPIC_OF_KIND[body["kind"]], record_key(body), orjson.dumps(body), origin)


def _read_lines(path: Path, tally: ReadTally) -> Iterator[SourceRecord | RefusedRecord]:
    limit = DEFAULT_LIMITS.record_bytes
    with open_bytes(path) as stream:
        for number, line in enumerate(bounded_lines(stream.readline, limit + 2), start=1):
            origin = Origin(path, number)
            routed: Route | BadRecord
            if line is None:
                text = b""
                routed = BadRecord(ReasonCode.SIZE, f"a line of more than {limit} bytes")
            else:
                text = line.removeprefix(_BOM if number == 1 else b"").rstrip(b"\r\n")
                if not text.strip():
                    continue
                routed = route_of(text)
            tally.lines += 1
            if isinstance(routed, BadRecord):
                tally.refused[routed.code] += 1
                yield RefusedRecord(origin, routed, text)
            else:
                tally.recorded += 1
                tally.records += 1
                yield SourceRecord(*routed, text, origin)


def _unwrapped(element: Any) -> Any:
    """The body of a structured CloudEvent; anything else as it is."""
    is_wrapped = (
        isinstance(element, dict) and "specversion" in element and isinstance(element.get("data"), dict)
    )
    return element["data"] if is_wrapped else element


def _topic(body: Any) -> str | None:
    return TOPIC_OF_KIND.get(str(body.get("kind"))) if isinstance(body, dict) else None


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and value else None


def _dumped(cells: dict[str, str]) -> bytes:
    return orjson.dumps({name: cell.encode(errors="replace").decode() for name, cell in cells.items()})
