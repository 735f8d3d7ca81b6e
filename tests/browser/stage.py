"""A plant to look at: a real web role on a real broker in memory, and twins in this process that fold and answer.

The twins are the fold itself, without Kafka's transactions around it, so a stage is there in seconds; what a card looks
like and what a command does is what the twin says. tests/browser/test_whole.py has every role as a process.
"""

import itertools
import json
import socket
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx
from confluent_kafka import Consumer, Producer
from pydantic import BaseModel

from schemas import MODEL_OF_KIND, TOPICS, Event, Output, topics
from streams.embedded_broker import EmbeddedBroker
from streams.settings import Settings
from streams.simulator.line3 import line3_events
from tests.folding import Folded
from tests.running import Role, wait_until
from tests.unit.cases import read_events

PATIENCE_S = 60.0


def told(name: str, until: datetime) -> list[Event]:
    """What a case of examples/cases says up to a moment."""
    return [event for event in read_events(name) if event.event_time <= until]


class Stage:
    """The plant; use it in a `with`.

    Args:
        environment: settings of the web role.
    """

    def __init__(self, **environment: str) -> None:
        self._environment = environment
        self._broker = EmbeddedBroker()
        self._twins: dict[str, Folded] = {}
        self._offsets = itertools.count(1_000_000)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        self.port = _free_port()
        self.role: Role | None = None

    def __enter__(self) -> Self:
        self._broker.start()
        for topic in TOPICS:
            self._broker.create_topic(topic)
        self.settings = Settings(kafka=self._broker.bootstrap_servers, clock="events")
        quiet = {"log_level": 0}  # when the broker is gone, so is everything
        self._producer: Producer | None = Producer({**self.settings.client_config(), **quiet})
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self.role is not None:
            self.role.end()
        self._thread.join(20.0)
        self._producer = None
        self._broker.stop()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the web role, on the same port as before."""
        role = Role(
            "web",
            self.settings,
            FORESITE_WEB_PORT=str(self.port),
            FORESITE_WEB_REQUESTS_PER_MIN="100000",
            FORESITE_ADMIN_PORT="0",
            **self._environment,
        )
        self.role = role
        wait_until(lambda: "web_listening" in role.printed, PATIENCE_S, lambda: role.printed[-3000:])
        wait_until(self._is_caught_up, PATIENCE_S, lambda: role.printed[-3000:])

    def stop(self) -> None:
        """Stop the web role; the topics stay."""
        assert self.role is not None
        self.role.end()

    def get(self, path: str, **query: str) -> Any:
        """An answer of the API."""
        return httpx.get(f"{self.url}/api/v1{path}", params=query, timeout=20.0).json()

    def command(self, body: dict[str, Any]) -> None:
        """Send a command and wait until the picture has what became of it."""
        said = {"command_id": f"stage-{next(self._offsets)}", **body}
        httpx.post(f"{self.url}/api/v1/commands", json=said, timeout=20.0).raise_for_status()

        def is_shown() -> bool:
            card = self.get("/cards", id=body["card_id"])["items"][0]
            return bool(card["revision"] > body["expected_revision"])

        wait_until(is_shown, PATIENCE_S)

    # What happens in the plant

    def fold(self, site_id: str, events: Iterable[Event]) -> None:
        """Let events happen at a site, and publish what follows."""
        with self._lock:
            folded = self._twins.setdefault(site_id, Folded())
            outputs = [output for event in events for output in folded.tell(event)]
            self._publish(outputs)

    def tick(self, site_id: str, now: datetime) -> None:
        """Let time pass at a site."""
        with self._lock:
            self._publish(self._twins.setdefault(site_id, Folded()).tick(now))

    def put(self, topic: str, key: str, body: BaseModel | dict[str, Any] | None) -> None:
        """Put a document on a topic as it is, for what no plant of ours says."""
        value = None
        if body is not None:
            value = body.model_dump_json() if isinstance(body, BaseModel) else json.dumps(body)
        assert self._producer is not None
        self._producer.produce(self.settings.topic_prefix + topic, key=key, value=value)
        self._producer.flush(20.0)

    def adopt(self, site_id: str, folded: Folded) -> None:
        """Take over a twin that was folded elsewhere, with all that it has put out."""
        with self._lock:
            self._twins[site_id] = folded
            self._publish(folded.outputs)

    def line3(self, until: datetime) -> None:
        """The Line 3 case up to a moment: plant-1."""
        self.fold("plant-1", line3_events(until))

    def case(self, name: str, site_id: str, until: datetime) -> None:
        """A case of examples/cases up to a moment."""
        self.fold(site_id, told(name, until))
        self.tick(site_id, until)
        self.tick(site_id, until + timedelta(minutes=1))

    def _publish(self, outputs: Iterable[Output]) -> None:
        assert self._producer is not None
        for output in outputs:
            self._producer.produce(
                self.settings.topic_prefix + output.topic, key=output.key, value=output.value()
            )
            self._producer.poll(0)
        self._producer.flush(20.0)

    def _is_caught_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/v1/snapshot", timeout=20.0).status_code in (200, 401)
        except httpx.TransportError:
            return False

    def _answer(self) -> None:
        """Fold what people command, as soon as it is on its topic and the stage answers."""
        consumer = Consumer(
            {
                **self.settings.client_config(),
                "log_level": 0,
                "group.id": "stage",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([self.settings.topic_prefix + topics.COMMANDS])
        while not self._stop.is_set():
            message = consumer.poll(0.05)
            if message is None or message.error():
                continue
            while not self.answers.wait(0.05):
                if self._stop.is_set():
                    break
            body = json.loads(message.value() or b"")
            command = MODEL_OF_KIND[body["kind"]].model_validate(body)
            assert isinstance(command, Event)
            if command.site_id in self._twins:
                self.fold(command.site_id, [command])
        consumer.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
