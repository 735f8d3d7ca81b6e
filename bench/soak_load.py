"""The load of the soak: a simulated factory's events sent to the input topics, and how long each took to be committed."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from subprocess import Popen

import orjson

from bench.brokers import BenchFailed, producer
from bench.plant import source_partition
from bench.watching import Commit, Manifests
from schemas import TOPIC_OF_KIND, ClockTicked, Event, MachineEvent, Rules, RulesUpdated
from streams.settings import Settings
from streams.simulator import Factory, FactorySettings
from streams.sources import record_key

LINES = 30
COUNT_STEP_S = 300.0
"""Between two counts of a line, plant time, as the simulator has it. Smaller: more events and less of everything else."""
PLANNED_LOAD = 0.8
"""Planned hours over available hours of a line. What drifts, stops, scrap and rush orders cost comes on top: at 0.92 more
is planned than the lines can make, orders that are late pile up week by week, and the hour would measure how a plant
drowns. At 0.8 as many wait in the sixth week as in the second."""

RETENTION_DAYS = 2.0
"""Of plant time, so that what is completed also goes within the run."""

DAYS_MAX = 400
WINDOW_EVENTS = 500
"""Sent and not yet committed, in the closed loop. Too small: ingest and the twin wait for each other; too large: the
maximum has a queue at its end that nobody has worked off."""

STEP_S = 0.02
STALL_S = 120.0


class Load:
    """Sends a factory's events, in order; what is committed is told by the twin's manifests.

    Args:
        settings: of the installation.
        seed: of the factory.
        manifests: the shard's commits; this load hooks into them.
        twin: the process, which must not end.

    Attributes:
        sent: events so far; behind_s_max: how far the sender was behind its own pace at most.
        latencies: (moment of the commit, seconds from handing a record to the producer until its commit was seen).
    """

    def __init__(self, settings: Settings, seed: int, manifests: Manifests, twin: Popen[bytes]) -> None:
        self.sent = 0
        self.behind_s_max = 0.0
        self.latencies: list[tuple[float, float]] = []
        self._prefix = settings.topic_prefix
        self._client = producer(settings, linger_ms=2)
        self._events = _events(seed)
        self._twin = twin
        self._lock = threading.Lock()
        self._waiting: dict[
            str, deque[tuple[int, float]]
        ] = {}  # source partition -> (offset, when it was sent)
        self._offsets: Counter[str] = Counter()
        self._committed = 0
        self._first_tick: datetime | None = None
        self._last_tick: datetime | None = None
        manifests.on_commit(self._on_commit)

    @property
    def committed(self) -> int:
        """Events seen committed."""
        return self._committed

    @property
    def in_flight(self) -> int:
        """Events sent and not seen committed."""
        return self.sent - self._committed

    @property
    def plant_days(self) -> float:
        """Plant time that has passed."""
        if self._first_tick is None or self._last_tick is None:
            return 0.0
        return (self._last_tick - self._first_tick).total_seconds() / 86_400.0

    def as_fast_as_committed(self, warm_up_days: float, seconds: float) -> float:
        """Send in a closed loop.

        Args:
            warm_up_days: of plant time, before anything is measured.
            seconds: that are measured.

        Returns:
            Events committed a second, the warm-up left out.
        """
        self._closed_loop(lambda: self.plant_days >= warm_up_days)
        before, began = self._committed, time.monotonic()
        self._closed_loop(lambda: time.monotonic() - began >= seconds)
        rate = (self._committed - before) / (time.monotonic() - began)
        deadline = time.monotonic() + STALL_S
        while self.in_flight:
            self._pause(deadline)
        return rate

    def _closed_loop(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            deadline = time.monotonic() + STALL_S
            while self.in_flight >= WINDOW_EVENTS:
                self._pause(deadline)
            self._send(next(self._events))

    def evenly(self, rate: float, seconds: float, check: Callable[[], None]) -> None:
        """Send so many events a second; what is behind is made up for at once."""
        began = time.monotonic()
        number = 0
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * rate)
            self.behind_s_max = max(self.behind_s_max, (due - number) / rate - STEP_S)
            while number < due:
                self._send(next(self._events))
                number += 1
            check()
            self._client.poll(STEP_S)
            time.sleep(STEP_S)
        self._client.flush(STALL_S)

    def _send(self, event: Event) -> None:
        if isinstance(event, ClockTicked):
            # Topics are read side by side: a clock ahead of what happened before it would make the plant look silent.
            self._client.flush(STALL_S)
            self._first_tick = self._first_tick or event.event_time
            self._last_tick = event.event_time
        topic = TOPIC_OF_KIND[event.kind]
        partition = source_partition({"line_id": event.line_id}) if isinstance(event, MachineEvent) else 0
        source = f"{topic}/{partition}"
        with self._lock:
            self._waiting.setdefault(source, deque()).append((self._offsets[source], time.time()))
            self._offsets[source] += 1
            self.sent += 1
        body = event.model_dump(mode="json", exclude_none=True)
        key = record_key(body) or ""
        while True:
            try:
                self._client.produce(
                    self._prefix + topic, orjson.dumps(body), key.encode(), partition=partition
                )
                break
            except BufferError:
                self._client.poll(0.1)
        self._client.poll(0)

    def _pause(self, deadline: float) -> None:
        if self._twin.poll() is not None or time.monotonic() > deadline:
            raise BenchFailed(f"{self.in_flight} events are not committed, and no more are")
        self._client.poll(0.005)

    def _on_commit(self, commit: Commit) -> None:
        """Everything up to the manifest's watermarks has become visible."""
        watermarks = orjson.loads(commit.header)["watermarks"]
        with self._lock:
            for source, (offset, _) in watermarks.items():
                waiting = self._waiting.get(source)
                while waiting and waiting[0][0] <= offset:
                    self.latencies.append((commit.seen_at, commit.seen_at - waiting.popleft()[1]))
                    self._committed += 1


def _events(seed: int) -> Iterator[Event]:
    """The factory's events, and the rule that forgets soon."""
    settings = FactorySettings(
        seed=seed,
        lines=LINES,
        days=DAYS_MAX,
        count_step_s=COUNT_STEP_S,
        clock_step_s=60.0,
        announced_days=2.0,
        load=PLANNED_LOAD,
    )
    rules = RulesUpdated(
        event_id="rules/soak",
        event_time=settings.start,
        site_id="*",
        rules=Rules(rules_id="soak", version="1", retention_days=RETENTION_DAYS),
    )
    return chain([rules], Factory(settings).events())
