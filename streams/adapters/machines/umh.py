"""United Manufacturing Hub: records of umh.messages, and of Classic's topics, to readings and events. Pure.

Core sends one value a record: the key is the tag, `umh.v1.<location>.<_contract>[.<path>].<name>`, the body
`{"timestamp_ms": 1733904005123, "value": 42}`. Classic sends work orders, products, states and shifts under
`_analytics`; they are read by umh_classic.py, whichever of the two transports them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from schemas import BadRecord, ReasonCode
from schemas.base import EARLIEST_TIME, LATEST_TIME
from schemas.json_text import DEFAULT_LIMITS, read_json, refuse_unparsed
from streams.adapters.machines.readings import Reading

PREFIX: Final = "umh.v1."
TOPIC: Final = "umh.messages"
ANALYTICS: Final = "_analytics"


@dataclass(frozen=True, slots=True)
class UmhAddress:
    """Where a record comes from and what it is.

    Attributes:
        location: levels from the enterprise down.
        contract: `_historian`, `_analytics`, `_raw`, `_pump_v1`, ...
        name: what is behind the contract, levels joined by "."; "" where there is nothing.
    """

    location: tuple[str, ...]
    contract: str
    name: str


def parse_key(key: str) -> UmhAddress:
    """The address in a record's key.

    Raises:
        BadRecord: it is no name of the unified namespace.
    """
    tag = key.replace("/", ".")
    levels = tag.split(".")
    if tag.startswith(PREFIX) and all(levels):
        for index, level in enumerate(levels[2:], start=2):
            if level.startswith("_") and index > 2:
                return UmhAddress(tuple(levels[2:index]), level, ".".join(levels[index + 1 :]))
    raise BadRecord(ReasonCode.SCHEMA, f"{key[:200]!r} is no umh.v1.<location>.<_contract>.<name>", "key")


def read_body(data: bytes) -> dict[str, Any]:
    """The object in a record's body.

    Raises:
        BadRecord: it is none.
    """
    value = refuse_unparsed(data, DEFAULT_LIMITS) or read_json(data)
    if isinstance(value, BadRecord):
        raise value
    if not isinstance(value, dict):
        raise BadRecord(ReasonCode.SCHEMA, "a body is a JSON object")
    return value


def reading_of(key: str, body: dict[str, Any]) -> Reading | None:
    """The value of a time-series record; None where its value is null.

    Raises:
        BadRecord: it has no time or no value that can be one.
    """
    if "value" not in body:
        raise BadRecord(ReasonCode.SCHEMA, "a time-series record has timestamp_ms and value", "value")
    value = body["value"]
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise BadRecord(ReasonCode.SCHEMA, "a value is a number, a boolean or text", "value")
    return Reading(key.replace("/", "."), value, moment_of(body, "timestamp_ms"))


def moment_of(body: dict[str, Any], field: str) -> datetime:
    """The moment in a field of milliseconds since 1970.

    Raises:
        BadRecord: there is none, or one outside 2000..2100: seconds where milliseconds belong are noticed.
    """
    value = body.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRecord(ReasonCode.TIME, f"{field} is milliseconds since 1970, as a number", field)
    try:
        at = datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        at = LATEST_TIME
    if not EARLIEST_TIME <= at < LATEST_TIME:
        raise BadRecord(ReasonCode.TIME, f"{value} ms since 1970 is outside 2000..2100", field)
    return at
