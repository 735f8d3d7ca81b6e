"""A whole installation under load while its workers come, go, sleep and wake: every event once, state equal."""

import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from schemas import decode_facts
from schemas.topics import FACTS, STATE
from streams.settings import Settings
from streams.state_topic import MANIFEST_KEY, Manifest
from tests.chaos.installation import new_settings, notify_environment
from tests.chaos.living import STOP_TIMEOUT_S, Living
from tests.chaos.load import Load
from tests.chaos.slow import lasting
from tests.chaos.ticking import Counts, clock_kept
from tests.notify_plant import receiver
from tests.running import Role, messages, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

LINES = 4
PATIENCE_S = 120.0


@pytest.fixture
def settings(kafka: str, request: pytest.FixtureRequest) -> Settings:
    name = f"workers-{os.getpid()}-{abs(hash(request.node.name)) % 10_000}-"
    return new_settings(kafka, name, "wall" if "tick" in request.node.name else "events")


@pytest.fixture
def living(settings: Settings) -> Iterator[Living]:
    with Living(settings, Load(settings, seed=21, lines=LINES)) as made:
        yield made


def assert_nothing_lost(living: Living) -> None:
    assert [] == living.come_to_rest()
    assert [] == living.account().failures


def test_every_role_drains_under_load_and_exits_with_0_within_30_s(
    settings: Settings, living: Living
) -> None:
    with receiver() as hook:
        living.crew.environment |= notify_environment(hook, living.log_dir)
        living.begin("ingest", "twin", "notify")
        living.start("solver")
        wait_until(lambda: bool(living.commits.of("solver")), 300.0, lambda: living.logged("solver"))
        for role in ("solver", "notify", "twin", "ingest"):  # the load goes on
            began = time.monotonic()
            assert 0 == living.crew.stop(role, STOP_TIMEOUT_S), living.logged(role)[-3000:]
            print(f"{role} stopped in {time.monotonic() - began:.1f} s")
            living.start(role)
        assert_nothing_lost(living)


def test_workers_that_join_and_leave_all_the_time_change_nothing(living: Living) -> None:
    """A second ingest and a second twin join and leave: in turns politely, by kill -9, and asleep for longer than their
    session."""
    living.begin("ingest", "twin")
    until, number = time.monotonic() + lasting(quick_s=25.0, slow_s=120.0), 0
    while time.monotonic() < until:
        for role in ("ingest-2", "twin-2"):
            living.start(role)
        time.sleep(lasting(quick_s=6.0, slow_s=10.0))
        for role in ("ingest-2", "twin-2"):
            if number % 2:
                living.crew.kill(role)
                living.crew.forget(role)
            else:
                assert 0 == living.crew.stop(role, STOP_TIMEOUT_S), living.logged(role)[-3000:]
        time.sleep(lasting(quick_s=2.0, slow_s=10.0))
        number += 1
    assert_nothing_lost(living)


def test_a_sleeping_twin_is_replaced_and_fenced_when_it_wakes(living: Living) -> None:
    living.begin("ingest", "twin")
    living.crew.signal("twin", signal.SIGSTOP)
    living.start("twin-2")
    before = living.commits.of("twin")
    wait_until(
        lambda: all(offset > before[place] for place, offset in living.commits.of("twin").items()),
        PATIENCE_S,
        lambda: living.logged("twin-2"),
    )
    time.sleep(lasting(quick_s=0.0, slow_s=40.0))
    living.crew.signal("twin", signal.SIGCONT)
    time.sleep(lasting(quick_s=5.0, slow_s=20.0))
    assert_nothing_lost(living)


def test_two_ingest_workers_tick_one_clock_that_never_runs_back(settings: Settings) -> None:
    """The one that ticks falls asleep, the other one takes its partition and ticks, and then the first one wakes up."""
    with Living(settings, Counts(settings)) as living:
        living.begin("ingest")
        living.start("ingest-2")
        time.sleep(lasting(quick_s=5.0, slow_s=20.0))
        living.crew.signal("ingest", signal.SIGSTOP)
        before = living.progress()["ingest"]
        wait_until(
            lambda: living.commits.of("ingest") != before, PATIENCE_S, lambda: living.logged("ingest-2")
        )
        time.sleep(lasting(quick_s=3.0, slow_s=20.0))
        living.crew.signal("ingest", signal.SIGCONT)
        time.sleep(5.0)
        living.load.end()
        for role in ("ingest", "ingest-2"):
            assert 0 == living.crew.stop(role, STOP_TIMEOUT_S), living.logged(role)[-3000:]
        living.start("ingest")  # whatever they left
        living.start("twin")
        wait_until(lambda: not living.commits.unread("ingest"), PATIENCE_S)
        assert 0 == living.crew.stop("ingest", STOP_TIMEOUT_S)
        assert [] == living.come_to_rest()
        assert [] == living.account().failures
        assert [] == [each for each in clock_kept(settings) if "never had" in each]
        assert_a_twin_never_goes_back(settings)


def assert_a_twin_never_goes_back(settings: Settings) -> None:
    """A late tick of a zombie may stand in the log; the manifests' clocks only rise."""
    seen: dict[int, float] = {}
    ticks = sum(
        decode_facts(message.value() or b"").tick is not None for message in messages(settings, FACTS)
    )
    assert ticks > 5
    for message in messages(settings, STATE):
        value, partition = message.value(), message.partition() or 0
        if message.key() == MANIFEST_KEY.encode() and value is not None:
            now = orjson.loads(Manifest.decode(value).header)["now"]
            assert now is None or now >= seen.get(partition, 0.0)
            seen[partition] = now or 0.0
    assert settings.facts_partitions == len(seen)


def test_a_facts_topic_that_got_more_partitions_is_refused_with_the_way_to_migrate(
    settings: Settings, living: Living
) -> None:
    living.begin("ingest", "twin")
    assert [] == living.come_to_rest()
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    for topic in (FACTS, STATE):
        name = settings.topic_prefix + topic
        admin.create_partitions([NewPartitions(name, settings.facts_partitions + 1)])[name].result(30)
    more = settings.model_copy(update={"facts_partitions": settings.facts_partitions + 1})
    wait_until(lambda: len(admin.list_topics().topics[settings.topic_prefix + FACTS].partitions) == 3, 30.0)
    refusing = {
        "ingest": Role("ingest", settings),  # the settings as they were
        "twin": Role("twin", settings),
        "twin that was told": Role("twin", more, FORESITE_INSTANCE_ID="test-twin-told"),
    }
    try:
        for name, role in refusing.items():
            assert 1 == role.process.wait(PATIENCE_S), f"{name}: {role.printed}"
            assert "FORESITE_TOPIC_PREFIX" in role.printed, f"{name} does not say what helps: {role.printed}"
    finally:
        for role in refusing.values():
            role.end()


@pytest.mark.parametrize("name", ["ingest", "twin", "solver", "notify"])
def test_of_two_workers_that_begin_under_one_name_one_ends_and_says_so(
    settings: Settings, name: str, tmp_path: Path
) -> None:
    """Kafka takes the place from one of them, which must not wait for ever, nor take it back again and again."""
    with receiver() as hook:
        environment = notify_environment(hook, tmp_path)
    pair = [Role(name, settings, **environment), Role(name, settings, **environment)]
    try:
        wait_until(
            lambda: any(role.process.poll() is not None for role in pair),
            PATIENCE_S,
            lambda: "\n".join(role.printed[-3000:] for role in pair),
        )
        [ended] = [role for role in pair if role.process.poll() is not None]
        [lives] = [role for role in pair if role is not ended]
        assert 1 == ended.process.returncode, ended.printed
        assert "another worker runs under this name: give each worker a FORESITE_INSTANCE_ID" in ended.printed
        wait_until(lambda: is_ready(lives), PATIENCE_S, lambda: lives.printed[-3000:])
        time.sleep(7.0)  # two heartbeats
        assert is_ready(lives)
        assert lives.process.poll() is None
    finally:
        for role in pair:
            role.end()


def is_ready(role: Role) -> bool:
    """Whether it has what it needs: its partitions among others."""
    [url] = re.findall(r'"admin_listening".*"url": "([^"]+)"', role.printed)
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            return int(answer.status) == 200
    except urllib.error.URLError:
        return False
