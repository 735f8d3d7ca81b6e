"""The picture as of a moment: facts folded again up to the clock's last tick by then, from Kafka or from files.

What comes out by the tick of a moment is what was published by that moment: the fold is pure, so it is the same bytes.
On Kafka the fold begins from the nearest checkpoint, which holds what had been published by then as well; where there is
none and retention has taken the first facts, there is no picture to be had and we say so.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Consumer

from schemas import (
    TOPICS,
    Card,
    Facts,
    LineStatus,
    OrderProjection,
    Output,
    OutputModel,
    UsageError,
    decode_facts,
)
from schemas.topics import CARDS, FACTS, LINES, ORDER_PROJECTIONS, PICTURE_TOPICS, STATE
from streams.adapters.mapping_file import Mappings
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader, watermarks
from streams.recording import recordings_in, up_to
from streams.refold import Start, Starts, skips_of
from streams.replay import ENDED, Replay
from streams.routing import facts_partition
from streams.settings import Settings
from streams.shard_names import shard_topics
from streams.state_topic import load_state
from streams.twin_fold import TWIN
from twin import Twin


class PictureTwin:
    """A twin that remembers the last thing it said of each card, order and line."""

    def __init__(self) -> None:
        self.twin = Twin()
        self.said: dict[str, dict[str, OutputModel]] = {topic: {} for topic in PICTURE_TOPICS}

    @classmethod
    def restored(cls, start: Start) -> "PictureTwin":
        """One that continues from a checkpoint, and knows what had been said by then."""
        shard = cls()
        shard.twin = Twin.restore(start.checkpoint.manifest.header.encode(), start.content.documents)
        for topic, keys in start.content.said.items():
            for key, value in keys.items():
                body = TOPICS[topic].types[0].model_validate_json(value)
                assert isinstance(body, OutputModel)
                shard.said[topic][key] = body
        return shard

    @property
    def counters(self) -> Counter[tuple[str, str]]:
        """Of the twin."""
        return self.twin.counters

    @property
    def digest(self) -> str:
        """Of the twin."""
        return self.twin.digest

    def apply(self, facts: Facts) -> list[Output]:
        """Fold one record."""
        outputs = self.twin.apply(facts)
        for output in outputs:
            keys = self.said.get(output.topic)
            if keys is None:
                continue
            if output.body is None:
                keys.pop(output.key, None)
            else:
                keys[output.key] = output.body
        return outputs

    def take_changes(self) -> dict[str, bytes | None]:
        """Of the twin."""
        return self.twin.take_changes()


@dataclass(slots=True)
class Picture:
    """Everything as it stood at a moment.

    Attributes:
        as_of: the moment asked for; None: all that there is.
        shards: the twins folded up to it.
        said: topic -> key -> the last document by then.
    """

    as_of: datetime | None
    shards: list[Twin] = field(default_factory=list)
    said: dict[str, dict[str, OutputModel]] = field(
        default_factory=lambda: {topic: {} for topic in PICTURE_TOPICS}
    )

    def add(self, shard: PictureTwin) -> None:
        """Take a shard in."""
        self.shards.append(shard.twin)
        for topic, keys in shard.said.items():
            self.said[topic].update(keys)

    def only(self, site_id: str) -> "Picture":
        """The picture of one site."""
        said = {
            topic: {key: body for key, body in keys.items() if getattr(body, "site_id", None) == site_id}
            for topic, keys in self.said.items()
        }
        return Picture(self.as_of, self.shards, said)

    @property
    def cards(self) -> list[Card]:
        """All cards, also those that have ended, by id."""
        return [body for _, body in sorted(self.said[CARDS].items()) if isinstance(body, Card)]

    @property
    def lines(self) -> list[LineStatus]:
        """Lines, by key."""
        return [body for _, body in sorted(self.said[LINES].items()) if isinstance(body, LineStatus)]

    @property
    def projections(self) -> list[OrderProjection]:
        """Orders, by key."""
        found = self.said[ORDER_PROJECTIONS]
        return [body for _, body in sorted(found.items()) if isinstance(body, OrderProjection)]

    @property
    def now(self) -> float | None:
        """The clock that was reached, the latest of all shards; POSIX seconds."""
        return max((twin.now for twin in self.shards if twin.now is not None), default=None)

    def ranked(self) -> list[Card]:
        """Cards that need somebody, the most urgent first."""
        live = [card for card in self.cards if card.state not in ENDED]
        return sorted(live, key=lambda card: (-card.score, card.deadline or card.as_of, card.card_id))

    def records(self) -> Iterator[tuple[str, str, OutputModel]]:
        """Topic, key and document of all of it."""
        for topic in PICTURE_TOPICS:
            for key, body in sorted(self.said[topic].items()):
                yield topic, key, body


def picture_from_files(
    paths: Sequence[Path],
    mapping: Mappings | None,
    as_of: datetime | None,
    tick_s: int = 60,
    new_shard: Callable[[], PictureTwin] = PictureTwin,
) -> Picture:
    """Fold files up to a moment: recordings as they were folded then, other files as `foresite replay` does.

    Args:
        paths: of the files.
        mapping: what the columns of tables mean.
        as_of: None: all that there is.
        tick_s: of files that hold no ticks.
        new_shard: makes the twins that fold; its caller may remember more of what they see.

    Raises:
        UsageError: a file cannot be read, or recordings stand among other files.
    """
    picture = Picture(as_of)
    recordings = recordings_in(paths)
    if recordings is None:
        shard = new_shard()
        run = Replay(paths, mapping, shard, tick_s)
        end = as_of if as_of is not None else run.last_at
        if end is not None:
            run.advance(end)
        picture.add(shard)
        return picture
    for _, records in sorted(recordings.items()):
        picture.add(_folded(records, as_of, new_shard()))
    return picture


def picture_from_kafka(
    settings: Settings,
    as_of: datetime | None,
    site_id: str | None = None,
    new_shard: Callable[[], PictureTwin] | None = None,
) -> Picture:
    """Fold twin.facts.v1 up to a moment, from the nearest checkpoint on; beside a running twin, undisturbed.

    Args:
        settings: where Kafka is.
        as_of: None: to the end of the log as it is now.
        site_id: read only the partition of this site, and show only it.
        new_shard: makes the twins that fold, where their caller has to see all facts: from the first ones on.

    Raises:
        UsageError: there are no facts, or neither their beginning nor a checkpoint to begin from.
        KafkaException: the broker failed.
    """
    picture = Picture(as_of)
    with _partitions_of(settings, site_id) as (consumer, partitions):
        for partition in partitions:
            start = None if new_shard is not None else _start(consumer, settings, partition, as_of)
            if start is None:
                shard = PictureTwin() if new_shard is None else new_shard()
            else:
                shard = PictureTwin.restored(start)
            with closing(_records(consumer, settings, partition, start)) as records:  # it is left early
                picture.add(_folded((facts for _, facts in records), as_of, shard))
    return picture if site_id is None else picture.only(site_id)


def log_from_kafka(
    settings: Settings, until: datetime | None, site_id: str | None = None
) -> Iterator[tuple[int, int, Facts]]:
    """Partition, offset and facts of the log up to a moment, partition by partition; quarantined records left out.

    Raises:
        UsageError: there are no facts, or their beginning is gone.
        KafkaException: the broker failed.
    """
    with _partitions_of(settings, site_id) as (consumer, partitions):
        for partition in partitions:
            with closing(_records(consumer, settings, partition, None)) as records:
                for offset, facts in records:
                    kept, rest = (facts, None) if until is None else up_to(facts, until.timestamp())
                    if kept.segments or kept.tick is not None:
                        yield partition, offset, kept
                    if rest is not None:
                        break


def _folded(records: Iterable[Facts], as_of: datetime | None, shard: PictureTwin) -> PictureTwin:
    for facts in records:
        kept, rest = (facts, None) if as_of is None else up_to(facts, as_of.timestamp())
        shard.apply(kept)
        shard.take_changes()
        if rest is not None:
            break
    return shard


@contextmanager
def _partitions_of(settings: Settings, site_id: str | None) -> Iterator[tuple[Consumer, Sequence[int]]]:
    topic = settings.topic_prefix + FACTS
    with reader(settings.client_config(), "read_committed") as consumer:
        count = partition_count(consumer, topic)
        if not count:
            raise UsageError(f"{topic} does not exist on {settings.kafka}")
        yield (
            consumer,
            range(count) if site_id is None else [facts_partition(settings.group_of(site_id), count)],
        )


def _start(consumer: Consumer, settings: Settings, partition: int, as_of: datetime | None) -> Start | None:
    """The nearest checkpoint by a moment; None: the first facts.

    Raises:
        UsageError: neither is there.
    """
    topics = shard_topics(settings)
    _, end = watermarks(consumer, topics.facts, partition)
    starts = Starts.of(consumer, topics, TWIN, partition, end)
    moments = [each.said.now for each in starts.checkpoints if each.said is not None]
    wanted = [
        each
        for each, now in zip(starts.checkpoints, moments, strict=True)
        if as_of is None or now is None or now <= as_of.timestamp()
    ]
    if not wanted and starts.first_fact > 0 and moments and moments[-1] is not None:
        raise UsageError(
            f"{topics.facts}/{partition} begins at offset {starts.first_fact}: retention has taken its first records, "
            f"and the oldest checkpoint is as of {datetime.fromtimestamp(moments[-1], UTC).isoformat()}: "
            "ask for that moment or a later one"
        )
    return starts.first_sound(wanted)


def _records(
    consumer: Consumer, settings: Settings, partition: int, start: Start | None
) -> Generator[tuple[int, Facts], None, None]:
    topic = settings.topic_prefix + FACTS
    low, _ = watermarks(consumer, topic, partition)
    if start is None and low > 0:
        raise UsageError(
            f"{topic}/{partition} begins at offset {low}: retention has taken its first records, and what is folded "
            "from the rest would be another picture. Only as-of, why and measures can begin from a checkpoint; keep the "
            "facts as long as the past is to be recorded or set against a plan (retention.ms of the topic), or record "
            "days while they are there (foresite record)"
        )
    skipped = skips_of(load_state(consumer, settings.topic_prefix + STATE, partition).skips, start)
    first = 0 if start is None else start.checkpoint.facts_offset
    for message in read_to_end(consumer, topic, partition, start=first):
        value, offset = message.value(), message.offset()
        assert isinstance(value, bytes), f"{topic}/{partition} holds a tombstone"
        assert offset is not None
        if offset not in skipped:
            yield offset, decode_facts(value)
