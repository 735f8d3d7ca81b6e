"""The picture as of a moment is what was published then: from the facts on Kafka and from a recorded day, byte by byte.

A simulated plant of three lines plays two days through the real roles; its cards come, change, clear and come again.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas import TOPICS, Card, LineStatus, OrderProjection, OutputModel, UsageError
from schemas.topics import CARDS, FACTS, LINES, ORDER_PROJECTIONS
from streams.checkpoint_list import list_checkpoints
from streams.embedded_broker import EmbeddedBroker
from streams.picture import Picture, log_from_kafka, picture_from_files, picture_from_kafka
from streams.routing import facts_partition
from streams.settings import Settings
from streams.shard_names import shard_topics
from streams.simulator import CommittedClock, Factory, FactorySettings, Player
from streams.topic_admin import create_topics
from tests.running import ROOT, messages, roles

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PLANT = FactorySettings(seed=10, lines=3, days=2, clock_step_s=900.0)
MODELS: dict[str, type[Card] | type[OrderProjection] | type[LineStatus]] = {
    CARDS: Card,
    ORDER_PROJECTIONS: OrderProjection,
    LINES: LineStatus,
}
Said = list[tuple[str, datetime, bytes]]
"""Key, as_of and bytes of everything on a topic, in the order of its partitions."""


def played(settings: Settings) -> dict[str, Said]:
    """Play the plant through the roles; what they published."""
    with roles(settings, "ingest", "twin"):
        clock = CommittedClock(settings)
        player = Player(settings, clock, window_s=0.0)
        try:
            player.play(Factory(PLANT).events())
        finally:
            player.close()
            clock.close()
        return {topic: said_on(settings, topic) for topic in MODELS}


def said_on(settings: Settings, topic: str) -> Said:
    said = []
    for message in messages(settings, topic):
        value = message.value()
        assert isinstance(value, bytes)
        body = MODELS[topic].model_validate_json(value)
        said.append(((message.key() or b"").decode(), body.as_of, value))
    return said


def latest(said: Said, moment: datetime) -> dict[str, bytes]:
    """The last record of each key that was published by the moment; the keys of a topic keep their order."""
    return {key: value for key, as_of, value in said if as_of <= moment}


def written(bodies: Mapping[str, OutputModel]) -> dict[str, bytes]:
    return {key: body.model_dump_json().encode() for key, body in bodies.items()}


def moments(cards: Said) -> list[datetime]:
    """Moments that tell: at a revision, just before it, just after it, amid the day, before anything, at the end."""
    times = sorted({as_of for _, as_of, _ in cards})
    middle, late = times[len(times) // 2], times[-1]
    second = timedelta(seconds=1)
    return [times[0] - second, times[0], middle - second, middle, middle + second, late - second, late, late + timedelta(days=1)]  # fmt: skip


def check(picture: Picture, published: dict[str, Said], moment: datetime) -> None:
    for topic, said in published.items():
        assert latest(said, moment) == written(picture.said[topic]), f"{topic} as of {moment}"


def check_all(settings: Settings, published: dict[str, Said], folder: Path) -> Path:
    """Hold Kafka and a recording to what was published."""
    cards = published[CARDS]
    ids = {key for key, _, _ in cards}
    assert len(ids) >= 3
    assert len(cards) > 2 * len(ids)
    assert any(b'"state":"cleared"' in value for _, _, value in cards)
    out = folder / "day.ndjson.gz"
    foresite(settings, "record", "--site", "plant-1", "--out", str(out))
    for moment in moments(cards):
        check(picture_from_kafka(settings, moment, "plant-1"), published, moment)
        check(picture_from_files([out], None, moment), published, moment)
    return out


def foresite(settings: Settings, *arguments: str) -> str:
    environment = {
        **os.environ,
        "FORESITE_KAFKA": settings.kafka,
        "FORESITE_TOPIC_PREFIX": settings.topic_prefix,
    }
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.fixture
def embedded() -> Iterator[Settings]:
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, clock="events")


@pytest.fixture
def apache(kafka: str) -> Settings:
    settings = Settings(kafka=kafka, topic_prefix=f"travel-{os.getpid()}-", clock="events")
    create_topics(settings, replication=1)
    return settings


def test_the_picture_of_then_is_what_was_published_then(embedded: Settings, tmp_path: Path) -> None:
    published = played(embedded)
    day = check_all(embedded, published, tmp_path)

    at = moments(published[CARDS])[3].isoformat()
    there = foresite(embedded, "as-of", at, "--site", "plant-1", "--json")
    here = foresite(embedded, "as-of", at, str(day), "--json")
    assert there == here
    lines = [json.loads(line) for line in there.splitlines()]
    assert set(MODELS) == {line["topic"] for line in lines}
    asked = [line["key"] for line in lines if line["topic"] == CARDS]
    assert sorted(latest(published[CARDS], datetime.fromisoformat(at))) == asked
    replayed = foresite(embedded, "replay", str(day), "--until", at, "--json")
    live = {json.loads(line)["card_id"] for line in replayed.splitlines()}
    assert live == {
        card.card_id for card in picture_from_files([day], None, datetime.fromisoformat(at)).ranked()
    }


@pytest.mark.kafka
def test_so_it_is_on_apache_kafka(apache: Settings, tmp_path: Path) -> None:
    check_all(apache, played(apache), tmp_path)

    published = {topic: said_on(apache, topic) for topic in MODELS}
    facts = apache.topic_prefix + FACTS
    partition = facts_partition("plant-1", apache.facts_partitions)
    rows = [
        row
        for row in list_checkpoints(apache.client_config(), shard_topics(apache))
        if row.partition == partition and row.is_complete
    ]
    assert len(rows) >= 2, "a first commit, and a day"
    newest = rows[-1]
    assert newest.now is not None

    # Retention takes all facts before the newest checkpoint: what came after it is as it was.
    admin = AdminClient(apache.client_config())
    for done in admin.delete_records([TopicPartition(facts, partition, newest.facts_offset)]).values():
        done.result(30)
    since = datetime.fromtimestamp(newest.now, UTC)
    later = [moment for moment in moments(published[CARDS]) if moment >= since]
    assert later
    for moment in [since, *later]:
        check(picture_from_kafka(apache, moment, "plant-1"), published, moment)
    assert foresite(apache, "verify").endswith("equal: the topics hold what the facts say\n")
    with pytest.raises(
        UsageError, match=r"the oldest checkpoint is as of .*: ask for that moment or a later one"
    ):
        picture_from_kafka(apache, since - timedelta(seconds=1), "plant-1")
    with pytest.raises(UsageError, match="retention has taken its first records"):
        list(log_from_kafka(apache, None, "plant-1"))
