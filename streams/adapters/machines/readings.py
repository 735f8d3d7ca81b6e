"""One value of one tag of one machine: what every source of machine data comes down to before it is mapped."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

Value = str | int | float | bool


class Flow(Enum):
    """How a value came."""

    LIVE = "live"  # as it changed
    SNAPSHOT = "snapshot"  # how things stand, told again: a birth certificate
    HISTORICAL = "historical"  # stored at the edge while it was offline, sent later


@dataclass(frozen=True, slots=True)
class Reading:
    """A tag had a value at a moment.

    Attributes:
        tag: the full name, levels separated as its source does.
        value: never null: what has no value is no reading.
        at: when the machine had it.
        flow: how it came.
    """

    tag: str
    value: Value
    at: datetime
    flow: Flow = Flow.LIVE


@dataclass(frozen=True, slots=True)
class Connection:
    """What speaks for these tags is gone, or is there again.

    Attributes:
        prefix: tags that begin so, at a level's end.
        reason: in words, for the card.
    """

    prefix: str
    at: datetime
    is_up: bool
    reason: str
