"""What the soak looks at every few seconds: memory, processor time, queues and lags of each role."""

import json
import os
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from subprocess import Popen
from types import TracebackType

from confluent_kafka import Consumer, KafkaException, TopicPartition

from bench.brokers import cpu_seconds
from bench.soak_load import Load
from bench.watching import Manifests, resident_bytes
from schemas.topics import REPLAN_REQUESTS
from streams.settings import Settings

EVERY_S = 5.0
IDLE_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    Attributes:
        at: seconds since the epoch.
        rss_mb, cpu_s: by role, since its start.
        committed: events seen committed; in_flight: sent, and not.
        ingest_lag: records that ingest has not read, by its own word.
        twin_lag: facts records that are not committed.
        solver_queue: requests at work, by its own word; solver_lag: requests without a committed answer.
        documents: that the twin holds.
        load: the machine's load average of a minute.
    """

    at: float
    rss_mb: Mapping[str, float]
    cpu_s: Mapping[str, float]
    committed: int
    in_flight: int
    ingest_lag: int
    twin_lag: int
    solver_queue: int
    solver_lag: int
    documents: int
    load: float

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


class Sampler:
    """Takes samples in a thread of its own until the block ends; use it in a `with`."""

    def __init__(
        self,
        settings: Settings,
        load: Load,
        manifests: Manifests,
        processes: Mapping[str, Popen[bytes]],
        ports: Mapping[str, int],
    ) -> None:
        self.samples: list[Sample] = []
        self._settings = settings
        self._load = load
        self._manifests = manifests
        self._processes = processes
        self._ports = ports
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-samples", daemon=True)
        self._solver = Consumer(
            {
                **settings.client_config(),
                "group.id": f"{settings.app_id}-solver",  # only asked what it has committed, never joined
                "enable.auto.commit": False,
            }
        )

    def wait_until_idle(self, within_s: float) -> bool:
        """Whether nothing is on its way any more within so many seconds."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            sample = self._look()
            if (
                sample is not None
                and sample.in_flight + sample.ingest_lag + sample.twin_lag + sample.solver_lag == 0
            ):
                return True
            time.sleep(IDLE_LOOK_S)
        return False

    def take(self) -> Sample:
        """One look now, kept."""
        metrics = {role: _scrape(port) for role, port in self._ports.items()}
        sample = Sample(
            at=time.time(),
            rss_mb={role: (resident_bytes(each.pid) or 0) / 1e6 for role, each in self._processes.items()},
            cpu_s={role: cpu_seconds(each.pid) or 0.0 for role, each in self._processes.items()},
            committed=self._load.committed,
            in_flight=self._load.in_flight,
            ingest_lag=int(metrics["ingest"].get("foresite_consumer_lag_records", 0.0)),
            twin_lag=max(0, self._manifests.log_end() - self._manifests.last.offset),
            solver_queue=int(metrics["solver"].get("foresite_solver_in_progress", 0.0)),
            solver_lag=self._solver_lag(),
            documents=self._manifests.last.documents,
            load=os.getloadavg()[0],
        )
        self.samples.append(sample)
        return sample

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._solver.close()

    def _run(self) -> None:
        while not self._is_over.wait(EVERY_S):
            self._look()

    def _look(self) -> Sample | None:
        """One look; None where a busy broker does not answer in time: the next one is seconds away."""
        try:
            return self.take()
        except KafkaException:
            return None

    def _solver_lag(self) -> int:
        topic = self._settings.topic_prefix + REPLAN_REQUESTS
        partitions = self._solver.list_topics(topic, timeout=10.0).topics[topic].partitions
        lag = 0
        for at in self._solver.committed([TopicPartition(topic, number) for number in partitions], 10.0):
            low, high = self._solver.get_watermark_offsets(at, 10.0)
            # The twin writes requests in transactions: the mark that ends one has an offset of its own, behind the last.
            lag += max(0, high - max(low, at.offset) - 1)
        return lag


def _scrape(port: int) -> dict[str, float]:
    """Sums of each metric over its labels; empty while the role has not come up."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5.0) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            sums[name.partition("{")[0]] = sums.get(name.partition("{")[0], 0.0) + float(value)
    return sums


def is_ready(port: int) -> bool:
    """Whether the role on this admin port says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5.0) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
