"""A twin worker in the simulator: the real keeper and the real shards, with a reader that does what Faust does.

As in `streams/twin_app.py`: release when partitions are revoked, take over when a rebalance is complete, begin each
partition where its shard is, hand records over one by one.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from streams.batch import FactsRecord, ShardTopics
from streams.fold import FoldKind
from streams.shard import Shard
from streams.shard_keeper import ShardKeeper, ShardMetrics
from tests.commit_simulator.actors import Process
from tests.commit_simulator.clients import SimulatedClients
from tests.commit_simulator.clients import World as ClientWorld
from tests.commit_simulator.group import HEARTBEAT_S, Group, News

COMMIT_INTERVAL_S = 0.1

FETCH_WAIT_S = 0.1
"""Between two looks for new records."""

READ_AHEAD = 8
"""Records that the reader holds before they are folded."""


class World(ClientWorld, Protocol):
    """What a worker knows of the world."""

    group: Group
    topics: ShardTopics
    kind: FoldKind
    new_shard: Callable[..., Shard]
    new_keeper: Callable[..., ShardKeeper]

    def end(self, process: Process, reason: str) -> None:
        """The process ends; somebody starts it again."""

    def acknowledged(self, process: Process, partition: int, offset: int) -> None:
        """A facts record was acknowledged."""

    def confirmed(self, process: Process, partition: int) -> None:
        """The group has confirmed that a partition is this process's."""


class Worker:
    """One process of the twin role."""

    def __init__(self, world: World, process: Process) -> None:
        self.world = world
        self.process = process
        self.keeper = world.new_keeper(self._new_shard, COMMIT_INTERVAL_S, ShardMetrics(), self._crash)
        self.is_stopping = False
        self._positions: dict[int, int] = {}
        self._buffer: list[tuple[int, FactsRecord]] = []
        self._is_flowing = asyncio.Event()
        self._is_assigned = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._news: asyncio.Queue[News] = asyncio.Queue()
        process.loop.call_soon(self._start)

    def _start(self) -> None:
        loop = self.process.loop
        self.member = self.world.group.join(self.process.name, self._tell)
        every = (self._listen, self._take_over_each_time, self._beat, self._read)
        self._tasks = [loop.create_task(each()) for each in every]

    def _tell(self, news: News) -> None:
        if not self.process.is_dead:
            self.process.loop.call_soon(self._news.put_nowait, news)

    def stop(self) -> None:
        """SIGTERM: commit what is folded, leave, end."""
        if not self.is_stopping and self._tasks:
            self.is_stopping = True
            self._tasks.append(self.process.loop.create_task(self._stop()))

    async def _stop(self) -> None:
        self._is_flowing.clear()
        await self.keeper.close()
        self.world.group.leave(self.member)
        self.world.end(self.process, "stopped")

    async def _crash(self, error: BaseException) -> None:
        self.world.end(self.process, f"{type(error).__name__}: {error}")

    async def _beat(self) -> None:
        while True:
            self.world.group.heartbeat(self.member)
            await asyncio.sleep(HEARTBEAT_S)

    # Rebalances ---------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while not self.is_stopping:
            news = await self._news.get()
            if news == "assigned":  # every partition waits until it is sought
                self._positions.clear()
                self._buffer.clear()
                self._is_assigned.set()
                continue
            self._is_flowing.clear()
            self._is_assigned.clear()
            self._buffer.clear()
            await self.keeper.release()
            if news == "revoke":
                self.world.group.gave_up(self.member)
            elif self.member.is_out:
                self.member = self.world.group.join(self.process.name, self._tell)

    async def _take_over_each_time(self) -> None:
        """In a task of its own, as Faust has it: a revocation may come while shards are being loaded."""
        while True:
            await self._is_assigned.wait()
            self._is_assigned.clear()
            generation = self.member.generation
            try:
                await self.keeper.take_over(list(self.member.partitions))
            except Exception as error:  # noqa: BLE001 - whatever it is ends the process
                await self._crash(error)
                return
            if self.member.generation == generation:
                at = {partition: self.keeper.position(partition) for partition in self.member.partitions}
                self._positions = {
                    partition: offset for partition, offset in at.items() if offset is not None
                }
                self._buffer.clear()
                self._is_flowing.set()

    def _new_shard(self, partition: int) -> Shard:
        return self.world.new_shard(
            partition,
            {},
            f"twin-{partition}",
            self.world.topics,
            self.world.kind,
            self._is_owner,
            SimulatedClients(self.world, self.process),
        )

    def _is_owner(self, partition: int, _offset: int) -> bool:
        self.world.interrupt(self.process, "before ownership")
        if self.world.chances(self.world.chances.fail):
            return False
        is_owner = self.world.group.is_owner(self.member, partition)
        if is_owner:
            self.world.confirmed(self.process, partition)
        else:
            self.world.failed("ownership denied")
        self.world.interrupt(self.process, "after ownership")  # it may be another's by the time it is used
        return is_owner

    # Reading ------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            await self._is_flowing.wait()
            if not self._buffer:
                self._fetch()
            if not self._buffer:
                await asyncio.sleep(FETCH_WAIT_S)
                continue
            where, record = self._buffer.pop(0)
            try:
                await self.keeper.fold(where, record)
            except Exception as error:  # noqa: BLE001 - whatever it is ends the process
                await self._crash(error)
                return
            await asyncio.sleep(0)

    def _fetch(self) -> None:
        for where, position in sorted(self._positions.items()):
            entries = self.world.broker.logs[self.world.topics.facts][where].entries
            for offset in range(position, min(len(entries), position + READ_AHEAD)):
                entry = entries[offset]
                acknowledge = partial(self.world.acknowledged, self.process, where, offset)
                record = FactsRecord(offset, entry.value or b"", entry.timestamp_ms, acknowledge)
                self._buffer.append((where, record))
                self._positions[where] = offset + 1
