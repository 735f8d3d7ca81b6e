"""The ledger from the facts on Kafka, and onto its topic: the same entries as from the file, one record a line."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.month import segments
from schemas import TOPICS, Facts, LedgerEntry
from schemas.topics import LEDGER
from streams.embedded_broker import EmbeddedBroker
from streams.ledger import Week, ledger_of_files
from streams.routing import facts_partition
from streams.settings import Settings
from streams.topic_admin import create_topics
from tests.running import ROOT, encoded, messages, write_facts
from tests.unit.cases import PLANS, read_events

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def embedded() -> Iterator[Settings]:
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, clock="events")


@pytest.fixture
def apache(kafka: str) -> Settings:
    settings = Settings(kafka=kafka, topic_prefix=f"ledger-{os.getpid()}-", clock="events")
    create_topics(settings, replication=1)
    return settings


def check(settings: Settings) -> None:
    """Publish twice: the newest record of each key is the entry that the file gives."""
    facts = Facts(group_id="plant-1", segments=segments(read_events("ledger", PLANS), {}))
    write_facts(settings, {facts_partition("plant-1", settings.facts_partitions): encoded([facts])})
    expected = [
        entry.model_dump_json() for entry in ledger_of_files([PLANS / "ledger.ndjson"], None, Week.of("2026-W47"))
    ]  # fmt: skip

    for _ in range(2):
        assert (
            expected == foresite(settings, "ledger", "--week", "2026-W47", "--publish", "--json").splitlines()
        )

    records = [((each.key() or b"").decode(), each.value()) for each in messages(settings, LEDGER)]
    assert 4 == len(records)
    newest = dict(records)
    assert {"2026-W47/plant-1/*", "2026-W47/plant-1/L5"} == set(newest)
    assert sorted(expected) == sorted((value or b"").decode() for value in newest.values())
    assert 1 == LedgerEntry.model_validate_json(newest["2026-W47/plant-1/L5"] or b"").changeovers_avoidable


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


def test_the_ledger_goes_from_the_facts_to_its_topic(embedded: Settings) -> None:
    check(embedded)


@pytest.mark.kafka
def test_so_it_does_on_apache_kafka(apache: Settings) -> None:
    check(apache)
