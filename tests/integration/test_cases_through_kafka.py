"""The seed cases end to end: from raw topics through ingest and twin to the risk topic, on both brokers.

Their numbers are worked out by hand in tests/unit/test_*_card.py; here the cards on the topic must say the same. Each case
has an installation of its own: they happen on different days, and sites in one facts partition share a clock.
"""

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from schemas import MODEL_OF_KIND, TOPICS, Card, ClockTicked, Event, MachineEvent
from streams.embedded_broker import EmbeddedBroker
from streams.replay import replay
from streams.settings import Settings
from streams.simulator import CommittedClock, Player
from streams.topic_admin import create_topics
from tests.running import ROOT, cards, roles
from twin import Twin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CASES = Path(ROOT) / "examples" / "cases"

MOMENTS = {
    "silence": ("data_stale", "2026-03-02T10:40:00+01:00"),
    "conflict": ("data_conflict", "2026-03-02T09:30:00+01:00"),
    "line_down": ("line_down", "2026-11-23T11:15:00+01:00"),
    "quality": ("quality_risk", "2026-11-23T10:30:00+01:00"),
    "shortage": ("material_shortage", "2026-11-24T08:00:00+01:00"),
}
"""The kind of card that each case is about, and when it is looked at: the moment of its golden test."""

TICK = timedelta(minutes=10)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    if request.param == "apache":
        prefix = f"cases-{os.getpid()}-{request.getfixturevalue('case')}-"
        made = Settings(kafka=request.getfixturevalue("kafka"), topic_prefix=prefix, clock="events")
        create_topics(made, replication=1)
        yield made
        return
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, clock="events")


def events_of(case: str) -> list[Event]:
    """The events of a case up to its moment, at a site that is named after it."""
    until = datetime.fromisoformat(MOMENTS[case][1])
    bodies = [json.loads(line) for line in (CASES / f"{case}.ndjson").read_text().splitlines()]
    read: list[Event] = []
    for body in bodies:
        made = MODEL_OF_KIND[body["kind"]].model_validate({**body, "site_id": f"site-{case}"})
        assert isinstance(made, Event)
        if made.event_time <= until:
            read.append(made)
    return sorted(read, key=lambda each: each.event_time)


def with_ticks(case: str) -> Iterator[Event]:
    """The events with the case's clock between them, from the first day of production on."""
    until = datetime.fromisoformat(MOMENTS[case][1])
    pending = events_of(case)
    first = min(each.event_time for each in pending if isinstance(each, MachineEvent)).replace(minute=0)
    now = (
        first - 2 * TICK
    )  # what machines say rests on the plan, which comes by another topic: it has its own tick
    while now < until:
        now = min(now + TICK, until)
        while pending and pending[0].event_time <= now:
            yield pending.pop(0)
        yield ClockTicked(event_id=f"clock/{case}/{now.isoformat()}", event_time=now, site_id=f"site-{case}")


def expected_of(case: str, folder: Path) -> list[Card]:
    """The open cards of the case's kind as the same events give them without a broker."""
    file = folder / f"{case}.ndjson"
    file.write_text("".join(f"{each.model_dump_json(exclude_none=True)}\n" for each in events_of(case)))
    cards_there = replay([file], None, Twin, datetime.fromisoformat(MOMENTS[case][1]), 600).ranked()
    return [card for card in cards_there if card.kind == MOMENTS[case][0]]


def words(card: Card) -> tuple[str, int, str, str, float, str]:
    """What a planner reads; the revision may differ, as ingest reads its topics side by side."""
    return (card.card_id, card.episode, card.title, card.summary, card.score, card.severity)


@pytest.mark.parametrize("case", sorted(MOMENTS))
def test_a_case_says_on_the_topic_what_paper_says(case: str, settings: Settings, tmp_path: Path) -> None:
    with roles(settings, "ingest", "twin"):
        clock = CommittedClock(settings)
        player = Player(settings, clock, window_s=0.0)
        try:
            player.play(with_ticks(case))
        finally:
            player.close()
            clock.close()
        found = cards(settings)

    expected = expected_of(case, tmp_path)
    assert expected
    assert [words(card) for card in expected] == [words(found[card.card_id]) for card in expected]


def test_every_case_is_played() -> None:
    assert {path.stem for path in CASES.glob("*.ndjson")} == set(MOMENTS), "a case is played by no test"
