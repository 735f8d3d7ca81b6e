"""Files of ERP, planning and warehouse systems as records to publish: JSON, lines of JSON, CSV and XML.

Law: a document becomes all its events or is refused with its place and field, and its neighbours count.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from schemas import TOPIC_OF_KIND, BadRecord, ReasonCode, UsageError
from schemas.json_text import Limits, read_json, refuse_unparsed
from streams.adapters.erp import b2mml, erpnext, frepple, odoo, wms
from streams.adapters.erp.documents import Body, Document, Plant
from streams.sources import Origin, RefusedRecord, SourceRecord, record_key

READERS: Final[Mapping[str, Callable[[Document], Iterator[Body]]]] = {
    erpnext.NAME: erpnext.read,
    odoo.NAME: odoo.read,
    frepple.NAME: frepple.read,
    wms.NAME: wms.read,
}
"""Systems whose documents are objects; B2MML is XML."""

SYSTEMS: Final = (*READERS, b2mml.NAME)

TYPE_FIELD: Final = {erpnext.NAME: "doctype", odoo.NAME: "model", frepple.NAME: "type", wms.NAME: "record"}
"""What says which of a system's objects a document is; where it is missing, the file's name says it."""

FILE_BYTES_MAX: Final = 200_000_000
"""Of a JSON or XML file, which are read as a whole; lines of JSON and CSV are read line by line."""

LIMITS: Final = Limits(record_bytes=FILE_BYTES_MAX, keys=50_000_000)


def read_documents(
    system: str, paths: Iterable[Path], plant: Plant
) -> Iterator[SourceRecord | RefusedRecord]:
    """Every event of the files, in order.

    Raises:
        UsageError: a file cannot be read, or is of no kind that the system has.
    """
    for path in paths:
        suffix = Path(path.name.removesuffix(".gz")).suffix
        try:
            if system == b2mml.NAME and suffix == ".xml":
                yield from _read_xml(path, plant)
            elif system in READERS and suffix in (".json", ".ndjson", ".jsonl", ".csv"):
                for number, one in _objects(path, suffix):
                    yield from _translated(system, path, number, one, plant)
            else:
                kinds = "XML" if system == b2mml.NAME else "JSON, lines of JSON or CSV"
                raise UsageError(f"{path}: {system} is read from {kinds}")
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error}") from None


def _objects(path: Path, suffix: str) -> Iterator[tuple[int, Any]]:
    if suffix == ".json":
        data = _whole(path)
        value = refuse_unparsed(data, LIMITS) or read_json(data)
        if isinstance(value, dict):
            # As REST answers wrap them; what stands beside them says what they are.
            inner = next(
                (
                    value[name]
                    for name in ("data", "records", "result", "results")
                    if isinstance(value.get(name), list)
                ),
                None,
            )
            if inner is not None:
                shared = {name: each for name, each in value.items() if name in TYPE_FIELD.values()}
                value = [shared | each if isinstance(each, dict) else each for each in inner]
        for number, one in enumerate(value if isinstance(value, list) else [value], start=1):
            yield number, one
        return
    with _open(path) as stream:
        if suffix == ".csv":
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
            for number, row in enumerate(csv.DictReader(text), start=2):
                yield (
                    number,
                    {name: cell for name, cell in row.items() if name is not None and isinstance(cell, str)},
                )
            return
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, refuse_unparsed(line.strip(), LIMITS) or read_json(line.strip())


def _translated(
    system: str, path: Path, number: int, one: Any, plant: Plant
) -> Iterator[SourceRecord | RefusedRecord]:
    origin = Origin(path, number, "document")
    original = b"" if isinstance(one, BadRecord) else orjson.dumps(one)
    try:
        if isinstance(one, BadRecord):
            raise one
        if not isinstance(one, dict):
            raise BadRecord(ReasonCode.SCHEMA, "a document is an object")
        kind = TYPE_FIELD[system]
        named = one if one.get(kind) else {kind: path.name.partition(".")[0], **one}
        bodies = list(READERS[system](Document(named, plant)))
    except BadRecord as bad:
        yield RefusedRecord(origin, bad, original)
        return
    for body in bodies:
        yield SourceRecord(TOPIC_OF_KIND[body["kind"]], record_key(body), orjson.dumps(body), origin)


def _read_xml(path: Path, plant: Plant) -> Iterator[SourceRecord | RefusedRecord]:
    data = _whole(path)
    try:
        for number, made in enumerate(b2mml.read_xml(data, plant), start=1):
            origin = Origin(path, number, "event")
            if isinstance(made, BadRecord):
                yield RefusedRecord(origin, made, data[:100_000])
            else:
                yield SourceRecord(TOPIC_OF_KIND[made["kind"]], record_key(made), orjson.dumps(made), origin)
    except BadRecord as bad:
        yield RefusedRecord(Origin(path, 1, "document"), bad, data[:100_000])


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _whole(path: Path) -> bytes:
    with _open(path) as stream:
        data: bytes = stream.read(FILE_BYTES_MAX + 1)
    return data
