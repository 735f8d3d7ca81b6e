"""Writes as the owner of a shard, for commands that mend it: whoever owned it before is fenced.

A worker that goes on meanwhile finds out at its next commit: it takes the shard over anew, or stops, and nothing of it
becomes visible in between.
"""

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import ForesiteError
from schemas.topics import LARGE_RECORD_BYTES
from streams.batch import StateRecord
from streams.fold import Output
from streams.kafka_logger import kafka_logger

BROKER_WAIT_S = 30.0
"""How long one step waits for the broker. Too small: a leader that moves fails the command. Too large: a person waits."""

TRANSACTION_TIMEOUT_MS = 60_000
"""Longer than the twin's: a person waits for it, and nothing else is written to this shard meanwhile."""


class Fenced(ForesiteError):
    """Somebody else has become the owner of the shard while we wrote."""


class FencedWriter:
    """A producer under a shard's transactional id; opening it fences every other.

    Args:
        client: settings of every Kafka client.
        transactional_id: of the shard.

    Raises:
        KafkaException: the broker failed.
    """

    def __init__(self, client: Mapping[str, object], transactional_id: str) -> None:
        self._transactional_id = transactional_id
        self._producer = Producer(
            {
                **client,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "compression.type": "lz4",
                "message.max.bytes": LARGE_RECORD_BYTES,
                "partitioner": "murmur2",  # as the twin's, so that a key has one partition
                "on_delivery": self._on_delivery,
            },
            logger=kafka_logger(),
        )
        self._refusal: KafkaError | None = None
        self._producer.init_transactions(BROKER_WAIT_S)

    def write(self, records: Iterable[StateRecord], outputs: Iterable[tuple[str, Output]] = ()) -> None:
        """Write all of these in one transaction.

        Args:
            records: for partitions named.
            outputs: full name of the topic, and what is to be said there.

        Raises:
            Fenced: another owner has come.
            KafkaException: the broker refused; nothing is visible.
        """
        producer = self._producer
        try:
            producer.begin_transaction()
            for record in records:
                self._produce(**record._asdict())
            for topic, output in outputs:
                self._produce(
                    topic=topic, key=output.key.encode(), value=output.value(), headers=output.headers()
                )
            producer.commit_transaction(BROKER_WAIT_S)
        except KafkaException as error:
            reason = self._refusal or error.args[0]
            if reason.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
                raise Fenced(
                    f"another client writes as {self._transactional_id}: a twin has taken the shard over meanwhile. Stop "
                    "the twins of this installation and run the command again"
                ) from error
            raise KafkaException(reason) from error

    def _produce(self, **record: object) -> None:
        while True:
            try:
                self._producer.produce(**record)  # type: ignore[arg-type]  # as its stub names them
                return
            except BufferError:
                self._producer.poll(0.05)

    def _on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and self._refusal is None:
            self._refusal = error
