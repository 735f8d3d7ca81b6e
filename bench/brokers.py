"""The broker to measure against, and an installation of Foresite on it for the length of one measurement."""

import json
import os
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from bench.plant import Body, encode, source_partition
from schemas import TOPIC_OF_KIND, TOPICS
from schemas.topics import MACHINE_EVENTS
from streams.embedded_broker import EmbeddedBroker
from streams.local_kafka import LocalKafka, LocalKafkaError
from streams.role_processes import RoleProcesses
from streams.settings import Settings
from streams.topic_admin import create_topics

EMBEDDED_BYTES = 3_000_000
"""What fits into a partition of the embedded broker with room to spare; it forgets older records beyond 5 MB."""

WAIT_S = 120.0
"""Longest wait for a role to get somewhere. Too small: a busy machine fails; too large: a hung role is found late."""

POLL_S = 0.02


class BenchFailed(Exception):
    """A measurement that cannot be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker.

    Attributes:
        servers: where; kind: in words, for the results.
        embedded: the broker in memory, or None on Apache Kafka.
    """

    servers: str
    kind: str
    embedded: EmbeddedBroker | None = None


@contextmanager
def broker(servers: str | None, *, embedded: bool) -> Iterator[Broker]:
    """The broker asked for; by default Apache Kafka of our own, or where it cannot be had the embedded one."""
    if servers is not None:
        yield Broker(servers, f"Kafka at {servers}")
        return
    if not embedded:
        kafka = LocalKafka()
        try:
            kafka.start()
        except LocalKafkaError as error:
            print(f"no Apache Kafka here ({error}): measuring on the embedded broker", file=sys.stderr)
        else:
            try:
                yield Broker(kafka.bootstrap_servers, "Apache Kafka, one local node")
            finally:
                kafka.stop()
            return
    with EmbeddedBroker() as in_memory:
        yield Broker(in_memory.bootstrap_servers, "embedded (in memory, no guarantees)", in_memory)


@contextmanager
def installation(on: Broker, *, facts_partitions: int, clock: str = "events") -> Iterator[Settings]:
    """Topics of one's own on the broker, and the settings that name them; the topics are deleted afterwards."""
    settings = Settings.model_validate(
        {
            "kafka": on.servers,
            "topic_prefix": f"bench-{uuid.uuid4().hex[:8]}.",
            # The embedded broker's topics have four partitions, whatever is asked for.
            "facts_partitions": facts_partitions if on.embedded is None else 4,
            "clock": clock,
            "log_level": "warning",
        }
    )
    names = [settings.topic_prefix + topic for topic in TOPICS]
    if on.embedded is not None:
        for name in names:
            on.embedded.create_topic(name)
        yield settings
        return
    create_topics(settings, -1)
    try:
        yield settings
    finally:
        admin = AdminClient({"bootstrap.servers": on.servers, "log_level": 3})  # has to outlive its answers
        for deleted in admin.delete_topics(names).values():
            with suppress(
                KafkaException
            ):  # a broker too busy to delete them does not spoil what was measured
                deleted.result(WAIT_S)


@contextmanager
def roles(settings: Settings, *names: str, core: int | None = None) -> Iterator[list[Popen[bytes]]]:
    """Roles as processes, as an operator starts them, until the block ends.

    Args:
        settings: of the installation.
        names: of the roles.
        core: the one CPU that they may use, where the system can hold them to it.
    """
    with (
        TemporaryDirectory(prefix="foresite-bench-") as folder,
        RoleProcesses(Path(folder), environment_of(settings)) as processes,
    ):
        started = []
        for name in names:
            process = processes.start(name, role_command(name))
            if core is not None and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(process.pid, {core})
            started.append(process)
        yield started
        processes.check()


def role_command(name: str) -> tuple[str, ...]:
    """How an operator starts a role."""
    return sys.executable, "-m", "streams.cli", name


def environment_of(settings: Settings) -> dict[str, str]:
    """Our environment, with these settings in place of any of our own."""
    given = settings.model_dump(mode="json", exclude_unset=True)
    told = {f"FORESITE_{name.upper()}": _text(value) for name, value in given.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORESITE_")}
    return inherited | told


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def last_core() -> int | None:
    """The CPU that a measured role gets for itself; None where there is only one, or the system cannot say."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1] if len(cores) > 1 else None


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Hold this thread, and those that it starts, to one CPU until the block ends."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float | None:
    """Processor time that a process has used so far, all its threads together; None where /proc is not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def producer(settings: Settings, *, linger_ms: int = 20) -> Producer:
    """A client that fills topics, or with linger_ms=0 one that sends each record at once."""
    return Producer(
        {
            **settings.client_config(),
            "log_level": 3,  # a broker that has just come up refuses idempotent producers for a second, which is told
            "enable.idempotence": True,
            "linger.ms": linger_ms,
            "message.max.bytes": 8_000_000,
            "queue.buffering.max.messages": 1_000_000,
        }
    )


def send(client: Producer, topic: str, values: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Fill a topic with (partition, key, value) and wait until all is there."""
    failures: list[object] = []

    def delivered(error: object, _message: object) -> None:
        if error is not None:
            failures.append(error)

    for partition, key, value in values:
        while True:
            try:
                client.produce(topic, value, key, partition=partition, on_delivery=delivered)
                break
            except BufferError:
                client.poll(0.1)
        client.poll(0)
    if client.flush(WAIT_S) or failures:
        raise BenchFailed(f"{topic} could not be filled: {failures[:1] or 'time is over'}")


def send_bodies(settings: Settings, bodies: Sequence[Body]) -> None:
    """Send bodies to their input topics; lines are spread over the partitions of the machine events."""
    client = producer(settings)
    for topic in dict.fromkeys(TOPIC_OF_KIND[body["kind"]] for body in bodies):
        mine = [body for body in bodies if TOPIC_OF_KIND[body["kind"]] == topic]
        send(
            client,
            settings.topic_prefix + topic,
            (
                (
                    source_partition(body) if topic == MACHINE_EVENTS else 0,
                    str(body.get("line_id", "")).encode(),
                    encode(body),
                )
                for body in mine
            ),
        )


class Watch:
    """A deadline for waiting on other processes."""

    def __init__(self, what: str, processes: Sequence[Popen[bytes]]) -> None:
        self._what = what
        self._processes = processes
        self._deadline = time.monotonic() + WAIT_S

    def pause(self, seconds: float = POLL_S) -> None:
        """Wait a moment.

        Raises:
            BenchFailed: it takes too long, or a process has ended.
        """
        ended = [process.args for process in self._processes if process.poll() is not None]
        if ended or time.monotonic() > self._deadline:
            raise BenchFailed(f"{self._what}: {f'{ended} ended' if ended else f'not within {WAIT_S:.0f} s'}")
        time.sleep(seconds)
