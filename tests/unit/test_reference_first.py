"""After an outage the plan is read before the counts that rest on it."""

import threading

from confluent_kafka import Producer

from schemas import TOPICS, decode_facts
from schemas.topics import FACTS, MACHINE_EVENTS, ORDERS
from streams.embedded_broker import EmbeddedBroker
from streams.ingest import run_ingest
from streams.settings import Settings
from tests.folding import at, count, run
from tests.running import messages, wait_until


def test_a_backlog_of_counts_waits_for_the_plan() -> None:
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        settings = Settings(kafka=broker.bootstrap_servers)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for number in range(200):
            told = count("L1", "R1", at(0, "06:00"), 1.0, event_id=f"e{number}")
            producer.produce(MACHINE_EVENTS, told.model_dump_json(exclude_none=True), partition=number % 4)
        producer.flush()
        for number in range(200):
            planned = run(f"R{number}", "L1", at(0, "06:00"), at(0, "14:00"))
            producer.produce(ORDERS, planned.model_dump_json(exclude_none=True), partition=number % 4)
        producer.flush()
        stop = threading.Event()
        worker = threading.Thread(target=run_ingest, args=(settings, stop))
        worker.start()
        try:
            wait_until(lambda: len(kinds(settings)) >= 400, 60.0)
        finally:
            stop.set()
            worker.join(30)
        assert ["run_planned"] * 200 + ["count_reported"] * 200 == kinds(settings)


def kinds(settings: Settings) -> list[str]:
    """Kinds of the events in the facts, in their order."""
    found: list[str] = []
    for message in messages(settings, FACTS):
        facts = decode_facts(message.value() or b"")
        found += [event.kind for segment in facts.segments for event in segment.events]
    return found
