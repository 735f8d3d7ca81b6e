"""The ground that the guarantees are tested on: the shared broker keeps Kafka's promises, and a private one its data."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.local_kafka import JARS_VARIABLE, LocalKafka

pytestmark = pytest.mark.kafka


class Topics(Protocol):
    """What these tests use of the `topics` fixture."""

    prefix: str

    def create(self, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> str: ...


def test_an_aborted_transaction_is_invisible_to_read_committed(kafka: str, topics: Topics) -> None:
    topic = topics.create("outputs.v1")
    producer = _transactional_producer(kafka, topics.prefix + "writer")

    producer.begin_transaction()
    producer.produce(topic, b"committed", partition=0)
    producer.commit_transaction(30)
    producer.begin_transaction()
    producer.produce(topic, b"aborted", partition=0)
    producer.flush(30)
    producer.abort_transaction(30)

    assert [b"committed"] == _read(kafka, topic, isolation="read_committed")
    assert [b"committed", b"aborted"] == _read(kafka, topic, isolation="read_uncommitted")


def test_a_second_producer_of_the_same_transactional_id_fences_the_first(kafka: str, topics: Topics) -> None:
    topic = topics.create("outputs.v1")
    old = _transactional_producer(kafka, topics.prefix + "writer")
    old.begin_transaction()
    old.produce(topic, b"from the old owner", partition=0)
    old.flush(30)

    new = _transactional_producer(kafka, topics.prefix + "writer")
    new.begin_transaction()
    new.produce(topic, b"from the new owner", partition=0)
    new.commit_transaction(30)

    with pytest.raises(KafkaException) as refusal:
        old.commit_transaction(30)
    assert KafkaError._FENCED == refusal.value.args[0].code()
    assert [b"from the new owner"] == _read(kafka, topic, isolation="read_committed")


@pytest.mark.slow
def test_a_broker_keeps_its_data_over_a_restart_and_a_kill(own_kafka: LocalKafka) -> None:
    producer = Producer({"bootstrap.servers": own_kafka.bootstrap_servers, "log_level": 0, "acks": "all"})
    topic = _topics_on(own_kafka)

    producer.produce(topic, b"before the restart", partition=0)
    assert 0 == producer.flush(30)
    own_kafka.restart()
    producer.produce(topic, b"before the kill", partition=0)
    assert 0 == producer.flush(30)
    own_kafka.kill()
    own_kafka.start()

    expected = [b"before the restart", b"before the kill"]
    assert expected == _read(own_kafka.bootstrap_servers, topic, isolation="read_committed")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_broker_dies_with_the_process_that_started_it(kafka_jars: Path, tmp_path: Path) -> None:
    """A test run that was killed left its broker behind, which held a gigabyte until someone noticed."""
    script = "import time\nfrom streams.local_kafka import LocalKafka\nk = LocalKafka()\nk.start()\n"
    script += "print(k.pid, flush=True)\ntime.sleep(60)\n"
    environment = os.environ | {"TMPDIR": str(tmp_path), JARS_VARIABLE: str(kafka_jars)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        broker_pid = int(parent.stdout.readline())

        parent.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while _runs(broker_pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(broker_pid)


def _transactional_producer(servers: str, transactional_id: str) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "transactional.id": transactional_id,
            "retry.backoff.ms": 10,
            "log_level": 0,
        }
    )
    producer.init_transactions(30)
    return producer


def _topics_on(broker: LocalKafka) -> str:
    name = "kept.v1"
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])[name].result(timeout=30)
    return name


def _read(servers: str, topic: str, *, isolation: str) -> list[bytes | None]:
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "reader",
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes | None] = []
    try:
        while (message := consumer.poll(30)) is not None:
            error = message.error()
            if error is None:
                values.append(message.value())
            elif error.code() == KafkaError._PARTITION_EOF:
                return values
            else:
                raise AssertionError(error)
        raise AssertionError(f"{topic} has no end; read {values}")
    finally:
        consumer.close()


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # a zombie has ended; whoever adopted it has just not asked yet
