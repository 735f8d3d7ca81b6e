"""The loop on Kafka: from a machine event that stops a line for four hours to the stages of the answer, and where time goes.

Ingest, twin and solver run as an operator starts them, by the wall clock, at 200 orders x 20 lines with a count a second
from each line. Each trial stops another line, waits for the final revision, and lets the line go on. One observer reads
facts, requests and proposals side by side, so that the parts add up: all moments are its own.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from subprocess import Popen

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.brokers import BenchFailed, Broker, Watch, cpu_seconds, installation, producer, roles, send_bodies
from bench.loop_plant import LINES, RUNS_A_LINE, LoopPlant
from bench.plant import Body, encode, source_partition
from bench.results import Machine, Result, result
from schemas import Proposal, ReplanRequested
from schemas.topics import FACTS, MACHINE_EVENTS, ORDER_PROJECTIONS, PROPOSALS, REPLAN_REQUESTS
from streams.partition_reader import watermarks
from streams.settings import Settings

FIRST_ANSWER_S = 240.0
"""Longest wait for the first answer of all: the solver compiles its code before it takes work."""

ANSWERED_WITHIN_S = 60.0
QUIET_S = 1.5
"""No request and no proposal for so long: the trial before is over, also what its line's going on has asked for."""

QUIET_WITHIN_S = 60.0
BETWEEN_TRIALS_S = 0.137
"""No part of the commit interval: trials must not fall into step with it."""

ROLES = ("ingest", "twin", "solver")
STAGES = ("hold", "repair", "polish")


@dataclass(slots=True)
class _Trial:
    """Moments of one trial, in seconds of the observer's clock, from the machine event on.

    Attributes:
        facts_s, request_s: when it was read; request_made_s, first_made_s: when its producer had it, by its timestamp,
            the first of the twin's and of the solver's.
        stages: when the first proposal of each was read; final_s: the last one.
    """

    facts_s: float
    request_made_s: float
    request_s: float
    request_bytes: int
    first_made_s: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    final_s: float = 0.0
    first_options: int = 0
    proposal_bytes: int = 0


def measure(on: Broker, machine: Machine, *, quick: bool) -> Iterator[Result]:
    """p50 and p99 of each stage over trials, and the medians of the parts of the first."""
    trials, warm_up = (3, 1) if quick else (20, 2)
    plant = LoopPlant(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20))
    with installation(on, facts_partitions=1, clock="wall") as settings:
        send_bodies(settings, list(plant.model()))
        with roles(settings, *ROLES) as processes:
            _wait_for_orders(settings, Watch("the first projections", processes))
            send_bodies(settings, list(plant.begun()))
            send_bodies(settings, list(plant.made(datetime.now(UTC))))
            done, cpu = _trials(settings, plant, warm_up, trials, processes)
    yield from _results(done, machine)
    for name, seconds in cpu.items():
        yield result("loop", f"cpu_a_trial/{name}", "CPU ms", [seconds / trials * 1000.0], machine)
    if hasattr(os, "getloadavg"):
        yield result("loop", "load_at_the_end", "processes", [os.getloadavg()[0]], machine)


def _results(done: list[_Trial], machine: Machine) -> Iterator[Result]:
    first = [trial.stages[min(trial.stages, key=STAGES.index)] for trial in done]
    final = [trial.final_s for trial in done]
    reached: dict[str, list[float]] = {"first_option": first, "polished": final}
    # Where the search finds nothing better than the first answer, nothing is published in between.
    reached["repair"] = [trial.stages["repair"] for trial in done if "repair" in trial.stages]
    for name in (name for name in ("first_option", "repair", "polished") if reached[name]):
        milliseconds = sorted(seconds * 1000.0 for seconds in reached[name])
        row = result("loop", f"{name}/p50", "ms", milliseconds, machine)
        yield row
        yield row_of_p99(name, milliseconds, machine)
    parts = {
        "event_to_facts": [trial.facts_s for trial in done],
        "facts_to_request_made": [trial.request_made_s - trial.facts_s for trial in done],
        "request_made_to_committed": [trial.request_s - trial.request_made_s for trial in done],
        "request_to_first_made": [trial.first_made_s - trial.request_s for trial in done],
        "first_made_to_read": [
            seconds - trial.first_made_s for seconds, trial in zip(first, done, strict=True)
        ],
    }
    for name, values in parts.items():
        yield result("loop", f"part/{name}", "ms", [value * 1000.0 for value in values], machine)
    yield result("loop", "request", "kB", [trial.request_bytes / 1000.0 for trial in done], machine)
    yield result("loop", "final_proposal", "kB", [trial.proposal_bytes / 1000.0 for trial in done], machine)


def row_of_p99(name: str, milliseconds: list[float], machine: Machine) -> Result:
    """The 99th percentile of few trials is the slowest of them."""
    row = result("loop", f"{name}/p99", "ms", milliseconds, machine)
    return row.with_value(milliseconds[min(int(0.99 * len(milliseconds)), len(milliseconds) - 1)])


def _wait_for_orders(settings: Settings, watch: Watch) -> None:
    """Until every order has a projection, for what came on a line that is not known yet would be rejected."""
    consumer = _consumer(settings, "bench-orders", (ORDER_PROJECTIONS,), from_end=False)
    projected: set[bytes | str | None] = set()
    while len(projected) < LINES * RUNS_A_LINE:
        watch.pause()
        for message in consumer.consume(1_000, 0.1):
            if b'"status":"projected"' in (message.value() or b""):
                projected.add(message.key())
    consumer.close()


def _consumer(settings: Settings, group: str, topics: tuple[str, ...], *, from_end: bool) -> Consumer:
    consumer = Consumer(
        {
            **settings.client_config(),
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 5,
        }
    )
    places = []
    for topic in topics:
        name = settings.topic_prefix + topic
        for number in consumer.list_topics(name, timeout=10.0).topics[name].partitions:
            low, high = watermarks(consumer, name, number)
            places.append(TopicPartition(name, number, high if from_end else low))
    consumer.assign(places)
    return consumer


@dataclass(frozen=True, slots=True)
class _Seen:
    topic: str
    made_s: float
    at_s: float
    value: bytes


class _Observer:
    """Reads the three topics of the loop in a thread, and keeps what came with the moment at which it came."""

    def __init__(self, settings: Settings) -> None:
        self.seen: list[_Seen] = []
        self.last_s = time.perf_counter()
        self._over = threading.Event()
        self._prefix = settings.topic_prefix
        self._consumer = _consumer(settings, "bench-loop", (FACTS, REPLAN_REQUESTS, PROPOSALS), from_end=True)
        self._thread = threading.Thread(target=self._read, name="bench-observer")

    def __enter__(self) -> "_Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._over.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            topic = (message.topic() or "").removeprefix(self._prefix)
            value = message.value()
            assert isinstance(value, bytes)
            now_s = time.perf_counter()
            made_s = message.timestamp()[1] / 1000.0 - time.time() + now_s
            self.seen.append(_Seen(topic, made_s, now_s, value))
            if topic != FACTS:
                self.last_s = now_s

    def wait_for_quiet(self) -> None:
        """Until nothing was asked or answered for a while."""
        deadline = time.perf_counter() + QUIET_WITHIN_S
        while time.perf_counter() - self.last_s < QUIET_S:
            if time.perf_counter() > deadline:
                raise BenchFailed(f"requests and proposals do not end within {QUIET_WITHIN_S:.0f} s")
            time.sleep(0.05)


def _trials(
    settings: Settings, plant: LoopPlant, warm_up: int, trials: int, processes: Sequence[Popen[bytes]]
) -> tuple[list[_Trial], dict[str, float]]:
    """The trials, and the processor time that each role used for them, counts and ticks in between included."""
    client = producer(settings, linger_ms=0)
    over = threading.Event()
    held: set[int] = set()
    background = threading.Thread(target=_count, args=(settings, plant, over, held), name="bench-counts")
    background.start()
    done: list[_Trial] = []
    before: list[float | None] = []
    try:
        with _Observer(settings) as observer:
            for number in range(warm_up + trials):
                if number == warm_up:
                    before = [cpu_seconds(process.pid) for process in processes]
                line = number % LINES
                observer.wait_for_quiet()
                time.sleep(BETWEEN_TRIALS_S)
                held.add(line)
                trial = _trial(
                    settings,
                    plant,
                    line,
                    client,
                    observer,
                    FIRST_ANSWER_S if number == 0 else ANSWERED_WITHIN_S,
                )
                held.discard(line)
                if number >= warm_up:
                    done.append(trial)
        after = [cpu_seconds(process.pid) for process in processes]
        used = zip(ROLES, before, after, strict=True)
        return done, {name: b - a for name, a, b in used if a is not None and b is not None}
    finally:
        over.set()
        background.join()
        client.flush(10.0)


def _trial(
    settings: Settings, plant: LoopPlant, line: int, client: Producer, observer: _Observer, within_s: float
) -> _Trial:
    """Stop the line; the moments of everything that follows from it, up to the final revision."""
    place = len(observer.seen)
    body = plant.held(line, datetime.now(UTC))
    began_s = observer.last_s = time.perf_counter()
    _send(settings, client, body)
    event_id, trial, request_id = body["event_id"].encode(), None, None
    facts_s = None
    while time.perf_counter() - began_s < within_s:
        if place == len(observer.seen):
            time.sleep(0.002)
            continue
        each = observer.seen[place]
        place += 1
        after_s = each.at_s - began_s
        if each.topic == FACTS:
            if facts_s is None and event_id in each.value:
                facts_s = after_s
        elif each.topic == REPLAN_REQUESTS and trial is None:
            request = ReplanRequested.model_validate_json(each.value)
            if event_id.decode() in request.caused_by:
                request_id = request.request_id
                trial = _Trial(
                    after_s if facts_s is None else facts_s, each.made_s - began_s, after_s, len(each.value)
                )
        elif each.topic == PROPOSALS and trial is not None:
            proposal = Proposal.model_validate_json(each.value)
            if proposal.request_id != request_id:
                continue
            if proposal.error is not None:
                raise BenchFailed(f"{proposal.proposal_id}: {proposal.error}")
            if not trial.stages:
                trial.first_made_s = each.made_s - began_s
            trial.stages.setdefault(proposal.stage, after_s)
            if proposal.is_final:
                trial.final_s, trial.proposal_bytes = after_s, len(each.value)
                trial.first_options = len(proposal.options)
                _send(settings, client, plant.resumed(line, datetime.now(UTC)))
                return trial
    asked = "a request" if trial is None else "a final revision"
    raise BenchFailed(f"no {asked} for the stop of {plant.line_id(line)} within {within_s:.0f} s")


def _count(settings: Settings, plant: LoopPlant, over: threading.Event, held: set[int]) -> None:
    """A count a second from each line that runs, in the background."""
    client = producer(settings)
    number = 0
    while not over.wait(1.0):
        number += 1
        for line in (line for line in range(LINES) if line not in held):
            _send(
                settings,
                client,
                plant.count(line, number, datetime.now(UTC), plant.rate_pcs_per_h(line) / 3600.0),
            )
    client.flush(10.0)


def _send(settings: Settings, client: Producer, body: Body) -> None:
    client.produce(
        settings.topic_prefix + MACHINE_EVENTS,
        encode(body),
        body["line_id"].encode(),
        partition=source_partition(body),
    )
    client.poll(0)
