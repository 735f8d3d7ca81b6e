"""The stream of changes as Server-Sent Events: batches that are encoded once, and clients that each have a bounded queue.

Law: everything here runs on the event loop, apart from `wake`. A client gets what changed since its cursor and then every
batch, or is told to begin anew; one that does not keep up is let go, never waited for.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

import orjson

from streams.metrics import Metrics
from streams.web import cursor
from streams.web.documents import Document
from streams.web.view import View

BATCH_S: Final = 0.25
"""Between two batches. Smaller: pages that redraw for each record. Larger: a change is seen that much later."""

HEARTBEAT_S: Final = 5.0
"""Between two heartbeats. Pages take silence of three of them for a lost connection."""

Chunk = tuple[str, bytes]
"""Site that it concerns ("*": all) and the bytes of one or more events."""


class StreamFull(Exception):
    """There are as many clients as there may be."""


class CursorTooOld(Exception):
    """A client must begin with a new snapshot."""


@dataclass(eq=False, slots=True)
class _Client:
    site_id: str | None
    queue: asyncio.Queue[bytes | None]
    queued_bytes: int = 0
    is_dropped: bool = False


@dataclass(slots=True)
class Subscription:
    """What one client gets."""

    _client: _Client
    _first: bytes
    _forget: Callable[[_Client], None]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Bytes of one or more whole events, until the client is let go."""
        yield self._first
        while (chunk := await self._client.queue.get()) is not None:
            self._client.queued_bytes -= len(chunk)
            yield chunk
        if self._client.is_dropped:
            yield event("reset", b'{"reason":"slow"}')

    def close(self) -> None:
        """Give the place back."""
        self._forget(self._client)


@dataclass(slots=True)
class Feed:
    """Gives every client of the stream what changes.

    Args:
        view: the picture.
        metrics: stream_clients, stream_events, stream_clients_dropped.
        clients_max: at a time.
        client_bytes_max: that wait for one client before it is dropped.
    """

    view: View
    metrics: Metrics
    clients_max: int
    client_bytes_max: int
    heartbeat_s: float = HEARTBEAT_S
    _clients: set[_Client] = field(default_factory=set)
    _sent: dict[str, dict[int, int]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _is_closed: bool = False

    async def run(self) -> None:
        """Make batches and heartbeats until cancelled."""
        self._sent = self._positions()
        beats_at = time.monotonic() + self.heartbeat_s
        while True:
            wait_s = max(0.0, beats_at - time.monotonic())
            try:
                await asyncio.wait_for(self._news.wait(), wait_s)
            except TimeoutError:
                beats_at = time.monotonic() + self.heartbeat_s
                self._offer([("*", self._heartbeat())])
                continue
            self._news.clear()
            self._batch()
            await asyncio.sleep(BATCH_S)

    def wake(self) -> None:
        """There is something new in the view; to be called on the loop."""
        self._news.set()

    def close(self) -> None:
        """Let every client go, and take no more."""
        self._is_closed = True
        for client in list(self._clients):
            self._let_go(client)

    def subscribe(self, after: str, site_id: str | None) -> "Subscription":
        """The events behind a cursor, then all that come; whoever gets it closes it.

        Args:
            after: a cursor, as of the snapshot or of the last event seen.
            site_id: only events of this site and those that concern all.

        Raises:
            StreamFull: too many clients.
            CursorTooOld: nothing is known any more of what happened since.
            UsageError: it is no cursor.
        """
        if len(self._clients) >= self.clients_max or self._is_closed:
            self.metrics.stream_clients_dropped.labels("full").inc()
            raise StreamFull
        first = self._since(cursor.decode(after), site_id)
        client = _Client(site_id, asyncio.Queue())
        self._clients.add(client)
        self.metrics.stream_clients.set(len(self._clients))
        return Subscription(client, first, self._forget)

    def _forget(self, client: _Client) -> None:
        self._clients.discard(client)
        self.metrics.stream_clients.set(len(self._clients))

    # What is sent

    def _since(self, after: cursor.Cursor, site_id: str | None) -> bytes:
        if time.time() - after.made_at > cursor.LIFE_S:
            raise CursorTooOld
        changed: list[tuple[str, Document]] = []
        with self.view.reading() as view:
            for shelf in view.shelves.values():
                offsets = after.positions.get(shelf.name, [])
                if len(offsets) != len(shelf.positions):
                    raise CursorTooOld  # the topic has other partitions than it had
                for number, offset in zip(sorted(shelf.positions), offsets, strict=True):
                    try:
                        changed += [(shelf.name, each) for each in shelf.changed_since(number, offset)]
                    except LookupError:
                        raise CursorTooOld from None
            here = cursor.encode({shelf.name: shelf.positions for shelf in view.shelves.values()})
        shown = [document_event(name, each) for name, each in changed if _concerns(each.site_id, site_id)]
        self.metrics.stream_events.inc(len(shown))
        return b"".join([*shown, self._heartbeat(here)])

    def _batch(self) -> None:
        changed: list[tuple[str, Document]] = []
        with self.view.reading() as view:
            for shelf in view.shelves.values():
                sent = self._sent.setdefault(shelf.name, {})
                for number, offset in shelf.positions.items():
                    # Begins at 0 where a partition is new; nothing older than the last batch is sent again.
                    since = min(sent.get(number, 0), offset)
                    try:
                        changed += [(shelf.name, each) for each in shelf.changed_since(number, since)]
                    except LookupError:  # more removals at once than are remembered
                        self._reset_all("removals")
            self._sent = self._positions()
        if not changed or not self._clients:
            return
        here = cursor.encode(self._sent)
        chunks = [(each.site_id, document_event(name, each)) for name, each in changed]
        chunks.append(("*", event("cursor", b'{"cursor":"%s"}' % here.encode(), here)))
        self.metrics.stream_events.inc(len(changed))
        self._offer(chunks)

    def _heartbeat(self, here: str = "") -> bytes:
        with self.view.reading() as view:
            as_of, trouble = view.as_of(), view.trouble
        here = here or cursor.encode(self._sent)
        return event("heartbeat", orjson.dumps({"as_of": as_of, "trouble": trouble, "cursor": here}), here)

    def _positions(self) -> dict[str, dict[int, int]]:
        with self.view.reading() as view:
            return {shelf.name: dict(shelf.positions) for shelf in view.shelves.values()}

    def _offer(self, chunks: list[Chunk]) -> None:
        joined: dict[str | None, bytes] = {}
        for client in list(self._clients):
            if client.site_id not in joined:
                joined[client.site_id] = b"".join(
                    body for site_id, body in chunks if _concerns(site_id, client.site_id)
                )
            chunk = joined[client.site_id]
            if client.queued_bytes + len(chunk) > self.client_bytes_max:
                self._drop(client, "slow")
                continue
            client.queued_bytes += len(chunk)
            client.queue.put_nowait(chunk)

    def _reset_all(self, reason: str) -> None:
        for client in list(self._clients):
            self._drop(client, reason)

    def _drop(self, client: _Client, reason: str) -> None:
        client.is_dropped = True
        self.metrics.stream_clients_dropped.labels(reason).inc()
        self._let_go(client)

    def _let_go(self, client: _Client) -> None:
        """Empty its queue and end it; a client that does not read at all is found out by its connection."""
        self._forget(client)
        while not client.queue.empty():
            client.queue.get_nowait()
        client.queue.put_nowait(None)


def document_event(name: str, document: Document) -> bytes:
    """A whole document as an event."""
    head = orjson.dumps({"id": document.key, "site_id": document.site_id, "revision": document.revision})
    return event(name, head[:-1] + b',"document":' + document.body + b"}")


def event(name: str, data: bytes, identity: str = "") -> bytes:
    """One event; `identity` is what a browser sends as Last-Event-ID when it comes back."""
    head = f"id: {identity}\n" if identity else ""
    return f"{head}event: {name}\ndata: ".encode() + data + b"\n\n"


def _concerns(site_id: str, wanted: str | None) -> bool:
    return wanted is None or site_id in (wanted, "*")
