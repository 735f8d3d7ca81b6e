"""A whole installation under load while its brokers go: leaders move, all is away, the disk is full. Nothing is lost,
nothing is doubled, no role has to be started again by hand, and memory stays bounded.
"""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.local_cluster import LocalCluster
from streams.local_kafka import LocalKafka
from tests.chaos.installation import new_settings
from tests.chaos.living import Living
from tests.chaos.load import Load
from tests.chaos.slow import lasting

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(1200)]

LINES = 4
GROWTH_MAX_MB = 200.0
"""An outage may fill buffers, which are bounded; it may not fill the memory."""

DISK_MB = 160
ROLES = ("ingest", "twin")


def memory_mb(living: Living, role: str) -> float:
    """Resident memory of a role."""
    status = Path(f"/proc/{living.crew.pid(role)}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024.0


def cpu_seconds(living: Living, role: str) -> float:
    fields = (
        Path(f"/proc/{living.crew.pid(role)}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_nothing_lost(living: Living) -> None:
    assert [] == [role for role in living.crew.roles if living.crew.exit_code(role) is not None], (
        "a role ended"
    )
    assert [] == living.come_to_rest()
    account = living.account()
    assert [] == account.failures
    assert account.items["applied"] > 500, "the plant said too little to prove anything"


def test_a_leader_that_dies_is_followed_by_another_and_comes_back(kafka_jars: Path) -> None:
    assert kafka_jars.is_dir()
    with LocalCluster() as cluster:
        settings = new_settings(cluster.bootstrap_servers, "leader-", "events", replication=3)
        with Living(settings, Load(settings, seed=11, lines=LINES)) as living:
            living.begin(*ROLES)
            for topic, partition in (("twin.facts.v1", 0), ("mes.machine-events.v1", 0)):
                leader = cluster.leader_of(settings.topic_prefix + topic, partition)
                cluster.nodes[leader].kill()
                before = living.progress()
                living.wait_until_at_work(before)
                assert leader != cluster.leader_of(settings.topic_prefix + topic, partition)
                cluster.nodes[leader].start()
            assert_nothing_lost(living)


def test_a_broker_that_is_away_for_long_costs_neither_records_nor_memory(own_kafka: LocalKafka) -> None:
    settings = new_settings(own_kafka.bootstrap_servers, "away-", "events")
    with Living(settings, Load(settings, seed=12, lines=LINES)) as living:
        living.begin(*ROLES)
        before_mb = {role: memory_mb(living, role) for role in ROLES}
        own_kafka.kill()
        time.sleep(lasting(quick_s=15.0, slow_s=300.0))
        assert [None, None] == [living.crew.exit_code(role) for role in ROLES], (
            "a role ended while Kafka was away"
        )
        own_kafka.start()
        before = living.progress()
        living.wait_until_at_work(before)
        grown = {role: memory_mb(living, role) - before_mb[role] for role in ROLES}
        print(f"grown by {grown} MB")
        assert all(each < GROWTH_MAX_MB for each in grown.values()), grown
        own_kafka.restart()
        before = living.progress()
        living.wait_until_at_work(before)
        assert_nothing_lost(living)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of DISK_MB, where this machine lets us mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def readiness(living: Living, role: str) -> tuple[int, str]:
    """Status and body of /readyz."""
    url = next(
        json.loads(line)["url"]
        for line in living.logged(role).splitlines()
        if line.startswith("{") and '"admin_listening"' in line
    )
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_full_disk_holds_everything_up_says_so_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    """The broker's log directory fails at the first write that finds no room, and the broker with it; an operator makes
    room and starts it again."""
    with small_disk(tmp_path / "disk") as disk:
        ballast = disk / "ballast"
        broker = LocalKafka(properties={"log.dirs": str(disk / "logs"), "log.index.size.max.bytes": "65536"})
        with broker:
            settings = new_settings(broker.bootstrap_servers, "disk-", "events")
            with Living(settings, Load(settings, seed=13, lines=LINES)) as living:
                living.begin(*ROLES)
                before_mb = {role: memory_mb(living, role) for role in ROLES}
                subprocess.run(  # until there is no room at all
                    ["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True, check=False
                )
                deadline = time.monotonic() + 120.0
                while readiness(living, "ingest")[0] == 200:
                    assert time.monotonic() < deadline, "ingest goes on although nothing can be written"
                    time.sleep(0.5)
                status, reasons = readiness(living, "ingest")
                used = {role: cpu_seconds(living, role) for role in ROLES}
                time.sleep(lasting(quick_s=10.0, slow_s=60.0))
                busy = {
                    role: (cpu_seconds(living, role) - used[role]) / lasting(quick_s=10.0, slow_s=60.0)
                    for role in ROLES
                }
                assert [None, None] == [living.crew.exit_code(role) for role in ROLES]

                ballast.unlink()
                broker.kill()  # where it has not given up by itself
                broker.start()
                before = living.progress()
                living.wait_until_at_work(before)
                grown = {role: memory_mb(living, role) - before_mb[role] for role in ROLES}
                assert_nothing_lost(living)
    print(f"while the disk was full: /readyz {status} {reasons.strip()}, cores {busy}, grown {grown} MB")
    assert 503 == status
    assert "kafka" in reasons or "deliveries" in reasons
    assert all(each < 0.5 for each in busy.values()), busy
    assert all(each < GROWTH_MAX_MB for each in grown.values()), grown
