"""The Faust app of a twin worker: reads the facts log and hands each record to its shard.

Faust is the consumer and nothing else: it balances partitions between workers and hands over records. No Faust table,
no Faust producer, no Faust web server. Where reading begins is the manifest's word, never the group's offset.
"""

import asyncio
import gc
import time
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import aiokafka
import aiokafka.codec
import faust
import structlog
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.app import BootStrategy
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers import aiokafka as faust_aiokafka
from faust.types import TP
from mode import CrashingSupervisor

from streams.batch import FactsRecord
from streams.faust_security import faust_credentials
from streams.fold import FoldKind
from streams.group_membership import FencedInstanceId, Places, is_name_taken, next_step
from streams.kafka_refusals import RIGHTS
from streams.settings import Settings
from streams.shard import Shard
from streams.shard_keeper import ShardKeeper, ShardMetrics
from streams.shard_names import group_id, shard_topics, transactional_id
from streams.tracing import OFF, Tracing

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


REFUSED_WAIT_S = 1.0
"""Between two tries of a read that Kafka refuses. Too small: a busy loop; too large: late recovery."""

REFUSAL_LASTS_S = 5.0
"""So long without another refusal, and we are let in again. Must be above REFUSED_WAIT_S and a fetch."""

GROUP_WAIT_S = 5.0
"""How long the reading thread may take to say whether the group takes us. Too small: a busy one is not asked; too
large: what else is looked at each second is old."""

GIVE_WAY_S = 15.0
"""So long a worker that ends for a rival does not ask for its place again. Must be above the time after which a stop that
failed is forced."""

SEEK_WAIT_S = 0.05
"""Between two looks whether the start of a partition is set."""


class _ReaderThread(faust_aiokafka.AIOKafkaConsumerThread):
    """Reads without delay, and commits group offsets for lag monitors only: one that fails is no reason to stop."""

    def _create_worker_consumer(self, transport: faust_aiokafka.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # Faust has 1,500 built in
        return consumer

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's
        """The next records; none while a rebalance has given us a partition whose start we have not set yet.

        A fetch can pass the seek to the manifest's offset. Where the group never committed, the client then knows no
        position: no reason to stop, for the seek is on its way. A position that is out of range is another error.
        Where Kafka will not let us read, we ask again until it does.
        """
        try:
            return await super().getmany(active_partitions, timeout)
        except NoOffsetForPartitionError:
            await asyncio.sleep(SEEK_WAIT_S)
            return {}
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            app = self.app
            assert isinstance(app, TwinApp)
            app.refused_by(error)
            await asyncio.sleep(REFUSED_WAIT_S)
            return {}
        except KafkaError as error:
            if is_name_taken(error):
                app = self.app
                assert isinstance(app, TwinApp)
                app.shut_out_by(error)
            raise

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        mine = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        try:
            await consumer.commit({TopicPartition(*tp): OffsetAndMetadata(at, "") for tp, at in mine.items()})
        except KafkaError as error:
            log.warning("group_offsets_not_committed", error=repr(error))
            return False
        return True

    async def raise_trouble(self) -> None:
        """Raise what ended or stopped the client's talk with the group's coordinator, and let the talk go on.

        The client waits with it for the next read, and Faust reads nothing before it was assigned a partition.

        Raises:
            KafkaError: the group does not take us.
        """
        consumer = self._ensure_consumer()
        if consumer._coordinator is not None:
            consumer._coordinator.check_errors()
        client = consumer._client
        if client.cluster.unauthorized_topics:  # then the group gives no partition to read, and no read tells
            await (
                client.force_metadata_update()
            )  # or it would not be known for minutes that the right was given
            if client.cluster.unauthorized_topics:
                raise TopicAuthorizationFailedError(client.cluster.unauthorized_topics)

    @property
    def is_thrown_out(self) -> bool:
        """Whether the group has taken our member id back. Read from another thread: one reference."""
        coordinator = self._ensure_consumer()._coordinator
        return coordinator is not None and not coordinator.member_id

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

    async def raise_trouble(self) -> None:
        """Raise what keeps this worker out of its group, where the client has not been asked for it.

        Raises:
            KafkaError: the group does not take us.
        """
        thread = self._thread
        if isinstance(thread, _ReaderThread):
            await thread.call_thread(thread.raise_trouble)

    @property
    def is_thrown_out(self) -> bool:
        """Whether the group has said that it does not know this member."""
        thread = self._thread
        assert isinstance(thread, _ReaderThread)
        return thread.is_thrown_out

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
    facts_topic: str
    _refused: tuple[float, str] | None = None
    places: Places

    def refused_by(self, error: KafkaError) -> None:
        """Kafka does not let us read; said in the log when it begins."""
        why = f"{error}: {RIGHTS}"
        if self.refusal is None:
            log.error("kafka_refuses", error=why)
        self._refused = time.monotonic(), why

    @property
    def refusal(self) -> str | None:
        """Why Kafka did not let us read a moment ago, and what helps; None where it does."""
        if self._refused is None or time.monotonic() - self._refused[0] > REFUSAL_LASTS_S:
            return None
        return self._refused[1]

    async def give_way(self) -> None:
        """End, where a rival under our own name takes our place in the group again and again.

        Before the group is asked for a place again: whoever asks throws the other one out.
        """
        consumer = cast(_ManifestConsumer, self.consumer)
        is_static = self.conf.consumer_group_instance_id is not None
        if is_static and consumer.is_thrown_out and self.places.lose(time.monotonic()):
            error = FencedInstanceId()
            self.shut_out_by(error)
            await self.crash(error)
            await asyncio.sleep(GIVE_WAY_S)

    def shut_out_by(self, error: KafkaError) -> None:
        """The group will not have us; says in the log what helps."""
        name = self.conf.consumer_group_instance_id
        log.critical("group_refuses", group=self.conf.id, error=str(error), next=next_step(error, name))

    async def ask_group(self) -> None:
        """See whether the group takes this worker; where it never will, end.

        A right that is missing may be given, so that is told and asked again.
        """
        try:
            async with asyncio.timeout(GROUP_WAIT_S):
                await cast(_ManifestConsumer, self.consumer).raise_trouble()
        except (ConsumerNotStarted, TimeoutError):  # not there yet, or busy with something else
            return
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError) as error:
            self.refused_by(error)
        except KafkaError as error:
            self.shut_out_by(error)
            await self.crash(error)

    def end_of(self, partition: int) -> int | None:
        """Where the facts of a partition end, as its last fetch said; None while that is unknown."""
        try:
            return self.consumer.highwater(TP(self.facts_topic, partition))
        except (ConsumerNotStarted, KeyError, AssertionError):  # not fetched yet, or no longer ours
            return None

    async def on_first_start(self) -> None:
        """Make no data directory: there are no tables, and the file system may be read-only."""


def build_app(
    settings: Settings, kind: FoldKind, metrics: ShardMetrics | None = None, tracing: Tracing = OFF
) -> TwinApp:
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
    app.facts_topic = topics.facts
    app.places = Places()
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
        return Shard(
            partition,
            client,
            transactional_id(settings, partition),
            topics,
            kind,
            is_owner,
            checkpoints_kept=settings.checkpoints_kept,
            tracing=tracing,
        )

    app.shards = ShardKeeper(
        new_shard, settings.commit_interval_ms / 1000.0, metrics or ShardMetrics(), crash=app.crash
    )
    _connect(app, topics.facts, tracing)
    return app


def _connect(app: TwinApp, facts_topic: str, tracing: Tracing) -> None:
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
                traces=tracing.carried(message.headers) if tracing.is_on else (),
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
                    next=f"a bug of ours: report it with this log. To let the others pass, run `foresite quarantine "
                    f"{message.partition} {message.offset} --reason TEXT --actor NAME` with the settings of this "
                    "worker, and start it again",
                    exc_info=True,
                )
                raise

    async def release(*_: Any, **__: Any) -> None:
        await app.shards.release()
        await app.give_way()

    async def take_over(*_: Any, **__: Any) -> None:
        app.places.take()
        gc.disable()  # nothing that is being loaded is garbage, and looking for it again and again costs a sixth
        try:
            await app.shards.take_over(tp.partition for tp in app.consumer.assignment())
        finally:
            gc.enable()
        _spare_the_collector()

    app.on_partitions_revoked.connect(release)
    # Not on_partitions_assigned: that one holds up the group's coordinator for as long as its listeners run.
    app.on_rebalance_complete.connect(take_over)


def _spare_the_collector() -> None:
    """Take what has been loaded out of the garbage collector's rounds; they cost half the throughput otherwise.

    The shards of an earlier assignment are unfrozen and collected first; where there were none, nothing is garbage.
    """
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()
    gc.freeze()
