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


def refusal(errors: Sequence[ErrorDetails]) -> BadRecord:
    """The one verdict on a body that pydantic complained about.

    Args:
        errors: its complaints, with locations inside the body.
    """
    refusals = [_refusal(error) for error in errors]
    # A body of another version may look wrong in every field: say that it is another version.
    return next((bad for bad in refusals if bad.code is ReasonCode.VERSION), refusals[0])


def _refusal(error: ErrorDetails) -> BadRecord:
    path = ".".join(map(str, error["loc"]))
    code, _, field = error["type"].partition(":")
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
    if kind_of_error == "int_type" and type(value) is float and value.is_integer() and abs(value) >= 2**63:
        return ReasonCode.RANGE  # a whole number, too large to be read as one
    return ReasonCode.SCHEMA


def refused_kind(body: Any) -> BadRecord:
    """Why a body is of no kind that its topic has."""
    if not isinstance(body, dict):
        return BadRecord(ReasonCode.SCHEMA, f"an event is a JSON object, this is {_json_name(body)}")
    if "kind" not in body:
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
    return f" (it is {clip(str(value)) if not isinstance(value, str) else repr(clip(value))})"
