"""Plays events into Kafka in plant time, no faster than the twin follows.

Law: a tick is sent only once everything before it has been acknowledged, and nothing is sent behind it before the twin
has committed the moment a window before it. Topics are read side by side: a clock that ran ahead would make the plant
look silent, and what comes then late. With a window of 0 nothing overtakes anything, and a story plays out the same
each time.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from confluent_kafka import KafkaException, Producer

from schemas import TOPIC_OF_KIND, ClockTicked, Event, UsageError
from streams.settings import Settings
from streams.sources import record_key

WINDOW_S = 1_800.0
"""Plant time that the clock may be ahead of the committed one. 0: a round trip to the twin for every tick; too large:
events beyond what the rules allow ahead of the clock (max_future_min) are rejected."""

STALL_TIMEOUT_S = 60.0
"""A committed clock that does not move for so long is a failure. Too small: a twin that restarts is given up; too
large: nobody learns that it does not run."""

POLL_S = 0.02
FLUSH_WAIT_S = 0.5
DELIVERY_TIMEOUT_MS = 60_000


class TwinClock(Protocol):
    """Where to see how far the twin is; CommittedClock is one."""

    def now_s(self, site_id: str, wait_s: float) -> float | None:
        """The committed clock of a site, POSIX seconds."""
        ...


@dataclass(slots=True)
class Played:
    """What was sent so far.

    Attributes:
        events: all events, ticks among them.
        now_s: plant time of the last tick, POSIX seconds; None before it.
    """

    events: int = 0
    ticks: int = 0
    now_s: float | None = None


class Player:
    """Sends events paced by the twin's clock, and by the wall clock if a speed is given.

    Args:
        settings: where Kafka is.
        clock: how far the twin is.
        window_s: plant seconds to be ahead of it at most.
        stall_timeout_s: seconds without a move of it that are too many.
        new_producer: makes the client from its settings; tests have their own.

    Attributes:
        window_s: as given; may be changed between two calls of play.
        played: what was sent so far.
    """

    def __init__(
        self,
        settings: Settings,
        clock: TwinClock,
        window_s: float = WINDOW_S,
        stall_timeout_s: float = STALL_TIMEOUT_S,
        new_producer: Callable[[dict[str, Any]], Any] = Producer,
    ) -> None:
        self._prefix = settings.topic_prefix
        self._clock = clock
        self.window_s = window_s
        self._stall_timeout_s = stall_timeout_s
        self._refused: list[str] = []
        self._producer: Any = new_producer(
            {
                **settings.client_config(),
                "enable.idempotence": True,
                "message.timeout.ms": DELIVERY_TIMEOUT_MS,
                "partitioner": "murmur2_random",  # as Java clients: a line keeps its partition whoever publishes
                "linger.ms": 2,
            }
        )
        self.played = Played()

    def play(
        self,
        events: Iterable[Event],
        speed: float | None = None,
        stop: threading.Event | None = None,
        progress: Callable[[Played], object] | None = None,
    ) -> Played:
        """Send events in their order, until they end or `stop` is set. May be called again to go on.

        Args:
            events: in the order in which they arrive, clock_ticked among them.
            speed: plant seconds in a second of the wall; None: as fast as the twin follows.
            stop: ends it between two events.
            progress: is called after each tick.

        Raises:
            UsageError: the twin does not follow.
            KafkaException: an event could not be delivered.
        """
        pace = _Pace(speed)
        for event in events:
            if stop is not None and stop.is_set():
                break
            if isinstance(event, ClockTicked):
                self._flush()
                tick_s = event.event_time.timestamp()
                pace.wait_until(tick_s, stop)
                self._send(event)
                self._flush()
                self.played.ticks += 1
                self.played.now_s = tick_s
                self.wait_for(event.site_id, tick_s - self.window_s, stop)
                if progress is not None:
                    progress(self.played)
            else:
                self._send(event)
        self._flush()
        return self.played

    def wait_for(self, site_id: str, at_s: float, stop: threading.Event | None = None) -> None:
        """Wait until the twin has committed a moment.

        Raises:
            UsageError: the twin does not follow.
        """
        seen, moved_at = self._clock.now_s(site_id, 0.0), time.monotonic()
        while seen is None or seen < at_s:
            if stop is not None and stop.is_set():
                return
            if time.monotonic() - moved_at > self._stall_timeout_s:
                raise UsageError(
                    f"the twin's clock of {site_id} has not moved for {self._stall_timeout_s:.0f} s: see that "
                    "`foresite ingest` and `foresite twin` run on this Kafka, with FORESITE_CLOCK=events"
                )
            now_s = self._clock.now_s(site_id, POLL_S)
            if now_s != seen:
                seen, moved_at = now_s, time.monotonic()

    def close(self) -> None:
        """Let go of the connection; what was played is delivered."""
        self._producer = None

    def _send(self, event: Event) -> None:
        value = event.model_dump_json(exclude_none=True).encode()
        while True:
            try:
                self._producer.produce(
                    self._prefix + TOPIC_OF_KIND[event.kind],
                    key=record_key(orjson.loads(value)),
                    value=value,
                    on_delivery=self._on_delivery,
                )
            except BufferError:
                self._producer.poll(0.1)  # the client's queue is full: wait for acknowledgements, never drop
            else:
                self.played.events += 1
                return

    def _flush(self) -> None:
        while self._producer.flush(FLUSH_WAIT_S):  # in steps, so that a signal is seen meanwhile
            pass
        if self._refused:
            raise KafkaException(f"{len(self._refused)} events were not delivered: {self._refused[0]}")

    def _on_delivery(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._refused.append(str(error))


class _Pace:
    """Holds plant time to a multiple of the wall clock, from its first moment on."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._origin: tuple[float, float] | None = None

    def wait_until(self, plant_s: float, stop: threading.Event | None) -> None:
        """Return when the moment has come; a delay is caught up with, never made up for by waiting."""
        if self._speed is None:
            return
        if self._origin is None:
            self._origin = (time.monotonic(), plant_s)
        began, origin_s = self._origin
        due = began + (plant_s - origin_s) / self._speed
        while (left := due - time.monotonic()) > 0.0:
            if stop is None:
                time.sleep(left)
            elif stop.wait(left):
                return
