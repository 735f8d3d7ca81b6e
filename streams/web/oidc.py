"""Bearer tokens of an OpenID Connect issuer: signature, issuer, audience and times are checked here, with its own keys.

Keys come from the issuer's discovery document. They are kept, and asked for again when they are old or a token names one
that is not among them; an issuer that is away locks nobody out whose token is signed with a key that is known.
"""

import asyncio
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from schemas import UsageError
from streams.web.access import ROLES, Principal

log = structlog.get_logger(__name__)

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Public keys only: a shared secret would let every holder of one make tokens, and `none` anybody."""

KEYS_LIFE_S: Final = 600.0
"""Age at which keys are asked for again. Too small: a request to the issuer now and then for nothing. Too large: a key
that the issuer took back is believed so long."""

KEYS_WAIT_S: Final = 20.0
"""Between two questions to the issuer, whatever tokens name. Too small: made-up tokens make us flood it. Too large: a new
key is not known for so long."""

FETCH_TIMEOUT_S: Final = 5.0
FETCH_BYTES_MAX: Final = 1_000_000

LEEWAY_S: Final = 30
"""By which the issuer's clock may differ from ours."""

NAME_MAX: Final = 200


class SignInFailed(Exception):
    """A token is not taken; the reason is one of few words, for the metric.

    Args:
        reason: malformed, unknown, signature, expired, claims, no_role, issuer_unreachable.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Oidc:
    """Judges tokens of one issuer.

    Args:
        issuer: its URL, as tokens name it.
        audience: what tokens must be meant for.
        name_claim: with the name of the person.
        roles_claim: with their roles; dots lead into objects.
        ca_file: certificates that its certificate is signed by; None: those of the system.

    Raises:
        UsageError: the issuer would be reached in plain text beyond this machine.
    """

    def __init__(
        self, issuer: str, audience: str, name_claim: str, roles_claim: str, ca_file: Path | None = None
    ) -> None:
        _require_safe(issuer)
        self._issuer, self._audience = issuer, audience
        self._name_claim, self._roles_claim = name_claim, roles_claim
        self._tls = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._keys: KeySet | None = None
        self._keys_at = self._asked_at = float("-inf")
        self._lock = asyncio.Lock()
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )

    async def principal(self, token: str) -> Principal:
        """Who shows this token.

        Raises:
            SignInFailed: it is not good, or there is no key to judge it by.
        """
        keys = await self._known_keys()
        try:
            read = jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (InvalidKeyIdError, ValueError):  # a key that we do not know, yet
            keys = await self._fresh_keys(KEYS_WAIT_S)
            read = self._decoded(token, keys)
        except JoseError as error:
            raise SignInFailed(_reason(error)) from None
        try:
            self._claims.validate(read.claims)
        except ExpiredTokenError:
            raise SignInFailed("expired") from None
        except JoseError:
            raise SignInFailed("claims") from None
        return self._named(read.claims)

    def _decoded(self, token: str, keys: KeySet) -> jwt.Token:
        try:
            return jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise SignInFailed(_reason(error)) from None

    def _named(self, claims: Mapping[str, Any]) -> Principal:
        name = _at(claims, self._name_claim)
        if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX or not name.isprintable():
            raise SignInFailed("claims")
        given = _at(claims, self._roles_claim)
        roles = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        found = [role for role in ROLES if role in roles]
        if not found:
            raise SignInFailed("no_role")
        return Principal(name, found[-1], "oidc", float(claims["exp"]))

    async def _known_keys(self) -> KeySet:
        if self._keys is None or time.monotonic() - self._keys_at > KEYS_LIFE_S:
            return await self._fresh_keys(KEYS_WAIT_S if self._keys is not None else 1.0)
        return self._keys

    async def _fresh_keys(self, wait_s: float) -> KeySet:
        async with self._lock:
            if time.monotonic() - self._asked_at >= wait_s:
                self._asked_at = time.monotonic()
                try:
                    self._keys = await asyncio.to_thread(self._fetch_keys)
                    self._keys_at = time.monotonic()
                except (OSError, ValueError, JoseError, KeyError, TypeError) as error:
                    log.warning("oidc_keys_unavailable", issuer=self._issuer, error=str(error))
            if self._keys is None:
                raise SignInFailed("issuer_unreachable")
            return self._keys

    def _fetch_keys(self) -> KeySet:
        found = self._fetch(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found["issuer"] != self._issuer:
            raise ValueError(f"its discovery document names another issuer: {found['issuer']!r}")
        keys = self._fetch(found["jwks_uri"])["keys"]
        public = [
            key for key in keys if key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
        ]
        if not public:
            raise ValueError("it has no public key for signatures")
        return KeySet.import_key_set({"keys": public})

    def _fetch(self, url: str) -> dict[str, Any]:
        _require_safe(url)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self._tls), _NoRedirects())
        with opener.open(url, timeout=FETCH_TIMEOUT_S) as answer:
            body = answer.read(FETCH_BYTES_MAX + 1)
        if len(body) > FETCH_BYTES_MAX:
            raise ValueError(f"{url} answers more than {FETCH_BYTES_MAX:,} bytes")
        read = orjson.loads(body)
        if not isinstance(read, dict):
            raise ValueError(f"{url} answers no object")
        return read


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from where the issuer says, and from nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _require_safe(url: str) -> None:
    """Keys that came in plain text would be anybody's.

    Raises:
        UsageError: it is neither https nor on this machine.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (
        parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    ):
        raise UsageError(f"{url}: an issuer and its keys must be reached by https")


def _at(claims: Mapping[str, Any], path: str) -> Any:
    value: Any = claims.get(path)  # a name may hold dots itself, as those that are URLs
    if value is not None:
        return value
    value = claims
    for word in path.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return value


def _reason(error: Exception) -> str:
    names = {
        "BadSignatureError": "signature",
        "UnsupportedAlgorithmError": "signature",
        "InvalidKeyIdError": "signature",
    }
    return names.get(type(error).__name__, "malformed")
