"""The picture as of a moment: facts folded again up to the clock's last tick by then, from Kafka or from files.

What comes out by the tick of a moment is what was published by that moment: the fold is pure, so it is the same bytes.
Facts are folded from their beginning; where retention has taken it, there is no picture to be had and we say so.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from confluent_kafka import Consumer

from schemas import Card, Facts, LineStatus, OrderProjection, Output, OutputModel, UsageError, decode_facts
from schemas.topics import CARDS, FACTS, LINES, ORDER_PROJECTIONS, PICTURE_TOPICS, STATE
from streams.adapters.mapping import Mapping as ColumnMapping
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader, watermarks
from streams.recording import recordings_in, up_to
from streams.replay import ENDED, Replay
from streams.routing import facts_partition
from streams.settings import Settings
from streams.state_topic import load_state
from twin import Twin


class PictureTwin:
    """A twin that remembers the last thing it said of each card, order and line."""

    def __init__(self) -> None:
        self.twin = Twin()
        self.said: dict[str, dict[str, OutputModel]] = {topic: {} for topic in PICTURE_TOPICS}

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
    mapping: ColumnMapping | None,
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
    new_shard: Callable[[], PictureTwin] = PictureTwin,
) -> Picture:
    """Fold twin.facts.v1 up to a moment, from its beginning; beside a running twin, which it does not disturb.

    Args:
        settings: where Kafka is.
        as_of: None: to the end of the log as it is now.
        site_id: read only the partition of this site, and show only it.
        new_shard: makes the twins that fold.

    Raises:
        UsageError: there are no facts, or their beginning is gone.
        KafkaException: the broker failed.
    """
    picture = Picture(as_of)
    with _log_of(settings, site_id) as partitions:
        for _, records in partitions:
            with closing(records):  # it is left early, and holds the consumer
                picture.add(_folded((facts for _, facts in records), as_of, new_shard()))
    return picture if site_id is None else picture.only(site_id)


def log_from_kafka(
    settings: Settings, until: datetime | None, site_id: str | None = None
) -> Iterator[tuple[int, int, Facts]]:
    """Partition, offset and facts of the log up to a moment, partition by partition; quarantined records left out.

    Raises:
        UsageError: there are no facts, or their beginning is gone.
        KafkaException: the broker failed.
    """
    with _log_of(settings, site_id) as partitions:
        for partition, records in partitions:
            with closing(records):
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
def _log_of(
    settings: Settings, site_id: str | None
) -> Iterator[Iterator[tuple[int, Generator[tuple[int, Facts], None, None]]]]:
    topic = settings.topic_prefix + FACTS
    with reader(settings.client_config(), "read_committed") as consumer:
        count = partition_count(consumer, topic)
        if not count:
            raise UsageError(f"{topic} does not exist on {settings.kafka}")
        numbers = range(count) if site_id is None else [facts_partition(settings.group_of(site_id), count)]
        yield ((number, _records(consumer, settings, topic, number)) for number in numbers)


def _records(
    consumer: Consumer, settings: Settings, topic: str, partition: int
) -> Generator[tuple[int, Facts], None, None]:
    low, _ = watermarks(consumer, topic, partition)
    if low > 0:
        raise UsageError(
            f"{topic}/{partition} begins at offset {low}: retention has taken its first records, and a picture folded "
            "from what is left would be another one. Keep the facts as long as the past is to be asked for "
            "(retention.ms of the topic), or record days while they are there (foresite record)"
        )
    skipped = load_state(consumer, settings.topic_prefix + STATE, partition).skipped_offsets
    for message in read_to_end(consumer, topic, partition):
        value, offset = message.value(), message.offset()
        assert isinstance(value, bytes), f"{topic}/{partition} holds a tombstone"
        assert offset is not None
        if offset not in skipped:
            yield offset, decode_facts(value)
