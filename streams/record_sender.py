"""Puts records on topics and tells of each whether Kafka has it, for callers on an event loop.

Law: `deliver` returns only behind the broker's own confirmation.
"""

import asyncio
import logging
import threading
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from schemas import ForesiteError
from schemas.topics import COMMANDS
from streams.settings import Settings
from streams.tracing import OFF, Span, Tracing, header_of

log = structlog.get_logger(__name__)

DELIVERY_TIMEOUT_MS: Final = 10_000
"""How long a record may wait for its confirmation. Too small: a leader that moves fails it. Too large: whoever sent it
waits, and sends it again."""

POLL_S: Final = 0.1


class NotDelivered(ForesiteError):
    """Kafka has not confirmed a record; it may have arrived all the same."""


class RecordSender:
    """An idempotent producer; its confirmations are collected by a thread, from `start` to `stop`.

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
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="record-sender", daemon=True)

    def start(self) -> None:
        """Begin to collect confirmations."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for what is under way, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    async def deliver(self, topic: str, key: str, body: bytes) -> None:
        """Send a record and wait for Kafka's confirmation.

        Args:
            topic: its full name.
            key: of the record, which decides its partition.
            body: the bytes.

        Raises:
            NotDelivered: there was none.
        """
        # Events by the thousand come this way too: they are traced from ingest on, by its sample.
        span = (self._tracing if topic.endswith(COMMANDS) else OFF).span("command")
        try:
            await self._deliver(topic, key, body, span)
        except NotDelivered as error:
            span.end(str(error))
            raise
        span.end()

    async def _deliver(self, topic: str, key: str, body: bytes, span: Span) -> None:
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

        producer: Producer | None = None
        try:
            with self._lock:
                producer = self._producer = (
                    self._producer or self._new_producer()
                )  # none as long as nobody sends
                producer.produce(
                    topic,
                    key=key.encode(),
                    value=body,
                    headers=[*header_of(span)],
                    on_delivery=confirmed,
                )
        except BufferError:
            raise NotDelivered("too much waits to be sent") from None
        except KafkaException as error:
            if producer is not None:
                self._renew(producer)
            raise NotDelivered(error.args[0].str()) from None
        try:
            await done
        except NotDelivered:
            self._renew(producer)  # an idempotent producer may be unusable after a record that timed out
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

    def _renew(self, failed: Producer) -> None:
        with self._lock:
            if self._producer is not failed:
                return  # others failed with it, and there is a new one already
            self._producer = None
        # What else was under way there is confirmed or fails, in a thread of its own.
        threading.Thread(target=failed.flush, args=(DELIVERY_TIMEOUT_MS / 1000.0,), daemon=True).start()

    def _new_producer(self) -> Producer:
        config = producer_config(self._settings)
        if self._logger is not None:
            config["logger"] = self._logger
        return Producer(config)


def producer_config(settings: Settings) -> dict[str, object]:
    """Of whatever waits for each confirmation."""
    return {
        **settings.client_config(),
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # as Java clients: a key keeps its partition whoever sends
        "message.timeout.ms": DELIVERY_TIMEOUT_MS,
        "linger.ms": 0,
    }
