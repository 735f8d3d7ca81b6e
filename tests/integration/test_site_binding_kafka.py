"""Publishers bound to sites, through Kafka: the bound topic is read, its positions are its own, others are refused."""

import os

import pytest

from schemas.topics import MACHINE_EVENTS
from streams.settings import Settings
from streams.topic_admin import create_topics
from tests.ingest_plant import Plant, running, wait_for
from tests.unit.test_batcher import count

pytestmark = [pytest.mark.kafka]


def test_a_foreign_event_is_a_dead_letter_and_good_ones_pass(kafka: str) -> None:
    settings = Settings(
        kafka=kafka, topic_prefix=f"bound-{os.getpid()}.", clock="events", site_topics={"lyon.": ["lyon"]}
    )
    create_topics(settings, replication=1)
    plant = Plant(settings)
    bound = f"lyon.{MACHINE_EVENTS}"
    for topic, site, event_id in (
        (bound, "lyon", "e0"),
        (bound, "turin", "e1"),
        (MACHINE_EVENTS, "turin", "e2"),
        (bound, "lyon", "e3"),
    ):
        plant.send(topic, count(event_id, site))
    plant.flush()

    with running(settings):
        wait_for(plant, events=3, letters=1)

    found = sorted(position for positions in plant.positions().values() for position in positions)
    assert [(bound, 0, 0, 0), (bound, 0, 2, 0), (MACHINE_EVENTS, 0, 0, 0)] == found
    (letter,) = plant.dead_letters()
    assert ("authorisation", "site_id", bound, 1) == (
        letter.code,
        letter.field_path,
        letter.source_topic,
        letter.source_offset,
    )
