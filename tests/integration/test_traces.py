"""A trace follows an event through every role: ingest, twin, solver, ingest and twin again, and what web shows."""

import asyncio
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from confluent_kafka import Message, Producer
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from schemas import TOPIC_OF_KIND, TOPICS, Event, Proposal, ReplanRequested, topics
from streams.admin import Health
from streams.embedded_broker import EmbeddedBroker
from streams.ingest import run_ingest
from streams.ingest_traces import BatchTraces
from streams.metrics import Metrics
from streams.otel import OpenTelemetry
from streams.record_sender import RecordSender
from streams.settings import Settings
from streams.solver_worker import SolverWorker
from streams.topic_admin import create_topics
from streams.tracing import OFF, Tracing
from streams.twin_fold import TWIN
from streams.twin_worker import serve
from streams.web.view import View
from streams.web.view_reader import ViewReader
from tests.asking import START, both_lines, held, tight_plan
from tests.folding import at, event, small_plant
from tests.proposing import hold, proposal
from tests.running import messages, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TRACE, BROKEN = "0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319c"


def traceparent(trace_id: str, flags: str = "01") -> str:
    return f"00-{trace_id}-b7ad6b7169203331-{flags}"


class Traces:
    """What every role traced, in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing: Tracing = OpenTelemetry(provider, sample=0.0)

    def of(self, trace_id: str) -> list[ReadableSpan]:
        spans = self._exporter.get_finished_spans()
        return [
            span for span in spans if span.context is not None and f"{span.context.trace_id:032x}" == trace_id
        ]

    def names(self, trace_id: str) -> list[str]:
        return [span.name for span in self.of(trace_id)]


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    if request.param == "apache":
        name = f"traces-{os.getpid()}-{uuid.uuid4().hex[:6]}-"
        made = Settings(kafka=request.getfixturevalue("kafka"), topic_prefix=name, clock="events")
        create_topics(made, replication=1)
        yield made
        return
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, clock="events")


def answering(
    request: ReplanRequested, *, clock: Callable[[], float], cancelled: Callable[[], bool]
) -> Iterator[Proposal | None]:
    """Doing nothing is the only option."""
    yield proposal(request, request.first_revision, hold(), is_final=True)


@contextmanager
def all_roles(settings: Settings, tracing: Tracing) -> Iterator[ViewReader]:
    """Every role in this process, as long as the block lasts."""
    stop, failures = threading.Event(), list[BaseException]()
    twin_loop = asyncio.new_event_loop()
    twin_stop = asyncio.Event()

    def guarded(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def twin() -> None:
        asyncio.set_event_loop(twin_loop)
        twin_loop.run_until_complete(serve(settings, TWIN, twin_stop, tracing=tracing))

    view = View(documents_max=1000, bytes_max=10_000_000)
    reader = ViewReader(settings, view, Health(), Metrics(), lambda: None, tracing)
    worker = SolverWorker(settings, answering, stop, Metrics(), Health(), tracing=tracing)
    threads = [
        guarded(twin),
        guarded(lambda: run_ingest(settings, stop, tracing=tracing)),
        guarded(worker.run),
    ]
    reader.start()
    try:
        yield reader
    finally:
        stop.set()
        twin_loop.call_soon_threadsafe(twin_stop.set)
        for thread in threads:
            thread.join(60)
        reader.stop()
        twin_loop.close()
        assert not failures


def publish(settings: Settings, *events: Event, **carried: str) -> None:
    producer = Producer({**settings.client_config(), "enable.idempotence": True})
    for each in events:
        producer.produce(
            settings.topic_prefix + TOPIC_OF_KIND[each.kind],
            key=each.site_id.encode(),
            value=each.model_dump_json(exclude_none=True).encode(),
            partition=0,
            headers=[(name, value.encode()) for name, value in carried.items()],
        )
        assert 0 == producer.flush(30)


def headers(message: Message) -> dict[str, str]:
    pairs: Any = message.headers() or []
    return {name: (value or b"").decode() for name, value in pairs}


def ticked(when_min: int) -> Event:
    return event("clock_ticked", START + timedelta(minutes=when_min), site_id="*")


def a_day_until_it_stops(settings: Settings, reader: ViewReader) -> None:
    """The plant of tests/asking.py; L1 stops for eight hours at 08:00, and that one event carries a trace."""
    publish(settings, *small_plant(), *both_lines("red", "blue"), *tight_plan())
    publish(settings, event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    publish(settings, event("count_reported", START, line_id="L1", run_id="R1", good_count=200.0))
    publish(settings, ticked(0))
    wait_until(lambda: reader.is_caught_up and bool(messages(settings, topics.SITES)), 90)
    publish(settings, held(START), traceparent=traceparent(TRACE))
    publish(settings, ticked(1))


def test_a_stop_is_followed_from_the_machine_to_the_page_and_through_the_solver(settings: Settings) -> None:
    traces = Traces()
    with all_roles(settings, traces.tracing) as reader:
        a_day_until_it_stops(settings, reader)
        wait_until(lambda: traces.names(TRACE).count("twin") >= 2, 60, lambda: str(traces.names(TRACE)))
        wait_until(lambda: traces.names(TRACE).count("view") >= 2, 30, lambda: str(traces.names(TRACE)))
    spans = {span.context.span_id: span for span in traces.of(TRACE) if span.context is not None}

    def path(span: ReadableSpan) -> str:
        """From the machine to this piece of work."""
        above = span.parent
        before = path(spans[above.span_id]) + " > " if above is not None and above.span_id in spans else ""
        return before + span.name

    paths = {path(span) for span in spans.values()}
    assert {
        "ingest",
        "ingest > twin",
        "ingest > twin > view",
        "ingest > twin > solver",
        "ingest > twin > solver > ingest",
        "ingest > twin > solver > ingest > twin",
    } <= paths
    assert all(span.end_time is not None for span in spans.values())


def test_a_dead_letter_and_a_command_carry_theirs(settings: Settings) -> None:
    traces = Traces()
    with all_roles(settings, traces.tracing) as reader:
        wait_until(lambda: reader.is_caught_up, 60)
        producer = Producer(settings.client_config())
        broken: list[tuple[str, str | bytes | None]] = [("traceparent", traceparent(BROKEN).encode())]
        producer.produce(settings.topic_prefix + topics.MACHINE_EVENTS, value=b"{no json", headers=broken)
        assert 0 == producer.flush(30)
        sender = RecordSender(settings, tracing=traces.tracing)
        sender.start()
        command = event(
            "card_acknowledge", START, card_id="S1/nothing", command_id="c1", actor="ana", expected_revision=1
        )
        body = command.model_dump_json(exclude_none=True).encode()
        asyncio.run(sender.deliver(settings.topic_prefix + topics.COMMANDS, "S1/nothing", body))
        sender.stop()
        wait_until(lambda: "ingest" in traces.names(BROKEN), 60)
        (sent,) = messages(settings, topics.COMMANDS)
        trace_id = headers(sent)["traceparent"].split("-")[1]
        wait_until(lambda: "twin" in traces.names(trace_id), 60, lambda: str(traces.names(trace_id)))
    (ingested,) = [span for span in traces.of(BROKEN) if span.name == "ingest"]
    (letter,) = messages(settings, topics.DEAD_LETTERS)

    assert StatusCode.ERROR is ingested.status.status_code
    assert BROKEN in headers(letter)["traceparent"]
    assert {"command", "ingest", "twin"} <= set(traces.names(trace_id))


class Untouched:
    """A record whose headers nobody may read."""

    def headers(self) -> object:
        raise AssertionError("traces are off")


def test_off_nobody_looks_at_headers_and_no_header_is_written(settings: Settings) -> None:
    BatchTraces(OFF, [Untouched()], "")
    with all_roles(settings, OFF) as reader:
        a_day_until_it_stops(settings, reader)
        wait_until(lambda: bool(messages(settings, topics.PROPOSALS)), 60)
    written = [
        name
        for topic in (topics.FACTS, topics.CARDS, topics.REPLAN_REQUESTS, topics.PROPOSALS)
        for message in messages(settings, topic)
        for name in headers(message)
    ]

    assert "ce_id" in written
    assert "traceparent" not in written


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("streams.ingest, streams.twin_role, streams.solver_role", "opentelemetry"),
        ("streams.web.role", "opentelemetry.sdk"),  # FastAPI itself imports the interface
    ],
)
def test_off_opentelemetry_is_not_even_imported(modules: str, unwanted: str) -> None:
    code = (
        f"import sys, {modules}, streams.tracing\n"
        "from streams.settings import Settings\n"
        "assert streams.tracing.open_tracing('web', Settings()) is streams.tracing.OFF\n"
        f"sys.exit(any(name.startswith({unwanted!r}) for name in sys.modules))"
    )

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


@pytest.mark.parametrize("header", [traceparent(TRACE, "00"), "00-zz-01", "", "x" * 10_000])
def test_what_is_no_trace_or_not_sampled_begins_none(header: str) -> None:
    assert () == Traces().tracing.carried([("traceparent", header.encode())])
