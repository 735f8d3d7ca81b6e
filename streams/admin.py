"""The admin port of a role: /metrics, /livez and /readyz, served by a thread beside the work.

It only reads, has no sign-in, and listens on loopback unless told otherwise.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

log = structlog.get_logger(__name__)

# Age of the last heartbeat at which a role counts as hung. Too small: a long garbage collection or a paused machine
# gets it killed. Too large: so long a hung role is left alone.
LIVENESS_LIMIT_S = 30.0

# Too small: a slow scraper is cut off. Too large: idle connections hold threads.
REQUEST_TIMEOUT_S = 5.0


class Health:
    """What a role says of itself. Written by the role's loop, read by the admin thread.

    Alive is the loop's own matter: a broker that is away must not get a role restarted. Ready is everything that a
    correct picture needs, as named reasons while it is missing. A new role is alive, and not ready for `starting`.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {"starting": "the role has not finished starting"}
        self._last_beat = clock()
        self.beats = 0
        """Turns of the loop so far."""

    def beat(self) -> None:
        """Say that the role's own loop turns; to be called from that loop, every second or so."""
        self._last_beat = self._clock()
        self.beats += 1

    def not_ready(self, name: str, reason: str) -> None:
        """Give a reason why the role cannot serve, or replace the one of that name."""
        with self._lock:
            self._reasons[name] = reason

    def ready(self, name: str) -> None:
        """Take back the reason of that name, if there is one."""
        with self._lock:
            self._reasons.pop(name, None)

    def started(self) -> None:
        """Take back the reason that every role begins with."""
        self.ready("starting")

    @property
    def beat_age_s(self) -> float:
        """Seconds since the loop last turned."""
        return self._clock() - self._last_beat

    @property
    def is_alive(self) -> bool:
        """Whether the loop turned lately."""
        return self.beat_age_s <= LIVENESS_LIMIT_S

    @property
    def reasons(self) -> dict[str, str]:
        """Why the role is not ready, by name; empty when it is."""
        with self._lock:
            return dict(sorted(self._reasons.items()))

    @property
    def is_ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.reasons


class AdminServer:
    """Serves the health and metrics of one role, from `start` to `stop`.

    Args:
        health: what /livez and /readyz answer from.
        registry: what /metrics shows.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.

    Raises:
        OSError: when the address cannot be had.
    """

    def __init__(
        self, health: Health, registry: CollectorRegistry, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._server = _Server((host, port), health, registry)
        self._thread = threading.Thread(target=self._server.serve_forever, name="admin", daemon=True)

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        log.info("admin_listening", url=self.url)

    def stop(self) -> None:
        """Close the port. Does nothing the second time."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> AdminServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a client that hangs must not hold up the role's end

    def __init__(self, address: tuple[str, int], health: Health, registry: CollectorRegistry) -> None:
        self.health = health
        self.registry = registry
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S
    server_version = "foresite"
    sys_version = ""  # nobody need know which Python this is

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        health = self.server.health
        if path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.server.registry))
        elif path == "/livez":
            self._answer_json(
                {"alive": health.is_alive, "beat_age_s": round(health.beat_age_s, 3)}, health.is_alive
            )
        elif path == "/readyz":
            reasons = health.reasons
            self._answer_json({"ready": not reasons, "reasons": reasons}, not reasons)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"/metrics, /livez, /readyz\n")

    def _answer_json(self, body: dict[str, object], is_good: bool) -> None:
        status = HTTPStatus.OK if is_good else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, "application/json", json.dumps(body).encode() + b"\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class named it)
        """Log nothing: probes and scrapes come every few seconds and say nothing new."""
