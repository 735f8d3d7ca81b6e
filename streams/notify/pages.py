"""The documents that a worker has: one a card, by partition, what changed since it was noted, and what waits."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas import CardNotices, PendingNotice
from streams.notify.planning import ChannelKey

KEEP_ENDED = timedelta(days=30)
"""How long the document of a card that is over is kept. Too small: who asks what was told in spring finds nothing, and
a card that comes back later is told as new. Too large: the topic, and every start, carries what nobody asks for."""

NoticeChange = tuple[int, str, CardNotices | None]
"""Partition, card id, document; None takes it off the topic."""


class Place(NamedTuple):
    """One channel of one card."""

    card_id: str
    key: ChannelKey


class Page(NamedTuple):
    """A card's document, and the partition that it belongs to."""

    partition: int
    notices: CardNotices


class Pages:
    """Documents by card, in the order of their last change.

    Attributes:
        waiting: where something is pending.
        changed: cards whose document is not noted yet.
    """

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}
        self.waiting: dict[Place, None] = {}
        self.changed: dict[str, None] = {}

    def get(self, card_id: str) -> Page | None:
        """The document of a card."""
        return self._pages.get(card_id)

    def __getitem__(self, card_id: str) -> Page:
        return self._pages[card_id]

    def pending(self, place: Place) -> PendingNotice | None:
        """What is pending there."""
        page = self._pages.get(place.card_id)
        for channel in [] if page is None else page.notices.channels:
            if (channel.person_id, channel.sink) == place.key:
                return channel.pending
        return None

    def adopt(self, partition: int, documents: Iterable[CardNotices]) -> None:
        """Documents that are noted already."""
        for notices in documents:
            self._keep(partition, notices)

    def put(self, partition: int, notices: CardNotices) -> None:
        """A document that is to be noted."""
        self._keep(partition, notices)
        self.changed[notices.card_id] = None

    def release(self, partition: int) -> list[Place]:
        """Forget a partition; gives the places that were in it."""
        gone: list[Place] = []
        for card_id in [card_id for card_id, page in self._pages.items() if page.partition == partition]:
            page = self._pages.pop(card_id)
            self.changed.pop(card_id, None)
            gone += [Place(card_id, (each.person_id, each.sink)) for each in page.notices.channels]
        for place in gone:
            self.waiting.pop(place, None)
        return gone

    def take_changes(self, now: datetime) -> list[NoticeChange]:
        """What is to be noted since the last call: changed documents, and the end of those that are long over."""
        changed: list[NoticeChange] = []
        for card_id in self.changed:
            page = self._pages[card_id]
            changed.append((page.partition, card_id, page.notices))
        self.changed.clear()
        outdated: list[NoticeChange] = []
        for card_id, page in self._pages.items():
            if page.notices.as_of >= now - KEEP_ENDED:
                break  # they stand in the order of their last change
            if page.notices.is_over and page.notices.card is None:
                outdated.append((page.partition, card_id, None))
        for _, card_id, _ in outdated:
            del self._pages[card_id]
        return changed + outdated

    def _keep(self, partition: int, notices: CardNotices) -> None:
        self._pages.pop(notices.card_id, None)  # to the end
        self._pages[notices.card_id] = Page(partition, notices)
        for channel in notices.channels:
            place = Place(notices.card_id, (channel.person_id, channel.sink))
            if channel.pending is None:
                self.waiting.pop(place, None)
            else:
                self.waiting[place] = None
