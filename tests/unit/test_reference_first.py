"""After an outage the plan is read before the counts that rest on it."""

import threading
from dataclasses import dataclass

from confluent_kafka import Producer

from schemas import TOPICS, decode_facts
from schemas.topics import FACTS, MACHINE_EVENTS, ORDERS
from streams.embedded_broker import EmbeddedBroker
from streams.ingest import run_ingest
from streams.input_reader import earliest_first
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


@dataclass(frozen=True)
class Written:
    """What of a consumed record says where and when it was written; confluent-kafka's own cannot be made by hand."""

    name: str
    of_topic: str
    of_partition: int
    at_ms: int

    def topic(self) -> str:
        """Name of its topic."""
        return self.of_topic

    def partition(self) -> int:
        """Its partition."""
        return self.of_partition

    def timestamp(self) -> tuple[int, int]:
        """Kind and milliseconds."""
        return 1, self.at_ms


def ordered(*records: Written) -> list[str]:
    return [each.name for each in earliest_first(records)]  # type: ignore[arg-type,attr-defined]  # stands for Messages


def test_what_came_in_one_answer_is_taken_as_it_was_written() -> None:
    machine = "p-" + MACHINE_EVENTS
    count_then = Written("count", machine, 0, 1_005)
    planned = Written("planned", "p-" + ORDERS, 3, 1_000)
    moved = Written("moved", "p-" + ORDERS, 3, 1_010)
    assert ["planned", "count", "moved"] == ordered(count_then, planned, moved)


def test_in_one_millisecond_the_plan_comes_first() -> None:
    machine = "p-" + MACHINE_EVENTS
    assert ["planned", "count"] == ordered(
        Written("count", machine, 0, 1_000), Written("planned", "p-" + ORDERS, 0, 1_000)
    )


def test_a_clock_that_was_put_back_does_not_reorder_a_partition() -> None:
    """The later record of a partition counts as written no earlier than the one before it."""
    machine = "p-" + MACHINE_EVENTS
    first, second = Written("first", machine, 0, 2_000), Written("second", machine, 0, 1_000)
    planned = Written("planned", "p-" + ORDERS, 0, 1_500)
    assert ["planned", "first", "second"] == ordered(first, second, planned)
