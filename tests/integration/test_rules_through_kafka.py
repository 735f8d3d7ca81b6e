"""Rules pushed while the twin runs: the open card is judged under them without a restart; a version means one content.

The Line 3 case on Tuesday noon: the card of #4471 stands, high, with R. Okafor.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from schemas import TOPICS, Rules, Severity, UsageError
from streams.embedded_broker import EmbeddedBroker
from streams.rules_checks import load_rules
from streams.rules_push import push_rules, rules_told
from streams.settings import Settings
from streams.simulator import CommittedClock, Player, line3_events
from streams.topic_admin import create_topics
from tests.integration.test_line3_through_kafka import BERLIN, check_the_fold
from tests.running import ROOT, cards, roles, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

NOON = datetime(2026, 11, 17, 12, tzinfo=BERLIN)
LATER = datetime(2026, 11, 17, 12, 30, tzinfo=BERLIN)
CARD_ID = "delivery_risk/plant-1/line/L3/1"

RULES = """\
rules_id: plant
version: "7"
min_margin_fraction: 0.02
customers: [{customer_id: northwind, weight: 3}]
owners: [{name: desk, when: {customer_id: northwind}, owner_id: m.lindqvist}]
"""


@pytest.fixture
def embedded() -> Iterator[Settings]:
    with EmbeddedBroker() as broker:
        for topic in TOPICS:
            broker.create_topic(topic)
        yield Settings(kafka=broker.bootstrap_servers, clock="events")


def rules_of(folder: Path, text: str) -> Rules:
    file = folder / "rules.yaml"
    file.write_text(text, encoding="utf-8")
    return load_rules(file)


def check_a_reload(settings: Settings, folder: Path) -> None:
    events = list(line3_events(until=LATER))
    with roles(settings, "ingest", "twin") as running:
        clock = CommittedClock(settings)
        player = Player(settings, clock, window_s=7200.0)
        try:
            player.play(event for event in events if event.event_time <= NOON)
            player.wait_for("plant-1", NOON.timestamp())
            before = cards(settings)[CARD_ID]
            assert ("R. Okafor", "default", "1", Severity.HIGH) == (
                before.owner.name,
                before.rule.id,
                before.rule.version,
                before.severity,
            )

            pushed = push_rules(settings, rules_of(folder, RULES), NOON)
            assert (True, None, []) == (pushed.was_sent, pushed.replaced, pushed.keep_their_own)
            wait_until(
                lambda: cards(settings)[CARD_ID].rule.version == "7", 30.0, lambda: running["twin"].printed
            )
            after = cards(settings)[CARD_ID]
            player.play(event for event in events if event.event_time > NOON)
            player.wait_for("plant-1", LATER.timestamp())
        finally:
            player.close()
            clock.close()
        rescue = after.impact.rescue
        assert rescue is not None
        assert (before.revision + 1, 'rule "desk"', "M. Lindqvist", 3.0, True) == (
            after.revision,
            after.owner.rule,
            after.owner.name,
            after.rank_terms[2].value,
            rescue.breaks_margin_rule,
        )
        assert "below the 2 % that the rules keep." in after.summary
        check_versions(settings, folder)
    check_the_fold(settings)


def check_versions(settings: Settings, folder: Path) -> None:
    """The same again is nothing; other content wants another version; a site's own rules are told of."""
    again = push_rules(settings, rules_of(folder, RULES), LATER)
    assert (False, "7") == (again.was_sent, again.replaced.version if again.replaced else None)
    command = [sys.executable, "-m", "streams.cli", "rules", "push", str(folder / "rules.yaml")]
    environment = {**os.environ, "FORESITE_TOPIC_PREFIX": settings.topic_prefix}
    said = subprocess.run(
        [*command, "--kafka", settings.kafka],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "plant 7 is in force for every site already: nothing sent\n") == (
        said.returncode,
        said.stdout,
    ), said.stderr
    with pytest.raises(UsageError, match="version 7 of plant is known with other content, since 2026-11-17"):
        push_rules(settings, rules_of(folder, RULES.replace("0.02", "0.03")), LATER, "plant-1")
    eighth = rules_of(folder, RULES.replace('"7"', '"8"').replace("0.02", "0.03"))
    own = push_rules(settings, eighth, NOON, "plant-1")
    assert (True, None) == (own.was_sent, own.replaced)
    assert ["plant-1"] == push_rules(settings, eighth, NOON).keep_their_own
    # The last word by time holds: rules that came with the time of older ones were moved behind them.
    times = [each.event_time for each in rules_told(settings) if each.site_id == "*"]
    assert len(set(times)) == len(times)


def test_rules_are_reloaded_on_the_embedded_broker(embedded: Settings, tmp_path: Path) -> None:
    check_a_reload(embedded, tmp_path)


@pytest.mark.kafka
def test_rules_are_reloaded_on_apache_kafka(kafka: str, tmp_path: Path) -> None:
    settings = Settings(kafka=kafka, topic_prefix=f"rules-{os.getpid()}-", clock="events")
    create_topics(settings, replication=1)
    check_a_reload(settings, tmp_path)
