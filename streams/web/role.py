"""The web role as a process: reads the topics into its view, serves the API, drains when it is told to end."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn
from confluent_kafka import Consumer, KafkaException

from schemas import ForesiteError, UsageError, topics
from streams.admin import LIVENESS_LIMIT_S, AdminServer, Health
from streams.ingest import tune_garbage_collection
from streams.kafka_logger import kafka_logger
from streams.kafka_refusals import LastTrouble, again_when_granted
from streams.metrics import Metrics
from streams.notify.cards_topic import wait_for_topics
from streams.partition_reader import READER_GROUP
from streams.record_sender import RecordSender
from streams.role_metrics import role_metrics
from streams.settings import Settings
from streams.site_binding import bound_inputs
from streams.tracing import Tracing, open_tracing
from streams.watchdog import Watchdog
from streams.web.app import WebApp
from streams.web.health import topics_health
from streams.web.sign_in import SignIn
from streams.web.view import FOLLOWED, View
from streams.web.view_reader import ViewReader

log = structlog.get_logger(__name__)

BEAT_S: Final = 0.5

DRAIN_S: Final = 12
"""From SIGTERM to the end of requests that are not done. Too small: a command that waits for Kafka gets no answer. Too
large: whatever stops us kills us."""

BACKLOG: Final = 1024
"""Connections that wait to be accepted. Too small: browsers that all come back after a restart are refused."""

CONNECTIONS_SPARE: Final = 100
"""Connections beyond streams and requests: those that browsers hold open. Too small: a new browser is refused."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 1 after a failure.

    Raises:
        UsageError: the settings would let anybody in.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    health = Health()
    metrics = role_metrics("web", health, settings)
    tracing = open_tracing("web", settings)
    SignIn(settings, metrics)  # says what is wrong with it before anything else begins
    with (
        AdminServer(health, metrics.registry, host=settings.admin_host, port=settings.admin_port),
        Watchdog(health),
    ):
        try:
            again_when_granted(lambda: _serve(settings, stop, metrics, health, tracing), stop, health)
        except UsageError:
            raise
        except (ForesiteError, KafkaException, OSError) as error:
            log.critical("web_failed", error_type=type(error).__name__, error=str(error), exc_info=True)
            return 1
        finally:
            tracing.close()
    return 0


def _serve(
    settings: Settings, stop: threading.Event, metrics: Metrics, health: Health, tracing: Tracing
) -> None:
    trouble = LastTrouble()
    client = Consumer(
        {**settings.client_config(), "group.id": READER_GROUP, "error_cb": trouble.note},
        logger=kafka_logger(),
    )
    try:
        written = (topics.COMMANDS, *_posted(settings))
        wanted = [settings.topic_prefix + topic for topic in (*FOLLOWED, *written)]
        found = wait_for_topics(client, wanted, stop, health, trouble, need_equal=False)
    finally:
        client.close()
    if found is None:
        return
    view = View(
        documents_max=settings.web_view_documents_max,
        bytes_max=settings.web_view_mb_max * 1_000_000,
    )
    sender = RecordSender(settings, kafka_logger(), tracing)
    server = _Server(settings, stop, metrics, health, view, sender, tracing)
    sender.start()
    try:
        asyncio.run(server.run())
    finally:
        sender.stop()
    if server.reader.failed is not None:
        raise ForesiteError(f"the view cannot be read on: {server.reader.failed}") from server.reader.failed


def _posted(settings: Settings) -> list[str]:
    """Topics that the gateway writes where it is open, without the installation's prefix."""
    prefixes = ("", *settings.site_topics) if settings.web_gateway else ()
    return [prefix + name for prefix in prefixes for name in bound_inputs()]


class _Server:
    """uvicorn with our view beside it, on one loop."""

    def __init__(
        self,
        settings: Settings,
        stop: threading.Event,
        metrics: Metrics,
        health: Health,
        view: View,
        sender: RecordSender,
        tracing: Tracing,
    ) -> None:
        self._settings, self._stop, self._metrics, self._health, self._view = (
            settings,
            stop,
            metrics,
            health,
            view,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self.reader = ViewReader(settings, view, health, metrics, self._told, tracing)
        self._web = WebApp(settings, view, sender, metrics, lambda: self.reader.is_caught_up)
        self._uvicorn = _Uvicorn(_config(settings, self._web))

    async def run(self) -> None:
        """Serve until told to stop, or until the view cannot be read on."""
        self._loop = asyncio.get_running_loop()
        listener = _listener(self._settings)
        host, port = listener.getsockname()[:2]
        scheme = "http" if self._settings.web_tls_cert_file is None else "https"
        self.reader.start()
        tune_garbage_collection()
        serving = asyncio.create_task(self._uvicorn.serve(sockets=[listener]))
        log.info("web_listening", url=f"{scheme}://{host}:{port}")
        self._health.started()
        turns, turned_at = -1, time.monotonic()
        try:
            while not serving.done() and not self._stop.is_set() and self.reader.failed is None:
                if self.reader.turns != turns:
                    turns, turned_at = self.reader.turns, time.monotonic()
                if time.monotonic() - turned_at < LIVENESS_LIMIT_S:  # a reader that hangs is no beat
                    self._health.beat()
                due = time.monotonic() + BEAT_S
                await asyncio.sleep(BEAT_S)
                self._metrics.loop_delay_seconds.observe(max(0.0, time.monotonic() - due))
                self._measure()
        finally:
            self._health.not_ready("stopping", "the role ends")
            self._web.feed.close()  # streams would keep the server from ending
            self._uvicorn.should_exit = True
            await serving
            await asyncio.to_thread(self.reader.stop)

    def _told(self) -> None:
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._web.feed.wake)
            except RuntimeError:  # the loop has ended
                return

    def _measure(self) -> None:
        with self._view.reading() as view:
            as_of, held = view.as_of(), topics_health(view)
            breaks, view.audit_watch.breaks = view.audit_watch.breaks, 0
        self._metrics.audit_chain_breaks.inc(breaks)
        now = time.time()
        for site, moment in as_of.items():
            self._metrics.view_age_seconds.labels(site).set(max(0.0, now - moment.timestamp()))
            self._metrics.tick_timestamp_seconds.labels("web", site).set(moment.timestamp())
        for row in held:
            self._metrics.view_documents.labels(row["topic"]).set(row["documents"])
            self._metrics.view_documents_dropped.labels(row["topic"]).set(row["dropped"])


class _Uvicorn(uvicorn.Server):
    """The server without signal handlers of its own: the role has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the role."""
        yield


def _config(settings: Settings, web: WebApp) -> uvicorn.Config:
    return uvicorn.Config(
        web.asgi,
        log_config=None,  # its lines go where ours go
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is who signed in, not what a header says
        ws="none",
        lifespan="on",
        limit_concurrency=settings.web_stream_clients_max + settings.web_requests_max + CONNECTIONS_SPARE,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=32_768,
        ssl_certfile=settings.web_tls_cert_file,
        ssl_keyfile=settings.web_tls_key_file,
    )


def _listener(settings: Settings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.web_host, settings.web_port))
        listener.listen(
            BACKLOG
        )  # from now on clients wait, as long as the server is not up, and are not refused
    except OSError as error:
        raise UsageError(
            f"{settings.web_host}:{settings.web_port} cannot be had: {error}. Another port: FORESITE_WEB_PORT"
        ) from None
    listener.set_inheritable(True)
    return listener
