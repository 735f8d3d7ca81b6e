"""One installation of Foresite for `make chaos`: topics on the broker, and its roles as processes that can be armed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaException

from schemas import TOPICS
from streams.partition_reader import reader, watermarks
from streams.role_processes import RoleProcesses
from streams.settings import Settings
from streams.topic_admin import create_topics, wanted_partitions
from tests.chaos.nursery import Child, Nursery
from tests.chaos.schedule import ANYWHERE, AT_START, Kill
from tests.notify_plant import SECRET, Receiver

FACTS_PARTITIONS: Final = 2
PLANNING_GROUPS: Final = {"mill": ["plant-2"]}
"""By their own names both sites would lie in one facts partition."""

TOPICS_TIMEOUT_S: Final = 180.0
"""How long a broker on a busy machine may take to lead the partitions that it was told to make."""

OWNER: Final = "okafor"
NICENESS: Final = 10
"""Of the solver, whose polish would take a core from the roles whose recovery is timed."""

COMMANDS: Final[dict[str, str]] = {
    "ticking": "ingest",
    "ticking-twin": "twin",
    "ingest-2": "ingest",
    "twin-2": "twin",
    "solver-2": "solver",
}
"""What to run for a role that is not called as its command."""


def new_settings(servers: str, name: str, clock: str, replication: int = 1) -> Settings:
    """Settings of a new installation, with its topics made."""
    settings = Settings.model_validate(
        {
            "kafka": servers,
            "topic_prefix": name,
            "clock": clock,
            "facts_partitions": FACTS_PARTITIONS,
            "planning_groups": PLANNING_GROUPS,
        }
    )
    create_topics(settings, replication)
    with reader(settings.client_config(), "read_committed") as consumer:  # each has a leader, and answers
        for topic in TOPICS.values():
            for partition in range(wanted_partitions(topic, settings)):
                _wait_for(consumer, settings.topic_prefix + topic.name, partition)
    return settings


def _wait_for(consumer: Consumer, topic: str, partition: int) -> None:
    deadline = time.monotonic() + TOPICS_TIMEOUT_S
    while True:
        try:
            watermarks(consumer, topic, partition)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
        else:
            return


def notify_environment(hook: Receiver, folder: Path) -> dict[str, str]:
    """Everything is told to one person, by a webhook of ours."""
    file = folder / "notify.yaml"
    people = {OWNER: {"webhook": "hook"}}
    hooks = {"hook": {"url": hook.url, "allow_http": True, "timeout_s": 5}}
    retry = {"first_s": 0.1, "max_s": 0.5}
    told = {"people": people, "webhooks": hooks, "retry": retry, "always": [OWNER], "default": OWNER}
    file.write_text(json.dumps(told), encoding="utf-8")
    return {
        "FORESITE_NOTIFY_CONFIG": str(file),
        "FORESITE_NOTIFY_WEBHOOK_SECRETS": json.dumps({"hook": SECRET}),
    }


class Crew:
    """The roles of one installation as processes.

    Args:
        processes: that keeps them.
        settings: of the installation.
        environment: more of it, for all.
        nursery: forks the roles; None: each is an interpreter of its own.

    Attributes:
        environment: what a role is started with.
    """

    def __init__(
        self,
        processes: RoleProcesses,
        settings: Settings,
        environment: Mapping[str, str] | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self._processes = processes
        self._nursery = nursery
        self.environment = {
            "FORESITE_KAFKA": settings.kafka,
            "FORESITE_TOPIC_PREFIX": settings.topic_prefix,
            "FORESITE_FACTS_PARTITIONS": str(settings.facts_partitions),
            "FORESITE_PLANNING_GROUPS": json.dumps(settings.planning_groups),
            "FORESITE_CLOCK": settings.clock,
            "FORESITE_LOG_FORMAT": "json",
            **(environment or {}),
        }
        self._running: dict[str, subprocess.Popen[bytes] | Child] = {}

    def start(self, role: str, kill: Kill | None = None) -> None:
        """Start a role, which will die as planned: at once on its way, or when it has been armed."""
        command = COMMANDS.get(role, role)
        niceness = NICENESS if command == "solver" else 0
        self._processes.take_ended()  # their process ids may soon be somebody else's
        environment = self.environment | {"FORESITE_INSTANCE_ID": f"chaos-{role}"}
        if kill is not None and kill.point != ANYWHERE:
            later = "" if kill.point in AT_START else ":later"
            environment["FORESITE_FAULT"] = f"{kill.point}:{kill.count}:kill{later}"
        if self._nursery is not None:
            self._running[role] = self._nursery.start(role, command, environment, niceness)
            return
        line = ["nice", "-n", str(niceness), sys.executable, "-m", "streams.cli", command]
        self._running[role] = self._processes.start(role, line, environment=environment)

    def arm(self, role: str) -> None:
        """Its planned death may happen from now on."""
        self._running[role].send_signal(signal.SIGUSR1)

    def kill(self, role: str) -> None:
        """kill -9, and wait for the end."""
        os.kill(self._running[role].pid, signal.SIGKILL)
        self._running[role].wait()

    def signal(self, role: str, number: signal.Signals) -> None:
        """Send a signal, as SIGSTOP."""
        self._running[role].send_signal(number)

    def forget(self, role: str) -> None:
        """It has ended, and is none of the roles any more."""
        del self._running[role]

    def pid(self, role: str) -> int:
        """Its process id."""
        return self._running[role].pid

    def exit_code(self, role: str) -> int | None:
        """None while it runs."""
        return self._running[role].poll()

    def stop(self, role: str, timeout_s: float) -> int | None:
        """SIGTERM; the exit code, or None where it does not end. It is none of the roles any more then."""
        process = self._running.pop(role)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    @property
    def roles(self) -> list[str]:
        """What was started, and not stopped."""
        return list(self._running)
