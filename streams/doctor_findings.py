"""What a doctor says: one finding, how bad it is, what to do next."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DRIFT: Final = "drift to delivery"
SHORTAGE: Final = "shortage"
QUALITY: Final = "quality"
DOWN: Final = "line down"
DATA: Final = "data"
RISKS: Final = (DRIFT, SHORTAGE, QUALITY, DOWN)


class Level(StrEnum):
    """How a finding stands."""

    OK = "ok"
    PARTLY = "partly"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: its name, for machines.
        risk: the kind of risk that it is about, or DATA.
        level: MISSING: the kind cannot be seen at all without it.
        says: in words, with its numbers.
        then: what follows from that; next: what to do. Both empty where all is well.
        count, of: the share that it is about.
    """

    check: str
    risk: str
    level: Level
    says: str
    then: str = ""
    next: str = ""
    count: int | None = None
    of: int | None = None


def share(
    check: str, risk: str, count: int, of: int, says: str, then: str, next_step: str, *, needed: bool = False
) -> Finding:
    """A finding about a share of things: all of them is well, none is missing where it is needed.

    Args:
        check: as in Finding.
        risk: as in Finding.
        count: how many have it.
        of: how many there are.
        says: what they have; "{n}" and "{all}" stand for the numbers.
        then: what follows where it is not all.
        next_step: what to do then.
        needed: none at all makes the kind of risk blind.
    """
    level = Level.OK if count >= of > 0 else Level.MISSING if needed and count == 0 else Level.PARTLY
    words = says.replace("{n}", f"{count:,}").replace("{all}", f"{of:,}")
    if level is Level.OK:
        then = next_step = ""
    return Finding(check, risk, level, words, then, next_step, count, of)
