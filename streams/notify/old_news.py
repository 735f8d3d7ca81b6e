"""Which sites are told of the past: a twin that was away folds what happened meanwhile, and says it as it was then.

A card that came to its topic long after the moment it speaks of is old news. What is to be told of it waits until the
twin has caught up at that site, and until all that it said on the way is read: what ended on the way is told to nobody,
what still stands is told once. A site has caught up when twin.sites.v1 says so of a moment not before the last old card.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas import Card, SiteStatus

OLD_AFTER = timedelta(seconds=60)
"""From the moment that a card speaks of to its coming to the topic. Smaller: a busy broker holds letters back; larger: so
much of the past is told as news."""

HELD_MAX = timedelta(hours=1)
"""How long a site's letters wait at most, from its last old card on. Smaller: a long backlog is told piece by piece;
larger: where the twin stops on the way, nobody is told so long."""


@dataclass(slots=True)
class _Behind:
    """A site that is told of the past.

    Attributes:
        as_of: of the last old card; at: when it was read.
        ends: partition -> offset up to which the cards must be read, once the twin has caught up.
    """

    as_of: datetime
    at: datetime
    ends: Mapping[int, int] | None = None


class OldNews:
    """The sites that are told of the past."""

    def __init__(self) -> None:
        self._behind: dict[str, _Behind] = {}
        self._read: dict[int, int] = {}

    @property
    def sites(self) -> list[str]:
        """They, by id."""
        return sorted(self._behind)

    def holds(self, site_id: str) -> bool:
        """Whether what is to be told of a site waits."""
        return site_id in self._behind

    def note(self, card: Card, came_at: datetime, now: datetime) -> None:
        """A card was read; one that says what was long ago makes its site wait.

        Args:
            card: as published.
            came_at: when it came to the topic.
            now: the wall clock.
        """
        if came_at - card.as_of <= OLD_AFTER:
            return
        known = self._behind.get(card.site_id)
        as_of = card.as_of if known is None else max(known.as_of, card.as_of)
        self._behind[card.site_id] = _Behind(as_of, now)

    def status(self, status: SiteStatus, came_at: datetime) -> bool:
        """A site said how it stands; True where that ends its past, if all cards up to now are read."""
        known = self._behind.get(status.site_id)
        return (
            known is not None
            and known.ends is None
            and not status.is_catching_up
            and came_at - status.as_of <= OLD_AFTER
            and status.as_of >= known.as_of
        )

    def read_up_to(self, site_id: str, ends: Mapping[int, int]) -> None:
        """The twin has caught up at a site: what waits goes when the cards are read up to these offsets."""
        known = self._behind.get(site_id)
        if known is not None:
            known.ends = dict(ends)

    def read(self, partition: int, next_offset: int) -> None:
        """The cards of a partition were read so far."""
        self._read[partition] = max(next_offset, self._read.get(partition, 0))

    def release(self, partition: int) -> None:
        """A partition is somebody else's."""
        self._read.pop(partition, None)
        for known in self._behind.values():
            if known.ends is not None:
                known.ends = {each: end for each, end in known.ends.items() if each != partition}

    def settle(self, now: datetime) -> list[str]:
        """Sites whose past is over since the last call."""
        over = [site_id for site_id, known in sorted(self._behind.items()) if self._is_over(known, now)]
        for site_id in over:
            del self._behind[site_id]
        return over

    def _is_over(self, known: _Behind, now: datetime) -> bool:
        if now - known.at >= HELD_MAX:
            return True
        return known.ends is not None and all(
            self._read.get(partition, 0) >= end for partition, end in known.ends.items()
        )
