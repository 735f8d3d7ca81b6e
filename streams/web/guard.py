"""What holds for every request, before and after its route: its id, limits, headers, log and metrics."""

import asyncio
import secrets
import time
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.metrics import Metrics
from streams.settings import Settings
from streams.web.access import API
from streams.web.problems import Problem, unavailable

log = structlog.get_logger(__name__)

STREAM: Final = f"{API}/stream"
EVENTS: Final = f"{API}/events"
FOLDING: Final = (f"{API}/as-of", f"{API}/why/")
"""Beginnings of paths that fold the facts again, and have a time limit of their own."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
)
"""Of every answer; a route that says one of them itself is believed."""

_OUTCOMES: Final = {
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "not_found",
    409: "conflict",
    413: "too_large",
    421: "wrong_host",
    422: "invalid",
    429: "too_often",
    503: "unavailable",
    504: "timeout",
}


class Guard:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        settings: the limits.
        metrics: http_requests, http_request_seconds.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no web sockets: the server closes what is not accepted
        answer = _Answer(
            scope, send, has_tls=scope.get("scheme") == "https" or self._settings.web_tls_elsewhere
        )
        scope.setdefault("state", {})["request_id"] = answer.request_id
        is_stream = scope["path"] == STREAM
        began = time.monotonic()
        if not is_stream:
            self._running += 1
            self._metrics.http_requests_in_progress.set(self._running)
        try:
            await self._answered(scope, receive, answer, is_stream=is_stream)
        finally:
            if not is_stream:
                self._running -= 1
                self._metrics.http_requests_in_progress.set(self._running)
            self._note(scope, answer, time.monotonic() - began, is_stream=is_stream)

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer", *, is_stream: bool) -> None:
        limit_s = self._settings.web_request_timeout_s
        if scope["path"].startswith(FOLDING):
            limit_s = self._settings.web_fold_timeout_s + 5.0
        try:
            if not is_stream and self._running > self._settings.web_requests_max:
                raise unavailable("busy", "too many requests at once")
            name = "web_gateway_body_bytes_max" if scope["path"] == EVENTS else "web_body_bytes_max"
            limited = _Body(scope, receive, name, getattr(self._settings, name))
            if is_stream:
                await self._app(scope, limited, answer)
                return
            async with asyncio.timeout(limit_s):
                await self._app(scope, limited, answer)
        except Problem as problem:
            await answer.problem(problem)
        except TimeoutError:
            await answer.problem(
                Problem(
                    504,
                    "timeout",
                    "It took too long",
                    f"no answer within {limit_s:g} s; ask again, or for less",
                )
            )
        except Exception as error:
            log.exception("request_failed", request_id=answer.request_id, error_type=type(error).__name__)
            await answer.problem(
                Problem(500, "error", "A fault of ours", "it is in the log under this request's id")
            )

    def _note(
        self, scope: MutableMapping[str, Any], answer: "_Answer", seconds: float, *, is_stream: bool
    ) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        outcome = _OUTCOMES.get(answer.status, "error" if answer.status >= 500 else "refused")
        self._metrics.http_requests.labels(route, "ok" if answer.status < 400 else outcome).inc()
        if not is_stream:
            self._metrics.http_request_seconds.labels(route).observe(seconds)


class _Answer:
    """Passes an answer on, with the headers that every one has.

    Attributes:
        request_id: of the request.
        status: of the answer; 499 while there is none.
    """

    def __init__(self, scope: Scope, send: Send, *, has_tls: bool) -> None:
        self.request_id = secrets.token_hex(8)
        self.status = 499
        self._scope, self._send = scope, send
        self._more = [(b"x-request-id", self.request_id.encode())]
        if has_tls:
            self._more.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", []))
            said = {name for name, _ in own}
            headers = [*own, *(each for each in HEADERS if each[0] not in said), *self._more]
            message = {**message, "headers": headers}
        await self._send(message)

    async def problem(self, problem: Problem) -> None:
        """Answer with a problem, unless something was sent already: then the connection just ends."""
        if self.status != 499:
            raise ConnectionAbortedError(problem.kind)
        await problem.response(self.request_id)(self._scope, _nothing, self)


class _Body:
    """Passes the body on up to a limit, judged by what comes and not only by what was announced."""

    def __init__(self, scope: Scope, receive: Receive, setting: str, bytes_max: int) -> None:
        self._receive, self._setting, self._bytes_max, self._seen = receive, setting, bytes_max, 0
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not announced.isdigit() or int(announced) > bytes_max:
            raise self._too_large()

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._bytes_max:
            raise self._too_large()
        return message

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "too_large",
            "The body is too large",
            f"at most {self._bytes_max:,} bytes (FORESITE_{self._setting.upper()})",
        )


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
