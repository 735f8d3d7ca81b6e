"""Holds the shards that this worker has been assigned, and runs the commits of each beside the folding.

Law: between `take_over` and `release` a partition has exactly one shard here, and all its folding happens on the event
loop's thread. Everything that blocks (Kafka) happens in worker threads.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from schemas.errors import StateCorrupt
from streams.batch import Batch, FactsRecord
from streams.faults import fault_point
from streams.shard import Shard, ShardClosed

log = structlog.get_logger(__name__)

UNCOMMITTED_RECORDS_MAX = 256
"""Folding waits when a shard is so many facts records ahead of its last commit. Too small: a slow commit stops the
fold. Too large: an outage of the broker fills the memory (a record holds up to 500 events)."""

STALLED_S = 10.0
"""What was folded and waits for its commit so long makes the worker not ready. Too small: a broker that restarts shows;
too large: so long nobody is told that cards are late."""

RELEASE_TIMEOUT_S = 15.0
"""How long a shard may take for its last commit before it is let go as it is. Must be well below both the group's
rebalance timeout and the 30 s a container gets to stop."""

SHARDS_MAX = 64
"""Worker threads, one blocking call per shard: a worker is meant for tens of partitions, not hundreds."""


class ShardMetrics:
    """What the keeper tells about its shards; this one keeps it to itself."""

    def keeps(self, partition: int, uncommitted_s: Callable[[], float]) -> None:
        """A shard is at work; asked at any time, it says for how long its oldest uncommitted record has waited."""

    def folded(self, partition: int, seconds: float) -> None:
        """A facts record was folded, and that took so long."""

    def restored(self, partition: int, seconds: float) -> None:
        """A shard was fenced off, read and checked."""

    def assigned(self, partitions: int) -> None:
        """The group has given this worker so many partitions, by a rebalance."""

    def read(self, behind: int) -> None:
        """So many facts records of its partitions are still to be read."""

    def digest_mismatch(self, partition: int) -> None:
        """A state partition contradicts its manifest."""

    def committed(self, partition: int, seconds: float, batch: Batch) -> None:
        """A batch became visible, and writing it took so long."""

    def failed(self, partition: int) -> None:
        """A shard stopped the worker."""

    def loop_turned(self, late_s: float) -> None:
        """The event loop got to its turn, so much later than asked for."""


@dataclass(slots=True)
class _Kept:
    """A shard at work."""

    shard: Shard
    has_news: asyncio.Event = field(default_factory=asyncio.Event)
    has_room: asyncio.Event = field(default_factory=asyncio.Event)
    is_full: asyncio.Event = field(default_factory=asyncio.Event)
    is_released: bool = False
    has_folded: bool = False
    uncommitted_since: float | None = None
    commits: asyncio.Task[None] | None = None

    def uncommitted_s(self) -> float:
        """How long the oldest folded record has waited for its commit."""
        return 0.0 if self.uncommitted_since is None else time.monotonic() - self.uncommitted_since


class ShardKeeper:
    """The shards of one worker.

    Args:
        new_shard: makes the shard of a partition, not yet taken over.
        commit_interval_s: least time from the start of a shard's commit to the start of its next.
        metrics: told of restores and commits.
        crash: stops the worker; called with what a commit in the background died of.
    """

    def __init__(
        self,
        new_shard: Callable[[int], Shard],
        commit_interval_s: float,
        metrics: ShardMetrics,
        crash: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        self._new_shard = new_shard
        self._commit_interval_s = commit_interval_s
        self._metrics = metrics
        self._crash = crash
        self._kept: dict[int, _Kept] = {}
        self._arriving: dict[int, Shard] = {}
        self._change = asyncio.Lock()
        self._threads = ThreadPoolExecutor(SHARDS_MAX, thread_name_prefix="shard")

    def position(self, partition: int) -> int | None:
        """Offset of the next facts record this shard wants; None where it is not kept here."""
        kept = self._kept.get(partition)
        return None if kept is None else kept.shard.position

    def missing(self, partitions: Iterable[int]) -> str | None:
        """Why not all of these partitions are folded here; None where they are."""
        assigned = sorted(set(partitions))
        if not assigned:
            return "no partition of the facts is assigned to this worker"
        loading = [partition for partition in assigned if partition not in self._kept]
        if loading:
            return f"partitions {loading} are being loaded"
        for partition in assigned:
            kept = self._kept[partition]
            if (waiting_s := kept.uncommitted_s()) > STALLED_S:
                return f"partition {partition} could not commit for {waiting_s:.0f} s: {kept.shard.trouble}"
        return None

    async def take_over(self, partitions: Iterable[int]) -> None:
        """Become the owner of exactly these partitions: fence and load each, then start its commits.

        Returns early, keeping what was loaded, when `release` is called meanwhile.

        Raises:
            StateCorrupt, FactsGone, UsageError: a shard that must not be served.
        """
        async with self._change:
            mine = set(partitions)
            self._metrics.assigned(len(mine))
            wanted = sorted(mine - set(self._kept))
            log.info("shards_assigned", partitions=wanted)
            self._arriving = {partition: self._new_shard(partition) for partition in wanted}
            results = await asyncio.gather(
                *(self._take_over_one(shard) for shard in self._arriving.values()), return_exceptions=True
            )
            self._arriving = {}
        for error in results:
            if isinstance(error, BaseException) and not isinstance(error, ShardClosed):
                raise error

    async def _take_over_one(self, shard: Shard) -> None:
        began = time.monotonic()
        try:
            await self._in_thread(shard.take_over)
        except ShardClosed:
            raise
        except BaseException as error:
            if isinstance(error, StateCorrupt):
                self._metrics.digest_mismatch(shard.partition)
            log.critical("shard_not_taken_over", partition=shard.partition, error=str(error))
            shard.close()
            raise
        seconds = time.monotonic() - began
        self._metrics.restored(shard.partition, seconds)
        log.info(
            "shard_taken_over", partition=shard.partition, offset=shard.position, duration_s=round(seconds, 3)
        )
        kept = _Kept(shard)
        kept.commits = asyncio.create_task(self._commit_for_ever(kept), name=f"commits-{shard.partition}")
        self._kept[shard.partition] = kept
        self._metrics.keeps(shard.partition, kept.uncommitted_s)

    async def release(self) -> None:
        """Let all shards go, each after its last commit. Whoever owns them next finds everything folded here."""
        for shard in (*self._arriving.values(), *(kept.shard for kept in self._kept.values())):
            shard.hurry()
        async with self._change:  # a take-over under way ends first: it must not fence the next owner
            kept_now, self._kept = self._kept, {}
            for kept in kept_now.values():
                kept.is_released = True
                kept.has_news.set()
                kept.has_room.set()
            tasks = [kept.commits for kept in kept_now.values() if kept.commits is not None]
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=RELEASE_TIMEOUT_S)
                if late:
                    log.error("shards_released_uncommitted", shards=len(late))
            for kept in kept_now.values():
                kept.shard.close()
                kept.uncommitted_since = None

    async def close(self) -> None:
        """Release everything and end the threads."""
        await self.release()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fold(self, partition: int, record: FactsRecord) -> None:
        """Fold one facts record into its shard; waits while that shard is too far ahead of its commits.

        A partition not kept here is not an error: the record was read before a rebalance, and is read again by its
        next owner. It cannot be skipped by that, for a shard only takes the offset that follows.

        Raises:
            Exception: a bug of ours (see Shard.apply); the worker must stop.
        """
        kept = self._kept.get(partition)
        if kept is None:
            return
        began = time.monotonic()
        kept.shard.apply(record)
        self._metrics.folded(partition, time.monotonic() - began)
        if not kept.has_folded:
            kept.has_folded = True
            log.info("shard_folds", partition=partition, offset=record.offset)
        if kept.uncommitted_since is None:
            kept.uncommitted_since = began
        kept.has_news.set()
        while kept.shard.uncommitted_records >= UNCOMMITTED_RECORDS_MAX and not kept.is_released:
            kept.is_full.set()
            kept.has_room.clear()
            await kept.has_room.wait()

    async def _commit_for_ever(self, kept: _Kept) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not kept.is_released:
                await kept.has_news.wait()
                kept.has_news.clear()
                began = loop.time()
                await self._commit(kept)
                if not kept.is_released:
                    await self._pause(kept, self._commit_interval_s - (loop.time() - began))
            await self._commit(kept)  # what was folded before the release
        except ShardClosed as error:
            log.warning("shard_closed", partition=kept.shard.partition, error=str(error))
        except Exception as error:  # noqa: BLE001 - handed on: whatever it is stops the worker
            self._metrics.failed(kept.shard.partition)
            log.critical(
                "commit_failed",
                partition=kept.shard.partition,
                offset=kept.shard.committed_position,
                error_type=type(error).__name__,
                error=str(error),
            )
            self._kept.pop(kept.shard.partition, None)
            kept.is_released = True
            kept.has_room.set()
            await self._crash(error)

    @staticmethod
    async def _pause(kept: _Kept, seconds: float) -> None:
        """Let some more be folded before the next commit; a shard that waits for room is committed at once.

        A backlog would otherwise be folded UNCOMMITTED_RECORDS_MAX records an interval: a day of ticks in half a minute
        of waiting for nothing.
        """
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(kept.is_full.wait(), seconds)
        kept.is_full.clear()

    async def _commit(self, kept: _Kept) -> None:
        batch = kept.shard.swap()
        if batch is None:
            return
        fault_point("after_swap")
        began = time.monotonic()
        await self._in_thread(kept.shard.write, batch)  # steps 1 to 5
        for acknowledge in batch.acknowledge:  # 6 acknowledge
            acknowledge()
        fault_point("after_acknowledge")
        for span in batch.spans.values():
            span.end()
        # What was folded during this commit has waited since its begin at most.
        kept.uncommitted_since = began if kept.shard.uncommitted_records else None
        kept.has_room.set()
        self._metrics.committed(kept.shard.partition, time.monotonic() - began, batch)

    async def _in_thread(self, call: Callable[..., None], *args: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)
