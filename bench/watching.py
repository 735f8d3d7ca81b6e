"""What a benchmark watches of a running role: its commits, its processor time, its memory."""

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from types import TracebackType

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from bench.brokers import BenchFailed, cpu_seconds
from schemas.topics import FACTS, STATE
from streams.partition_reader import watermarks
from streams.settings import Settings
from streams.state_topic import MANIFEST_KEY, Manifest

SAMPLE_S = 0.02
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Commit:
    """A manifest that a read_committed reader has seen.

    Attributes:
        offset: of the next facts record; documents: how many the twin then held; header: of the fold.
        seen_at: when, seconds since the epoch.
    """

    offset: int
    documents: int
    header: str
    seen_at: float


class Manifests:
    """Reads the commits of a shard from now on, in a thread of its own; use it in a `with`."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        self._is_over = threading.Event()
        self._commits: list[Commit] = []
        self._listeners: list[Callable[[Commit], None]] = []
        self._asking: Consumer | None = None  # a client of its own, made when first asked
        self._thread = threading.Thread(target=self._read, name="bench-manifests", daemon=True)

    @property
    def last(self) -> Commit:
        """The last commit seen."""
        return self._commits[-1] if self._commits else Commit(0, 0, "", 0.0)

    def on_commit(self, listener: Callable[[Commit], None]) -> None:
        """Call this with each commit from now on, in the reader's thread."""
        self._listeners.append(listener)

    def wait_until(
        self, is_meant: Callable[[Commit], bool], within_s: float, process: Popen[bytes]
    ) -> Commit:
        """The first commit that is meant, since this reader began.

        Raises:
            BenchFailed: none came in time, or the process has ended.
        """
        deadline = time.monotonic() + within_s
        looked_at = 0
        while True:
            ended = process.poll() is not None
            commits = self._commits
            for commit in commits[looked_at:]:
                if is_meant(commit):
                    return commit
            looked_at = len(commits)
            if ended or time.monotonic() > deadline:
                raise BenchFailed(f"no such commit {'before the twin ended' if ended else 'in time'}")
            time.sleep(POLL_S)

    def log_end(self) -> int:
        """The offset that the next facts record will have."""
        if self._asking is None:
            self._asking = self._consumer()
        return watermarks(self._asking, self._settings.topic_prefix + FACTS, self._partition)[1]

    def __enter__(self) -> "Manifests":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        if self._asking is not None:
            self._asking.close()

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                **self._settings.client_config(),
                "group.id": "bench-manifests",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )

    def _read(self) -> None:
        consumer = self._consumer()
        consumer.assign([TopicPartition(self._settings.topic_prefix + STATE, self._partition, OFFSET_END)])
        while not self._is_over.is_set():
            for message in consumer.consume(1_000, 0.02):
                value = message.value()
                if message.key() == MANIFEST_KEY.encode() and value is not None:
                    told = Manifest.decode(value)
                    commit = Commit(told.facts_offset, told.document_count, told.header, time.time())
                    self._commits.append(commit)
                    for listener in self._listeners:
                        listener(commit)
        consumer.close()


class ProcessorTime:
    """Samples how much of the processor a process has used by when; use it in a `with`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._is_over = threading.Event()
        self._moments: list[float] = []
        self._used: list[float] = []
        self._thread = threading.Thread(target=self._sample, name="bench-cpu", daemon=True)

    def until(self, moment: float) -> float:
        """Seconds used up to a moment of the wall clock, to the next sample."""
        place = bisect_left(self._moments, moment)
        return self._used[min(place, len(self._used) - 1)] if self._used else 0.0

    def __enter__(self) -> "ProcessorTime":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._is_over.wait(SAMPLE_S):
            used = cpu_seconds(self._pid)
            if used is not None:
                self._moments.append(time.time())
                self._used.append(used)


def resident_bytes(pid: int) -> int | None:
    """Memory that a process holds in RAM; None where /proc is not, or the process has gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
