"""A person's commands from the command line: find the card, send the command, wait for the twin's answer.

The answer is the twin's own, read back from its topic: nothing is said to be done before it is.
"""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from schemas import MODEL_OF_KIND, Card, Command, CommandResult, UsageError, topics
from streams.latest_cards import LatestCards
from streams.partition_reader import READER_GROUP, watermarks
from streams.record_sender import producer_config
from streams.settings import Settings
from streams.web_client import WebClient
from twin.cards.card_life import LIVE_STATES

ANSWER_TIMEOUT_S = 30.0
"""How long an answer is waited for. Too small: a twin that is catching up seems deaf; too large: so does a dead one."""

READ_WAIT_S = 0.5
"""Without a card for so long, the topic has been read."""

FIRST_WAIT_S = 5.0
"""The first cards may take a connection and a metadata request."""


def read_cards(settings: Settings) -> list[Card]:
    """Cards that need somebody or were decided about, most urgent first.

    Raises:
        KafkaException: the broker does not answer.
    """
    if settings.web_url is not None:
        return WebClient(settings).cards()
    reader = LatestCards(settings)
    try:
        if reader.changed(FIRST_WAIT_S):
            while reader.changed(READ_WAIT_S):
                pass
        return reader.all()
    finally:
        reader.close()


def find_card(settings: Settings, card_id: str) -> Card:
    """The newest version of a card; its id may be shortened to any part that only it has.

    Raises:
        UsageError: no card has it, or several do.
        KafkaException: the broker does not answer.
    """
    cards = read_cards(settings)
    exact = [card for card in cards if card.card_id == card_id]
    found = exact or [card for card in cards if card_id in card.card_id]
    found = [card for card in found if card.state in LIVE_STATES] or found  # an old episode has a like name
    if not found:
        raise UsageError(f"no card is called {card_id!r}; `foresite card list` shows what there is")
    if len(found) > 1:
        names = ", ".join(card.card_id for card in found[:5])
        raise UsageError(f"{card_id!r} could be any of {len(found)} cards: {names}")
    return found[0]


def card_command(
    settings: Settings, kind: str, card: Card, actor: str, revision: int | None, **more: Any
) -> Command:
    """A command on a card, as of the revision that was looked at.

    Args:
        settings: its clock decides what time it is.
        kind: of the command, as card_acknowledge.
        card: the card as it was read.
        actor: who asks.
        revision: that the person looked at; None: the one just read.
        more: fields of that kind.
    """
    # Where events drive the clock, the plant's time is not ours: the card's own moment is in its past for sure.
    now = card.as_of if settings.clock == "events" else datetime.now(UTC)
    expected = card.revision if revision is None else revision
    return command(kind, card.site_id, actor, now, card_id=card.card_id, expected_revision=expected, **more)


def command(kind: str, site_id: str, actor: str, now: datetime, **fields: Any) -> Command:
    """A command with an id of its own.

    Raises:
        ValidationError: a field is not as the kind wants it.
    """
    command_id = str(uuid4())
    made = MODEL_OF_KIND[kind].model_validate(
        {
            "kind": kind,
            "event_id": command_id,
            "event_time": now.isoformat(),
            "site_id": site_id,
            "command_id": command_id,
            "actor": actor,
            **fields,
        }
    )
    assert isinstance(made, Command)
    return made


def send(
    settings: Settings, sent: Command, target: str, timeout_s: float = ANSWER_TIMEOUT_S
) -> CommandResult:
    """Send a command and wait for what became of it.

    Args:
        settings: where Kafka is.
        sent: the command.
        target: what it is about: the record's key, so that commands on one thing stay in order.
        timeout_s: how long to wait for the answer.

    Raises:
        UsageError: nobody answered in time.
        KafkaException: the broker does not take it.
    """
    if settings.web_url is not None:
        return WebClient(settings).send(sent, timeout_s)
    answers = _at_the_end(settings, settings.topic_prefix + topics.COMMAND_RESULTS)
    try:
        _deliver(settings, sent, target)
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            message = answers.poll(0.2)
            value = None if message is None or message.error() is not None else message.value()
            if isinstance(value, bytes):
                result = CommandResult.model_validate_json(value)
                if result.command_id == sent.command_id:
                    return result
    finally:
        answers.close()
    raise UsageError(
        f"no answer within {timeout_s:.0f} s; it may still be carried out (command {sent.command_id}). "
        "Do ingest and twin run? `foresite card show` or `foresite proposal show` tells what became of it"
    )


def _at_the_end(settings: Settings, topic: str) -> Consumer:
    consumer = Consumer(
        {
            **settings.client_config(),
            "group.id": READER_GROUP,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
        }
    )
    partitions = consumer.list_topics(topic, timeout=10.0).topics[topic].partitions
    ends = [TopicPartition(topic, number, watermarks(consumer, topic, number)[1]) for number in partitions]
    consumer.assign(ends)
    return consumer


def _deliver(settings: Settings, sent: Command, target: str) -> None:
    failures: list[Any] = []
    producer = Producer(producer_config(settings))
    producer.produce(
        settings.topic_prefix + topics.COMMANDS,
        key=target.encode(),
        value=sent.model_dump_json(exclude_none=True).encode(),
        on_delivery=lambda error, _message: failures.append(error) if error is not None else None,
    )
    producer.flush()
    if failures:
        raise KafkaException(failures[0])
