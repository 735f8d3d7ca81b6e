"""Pydantic's complaints in our words: one BadRecord with reason code, dotted field path and a short message."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails

from schemas.errors import BadRecord, ReasonCode
from schemas.json_text import clip
from schemas.topics import TOPIC_OF_KIND

_RANGE_TYPES = frozenset(
    {
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "multiple_of",
        "finite_number",
        "int_parsing_size",
    }
)
_TIME_TYPES = frozenset({"time_text", "timezone_aware", "timezone_naive", "timezone_offset"})
_NUMBER_TYPES = frozenset({"float_type", "int_type"})


def refusal(errors: Sequence[ErrorDetails], body: Any) -> BadRecord:
    """The one verdict on a body that pydantic complained about.

    Args:
        errors: its complaints, with locations inside the body (no index of a list, no discriminator tag).
        body: what was validated.
    """
    refusals = [_refusal(error, body) for error in errors]
    # A body of another version may look wrong in every field: say that it is another version.
    return next((bad for bad in refusals if bad.code is ReasonCode.VERSION), refusals[0])


def _refusal(error: ErrorDetails, body: Any) -> BadRecord:
    kind_of_error, path = error["type"], ".".join(map(str, error["loc"]))
    if kind_of_error.startswith("union_tag") or path == "kind":
        return refused_kind(body)
    if kind_of_error == "model_attributes_type" and not path:
        return BadRecord(ReasonCode.SCHEMA, f"an event is a JSON object, this is {_json_name(body)}")
    code, _, field = kind_of_error.partition(":")
    if field and code in ("range", "time"):
        return BadRecord(ReasonCode(code), error["msg"], f"{path}.{field}" if path else field)
    return BadRecord(_code(error, path), f"{error['msg']}{_shown(error['input'])}", path)


def _code(error: ErrorDetails, path: str) -> ReasonCode:
    kind_of_error, value = error["type"], error["input"]
    if path == "schema_version":
        return ReasonCode.VERSION
    if kind_of_error in _TIME_TYPES or kind_of_error.startswith("datetime"):
        return ReasonCode.TIME
    if kind_of_error in _RANGE_TYPES:
        return (
            ReasonCode.TIME if isinstance(value, str) else ReasonCode.RANGE
        )  # text that had a bound is a time
    if kind_of_error in _NUMBER_TYPES and type(value) is int:
        return ReasonCode.RANGE  # an int that no float can hold
    return ReasonCode.SCHEMA


def refused_kind(body: Any) -> BadRecord:
    """Why a body's kind is none of its topic's."""
    if not isinstance(body, dict) or "kind" not in body:
        return BadRecord(ReasonCode.SCHEMA, "Field required", "kind")
    kind = body["kind"]
    if not isinstance(kind, str):
        return BadRecord(ReasonCode.SCHEMA, f"the kind is text, this is {_json_name(kind)}", "kind")
    topic = TOPIC_OF_KIND.get(kind)
    if topic is not None:
        return BadRecord(ReasonCode.SCHEMA, f"{kind} belongs on {topic}", "kind")
    return BadRecord(ReasonCode.VERSION, f"unknown kind '{clip(kind)}'", "kind")


def _json_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "text", list: "an array", dict: "an object"}
    return names.get(type(value), "a number")


def _shown(value: Any) -> str:
    """The offending value where it is short enough to help."""
    if isinstance(value, dict | list):
        return ""
    if isinstance(value, int) and value.bit_length() > 256:
        return " (it has hundreds of digits)"
    return f" (it is {clip(str(value)) if not isinstance(value, str) else repr(clip(value))})"
