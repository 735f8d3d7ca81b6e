"""What an explanation is made of: steps with the arithmetic as words, and each number of it apart.

Pure: texts are in the site's zone, numbers are exact; whoever shows a step rounds nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

MOMENT: Final = "moment"
"""Unit of a number that is a moment, POSIX seconds."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a step.

    Attributes:
        unit: h, pcs, pcs/h, days, moment, "" for a ratio, or a currency.
    """

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is about, how it is worked out, and what it rests on.

    Attributes:
        what: in words.
        formula: the arithmetic with its numbers, "" where there is none.
        numbers: what stands in the formula, unrounded; the last one is the result.
        entity: node of the live graph that it is about, None for none.
        events: ids of the events that it rests on.
        steps: what it is made of.
    """

    what: str
    formula: str = ""
    numbers: tuple[Number, ...] = ()
    entity: str | None = None
    events: tuple[str, ...] = ()
    steps: tuple["Step", ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why something stands as it does.

    Attributes:
        subject: node of the live graph, or the id of a card.
        headline: the answer in one line.
        as_of: the shard's clock, POSIX seconds.
        zone: of all texts.
    """

    subject: str
    headline: str
    as_of: float
    zone: str
    steps: tuple[Step, ...] = field(default_factory=tuple)


def hours(work_s: float) -> str:
    """Hours with two decimals: "57.26 h"."""
    text = f"{work_s / 3600.0:,.2f}"
    return f"{'0.00' if text == '-0.00' else text} h"


def pieces(count: float) -> str:
    """Whole pieces where they are whole: "26,340", "12.5"."""
    return f"{count:,.0f}" if abs(count - round(count)) < 0.05 else f"{count:,.1f}"


def exact_time(moment: float, zone: ZoneInfo) -> str:
    """Day and time, to the second where it is not a whole minute: "Tue 24 Nov 17:15:39"."""
    local = datetime.fromtimestamp(round(moment), zone)
    return f"{local:%a %-d %b %H:%M}" if local.second == 0 else f"{local:%a %-d %b %H:%M:%S}"


def hour_number(name: str, work_s: float) -> Number:
    """Working time as a number in hours."""
    return Number(name, work_s / 3600.0, "h")


def moment_number(name: str, moment: float) -> Number:
    """A moment as a number."""
    return Number(name, moment, MOMENT)
