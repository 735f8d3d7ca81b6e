"""Raw records of an input topic to events and refusals: the one way in.

Law: every body gets its own verdict, whatever its neighbours are. Bodies are parsed one by one, never joined (two
broken ones can join into two good ones), and validated in lists, because that is two times faster. Nothing here
raises for bad input, and a record is either refused whole (index 0) or judged body by body.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from schemas.base import Event, WireModel
from schemas.errors import BadRecord, ReasonCode
from schemas.json_text import (
    DEFAULT_LIMITS,
    Limits,
    all_fit,
    clip,
    is_plain,
    parse,
    read_json,
    refuse_unparsed,
)
from schemas.refusals import refusal, refused_kind
from schemas.topics import TOPICS

Verdict = Event | BadRecord


@dataclass(slots=True)
class Decoded:
    """What one record came to.

    Attributes:
        items: (index in the record, event or refusal), in order; empty for an empty array and for a tombstone.
        unknown_fields: fields of accepted events that no model knows, which were ignored.
        is_tombstone: a record without value on a compacted topic: it is no event.
    """

    items: list[tuple[int, Verdict]]
    unknown_fields: int = 0
    is_tombstone: bool = False


@dataclass(slots=True)
class _Envelope:
    """Where a body came from that was wrapped in a structured CloudEvent.

    Attributes:
        prefix: path of the body in the record.
        filled: field of the body -> attribute of the envelope that stands in for it.
    """

    prefix: str
    filled: dict[str, str] = field(default_factory=dict)

    def path(self, path: str) -> str:
        """A path inside the body, as the sender of the record sees it."""
        return self.filled.get(path) or (f"{self.prefix}.{path}" if path else self.prefix)


@dataclass(slots=True)
class _Body:
    """A body to validate, and where it came from."""

    record: int
    index: int
    value: Any
    envelope: _Envelope | None


def decode_batch(
    topic: str, values: Sequence[bytes | None], limits: Limits = DEFAULT_LIMITS
) -> list[Decoded]:
    """Decode records of one input topic: bare bodies, arrays of bodies, structured CloudEvents.

    Args:
        topic: name in the table, without prefix.
        values: the records' values; None is a tombstone.
        limits: what is refused before parsing.

    Returns:
        one Decoded for each value, in order.
    """
    bodies = _plain_bodies(values, limits)
    if bodies is None:
        return _decode_carefully(topic, values, limits)
    return [
        Decoded([(0, verdict)], 0 if isinstance(verdict, BadRecord) else _unknown_fields(verdict, body))
        for verdict, body in zip(_judge(topic, bodies), bodies, strict=True)
    ]


def _plain_bodies(values: Sequence[bytes | None], limits: Limits) -> list[Any] | None:
    """The parsed bodies where all records are what most records are: bare, small, ASCII, well-formed."""
    if not values or None in values:
        return None
    texts = cast("Sequence[bytes]", values)
    joined = b"".join(texts)
    if not (is_plain(joined) and b'"specversion"' not in joined and all_fit(texts, joined, limits)):
        return None
    try:
        bodies = [parse(text) for text in texts]
    except ValueError:
        return None
    return bodies if set(map(type, bodies)) == {dict} else None


def _decode_carefully(topic: str, values: Sequence[bytes | None], limits: Limits) -> list[Decoded]:
    decoded: list[Decoded] = []
    bodies: list[_Body] = []
    for record, value in enumerate(values):
        if value is None and TOPICS[topic].cleanup == "compact":
            decoded.append(Decoded([], is_tombstone=True))
            continue
        decoded.append(Decoded([]))
        parsed = _read(value or b"", limits)
        if isinstance(parsed, list):
            bodies.extend(_body(record, index, element, limits) for index, element in enumerate(parsed))
        else:
            bodies.append(_body(record, 0, parsed, limits))
    verdicts = _judge(topic, [body.value for body in bodies])
    for body, verdict in zip(bodies, verdicts, strict=True):
        if isinstance(verdict, BadRecord):
            if body.envelope is not None and verdict is not body.value:
                verdict.field_path = body.envelope.path(verdict.field_path)
        else:
            decoded[body.record].unknown_fields += _unknown_fields(verdict, body.value)
        decoded[body.record].items.append((body.index, verdict))
    return decoded


def _read(text: bytes, limits: Limits) -> Any:
    """The record's value: an object, a list, or the BadRecord that it is."""
    value = refuse_unparsed(text, limits) or read_json(text)
    if isinstance(value, dict | list | BadRecord):
        return value
    return BadRecord(ReasonCode.PARSE, "neither an object nor an array of objects")


def _body(record: int, index: int, value: Any, limits: Limits) -> _Body:
    """The body in one element of a record; its value is a BadRecord where there is none to validate."""
    if isinstance(value, dict) and "specversion" in value:
        return _Body(record, index, *_unwrapped(value, limits))
    return _Body(record, index, value, None)


_FILLS = {"event_id": "id", "event_time": "time", "source_id": "source"}


def _unwrapped(event: dict[str, Any], limits: Limits) -> tuple[Any, _Envelope | None]:
    """The body inside a structured CloudEvent; id, time and source stand in for what the body lacks."""
    version = event["specversion"]
    if not (isinstance(version, str) and re.fullmatch(r"1\.[0-9]{1,3}", version)):
        return BadRecord(
            ReasonCode.VERSION, f"CloudEvents 1.x is known, not {clip(str(version))}", "specversion"
        ), None
    name = "data" if "data" in event else "data_base64"
    body = event.get(name)
    if name == "data_base64" and name in event:
        body = _from_base64(body, limits)
    if isinstance(body, BadRecord):
        return body, None
    if not isinstance(body, dict):
        missing = name not in event
        message = "a CloudEvent without data" if missing else "the data of a CloudEvent is an object"
        return BadRecord(ReasonCode.SCHEMA, message, "data" if missing else name), None
    filled = {ours: theirs for ours, theirs in _FILLS.items() if ours not in body and theirs in event}
    if filled:
        body = body | {ours: event[theirs] for ours, theirs in filled.items()}
    return body, _Envelope(name, filled)


def _from_base64(encoded: Any, limits: Limits) -> Any:
    try:
        text = base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return BadRecord(ReasonCode.PARSE, "not base64", "data_base64")
    value = _read(text, limits)
    if isinstance(value, BadRecord):
        value.field_path = f"data_base64.{value.field_path}".rstrip(".")
    return value


def _judge(topic: str, bodies: Sequence[Any]) -> list[Verdict]:
    """An event or a refusal for each body; what is a BadRecord already stays one.

    Bodies of one kind are validated together: that is a third faster than the topic's union, which looks at each.
    """
    validators = _list_validators(topic)
    verdicts: list[Any] = [None] * len(bodies)
    places: dict[str, list[int]] = {kind: [] for kind in validators}
    for place, body in enumerate(bodies):
        kind = body.get("kind") if type(body) is dict else None
        if type(kind) is str and kind in validators:
            places[kind].append(place)
        else:
            verdicts[place] = body if isinstance(body, BadRecord) else refused_kind(body)
    for kind, theirs in places.items():
        if len(theirs) == len(bodies):
            return _validated(validators[kind], bodies)
        if theirs:
            events = _validated(validators[kind], [bodies[place] for place in theirs])
            for place, verdict in zip(theirs, events, strict=True):
                verdicts[place] = verdict
    return verdicts


@cache
def _list_validators(topic: str) -> dict[str, TypeAdapter[list[Any]]]:
    """Kind -> validator of a list of bodies of that kind."""
    validators: dict[str, TypeAdapter[list[Any]]] = {}
    for model in TOPICS[topic].types:
        bodies: Any = list[model]  # type: ignore[valid-type]  # a type made at run time
        validators[model.model_fields["kind"].default] = TypeAdapter(bodies)
    return validators


def _validated(validator: TypeAdapter[list[Any]], bodies: Sequence[Any]) -> list[Verdict]:
    """Nearly always all is well, and one look at the list is enough; else the culprits are taken out of it."""
    try:
        return validator.validate_python(bodies)
    except ValidationError as error:
        refusals = {place: refusal(complaints) for place, complaints in _by_position(error).items()}
    # Each was judged on its own, so those without a complaint pass.
    others = iter(
        validator.validate_python([body for place, body in enumerate(bodies) if place not in refusals])
    )
    return [refusals.get(place) or next(others) for place in range(len(bodies))]


def _by_position(error: ValidationError) -> dict[int, list[ErrorDetails]]:
    """Position in the list -> its complaints, their locations inside the body."""
    complaints: dict[int, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        position = cast("int", details["loc"][0])
        details["loc"] = details["loc"][1:]
        complaints.setdefault(position, []).append(details)
    return complaints


def _unknown_fields(event: WireModel, body: dict[str, Any]) -> int:
    """How many fields of a body, nested ones included, its model does not know."""
    known = event.__pydantic_fields_set__
    unknown = len(body) - len(known)
    for name in _nesting_fields(type(event)):
        if name not in known:
            continue
        value, raw = getattr(event, name), body[name]
        if isinstance(value, list):
            unknown += sum(map(_unknown_fields, value, raw))
        elif value is not None:
            unknown += _unknown_fields(value, raw)
    return unknown


@cache
def _nesting_fields(model: type[WireModel]) -> tuple[str, ...]:
    """Fields of a model that hold models of ours."""
    return tuple(name for name, info in model.model_fields.items() if _holds_model(info.annotation))


def _holds_model(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(map(_holds_model, get_args(annotation)))
