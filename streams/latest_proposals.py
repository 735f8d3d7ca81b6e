"""Proposals as a reader sees them: the newest revision of each, of repeats the first."""

from confluent_kafka import Consumer, TopicPartition

from schemas import Proposal
from schemas.topics import PROPOSALS
from streams.partition_reader import watermarks
from streams.settings import Settings

BATCH_MESSAGES = 100
METADATA_TIMEOUT_S = 10.0


class LatestProposals:
    """Every proposal of solver.proposals.v1 from the first record there is, in this reader's memory.

    Args:
        settings: where Kafka is.

    Raises:
        KafkaException: the broker does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._proposals: dict[str, Proposal] = {}
        topic = settings.topic_prefix + PROPOSALS
        self._consumer = Consumer(
            {
                **settings.client_config(),
                "group.id": f"{settings.app_id}-proposals-reader",  # nothing is ever committed under it
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            }
        )
        partitions = self._consumer.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic].partitions
        self._consumer.assign(
            [
                TopicPartition(topic, number, watermarks(self._consumer, topic, number)[0])
                for number in partitions
            ]
        )

    def changed(self, wait_s: float) -> list[Proposal]:
        """Every new revision since the last call, in order; empty after wait_s without any."""
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        news = []
        for message in [first, *self._consumer.consume(BATCH_MESSAGES, 0.0)]:
            value = message.value()
            if message.error() is not None or not isinstance(value, bytes):
                continue  # it reconnects by itself
            proposal = Proposal.model_validate_json(value)
            known = self._proposals.get(proposal.proposal_id)
            if known is None or known.revision < proposal.revision:
                self._proposals[proposal.proposal_id] = proposal
                news.append(proposal)
        return news

    def all(self) -> list[Proposal]:
        """Every proposal there is, the newest first."""
        return sorted(
            self._proposals.values(), key=lambda each: (each.event_time, each.proposal_id), reverse=True
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()
