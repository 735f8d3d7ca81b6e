"""What one version promised the next one keeps: the check itself, break by break, and every version that was released.

`tests/golden/contracts/<version>.json` is the contract of a version, one file of it a line. That of a released version
never changes. FORESITE_UPDATE_GOLDEN=1 writes the one of the version in pyproject.toml, as long as that is not released.
"""

import copy
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from docs.generate import CONTRACT
from schemas.compatibility import Side, breaking_changes
from streams.contract import OPENAPI_FILE, Contract, contract_breaks, read_contract

VERSIONS = Path(__file__).parent.parent / "golden" / "contracts"
PRESENT = VERSIONS / f"{version('foresite')}.json"

BODY: dict[str, Any] = {
    "type": "object",
    "$defs": {
        "Peg": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
    },
    "properties": {
        "id": {"type": "string", "maxLength": 200, "pattern": "^x"},
        "count": {"type": "integer", "minimum": 0, "maximum": 10},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "state": {"enum": ["a", "b"], "type": "string", "default": "a"},
        "pegs": {"type": "array", "items": {"$ref": "#/$defs/Peg"}},
    },
    "required": ["id"],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The body with one place set, or without it where the value is ...: `properties.id.maxLength`."""
    made = copy.deepcopy(BODY)
    *folders, last = path.split(".")
    place = made
    for name in folders:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


@pytest.mark.parametrize(
    ("side", "path", "value", "words"),
    [
        ("input", "properties.note", ..., "note: the field is gone"),
        ("output", "properties.note", ..., "note: the field is gone"),
        ("input", "required", ["id", "count"], "count: it could be left out and must be there now"),
        ("output", "required", [], "id: it was always there and may be left out now"),
        ("input", "properties.count.type", "string", "count was of type integer and is of type string"),
        ("output", "properties.count.type", "number", "count was of type integer and is of type number"),
        ("input", "properties.count.maximum", 9, "count: maximum was 10 and is 9"),
        ("output", "properties.count.maximum", 11, "count: maximum was 10 and is 11"),
        ("input", "properties.count.minimum", 1, "count: minimum was 0 and is 1"),
        ("input", "properties.id.minLength", 3, "id: minLength was not set and is 3"),
        ("input", "properties.id.maxLength", 100, "id: maxLength was 200 and is 100"),
        ("output", "properties.id.maxLength", ..., "id: maxLength was 200 and is not set"),
        ("input", "properties.id.pattern", "^y", "id: pattern was ^x and is ^y"),
        ("input", "properties.state.enum", ["a"], "state may no longer be b"),
        ("output", "properties.state.enum", ["a"], "state may no longer be b"),
        ("input", "properties.state.default", "b", "state: left out it meant 'a' and means 'b' now"),
        ("input", "properties.note", {"type": "string", "default": None}, "note may no longer be null"),
        ("output", "properties.id.type", ["string", "null"], "id was of type string and is of type ['string', 'null']"),
        ("output", "properties.id", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "id may now be null"),
        ("input", "$defs.Peg.properties.order.maxLength", 5, "pegs[].order: maxLength was not set and is 5"),
        ("input", "$defs.Peg.required", ["order", "share"], "pegs[].share: a new field that must be there"),
        ("input", "properties.pegs.items", {"type": "string"}, "pegs[] was of type object and is of type string"),
        ("input", "properties.id.propertyNames", {}, "id: nobody taught this check what propertyNames means"),
    ],
)  # fmt: skip
def test_what_breaks_is_named(side: Side, path: str, value: Any, words: str) -> None:
    assert words in breaking_changes(BODY, changed(path, value), side)


@pytest.mark.parametrize(
    ("side", "path", "value"),
    [
        ("input", "properties.colour", {"type": "string"}),
        ("output", "properties.colour", {"type": "string"}),
        ("output", "required", ["id", "count"]),
        ("input", "required", []),
        ("input", "properties.count.type", "number"),
        ("input", "properties.count.maximum", 11),
        ("output", "properties.count.maximum", 9),
        ("input", "properties.id.pattern", ...),
        ("input", "properties.state.enum", ["a", "b", "c"]),
        ("output", "properties.state.enum", ["a", "b", "c"]),
        ("output", "properties.note", {"type": "string"}),
        ("input", "properties.id", {"anyOf": [{"type": "string", "maxLength": 200, "pattern": "^x"}, {"type": "null"}]}),
        ("input", "properties.id.description", "other words"),
    ],
)  # fmt: skip
def test_what_only_adds_breaks_nothing(side: Side, path: str, value: Any) -> None:
    assert [] == breaking_changes(BODY, changed(path, value), side)


def test_a_model_within_itself_ends() -> None:
    tree = {
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        "$ref": "#/$defs/Node",
    }

    assert [] == breaking_changes(tree, tree, "input")


def present() -> dict[str, Any]:
    found = read_contract(CONTRACT)
    del found[OPENAPI_FILE]
    return found


@pytest.fixture(scope="module", autouse=True)
def _golden_files() -> None:
    if os.environ.get("FORESITE_UPDATE_GOLDEN"):
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(body)}" for name, body in present().items())
        PRESENT.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def test_the_present_version_has_its_contract() -> None:
    assert PRESENT.is_file(), (
        "a new version: FORESITE_UPDATE_GOLDEN=1 writes its contract, docs/contracts.md says more"
    )


@pytest.mark.parametrize("path", sorted(VERSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_nothing_that_a_version_promised_is_lost(path: Path) -> None:
    promised: Contract = json.loads(path.read_text("utf-8"))

    assert [] == contract_breaks(promised, present())


def test_topics_break_too() -> None:
    before, after = present(), copy.deepcopy(present())
    channels = after["asyncapi.json"]["channels"]
    del channels["twin.lines.v1"]
    del channels["erp.orders.v1"]["messages"]["run_planned"]
    channels["twin.cards.v1"]["x-key"] = "rank"
    channels["twin.cards.v1"]["x-readers"].remove("reader")
    channels["twin.signals.v1"]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] = 3_600_000
    after["asyncapi.json"]["components"]["messages"]["order_upserted"]["x-key-fields"] = ["order_id"]
    after["asyncapi.json"]["components"]["messages"]["Card"]["headers"]["required"].remove("ce_id")
    del after["documents/Card.json"]["properties"]["title"]

    assert [
        "erp.orders.v1: run_planned is no longer on it",
        "twin.cards.v1: its key was 'card_id' and is 'rank'",
        "twin.cards.v1: reader is no longer among its readers",
        "twin.signals.v1: it was kept for 2592000000 ms and is kept for 3600000 ms",
        "twin.lines.v1: the topic is gone",
        "order_upserted: its key was ['kind', 'site_id', 'order_id'] and is ['order_id']",
        "Card: the header ce_id is gone",
        "Card: title: the field is gone",
    ] == contract_breaks(before, after)
