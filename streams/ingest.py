"""The ingest role: raw topics in, validated facts and dead letters out, at least once and without a hole.

Law: an input offset is committed only when everything that came of the records below it, and of all that was consumed
before them, has been acknowledged by the broker. Each turn of the loop keeps this order:
1 read, 2 convert, 3 send, 4 tick, 5 take delivery reports, 6 commit what has arrived.
"""

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import structlog
from confluent_kafka import KafkaException, Message

from schemas import Facts, ForesiteError, Tick
from schemas.topics import DEAD_LETTERS, FACTS, MACHINE_EVENTS
from streams.admin import AdminServer, Health
from streams.batcher import FACTS_ENVELOPE_BYTES, Batch, BatchRules, IngestBatcher
from streams.faults import fault_point
from streams.gapless_writer import (
    POLL_S,
    DeliveryFailed,
    GaplessWriter,
    Outgoing,
    SourcePartition,
    require_codecs,
)
from streams.ingest_setup import IngestSettings, KafkaUnreachable, TopicsMissing, check_topics
from streams.ingest_traces import BatchTraces
from streams.input_progress import InputProgress
from streams.input_reader import InputReader, MemberFenced
from streams.kafka_refusals import REASON as REFUSED
from streams.kafka_refusals import again_when_granted
from streams.metrics import Metrics
from streams.role_metrics import role_metrics
from streams.routing import EVERYWHERE, Router
from streams.settings import Settings
from streams.site_binding import ingested_topics
from streams.tracing import OFF, Tracing, open_tracing
from streams.watchdog import Watchdog

log = structlog.get_logger(__name__)

SLICE_BYTES = 8 * 1024 * 1024
"""Input converted at a time. Too small: small facts records. Too large: memory, about ten times as much."""

COMMIT_EVERY_S = 0.2
"""Too small: the broker is busy with commits. Too large: so much is written again after a crash."""

TICK_EVERY_S = 1.0
LOOK_EVERY_S = 1.0

DRAIN_TIMEOUT_S = 20.0
"""How long a stop or a rebalance waits for the broker's answers. Must stay below a container's 30 s."""

FENCED_AGAIN_S = 20.0
"""A member fenced so soon after it joined has a rival with the same instance id, which is a mistake of settings.
Too small: the two throw each other out for ever. Too large: a broker that restarts twice stops ingest."""

NEW_TOPICS_WAIT_S = 5.0
"""Topics that were made a moment ago become known to a broker one by one. Too small: an installation fails that creates
topics and starts ingest. Too large: a wrong prefix is noticed late."""

STALLED_S = 10.0
"""A batch that waits for an answer so long makes the role not ready, and the clock stand still."""

SITES_MAX = 200
"""Sites with metrics of their own. Ids come from outside: what is beyond goes by the name "other"."""


def run_ingest(
    settings: IngestSettings,
    stop: threading.Event,
    *,
    metrics: Metrics | None = None,
    health: Health | None = None,
    tracing: Tracing = OFF,
) -> None:
    """Run the ingest role until `stop` is set: then drain, commit, leave the group, return.

    Raises:
        DeliveryFailed: the broker would not take a record. Nothing behind it was sent; start again.
        InputGone: input was lost before it was read; the message says what helps.
        MemberFenced: another worker has the same instance id.
        UsageError: a topic or codec is missing, or the facts topic has another number of partitions.
        KafkaException: the client cannot go on.
    """
    metrics, health = metrics or Metrics(), health or Health()
    require_codecs()

    def work() -> None:
        topic_bytes = _connect(settings, stop, health)
        if topic_bytes is not None:
            IngestWorker(settings, stop, metrics, health, topic_bytes=topic_bytes, tracing=tracing).run()

    again_when_granted(work, stop, health)


def run(settings: Settings, *, admin_host: str = "127.0.0.1", admin_port: int = 0) -> int:
    """Run ingest as this process's only job, until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 1 after a failure.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    tune_garbage_collection()
    health = Health()
    metrics = role_metrics("ingest", health, settings)
    tracing = open_tracing("ingest", settings)
    with AdminServer(health, metrics.registry, host=admin_host, port=admin_port), Watchdog(health):
        try:
            run_ingest(settings, stop, metrics=metrics, health=health, tracing=tracing)
        except (ForesiteError, KafkaException) as error:
            log.critical("ingest_failed", error_type=type(error).__name__, error=str(error))
            return 1
        finally:
            tracing.close()
    return 0


def tune_garbage_collection() -> None:
    """For a process that makes and drops objects by the hundred thousand, and hardly a cycle: look seldom.

    Measured: with Python's own thresholds a third of the time went into looking.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _connect(settings: IngestSettings, stop: threading.Event, health: Health) -> int | None:
    """Wait for Kafka and check the topics; the size they take, or None when asked to stop meanwhile."""
    deadline = time.monotonic() + NEW_TOPICS_WAIT_S
    while not stop.is_set():
        health.beat()
        try:
            topic_bytes = check_topics(settings)
        except KafkaUnreachable as error:
            log.warning("kafka_unreachable", error=str(error))
            health.not_ready("kafka", f"not connected: {error}")
            deadline = time.monotonic() + NEW_TOPICS_WAIT_S
            stop.wait(1.0)
        except TopicsMissing as error:
            health.not_ready("kafka", str(error))
            if time.monotonic() > deadline:
                raise
            stop.wait(0.2)
        else:
            health.ready("kafka")
            return topic_bytes
    return None


class IngestWorker:
    """One member of the ingest group.

    Args:
        settings: of the installation.
        stop: set by whoever wants it to end.
        metrics, health: where it tells how it is.
        topic_bytes: largest batch that the facts and dead letter topics take.
        wall_clock: Unix time in seconds.
        tracing: that carries traces on.
    """

    def __init__(
        self,
        settings: IngestSettings,
        stop: threading.Event,
        metrics: Metrics,
        health: Health,
        *,
        topic_bytes: int,
        wall_clock: Callable[[], float] = time.time,
        tracing: Tracing = OFF,
    ) -> None:
        self._tracing = tracing
        prefix = settings.topic_prefix
        self._stop = stop
        self._metrics = metrics
        self._health = health
        self._wall_clock = wall_clock
        self._prefix = prefix
        self._facts_topic = prefix + FACTS
        self._facts_partitions = settings.facts_partitions
        self._ticks_from: SourcePartition | None = (
            (prefix + MACHINE_EVENTS, 0) if settings.clock == "wall" else None
        )
        self._arrived: dict[SourcePartition, int] = {}
        self._is_ended = False
        self._next_commit = self._next_tick = self._next_look = 0.0
        self._sites: set[str] = set()
        self._progress = InputProgress(wall_clock)
        self._batcher = IngestBatcher(
            Router(settings.planning_groups, settings.facts_partitions),
            BatchRules(
                batch_events=settings.ingest_batch_events,
                record_bytes=topic_bytes - FACTS_ENVELOPE_BYTES,
                clock=settings.clock,
                topic_prefix=prefix,
                site_topics=settings.site_topics,
            ),
        )
        self._writer = GaplessWriter(settings.client_config(), topic_bytes)
        self._settings = settings
        self._reader = self._new_reader()
        health.started()

    def _new_reader(self) -> InputReader:
        self._fenced_before = time.monotonic() + FENCED_AGAIN_S
        self._health.not_ready("assignment", "no input partitions yet")
        self._progress.lose(self._progress.owned)
        return InputReader(
            self._settings.client_config(),
            group_id=f"{self._settings.app_id}-ingest",
            instance_id=self._settings.consumer_group_instance_id,
            topics=[self._prefix + topic for topic in ingested_topics(self._settings.site_topics)],
            progress=self._progress,
            metrics=self._metrics,
            health=self._health,
            before_giving_up=self._settle,
            stop=self._stop,
            held_topics=self._held_topics(),
        )

    def _held_topics(self) -> list[str]:
        """What waits at a new assignment: where the wall clock drives, what machines say."""
        if self._settings.clock != "wall":
            return []
        return [
            self._prefix + site_prefix + MACHINE_EVENTS for site_prefix in ("", *self._settings.site_topics)
        ]

    def _read(self) -> list[Message]:
        """1: the next records. A member that lost its place while the broker was away takes a new one.

        One that loses it again at once has a living rival under its name, and stops.
        """
        try:
            return self._reader.read()
        except MemberFenced as error:
            if time.monotonic() < self._fenced_before:
                raise
            log.warning("member_fenced", error=str(error))
            self._reader.close()
            self._reader = self._new_reader()
            return []

    def run(self) -> None:
        """Work until stopped or failed; see run_ingest."""
        try:
            while not self._stop.is_set():
                self._turn()
            self._settle()
        except DeliveryFailed:
            self._metrics.ingest_delivery_failures.inc()
            raise
        finally:
            self._is_ended = True  # nothing more is waited for or committed, not even while leaving the group
            self._reader.close()
            self._writer.close()

    def _turn(self) -> None:
        self._health.beat()
        for records in _slices(self._read()):  # 1 read
            fault_point("after_read")
            if not self._has_room():
                return  # asked to stop: what is left was never read, as far as the offsets know
            self._ingest(records)
        self._tick()
        self._writer.poll(0.0)  # 5 take delivery reports
        fault_point("after_reports")
        self._commit()
        self._look()

    def _has_room(self) -> bool:
        """Wait until the broker has taken enough of what was sent; False when asked to stop."""
        while not self._writer.has_room:
            if self._stop.is_set():
                return False
            self._health.beat()
            self._writer.poll(POLL_S)
            self._look()
        return True

    def _ingest(self, records: Sequence[Message]) -> None:
        started = time.perf_counter()
        traces = BatchTraces(self._tracing, records, self._prefix)
        batch = self._batcher.convert(records)  # 2 convert
        converted = time.perf_counter()
        fault_point("after_convert")
        self._writer.send(self._outgoing(batch, traces), batch.next_offsets)  # 3 send
        traces.end()
        fault_point("after_facts")
        self._observe(batch, converted - started, time.perf_counter() - converted)

    def _outgoing(self, batch: Batch, traces: BatchTraces) -> Iterator[Outgoing]:
        for record in batch.facts:
            key = record.facts.group_id.encode()
            yield Outgoing(self._facts_topic, record.partition, key, record.value, traces.of_facts(record))
            fault_point("during_send")
        for letter in batch.dead_letters:
            value = letter.model_dump_json().encode()
            key = letter.output_id.encode()
            yield Outgoing(self._prefix + DEAD_LETTERS, None, key, value, traces.of_letter(letter))

    def _tick(self) -> None:
        """4: the wall clock for every facts partition, behind the facts of what was read before it."""
        now = self._wall_clock()
        if self._ticks_from is None or now < self._next_tick or not self._progress.owns(*self._ticks_from):
            return
        if self._writer.oldest_age_s > STALLED_S:
            return  # or they would pile up while the broker is away
        lag_s = self._progress.lag_s(self._reader.end_of)
        if lag_s is None:
            return
        self._next_tick = max(self._next_tick + TICK_EVERY_S, now + TICK_EVERY_S / 2)
        tick = Tick(now=datetime.fromtimestamp(now, UTC), lag_s=round(max(lag_s, 0.0), 3))
        fault_point("before_tick")
        self._writer.send(self._ticks(Facts(group_id=EVERYWHERE, tick=tick).encode()), {})
        fault_point("after_tick")
        self._metrics.tick_timestamp_seconds.labels(stage="ingest", site=EVERYWHERE).set(now)

    def _ticks(self, value: bytes) -> Iterator[Outgoing]:
        for partition in range(self._facts_partitions):
            yield Outgoing(self._facts_topic, partition, EVERYWHERE.encode(), value)
            fault_point("during_tick")

    def _commit(self, *, must_wait: bool = False) -> None:
        """6: commit what has arrived."""
        self._arrived.update(self._writer.take_delivered())
        now = self._wall_clock()
        if not (self._arrived or self._reader.must_commit_again):
            return
        if now < self._next_commit and not must_wait:
            return
        self._next_commit = now + COMMIT_EVERY_S
        fault_point("before_offsets")
        self._reader.commit(self._arrived, must_wait=must_wait)
        fault_point("after_offsets")
        self._arrived.clear()

    def _settle(self) -> None:
        """Wait for the broker's answers and commit, before partitions are given up."""
        if self._is_ended:
            return
        if self._writer.drain(DRAIN_TIMEOUT_S):
            self._commit(must_wait=True)
        else:  # the broker is away: what it has not acknowledged is read again, by us or by the next owner
            log.warning("not_drained", in_flight_bytes=self._writer.in_flight_bytes)

    # What it tells of itself ------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Now and then: how far behind, how long unanswered."""
        now = self._wall_clock()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        waiting_s = self._writer.oldest_age_s
        if waiting_s > STALLED_S:
            self._health.not_ready("deliveries", f"Kafka has not acknowledged a batch for {waiting_s:.0f} s")
        else:
            self._health.ready("deliveries")
        self._reader.look_again()
        for topic, records in self._progress.backlog(self._reader.end_of).items():
            self._metrics.consumer_lag_records.labels(topic=topic.removeprefix(self._prefix)).set(records)
        self._metrics.ingest_in_flight_bytes.set(self._writer.in_flight_bytes)
        steps = self._metrics.ingest_step_seconds.labels(stage="deliver")
        if self._writer.ack_seconds:
            self._health.ready(REFUSED)  # what Kafka refused before, it takes now
        for seconds in self._writer.ack_seconds:
            steps.observe(seconds)
        self._writer.ack_seconds.clear()

    def _observe(self, batch: Batch, convert_s: float, send_s: float) -> None:
        metrics = self._metrics
        metrics.ingest_step_seconds.labels(stage="convert").observe(convert_s)
        metrics.ingest_step_seconds.labels(stage="send").observe(send_s)
        for record in batch.facts:
            metrics.ingest_batch_events.observe(record.events)
        for (topic, outcome), count in batch.outcomes.items():
            metrics.ingest_events.labels(source_topic=topic, outcome=outcome).inc(count)
        for (topic, reason), count in batch.refusals.items():
            metrics.ingest_dead_letters.labels(source_topic=topic, reason=reason).inc(count)
        now = self._wall_clock()
        for (site_id, topic), event_time in batch.last_times.items():
            timestamp = event_time.timestamp()
            metrics.ingest_event_delay_seconds.labels(source_topic=topic).observe(max(0.0, now - timestamp))
            metrics.ingest_clock_skew_seconds.labels(source_topic=topic).set(max(0.0, timestamp - now))
            metrics.ingest_source_timestamp_seconds.labels(
                site=self._site_label(site_id), source_topic=topic
            ).set(timestamp)

    def _site_label(self, site_id: str) -> str:
        if site_id not in self._sites and len(self._sites) >= SITES_MAX:
            return "other"
        self._sites.add(site_id)
        return site_id


def _slices(records: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """The records in parts of about SLICE_BYTES."""
    first = size = 0
    for place, record in enumerate(records):
        size += len(record)
        if size >= SLICE_BYTES:
            yield records[first : place + 1]
            first, size = place + 1, 0
    if first < len(records):
        yield records[first:]
