"""How far ingest is in each input partition it owns: for ticks, metrics and readiness."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

UNKNOWN_LAG_S = 30.0
"""A partition from which nothing came for so long counts as late by that long. Before, the lag is not known: a clock
that ticks over unread history would raise alarms for silence. Too large: a lost leader stops the clock."""


@dataclass(slots=True)
class _Partition:
    owned_since: float
    position: int | None = None
    newest_ms: int | None = None
    is_at_end: bool = False


class InputProgress:
    """Positions in the partitions owned.

    Args:
        wall_clock: Unix time in seconds.
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._partitions: dict[tuple[str, int], _Partition] = {}

    @property
    def owned(self) -> list[tuple[str, int]]:
        """The partitions owned, in order."""
        return sorted(self._partitions)

    def owns(self, topic: str, partition: int) -> bool:
        """Whether the partition is owned."""
        return (topic, partition) in self._partitions

    def gain(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Begin with these partitions."""
        for where in partitions:
            self._partitions[where] = _Partition(owned_since=self._wall_clock())

    def lose(self, partitions: Iterable[tuple[str, int]]) -> None:
        """These belong to somebody else."""
        for where in partitions:
            self._partitions.pop(where, None)

    def read(self, where: tuple[str, int], next_offset: int, timestamp_ms: int) -> None:
        """Records up to here were consumed."""
        state = self._partitions[where]
        state.position = next_offset
        state.newest_ms = max(timestamp_ms, state.newest_ms or 0)
        state.is_at_end = False

    def reach_end(self, where: tuple[str, int]) -> None:
        """There is nothing more to read for now, whatever the offsets say: markers and compaction leave holes."""
        if where in self._partitions:
            self._partitions[where].is_at_end = True

    def backlog(self, end_of: Callable[[tuple[str, int]], int]) -> dict[str, int]:
        """Records that are not read yet, by topic.

        Args:
            end_of: offset behind a partition's last record; below zero where it is not known yet.
        """
        records: defaultdict[str, int] = defaultdict(int)
        for where, state in self._partitions.items():
            records[where[0]] += self._waiting(state, end_of(where))
        return dict(records)

    def lag_s(self, end_of: Callable[[tuple[str, int]], int]) -> float | None:
        """How old the newest record read is where more is waiting, 0 where nothing waits; None: not known yet."""
        now = self._wall_clock()
        lag_s = 0.0
        for where, state in self._partitions.items():
            end = end_of(where)
            if state.is_at_end or (end >= 0 and not self._waiting(state, end)):
                continue
            if state.newest_ms is not None:
                lag_s = max(lag_s, now - state.newest_ms / 1000.0)
            elif now - state.owned_since < UNKNOWN_LAG_S:
                return None
            else:
                lag_s = max(lag_s, now - state.owned_since)
        return lag_s

    @staticmethod
    def _waiting(state: _Partition, end: int) -> int:
        if state.is_at_end or end <= 0:
            return 0
        if state.position is None:
            return 1  # something; how much is known with the first record
        return max(0, end - state.position)
