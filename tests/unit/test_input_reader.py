"""What ingest's reader does with a commit that its broker refused."""

import threading

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from schemas.topics import MACHINE_EVENTS
from streams.admin import Health
from streams.embedded_broker import EmbeddedBroker
from streams.ingest_setup import IngestSettings
from streams.input_progress import InputProgress
from streams.input_reader import InputReader
from streams.metrics import Metrics
from streams.settings import Settings

WHERE = (MACHINE_EVENTS, 0)


def new_reader(settings: IngestSettings) -> InputReader:
    return InputReader(
        settings.client_config(),
        group_id="reads",
        instance_id=None,
        topics=[MACHINE_EVENTS],
        progress=InputProgress(lambda: 0.0),
        metrics=Metrics(),
        health=Health(),
        before_giving_up=lambda: None,
        stop=threading.Event(),
    )


def committed(settings: IngestSettings) -> int:
    consumer = Consumer({**settings.client_config(), "group.id": "reads"})
    try:
        return int(consumer.committed([TopicPartition(*WHERE)], timeout=10.0)[0].offset)
    finally:
        consumer.close()


def test_a_commit_that_a_rebalance_refused_is_made_again_though_nothing_more_comes() -> None:
    with EmbeddedBroker() as broker:
        broker.create_topic(MACHINE_EVENTS)
        settings = Settings(kafka=broker.bootstrap_servers)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for _ in range(7):
            producer.produce(MACHINE_EVENTS, b"{}", partition=0)
        assert 0 == producer.flush(10)
        reader = new_reader(settings)
        taken: list[Message] = []
        try:
            while len(taken) < 7:
                taken += reader.read()
            reader.commit({WHERE: 5}, must_wait=True)
            reader.commit({WHERE: 7})
            refused = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)

            reader._on_commit(refused, [TopicPartition(*WHERE, 5)])
            after_an_older_one = reader.must_commit_again  # a later one stands
            reader._on_commit(refused, [TopicPartition(*WHERE, 7)])
            after_the_last = reader.must_commit_again
            reader.commit({}, must_wait=True)

            assert (False, True) == (after_an_older_one, after_the_last)
            assert 7 == committed(settings)
        finally:
            reader.close()


def test_a_refused_commit_of_a_partition_that_went_to_somebody_else_is_not_made_again() -> None:
    """Whoever has it now has committed further, and we may get it back."""
    with EmbeddedBroker() as broker:
        broker.create_topic(MACHINE_EVENTS)
        settings = Settings(kafka=broker.bootstrap_servers)
        reader = new_reader(settings)
        try:
            reader.commit({WHERE: 7})
            reader._on_commit(KafkaError(KafkaError.REBALANCE_IN_PROGRESS), [TopicPartition(*WHERE, 7)])
            was_refused = reader.must_commit_again
            reader._forget([TopicPartition(*WHERE)])
            assert (True, False) == (was_refused, reader.must_commit_again)
        finally:
            reader.close()
