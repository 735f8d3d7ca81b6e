"""Kafka's settings of our topics."""

from schemas import TOPICS
from schemas.topics import CARDS, STATE
from streams.topic_admin import COMPACTION_LAG_MS, topic_config


def test_the_state_topic_is_compacted_within_the_hour() -> None:
    """In an hour's soak a state of 10,800 documents was a log of 173 MB: one segment, which Kafka compacts never."""
    config = topic_config(TOPICS[STATE])

    assert "compact" == config["cleanup.policy"]
    assert int(config["segment.bytes"]) <= 32 * 1024 * 1024
    assert int(config["segment.ms"]) <= 600_000
    assert COMPACTION_LAG_MS < int(config["max.compaction.lag.ms"]) <= 3_600_000


def test_other_compacted_topics_keep_kafkas_segments() -> None:
    assert "segment.bytes" not in topic_config(TOPICS[CARDS])
