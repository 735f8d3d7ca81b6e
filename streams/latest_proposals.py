"""Proposals as a reader sees them: the newest revision of each, of repeats the first."""

from schemas import Proposal
from schemas.topics import PROPOSALS
from streams.settings import Settings
from streams.topic_follower import topic_follower

BATCH_MESSAGES = 100


class LatestProposals:
    """Every proposal of solver.proposals.v1 from the first record there is, in this reader's memory.

    Args:
        settings: where Kafka is.

    Raises:
        KafkaException: the broker does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._proposals: dict[str, Proposal] = {}
        self._consumer = topic_follower(settings, PROPOSALS)

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
