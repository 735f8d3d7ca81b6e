"""What Foresite promises to those who write to it and read from it, as files: schemas, AsyncAPI, OpenAPI.

Law: everything here follows from the models and tables. `foresite schemas export` writes it, docs/schemas holds it, and a
test compares the two.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from schemas import UsageError
from schemas.compatibility import Side, breaking_changes
from schemas.json_schemas import document_schemas, event_schemas
from streams.asyncapi import DOCUMENT_FILE, EVENT_FILE, asyncapi_document
from streams.metrics import Metrics
from streams.record_sender import RecordSender
from streams.settings import Settings
from streams.web.app import WebApp
from streams.web.openapi import openapi_document
from streams.web.view import View

ASYNCAPI_FILE: Final = "asyncapi.json"
OPENAPI_FILE: Final = "openapi.json"

Contract = Mapping[str, Any]
"""Path in the folder -> the JSON document there."""


def contract() -> dict[str, Any]:
    """The contract of this version."""
    return {
        **{EVENT_FILE.format(name): schema for name, schema in event_schemas().items()},
        **{DOCUMENT_FILE.format(name): schema for name, schema in document_schemas().items()},
        ASYNCAPI_FILE: asyncapi_document(),
        OPENAPI_FILE: _openapi(),
    }


def as_text(document: Any) -> str:
    """A document as its file holds it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def export(folder: Path) -> list[Path]:
    """Write the contract into a folder; gives the files.

    Raises:
        UsageError: it cannot be written there.
    """
    written = []
    for name, document in contract().items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_text(document), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
        written.append(path)
    return written


def read_contract(folder: Path) -> dict[str, Any]:
    """A contract that was exported before.

    Raises:
        UsageError: there is none, or a file of it is no JSON.
    """
    if not (folder / ASYNCAPI_FILE).is_file():
        raise UsageError(
            f"{folder}: no {ASYNCAPI_FILE} there; `foresite schemas export DIR` of a version makes one"
        )
    found = {}
    for path in sorted(folder.rglob("*.json")):
        try:
            found[path.relative_to(folder).as_posix()] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: cannot be read: {error}") from None
    return found


def contract_breaks(before: Contract, after: Contract) -> list[str]:
    """What somebody who keeps to one contract would miss in another one, in words; empty where nothing.

    The HTTP API is not looked at: it has its own version in its paths.
    """
    return [*_topic_breaks(before[ASYNCAPI_FILE], after[ASYNCAPI_FILE]), *_schema_breaks(before, after)]


def _schema_breaks(before: Contract, after: Contract) -> Iterator[str]:
    for name, old in before.items():
        folder, _, file = name.partition("/")
        if not file:
            continue
        what = file.removesuffix(".json")
        if name not in after:
            yield f"{what}: it is gone"
            continue
        side: Side = "input" if folder == "events" else "output"
        yield from (f"{what}: {words}" for words in breaking_changes(old, after[name], side))


def _topic_breaks(before: Any, after: Any) -> Iterator[str]:
    for name, old in before["channels"].items():
        if old["x-role"] == "internal":
            continue
        new = after["channels"].get(name)
        if new is None:
            yield f"{name}: the topic is gone"
            continue
        for message in sorted(old["messages"].keys() - new["messages"].keys()):
            yield f"{name}: {message} is no longer on it"
        for member in ("x-key", "x-role"):
            if old[member] != new[member]:
                yield f"{name}: its {member.removeprefix('x-')} was {old[member]!r} and is {new[member]!r}"
        for member in ("x-writers", "x-readers"):
            for role in sorted({*old[member]} - {*new[member]}):
                yield f"{name}: {role} is no longer among its {member.removeprefix('x-')}"
        yield from (f"{name}: {words}" for words in _kept_breaks(_config(old), _config(new)))
    for name, old in before["components"]["messages"].items():
        new = after["components"]["messages"].get(name, old)
        if old.get("x-key-fields") != new.get("x-key-fields"):
            yield f"{name}: its key was {old.get('x-key-fields')} and is {new.get('x-key-fields')}"
        gone = {*old.get("headers", {}).get("required", ())} - {*new.get("headers", {}).get("required", ())}
        yield from (f"{name}: the header {header} is gone" for header in sorted(gone))


def _config(channel: Any) -> dict[str, Any]:
    config: dict[str, Any] = channel["bindings"]["kafka"]["topicConfiguration"]
    return config


def _kept_breaks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["cleanup.policy"] != new["cleanup.policy"]:
        yield f"its cleanup was {old['cleanup.policy']} and is {new['cleanup.policy']}"
    before, after = (each.get("retention.ms", -1) for each in (old, new))
    if after != -1 and (before == -1 or after < before):
        yield f"it was kept for {before} ms and is kept for {after} ms"


def _openapi() -> dict[str, Any]:
    settings, metrics = Settings.model_construct(), Metrics()  # as by default, whatever the environment says
    view = View(documents_max=settings.web_view_documents_max, bytes_max=settings.web_view_mb_max * 1_000_000)
    web = WebApp(settings, view, RecordSender(settings), metrics, lambda: False)
    return openapi_document(web.api)
