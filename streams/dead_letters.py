"""Refused records as dead letters: the original bytes, where they came from, and what was wrong.

A letter always fits into a record: what is too long is cut, and its coordinates still name the original. Where several
elements of one array are refused, the first letter carries the record's bytes and the others none, or one bad array
would be multiplied by its own length.
"""

import base64
from typing import Any, Protocol

from schemas import BadRecord, DeadLetter

KEY_BYTES_MAX = 4_096
HEADER_BYTES_MAX = 16_384
"""Keys and headers are cut here. Too small: a trace context is lost. Too large: less room for the payload."""

ENVELOPE_BYTES = 64_000
"""Room for everything but the payload: key and headers in base64, message, path, coordinates."""


class RawRecord(Protocol):
    """A consumed record; confluent_kafka.Message is one, tests have their own."""

    def topic(self) -> str | None:
        """Full name."""
        ...

    def partition(self) -> int | None:
        """Of the topic."""
        ...

    def offset(self) -> int | None:
        """In the partition."""
        ...

    def key(self) -> Any:
        """Bytes, or None."""
        ...

    def value(self) -> Any:
        """Bytes; None is a tombstone."""
        ...

    def headers(self) -> Any:
        """Pairs of name and value, or None."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """Its type, and milliseconds since 1970."""
        ...

    def error(self) -> Any:
        """What kept the client from reading it, or None."""
        ...


def source_position(topic: str, partition: int, offset: int, index: int) -> str:
    """Key and id of a dead letter: the same record refused twice gives the same."""
    return f"{topic}/{partition}/{offset}/{index}"


def dead_letter(
    topic: str, record: RawRecord, index: int, bad: BadRecord, *, record_bytes: int, has_payload: bool
) -> DeadLetter:
    """The letter for one refusal.

    Args:
        topic: the record's topic, without prefix.
        record: as consumed.
        index: of the element in an array, else 0.
        bad: the refusal.
        record_bytes: how large a letter may be.
        has_payload: False where another letter of the same record carries the bytes.
    """
    partition, offset = record.partition(), record.offset()
    assert partition is not None
    assert offset is not None
    payload = _bytes(record.value())
    room = max(0, (record_bytes - ENVELOPE_BYTES) // 4 * 3) if has_payload else 0
    key = record.key()
    _, timestamp_ms = record.timestamp()
    return DeadLetter(
        output_id=source_position(topic, partition, offset, index),
        code=bad.code,
        message=str(bad),
        field_path=bad.field_path,
        source_topic=topic,
        source_partition=partition,
        source_offset=offset,
        index=index,
        source_timestamp_ms=timestamp_ms if timestamp_ms > 0 else None,
        key_base64=None if key is None else _base64(_bytes(key)[:KEY_BYTES_MAX]),
        payload_base64=_base64(payload[:room]),
        payload_truncated=len(payload) > room,
        payload_bytes=len(payload),
        headers=_headers(record),
    )


def _headers(record: RawRecord) -> list[tuple[str, str | None]]:
    """The headers, in order, as many as there is room for."""
    kept: list[tuple[str, str | None]] = []
    room = HEADER_BYTES_MAX
    for name, value in record.headers() or ():
        content = None if value is None else _bytes(value)
        room -= len(name) + len(content or b"")
        if room < 0:
            break
        kept.append((name, None if content is None else _base64(content)))
    return kept


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
