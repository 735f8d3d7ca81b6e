"""Events that come over HTTP: judged, put on their topics, and what became of each.

Law: an event is called delivered only once Kafka has it. Whoever got no such answer posts it again under the same
event_id: here it is sent once as long as it is remembered, and the twin counts it once in any case.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import structlog

from schemas import TOPICS, BadRecord, ReasonCode
from streams.judging import ReadyEvent, judged
from streams.metrics import Metrics
from streams.publish import must_wait
from streams.record_sender import NotDelivered, RecordSender
from streams.settings import Settings
from streams.web.access import Principal
from streams.web.answers import EventAnswer
from streams.web.problems import Problem, unavailable

log = structlog.get_logger(__name__)

SENT_KEPT = 100_000
"""Events remembered as delivered, so that one that is posted again is not sent again. Too small: it is, and the twin tells
that it is a repeat. Too large: memory, some 300 bytes each."""

NOT_CONFIRMED: Final = (
    "Kafka did not confirm it. It may or may not have arrived: post it again under the same event_id"
)


class _Sent(NamedTuple):
    """An event on its way, or delivered.

    Attributes:
        fingerprint: of its bytes; delivery: ends when Kafka has it, or has not taken it; None: it has.
    """

    fingerprint: bytes
    delivery: "asyncio.Future[None] | None"


class EventDesk:
    """Takes events.

    Args:
        settings: whether it is open, its limits, topics and sites.
        sender: puts events on their topics.
        metrics: gateway_events_total and its neighbours.
    """

    def __init__(self, settings: Settings, sender: RecordSender, metrics: Metrics) -> None:
        self._settings, self._sender, self._metrics = settings, sender, metrics
        self._sent: OrderedDict[tuple[str, str], _Sent] = OrderedDict()
        self._in_flight = 0

    def require_open(self) -> None:
        """Say so where the gateway is off.

        Raises:
            Problem: it is.
        """
        if not self._settings.web_gateway:
            raise Problem(
                404, "gateway_off", "Events are not taken here", "FORESITE_WEB_GATEWAY=true opens the gateway"
            )

    async def take(self, bodies: Sequence[bytes | BadRecord], principal: Principal) -> list[EventAnswer]:
        """Judge events, send the good ones in order, and wait until Kafka has answered for each.

        Args:
            bodies: each one event in JSON, or why it is none.
            principal: a publisher.

        Raises:
            Problem: they are too many, too much waits already, or the token's role is for other topics than there are.
        """
        prefix, role = self._role_of(principal)
        if len(bodies) > self._settings.web_gateway_events_max:
            raise Problem(
                413,
                "too_many_events",
                "Too many events at once",
                f"{len(bodies):,} events, at most {self._settings.web_gateway_events_max:,} "
                "(FORESITE_WEB_GATEWAY_EVENTS_MAX); nothing was sent: post them in parts",
            )
        if self._in_flight + len(bodies) > self._settings.web_gateway_in_flight_max:
            raise unavailable("busy", "too many events wait for Kafka; nothing was sent: post them again")
        self._count(len(bodies))
        # It goes on when whoever posted has gone: what was begun is delivered or not, and the next post tells which.
        work = asyncio.ensure_future(self._taken(bodies, principal.name, prefix, role))
        work.add_done_callback(lambda _: self._count(-len(bodies)))
        return await asyncio.shield(work)

    async def _taken(
        self, bodies: Sequence[bytes | BadRecord], name: str, prefix: str, role: str
    ) -> list[EventAnswer]:
        began = time.monotonic()
        sites = self._settings.site_topics[prefix] if prefix else None
        verdicts = await asyncio.to_thread(judged, bodies, self._settings.clock, sites)
        answers: list[EventAnswer] = []
        waiting: list[tuple[EventAnswer, asyncio.Future[None]]] = []
        before, is_broken = "", False
        for index, verdict in enumerate(verdicts):
            refused = verdict if isinstance(verdict, BadRecord) else _forbidden(verdict, name, role)
            if refused is not None:
                answers.append(_refused(index, verdict, refused))
                continue
            assert isinstance(verdict, ReadyEvent)
            if must_wait(before, verdict.topic):
                is_broken = not await _settle(waiting) or is_broken
            before = verdict.topic
            answer = EventAnswer(
                index=index,
                event_id=verdict.event.event_id,
                status="not_sent" if is_broken else "delivered",
                topic=verdict.topic,
                unknown_fields=verdict.unknown_fields,
            )
            answers.append(answer)
            if is_broken:
                answer.message = "not sent: it rests on an event before it that was not delivered"
            elif (delivery := self._begun(answer, verdict, name, prefix)) is not None:
                waiting.append((answer, delivery))
        await _settle(waiting)
        self._observe(answers, time.monotonic() - began)
        return answers

    def _begun(
        self, answer: EventAnswer, ready: ReadyEvent, name: str, prefix: str
    ) -> "asyncio.Future[None] | None":
        """The delivery to wait for; None where there is none, and the answer says why."""
        key = (name, ready.event.event_id)
        fingerprint = blake2b(ready.value, digest_size=16).digest()
        known = self._sent.get(key)
        if known is not None and known.fingerprint != fingerprint:
            answer.status, answer.code, answer.field_path = "refused", "event_id_taken", "event_id"
            answer.message = "another event was delivered under this event_id, and said something else"
            return None
        if known is not None:
            answer.status = "repeated"
            return known.delivery
        topic = self._settings.topic_prefix + prefix + ready.topic
        delivery = asyncio.ensure_future(self._sender.deliver(topic, ready.key, ready.value))
        self._sent[key] = _Sent(fingerprint, delivery)
        delivery.add_done_callback(lambda _: self._delivered(key, fingerprint, delivery))
        return delivery

    def _delivered(self, key: tuple[str, str], fingerprint: bytes, delivery: "asyncio.Future[None]") -> None:
        del self._sent[key]
        if delivery.cancelled() or delivery.exception() is not None:
            return  # it is sent again when it is posted again
        self._sent[key] = _Sent(fingerprint, None)
        if len(self._sent) > SENT_KEPT:
            oldest = next(each for each, sent in self._sent.items() if sent.delivery is None)
            del self._sent[oldest]

    def _role_of(self, principal: Principal) -> tuple[str, str]:
        """Prefix of the topics of a publisher, and its role without it."""
        before, _, role = principal.publishes_as.rpartition(".")
        prefix = f"{before}." if before else ""
        if prefix and prefix not in self._settings.site_topics:
            raise Problem(
                403,
                "not_allowed",
                "Not allowed",
                f"{principal.name} is {principal.publishes_as}, but FORESITE_SITE_TOPICS knows no {prefix!r}",
            )
        return prefix, role

    def _count(self, events: int) -> None:
        self._in_flight += events
        self._metrics.gateway_events_in_flight.set(self._in_flight)

    def _observe(self, answers: Sequence[EventAnswer], seconds: float) -> None:
        for (topic, status), count in Counter(
            (each.topic or "unknown", each.status) for each in answers
        ).items():
            self._metrics.gateway_events.labels(topic, status).inc(count)
        self._metrics.gateway_delivery_seconds.observe(seconds)
        failed = [each for each in answers if each.status == "not_delivered"]
        if failed:
            log.warning("events_not_delivered", events=len(failed), error=failed[0].message)


async def _settle(waiting: "list[tuple[EventAnswer, asyncio.Future[None]]]") -> bool:
    """Wait for all, and say whether Kafka has each."""
    are_there = True
    for answer, delivery in waiting:
        try:
            await delivery
        except NotDelivered as error:
            are_there = False
            answer.status, answer.code, answer.message = (
                "not_delivered",
                "delivery",
                f"{error}. {NOT_CONFIRMED}",
            )
    waiting.clear()
    return are_there


def _forbidden(ready: ReadyEvent, name: str, role: str) -> BadRecord | None:
    """Why this publisher may not say this; None if it may."""
    writers = TOPICS[ready.topic].writers
    if role not in writers:
        message = f"{name} is {role}; {ready.event.kind} belongs on {ready.topic}, which {', '.join(writers)} writes"
        return BadRecord(ReasonCode.AUTHORISATION, message, "kind")
    source_id = ready.event.source_id
    if source_id is not None and source_id != name and not source_id.startswith(f"{name}/"):
        message = f"{name} may speak as the source {name!r} or as {name + '/...'!r}, not as another one"
        return BadRecord(ReasonCode.AUTHORISATION, message, "source_id")
    return None


def _refused(index: int, verdict: ReadyEvent | BadRecord, refused: BadRecord) -> EventAnswer:
    ready = None if isinstance(verdict, BadRecord) else verdict
    return EventAnswer(
        index=index,
        event_id=None if ready is None else ready.event.event_id,
        status="refused",
        topic=None if ready is None else ready.topic,
        code=refused.code,
        field_path=refused.field_path,
        message=str(refused),
    )
