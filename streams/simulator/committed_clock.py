"""How far the twin has come: the clocks in the manifests that it commits."""

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.topics import STATE
from streams.partition_reader import READER_GROUP, watermarks
from streams.routing import Router
from streams.settings import Settings
from streams.state_topic import MANIFEST_KEY, Manifest

TAIL_RECORDS = 5_000
"""Records at the end of a state partition in which to look for its last manifest. Too small: a manifest is missed
until the next commit; too large: a slow start on a big state."""

BATCH_MESSAGES = 1_000


class CommittedClock:
    """Clock of each site as committed in the state topic; nothing that a twin has not committed counts.

    Args:
        settings: where Kafka is.
    """

    def __init__(self, settings: Settings) -> None:
        self._router = Router(settings.planning_groups, settings.facts_partitions)
        self._now_s: dict[int, float] = {}
        topic = settings.topic_prefix + STATE
        self._consumer = Consumer(
            {
                **settings.client_config(),
                "group.id": READER_GROUP,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
            }
        )
        places = []
        for partition in range(settings.facts_partitions):
            low, high = watermarks(self._consumer, topic, partition)
            places.append(TopicPartition(topic, partition, max(low, high - TAIL_RECORDS)))
        self._consumer.assign(places)

    def now_s(self, site_id: str, wait_s: float) -> float | None:
        """The committed clock of a site, POSIX seconds; None before the first.

        Args:
            site_id: the site.
            wait_s: how long to wait for news; what is there is read in any case.

        Raises:
            KafkaException: the broker failed for good.
        """
        first = self._consumer.poll(wait_s)
        if first is None:
            return self._now_s.get(self._router.partition_of(site_id))
        for message in [first, *self._consumer.consume(BATCH_MESSAGES, 0.0)]:
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._ALL_BROKERS_DOWN or not error.fatal():
                    continue  # it reconnects by itself; whoever waits for us has a limit of their own
                raise KafkaException(error)
            value = message.value()
            if message.key() == MANIFEST_KEY.encode() and value is not None:
                now_s = orjson.loads(Manifest.decode(value).header)["now"]
                if now_s is not None:
                    self._now_s[message.partition() or 0] = float(now_s)
        return self._now_s.get(self._router.partition_of(site_id))

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()
