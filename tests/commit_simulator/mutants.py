"""Shards and keepers with one mistake each: what the simulator must find, or it proves nothing.

Each mistake is one that somebody could make, and some were made in prototypes.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from streams.batch import Batch, FactsRecord
from streams.shard import Shard, _Uncommitted
from streams.shard_keeper import ShardKeeper, _Kept


class ClearsAfterTheCommit(Shard):
    """What was folded during a commit is thrown away with what the commit held."""

    def swap(self) -> Batch | None:
        held = self._uncommitted
        batch = super().swap()
        self._uncommitted = held
        return batch

    def write(self, batch: Batch) -> None:
        super().write(batch)
        self._uncommitted = _Uncommitted()


class FencesNobody(Shard):
    """Every owner has a transactional id of its own, as a producer by process would."""

    numbers = itertools.count()

    def _open_producer(self) -> None:
        shared, self._transactional_id = (
            self._transactional_id,
            f"{self._transactional_id}-{next(self.numbers)}",
        )
        super()._open_producer()
        self._transactional_id = shared


class LoadsBeforeItFences(Shard):
    """The old owner may commit between the reading of its state and its end."""

    def _fence_and_load(self) -> None:
        open_producer = self._open_producer
        self._open_producer = lambda: None  # type: ignore[method-assign]
        try:
            super()._fence_and_load()
        finally:
            self._open_producer = open_producer  # type: ignore[method-assign]
        open_producer()


class ReadsUncommitted(Shard):
    """State is read with what aborted transactions left."""

    def _fence_and_load(self) -> None:
        clients = self._clients

        class Uncommitted(type(clients)):  # type: ignore[misc]
            def reader(self, client: Mapping[str, object], _isolation: str) -> Any:
                return clients.reader(client, "read_uncommitted")

        self._clients = Uncommitted.__new__(Uncommitted)
        self._clients.__dict__.update(clients.__dict__)
        super()._fence_and_load()
        self._clients = clients


class TakesAFailureForALoss(Shard):
    """After a failed commit the batch is written again, without a look at the manifest."""

    def _settle(self, batch: Batch) -> None:
        if self._is_owner(self.partition, self.committed_position):
            self._open_producer()
            self._transact(batch)


class TakesAFailureForSuccess(Shard):
    """After a failed commit the batch is taken to be in."""

    def _settle(self, batch: Batch) -> None:
        if self._is_owner(self.partition, self.committed_position):
            self._open_producer()


class SettlesUnasked(Shard):
    """A zombie that wakes up fences its successor."""

    def _settle(self, batch: Batch) -> None:
        is_owner, self._is_owner = self._is_owner, lambda *_: True
        try:
            super()._settle(batch)
        finally:
            self._is_owner = is_owner


class FoldsAgainWhatItHas(Shard):
    """The group's offset is believed, not the manifest's."""

    def apply(self, record: FactsRecord) -> None:
        self.position = min(self.position, record.offset)
        super().apply(record)

    def take_over(self) -> None:
        super().take_over()
        self.position = max(0, self.position - 1)


class WritesTheManifestApart(Shard):
    """Documents in one transaction, manifest in the next."""

    def _transact(self, batch: Batch) -> None:
        stale = batch.manifest
        if self.committed_position:
            stale = replace(stale, facts_offset=self.committed_position)
        super()._transact(replace(batch, manifest=stale))
        super()._transact(replace(batch, outputs=[], documents={}))


class AcknowledgesBeforeTheCommit(ShardKeeper):
    """What is acknowledged and not committed is lost with its worker."""

    async def _commit(self, kept: _Kept) -> None:
        swap = kept.shard.swap

        def swap_and_acknowledge() -> Batch | None:
            batch = swap()
            for acknowledge in batch.acknowledge if batch else ():
                acknowledge()
            return batch

        kept.shard.swap = swap_and_acknowledge  # type: ignore[method-assign]
        await super()._commit(kept)
        kept.shard.swap = swap  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Mutant:
    """Code with one mistake."""

    name: str
    code: dict[str, Callable[..., object]]


SHARDS: tuple[type[Shard], ...] = (
    ClearsAfterTheCommit,
    FencesNobody,
    LoadsBeforeItFences,
    ReadsUncommitted,
    TakesAFailureForALoss,
    TakesAFailureForSuccess,
    SettlesUnasked,
    FoldsAgainWhatItHas,
    WritesTheManifestApart,
)

MUTANTS = (
    *(Mutant(shard.__name__, {"new_shard": shard}) for shard in SHARDS),
    Mutant("AcknowledgesBeforeTheCommit", {"new_keeper": AcknowledgesBeforeTheCommit}),
)
