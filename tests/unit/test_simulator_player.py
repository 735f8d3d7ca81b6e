"""The player: never far ahead of the twin, ticks only behind acknowledged events, and loud when nobody follows."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from confluent_kafka import KafkaException, Producer

from schemas import UsageError
from schemas.topics import STATE
from streams.embedded_broker import EmbeddedBroker
from streams.routing import facts_partition
from streams.settings import Settings
from streams.simulator import line3_events
from streams.simulator.committed_clock import CommittedClock
from streams.simulator.player import Player
from streams.state_topic import Manifest

MORNING = datetime(2026, 11, 17, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))


class Broker:
    """Keeps what is produced; acknowledges at flush."""

    def __init__(self, refuse: str | None = None) -> None:
        self.log: list[tuple[str, str, dict[str, Any]]] = []
        self.acknowledged = 0
        self.refuse = refuse
        self.before_each: Callable[[dict[str, Any]], None] = lambda _body: None
        self._waiting: list[Callable[[Any, Any], None]] = []

    def __call__(self, config: dict[str, Any]) -> "Broker":
        assert config["enable.idempotence"] is True
        return self

    def produce(self, topic: str, key: str, value: bytes, on_delivery: Callable[[Any, Any], None]) -> None:
        body = orjson.loads(value)
        self.before_each(body)
        if body["kind"] == "clock_ticked":
            assert self.acknowledged == len(self.log), "a tick overtakes events that are not acknowledged"
        self.log.append((topic, key, body))
        self._waiting.append(on_delivery)

    def last_tick_s(self) -> float:
        ticks = [body["event_time"] for _, _, body in self.log if body["kind"] == "clock_ticked"]
        return datetime.fromisoformat(ticks[-1]).timestamp()

    def poll(self, _timeout: float) -> int:
        return 0

    def flush(self, _timeout: float) -> int:
        for on_delivery in self._waiting:
            on_delivery(self.refuse, None)
        self._waiting = []
        self.acknowledged = len(self.log)
        return 0


class Follower:
    """A twin that commits a few ticks behind, one tick each time it is asked."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._seen = 0
        self.now: float | None = None

    def now_s(self, _site_id: str, wait_s: float) -> float | None:
        ticks = [body["event_time"] for _, _, body in self._broker.log if body["kind"] == "clock_ticked"]
        if wait_s > 0.0 and self._seen < len(ticks):
            self.now = datetime.fromisoformat(ticks[self._seen]).timestamp()
            self._seen += 1
        return self.now


def test_events_keep_their_order_topics_and_keys() -> None:
    broker = Broker()
    events = list(line3_events(MORNING))

    played = Player(Settings(), Follower(broker), new_producer=broker).play(events)

    assert [event.event_id for event in events] == [body["event_id"] for _, _, body in broker.log]
    assert len(events) == played.events
    assert MORNING.timestamp() == played.now_s
    assert ("mes.machine-events.v1", "L3") in {(topic, key) for topic, key, _ in broker.log}
    assert ("erp.orders.v1", "order_upserted/plant-1/4471") in {(topic, key) for topic, key, _ in broker.log}
    assert ("plant.model.v1", "clock_ticked/plant-1") in {(topic, key) for topic, key, _ in broker.log}


@pytest.mark.parametrize("window_s", [0.0, 900.0, 1_800.0])
def test_nothing_is_sent_while_the_clock_is_further_ahead_than_the_window(window_s: float) -> None:
    """A demo once stood still for a minute and gave up: at night the clock steps 15 min, its window was 5."""
    broker = Broker()
    follower = Follower(broker)
    ahead: list[float] = []

    def note(body: dict[str, Any]) -> None:
        if follower.now is not None and body["kind"] != "clock_ticked":
            ahead.append(broker.last_tick_s() - follower.now)

    broker.before_each = note
    player = Player(Settings(), follower, window_s=window_s, stall_timeout_s=5.0, new_producer=broker)
    player.play(line3_events(MORNING))

    assert window_s == max(ahead)


def test_a_twin_that_does_not_follow_is_an_error_that_names_the_way_out() -> None:
    broker = Broker()

    class Nobody:
        def now_s(self, _site_id: str, _wait_s: float) -> float | None:
            return None

    player = Player(Settings(), Nobody(), stall_timeout_s=0.05, new_producer=broker)

    with pytest.raises(UsageError, match="foresite ingest"):
        player.play(line3_events(MORNING))


def test_an_event_that_is_not_delivered_is_an_error() -> None:
    broker = Broker(refuse="Broker: Message size too large")

    with pytest.raises(KafkaException, match="too large"):
        Player(Settings(), Follower(broker), new_producer=broker).play(line3_events(MORNING))


def test_a_prefix_stands_before_every_topic() -> None:
    broker = Broker()

    Player(Settings(topic_prefix="demo."), Follower(broker), new_producer=broker).play(line3_events(MORNING))

    assert all(topic.startswith("demo.") for topic, _, _ in broker.log)


def test_it_stops_when_told_to() -> None:
    broker = Broker()
    stop = threading.Event()
    player = Player(Settings(), Follower(broker), new_producer=broker)

    played = player.play(line3_events(MORNING), stop=stop, progress=lambda _: stop.set())

    assert 1 == played.ticks


def test_speed_holds_plant_time_to_the_wall() -> None:
    """Ten hours of a quiet Monday at 360,000 times real time take a tenth of a second."""
    broker = Broker()
    began = time.monotonic()
    evening = datetime(2026, 11, 16, 16, 0, tzinfo=ZoneInfo("Europe/Berlin"))

    Player(Settings(), Follower(broker), new_producer=broker).play(line3_events(evening), speed=360_000.0)

    assert time.monotonic() - began >= 0.1


def test_the_committed_clock_is_that_of_the_sites_own_partition() -> None:
    with EmbeddedBroker() as broker:
        broker.create_topic(STATE)
        settings = Settings(kafka=broker.bootstrap_servers)
        mine = facts_partition("plant-1", settings.facts_partitions)
        producer = Producer(settings.client_config())
        commit(producer, mine, '{"now":null}')
        clock = CommittedClock(settings)
        assert clock.now_s("plant-1", 5.0) is None

        commit(producer, (mine + 1) % 4, '{"now":99.0}')
        producer.produce(STATE, b"{}", key=b"plant-1/run/R-1", partition=mine)
        commit(producer, mine, '{"now":1000.0}')
        commit(producer, mine, '{"now":1300.0}')

        assert 1_300.0 == wait_for_clock(clock, 1_300.0)
        clock.close()


def commit(producer: Producer, partition: int, header: str) -> None:
    manifest = Manifest(
        facts_offset=1,
        facts_mark="",
        facts_partitions=4,
        header=header,
        schema_version=1,
        code_version="0",
        document_count=0,
        digest="",
    )
    producer.produce(STATE, manifest.encode(), key=b"manifest", partition=partition)
    assert 0 == producer.flush(10)


def wait_for_clock(clock: CommittedClock, until_s: float) -> float | None:
    deadline = time.monotonic() + 10.0
    now_s = None
    while now_s != until_s and time.monotonic() < deadline:
        now_s = clock.now_s("plant-1", 0.1)
    return now_s
