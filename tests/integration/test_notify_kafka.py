"""The notify role on Apache Kafka: each change of a card leaves once; a kill -9 repeats under the same id, loses nothing."""

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas import Card, CardNotices
from schemas.topics import CARDS, DELIVERIES, SITES
from streams.local_kafka import LocalKafka
from streams.settings import Settings
from tests.notify_plant import SECRET, Receiver, card, receiver
from tests.running import Role, messages, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

PATIENCE_S = 60.0


class Topics(Protocol):
    """What these tests use of the `topics` fixture."""

    prefix: str

    def create(self, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> str: ...


class Installation:
    """Topics, a receiver, a file, and roles that are started and killed."""

    def __init__(self, settings: Settings, hook: Receiver, folder: Path) -> None:
        self.settings = settings
        self.hook = hook
        self.file = folder / "notify.yaml"
        self.roles: list[Role] = []
        self._producer = Producer({**settings.client_config(), "enable.idempotence": True, "log_level": 0})
        people = {"okafor": {"webhook": "hook"}}
        hooks = {"hook": {"url": hook.url, "allow_http": True, "timeout_s": 5}}
        retry = {"first_s": 0.1, "max_s": 0.5}
        self.file.write_text(
            json.dumps({"people": people, "webhooks": hooks, "retry": retry}), encoding="utf-8"
        )

    def start(self, **environment: str) -> Role:
        role = Role(
            "notify",
            self.settings,
            FORESITE_NOTIFY_CONFIG=str(self.file),
            FORESITE_NOTIFY_WEBHOOK_SECRETS=json.dumps({"hook": SECRET}),
            **environment,
        )
        self.roles.append(role)
        return role

    def publish(self, *cards: Card, age: timedelta = timedelta(0)) -> None:
        at_ms = int((datetime.now(UTC) - age).timestamp() * 1000)
        for each in cards:
            self._producer.produce(
                self.settings.topic_prefix + CARDS,
                key=each.card_id.encode(),
                value=each.model_dump_json().encode(),
                timestamp=at_ms,
            )
        assert 0 == self._producer.flush(30)

    def wait_for(self, lines: set[str], change: str = "raised") -> None:
        wait_until(
            lambda: lines <= {line for each, line in self.told if each == change}, PATIENCE_S, self.explain
        )

    @property
    def told(self) -> list[tuple[str, str]]:
        return [notice for posted in list(self.hook.posted) for notice in posted.changes]

    def explain(self) -> str:
        return f"{self.told}\n" + "\n".join(role.printed for role in self.roles)

    def notices(self) -> dict[str, CardNotices]:
        """The newest document of each card, by its line."""
        found: dict[str, CardNotices] = {}
        for message in messages(self.settings, DELIVERIES):
            notices = CardNotices.model_validate_json(message.value() or b"")
            found[notices.card_id.split("/")[3]] = notices
        return found

    def outcomes(self) -> dict[str, list[tuple[str, str]]]:
        return {
            line: [(each.change, each.outcome) for each in notices.outcomes]
            for line, notices in self.notices().items()
        }


@pytest.fixture
def installation(kafka: str, topics: Topics, tmp_path: Path) -> Iterator[Installation]:
    topics.create(CARDS, partitions=2)
    topics.create(DELIVERIES, partitions=2, config={"cleanup.policy": "compact"})
    topics.create(SITES)
    with receiver() as hook:
        made = Installation(Settings(kafka=kafka, topic_prefix=topics.prefix, clock="events"), hook, tmp_path)
        try:
            yield made
        finally:
            for role in made.roles:
                role.end()


def names(count: int) -> list[str]:
    return [f"L{number}" for number in range(count)]


def test_a_life_is_told_once_also_over_a_restart_that_is_asked_for(installation: Installation) -> None:
    at_work = installation
    first = at_work.start()
    at_work.publish(card("L1"))
    at_work.wait_for({"L1"})
    first.process.send_signal(signal.SIGTERM)
    assert 0 == first.process.wait(PATIENCE_S), first.printed

    at_work.publish(card("L1", 2, severity="critical"))
    second = at_work.start()
    at_work.wait_for({"L1"}, "escalated")
    at_work.publish(card("L1", 3, severity="critical", state="cleared"), card("L2"))
    at_work.wait_for({"L1"}, "cleared")
    at_work.wait_for({"L2"})
    second.process.send_signal(signal.SIGTERM)
    assert 0 == second.process.wait(PATIENCE_S), second.printed

    assert [("cleared", "L1"), ("escalated", "L1"), ("raised", "L1"), ("raised", "L2")] == sorted(
        at_work.told
    )
    assert {
        "L1": [("raised", "delivered"), ("escalated", "delivered"), ("cleared", "delivered")],
        "L2": [("raised", "delivered")],
    } == at_work.outcomes()
    assert SECRET not in first.printed + second.printed
    assert "room=7" not in first.printed + second.printed


def test_a_kill_between_sending_and_noting_repeats_that_one_under_its_id(installation: Installation) -> None:
    """Five cards are noted before the kill and none of their outcomes is."""
    at_work = installation
    at_work.publish(*(card(name) for name in names(5)))
    first = at_work.start(FORESITE_FAULT="after_send:1")
    assert -signal.SIGKILL == first.process.wait(PATIENCE_S), first.printed
    before = [posted.key for posted in at_work.hook.posted]
    noted = at_work.outcomes()

    at_work.start()
    wait_until(
        lambda: all([("raised", "delivered")] == each for each in at_work.outcomes().values()),
        PATIENCE_S,
        at_work.explain,
    )

    times = Counter(posted.key for posted in at_work.hook.posted)
    assert 1 <= len(before)
    assert {name: [] for name in names(5)} == noted
    assert 5 == len(times)
    assert set(before) == {key for key, count in times.items() if count == 2}
    assert {1, 2} >= set(times.values())
    assert {"L0", "L1", "L2", "L3", "L4"} == {line for _, line in at_work.told}


def test_a_kill_before_anything_left_loses_nothing_and_repeats_nothing(installation: Installation) -> None:
    at_work = installation
    first = at_work.start(FORESITE_FAULT="after_note:1")
    at_work.publish(card("L1"))
    assert -signal.SIGKILL == first.process.wait(PATIENCE_S), first.printed
    assert [] == at_work.told

    at_work.start()
    at_work.wait_for({"L1"})
    at_work.publish(card("L2"))
    at_work.wait_for({"L2"})

    assert [("raised", "L1"), ("raised", "L2")] == at_work.told


def test_a_first_start_tells_what_is_open_and_new_and_no_history(installation: Installation) -> None:
    at_work = installation
    at_work.publish(card("old"), card("past"), card("past", 2, state="cleared"), age=timedelta(hours=100))
    at_work.publish(card("open"), card("brief"), card("brief", 2, state="cleared"))
    at_work.publish(
        *(card(f"{name}-{number}", state="closed") for number in range(20) for name in ("a", "b"))
    )

    at_work.start()
    at_work.wait_for({"open"})
    at_work.publish(card("last"), card("old", 2, severity="critical"), card("past", 3, state="closed"))
    at_work.wait_for({"last"})
    at_work.wait_for({"old"}, "escalated")

    assert [("escalated", "old"), ("raised", "last"), ("raised", "open")] == sorted(at_work.told)


def test_two_workers_share_the_cards_and_tell_each_once(installation: Installation) -> None:
    at_work = installation
    at_work.start(FORESITE_INSTANCE_ID="notify-0")
    at_work.publish(card("first"))
    at_work.wait_for({"first"})
    at_work.start(FORESITE_INSTANCE_ID="notify-1")
    for number in range(60):  # over the rebalance, and after it
        at_work.publish(card(f"L{number}"))
        time.sleep(0.1)
    at_work.wait_for(set(names(60)))

    assert {("raised", name): 1 for name in ["first", *names(60)]} == dict(Counter(at_work.told))
    wait_until(
        lambda: all([("raised", "delivered")] == each for each in at_work.outcomes().values()),
        PATIENCE_S,
        at_work.explain,
    )


def test_a_worker_that_slept_through_its_session_repeats_what_it_held_and_notes_nothing(
    installation: Installation,
) -> None:
    """It stops between noting L2 and handing it over, another one takes over, and then it wakes up."""
    at_work = installation
    short = json.dumps({"session.timeout.ms": 6000})
    sleeper = at_work.start(
        FORESITE_INSTANCE_ID="notify-0", FORESITE_FAULT="after_note:3:stop", FORESITE_KAFKA_CONFIG=short
    )
    at_work.publish(card("L1"))  # notes: that it is due, and that it was delivered
    wait_until(lambda: {"L1": [("raised", "delivered")]} == at_work.outcomes(), PATIENCE_S, at_work.explain)
    at_work.publish(card("L2"))
    wait_until(lambda: "L2" in at_work.outcomes(), PATIENCE_S, at_work.explain)

    at_work.start(FORESITE_INSTANCE_ID="notify-1", FORESITE_KAFKA_CONFIG=short)
    at_work.wait_for({"L2"})
    sleeper.process.send_signal(signal.SIGCONT)
    at_work.publish(card("L3"), card("L4"))
    at_work.wait_for({"L3", "L4"})
    wait_until(
        lambda: all([("raised", "delivered")] == each for each in at_work.outcomes().values()),
        PATIENCE_S,
        at_work.explain,
    )

    times = Counter(posted.key for posted in at_work.hook.posted)
    assert 4 == len(times)
    assert {"L2"} >= {line for _, line in (set(at_work.told)) if at_work.told.count(("raised", line)) > 1}


def test_topics_that_differ_in_partitions_are_refused(kafka: str, topics: Topics, tmp_path: Path) -> None:
    topics.create(CARDS, partitions=2)
    topics.create(DELIVERIES, partitions=1)
    with receiver() as hook:
        at_work = Installation(
            Settings(kafka=kafka, topic_prefix=topics.prefix, clock="events"), hook, tmp_path
        )
        role = at_work.start()
        try:
            assert 1 == role.process.wait(PATIENCE_S)
            assert "both topics need the same number of partitions" in role.printed
        finally:
            role.end()


def test_a_card_of_a_newer_twin_stops_the_role_instead_of_being_lost(installation: Installation) -> None:
    at_work = installation
    newer: dict[str, Any] = card("L1").model_dump(mode="json") | {"aura": "blue"}
    producer = Producer(at_work.settings.client_config())
    producer.produce(at_work.settings.topic_prefix + CARDS, key=b"k", value=json.dumps(newer).encode())
    assert 0 == producer.flush(30)

    role = at_work.start()

    assert 1 == role.process.wait(PATIENCE_S)
    assert "aura: Extra inputs are not permitted. A newer twin wrote it" in role.printed


def own_installation(broker: LocalKafka, hook: Receiver, folder: Path) -> Installation:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    wanted = [NewTopic(name, num_partitions=2, replication_factor=1) for name in (CARDS, DELIVERIES, SITES)]
    for done in admin.create_topics(wanted).values():
        done.result(30)
    return Installation(Settings(kafka=broker.bootstrap_servers, clock="events"), hook, folder)


def test_a_broker_that_dies_and_comes_back_costs_no_notice(own_kafka: LocalKafka, tmp_path: Path) -> None:
    """What cannot be noted ends the role, and whoever keeps it up starts it again, as this loop does.

    Seen once: a role that sat for a minute in a call of the client library. Its watchdog ends it after 40 s.
    """
    with receiver() as hook:
        at_work = own_installation(own_kafka, hook, tmp_path)
        hook.answers = [204, *[500] * 5]  # L2 is still being tried when the broker goes
        role = at_work.start()
        starts = 1

        def is_told(line: str) -> bool:
            nonlocal role, starts
            if role.process.poll() is not None:
                role, starts = at_work.start(), starts + 1
            return ("raised", line) in at_work.told

        try:
            at_work.publish(card("L1"), card("L2"))
            wait_until(lambda: is_told("L1") and is_told("L2"), PATIENCE_S, at_work.explain)
            own_kafka.kill()
            time.sleep(2.0)
            own_kafka.start()
            at_work.publish(card("L3"))
            wait_until(lambda: is_told("L3"), 2 * PATIENCE_S, at_work.explain)
            wait_until(
                lambda: all([("raised", "delivered")] == each for each in at_work.outcomes().values()),
                2 * PATIENCE_S,
                at_work.explain,
            )
            print(f"{starts} starts, {len(hook.posted)} requests")
            assert 3 == len({posted.key for posted in hook.posted})
        finally:
            for each in at_work.roles:
                each.end()


def test_a_stop_while_the_broker_is_away_ends_in_time(own_kafka: LocalKafka, tmp_path: Path) -> None:
    with receiver() as hook:
        at_work = own_installation(own_kafka, hook, tmp_path)
        hook.answers = [500] * 100
        role = at_work.start()
        try:
            at_work.publish(card("L1"))
            at_work.wait_for({"L1"})
            own_kafka.kill()
            time.sleep(1.0)
            asked_at = time.monotonic()
            role.process.send_signal(signal.SIGTERM)

            assert role.process.wait(28) in (0, 1), role.printed
            print(f"ended {time.monotonic() - asked_at:.1f} s after it was asked")
        finally:
            role.end()
