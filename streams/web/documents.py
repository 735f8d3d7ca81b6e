"""The last word on each thing of one compacted topic, in memory: what changed since a position, and a limit.

Law: a document is kept as the bytes that stood on the topic; what is sent on is those bytes, never a second encoding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import BaseModel

GONE_KEPT: Final = 10_000
"""Removals of a shelf that are remembered for clients that come back. Too small: they must take everything anew. Too
large: memory, some 150 bytes each."""

LOOKED_AT: Final = 200
"""Oldest documents among which one that has ended is sought when something has to go. Too small: what is open goes
before what is over. Too large: each arrival beyond the limit is a long step."""


@dataclass(frozen=True, slots=True)
class Document:
    """A thing as it now stands.

    Attributes:
        key: of the record, its id in the API.
        revision: the document's own, or where it has none the offset, which grows just as well.
        body: JSON as published, on one line; b"null" once it is gone.
        model: the body, read; None where that would be large and the bytes do.
        partition, offset: where it stands.
        as_of: the plant's time of it.
        is_ended: needs nobody any more.
    """

    key: str
    site_id: str
    revision: int
    body: bytes
    model: BaseModel | None
    partition: int
    offset: int
    as_of: datetime | None = None
    is_ended: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether it was removed."""
        return self.body == b"null"


@dataclass(slots=True)
class Shelf:
    """Documents of one topic.

    Attributes:
        name: of its events on the stream.
        documents_max, bytes_max: limits; beyond, what has ended goes first, then what has not changed for longest.
        documents: by key.
        dropped: documents that went because of the limits; as long as it is 0, the shelf is complete.
        positions: partition -> offset behind the last record read.
    """

    name: str
    documents_max: int
    bytes_max: int
    documents: dict[str, Document] = field(default_factory=dict)
    dropped: int = 0
    size_bytes: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    _order: dict[int, dict[str, Document]] = field(default_factory=dict)
    _gone: dict[str, Document] = field(default_factory=dict)
    _gone_floor: dict[int, int] = field(default_factory=dict)

    def put(self, document: Document) -> None:
        """Take a document in the place of what stood under its key."""
        self._take_out(document.key)
        self._gone.pop(document.key, None)
        self.documents[document.key] = document
        self._order.setdefault(document.partition, {})[document.key] = document
        self.size_bytes += len(document.body)
        while len(self.documents) > self.documents_max or (
            self.size_bytes > self.bytes_max and len(self.documents) > 1
        ):
            self._take_out(self._least_needed())
            self.dropped += 1

    def remove(self, key: str, partition: int, offset: int) -> None:
        """Take a removal: the key is gone, and clients that come back are told."""
        before = self._take_out(key)
        site_id = "*" if before is None else before.site_id
        gone = Document(key, site_id, offset, b"null", None, partition, offset, is_ended=True)
        self._gone.pop(key, None)
        self._gone[key] = gone
        if len(self._gone) > GONE_KEPT:
            oldest = self._gone.pop(next(iter(self._gone)))
            self._gone_floor[oldest.partition] = oldest.offset + 1

    def changed_since(self, partition: int, offset: int) -> list[Document]:
        """Documents and removals of a partition at or behind an offset, oldest first.

        Raises:
            LookupError: that is longer ago than removals are remembered, or lies beyond what there is.
        """
        if offset < self._gone_floor.get(partition, 0) or offset > self.positions.get(partition, 0):
            raise LookupError(self.name)
        found = list(_behind(reversed(self._order.get(partition, {}).values()), offset))
        gone = reversed(self._gone.values())
        found += [each for each in gone if each.partition == partition and each.offset >= offset]
        return sorted(found, key=lambda each: each.offset)

    def matching(self, is_wanted: Callable[[Document], bool] = lambda _: True) -> list[Document]:
        """Documents for which it holds, in no order to be relied on."""
        return [document for document in self.documents.values() if is_wanted(document)]

    def _take_out(self, key: str) -> Document | None:
        document = self.documents.pop(key, None)
        if document is not None:
            del self._order[document.partition][key]
            self.size_bytes -= len(document.body)
        return document

    def _least_needed(self) -> str:
        oldest = [key for key, _ in zip(self.documents, range(LOOKED_AT), strict=False)]
        return next((key for key in oldest if self.documents[key].is_ended), oldest[0])


def _behind(newest_first: Iterator[Document], offset: int) -> Iterator[Document]:
    for document in newest_first:
        if document.offset < offset:
            return
        yield document
