"""The twin's process: Faust reads the facts log, shards fold and commit it.

Faust is the consumer and nothing else: it balances partitions between workers and hands over records. No Faust table,
no Faust producer, no Faust web server. Where reading begins is the manifest's word, never the group's offset.
"""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, cast

import aiokafka
import aiokafka.codec
import faust
import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from confluent_kafka import KafkaException
from faust.app import BootStrategy
from faust.transport.drivers import aiokafka as faust_aiokafka
from faust.types import TP
from mode import CrashingSupervisor

from schemas.errors import UsageError
from schemas.topics import FACTS, STATE
from streams.admin import Health
from streams.batch import FactsRecord, ShardTopics
from streams.facts_log import partition_count
from streams.faust_security import faust_credentials
from streams.fold import FoldKind
from streams.partition_reader import reader
from streams.settings import Settings
from streams.shard import Shard
from streams.shard_keeper import ShardKeeper, ShardMetrics

log = structlog.get_logger(__name__)

STREAM_BUFFER_RECORDS = 64
"""Records Faust reads ahead of the fold. Too small: the fold waits for the network; too large: memory, and a longer
way to a rebalance. A record holds up to 500 events."""

FETCH_BYTES_MAX = 4 * 1024 * 1024
"""Of one partition per request. Too small: a round trip for every few records; too large: memory at catch-up."""

FETCH_WAIT_MS = 100
"""Longest wait of the broker for something to answer. Apache Kafka answers at the first byte; the embedded broker only
when this is over. Too small: a quiet plant costs requests; too large: the demo's picture is late."""

SESSION_TIMEOUT_S = 20.0
"""How long the group waits for a silent worker. Too small: a busy machine loses its partitions; too large: so long
nobody folds the partitions of a lost host."""

HEARTBEAT_S = 3.0

OWNERSHIP_WAIT_S = 10.0
"""How long the group may take to confirm a partition before we ask again."""

ALLOCATIONS_PER_COLLECTION = 50_000
"""Of the garbage collector's youngest generation. Too small: a facts record of 500 events, some thousand objects,
starts it several times over; too large: cycles pile up. Faust's imports alone make its default cost half the speed."""

STOP_TIMEOUT_S = 25.0
"""After this a stop is forced. Must be above the keeper's release timeout and below a container's 30 s."""

FAILED_STOP_TIMEOUT_S = 10.0
"""The same after a failure, where only other shards' last commits are worth waiting for."""


def group_id(settings: Settings) -> str:
    """Consumer group of all twin workers, and beginning of their shards' transactional ids."""
    return f"{settings.app_id}-twin"


def transactional_id(settings: Settings, partition: int) -> str:
    """What fences: whoever writes under it owns the shard."""
    return f"{group_id(settings)}-{partition}"


def shard_topics(settings: Settings) -> ShardTopics:
    """Full names of the shards' topics."""
    prefix = settings.topic_prefix
    return ShardTopics(facts=prefix + FACTS, state=prefix + STATE, prefix=prefix)


class _ReaderThread(faust_aiokafka.AIOKafkaConsumerThread):
    """Reads without delay, and commits group offsets for lag monitors only: one that fails is no reason to stop."""

    def _create_worker_consumer(self, transport: faust_aiokafka.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # Faust has 1,500 built in
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        mine = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        try:
            await consumer.commit({TopicPartition(*tp): OffsetAndMetadata(at, "") for tp, at in mine.items()})
        except KafkaError as error:
            log.warning("group_offsets_not_committed", error=repr(error))
            return False
        return True

    async def confirm(self, tp: TP, offset: int) -> bool:
        """Whether the group's coordinator, asked now, counts this worker as the partition's owner."""
        try:
            await self._ensure_consumer().commit({TopicPartition(*tp): OffsetAndMetadata(offset, "")})
        except KafkaError as error:
            log.warning("ownership_not_confirmed", partition=tp.partition, error=repr(error))
            return False
        return True


class _ManifestConsumer(faust_aiokafka.Consumer):
    """Begins every partition at the offset its shard asks for, whatever the group has committed."""

    def _new_consumer_thread(self) -> faust_aiokafka.AIOKafkaConsumerThread:
        return _ReaderThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Seek all partitions to where their shards are; Faust calls this before it lets records flow."""
        app = self.app
        assert isinstance(app, TwinApp)
        for tp in sorted(self.assignment()):
            position = app.shards.position(tp.partition)
            if position is None:  # the take-over was overtaken by another rebalance, which will resume it
                self.pause_partitions({tp})
                continue
            await self.seek_wait({tp: position})
            self._committed_offset[tp] = position or None

    async def is_owner(self, tp: TP, offset: int) -> bool:
        """Whether the group still counts this worker as the owner, shown by committing an offset in its name."""
        thread = self._thread
        assert isinstance(thread, _ReaderThread)
        return bool(await thread.call_thread(thread.confirm, tp, offset))


class _ManifestTransport(faust_aiokafka.Transport):
    Consumer: ClassVar[type[faust_aiokafka.Consumer]] = _ManifestConsumer


class _NoProducer(BootStrategy):
    """Faust sends nothing here, so it needs neither a connection nor a right to write."""

    enable_kafka_producer = False


class TwinApp(faust.App):
    """A Faust app that keeps shards."""

    BootStrategy = _NoProducer
    shards: ShardKeeper

    async def on_first_start(self) -> None:
        """Make no data directory: there are no tables, and the file system may be read-only."""


def build_app(settings: Settings, kind: FoldKind, metrics: ShardMetrics | None = None) -> TwinApp:
    """Everything one twin worker consists of, not yet started. To be called inside the running event loop."""
    topics, client = shard_topics(settings), settings.client_config()
    app = TwinApp(
        group_id(settings),
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        processing_guarantee="at_least_once",
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        stream_buffer_maxsize=STREAM_BUFFER_RECORDS,
        stream_wait_empty=False,  # the keeper's release drains, with a deadline
        consumer_group_instance_id=settings.consumer_group_instance_id,
        consumer_auto_offset_reset="none",  # a position out of range must stop us, never move us
        consumer_max_fetch_size=FETCH_BYTES_MAX,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_client_id=group_id(settings),
        broker_credentials=faust_credentials(client),
        autodiscover=False,
    )
    app.transport = _ManifestTransport(app.conf.broker_consumer, app)

    loop = asyncio.get_running_loop()

    def is_owner(partition: int, offset: int) -> bool:  # called in a shard's thread
        consumer = cast(_ManifestConsumer, app.consumer)
        asked = asyncio.run_coroutine_threadsafe(consumer.is_owner(TP(topics.facts, partition), offset), loop)
        try:
            return asked.result(OWNERSHIP_WAIT_S)
        except TimeoutError:
            asked.cancel()
            return False

    def new_shard(partition: int) -> Shard:
        return Shard(partition, client, transactional_id(settings, partition), topics, kind, is_owner)

    app.shards = ShardKeeper(
        new_shard, settings.commit_interval_ms / 1000.0, metrics or ShardMetrics(), crash=app.crash
    )
    _connect(app, topics.facts)
    return app


def _connect(app: TwinApp, facts_topic: str) -> None:
    """Tie the shards to what Faust reads and to how it rebalances."""

    @app.agent(
        app.topic(facts_topic, key_type=bytes, value_type=bytes),
        name="fold_facts",
        concurrency=1,
        supervisor_strategy=CrashingSupervisor,
    )
    async def fold_facts(stream: faust.StreamT[bytes]) -> None:
        async for event in cast("faust.Stream[bytes]", stream).noack().events():
            message = event.message
            record = FactsRecord(
                offset=message.offset,
                value=message.value or b"",
                timestamp_ms=round(message.timestamp * 1000),
                acknowledge=event.ack,
            )
            try:
                await app.shards.fold(message.partition, record)
            except Exception as error:
                log.critical(
                    "facts_not_folded",
                    topic=message.topic,
                    partition=message.partition,
                    offset=message.offset,
                    error_type=type(error).__name__,
                    error=str(error),
                    exc_info=True,
                )
                raise

    async def release(*_: Any, **__: Any) -> None:
        await app.shards.release()

    async def take_over(*_: Any, **__: Any) -> None:
        await app.shards.take_over(tp.partition for tp in app.consumer.assignment())
        _spare_the_collector()

    app.on_partitions_revoked.connect(release)
    # Not on_partitions_assigned: that one holds up the group's coordinator for as long as its listeners run.
    app.on_rebalance_complete.connect(take_over)


def _spare_the_collector() -> None:
    """Take what has been loaded out of the garbage collector's rounds; they cost half the throughput otherwise.

    Unfrozen first, so that the shards of an earlier assignment are collected.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def serve(
    settings: Settings,
    kind: FoldKind,
    stop: asyncio.Event,
    metrics: ShardMetrics | None = None,
    on_failure: Callable[[], object] = lambda: None,
    health: Health | None = None,
) -> None:
    """Run a twin worker until `stop` is set or it fails.

    Args:
        settings: where to connect and what to be called.
        kind: the fold.
        stop: set it to drain, commit and return.
        metrics: told of restores and commits.
        on_failure: called when it has failed and begins to clean up, which may hang where Kafka does.
        health: told that the loop turns, and whether the worker has what it needs.

    Raises:
        Exception: what it failed of. What was not committed is folded again by the next worker.
    """
    health = Health() if health is None else health
    _require_codecs()
    health.not_ready("kafka", "Kafka has not answered yet")
    if not await _topics_ready(settings, stop):
        return
    health.ready("kafka")
    app = build_app(settings, kind, metrics)
    beating = asyncio.create_task(_beat(app, health), name="twin-beat")
    starting = asyncio.create_task(app.start(), name="twin-start")
    stopping = asyncio.create_task(stop.wait(), name="twin-stop")
    ended = asyncio.create_task(app.wait_until_stopped(), name="twin-ended")
    try:
        await asyncio.wait({starting, stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
        log.info("twin_stopping", reason="asked to" if stop.is_set() else repr(app.crash_reason))
        if app.crash_reason is not None:
            on_failure()
    finally:
        await app.shards.close()  # commits what was folded
        await app.stop()
        for task in (starting, stopping, ended, beating):
            task.cancel()
        await asyncio.gather(starting, stopping, ended, beating, return_exceptions=True)
    if app.crash_reason is not None:
        raise app.crash_reason


async def _beat(app: TwinApp, health: Health) -> None:
    """Say each second that the loop turns, and whether all partitions given to this worker are folded."""
    health.started()
    while True:
        health.beat()
        missing = app.shards.missing(tp.partition for tp in app.consumer.assignment())
        if missing is None:
            health.ready("shards")
        else:
            health.not_ready("shards", missing)
        await asyncio.sleep(1.0)


def run(
    settings: Settings, kind: FoldKind, metrics: ShardMetrics | None = None, health: Health | None = None
) -> int:
    """Run a twin worker until SIGTERM or SIGINT, as the last thing this process does.

    The last commit is the truth, so whatever hangs after the end (a broker that is away, a client's thread) is cut
    off with exit code 1.

    Returns:
        The process's exit code: 0 after a signal, 1 after a failure.
    """

    async def main() -> int:
        stop = asyncio.Event()

        def on_signal() -> None:
            stop.set()
            _exit_after(STOP_TIMEOUT_S)

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, on_signal)
        try:
            await serve(settings, kind, stop, metrics, partial(_exit_after, FAILED_STOP_TIMEOUT_S), health)
        except Exception as error:  # noqa: BLE001 - the last line of defence: it turns into the exit code
            log.critical("twin_failed", error_type=type(error).__name__, error=str(error))
            _exit_after(FAILED_STOP_TIMEOUT_S)
            return 1
        return 0

    gc.set_threshold(ALLOCATIONS_PER_COLLECTION, 20, 100)
    return asyncio.run(main())


def _exit_after(seconds: float) -> None:
    """Make sure that this process ends; from a daemon thread, which outlives a stuck event loop."""
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()


def _require_codecs() -> None:
    """Fail now rather than at the first compressed batch, which would be met again at every restart.

    Raises:
        UsageError: a codec is missing.
    """
    codec = aiokafka.codec
    missing = [
        name
        for name, is_there in (
            ("lz4", codec.has_lz4()),
            ("zstd", codec.has_zstd()),
            ("snappy", codec.has_snappy()),
        )
        if not is_there
    ]
    if missing:
        raise UsageError(f"cannot decompress {', '.join(missing)}: install cramjam (`make env` does)")


async def _topics_ready(settings: Settings, stop: asyncio.Event) -> bool:
    """Wait for Kafka, then check the two topics. False when asked to stop meanwhile.

    Raises:
        UsageError: a topic is missing, or the two differ in partitions.
    """
    facts, state = shard_topics(settings).facts, shard_topics(settings).state
    while not stop.is_set():
        try:
            counts = await asyncio.to_thread(_partition_counts, settings.client_config(), facts, state)
        except KafkaException as error:
            log.warning("kafka_unreachable", error=str(error))
            continue
        if 0 in counts:
            raise UsageError(f"{facts} or {state} does not exist: run `foresite topics create`")
        if counts[0] != counts[1]:
            raise UsageError(
                f"{facts} has {counts[0]} partitions and {state} has {counts[1]}: they must be equal"
            )
        return True
    return False


def _partition_counts(client: Mapping[str, object], facts: str, state: str) -> tuple[int, int]:
    with reader(client, "read_committed") as consumer:
        return partition_count(consumer, facts), partition_count(consumer, state)
