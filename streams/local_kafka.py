"""One node of Apache Kafka as a child process, from Maven's jars: the real broker where no Docker is.

For tests, benchmarks and trying things out. Everything that Foresite promises is proved on this broker, never on the
embedded one. `python -m streams.local_kafka` fetches the jars; with `run` it also runs a broker until interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import ForesiteError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
POM = PROJECT_ROOT / "deploy" / "kafka" / "pom.xml"
JARS_VARIABLE = "FORESITE_KAFKA_JARS"

# Any valid base64 UUID will do, as every broker here is alone. It must not begin with a dash: it is an argument.
CLUSTER_ID = "Zm9yZXNpdGUtbG9jYWwtMQ"

# Below Linux's ephemeral range (32768 and up). A port inside it can be lost while the broker restarts: a client that
# retries on it may be given the same port as its source, and so be connected to itself and hold the port.
PORT_RANGE = range(20_000, 32_000)

# Too small: a cold machine under load fails to start a broker. Too large: a broken setup is noticed late.
START_TIMEOUT_S = 180.0

# Too small: a broker is killed while it closes its logs, and recovers them at the next start. Too large: a hung
# broker holds up the end of a test run.
STOP_TIMEOUT_S = 15.0

# Replaces itself by the command in its arguments, which the kernel (Linux) then kills when our process dies. Run by a
# fresh interpreter, as a preexec_fn may deadlock in a process that has threads, and librdkafka's clients have many.
_DIE_WITH_PARENT = """
import ctypes, os, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    PR_SET_PDEATHSIG, SIGKILL = 1, 9
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class LocalKafkaError(ForesiteError):
    """Apache Kafka could not be fetched or started on this machine; the message says what is missing."""


class LocalKafka:
    """A broker of one's own: start it, restart it on the same data, kill it as a power cut would.

    The data live in a directory that `stop` removes, unless the caller gave one. The port stays the same over
    restarts. On Linux the broker dies with this process; more exactly with the thread that started it, so start it
    from the main thread. Elsewhere, and for good measure, it is stopped at exit.

    Args:
        port: the client port on 127.0.0.1; by default a free one.
        data_dir: where logs and configuration go; by default a new temporary directory.
        heap_mb: the JVM's largest heap. Too small: the broker spends its time collecting garbage or dies.
            Too large: a machine with several brokers swaps.
        properties: broker properties that are added to, or replace, those of `broker_properties`.
        listeners: security protocol -> `host:port` of more listeners beside the plain one, as `SASL_SSL`.
        users: SCRAM-SHA-512 users and their passwords, made when the storage is formatted.

    Raises:
        LocalKafkaError: by `start`, when Java, Maven or the jars cannot be had, or the broker does not come up.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        data_dir: Path | None = None,
        heap_mb: int = 1024,
        properties: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self._port = port if port is not None else free_port()
        self._controller_port = free_port(taken=self._port)
        self._owns_data = data_dir is None
        self._data_dir = data_dir
        self._heap_mb = heap_mb
        self._extra_properties = dict(properties or {})
        self._listeners = dict(listeners or {})
        self._users = dict(users or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, as `host:port`."""
        return f"127.0.0.1:{self._port}"

    def configure(self, properties: Mapping[str, str]) -> None:
        """Add to its properties, or replace some; before the first start, which writes them down."""
        self._extra_properties |= properties

    @property
    def controller(self) -> str:
        """Where its controller listens, as `host:port`."""
        return f"127.0.0.1:{self._controller_port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id, or None when it is down."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Format the storage when it is new, start the broker, and return when it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """The same without waiting: one of several brokers does not answer before there are enough of them."""
        assert self._process is None, "this broker runs already"
        classpath = f"{fetch_jars()}/*"
        if self._data_dir is None:
            self._data_dir = Path(tempfile.mkdtemp(prefix="foresite-kafka-"))
        atexit.register(self.stop)
        config = self._data_dir / "server.properties"
        if not config.exists():
            self._format(classpath, config)
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-c", _DIE_WITH_PARENT, str(os.getpid())),
                    *("java", f"-Xmx{self._heap_mb}m", *_JVM_OPTIONS, "-cp", classpath),
                    *("kafka.Kafka", str(config)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt at the terminal is ours to handle, not the broker's
            )

    def wait(self) -> None:
        """Return when it answers; where it does not, it is killed."""
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def terminate(self) -> None:
        """Stop the broker as an operator would (SIGTERM) and keep its data."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop the broker at once (SIGKILL) and keep its data."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Terminate and start again on the same data and port."""
        self.terminate()
        self.start()

    def stop(self) -> None:
        """Terminate the broker and remove its data, if they are its own. Does nothing the second time."""
        atexit.unregister(self.stop)
        self.terminate()
        if self._owns_data and self._data_dir is not None:
            shutil.rmtree(self._data_dir, ignore_errors=True)
            self._data_dir = None

    def __enter__(self) -> LocalKafka:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log_path(self) -> Path:
        assert self._data_dir is not None
        return self._data_dir / "server.log"

    def _format(self, classpath: str, config: Path) -> None:
        assert self._data_dir is not None
        self._data_dir.mkdir(parents=True, exist_ok=True)
        properties = broker_properties(
            listener=f"PLAINTEXT://127.0.0.1:{self._port}",
            advertised=f"PLAINTEXT://{self.bootstrap_servers}",
            controller=self.controller,
            log_dir=str(self._data_dir / "logs"),
        )
        for protocol, where in self._listeners.items():
            for name, added in (
                ("listeners", f"{protocol}://{where}"),
                ("advertised.listeners", f"{protocol}://{where}"),
                ("listener.security.protocol.map", f"{protocol}:{protocol}"),
            ):
                properties[name] += f",{added}"
        properties |= self._extra_properties
        draft = config.with_suffix(".draft")  # renamed when done, so that an interrupted format is done again
        draft.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")
        command = ["java", "-Xmx256m", *_JVM_OPTIONS, "-cp", classpath]
        command += ["kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command += ["--cluster-id", CLUSTER_ID, "--config", str(draft)]
        for name, password in self._users.items():
            command += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise LocalKafkaError(f"Kafka's storage could not be formatted: {result.stdout}{result.stderr}")
        draft.rename(config)

    def _wait_until_ready(self) -> None:
        process = self._process
        assert process is not None
        try:
            wait_until_ready(
                self.bootstrap_servers, timeout_s=START_TIMEOUT_S, is_alive=lambda: process.poll() is None
            )
        except LocalKafkaError as error:
            tail = self._log_path.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise LocalKafkaError(
                f"{error} (exit code {process.poll()}); the end of its log:\n{tail}"
            ) from error

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


_JVM_OPTIONS = (
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)


def broker_properties(*, listener: str, advertised: str, controller: str, log_dir: str) -> dict[str, str]:
    """The properties of a broker that is also its own controller (KRaft), with nothing to replicate to.

    Args:
        listener: where the broker listens, as in `PLAINTEXT://127.0.0.1:9092`.
        advertised: where clients reach it.
        controller: host and port of the controller's listener.
        log_dir: the broker's data directory, on the broker's own file system.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{listener},CONTROLLER://{controller}",
        "advertised.listeners": advertised,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": log_dir,
        # Topics are declared: a misspelt name must fail, as it will in the plant.
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        # Kafka's own topics: few partitions, or a cold broker takes seconds to make them.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # A broker that was killed is let in again when its old session ends: by default after nine seconds.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        # Tests do not wait for members that will not come, and may have sessions that end soon.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # The transaction of a killed producer is aborted at its timeout, not up to ten seconds later.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
        # Compaction within seconds, so that a test can see it.
        "log.cleaner.threads": "1",
        "log.cleaner.backoff.ms": "1000",
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "2",
        "background.threads": "2",
    }


def wait_until_ready(
    bootstrap_servers: str, *, timeout_s: float, is_alive: Callable[[], bool] = lambda: True
) -> None:
    """Return when a broker answers.

    Args:
        bootstrap_servers: where it should answer.
        timeout_s: how long to wait for it.
        is_alive: asked between tries; waiting ends when it says no.

    Raises:
        LocalKafkaError: when none answered in time.
    """
    deadline = time.monotonic() + timeout_s
    # log_level 0: a refused connection is what we expect while the broker comes up.
    admin = AdminClient(
        {"bootstrap.servers": bootstrap_servers, "log_level": 0, "reconnect.backoff.max.ms": 200}
    )
    while time.monotonic() < deadline and is_alive():
        try:
            if admin.list_topics(timeout=1.0).brokers:
                return
        except KafkaException:
            time.sleep(0.1)
    raise LocalKafkaError(f"no Kafka answered at {bootstrap_servers}")


def fetch_jars() -> Path:
    """The directory that holds Kafka's jars, fetched by Maven the first time.

    FORESITE_KAFKA_JARS names another cache than the project's `.cache/kafka`, or a directory that holds the jars
    already, such as `libs` of a Kafka distribution.

    Raises:
        LocalKafkaError: when Java or Maven is missing, or the jars cannot be fetched.
    """
    if shutil.which("java") is None:
        raise LocalKafkaError("Apache Kafka needs Java 17 or newer, and there is no `java` on the PATH")
    cache = Path(os.environ.get(JARS_VARIABLE) or PROJECT_ROOT / ".cache" / "kafka").resolve()
    if next(cache.glob("kafka_*.jar"), None) is not None:
        return cache
    if not POM.exists():
        raise LocalKafkaError(f"there is no {POM}: the jars are fetched from a source checkout only")
    jars = cache / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    if jars.is_dir():
        return jars
    if shutil.which("mvn") is None:
        raise LocalKafkaError("Kafka's jars are fetched by Maven, and there is no `mvn` on the PATH")
    cache.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=cache))
    try:
        _copy_dependencies(partial)
        try:
            partial.rename(jars)
        except OSError:
            if not jars.is_dir():  # else another process was faster, with the same jars
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return jars


def _copy_dependencies(target: Path) -> None:
    command = ["mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", "--file", str(POM)]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LocalKafkaError(
            f"Maven could not fetch Kafka's jars: {result.stdout[-3000:]}{result.stderr[-3000:]}"
        )


def free_port(taken: int | None = None) -> int:
    """A port on 127.0.0.1 that nobody listens on just now, other than `taken`."""
    # Not the seeded generator: two test runs of one seed would choose alike, and one take the other's while it restarts.
    for port in random.SystemRandom().sample(PORT_RANGE, k=len(PORT_RANGE)):
        if port == taken:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LocalKafkaError(f"no port is free in {PORT_RANGE}")


def main() -> None:
    """Fetch the jars and say where they are; with `run`, run a broker until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m streams.local_kafka", description=main.__doc__)
    parser.add_argument("what", nargs="?", choices=["jars", "run"], default="jars")
    parser.add_argument("--port", type=int, default=9092, help="the client port on 127.0.0.1 (for `run`)")
    arguments = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # both, so that the broker's data are removed either way
        signal.signal(ending, signal.default_int_handler)
    try:
        if arguments.what == "jars":
            sys.stdout.write(f"Apache Kafka's jars: {fetch_jars()}\n")
            return
        with LocalKafka(port=arguments.port) as kafka:
            sys.stdout.write(
                f"Apache Kafka at {kafka.bootstrap_servers}; interrupt to stop, its data go with it\n"
            )
            sys.stdout.flush()
            signal.pause()
    except LocalKafkaError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
