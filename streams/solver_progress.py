"""How far each partition of the requests is answered: an offset is committed when all below it are done with."""


class SolverProgress:
    """Requests read and not done with, by partition."""

    def __init__(self) -> None:
        self._open: dict[int, dict[int, None]] = {}
        self._next: dict[int, int] = {}
        self._committed: dict[int, int] = {}

    def gain(self, partition: int) -> None:
        """A partition is ours from now on."""
        self._open[partition] = {}

    def lose(self, partition: int) -> None:
        """It is somebody else's."""
        for held in (self._open, self._next, self._committed):
            held.pop(partition, None)

    @property
    def partitions(self) -> list[int]:
        """What is ours, in order."""
        return sorted(self._open)

    def read(self, partition: int, offset: int) -> bool:
        """A request was read; False where its partition is no longer ours."""
        if partition not in self._open:
            return False
        self._open[partition][offset] = None
        self._next[partition] = offset + 1
        return True

    def done(self, partition: int, offset: int) -> None:
        """A request is answered, and the broker has the answer; or it needs none. One that went away is no matter."""
        self._open.get(partition, {}).pop(offset, None)

    def position(self, partition: int) -> int | None:
        """Next offset to read; None before the first."""
        return self._next.get(partition)

    def take_committable(self) -> dict[int, int]:
        """Next offset of each partition that may be committed and was not taken before."""
        taken = {}
        for partition, position in self._next.items():
            offset = min(self._open[partition], default=position)
            if offset > self._committed.get(partition, -1):
                taken[partition] = self._committed[partition] = offset
        return taken
