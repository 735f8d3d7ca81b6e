"""Which role dies where, in which order: everything that is random about the kills, from the seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from streams.faults import INGEST_POINTS, NOTIFY_POINTS, SOLVER_POINTS, TICK_POINTS, TWIN_POINTS

ANYWHERE: Final = "anywhere"
"""No fault point: killed from outside, at a random moment."""

AT_START: Final = frozenset({"during_take_over"})
"""Points that a role passes while it starts, and never again."""

POINTS: Final[dict[str, tuple[str, ...]]] = {
    "ingest": (*INGEST_POINTS, ANYWHERE),
    "twin": (*TWIN_POINTS, ANYWHERE),
    "solver": (*SOLVER_POINTS, ANYWHERE),
    "notify": (*NOTIFY_POINTS, ANYWHERE),
    "ticking": TICK_POINTS,
}
"""Role -> where it is killed; "ticking" is an ingest that writes the wall clock, in an installation of its own."""

COUNTS_MAX: Final[dict[str, int]] = {
    "ingest": 20,
    "twin": 12,
    "solver": 3,
    "notify": 3,
    "ticking": 2,
}
"""A point strikes the first to the so manyth time that it is passed. Larger: a round takes longer."""

COUNTS_MAX_AT: Final[dict[str, int]] = {
    "during_take_over": 2,
    "after_answered": 1,
    "after_requests_commit": 1,
}
"""The same for points that are passed seldom."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One death.

    Attributes:
        round_number: from 1.
        count: the how manyth pass of the point is the last.
        pause_s: from the recovery of the role before to this death, or to when its counting begins.
    """

    round_number: int
    role: str
    point: str
    count: int
    pause_s: float

    def __str__(self) -> str:
        return f"{self.role} {self.point}:{self.count} (round {self.round_number})"


def schedule(seed: int, rounds: int, roles: Sequence[str]) -> list[Kill]:
    """Each point of each of these roles once a round, shuffled."""
    chance = Random(f"{seed}/{'/'.join(roles)}")
    kills = []
    for number in range(1, rounds + 1):
        places = [(role, point) for role in roles for point in POINTS[role]]
        chance.shuffle(places)
        for role, point in places:
            count = chance.randint(1, COUNTS_MAX_AT.get(point, COUNTS_MAX[role]))
            kills.append(Kill(number, role, point, count, chance.uniform(0.0, 0.6)))
    return kills
