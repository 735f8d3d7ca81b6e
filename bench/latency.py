"""Record to card: from handing a stop to the producer until a read_committed consumer has the card about it.

Ingest and the twin run as an operator starts them, by the wall clock, while twenty lines send a count a second. Each trial
stops another line whose order has a few hours to spare, for longer than those, and lets it go on when the card is there.
"""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.brokers import BenchFailed, Broker, Watch, installation, producer, roles, send_bodies
from bench.plant import PIECES_A_SECOND, BenchPlant, Body, encode, source_partition
from bench.results import Machine, Result, result
from schemas.topics import MACHINE_EVENTS, ORDER_PROJECTIONS
from streams.latest_cards import LatestCards
from streams.settings import Settings

STOP_MIN = 600.0
"""Expected length of each stop, above the orders' four hours of slack."""

BACKGROUND_LINES = 20
SEEN_WITHIN_S = 15.0
SETTLE_S = 3.0
BETWEEN_TRIALS_S = 0.137
"""No part of the commit interval: trials must not fall into step with it."""


def measure(on: Broker, machine: Machine, *, quick: bool) -> Iterator[Result]:
    """p50 and p99 over trials, each with a card of its own."""
    trials, warm_up = (5, 2) if quick else (200, 10)
    plant = BenchPlant(
        start=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5),
        lines=BACKGROUND_LINES + warm_up + trials,
        runs_a_line=2,
    )
    with installation(on, facts_partitions=1, clock="wall") as settings:
        model = [body for body in plant.model() if body["kind"] != "clock_ticked"]
        send_bodies(settings, [body for body in model if body["kind"] != "run_started"])
        with roles(settings, "ingest", "twin") as processes:
            _wait_for_orders(settings, plant, Watch("the first projections", processes))
            send_bodies(settings, [body for body in model if body["kind"] == "run_started"])
            taken = _trials(settings, plant)[warm_up:]
    milliseconds = sorted(seconds * 1000.0 for seconds in taken)
    for name, share in (("p50", 0.50), ("p99", 0.99)):
        value = milliseconds[min(int(share * trials), trials - 1)]
        row = result("latency", f"record_to_card/{name}", "ms", milliseconds, machine)
        yield row.with_value(value)


def _wait_for_orders(settings: Settings, plant: BenchPlant, watch: Watch) -> None:
    """Until every order has a projection, for what came on a line that is not known yet would be rejected."""
    consumer = Consumer({**settings.client_config(), "group.id": "bench-orders", "enable.auto.commit": False})
    topic = settings.topic_prefix + ORDER_PROJECTIONS
    partitions = consumer.list_topics(topic, timeout=10.0).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    projected: set[bytes | str | None] = set()
    while len(projected) < plant.lines * plant.runs_a_line:
        watch.pause()
        for message in consumer.consume(1_000, 0.1):
            if b'"status":"projected"' in (message.value() or b""):
                projected.add(message.key())
    consumer.close()


def _trials(settings: Settings, plant: BenchPlant) -> list[float]:
    client = producer(settings, linger_ms=0)
    cards = LatestCards(settings)
    over = threading.Event()
    background = threading.Thread(target=_count, args=(settings, plant, over), name="bench-counts")
    background.start()
    try:
        time.sleep(SETTLE_S)
        return [_trial(settings, plant, line, client, cards) for line in range(BACKGROUND_LINES, plant.lines)]
    finally:
        over.set()
        background.join()
        client.flush(10.0)
        cards.close()


def _trial(settings: Settings, plant: BenchPlant, line: int, client: Producer, cards: LatestCards) -> float:
    """Stop the line; seconds until its card is seen."""
    while cards.changed(0.0):
        pass
    time.sleep(BETWEEN_TRIALS_S)
    order_id = plant.order_id(line)
    began_at = time.perf_counter()
    _send(settings, client, plant.held(line, datetime.now(UTC), STOP_MIN))
    while (seconds := time.perf_counter() - began_at) < SEEN_WITHIN_S:
        changed = cards.changed(0.05)
        if any(order_id == each.order_id for card in changed for each in card.affected):
            seconds = time.perf_counter() - began_at
            _send(settings, client, plant.resumed(line, datetime.now(UTC)))
            return seconds
    raise BenchFailed(f"no card about {order_id} within {seconds:.0f} s")


def _count(settings: Settings, plant: BenchPlant, over: threading.Event) -> None:
    """A count a second from each line in the background."""
    client = producer(settings)
    number = 0
    while not over.wait(1.0):
        number += 1
        for line in range(BACKGROUND_LINES):
            _send(settings, client, plant.count(line, number, datetime.now(UTC), PIECES_A_SECOND))
    client.flush(10.0)


def _send(settings: Settings, client: Producer, body: Body) -> None:
    client.produce(
        settings.topic_prefix + MACHINE_EVENTS,
        encode(body),
        body["line_id"].encode(),
        partition=source_partition(body),
    )
    client.poll(0)
