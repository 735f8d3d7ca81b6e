"""The risk topic as a reader sees it: the newest version of each card, kept up to date."""

from schemas import Card
from schemas.topics import CARDS
from streams.replay import ENDED
from streams.settings import Settings
from streams.topic_follower import topic_follower

BATCH_MESSAGES = 1_000


class LatestCards:
    """Every card of twin.cards.v1 from the first record there is, in this reader's memory.

    Args:
        settings: where Kafka is.

    Raises:
        KafkaException: the broker does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._cards: dict[str, Card] = {}
        self._consumer = topic_follower(settings, CARDS)

    def changed(self, wait_s: float) -> list[Card]:
        """Cards that came since the last call, newest version of each; empty after wait_s without any."""
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        changed: dict[str, Card] = {}
        for message in [first, *self._consumer.consume(BATCH_MESSAGES, 0.0)]:
            key, value = message.key(), message.value()
            if message.error() is not None or key is None:
                continue  # it reconnects by itself
            assert isinstance(key, bytes)
            card_id = key.decode()
            if value is None:
                self._cards.pop(card_id, None)
            else:
                changed[card_id] = self._cards[card_id] = Card.model_validate_json(value)
        return list(changed.values())

    def all(self) -> list[Card]:
        """Every card there is, the most urgent first."""
        return sorted(self._cards.values(), key=urgency)

    def ranked(self) -> list[Card]:
        """Cards that need somebody, the most urgent first: by score, then deadline, then id."""
        return sorted((card for card in self._cards.values() if card.state not in ENDED), key=urgency)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


def urgency(card: Card) -> tuple[float, float, str]:
    """Sorts cards, the most urgent first: by score, then deadline, then id."""
    deadline = float("inf") if card.deadline is None else card.deadline.timestamp()
    return (-card.score, deadline, card.card_id)
