"""Several brokers of Apache Kafka on one machine (KRaft, each its own controller too), to see leaders move.

For tests and trying things out, as streams/local_kafka.py is.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streams.local_kafka import LocalKafka, LocalKafkaError

BROKERS = 3
HEAP_MB = 512
ANSWER_S = 30.0


class LocalCluster:
    """Brokers that replicate to each other; use it in a `with`.

    With three of them two in-sync copies are needed to write, so one may be away.

    Args:
        brokers: how many.
    """

    def __init__(self, brokers: int = BROKERS) -> None:
        self.nodes = {number: LocalKafka(heap_mb=HEAP_MB) for number in range(1, brokers + 1)}
        voters = ",".join(f"{number}@{node.controller}" for number, node in self.nodes.items())
        copies, in_sync = str(brokers), str(max(1, brokers - 1))
        for number, node in self.nodes.items():
            node.configure(
                {
                    "node.id": str(number),
                    "controller.quorum.voters": voters,
                    "default.replication.factor": copies,
                    "min.insync.replicas": in_sync,
                    "offsets.topic.replication.factor": copies,
                    "transaction.state.log.replication.factor": copies,
                    "transaction.state.log.min.isr": in_sync,
                    "share.coordinator.state.topic.replication.factor": copies,
                    "share.coordinator.state.topic.min.isr": in_sync,
                    # A broker that is away is found missing in seconds, not in half a minute.
                    "replica.lag.time.max.ms": "5000",
                    "controller.quorum.election.timeout.ms": "1000",
                    "controller.quorum.fetch.timeout.ms": "2000",
                }
            )
        self._stack = ExitStack()

    @property
    def bootstrap_servers(self) -> str:
        """All of them, as `host:port,host:port`."""
        return ",".join(node.bootstrap_servers for node in self.nodes.values())

    def leader_of(self, topic: str, partition: int) -> int:
        """The node that leads a partition.

        Raises:
            LocalKafkaError: there is no such partition, or nobody leads it.
        """
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        found = admin.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions.get(partition)
        if found is None or found.leader not in self.nodes:
            raise LocalKafkaError(f"nobody leads {TopicPartition(topic, partition)}")
        return found.leader

    def start(self) -> None:
        """Start all, and return when each answers."""
        nodes: Sequence[LocalKafka] = list(self.nodes.values())
        for node in nodes:
            self._stack.callback(node.stop)
            node.launch()
        for node in nodes:
            node.wait()

    def stop(self) -> None:
        """Stop all and remove their data."""
        for node in self.nodes.values():
            node.kill()  # in order, each would wait for the others
        self._stack.close()

    def __enter__(self) -> "LocalCluster":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
