"""One record's bytes to one JSON value, guarded: size, depth and number of keys are judged before parsing.

Law: nothing here raises for bad input. What cannot be read comes back as a BadRecord, in linear time and bounded
memory. The fast parser decides; where it refuses, the standard library's parser finds out why, so that NaN, Infinity
and numbers too large to hold are named with their field, and an array keeps its good elements.
"""

import json
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import orjson

from schemas.errors import BadRecord, ReasonCode


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before parsing.

    Attributes:
        record_bytes: size of a record. Too small: arrays of gateways are refused; too large: one record holds up
            everything behind it, and it cannot travel on as facts.
        depth: nesting of arrays and objects; ours need six.
        keys: colons in a record, an upper bound of its keys; bounds the memory that parsing takes.
    """

    record_bytes: int = 1_000_000
    depth: int = 64
    keys: int = 100_000


DEFAULT_LIMITS = Limits()

_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
_INT_DIGITS_MAX = 20  # of _INT_MAX; Python takes time in the square of the digits to read an int


@dataclass(frozen=True, slots=True)
class _OutOfRange:
    """Stands where the text has a number that no field can mean."""

    token: str


parse = orjson.loads
"""Bytes to a JSON value; an int beyond 64 bits becomes a float. Raises ValueError."""


def is_plain(text: bytes) -> bool:
    """Whether every string in it is ASCII, so that normalisation has nothing to do."""
    return text.isascii() and b"\\u" not in text


def all_fit(values: Sequence[bytes], joined: bytes, limits: Limits) -> bool:
    """A quick look at many records: True if surely each is within the limits, False if each must be looked at.

    Args:
        values: the records.
        joined: all of them in one, for counting only: joined records are never parsed.
        limits: what is refused.
    """
    return (
        max(map(len, values)) <= limits.record_bytes
        and joined.count(b"{") + joined.count(b"[") <= len(values) - 1 + limits.depth
        and (len(joined) <= limits.keys or joined.count(b":") <= limits.keys)
    )


def refuse_unparsed(text: bytes, limits: Limits) -> BadRecord | None:
    """The verdict on a record that is not worth parsing; None if it is."""
    if len(text) > limits.record_bytes:
        return BadRecord(
            ReasonCode.SIZE,
            f"{len(text)} bytes, the limit is {limits.record_bytes}; the record was not parsed",
        )
    if text.count(b"{") + text.count(b"[") > limits.depth and nesting(text) > limits.depth:
        return BadRecord(ReasonCode.DEPTH, f"nested deeper than {limits.depth}; the record was not parsed")
    if text.count(b":") > limits.keys:
        return BadRecord(ReasonCode.SIZE, f"more than {limits.keys} keys; the record was not parsed")
    return None


_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def nesting(text: bytes) -> int:
    """How deep arrays and objects are nested; brackets inside strings do not count."""
    without_escapes = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = b"".join(without_escapes.split(b'"')[::2])
    brackets = outside_strings.translate(None, delete=_NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def read_json(text: bytes) -> Any:
    """The JSON value with all text in NFC, or the BadRecord that it is.

    A number that no field can hold, or half a surrogate pair, condemns an element of an array alone: its BadRecord
    stands in its place.
    """
    try:
        value = parse(text)
    except ValueError as error:
        return _read_slowly(text, str(error))
    return value if is_plain(text) else normalised(value)


def _read_slowly(text: bytes, complaint: str) -> Any:
    """What the standard library makes of a record that the fast parser refused."""
    if not text.strip(b" \t\r\n"):
        return BadRecord(ReasonCode.PARSE, "the record is empty")
    try:
        characters = text.decode("utf-8")
    except UnicodeDecodeError as error:
        return BadRecord(ReasonCode.PARSE, f"not UTF-8: {error.reason} at byte {error.start}")
    if characters.startswith("\ufeff"):
        return BadRecord(ReasonCode.PARSE, "begins with a byte order mark")
    try:
        value = json.loads(
            characters, parse_constant=_OutOfRange, parse_int=_read_int, parse_float=_read_float
        )
    except ValueError as error:
        return BadRecord(ReasonCode.PARSE, f"not JSON: {error}")
    if next(_flaws(value), None) is None:
        return BadRecord(ReasonCode.PARSE, f"not JSON: {complaint}")
    if isinstance(value, list):
        return [next(_flaws(element), None) or normalised(element) for element in value]
    return next(_flaws(value))


def _read_int(digits: str) -> int | float | _OutOfRange:
    """As the fast parser reads it, so that an element of an array fares the same whatever its neighbours are."""
    if len(digits) <= _INT_DIGITS_MAX:
        value = int(digits)
        if _INT_MIN <= value <= _INT_MAX:
            return value
    return _read_float(digits)


def _read_float(digits: str) -> float | _OutOfRange:
    value = float(digits)
    return value if math.isfinite(value) else _OutOfRange(digits)


def normalised(value: Any) -> Any:
    """The same value with all text, keys apart, in Unicode's composed form (NFC)."""
    if isinstance(value, str):
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {key: normalised(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normalised(item) for item in value]
    return value


def _flaws(value: Any, path: str = "") -> Iterator[BadRecord]:
    """Everything in a value that JSON or UTF-8 cannot hold, each with its path."""
    if isinstance(value, _OutOfRange):
        token = value.token if len(value.token) <= 40 else f"{value.token[:40]}..."
        yield BadRecord(ReasonCode.RANGE, f"{token} is no number that a field can hold", path)
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            yield BadRecord(ReasonCode.PARSE, "text with half a surrogate pair", path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _flaws(key, path)
            yield from _flaws(item, f"{path}.{clip(key)}".removeprefix("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flaws(item, f"{path}.{index}".removeprefix("."))


def clip(text: str, length: int = 80) -> str:
    """The text as printable characters, cut short: for messages, which are no place for payloads."""
    printable = ascii(text)[1:-1] if not text.isprintable() else text
    return printable if len(printable) <= length else f"{printable[:length]}..."
