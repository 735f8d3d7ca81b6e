"""Questions about a partition are asked again where the answer is only early, and not where it is final."""

from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from streams.partition_reader import watermarks


class _Answers:
    """A consumer that fails with these codes, one after the other, and then answers."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        if self._codes:
            raise KafkaException(KafkaError(self._codes.pop(0)))
        return 0, 7


def test_a_topic_that_a_broker_has_not_heard_of_yet_is_asked_for_again() -> None:
    """Under load a reader of a topic that was made seconds before failed with "Local: Unknown partition"."""
    early = _Answers(KafkaError._UNKNOWN_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)

    assert (0, 7) == watermarks(cast("Consumer", early), "twin.cards.v1", 0)


def test_what_is_denied_is_not_asked_for_again() -> None:
    denied = _Answers(KafkaError.TOPIC_AUTHORIZATION_FAILED)

    with pytest.raises(KafkaException):
        watermarks(cast("Consumer", denied), "twin.cards.v1", 0)
