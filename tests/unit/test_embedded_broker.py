"""What the embedded broker does, and what it only seems to do: each line of its module's table."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.embedded_broker import PARTITIONS, EmbeddedBroker

TOPIC = "twin.cards.v1"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    embedded = EmbeddedBroker()
    embedded.start([TOPIC])
    yield embedded
    embedded.stop()


def test_topics_are_there_from_the_start_with_four_partitions(broker: EmbeddedBroker) -> None:
    metadata = producer_on(broker).list_topics(timeout=10)

    assert {TOPIC: 4} == {name: len(topic.partitions) for name, topic in metadata.topics.items()}
    assert 4 == PARTITIONS


def test_a_record_comes_back_whole_tombstones_too(broker: EmbeddedBroker) -> None:
    producer = producer_on(broker)
    producer.produce(TOPIC, b"value", key=b"key", headers=[("ce_id", b"1")], partition=2)
    producer.produce(TOPIC, None, key=b"key", partition=2)
    assert 0 == producer.flush(10)

    records = read(broker, partition=2)

    assert [(b"key", b"value", [("ce_id", b"1")]), (b"key", None, None)] == [
        (record.key(), record.value(), record.headers()) for record in records
    ]


def test_nothing_is_compacted(broker: EmbeddedBroker) -> None:
    producer = producer_on(broker)
    for value in (b"old", b"new"):
        producer.produce(TOPIC, value, key=b"key", partition=0)
        producer.flush(10)

    assert [b"old", b"new"] == [record.value() for record in read(broker)]


def test_only_about_five_megabytes_of_a_partition_are_kept(broker: EmbeddedBroker) -> None:
    producer = producer_on(broker)
    for _ in range(120):
        producer.produce(TOPIC, b"x" * 100_000, partition=0)
        producer.flush(10)

    low, high = consumer_on(broker).get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=10)

    assert 120 == high
    assert 4_000_000 <= (high - low) * 100_000 <= 6_000_000


def test_transactions_succeed_but_isolate_nothing(broker: EmbeddedBroker) -> None:
    """So a test of ours that passes here says nothing about exactly once."""
    producer = producer_on(broker, {"transactional.id": "writer"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(TOPIC, b"committed", partition=0)
    producer.commit_transaction(10)
    producer.begin_transaction()
    producer.produce(TOPIC, b"aborted", partition=0)
    producer.flush(10)
    while_open = [record.value() for record in read(broker, isolation="read_committed")]
    producer.abort_transaction(10)

    assert [b"committed", b"aborted"] == while_open
    assert [b"committed", b"aborted"] == [
        record.value() for record in read(broker, isolation="read_committed")
    ]


def test_an_old_owner_is_not_fenced(broker: EmbeddedBroker) -> None:
    old, new = (producer_on(broker, {"transactional.id": "writer"}) for _ in range(2))
    old.init_transactions(10)
    new.init_transactions(10)

    old.begin_transaction()
    old.produce(TOPIC, b"from the old owner", partition=0)
    old.commit_transaction(10)

    assert [b"from the old owner"] == [record.value() for record in read(broker)]


def test_offsets_are_kept_when_committed_plainly_and_forgotten_in_a_transaction(
    broker: EmbeddedBroker,
) -> None:
    consumer = consumer_on(broker)
    producer = producer_on(broker, {"transactional.id": "writer"})
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 2)], asynchronous=False)

    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(TOPIC, b"output", partition=0)
    producer.send_offsets_to_transaction(
        [TopicPartition(TOPIC, 0, 3)], consumer.consumer_group_metadata(), 10
    )
    producer.commit_transaction(10)

    [committed] = consumer_on(broker).committed([TopicPartition(TOPIC, 0)], timeout=10)
    assert 2 == committed.offset


def test_no_offset_is_found_by_time(broker: EmbeddedBroker) -> None:
    producer = producer_on(broker)
    producer.produce(TOPIC, b"value", partition=0)
    producer.flush(10)

    [found] = consumer_on(broker).offsets_for_times([TopicPartition(TOPIC, 0, 0)], timeout=10)

    assert OFFSET_END == found.offset  # where Kafka would say 0


def test_a_misspelt_topic_is_made(broker: EmbeddedBroker) -> None:
    producer = producer_on(broker)
    producer.produce("twin.crads.v1", b"value")

    assert 0 == producer.flush(10)
    assert "twin.crads.v1" in producer.list_topics(timeout=10).topics


def test_the_port_cannot_be_chosen() -> None:
    """The mock cluster replaces whatever bootstrap servers its owner names."""
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:29092", "log_level": 0})

    assert [29092] != [broker.port for broker in owner.list_topics(timeout=10).brokers.values()]


@pytest.mark.slow
def test_the_only_member_of_a_group_gets_every_partition(broker: EmbeddedBroker) -> None:
    """With a second member the mock's group may rebalance for ever: seen for a minute on a busy machine."""
    member = consumer_on(broker, {"heartbeat.interval.ms": 200, "session.timeout.ms": 6000})
    member.subscribe([TOPIC])
    deadline = time.monotonic() + 60

    while time.monotonic() < deadline and not member.assignment():
        member.poll(0.1)

    assert [0, 1, 2, 3] == sorted(part.partition for part in member.assignment())


def test_topics_cannot_be_created_with_another_number_of_partitions(broker: EmbeddedBroker) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})

    with pytest.raises(KafkaException):
        admin.create_topics([NewTopic("seven.v1", num_partitions=7)], request_timeout=2)["seven.v1"].result(
            10
        )


def test_stopping_closes_the_port_and_forgets_the_records() -> None:
    broker = EmbeddedBroker()
    broker.start([TOPIC])
    host, _, port = broker.bootstrap_servers.partition(":")
    producer = producer_on(broker)
    producer.produce(TOPIC, b"value", partition=0)
    producer.flush(10)
    del producer

    broker.stop()
    broker.stop()

    with socket.socket() as probe:
        assert 0 != probe.connect_ex((host, int(port)))
    with EmbeddedBroker() as fresh:
        fresh.create_topic(TOPIC)
        assert [] == read(fresh)


def producer_on(broker: EmbeddedBroker, config: dict[str, Any] | None = None) -> Producer:
    return Producer(
        {"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0, "log_level": 0, **(config or {})}
    )


def consumer_on(broker: EmbeddedBroker, config: dict[str, Any] | None = None) -> Consumer:
    defaults = {
        "group.id": "readers",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "log_level": 0,
    }
    return Consumer({"bootstrap.servers": broker.bootstrap_servers, **defaults, **(config or {})})


def read(broker: EmbeddedBroker, *, partition: int = 0, isolation: str = "read_uncommitted") -> list[Any]:
    consumer = consumer_on(broker, {"isolation.level": isolation})
    consumer.assign([TopicPartition(TOPIC, partition, 0)])
    records = []
    while (record := consumer.poll(10)) is not None:
        error = record.error()
        if error is not None:
            assert KafkaError._PARTITION_EOF == error.code(), error
            break
        records.append(record)
    consumer.close()
    return records
