"""Puts commands on their topic and tells of each whether Kafka has it, for callers on an event loop.

Law: `deliver` returns only behind the broker's own confirmation.
"""

import asyncio
import logging
import threading
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from schemas import ForesiteError, topics
from streams.settings import Settings
from streams.tracing import OFF, Span, Tracing, header_of

log = structlog.get_logger(__name__)

DELIVERY_TIMEOUT_MS: Final = 10_000
"""How long a command may wait for its confirmation. Too small: a leader that moves fails it. Too large: whoever sent it
waits, and sends it again."""

POLL_S: Final = 0.1


class NotDelivered(ForesiteError):
    """Kafka has not confirmed a command; it may have arrived all the same."""


class CommandSender:
    """An idempotent producer for planner.commands.v1; its confirmations are collected by a thread, from `start` to `stop`.

    Args:
        settings: where Kafka is.
        logger: of the client.
        tracing: begins a trace with each command.
    """

    def __init__(
        self, settings: Settings, logger: logging.Logger | None = None, tracing: Tracing = OFF
    ) -> None:
        self._tracing = tracing
        self._settings, self._logger = settings, logger
        self._topic = settings.topic_prefix + topics.COMMANDS
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="command-sender", daemon=True)

    def start(self) -> None:
        """Begin to collect confirmations."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for what is under way, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    async def deliver(self, key: str, body: bytes) -> None:
        """Send a command and wait for Kafka's confirmation.

        Raises:
            NotDelivered: there was none.
        """
        span = self._tracing.span("command")
        try:
            await self._deliver(key, body, span)
        except NotDelivered as error:
            span.end(str(error))
            raise
        span.end()

    async def _deliver(self, key: str, body: bytes, span: Span) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: KafkaError | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(NotDelivered(error.str()))

        def confirmed(error: KafkaError | None, _: object) -> None:
            loop.call_soon_threadsafe(settle, error)

        try:
            with self._lock:
                self._producer = self._producer or self._new_producer()  # none as long as nobody commands
                self._producer.produce(
                    self._topic,
                    key=key.encode(),
                    value=body,
                    headers=[*header_of(span)],
                    on_delivery=confirmed,
                )
        except BufferError:
            raise NotDelivered("too much waits to be sent") from None
        except KafkaException as error:
            self._renew()
            raise NotDelivered(error.args[0].str()) from None
        try:
            await done
        except NotDelivered:
            self._renew()  # an idempotent producer may be unusable after a record that timed out
            raise

    def _run(self) -> None:
        while not self._stop.is_set():
            producer = self._producer
            if producer is None:
                self._stop.wait(POLL_S)
            else:
                producer.poll(POLL_S)
        if self._producer is not None:
            self._producer.flush(DELIVERY_TIMEOUT_MS / 1000.0)

    def _renew(self) -> None:
        with self._lock:
            before, self._producer = self._producer, None
        if before is not None:  # what else was under way there is confirmed or fails, in a thread of its own
            threading.Thread(target=before.flush, args=(DELIVERY_TIMEOUT_MS / 1000.0,), daemon=True).start()

    def _new_producer(self) -> Producer:
        config = producer_config(self._settings)
        if self._logger is not None:
            config["logger"] = self._logger
        return Producer(config)


def producer_config(settings: Settings) -> dict[str, object]:
    """Of whatever writes commands."""
    return {
        **settings.client_config(),
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # as Java clients: commands on one thing stay in one partition
        "message.timeout.ms": DELIVERY_TIMEOUT_MS,
        "linger.ms": 0,
    }
