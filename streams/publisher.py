"""Publishing events from a program of your own: judged before they are sent, and waited for.

    with Publisher("press-gateway") as publisher:
        publisher.publish(CountReported(event_id="press-1/0815", ...))

Law: when `publish` returns, Kafka has every event; when it raises, the error says of each event whether it was sent.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

import orjson
from confluent_kafka import KafkaException, Producer

from schemas import BadRecord, Event, ForesiteError, ReasonCode
from streams.judging import ReadyEvent, judged
from streams.publish import must_wait, produce, producer_config
from streams.settings import Settings

BATCH_EVENTS: Final = 1_000
"""Events of one batch of a long run. Too small: a wait for Kafka each few events. Too large: so many are sent again by
whoever resumes."""

EventLike = Event | Mapping[str, Any]
"""A model of schemas, or its fields; without an event_id, one is derived."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event that Kafka has.

    Attributes:
        topic: full name; partition, offset: of its record there.
    """

    event_id: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class EventProblem:
    """What is wrong with one event.

    Attributes:
        index: its place among those that were given.
        event_id: where it has one.
        code: as of a dead letter (docs/dead-letters.md), or `delivery`.
        field_path: dotted; "" where the whole event is at fault.
    """

    index: int
    event_id: str
    code: str
    field_path: str
    message: str

    def __str__(self) -> str:
        where = f" [{self.field_path}]" if self.field_path else ""
        return f"event {self.index} ({self.event_id or 'without an id'}): {self.code}{where}: {self.message}"


class EventsRefused(ForesiteError):
    """Some events cannot be as they are, and nothing was sent.

    Attributes:
        problems: of each such event.
    """

    def __init__(self, problems: list[EventProblem]) -> None:
        super().__init__(f"nothing was sent: {_listed(problems)}")
        self.problems = problems


class EventsNotDelivered(ForesiteError):
    """Kafka has not confirmed some events; they may have arrived. Publish all of them again: repeats count once.

    Attributes:
        problems: of those that are not confirmed; delivered: the others.
    """

    def __init__(self, problems: list[EventProblem], delivered: list[Delivered]) -> None:
        super().__init__(f"{len(delivered)} delivered, not confirmed: {_listed(problems)}")
        self.problems, self.delivered = problems, delivered


class Publisher:
    """Sends events to the input topics of an installation. Use it in a `with`, or close it. Threads may share it.

    Args:
        source: name of the program or machine, the same in each run: it begins the ids that are derived.
        settings: where Kafka is and how to sign in there; default: the environment (FORESITE_KAFKA, ...).
        bound_to: prefix of the topics that this publisher may write, as `lyon.`, where it is bound to sites.
        new_producer: makes the client from its settings; tests have their own.

    Raises:
        KafkaException: the client's settings cannot be.
    """

    def __init__(
        self,
        source: str,
        settings: Settings | None = None,
        *,
        bound_to: str = "",
        new_producer: Callable[[dict[str, Any]], Any] = Producer,
    ) -> None:
        self._source = source
        self._settings = Settings() if settings is None else settings
        self._prefix = self._settings.topic_prefix + bound_to
        self._sites = self._settings.site_topics.get(bound_to) if bound_to else None
        self._new_client = partial(new_producer, producer_config(self._settings))
        self._client: Any = self._new_client()
        self._lock = threading.Lock()
        self._is_closed = False

    def publish(self, events: EventLike | Iterable[EventLike]) -> list[Delivered]:
        """Judge events, send them in order, and wait until Kafka has them all.

        Args:
            events: one, or several; all of them are held in memory.

        Returns:
            where each one is, in their order.

        Raises:
            EventsRefused: some cannot be as they are; nothing was sent.
            EventsNotDelivered: Kafka has not confirmed some.
            ValueError: the publisher is closed.
        """
        given = [events] if isinstance(events, Event | Mapping) else list(events)
        with self._lock:
            if self._is_closed:
                raise ValueError(f"the publisher of {self._source} is closed")
            return self._sent(self._judged(given))

    def publish_many(
        self, events: Iterable[EventLike], batch_events: int = BATCH_EVENTS
    ) -> Iterator[Delivered]:
        """Publish batch after batch, giving what Kafka has: for more events than memory holds.

        The iteration stops at the first batch that is refused or not confirmed; those before it are delivered.

        Raises:
            EventsRefused, EventsNotDelivered: as `publish`; `index` counts within the batch.
        """
        rest = iter(events)
        while batch := list(islice(rest, batch_events)):
            yield from self.publish(batch)

    def close(self) -> None:
        """Give the client up; nothing is under way between two calls. Closing twice is no error."""
        with self._lock:
            self._is_closed = True
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _judged(self, given: list[EventLike]) -> list[ReadyEvent]:
        ready: list[ReadyEvent] = []
        problems: list[EventProblem] = []
        bodies = [_body(each, self._source) for each in given]
        verdicts = judged([_encoded(body) for body in bodies], self._settings.clock, self._sites)
        for index, (verdict, body) in enumerate(zip(verdicts, bodies, strict=True)):
            if isinstance(verdict, BadRecord):
                event_id = str(body.get("event_id", ""))
                problems.append(EventProblem(index, event_id, verdict.code, verdict.field_path, str(verdict)))
            else:
                ready.append(verdict)
        if problems:
            raise EventsRefused(problems)
        return ready

    def _sent(self, ready: list[ReadyEvent]) -> list[Delivered]:
        answers: dict[int, Delivered | str] = {}

        def answered(index: int, event_id: str, error: Any, message: Any) -> None:
            if error is None:
                answers[index] = Delivered(event_id, message.topic(), message.partition(), message.offset())
            else:
                answers[index] = error.str()

        before = ""
        for index, each in enumerate(ready):
            if must_wait(before, each.topic):
                self._client.flush()
                if any(isinstance(answer, str) for answer in answers.values()):
                    break  # what follows rests on what is missing
            before = each.topic
            event_id = each.event.event_id
            try:
                produce(
                    self._client,
                    self._prefix + each.topic,
                    each.key,
                    each.value,
                    partial(answered, index, event_id),
                )
            except KafkaException as error:
                answers[index] = error.args[0].str()
        self._client.flush()
        delivered = [answer for _, answer in sorted(answers.items()) if isinstance(answer, Delivered)]
        if len(delivered) < len(ready):
            self._client = (
                self._new_client()
            )  # an idempotent one may be unusable after a record that timed out
            raise EventsNotDelivered(list(_missing(ready, answers)), delivered)
        return delivered


def derived_event_id(source: str, body: Mapping[str, Any]) -> str:
    """The event_id of a body that has none: from what it says, so that the same said twice is one event.

    Two events of a source that differ in nothing, not even the time, count as one: where that can be, give them ids.
    """
    said = {name: value for name, value in body.items() if name != "event_id"}
    digest = blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
    return f"{source}/{body.get('kind')}/{digest}"


def _body(event: EventLike, source: str) -> dict[str, Any]:
    if isinstance(event, Event):
        return {**event.model_dump(mode="json", exclude_unset=True), "kind": event.kind}
    body = dict(event)
    if "event_id" not in body:
        try:
            body["event_id"] = derived_event_id(source, body)
        except TypeError:  # it is no JSON, which the verdict will say
            return body
    return body


def _encoded(body: dict[str, Any]) -> bytes | BadRecord:
    try:
        return orjson.dumps(body)  # times of datetime among them, as RFC 3339
    except TypeError as error:
        return BadRecord(ReasonCode.PARSE, f"cannot be written as JSON: {error}")


def _missing(ready: list[ReadyEvent], answers: Mapping[int, Delivered | str]) -> Iterator[EventProblem]:
    for index, each in enumerate(ready):
        answer = answers.get(index, "not sent: it rests on an event before it that was not confirmed")
        if isinstance(answer, str):
            yield EventProblem(index, each.event.event_id, "delivery", "", answer)


def _listed(problems: list[EventProblem]) -> str:
    shown = "; ".join(map(str, problems[:3]))
    return shown if len(problems) <= 3 else f"{shown}; and {len(problems) - 3} more"
