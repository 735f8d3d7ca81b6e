"""A seeded plant that publishes as plants do: repeats, broken records, late and impossible ones among good events.

Plant time is paced by the wall and by the twin's committed clock, so that a role that is down finds a backlog when it
comes back, and not the whole future.
"""

import threading
import time
from collections import deque
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import orjson
from confluent_kafka import KafkaError, Message, Producer

from schemas import TOPIC_OF_KIND, ClockTicked, CountReported, Event, MachineEvent, Rules, RulesUpdated
from schemas.topics import COMMANDS, MACHINE_EVENTS, PLANT_MODEL
from streams.settings import Settings
from streams.simulator import CommittedClock, Factory, FactorySettings
from streams.sources import record_key
from tests.unit.broken_records import BROKEN_RECORDS

RECORDS_PER_S: Final = 30.0
"""A working day of the plant in forty seconds, a weekend in two. Larger: the twin's own work takes the processor from
what is measured; smaller: notify waits for something to tell."""

AHEAD_S: Final = 6 * 3_600.0
"""Plant time that may be sent ahead of what the twin has committed; some seconds of the wall, as an outage of a role."""

ASK_EVERY_S: Final = 4.0
"""Wall time between two requests of a planner, so that the solver always has something to do."""

ANSWER_WITHIN_MIN: Final = 3 * 1_440.0
"""Plant minutes that the twin waits for the solver; a minute of the wall, as it goes fast here."""

ANNOUNCED_DAYS: Final = 3.0
"""How far ahead the plan is known. Larger: problems that the solver polishes for long, and a slow start."""

FLUSH_S: Final = 120.0
"""How long the end waits for the broker; it may be coming back."""

DAYS: Final = 3_650
"""The plant outlives every run."""

BROKEN_BYTES_MAX: Final = 100_000

REPEATED, BROKEN, LATE, UNKNOWN, ARRAY = 0.03, 0.015, 0.01, 0.01, 0.01
"""Shares of machine events that are followed by one such record."""

STOPPED: Final = 0.015
"""Share of counts behind which the line is said to stand for long. Smaller: notify waits for something to tell."""


class Load:
    """Publishes until it is told to end.

    Args:
        settings: where to.
        seed: of the plant and of what goes wrong with its records.
        lines: of both sites together.
        is_disturbed: whether things go wrong with its records, and lines are said to stand.
        answer_within_min: plant minutes that the twin waits for the solver.

    Attributes:
        sent: records so far; failure: what it died of, in words.
    """

    def __init__(
        self,
        settings: Settings,
        seed: int,
        lines: int,
        *,
        is_disturbed: bool = True,
        answer_within_min: float = ANSWER_WITHIN_MIN,
    ) -> None:
        self.sent = 0
        self.failure = ""
        self._settings = settings
        self._is_disturbed = is_disturbed
        self._rules = Rules(replan_answer_within_min=answer_within_min)
        self._chance = Random(f"{seed}/load")
        self._factory = Factory(
            FactorySettings(
                seed=seed, sites=2, lines=lines, days=DAYS, clock_step_s=600.0, announced_days=ANNOUNCED_DAYS
            )
        )
        self._broken = [each for each in BROKEN_RECORDS if len(each.value or b"") <= BROKEN_BYTES_MAX]
        self._again: deque[tuple[int, str, str | None, bytes]] = deque()
        self._held: set[str] = set()
        self._stop = threading.Event()
        self._producer = Producer(
            {
                **settings.client_config(),
                "enable.idempotence": True,  # what is sent is in the topic once, or nobody could count
                "message.timeout.ms": 0,
                "partitioner": "murmur2_random",
                "linger.ms": 2,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Stop between two records, and wait until the broker has all."""
        self._stop.set()
        if self._thread.ident is not None:  # it was started
            self._thread.join()

    def _run(self) -> None:
        try:
            clock = CommittedClock(self._settings)
            try:
                self._play(clock)
            finally:
                clock.close()
            if self._producer.flush(FLUSH_S):
                self.failure = f"not every record of the plant was delivered within {FLUSH_S:.0f} s"
        except Exception as error:  # noqa: BLE001 - told at the end of the run, which then fails
            self.failure = f"{type(error).__name__}: {error}"

    def _play(self, clock: CommittedClock) -> None:
        began, asked = time.monotonic(), 0.0
        self._lay_down_rules()
        for event in self._factory.events():
            if self._stop.is_set():
                break
            if isinstance(event, CountReported):
                self._go_on(event)
            self._send(TOPIC_OF_KIND[event.kind], event)
            if isinstance(event, ClockTicked):
                now_s = event.event_time.timestamp()
                self._wait(clock, event.site_id, now_s, began + self.sent / RECORDS_PER_S)
                if time.monotonic() - asked > ASK_EVERY_S:
                    asked = time.monotonic()
                    self._ask(event.event_time)
            elif isinstance(event, MachineEvent) and self._is_disturbed:
                self._disturb(event)
                if isinstance(event, CountReported) and self._chance.random() < STOPPED:
                    self._hold(event)

    def _lay_down_rules(self) -> None:
        begin = self._factory.settings.start
        for site in self._factory.sites:
            event = RulesUpdated(
                event_id=f"rules/{site.site_id}", event_time=begin, site_id=site.site_id, rules=self._rules
            )
            self._send(PLANT_MODEL, event)

    def _wait(self, clock: CommittedClock, site_id: str, now_s: float, due: float) -> None:
        """Until it is time, and the twin is not too far behind."""
        self._producer.poll(0.0)
        while not self._stop.is_set():
            committed_s = clock.now_s(site_id, 0.0)
            if time.monotonic() >= due and (committed_s is None or now_s - committed_s <= AHEAD_S):
                return
            self._producer.poll(0.02)

    def _send(self, topic: str, event: Event) -> None:
        value = event.model_dump_json(exclude_none=True).encode()
        self._produce(topic, record_key(orjson.loads(value)), value)

    def _disturb(self, event: MachineEvent) -> None:
        """Now and then one more record, which must not count."""
        key, draw = event.line_id, self._chance.random()
        value = event.model_dump_json(exclude_none=True).encode()
        while self._again and self._again[0][0] <= self.sent:
            self._produce(*self._again.popleft()[1:])
        if (draw := draw - REPEATED) < 0:
            self._again.append((self.sent + self._chance.randint(0, 40), MACHINE_EVENTS, key, value))
        elif (draw := draw - BROKEN) < 0:
            broken = self._chance.choice(self._broken)
            self._produce(broken.topic, f"broken/{self.sent}", broken.value)
        elif (draw := draw - LATE) < 0:
            early = event.event_time - timedelta(days=self._chance.choice((1, 30)))
            self._produce(
                MACHINE_EVENTS, key, orjson.dumps(self._altered(event, event_time=early.isoformat()))
            )
        elif (draw := draw - UNKNOWN) < 0:
            self._produce(MACHINE_EVENTS, key, orjson.dumps(self._altered(event, line_id="L-unknown")))
        elif draw - ARRAY < 0:
            body = orjson.loads(value)
            array = [body, self._altered(event, line_id="L-unknown"), {"kind": "nonsense"}, body]
            self._produce(MACHINE_EVENTS, key, orjson.dumps(array))

    def _hold(self, event: CountReported) -> None:
        """The line is said to stand for four hours: a card is raised, and the solver asked."""
        self._held.add(event.line_id)
        self._said_of("run_held", event, reason="breakdown", expected_duration_min=240.0)

    def _go_on(self, event: CountReported) -> None:
        """A line that was said to stand makes pieces: it is said to have gone on, and the card clears."""
        if event.line_id in self._held:
            self._held.discard(event.line_id)
            self._said_of("run_resumed", event)

    def _said_of(self, kind: str, event: CountReported, **more: Any) -> None:
        body = {
            "kind": kind,
            "event_id": f"chaos-{self.sent}",
            "event_time": event.event_time.isoformat(),
            "site_id": event.site_id,
            "line_id": event.line_id,
            "run_id": event.run_id,
            **more,
        }
        self._produce(MACHINE_EVENTS, event.line_id, orjson.dumps(body))

    def _altered(self, event: MachineEvent, **changes: Any) -> dict[str, Any]:
        body = event.model_dump(mode="json", exclude_none=True, exclude={"source_id", "source_sequence"})
        return body | {"event_id": f"chaos-{self.sent}"} | changes

    def _ask(self, now: datetime) -> None:
        """A planner asks for another plan of one line."""
        site = self._chance.choice(self._factory.sites)
        line = self._chance.choice(site.lines)
        name = f"ask-{self.sent}"
        body = {
            "kind": "replan_request",
            "event_id": name,
            "command_id": name,
            "event_time": now.isoformat(),
            "site_id": site.site_id,
            "actor": "o.roy",
            "line_ids": [line.line_id],
        }
        self._produce(COMMANDS, name, orjson.dumps(body))

    def _produce(self, topic: str, key: str | None, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(
                    self._settings.topic_prefix + topic, key=key, value=value, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self.sent += 1
                return

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self.failure = self.failure or f"a record of the plant was not delivered: {error.str()}"
