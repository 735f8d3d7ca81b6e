"""An ingest that writes the wall clock, in an installation of its own: the simulated plant brings its own clock."""

import threading
from datetime import UTC, datetime
from itertools import count
from typing import Final

import orjson
from confluent_kafka import Producer

from schemas import decode_facts
from schemas.topics import FACTS, MACHINE_EVENTS
from streams.settings import Settings
from tests.chaos.load import FLUSH_S
from tests.running import messages

SEND_EVERY_S: Final = 0.1


class Counts:
    """Sends a count of a line that nobody knows every moment, until it is told to end.

    What becomes of them is no matter here: they are there to be read, so that there is something to commit.

    Attributes:
        sent: records so far; failure: what it died of, in words.
    """

    def __init__(self, settings: Settings) -> None:
        self.sent = 0
        self.failure = ""
        self._stop = threading.Event()
        self._topic = settings.topic_prefix + MACHINE_EVENTS
        self._producer = Producer(
            {**settings.client_config(), "enable.idempotence": True, "message.timeout.ms": 0, "log_level": 0}
        )
        self._thread = threading.Thread(target=self._run, name="counts", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Stop, and wait until the broker has all."""
        self._stop.set()
        if self._thread.ident is not None:  # it was started
            self._thread.join()

    def _run(self) -> None:
        for number in count():
            if self._stop.wait(SEND_EVERY_S):
                break
            body = {
                "kind": "count_reported",
                "event_id": f"count-{number}",
                "event_time": datetime.now(UTC).isoformat(),
                "site_id": f"plant-{1 + number % 2}",
                "line_id": "L1",
                "run_id": "R1",
                "good_count": 1,
            }
            self._producer.produce(self._topic, key="L1", value=orjson.dumps(body))
            self._producer.poll(0.0)
            self.sent += 1
        if self._producer.flush(FLUSH_S):
            self.failure = f"not every count was delivered within {FLUSH_S:.0f} s"


def clock_kept(settings: Settings) -> list[str]:
    """What is wrong with the clock: one that stands still, or runs back."""
    failures = []
    ticks: dict[int, list[float]] = {partition: [] for partition in range(settings.facts_partitions)}
    for message in messages(settings, FACTS):
        facts = decode_facts(message.value() or b"")
        if facts.tick is not None:
            ticks[message.partition() or 0].append(facts.tick.now.timestamp())
    for partition, found in ticks.items():
        if not found:
            failures.append(f"facts partition {partition} never had a tick")
        if found != sorted(found):
            failures.append(f"the clock of facts partition {partition} ran back")
    return failures
