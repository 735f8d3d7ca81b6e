"""Webhooks: signed HTTP POST. Redirects are not followed, and of an answer only status and headers are read.

Two signatures over the same body with the same secret: `Foresite-Signature: t=SECONDS,v1=HEX` is HMAC-SHA256 of
"SECONDS.BODY"; `webhook-id`, `webhook-timestamp` and `webhook-signature` are those of standardwebhooks.com, for which
ready-made receivers exist.
"""

import base64
import binascii
import hashlib
import hmac
import http.client
import re
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from urllib.parse import urlsplit

from pydantic import SecretStr

from streams.notify.config import Webhook
from streams.notify.deadline import deadline
from streams.notify.letters import Letter, clean
from streams.notify.sinks import SendResult

REASON_LENGTH_MAX = 200
_MAY_TAKE_IT_LATER = frozenset({408, 425, 429})


class WebhookTransport:
    """Posts letters to one URL, a connection for each.

    Args:
        webhook: where.
        secret: of the signatures.
        clock: Unix time in seconds.
        new_context: makes the TLS context.

    Raises:
        OSError: the file of certificates cannot be read.
    """

    def __init__(
        self,
        webhook: Webhook,
        secret: SecretStr,
        clock: Callable[[], float] = time.time,
        new_context: Callable[[str | None], ssl.SSLContext] = lambda file: ssl.create_default_context(
            cafile=file
        ),
    ) -> None:
        self._webhook = webhook
        self._key = signing_key(secret.get_secret_value())
        self._clock = clock
        parts = urlsplit(webhook.url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._is_tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._context = new_context(webhook.ca_file) if self._is_tls else None
        self._user_agent = f"foresite/{version('foresite')}"

    def send(self, letter: Letter) -> SendResult:
        """Try once. Raises nothing that the receiver can cause."""
        timeout_s = self._webhook.timeout_s
        connection = self._new_connection()
        with deadline(timeout_s, lambda: connection.sock) as is_over:
            try:
                connection.request("POST", self._target, letter.body, self._headers(letter))
                answer = connection.getresponse()
                verdict = judge(answer.status, answer.headers, self._clock())
            except (OSError, http.client.HTTPException) as error:
                if is_over.is_set() or isinstance(error, TimeoutError):
                    return SendResult("again", f"no answer within {timeout_s:g} s")
                return SendResult("again", f"{type(error).__name__}: {clean(str(error))}"[:REASON_LENGTH_MAX])
            else:
                if is_over.is_set():  # http.client takes headers that break off for complete ones
                    return SendResult("again", f"no end of the answer within {timeout_s:g} s")
                return verdict
            finally:
                connection.close()

    def _new_connection(self) -> http.client.HTTPConnection:
        timeout_s = self._webhook.timeout_s
        if self._is_tls:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=self._context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)

    def _headers(self, letter: Letter) -> dict[str, str]:
        at = int(self._clock())
        return {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "Connection": "close",
            "Idempotency-Key": letter.delivery_id,
            "Foresite-Signature": foresite_signature(self._key, at, letter.body),
            "webhook-id": letter.delivery_id,
            "webhook-timestamp": str(at),
            "webhook-signature": standard_signature(self._key, letter.delivery_id, at, letter.body),
        }


def signing_key(secret: str) -> bytes:
    """The key of both signatures: what `whsec_` is followed by in base64, else the secret's own UTF-8 bytes."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            pass  # then it is a secret that merely begins so
    return secret.encode()


def foresite_signature(key: bytes, at: int, body: bytes) -> str:
    """Value of Foresite-Signature at a Unix second."""
    return f"t={at},v1={hmac.new(key, b'%d.' % at + body, hashlib.sha256).hexdigest()}"


def standard_signature(key: bytes, message_id: str, at: int, body: bytes) -> str:
    """Value of webhook-signature at a Unix second."""
    signed = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def judge(status: int, headers: http.client.HTTPMessage, now: float) -> SendResult:
    """What an answer means: 2xx has it; 408, 425, 429 and 5xx may take it later; everything else never will."""
    if 200 <= status < 300:
        return SendResult("delivered", f"HTTP {status}")
    if status in _MAY_TAKE_IT_LATER or status >= 500:
        return SendResult("again", f"HTTP {status}", _retry_after_s(headers.get("Retry-After"), now))
    if 300 <= status < 400:
        return SendResult(
            "failed", f"HTTP {status}: redirects are not followed; put the new address into the file"
        )
    return SendResult("failed", f"HTTP {status}")


def _retry_after_s(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After asks for, as a number or a date; None where it says neither."""
    if value is None:
        return None
    if re.fullmatch(r" *[0-9]{1,9} *", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.fromtimestamp(now, UTC)).total_seconds())
