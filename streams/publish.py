"""Sends records to the input topics and tells of each what became of it.

Law: a record is delivered, failed or refused, and the outcome says which. Nothing is counted as sent before the broker
has acknowledged it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from confluent_kafka import KafkaException, Producer

from schemas.topics import MACHINE_EVENTS
from streams.sources import Origin, RefusedRecord, SourceRecord

DELIVERY_TIMEOUT_MS: Final = 60_000
"""How long a record may wait for its acknowledgement. Too small: a broker that restarts costs records; too large: a
wrong address is noticed late."""

PROGRESS_EVERY: Final = 1_000
"""Records between two calls of progress."""

KEPT_FAILURES: Final = 1_000
"""Failures and refusals kept with their place; what is beyond is only counted, so that memory stays flat."""

_NO_CALL: Final = partial(int)


class PublishSettings(Protocol):
    """What publishing needs to be told."""

    @property
    def topic_prefix(self) -> str:
        """Stands before every topic."""
        ...

    def client_config(self) -> Mapping[str, object]:
        """Settings of every Kafka client: servers, security."""
        ...


@dataclass(slots=True)
class PublishOutcome:
    """What became of the records.

    Attributes:
        delivered: acknowledged by the broker.
        failed: not delivered; refused: not sent, because no topic could be named or no event made.
        failures: place and reason, in words, of the first KEPT_FAILURES of both.
    """

    delivered: int = 0
    failed: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 where everything was delivered."""
        return 1 if self.failed or self.refused else 0

    def note(self, failure: str) -> None:
        """Keep place and reason of a failure, as far as there is room."""
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(failure)


def publish(
    settings: PublishSettings,
    records: Iterable[SourceRecord | RefusedRecord],
    progress: Callable[[int], object] = _NO_CALL,
    new_producer: Callable[[dict[str, Any]], Any] = Producer,
) -> PublishOutcome:
    """Send records in order and wait until the broker has answered for each.

    Args:
        settings: where to.
        records: what read_records gives; refusals among them are reported, the others are sent all the same.
        progress: is called with the number of delivered records now and then, and at the end.
        new_producer: makes the client from its settings; tests have their own.

    Raises:
        KafkaException: the client cannot go on at all, as with refused credentials.
    """
    publisher = RecordPublisher(settings, new_producer)
    outcome = PublishOutcome()
    for number, record in enumerate(records, start=1):
        publisher.send(record, outcome)
        if number % PROGRESS_EVERY == 0:
            progress(outcome.delivered)
    publisher.wait()
    progress(outcome.delivered)
    return outcome


class RecordPublisher:
    """A client that sends records one after the other.

    Args:
        settings: where to.
        new_producer: makes the client from its settings; tests have their own.
    """

    def __init__(
        self, settings: PublishSettings, new_producer: Callable[[dict[str, Any]], Any] = Producer
    ) -> None:
        self._prefix = settings.topic_prefix
        self._client = new_producer(producer_config(settings))
        self._before = ""

    def send(self, record: SourceRecord | RefusedRecord, outcome: PublishOutcome) -> None:
        """Hand one record over; what becomes of it is counted in the outcome, at the latest by `wait`."""
        if isinstance(record, RefusedRecord):
            outcome.refused += 1
            outcome.note(str(record))
            return
        if must_wait(self._before, record.topic):
            self._client.flush()
        self._before = record.topic
        _produce(self._client, self._prefix + record.topic, record, outcome)
        self._client.poll(0.0)

    def wait(self) -> None:
        """Until the broker has answered for each record."""
        self._client.flush()


def must_wait(before: str, topic: str) -> bool:
    """Whether what was sent must have arrived before a record of another topic follows it.

    What machines say rests on the plan before it, and readers read topics side by side.
    """
    return topic == MACHINE_EVENTS and before not in ("", MACHINE_EVENTS)


def producer_config(settings: PublishSettings) -> dict[str, Any]:
    """Of whatever sends many records and waits for them together."""
    return dict(settings.client_config()) | {
        "enable.idempotence": True,  # in order and once, whatever is sent again; implies acks=all
        "message.timeout.ms": DELIVERY_TIMEOUT_MS,
        "partitioner": "murmur2_random",  # as Java clients: a line keeps its partition whoever publishes
        "linger.ms": 20,
    }


def produce(client: Any, topic: str, key: str | None, value: bytes, on_delivery: Callable[..., None]) -> None:
    """Hand a record to the client, waiting for room in its queue; nothing is ever dropped.

    Raises:
        KafkaException: the client does not take the record itself, as one that is too large.
    """
    while True:
        try:
            client.produce(topic, key=key, value=value, on_delivery=on_delivery)
        except BufferError:
            client.poll(0.5)  # until some are acknowledged
        else:
            return


def _produce(client: Any, topic: str, record: SourceRecord, outcome: PublishOutcome) -> None:
    try:
        produce(client, topic, record.key, record.value, partial(_delivered, outcome, record.origin))
    except KafkaException as error:
        outcome.failed += 1
        outcome.note(f"{record.origin}: not sent: {error.args[0].str()}")


def _delivered(outcome: PublishOutcome, origin: Origin, error: Any, _message: Any) -> None:
    if error is None:
        outcome.delivered += 1
    else:
        outcome.failed += 1
        outcome.note(f"{origin}: not delivered: {error.str()}")
