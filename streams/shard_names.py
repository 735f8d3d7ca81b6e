"""What the shards of an installation are called: their topics, their group, and the ids under which they write."""

from schemas.topics import CHECKPOINTS, FACTS, PICTURE_TOPICS, STATE
from streams.batch import ShardTopics
from streams.settings import Settings


def group_id(settings: Settings) -> str:
    """Consumer group of all twin workers, and beginning of their shards' transactional ids."""
    return f"{settings.app_id}-twin"


def transactional_id(settings: Settings, partition: int) -> str:
    """What fences: whoever writes under it owns the shard."""
    return f"{group_id(settings)}-{partition}"


def shard_topics(settings: Settings) -> ShardTopics:
    """Full names of the shards' topics."""
    prefix = settings.topic_prefix
    return ShardTopics(
        facts=prefix + FACTS,
        state=prefix + STATE,
        prefix=prefix,
        checkpoints=prefix + CHECKPOINTS,
        shown=PICTURE_TOPICS,
    )
