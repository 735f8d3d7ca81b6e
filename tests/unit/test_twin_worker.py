"""A whole twin worker in this process, on the embedded broker. Its guarantees are tested in tests/integration."""

import asyncio
import time

import pytest
from confluent_kafka import Producer

from schemas.topics import FACTS, STATE
from streams.admin import Health
from streams.embedded_broker import EmbeddedBroker
from streams.partition_reader import reader
from streams.settings import Settings
from streams.state_topic import load_state
from streams.twin_worker import serve
from tests.toy_fold import OUTPUT_TOPIC, TOY, facts


class CountedHealth(Health):
    def __init__(self) -> None:
        super().__init__()
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1
        super().beat()


@pytest.mark.slow
def test_a_worker_folds_beats_and_drains() -> None:
    """Its heartbeat once died of asking a consumer that had not started yet."""

    async def scenario(settings: Settings) -> None:
        stop, health = asyncio.Event(), CountedHealth()
        serving = asyncio.create_task(serve(settings, TOY, stop, health=health))
        producer = Producer(settings.client_config())
        producer.produce(FACTS, facts(0, 3), partition=1)
        producer.flush(10)
        await asyncio.to_thread(wait_until_stored, settings, "toy/count/k2")
        beats = health.beats
        await asyncio.sleep(2.5)
        assert beats < health.beats
        assert {} == health.reasons
        producer.produce(FACTS, facts(3, 1), partition=1)
        producer.flush(10)
        await asyncio.sleep(0.5)
        stop.set()
        await serving
        assert "toy/count/k3" in stored(settings)

    with EmbeddedBroker() as broker:
        for topic in (FACTS, STATE, OUTPUT_TOPIC):
            broker.create_topic(topic)
        settings = Settings(kafka=broker.bootstrap_servers, kafka_config={"log_level": 0}, instance_id="w0")
        asyncio.run(asyncio.wait_for(scenario(settings), 60))


def stored(settings: Settings) -> set[str]:
    with reader(settings.client_config(), "read_committed") as consumer:
        return set(load_state(consumer, STATE, 1).documents)


def wait_until_stored(settings: Settings, name: str) -> None:
    while name not in stored(settings):
        time.sleep(0.1)
