"""Cards, a file of people, a real SMTP server and a real HTTP receiver for the tests of notify."""

import asyncio
import hashlib
import hmac
import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from schemas import Card
from streams.local_kafka import free_port
from streams.metrics import Metrics
from streams.notify.config import NotifyConfig
from streams.notify.config_file import Secrets
from streams.notify.desk import Desk
from streams.notify.role import transports_of
from streams.notify.sinks import Sink, start_sinks

SECRET = "a secret of the shop floor"
NOON = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
"""A Thursday."""


def card(name: str = "L3", revision: int = 1, **changes: Any) -> Card:
    """A small card on a line; `name` is the line's."""
    body: dict[str, Any] = {
        "output_id": f"{name}/{revision}",
        "card_id": f"delivery_risk/S1/line/{name}/1",
        "kind": "delivery_risk",
        "site_id": "S1",
        "revision": revision,
        "state": "open",
        "severity": "high",
        "severity_because": "an order will be late",
        "rank": 1,
        "score": 100.0,
        "rank_terms": [],
        "title": f"#4471 for Müller waits for {name}",
        "summary": "",
        "owner": {"id": "okafor", "name": "R. Okafor", "rule": f"supervisor of {name}"},
        "deadline": NOON + timedelta(hours=30),
        "deadline_because": "overtime notice",
        "need_by": None,
        "affected": [],
        "affected_total": 0,
        "impact": {
            "currency": "EUR",
            "slip_s": 0.0,
            "slip_days": 0,
            "exposure": 5000.0,
            "parts": {"penalty": 5000.0},
            "margin_before": 4165.0,
            "margin_if_late": -835.0,
        },
        "cause": {
            "signal": "drift",
            "entity_type": "line",
            "entity_id": name,
            "in_words": f"{name} has run slow",
        },
        "path": [],
        "evidence": [],
        "confidence": {"value": 1.0, "n": 3, "window_h": 1.0},
        "rule": {"id": "default", "version": "1"},
        "opened_at": NOON,
        "as_of": NOON,
        "episode": 1,
        "update_reason": "opened",
    }
    return Card.model_validate(body | changes)


def config_of(**parts: Any) -> NotifyConfig:
    """A file's contents; okafor is reached by the webhook `hook` unless the parts say otherwise."""
    base: dict[str, Any] = {
        "webhooks": {"hook": {"url": "http://127.0.0.1:9/", "allow_http": True}},
        "people": {"okafor": {"name": "R. Okafor", "webhook": "hook"}},
        "retry": {"first_s": 0.05, "max_s": 0.2, "give_up_after_h": 1},
    }
    return NotifyConfig.model_validate(base | parts)


# A clock --------------------------------------------------------------------------------------------------------------


class Clock:
    """A wall clock that stands until it is moved; or goes on from where it was set, with `runs`."""

    def __init__(self, now: datetime = NOON, *, runs: bool = False) -> None:
        self._set_to, self._set_at, self._runs = now, time.monotonic(), runs

    def __call__(self) -> datetime:
        gone = time.monotonic() - self._set_at if self._runs else 0.0
        return self._set_to + timedelta(seconds=gone)

    def set(self, now: datetime) -> None:
        """Move it."""
        self._set_to, self._set_at = now, time.monotonic()


# The desk with real sinks, without Kafka ------------------------------------------------------------------------------


class Office:
    """A desk whose notes go nowhere: what the worker does each turn, less Kafka."""

    def __init__(self, config: NotifyConfig, clock: Clock | None = None, password: str | None = None) -> None:
        secrets = Secrets(
            None if password is None else SecretStr(password),
            {name: SecretStr(SECRET) for name in config.webhooks},
        )
        self.metrics = Metrics()
        self.sinks: dict[str, Sink] = start_sinks(transports_of(config, secrets))
        self.desk = Desk(
            config,
            self.sinks,
            self.metrics,
            clock=clock or Clock(runs=True),
            plant_now=lambda card: card.as_of,
            max_age=timedelta(hours=72),
        )
        self.desk.adopt(0, [], is_first_start=False)
        self.desk.caught_up(0)
        self.notes: dict[str, Any] = {}

    def tell(self, *cards: Card) -> None:
        """Cards come."""
        for each in cards:
            self.desk.card_changed(0, each, NOON)
        self.turn()

    def turn(self) -> None:
        """One turn of the loop."""
        self.desk.take_attempts()
        for _, card_id, notices in self.desk.take_changes():
            self.notes[card_id] = notices
        self.desk.dispatch()

    def work_until(self, is_so: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Turn until something holds."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline, self.notes
            self.turn()
            time.sleep(0.01)

    def settle(self) -> None:
        """Turn until nothing waits."""
        self.work_until(lambda: self.desk.waiting_count == 0 and not self.desk.has_changes)

    def outcomes(self, name: str = "L3") -> list[tuple[str, str]]:
        """Change and outcome of what was noted of a card."""
        notices = self.notes[f"delivery_risk/S1/line/{name}/1"]
        return [(each.change, each.outcome) for each in notices.outcomes]

    def count(self, sink: str, outcome: str) -> float:
        """Of foresite_notify_deliveries_total."""
        labels = {"sink": sink, "outcome": outcome}
        return self.metrics.registry.get_sample_value("foresite_notify_deliveries_total", labels) or 0.0

    def close(self) -> None:
        """End the sinks."""
        for sink in self.sinks.values():
            sink.stop(5.0)


@contextmanager
def office(config: NotifyConfig, clock: Clock | None = None, password: str | None = None) -> Iterator[Office]:
    """A desk at work."""
    made = Office(config, clock, password)
    try:
        yield made
    finally:
        made.close()


# A receiver of webhooks -----------------------------------------------------------------------------------------------


@dataclass
class Posted:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    is_signed: bool

    @property
    def key(self) -> str:
        """Its Idempotency-Key."""
        return self.headers["idempotency-key"]

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Change and line of each card in it."""
        return [(each["change"], each["card"]["cause"]["entity_id"]) for each in self.body["notices"]]


@dataclass
class Receiver:
    """A real HTTP server that answers as it is told, 204 when it is told nothing more.

    Attributes:
        answers: statuses to give next; "hang" keeps the connection open; "drip" sends headers for ever.
    """

    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook?room=7"

    @property
    def changes(self) -> list[list[tuple[str, str]]]:
        """What each request told."""
        return [each.changes for each in self.posted]


@contextmanager
def receiver(tls: tuple[Path, Path] | None = None) -> Iterator[Receiver]:
    """Run one, over TLS with a certificate and key if given."""
    told = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.posted.append(
                Posted(self.path, headers, json.loads(body), is_signed(headers["foresite-signature"], body))
            )
            answer = told.answers.pop(0) if told.answers else 204
            if answer == "hang":
                told.is_over.wait(20)
                return
            if answer == "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not told.is_over.wait(0.05):
                    self.wfile.write(b"X")
                return
            self.send_response(int(answer))
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Nothing."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:
            """A client that broke off is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def is_signed(signature: str, body: bytes) -> bool:
    """What a receiver does, written apart from what signs."""
    parts = dict(each.split("=", 1) for each in signature.split(","))
    expected = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"]) and abs(time.time() - int(parts["t"])) < 300


# A mail server --------------------------------------------------------------------------------------------------------


@dataclass
class Mailbox:
    """What a real SMTP server took, and how it is to answer.

    Attributes:
        answers: replies to DATA to give next, as "451 try later"; 250 when there are none.
        recipient_answers: address -> reply to RCPT.
        hangs: whether DATA is never answered.
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    signed_in: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    recipient_answers: dict[str, str] = field(default_factory=dict)
    is_hanging: bool = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """See aiosmtpd."""
        if address in self.recipient_answers:
            return self.recipient_answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """See aiosmtpd."""
        if self.is_hanging:
            await asyncio.sleep(20)
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        self.raw.append(content)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        self.signed_in.append(bool(session.authenticated))
        return "250 taken"


@contextmanager
def mail_server(
    tls: tuple[Path, Path] | None = None, *, from_the_start: bool = False, password: str | None = None
) -> Iterator[Mailbox]:
    """Run one: plain, with STARTTLS, or TLS from the first byte; with sign-in if there is a password."""
    box = Mailbox(free_port())
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        is_right = (data.login, data.password) == (b"foresite", (password or "").encode())
        return AuthResult(success=is_right, handled=False)

    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=box.port,
        ssl_context=context if from_the_start else None,
        tls_context=None if from_the_start else context,
        require_starttls=context is not None and not from_the_start,
        authenticator=authenticate if password else None,
        auth_required=password is not None,
        auth_require_tls=context is not None and not from_the_start,
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def self_made_certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
