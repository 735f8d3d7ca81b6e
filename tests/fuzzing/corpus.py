"""Valid records of every kind that ingest reads: what the fuzzer mutates.

Bodies are made from the models' JSON schemas, with ids of the small plant so that the twin has something to do with
them, and from the histories of real ones: the small plant's beginning and the Line 3 story.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from random import Random
from typing import Any

from pydantic import TypeAdapter

from schemas import INGESTED_TOPICS, TOPICS, BadRecord
from schemas.decode import decode_batch
from schemas.topics import TOPIC_OF_KIND
from streams.simulator.line3 import line3_events
from tests.living_plant import beginning

PER_KIND = 12
"""Bodies of each kind."""

TRIES_MAX = 4_000
"""A body is drawn until it is valid: of so many at least PER_KIND must be."""

LINE3_UNTIL = datetime(2026, 11, 17, 12, tzinfo=UTC)
LINE3_EVENTS = 400
DAYS_EARLIER = timedelta(days=261)

WORDS: Mapping[str, tuple[str, ...]] = {
    "site_id": ("S1",),
    "line_id": ("L1", "L2"),
    "run_id": ("R1", "R2", "R3", "R4", "R5"),
    "order_id": ("1", "2", "3", "4"),
    "item_id": ("red", "blue", "bolt", "glue"),
    "customer_id": ("acme",),
    "zone": ("UTC", "Europe/Berlin", "America/New_York"),
    "currency": ("EUR", "USD"),
    "kind": (),
}
TEXTS = (
    "06:00",
    "22:00",
    "24:00",
    "2026-03-02",
    "sue",
    "boss",
    "two-shifts",
    "daily",
    "W1",
    "weekly",
    "e1",
    "x",
)
PAST_TIMES = (
    "2026-03-02T04:00:00Z",
    "2026-03-02T05:59:30+01:00",
    "2026-03-01T20:00:00Z",
    "2026-02-28T00:00:00-05:00",
)
TIMES = (
    "2026-03-02T06:00:00Z",
    "2026-03-02T11:30:00+01:00",
    "2026-03-03T12:00:00Z",
    "2026-03-09T00:00:00-05:00",
)


@cache
def corpus(seed: int = 1) -> dict[str, list[bytes]]:
    """Topic -> valid records, each a bare body."""
    random = Random(seed)
    found: dict[str, list[bytes]] = {}
    for topic in INGESTED_TOPICS:
        found[topic] = [record for model in TOPICS[topic].types for record in _bodies(topic, model, random)]
    for event in (*beginning(), *islice(line3_events(until=LINE3_UNTIL), LINE3_EVENTS)):
        body = _in_march(event.model_dump_json(exclude_none=True).encode())
        found[TOPIC_OF_KIND[event.kind]].append(body)
    return found


def _in_march(body: bytes) -> bytes:
    """The Line 3 story, which begins on 16 November, on the days before the small plant's clock starts."""

    def moved(day: re.Match[bytes]) -> bytes:
        return (date(2026, 11, int(day[1])) - DAYS_EARLIER).isoformat().encode()

    return re.sub(rb"2026-11-([0-3][0-9])", moved, body)


def _bodies(topic: str, model: Any, random: Random) -> list[bytes]:
    schema = TypeAdapter(model).json_schema()
    parts = schema.get("$defs", {})
    records: list[bytes] = []
    refused = ""
    for _ in range(TRIES_MAX):
        record = json.dumps(_drawn(schema, parts, random, "", 0)).encode()
        ((_, verdict),) = decode_batch(topic, [record])[0].items
        if not isinstance(verdict, BadRecord):
            records.append(record)
            if len(records) == PER_KIND:
                return records
        else:
            refused = f"{verdict} at {verdict.field_path}: {record!r}"
    raise AssertionError(f"{model.__name__}: {len(records)} valid bodies; the last refusal: {refused}")


def _drawn(schema: Mapping[str, Any], parts: Mapping[str, Any], random: Random, name: str, depth: int) -> Any:
    """A value that a schema allows, but for what only a validator knows."""
    if "$ref" in schema:
        return _drawn(parts[schema["$ref"].rsplit("/", 1)[1]], parts, random, name, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random.choice(schema["enum"])
    if "anyOf" in schema or "oneOf" in schema:
        branches = schema.get("anyOf") or schema["oneOf"]
        return _drawn(random.choice(branches), parts, random, name, depth)
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, parts, random, depth)
    if kind == "array":
        low, high = schema.get("minItems", 0), schema.get("maxItems", 3)
        count = random.randint(low, max(low, min(high, low + 2 if depth < 4 else low)))
        return [_drawn(schema["items"], parts, random, name, depth + 1) for _ in range(count)]
    if kind in ("number", "integer"):
        return _number(schema, random)
    if kind == "string":
        return _text(schema, random, name)
    return {"boolean": random.random() < 0.5, "null": None}.get(str(kind), "x")


def _object(
    schema: Mapping[str, Any], parts: Mapping[str, Any], random: Random, depth: int
) -> dict[str, Any]:
    required = schema.get("required", [])
    drawn = {
        name: _drawn(field, parts, random, name, depth + 1)
        for name, field in schema.get("properties", {}).items()
        if name in required or name == "kind" or (name != "schema_version" and random.random() < 0.6)
    }
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        drawn |= {
            key: _drawn(extra, parts, random, key, depth + 1)
            for key in random.sample(("a", "b"), random.randint(0, 2))
        }
    return drawn


def _number(schema: Mapping[str, Any], random: Random) -> float | int:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = min(schema.get("maximum", 1_000), schema.get("exclusiveMaximum", 1_000), low + 1_000)
    drawn = random.uniform(low, high)
    if schema["type"] == "integer":
        return round(drawn)
    return drawn if random.random() < 0.5 else round(drawn, 2)


def _text(schema: Mapping[str, Any], random: Random, name: str) -> str:
    if name == "event_time":
        return random.choice(PAST_TIMES)
    if schema.get("format") == "date-time" or name.endswith("_at") or name == "until":
        return random.choice(TIMES)
    words = WORDS.get(name)
    return random.choice(words or TEXTS)
