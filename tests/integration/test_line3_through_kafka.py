"""The Line 3 case end to end: events into raw topics, ingest, twin, a card out; on both brokers, and the same bytes."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from schemas import TOPICS, Card, decode_facts
from schemas.topics import CARDS, GRAPH, LINES, ORDER_PROJECTIONS, SIGNALS
from streams.embedded_broker import EmbeddedBroker
from streams.settings import Settings
from streams.simulator import CommittedClock, Player, line3_events
from streams.topic_admin import create_topics
from tests.folding import fold_all
from tests.running import cards, committed_offset, facts_log, messages, roles, wait_until, write_facts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BERLIN = ZoneInfo("Europe/Berlin")
THURSDAY = datetime(2026, 11, 19, 8, tzinfo=BERLIN)
OUTPUTS = (CARDS, SIGNALS, ORDER_PROJECTIONS, GRAPH, LINES)


@pytest.fixture
def embedded() -> Iterator[Settings]:
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, clock="events")


@pytest.fixture
def apache(kafka: str) -> Settings:
    prefix = f"line3-{os.getpid()}-"
    settings = Settings(kafka=kafka, topic_prefix=prefix, clock="events")
    create_topics(settings, replication=1)
    return settings


def play_line3(settings: Settings) -> dict[str, Card]:
    with roles(settings, "ingest", "twin"):
        clock = CommittedClock(settings)
        player = Player(settings, clock, window_s=7200.0)
        try:
            player.play(line3_events(until=THURSDAY))
            player.wait_for("plant-1", THURSDAY.timestamp())
        finally:
            player.close()
            clock.close()
        return cards(settings)


def check_the_card(found: dict[str, Card]) -> None:
    """The tolerance of the case: projection within 30 minutes; slip exact; overtime and margin as computed from it."""
    assert ["delivery_risk/plant-1/line/L3/1"] == list(found)
    card = found["delivery_risk/plant-1/line/L3/1"]
    [worst] = card.affected
    rescue = card.impact.rescue
    assert rescue is not None

    assert "4471" == worst.order_id
    assert worst.ready_at is not None
    assert abs(worst.ready_at - datetime(2026, 11, 24, 17, 15, 39, tzinfo=BERLIN)) < timedelta(minutes=30)
    assert 2 * 86_400.0 == worst.slip_s
    assert datetime(2026, 11, 26, 12, tzinfo=BERLIN) == worst.ships_at
    assert abs(rescue.overtime_h - 5.26) < 0.5
    assert round(rescue.overtime_h * 780.0, 2) == rescue.cost
    assert round(4165.0 - rescue.cost, 2) == rescue.margin_after
    assert (5000.0, -835.0) == (card.impact.exposure, card.impact.margin_if_late)
    assert "R. Okafor" == card.owner.name
    assert datetime(2026, 11, 20, 14, tzinfo=BERLIN) == card.deadline


def check_the_fold(settings: Settings) -> None:
    """What the topics hold is what the facts say, byte by byte."""
    promised: dict[str, list[tuple[str, bytes | None]]] = {topic: [] for topic in OUTPUTS}
    for values in facts_log(settings).values():
        _, outputs, _ = fold_all(decode_facts(value) for value in values)
        for output in outputs:
            if output.topic in promised:
                promised[output.topic].append((output.key, output.value()))
    for topic in OUTPUTS:
        found = [((message.key() or b"").decode(), message.value()) for message in messages(settings, topic)]
        assert sorted(promised[topic], key=str) == sorted(found, key=str), topic


def test_line_3_on_the_embedded_broker(embedded: Settings) -> None:
    check_the_card(play_line3(embedded))
    check_the_fold(embedded)


@pytest.mark.kafka
def test_line_3_on_apache_kafka_and_its_facts_on_the_embedded_broker(
    apache: Settings, embedded: Settings
) -> None:
    """Whatever way events interleave in ingest, once they are facts every broker and process gives the same bytes."""
    there = play_line3(apache)
    check_the_card(there)
    check_the_fold(apache)
    log = facts_log(apache)

    write_facts(embedded, log)
    with roles(embedded, "twin") as running:
        ends = {partition: len(values) for partition, values in log.items()}
        wait_until(
            lambda: ends == {partition: committed_offset(embedded, partition) for partition in ends},
            60.0,
            lambda: running["twin"].printed,
        )
        here = cards(embedded)
        assert {key: card.model_dump_json() for key, card in there.items()} == {
            key: card.model_dump_json() for key, card in here.items()
        }
        check_the_fold(embedded)
