"""A person's commands, from the command line through ingest and twin to the card, the answer and the audit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import TOPICS, Card, CardState, topics
from streams.embedded_broker import EmbeddedBroker
from streams.settings import Settings
from streams.topic_admin import create_topics
from tests.running import ROOT, cards, messages, roles, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EVENTS = Path(ROOT) / "examples" / "first_card" / "events.ndjson"


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    if request.param == "apache":
        made = Settings(
            kafka=request.getfixturevalue("kafka"), topic_prefix=f"commands-{os.getpid()}-", clock="events"
        )
        create_topics(made, replication=1)
        yield made
        return
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, clock="events")


def foresite(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "FORESITE_KAFKA": settings.kafka,
            "FORESITE_TOPIC_PREFIX": settings.topic_prefix,
            "FORESITE_CLOCK": "events",
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def the_card(settings: Settings) -> Card | None:
    found = list(cards(settings).values())
    return found[-1] if found else None


def bodies(settings: Settings, topic: str) -> list[dict[str, Any]]:
    return [json.loads(message.value() or b"null") for message in messages(settings, topic)]


def test_a_planner_acknowledges_snoozes_and_is_refused_what_cannot_be(settings: Settings) -> None:
    # Before the roles begin: at a first start ingest reads the plan before what machines say of it.
    published = foresite(settings, "publish", str(EVENTS))
    assert 0 == published.returncode, published.stderr
    with roles(settings, "ingest", "twin") as running:
        wait_until(
            lambda: the_card(settings) is not None,
            60.0,
            lambda: running["twin"].printed + running["ingest"].printed,
        )
        first = the_card(settings)
        assert first is not None

        acknowledged = foresite(settings, "card", "acknowledge", first.card_id, "--actor", "o.roy", "--json")
        stale = foresite(
            settings, "card", "start", first.card_id, "--actor", "o.roy", "--revision", str(first.revision)
        )
        illegal = foresite(settings, "card", "reopen", first.card_id, "--actor", "o.roy")
        shown = foresite(settings, "card", "show", first.card_id, "--json")

    assert (0, "accepted") == (acknowledged.returncode, json.loads(acknowledged.stdout)["outcome"]), (
        acknowledged.stderr
    )
    assert 1 == stale.returncode
    assert "refused (stale_revision)" in stale.stderr
    assert "refused (illegal_move)" in illegal.stderr
    card = Card.model_validate_json(shown.stdout)
    assert (CardState.ACKNOWLEDGED, "o.roy", first.revision + 1) == (card.state, card.state_by, card.revision)
    assert card == the_card(settings)
    audited = [
        (each["action"], each["actor"], each["details"]["outcome"]) for each in bodies(settings, topics.AUDIT)
    ]
    assert [
        ("card_acknowledge", "o.roy", "accepted"),
        ("card_start", "o.roy", "rejected"),
        ("card_reopen", "o.roy", "rejected"),
    ] == audited
    assert 3 == len(bodies(settings, topics.COMMAND_RESULTS))
