"""A browser's session: a signed cookie that says who signed in and until when. Nothing is kept on the server.

Sign-out takes the cookie away from the browser. Who is taken out of the list of tokens is out at once: the name and role
of a session that began with a token are looked up there again at each request.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from pathlib import Path
from typing import Final

import orjson

from schemas import UsageError
from streams.web.access import ROLES, Principal
from streams.web.tokens import TokenFile

KEY_BYTES_MIN: Final = 32


class Sessions:
    """Makes cookies and reads them back.

    Args:
        key: that signs them.
        life_s: how long one is good.
        is_secure: whether browsers may send it over TLS only.
        tokens: where sessions that began with a token are looked up.
    """

    def __init__(self, key: bytes, life_s: float, *, is_secure: bool, tokens: TokenFile | None) -> None:
        self._key, self._life_s, self._tokens = key, life_s, tokens
        self.is_secure = is_secure
        self.cookie = "__Host-foresite" if is_secure else "foresite"
        """Its name; browsers take __Host- only over TLS, from this host and for all paths."""

    def begin(self, principal: Principal) -> tuple[str, float]:
        """The cookie's value, and seconds that it is good."""
        until = time.time() + self._life_s
        if principal.expires_at is not None:
            until = min(until, principal.expires_at)
        said = orjson.dumps({"n": principal.name, "r": principal.role, "v": principal.via, "e": until})
        body = base64.urlsafe_b64encode(said)
        return f"{body.decode()}.{self._sign(body)}", max(0.0, until - time.time())

    def principal(self, value: str) -> Principal | None:
        """Who a cookie stands for; None where it is forged, has run out, or they are out of the list."""
        body, _, signature = value.partition(".")
        if not hmac.compare_digest(self._sign(body.encode()).encode(), signature.encode()):
            return None
        try:
            said = orjson.loads(base64.urlsafe_b64decode(body))
        except (binascii.Error, orjson.JSONDecodeError):  # signed by us, and yet no session
            return None
        if said["e"] < time.time() or said["r"] not in ROLES:
            return None
        if said["v"] == "token":
            return None if self._tokens is None else self._tokens.named(said["n"])
        return Principal(said["n"], said["r"], "oidc", said["e"])

    def _sign(self, body: bytes) -> str:
        return hmac.new(self._key, b"foresite session\0" + body, hashlib.sha256).hexdigest()


def session_key(path: Path | None) -> bytes:
    """The key of a file, or a new one.

    Raises:
        UsageError: the file cannot be read, or is too short.
    """
    if path is None:
        return secrets.token_bytes(KEY_BYTES_MIN)
    try:
        key = path.read_bytes().removesuffix(b"\n")
    except OSError as error:
        raise UsageError(f"{path}: the session key cannot be read: {error}") from None
    if len(key) < KEY_BYTES_MIN:
        raise UsageError(
            f"{path}: {len(key)} bytes; {KEY_BYTES_MIN} are needed: head -c 48 /dev/urandom | base64"
        )
    return key
