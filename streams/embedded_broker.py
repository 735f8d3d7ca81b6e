"""A broker inside this process, with nothing to install: librdkafka's mock cluster, out of confluent-kafka's wheel.

It runs the demo and the fast tests. It proves no guarantee: whatever Foresite promises is tested on Apache Kafka (see
`streams.local_kafka`). What it does and does not do was found by trying, and `tests/unit/test_embedded_broker.py` holds
each line that follows, with confluent-kafka 2.16:

| what | here |
| --- | --- |
| storage | in memory, gone with this process |
| retention | about 5 MB a partition, whatever the topic: older records vanish and the low watermark moves |
| compaction | none: every version of a key is kept until retention takes it, also the newest of a quiet key |
| topics | 4 partitions each (`PARTITIONS`), not to be chosen; made by asking for their metadata, also by a misspelt name |
| CreateTopics | not there: admin clients fail, and Faust must not declare topics |
| port | chosen by the system on 127.0.0.1, not to be chosen; no TLS, no SASL |
| transactions | begin, produce, commit and abort succeed, but isolate nothing: read_committed sees open and aborted records |
| fencing | none: the producer that a second init_transactions should fence commits as before |
| offsets sent to a transaction | accepted and forgotten: keep the input position in an output record, or commit it plainly |
| consumer groups | offsets committed plainly are kept; the only member has all partitions after 3 s; of several, none may ever get any |
| offsets_for_times | answers "no such offset" always |
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from confluent_kafka import Producer

# Partitions of every topic; librdkafka has it built in. Settings that ask for another number cannot be met here.
PARTITIONS = 4

# Too small: a busy machine fails to start the broker. Too large: a broken one is noticed late.
START_TIMEOUT_S = 10.0


class EmbeddedBroker:
    """A volatile broker for clients on this machine, alive from `start` to `stop`. It proves no guarantee.

    Any number of clients may connect, from other processes too. Stop them first: a client whose broker is gone tries
    to reconnect for ever.
    """

    def __init__(self) -> None:
        # The cluster belongs to this client, which sends nothing itself.
        self._owner: Producer | None = None
        self._bootstrap_servers = ""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, as `host:port`; another port at each start."""
        assert self._owner is not None, "the embedded broker is not running"
        return self._bootstrap_servers

    def start(self, topics: Iterable[str] = ()) -> None:
        """Start the broker and create the topics, each with `PARTITIONS` partitions.

        Raises:
            KafkaException: when the broker does not answer.
        """
        assert self._owner is None, "the embedded broker runs already"
        # log_level 4: at 5 it would warn that the cluster is a mock, which is what we asked for.
        owner = Producer({"test.mock.num.brokers": 1, "log_level": 4})
        brokers = owner.list_topics(timeout=START_TIMEOUT_S).brokers.values()
        self._bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self._owner = owner
        for topic in topics:
            self.create_topic(topic)

    def create_topic(self, topic: str) -> None:
        """Create a topic, unless it is there. A consumer of a missing topic waits for ever, so create first."""
        assert self._owner is not None, "the embedded broker is not running"
        self._owner.list_topics(topic, timeout=START_TIMEOUT_S)

    def stop(self) -> None:
        """End the broker and forget all its records. Does nothing the second time."""
        self._owner = None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
