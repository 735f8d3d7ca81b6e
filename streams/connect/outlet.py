"""Where readers of foreign systems put what they made: events to their topics, refusals to the dead letters, in order.

Law: a message counts as done when Kafka has answered for all that was made of it and of those before it. Then, and only
then, is it acknowledged to its source; what is not done comes again and makes the same event ids.
"""

import base64
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import orjson
import structlog

from schemas import TOPIC_OF_KIND, BadRecord, DeadLetter
from schemas.topics import DEAD_LETTERS
from streams.adapters.machines.translators import Translated
from streams.gapless_writer import GaplessWriter, Outgoing
from streams.metrics import Metrics
from streams.settings import Settings
from streams.sources import record_key

log = structlog.get_logger(__name__)

METADATA_TIMEOUT_S: Final = 10.0

RECORD_BYTES: Final = 1_000_000
"""Of one record: what topics take by default."""

PAYLOAD_BYTES_MAX: Final = 600_000
"""Of the original in a dead letter, before base64; what is longer is cut."""


class Outlet:
    """Writes what was made of messages.

    Args:
        settings: where Kafka is.
        metrics: count messages and events.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._prefix = settings.topic_prefix
        self._metrics = metrics
        self._writer = GaplessWriter(settings.client_config(), RECORD_BYTES)
        self._has_letters: bool | None = None

    @property
    def has_room(self) -> bool:
        """Whether more may be sent."""
        return self._writer.has_room

    def send(
        self, position: tuple[str, int], number: int, source: str, payload: bytes, made: Translated
    ) -> None:
        """Send what a message made; `take_done` gives its number back when Kafka has it all.

        Args:
            position: what the numbers are of: a connection, a partition.
            number: of the message, growing.
            source: what it came on, for people.
            payload: the original, for dead letters.
            made: of it.

        Raises:
            DeliveryFailed: an earlier record was refused.
        """
        records = [self._event(body) for body in made.bodies]
        if made.problems and self._takes_letters():
            records += [self._letter(source, payload, index, bad) for index, bad in enumerate(made.problems)]
        outcome = "refused" if made.problems else "mapped" if made.bodies else "ignored"
        self._metrics.connect_messages.labels(outcome).inc()
        for body in made.bodies:
            self._metrics.connect_events.labels(body["kind"]).inc()
        self._writer.send(records, {position: number})

    def poll(self, timeout_s: float) -> None:
        """Let Kafka's answers in.

        Raises:
            DeliveryFailed: one of them was no.
        """
        self._writer.poll(timeout_s)

    def take_done(self) -> dict[tuple[str, int], int]:
        """Position -> the last number that is done with, since the last call."""
        return self._writer.take_delivered()

    def drain(self, timeout_s: float) -> bool:
        """Wait until all has arrived; False if it has not in this time.

        Raises:
            DeliveryFailed: something was refused.
        """
        return self._writer.drain(timeout_s)

    def close(self) -> None:
        """Let go; what has not arrived will come again from its source."""
        self._writer.close()

    def _takes_letters(self) -> bool:
        """Whether the topic is there: publishers that are bound to sites have a prefix of their own, and none under it."""
        if self._has_letters is None:
            name = self._prefix + DEAD_LETTERS
            self._has_letters = self._writer.partitions_of(name, METADATA_TIMEOUT_S) > 0
            if not self._has_letters:
                log.warning("no_dead_letters", topic=name, instead="the log names what is refused")
        return self._has_letters

    def _event(self, body: dict[str, object]) -> Outgoing:
        topic = self._prefix + TOPIC_OF_KIND[str(body["kind"])]
        return Outgoing(topic, None, (record_key(body) or "").encode(), orjson.dumps(body))

    def _letter(self, source: str, payload: bytes, index: int, bad: BadRecord) -> Outgoing:
        letter = foreign_letter(source, payload, index, bad)
        return Outgoing(
            self._prefix + DEAD_LETTERS, None, letter.output_id.encode(), letter.model_dump_json().encode()
        )


def foreign_letter(source: str, payload: bytes, index: int, bad: BadRecord) -> DeadLetter:
    """The dead letter of a message that never was on a topic of ours: its content names it, so twice is once.

    Args:
        source: what it came on: `mqtt:plant/p1/counts`, `umh.messages/0/4711`, a file.
        payload: the original.
        index: of the refusal within the message; the first one carries the bytes.
        bad: why.
    """
    digest = blake2b(payload, digest_size=12).hexdigest()
    kept = payload[:PAYLOAD_BYTES_MAX] if index == 0 else b""
    return DeadLetter(
        output_id=f"{source[:300]}/{digest}/{index}",
        code=bad.code,
        message=str(bad),
        field_path=bad.field_path,
        source_topic=source[:300],
        source_partition=0,
        source_offset=0,
        index=index,
        source_timestamp_ms=None,
        key_base64=None,
        payload_base64=base64.b64encode(kept).decode("ascii"),
        payload_truncated=len(payload) > len(kept),
        payload_bytes=len(payload),
        headers=[],
    )


def count_ignored(metrics: Metrics, ignored: Iterable[tuple[str, int]]) -> None:
    """Show what a translator left out; the reasons are ours, a dozen."""
    for why, number in ignored:
        metrics.connect_ignored.labels(why).set(number)
