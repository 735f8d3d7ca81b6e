"""How a shard reaches Kafka: the producers and readers it makes, and the pauses between its attempts.

The default is confluent-kafka and the wall clock. The simulator of the tests gives a log in memory and a clock of its
own instead, so that what runs there is the code of `streams/shard.py` and no model of it.
"""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager

from confluent_kafka import Consumer, Producer

from streams.kafka_logger import kafka_logger
from streams.partition_reader import Isolation, reader


class KafkaClients:
    """Clients of Apache Kafka, by confluent-kafka."""

    def producer(self, config: Mapping[str, object]) -> Producer:
        """A producer of this configuration, not yet initialised."""
        return Producer(dict(config), logger=kafka_logger())

    def reader(self, client: Mapping[str, object], isolation: Isolation) -> AbstractContextManager[Consumer]:
        """A consumer that belongs to no group; see streams.partition_reader."""
        return reader(client, isolation)

    def wait(self, is_woken: threading.Event, timeout_s: float) -> None:
        """Wait until somebody wakes us, or for so long. Blocks."""
        is_woken.wait(timeout_s)


KAFKA_ITSELF = KafkaClients()
"""What every shard uses outside the simulator."""
