"""Repeats of a gateway: told by the source's own sequence, or by event id within a bounded window.

Both windows are documents, so a restored twin forgets nothing. An event older than the id window of its line and
without a sequence can no longer be told from a repeat: it is too late, rejected and counted.
"""

from bisect import bisect_right
from collections import deque
from enum import Enum

import msgspec

IDS_PER_CHUNK = 64
"""Event ids in one document: larger writes more bytes a commit, smaller makes more documents."""

CHUNKS_PER_LINE = 64
"""Chunks kept a line: 4,096 ids. Fewer make late events too late; more cost 150 bytes an id and line."""

RANGES_PER_SOURCE = 64
"""Ranges remembered a source and line: fewer take late numbers for repeats sooner, more cost bytes in each commit."""


class Verdict(Enum):
    """What the window says of an event."""

    NEW = "new"
    REPEAT = "repeat"
    TOO_LATE = "too_late"


class IdChunk(msgspec.Struct):
    """Some event ids of a line in order of arrival. Times are POSIX seconds.

    Attributes:
        youngest: youngest event time among them.
        floor: youngest event time among all ids given up when the chunk was begun; None: none was.
    """

    number: int
    ids: list[str]
    youngest: float
    floor: float | None = None

    def encode(self) -> bytes:
        """JSON of the chunk."""
        return msgspec.json.encode(self)


class IdWindow:
    """The last event ids of one line."""

    def __init__(self) -> None:
        self._chunks: deque[IdChunk] = deque()
        self._seen: set[str] = set()
        self._floor = float("-inf")  # youngest event time among ids given up

    def judge(self, event_id: str, event_time: float) -> Verdict:
        """Whether the event is new to the window."""
        if event_id in self._seen:
            return Verdict.REPEAT
        return Verdict.TOO_LATE if event_time <= self._floor else Verdict.NEW

    def add(self, event_id: str, event_time: float) -> tuple[IdChunk, IdChunk | None]:
        """Remember the id.

        Returns:
            The chunk that changed, and the chunk given up for it, if any.
        """
        given_up = None
        if not self._chunks or len(self._chunks[-1].ids) >= IDS_PER_CHUNK:
            number = self._chunks[-1].number + 1 if self._chunks else 0
            if len(self._chunks) >= CHUNKS_PER_LINE:
                given_up = self._chunks.popleft()
                self._seen.difference_update(given_up.ids)
                self._floor = max(self._floor, given_up.youngest)
            floor = None if self._floor == float("-inf") else self._floor
            self._chunks.append(IdChunk(number=number, ids=[], youngest=event_time, floor=floor))
        chunk = self._chunks[-1]
        chunk.ids.append(event_id)
        chunk.youngest = max(chunk.youngest, event_time)
        self._seen.add(event_id)
        return chunk, given_up

    def restore(self, chunks: list[IdChunk]) -> None:
        """Continue with chunks read back, in any order."""
        self._chunks = deque(sorted(chunks, key=lambda chunk: chunk.number))
        self._seen = {event_id for chunk in self._chunks for event_id in chunk.ids}
        floor = self._chunks[-1].floor if self._chunks else None
        self._floor = float("-inf") if floor is None else floor


class SequenceWindow(msgspec.Struct):
    """Numbers of one source seen on one line, as rising closed ranges [first, last].

    A source that numbers all its lines together leaves gaps on each; a late number within the kept ranges is new,
    one below the lowest range counts as a repeat. A source may start anywhere.

    Attributes:
        gap_since: event time of the message behind the youngest gap, POSIX seconds; None where nothing is missing.
    """

    ranges: list[list[int]]
    gap_since: float | None = None

    @property
    def missing(self) -> int:
        """Numbers of the youngest gap that have not come."""
        return self.ranges[-1][0] - self.ranges[-2][1] - 1 if len(self.ranges) > 1 else 0

    def judge(self, number: int) -> Verdict:
        """Whether the number is new."""
        ranges = self.ranges
        if not ranges or number > ranges[-1][1]:
            return Verdict.NEW
        if number < ranges[0][0]:
            return Verdict.REPEAT
        first, last = ranges[bisect_right(ranges, number, key=_first) - 1]
        return Verdict.REPEAT if first <= number <= last else Verdict.NEW

    def add(self, number: int, event_time: float) -> None:
        """Remember a new number, and since when one is missing before it."""
        ranges = self.ranges
        if ranges and number > ranges[-1][1] + 1:
            self.gap_since = event_time
        place = bisect_right(ranges, number, key=_first)
        if place and ranges[place - 1][1] == number - 1:
            ranges[place - 1][1] = number
            place -= 1
        else:
            ranges.insert(place, [number, number])
        if place + 1 < len(ranges) and ranges[place + 1][0] == number + 1:
            ranges[place][1] = ranges.pop(place + 1)[1]
        if len(ranges) > RANGES_PER_SOURCE:
            # The oldest gap is given up: what was missing there is taken for lost.
            ranges[0][1] = ranges.pop(1)[1]
        if len(ranges) == 1:
            self.gap_since = None

    def encode(self) -> bytes:
        """JSON of the window."""
        return msgspec.json.encode(self)


def _first(numbers: list[int]) -> int:
    return numbers[0]
