"""The route by which programs post events: bodies of several forms to events, and what became of each to an answer."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from starlette.responses import Response

from schemas import BadRecord
from schemas.json_text import Limits, read_json, refuse_unparsed
from streams.web import answers
from streams.web.access import API
from streams.web.event_desk import EventDesk
from streams.web.problems import FieldProblem, Problem, invalid
from streams.web.reading import Json

LINES: Final = "application/x-ndjson"
BODIES: Final = (
    "application/json",
    LINES,
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
"""Content types that are taken."""

POST_LIMITS: Final = Limits(record_bytes=8_000_000, keys=800_000)
"""Of a post as a whole: its bytes are bounded by a setting, each event in it by the limits of a record. Too small: large
posts of good events are refused; too large: memory while one is read."""


def add_events(app: FastAPI, desk: EventDesk) -> None:
    """Add the route for events."""
    example = {"application/json": {"schema": {"$ref": "#/components/schemas/PostedEvents"}}}
    others: dict[str, Any] = {name: {"schema": {"type": "string"}} for name in BODIES[1:]}

    @app.post(
        f"{API}/events",
        tags=["events"],
        responses={200: {"model": answers.EventsTaken}},
        openapi_extra={"requestBody": {"required": True, "content": {**example, **others}}},
    )
    async def post_events(request: Request) -> Response:
        """Post events: one, an array, or one a line (NDJSON); also structured CloudEvents. 200: Kafka has every one.

        422 `some_refused`: `records` says which cannot be as they are and why; the others are delivered. 503
        `not_delivered`: `records` says which Kafka has not confirmed. Post the same again: what is delivered is not sent
        again.
        """
        desk.require_open()
        return _answer(await desk.take(await _bodies(request), request.state.principal))


def _answer(records: Sequence[answers.EventAnswer]) -> Response:
    counts: dict[str, int] = {"received": len(records), **Counter(each.status for each in records)}
    listed = [each.model_dump(exclude_none=True) for each in records]
    if counts.get("not_delivered") or counts.get("not_sent"):
        raise Problem(
            503,
            "not_delivered",
            "Kafka did not confirm some events",
            f"{_said(counts)}. Post the same again: what is delivered counts once",
            headers={"Retry-After": "2"},
            counts=counts,
            records=listed,
        )
    if counts.get("refused"):
        first = next(each for each in records if each.status == "refused")
        raise Problem(
            422,
            "some_refused",
            "Some events cannot be as they are",
            f"{_said(counts)}. The first one refused is number {first.index}: {first.message}",
            counts=counts,
            records=listed,
        )
    return Json(
        {
            "received": len(records),
            "delivered": counts.get("delivered", 0),
            "repeated": counts.get("repeated", 0),
            "unknown_fields": sum(each.unknown_fields for each in records),
            "records": listed,
        }
    )


def _said(counts: dict[str, int]) -> str:
    words = [
        f"{count} {status.replace('_', ' ')}" for status, count in counts.items() if status != "received"
    ]
    return f"Of {counts['received']}: {', '.join(words)}"


async def _bodies(request: Request) -> list[bytes | BadRecord]:
    """The events of a post, each as the bytes of one JSON value."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in BODIES:
        raise Problem(
            415, "not_json", "Not JSON", f"send Content-Type: {BODIES[0]}, or {LINES} for one event a line"
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "encoded", "Compressed", "send the body as it is, without Content-Encoding")
    text = await request.body()
    if kind == LINES:
        bodies: list[bytes | BadRecord] = [line for line in text.splitlines() if line.strip()]
    else:
        bodies = _elements(text)
    if not bodies:
        raise invalid([FieldProblem(path="", message="there is no event in it")])
    return bodies


def _elements(text: bytes) -> list[bytes | BadRecord]:
    value = refuse_unparsed(text, POST_LIMITS) or read_json(text)
    if isinstance(value, BadRecord):
        raise invalid([FieldProblem(path=value.field_path, message=f"{value}; nothing was sent")])
    elements = value if isinstance(value, list) else [value]
    return [each if isinstance(each, BadRecord) else orjson.dumps(each) for each in elements]
