"""Sparkplug B messages as an edge node would send them, for tests: the payload is written by protobuf, not by our reader."""

from datetime import UTC, datetime
from typing import Any

from streams.adapters.machines.wire_format import messages

T0 = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def ms(minutes: float) -> int:
    """Milliseconds since 1970 of a moment so long after T0."""
    return int(T0.timestamp() * 1000 + minutes * 60_000)


def metric(
    name: str | None, value: Any, *, alias: int | None = None, at: float | None = None, **more: Any
) -> Any:
    """A metric; None as a value makes it null."""
    made = messages()["Metric"](**more)
    if name is not None:
        made.name = name
    if alias is not None:
        made.alias = alias
    if at is not None:
        made.timestamp = ms(at)
    if value is None:
        made.is_null = True
    elif isinstance(value, bool):
        made.datatype, made.boolean_value = 11, value
    elif isinstance(value, int):
        made.datatype, made.long_value = 4, value % 2**64
    elif isinstance(value, float):
        made.datatype, made.double_value = 10, value
    else:
        made.datatype, made.string_value = 12, value
    return made


def payload(at: float | None, seq: int | None, *metrics: Any) -> bytes:
    """The bytes of a payload."""
    made = messages()["Payload"](metrics=metrics)
    if at is not None:
        made.timestamp = ms(at)
    if seq is not None:
        made.seq = seq
    data: bytes = made.SerializeToString()
    return data


def topic(kind: str, device: str | None = None) -> str:
    """Of the edge node E1 in group Essen."""
    return f"spBv1.0/Essen/{kind}/E1" + (f"/{device}" if device else "")


def births(
    at: float, *, good: int = 0, scrap: int = 0, run: str = "R-1", number: int = 0
) -> list[tuple[str, bytes]]:
    """NBIRTH and DBIRTH of E1 and its device P1, with aliases 1..4."""
    return [
        (
            topic("NBIRTH"),
            payload(at, 0, metric("bdSeq", number), metric("Node Control/Rebirth", value=False)),
        ),
        (
            topic("DBIRTH", "P1"),
            payload(
                at,
                1,
                metric("Job/Id", run, alias=4, at=at),
                metric("Status/StateCurrent", 6, alias=1, at=at),
                metric("Count/Good", good, alias=2, at=at),
                metric("Count/Scrap", scrap, alias=3, at=at),
                metric("Steel/Used", 0.0, alias=5, at=at),
                metric("Motor/Temperature", 61.5, at=at),
            ),
        ),
    ]
