"""Sends a subscription to one client: as an answer that ends when either side has had enough."""

import asyncio
import time
from contextlib import suppress
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streams.web.feed import Subscription

SEND_TIMEOUT_S: Final = 10.0
"""How long one chunk may take to leave. Too small: a phone in a lift is cut off. Too large: so long a client that reads
nothing holds its place."""

LIFE_S: Final = 900.0
"""A stream ends after so long, and the client comes back with its cursor and is judged anew. Too small: needless
connections. Too large: who was taken out of the list of tokens goes on reading."""


class EventStream(Response):
    """Server-Sent Events.

    Args:
        subscription: closed here, whatever happens.
        until: POSIX seconds at which whoever listens is signed in no longer; None: no such moment is known.
    """

    media_type = "text/event-stream"

    def __init__(self, subscription: Subscription, until: float | None = None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._subscription = subscription
        self._life_s = LIFE_S if until is None else max(0.0, min(LIFE_S, until - time.time()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client goes or is let go."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            pump = asyncio.ensure_future(self._pump(send))
            gone = asyncio.ensure_future(_until_gone(receive))
            try:
                await asyncio.wait({pump, gone}, timeout=self._life_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (pump, gone):
                    task.cancel()
                for task in (pump, gone):
                    with suppress(asyncio.CancelledError, TimeoutError, OSError):
                        await task
        finally:
            self._subscription.close()

    async def _pump(self, send: Send) -> None:
        async for chunk in self._subscription.chunks():
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
