"""How far each role has committed, as anyone outside sees it: the sign that a role works again."""

from collections.abc import Callable
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas import INGESTED_TOPICS, TOPICS
from schemas.topics import CARDS, FACTS, REPLAN_REQUESTS, STATE
from streams.partition_reader import read_to_end, reader, watermarks
from streams.settings import Settings
from streams.state_topic import MANIFEST_KEY, Manifest
from streams.topic_admin import wanted_partitions
from tests.chaos.installation import COMMANDS

ANSWER_S: Final = 10.0
BATCH_RECORDS: Final = 1_000

Offsets = dict[tuple[str, int], int]
"""(full topic, partition) -> next offset."""


class Commits:
    """Reads what the roles of an installation have committed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        prefix = settings.topic_prefix
        self._facts = prefix + FACTS
        self._groups = {
            "ingest": self._member("ingest"),
            "solver": self._member("solver"),
            "notify": self._member("notify"),
        }
        self._places = {
            "ingest": self._partitions(*INGESTED_TOPICS),
            "solver": self._partitions(REPLAN_REQUESTS),
            "notify": self._partitions(CARDS),
            "twin": self._partitions(FACTS),
        }
        self._manifests: Offsets = {}
        self._state = self._member("chaos")
        self._state.assign(
            [TopicPartition(prefix + STATE, place.partition, 0) for place in self._places["twin"]]
        )
        self._of: dict[str, Callable[[], Offsets]] = {
            "twin": self._folded,
            **{role: lambda role=role: self._group_offsets(role) for role in self._groups},  # type: ignore[misc]
        }

    def of(self, role: str) -> Offsets:
        """What the role has committed of its input so far."""
        return self._of[COMMANDS.get(role, role)]()

    def ends(self, role: str) -> Offsets:
        """The ends of its input, as a read_committed reader sees them."""
        consumer = self._groups["ingest"]
        return {
            (place.topic, place.partition): watermarks(consumer, place.topic, place.partition)[1]
            for place in self._places[COMMANDS.get(role, role)]
        }

    def unread(self, role: str) -> list[str]:
        """Where a record lies behind what the role has committed; markers of transactions are none."""
        done, found = self.of(role), []
        with reader(self._settings.client_config(), "read_committed") as consumer:
            for (topic, partition), end in self.ends(role).items():
                start = done.get((topic, partition))
                if (start or 0) < end and any(True for _ in read_to_end(consumer, topic, partition, start)):
                    found.append(f"{role} is at {start or 0} of {end} in {topic}/{partition}")
        return found

    def close(self) -> None:
        """Let go of the connections."""
        for consumer in (*self._groups.values(), self._state):
            consumer.close()

    def _member(self, role: str) -> Consumer:
        """A client that may ask what a group has committed; it never joins it."""
        return Consumer(
            {
                **self._settings.client_config(),
                "group.id": f"{self._settings.app_id}-{role}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "log_level": 0,
            }
        )

    def _partitions(self, *topics: str) -> list[TopicPartition]:
        """As the topics were made: a broker may not know yet of those that were made a moment ago."""
        return [
            TopicPartition(self._settings.topic_prefix + topic, partition)
            for topic in topics
            for partition in range(wanted_partitions(TOPICS[topic], self._settings))
        ]

    def _group_offsets(self, role: str) -> Offsets:
        try:
            found = self._groups[role].committed(self._places[role], timeout=ANSWER_S)
        except KafkaException:
            return {}
        return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}

    def _folded(self) -> Offsets:
        """From the manifests on the state topic, which is the truth; the group's offsets are advice."""
        is_full = True
        while is_full:  # and not until nothing comes: documents come all the time
            messages = self._state.consume(BATCH_RECORDS, 0.01)
            is_full = len(messages) == BATCH_RECORDS
            for message in messages:
                value = message.value()
                if message.error() is None and message.key() == MANIFEST_KEY.encode() and value is not None:
                    self._manifests[self._facts, message.partition() or 0] = Manifest.decode(
                        value
                    ).facts_offset
        return dict(self._manifests)
