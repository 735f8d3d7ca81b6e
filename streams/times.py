"""Moments as people write them on the command line."""

from datetime import datetime
from zoneinfo import ZoneInfo

from schemas import UsageError


def moment(text: str) -> datetime:
    """A moment with its zone.

    Raises:
        UsageError: no time, or a time without a zone.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time; write it as 2026-11-19T08:00:00+01:00") from None
    if read.tzinfo is None:
        raise UsageError(f"{text!r} has no zone; write it as {text}+01:00, or {text}Z for UTC")
    return read


def moment_in(text: str, zone: ZoneInfo) -> datetime:
    """A moment; without a zone of its own it is in this one.

    Raises:
        UsageError: no time.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time; write it as 2026-12-01T12:00") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=zone)
