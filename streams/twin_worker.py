"""The twin's process: waits for Kafka, runs the app, drains it on a signal, and ends with the right exit code."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import aiokafka
import aiokafka.codec
import structlog
from confluent_kafka import KafkaError, KafkaException
from faust.exceptions import ConsumerNotStarted

from schemas.errors import UsageError
from streams.admin import Health
from streams.facts_log import partition_count
from streams.fold import FoldKind
from streams.kafka_refusals import REASON as REFUSED
from streams.kafka_refusals import LastTrouble, explained
from streams.partition_reader import reader
from streams.settings import Settings
from streams.shard_keeper import ShardMetrics
from streams.shard_names import shard_topics
from streams.tracing import OFF, Tracing
from streams.twin_app import TwinApp, build_app

log = structlog.get_logger(__name__)

__all__ = ["run", "serve", "shard_topics"]

ALLOCATIONS_PER_COLLECTION = 50_000
"""Of the garbage collector's youngest generation. Too small: a facts record of 500 events, some thousand objects,
starts it several times over; too large: cycles pile up. Faust's imports alone make its default cost half the speed."""

STOP_TIMEOUT_S = 25.0
"""After this a stop is forced. Must be above the keeper's release timeout and below a container's 30 s."""

FAILED_STOP_TIMEOUT_S = 10.0
"""The same after a failure, where only other shards' last commits are worth waiting for."""


BEAT_S = 1.0
"""Between two signs of life."""


async def serve(
    settings: Settings,
    kind: FoldKind,
    stop: asyncio.Event,
    metrics: ShardMetrics | None = None,
    on_failure: Callable[[], object] = lambda: None,
    health: Health | None = None,
    tracing: Tracing = OFF,
) -> None:
    """Run a twin worker until `stop` is set or it fails.

    Args:
        settings: where to connect and what to be called.
        kind: the fold.
        stop: set it to drain, commit and return.
        metrics: told of restores and commits.
        on_failure: called when it has failed and begins to clean up, which may hang where Kafka does.
        health: told that the loop turns, and whether the worker has what it needs.
        tracing: that carries traces from facts to outputs.

    Raises:
        Exception: what it failed of. What was not committed is folded again by the next worker.
    """
    health = Health() if health is None else health
    _require_codecs()
    metrics = ShardMetrics() if metrics is None else metrics
    beating = asyncio.create_task(_beat(health, metrics), name="twin-beat")
    try:
        health.not_ready("kafka", "Kafka has not answered yet")
        if not await _topics_ready(settings, stop, health):
            return
        health.ready("kafka")
        await _serve(build_app(settings, kind, metrics, tracing), stop, on_failure, health, metrics)
    finally:
        beating.cancel()


async def _serve(
    app: TwinApp,
    stop: asyncio.Event,
    on_failure: Callable[[], object],
    health: Health,
    metrics: ShardMetrics,
) -> None:
    watching = asyncio.create_task(_watch_shards(app, health, metrics), name="twin-watch")
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
        tasks = (starting, stopping, ended, watching)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if app.crash_reason is not None:
        raise app.crash_reason


async def _beat(health: Health, metrics: ShardMetrics) -> None:
    """Say each second that the loop turns, also while Kafka is away, and how late it does."""
    clock = asyncio.get_running_loop().time
    while True:
        health.beat()
        due = clock() + BEAT_S
        await asyncio.sleep(BEAT_S)
        metrics.loop_turned(max(0.0, clock() - due))


async def _watch_shards(app: TwinApp, health: Health, metrics: ShardMetrics) -> None:
    """Say each second whether all partitions given to this worker are folded, and how many records wait."""
    health.started()
    while True:
        await app.ask_group()
        if app.refusal is None:
            health.ready(REFUSED)
        else:
            health.not_ready(REFUSED, app.refusal)
        assigned = _assigned(app)
        metrics.read(_behind(app, assigned))
        missing = app.shards.missing(assigned)
        if missing is None:
            health.ready("shards")
        else:
            health.not_ready("shards", missing)
        await asyncio.sleep(1.0)


def _assigned(app: TwinApp) -> list[int]:
    """Partitions that the group has given to this worker; none while its consumer is still starting."""
    try:
        return sorted(tp.partition for tp in app.consumer.assignment())
    except ConsumerNotStarted:
        return []


def _behind(app: TwinApp, partitions: Iterable[int]) -> int:
    """Facts records of these partitions that are not folded yet, as far as the consumer knows the ends."""
    behind = 0
    for partition in partitions:
        position, end = app.shards.position(partition), app.end_of(partition)
        if position is not None and end is not None:
            behind += max(0, end - position)
    return behind


def run(
    settings: Settings,
    kind: FoldKind,
    metrics: ShardMetrics | None = None,
    health: Health | None = None,
    tracing: Tracing = OFF,
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
            failing = partial(_exit_after, FAILED_STOP_TIMEOUT_S)
            await serve(settings, kind, stop, metrics, failing, health, tracing)
        except Exception as error:  # noqa: BLE001 - the last line of defence: it turns into the exit code
            log.critical("twin_failed", error_type=type(error).__name__, error=str(error))
            _exit_after(FAILED_STOP_TIMEOUT_S)
            return 1
        return 0

    log.info("twin_starting")
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


async def _topics_ready(settings: Settings, stop: asyncio.Event, health: Health) -> bool:
    """Wait for Kafka, then check the two topics. False when asked to stop meanwhile.

    Raises:
        UsageError: a topic is missing, or the two differ in partitions.
    """
    facts, state = shard_topics(settings).facts, shard_topics(settings).state
    while not stop.is_set():
        try:
            counts = await asyncio.to_thread(_partition_counts, settings.client_config(), facts, state)
        except KafkaException as error:
            # The consumer's own words, or those of its constructor: certificates that cannot be used.
            why = explained(error.args[0]) if isinstance(error.args[0], KafkaError) else str(error)
            log.warning("kafka_unreachable", error=why)
            health.not_ready("kafka", f"not connected: {why}")
            await asyncio.sleep(1.0)
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
    trouble = LastTrouble()
    with reader({**client, "error_cb": trouble.note}, "read_committed") as consumer:
        try:
            return partition_count(consumer, facts), partition_count(consumer, state)
        except KafkaException as error:
            consumer.poll(0.0)  # lets the client say why
            raise KafkaException(trouble.error or error.args[0]) from None
