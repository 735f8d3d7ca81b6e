"""A web application with a real server and a view that tests fill by hand; commands go to a real broker in memory."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
import uvicorn
from pydantic import BaseModel

from schemas import (
    Card,
    GraphEdge,
    GraphNode,
    LineStatus,
    OrderProjection,
    PlanState,
    Proposal,
    SiteStatus,
    topics,
)
from streams.metrics import Metrics
from streams.record_sender import RecordSender
from streams.settings import Settings
from streams.web.app import WebApp
from streams.web.view import FOLLOWED, Record, View
from tests.notify_plant import NOON
from tests.notify_plant import card as a_card

HOSTILE = "<script>alert(1)</script>\"'=cmd|' /C calc'!A0\u202e{{7*7}}%0d%0aX: y"
"""A name that wants to be markup, a formula, a header and a template."""

NOTHING = "127.0.0.1:9"
"""Where no broker is: for tests that send no commands."""


class WebPlant:
    """The application on a server of its own; use it in a `with`.

    Args:
        settings: of the application.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.view = View(
            documents_max=settings.web_view_documents_max,
            bytes_max=settings.web_view_mb_max * 1_000_000,
        )
        for topic in FOLLOWED:
            self.view.begin(topic, {0: 0, 1: 0})
        self.is_caught_up = True
        self.sender = RecordSender(settings)
        self.web = WebApp(settings, self.view, self.sender, self.metrics, lambda: self.is_caught_up)
        self._offsets = itertools.count()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.web.asgi, port=0, log_config=None, server_header=False, lifespan="on", ws="none"
            )
        )
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def tell(self, topic: str, key: str, body: BaseModel | dict[str, Any] | bytes | None) -> None:
        """Put a record into the view, as its reader does."""
        value: bytes | None
        if isinstance(body, BaseModel):
            value = body.model_dump_json().encode()
        elif isinstance(body, dict):
            value = orjson.dumps(body)
        else:
            value = body
        partition = sum(key.encode()) % 2
        if self.view.take([Record(topic, partition, next(self._offsets), key, value)]) and self._loop:
            self._loop.call_soon_threadsafe(self.web.feed.wake)

    def card(self, name: str = "L3", revision: int = 1, **changes: Any) -> Card:
        """Tell of a card."""
        made = a_card(name, revision, **changes)
        self.tell(topics.CARDS, made.card_id, made)
        return made

    def drop_streams(self) -> None:
        """Let every client of the stream go, as when the network does."""
        assert self._loop is not None
        clients = list(self.web.feed._clients)
        for client in clients:
            self._loop.call_soon_threadsafe(self.web.feed._let_go, client)

    @property
    def url(self) -> str:
        """Where it is."""
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        """A client, signed in with a token if there is one."""
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers={**shown, **headers}, timeout=20.0)

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value; 0 where it has none yet."""
        return self.metrics.registry.get_sample_value(f"foresite_{name}", labels) or 0.0

    def __enter__(self) -> Self:
        self.sender.start()
        self._thread.start()
        deadline = time.monotonic() + 20.0
        while not self._server.started:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.web.feed.close)
        self._server.should_exit = True
        self._thread.join(20.0)
        self.sender.stop()

    def _serve(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve()

        asyncio.run(main())


@contextmanager
def web_plant(kafka: str = NOTHING, **settings: Any) -> Iterator[WebPlant]:
    """An application with these settings."""
    with WebPlant(Settings(kafka=kafka, **settings)) as plant:
        yield plant


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event of a stream, as they come."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, orjson.loads(value)


def line(name: str, site_id: str = "S1", **changes: Any) -> LineStatus:
    """A line that runs."""
    body: dict[str, Any] = {
        "output_id": f"line/{name}",
        "line_id": name,
        "site_id": site_id,
        "state": "execute",
        "run_id": None,
        "order_ids": [],
        "attainment": 0.92,
        "level": 0.92,
        "drift_delta": None,
        "drift_since": None,
        **dict.fromkeys(("apt_s", "made_pcs", "good_pcs", "scrap_pcs", "rework_pcs"), 0.0),
        "last_event_at": NOON,
        "as_of": NOON,
    }
    return LineStatus.model_validate(body | changes)


def order(name: str, site_id: str = "S1", p_late: float = 0.1, **changes: Any) -> OrderProjection:
    """An order that is projected."""
    body: dict[str, Any] = {
        "output_id": f"order/{name}",
        "order_id": name,
        "site_id": site_id,
        "customer_id": "C1",
        "status": "projected",
        "promised_at": NOON + timedelta(days=1),
        "p_late": p_late,
        "as_of": NOON,
    }
    return OrderProjection.model_validate(body | changes)


def plan_state(name: str, revision: int = 1, **changes: Any) -> PlanState:
    """A proposal that waits for somebody."""
    body: dict[str, Any] = {
        "output_id": f"{name}/{revision}",
        "plan_id": name,
        "site_id": "S1",
        "revision": revision,
        "state": "proposed",
        "proposal_revision": revision,
        "runs": [],
        "as_of": NOON,
    }
    return PlanState.model_validate(body | changes)


def proposal(name: str, revision: int = 1, **changes: Any) -> Proposal:
    """The solver's answer, without options."""
    body: dict[str, Any] = {
        "kind": "proposal_made",
        "event_id": f"{name}/{revision}",
        "event_time": NOON,
        "site_id": "S1",
        "proposal_id": name,
        "request_id": "r",
        "revision": revision,
        "stage": "hold",
        "is_final": False,
        "trigger": "manual",
        "because": [],
        "scope": [],
        "plan_revision": 1,
        "options": [],
        "seed": 1,
        "moves": 1,
        "solve_ms": 1.0,
    }
    return Proposal.model_validate(body | changes)


def node(node_type: str, entity_id: str, site_id: str = "S1") -> GraphNode:
    """A node, under the id that the twin gives it."""
    node_id = f"{node_type}/{site_id}/{entity_id}"
    return GraphNode(
        output_id=node_id,
        node_id=node_id,
        node_type=node_type,
        entity_id=entity_id,
        site_id=site_id,
        label=entity_id,
    )


def edge(begin: GraphNode, relation: str, end: GraphNode) -> GraphEdge:
    """An edge between two nodes."""
    edge_id = f"{begin.node_id}|{relation}|{end.node_id}"
    return GraphEdge(
        output_id=edge_id,
        edge_id=edge_id,
        from_id=begin.node_id,
        relation=relation,
        to_id=end.node_id,
        since=datetime(2026, 11, 19, tzinfo=UTC),
        event_id="e1",
    )


def site(name: str = "S1", **changes: Any) -> SiteStatus:
    """A site in which all is quiet."""
    body: dict[str, Any] = {
        "output_id": f"site/{name}",
        "site_id": name,
        "as_of": NOON,
        "zone": "Europe/Berlin",
        "is_catching_up": False,
        "currency": "EUR",
        "cards": [],
        "entities": {},
        **dict.fromkeys(("behind_s", "cards_exposure", "set_aside_exposure"), 0.0),
        **dict.fromkeys(("cards_open", "cards_set_aside", "cards_waiting", "questions_waiting"), 0),
        **dict.fromkeys(("lines", "lines_waiting", "lines_stale", "data_conflicts"), 0),
    }
    return SiteStatus.model_validate(body | changes)
