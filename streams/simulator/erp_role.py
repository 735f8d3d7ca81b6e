"""The stand-in for ERP and MES on Kafka: reads plan changes, plans accordingly, answers. For trials and the demo.

Law: it holds nothing of its own. At its start it reads the topics from their beginning: what it answered before is in
erp.plan-acks.v1 and is carried out no second time. The plan is published before the answer, and both before the next
change is looked at.
"""

import signal
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from pydantic import ValidationError

from schemas import TOPIC_OF_KIND, ClockTicked, Event, ForesiteError, PlanChange
from schemas.topics import MACHINE_EVENTS, ORDERS, PLAN_ACKS, PLAN_CHANGES, PLANT_MODEL, list_validator
from streams.kafka_logger import kafka_logger
from streams.partition_reader import read_to_end, reader
from streams.settings import Settings
from streams.simulator.erp import ErpAnswer, ErpPlan
from streams.sources import record_key

log = structlog.get_logger(__name__)

LEARNT_FROM = (PLANT_MODEL, ORDERS, MACHINE_EVENTS, PLAN_ACKS)
"""Topics that tell it of the plant and of what it said, in the order in which they are read."""

READ_RECORDS = 1_000
READ_WAIT_S = 0.1
METADATA_TIMEOUT_S = 10.0
FLUSH_TIMEOUT_S = 30.0


def run(settings: Settings, plan: ErpPlan) -> int:
    """Answer plan changes until SIGTERM or SIGINT.

    Returns:
        The process's exit code: 0 after a signal, 1 after a failure.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        ErpRole(settings, plan).run(stop)
    except (ForesiteError, KafkaException) as error:
        log.critical("erp_failed", error_type=type(error).__name__, error=str(error))
        return 1
    return 0


class ErpRole:
    """The stand-in at work.

    Args:
        settings: where Kafka is; by its clock things happen now.
        plan: how it decides.
    """

    def __init__(self, settings: Settings, plan: ErpPlan) -> None:
        self._settings = settings
        self._plan = plan
        self._now: dict[str, datetime] = {}
        client = settings.client_config()
        self._producer = Producer(
            {**client, "enable.idempotence": True, "partitioner": "murmur2_random"}, logger=kafka_logger()
        )
        self._failures: list[str] = []

    def run(self, stop: threading.Event) -> None:
        """Read what is there, answer what is open, and go on until `stop` is set.

        Raises:
            KafkaException: the broker failed.
        """
        client = self._settings.client_config()
        with reader(client, "read_committed") as consumer:
            places = self._catch_up(consumer)
            consumer.assign(places)
            log.info("erp_answers")
            while not stop.is_set():
                first = consumer.poll(READ_WAIT_S)
                if first is not None:
                    self._take([first, *consumer.consume(READ_RECORDS, 0.0)])

    def _catch_up(self, consumer: Consumer) -> list[TopicPartition]:
        """Read all topics to their ends, the changes last; where to go on from."""
        places: list[TopicPartition] = []
        for topic in (*LEARNT_FROM, PLAN_CHANGES):
            name = self._settings.topic_prefix + topic
            for number in sorted(
                consumer.list_topics(name, timeout=METADATA_TIMEOUT_S).topics[name].partitions
            ):
                messages = list(read_to_end(consumer, name, number))
                self._take(messages, skip_answered=True)
                last = messages[-1].offset() if messages else None
                places.append(TopicPartition(name, number, 0 if last is None else last + 1))
        return places

    def _take(self, messages: Iterable[Message], *, skip_answered: bool = False) -> None:
        """What is said of the plant first: a change rests on it."""
        changes: list[bytes] = []
        for message in messages:
            value, topic = message.value(), (message.topic() or "").removeprefix(self._settings.topic_prefix)
            if message.error() is not None or not isinstance(value, bytes):
                continue  # it reconnects by itself, and what is taken back has no body
            if topic == PLAN_CHANGES:
                changes.append(value)
            else:
                self._learn(topic, value)
        for value in changes:
            change = PlanChange.model_validate_json(value)
            if not (skip_answered and self._plan.has_answered(change.change_id)):
                self._answer(change)

    def _learn(self, topic: str, value: bytes) -> None:
        try:
            body: Any = orjson.loads(value)
            events: list[Event] = list_validator(topic).validate_python(
                body if isinstance(body, list) else [body]
            )
        except (orjson.JSONDecodeError, ValidationError):
            return  # ingest tells of broken records
        for event in events:
            self._plan.learn(event)
            if isinstance(event, ClockTicked):
                self._now[event.site_id] = event.event_time

    def _answer(self, change: PlanChange) -> None:
        is_by_events = self._settings.clock == "events"
        now = self._now.get(change.site_id) if is_by_events else datetime.now(UTC)
        answer = self._plan.answer(change, now or change.start_at)
        self._publish(answer)
        log.info(
            "change_answered",
            change_id=change.change_id,
            action=change.action,
            run_id=change.run_id,
            outcome=answer.ack.outcome,
            reason=answer.ack.reason,
        )

    def _publish(self, answer: ErpAnswer) -> None:
        """The plan, then the answer; an answer given before is given again: its reader drops repeats."""
        for event in answer.events:
            self._send(event)
        self._flush()
        self._send(answer.ack)
        self._flush()

    def _send(self, event: Event) -> None:
        value = event.model_dump_json(exclude_none=True).encode()
        self._producer.produce(
            self._settings.topic_prefix + TOPIC_OF_KIND[event.kind],
            key=record_key(orjson.loads(value)),
            value=value,
            on_delivery=lambda error, _: self._failures.append(str(error)) if error is not None else None,
        )

    def _flush(self) -> None:
        if self._producer.flush(FLUSH_TIMEOUT_S) or self._failures:
            raise ForesiteError(f"the plan could not be published: {self._failures[:1] or 'no answer'}")
