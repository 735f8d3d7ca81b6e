"""One Apache Kafka for all integration tests, from where this machine can have it, and topics of each test's own.

The broker is, in this order: the one that FORESITE_TEST_KAFKA names, one in Docker, one from Maven's jars.
Where none can be had the tests are skipped and say why; under CI that is a failure, or a green run would prove nothing.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from testcontainers.core.container import DockerContainer

from streams.local_kafka import (
    CLUSTER_ID,
    LocalKafka,
    LocalKafkaError,
    broker_properties,
    fetch_jars,
    free_port,
    wait_until_ready,
)

KAFKA_IMAGE = "apache/kafka:4.1.1"  # the version of deploy/kafka/pom.xml

used_broker = pytest.StashKey[str]()


class NoKafka(Exception):
    """No broker can be had here; the message is the reason that a skipped test shows."""


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[str]:
    """Bootstrap servers of the broker that all tests share. It outlives every test: make topics of your own."""
    with ExitStack() as stack:
        try:
            servers, source = _start_broker(stack)
        except NoKafka as error:
            _give_up(f"no Apache Kafka for the integration tests: {error}")
        pytestconfig.stash[used_broker] = f"{source} at {servers}"
        yield servers


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """Where Apache Kafka's jars are, for tests that start brokers of their own."""
    try:
        return fetch_jars()
    except LocalKafkaError as error:
        _give_up(f"no Apache Kafka of the test's own: {error}")


@pytest.fixture
def own_kafka(kafka_jars: Path) -> Iterator[LocalKafka]:
    """A broker for one test alone, running, to be killed and restarted. Needs Java and Maven."""
    with LocalKafka() as broker:
        yield broker


@pytest.fixture
def topics(kafka: str) -> Iterator["Topics"]:
    """Makes topics whose names no other test uses."""
    made = Topics(kafka)
    yield made
    made.delete_all()


class Topics:
    """Topics on one broker under a prefix of their own.

    Attributes:
        prefix: begins every name made here, and may begin groups and transactional ids too.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self.prefix = f"test-{uuid.uuid4().hex[:12]}."
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        self._names: list[str] = []

    def create(self, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        """Create a topic with the given broker-side configuration and return its full name."""
        full_name = self.prefix + name
        topic = NewTopic(full_name, num_partitions=partitions, replication_factor=1, config=config or {})
        self._admin.create_topics([topic])[full_name].result(timeout=30)
        self._names.append(full_name)
        return full_name

    def delete_all(self) -> None:
        """Remove every topic made here, so that a long run does not fill the broker."""
        if self._names:
            for done in self._admin.delete_topics(self._names).values():
                done.result(timeout=30)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    source = config.stash.get(used_broker, None)
    if source is not None:
        terminalreporter.write_line(f"Apache Kafka for these tests: {source}")


def _start_broker(stack: ExitStack) -> tuple[str, str]:
    servers = os.environ.get("FORESITE_TEST_KAFKA")
    if servers:
        wait_until_ready(servers, timeout_s=15.0)
        return servers, "FORESITE_TEST_KAFKA"
    no_docker = _why_no_docker()
    if no_docker is None:
        return _start_container(stack), f"Docker ({KAFKA_IMAGE})"
    try:
        broker = stack.enter_context(LocalKafka())
    except LocalKafkaError as error:
        raise NoKafka(f"FORESITE_TEST_KAFKA is not set; {no_docker}; {error}") from error
    return broker.bootstrap_servers, f"Maven's jars (process {broker.pid})"


def _why_no_docker() -> str | None:
    if shutil.which("docker") is None:
        return "there is no `docker` on the PATH"
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        result = subprocess.run(command, capture_output=True, timeout=15, check=False)
    except subprocess.TimeoutExpired:
        return "the Docker engine does not answer"
    return None if result.returncode == 0 else "no Docker engine is running"


def _start_container(stack: ExitStack) -> str:
    port = free_port()
    servers = f"127.0.0.1:{port}"
    properties = broker_properties(
        listener="PLAINTEXT://0.0.0.0:9092",
        advertised=f"PLAINTEXT://{servers}",
        controller="127.0.0.1:9093",
        log_dir="/tmp/kafka-logs",
    )
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port).with_env("CLUSTER_ID", CLUSTER_ID)
    for name, value in properties.items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    stack.enter_context(container)
    wait_until_ready(servers, timeout_s=60.0)
    return servers


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason)
    pytest.skip(reason)
