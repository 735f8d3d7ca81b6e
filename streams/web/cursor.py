"""Where a client of the stream is: a position in each partition of the topics that are streamed, as a short text.

It names places in the topics and nothing of this process, so it outlives a restart and serves another replica too.
"""

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from schemas import UsageError

LIFE_S: Final = 12 * 3600.0
"""Age at which a cursor is too old. Kafka keeps a removal for 24 h; behind that, a client would keep what is gone. Too
small: a laptop that slept takes everything anew."""

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"

Positions = Mapping[str, Mapping[int, int]]
"""Name of documents -> partition -> offset of the next record."""


class Cursor(NamedTuple):
    """A place in the stream, and when it was given out (POSIX seconds)."""

    made_at: float
    positions: dict[str, list[int]]


def encode(positions: Positions, made_at: float | None = None) -> str:
    """The text of a cursor: the time, then for each name the offsets of its partitions, in base 36."""
    parts = [_base36(int(time.time() if made_at is None else made_at))]
    for name, offsets in sorted(positions.items()):
        parts.append(f"{name}.{'.'.join(_base36(offsets[number]) for number in sorted(offsets))}")
    return "~".join(parts)


def decode(text: str) -> Cursor:
    """Read a cursor.

    Raises:
        UsageError: it is none.
    """
    try:
        made_at, *parts = text.split("~")
        if not parts:
            raise ValueError(text)
        positions = {}
        for part in parts:
            name, first, *more = part.split(".")
            positions[name] = [_number(offset) for offset in (first, *more)]
        return Cursor(float(_number(made_at)), positions)
    except ValueError:
        raise UsageError("this is no cursor; take one from /api/v1/snapshot") from None


def _number(text: str) -> int:
    if not 0 < len(text) <= 13 or not text.isascii() or not text.isalnum():
        raise ValueError(text)
    return int(text, 36)


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if number == 0:
            return digits
