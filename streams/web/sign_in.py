"""Who asks, and whether they may: the one gate before every route."""

import getpass
from typing import Final
from urllib.parse import urlsplit

import structlog
from fastapi import Request

from schemas import UsageError
from streams.metrics import Metrics
from streams.settings import Settings
from streams.web.access import ROUTES, Principal, may
from streams.web.limits import RateLimit
from streams.web.oidc import Oidc, SignInFailed
from streams.web.problems import Problem, unavailable
from streams.web.sessions import Sessions, session_key
from streams.web.tokens import TokenFile

log = structlog.get_logger(__name__)

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

BEARER_MAX: Final = 8_192
"""Characters of a bearer token."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class SignIn:
    """The gate.

    Args:
        settings: how people sign in.
        metrics: sign_in_failures.

    Raises:
        UsageError: it would listen beyond this machine without sign-in or without TLS, or a file cannot be used.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.is_configured = settings.web_tokens_file is not None or settings.web_oidc_issuer is not None
        require_safe(settings, is_configured=self.is_configured)
        self._metrics = metrics
        self._origin = settings.web_origin
        self.tokens = None if settings.web_tokens_file is None else TokenFile(settings.web_tokens_file)
        self._oidc = None
        if settings.web_oidc_issuer is not None:
            assert settings.web_oidc_audience is not None
            self._oidc = Oidc(
                settings.web_oidc_issuer,
                settings.web_oidc_audience,
                settings.web_oidc_name_claim,
                settings.web_oidc_roles_claim,
                settings.web_ca_file,
            )
        self.has_tls = settings.web_tls_cert_file is not None or settings.web_tls_elsewhere
        self.sessions = Sessions(
            session_key(settings.web_session_key_file),
            settings.web_session_h * 3600.0,
            is_secure=self.has_tls,
            tokens=self.tokens,
        )
        self._local = Principal(_login_name(), "admin", "local")
        self._requests = RateLimit(settings.web_requests_per_min)
        self._failures = RateLimit(settings.web_requests_per_min / 10.0)

    async def admit(self, request: Request) -> None:
        """Let a request through, with `request.state.principal` set; to be a dependency of every route.

        Raises:
            Problem: who asks is not known, may not do that, or asks too often.
        """
        path = getattr(request.scope.get("route"), "path", "")
        self._check_host(request)
        if (request.method, path) not in ROUTES:
            raise _forbidden(f"no rule says who may {request.method} {path}")
        least = ROUTES[request.method, path]
        if least is None:
            return
        principal = await self._principal(request)
        self._check_origin(request, by_cookie="authorization" not in request.headers)
        wait_s = self._requests.wait_s(f"{principal.via}/{principal.name}")
        if wait_s > 0:
            raise _too_often(wait_s)
        if not may(principal.role, least):
            raise _forbidden(f"{principal.name} is {principal.role}; this needs {least}")
        request.state.principal = principal

    async def _principal(self, request: Request) -> Principal:
        if not self.is_configured:
            return self._local
        address = request.client.host if request.client is not None else ""
        given = request.headers.get("authorization")
        cookie = request.cookies.get(self.sessions.cookie)
        if given is None and cookie is None:
            raise _unknown("show a token: Authorization: Bearer TOKEN")  # nobody tried anything yet
        if (wait_s := self._failures.wait_s(address, counts=False)) > 0:
            raise _too_often(wait_s)
        try:
            return await self._judged(given, cookie)
        except SignInFailed as failure:
            self._metrics.sign_in_failures.labels(failure.reason).inc()
            self._failures.wait_s(address)
            log.warning("sign_in_failed", reason=failure.reason, address=address)
            if failure.reason == "issuer_unreachable":
                raise unavailable(
                    "sign_in_unavailable", "the issuer of these tokens does not answer"
                ) from None
            raise _unknown(_WORDS.get(failure.reason, _WORDS["unknown"])) from None

    async def _judged(self, given: str | None, cookie: str | None) -> Principal:
        if given is None:
            found = self.sessions.principal(cookie or "")
            if found is None:
                raise SignInFailed("session")
            return found
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= BEARER_MAX or not token.isascii():
            raise SignInFailed("malformed")
        found = None if self.tokens is None else self.tokens.principal(token)
        if found is not None:
            return found
        if self._oidc is None or token.count(".") != 2:
            raise SignInFailed("unknown")
        return await self._oidc.principal(token)

    def _check_host(self, request: Request) -> None:
        """Refuse names that are not ours: a page of somebody else whose name suddenly leads here (DNS rebinding)."""
        host = request.headers.get("host", "")
        if self._origin is not None:
            known = host == urlsplit(self._origin).netloc
        else:
            known = self.is_configured or urlsplit(f"//{host}").hostname in LOOPBACK
        if not known:
            raise Problem(421, "wrong_host", "Not this host", "ask under the name that web_origin gives")

    def _check_origin(self, request: Request, *, by_cookie: bool) -> None:
        """Refuse what a page of another origin sends in a browser's name."""
        if request.method in SAFE_METHODS:
            return
        origin = request.headers.get("origin")
        if origin is None:
            # A program shows a bearer token, which no browser adds by itself. A browser always says where it comes from.
            if by_cookie and self.is_configured:
                raise _forbidden("a browser's request must say its origin")
            return
        own = self._origin
        if own is None:
            own = f"{'https' if self.has_tls else 'http'}://{request.headers.get('host', '')}"
        if origin != own:
            raise _forbidden("this comes from a page of another origin")


def require_safe(settings: Settings, *, is_configured: bool) -> None:
    """Refuse to be reached beyond this machine by anybody, or in plain text.

    Raises:
        UsageError: that is what the settings ask for.
    """
    if settings.web_host in LOOPBACK:
        return
    if not is_configured:
        raise UsageError(
            f"web_host {settings.web_host} is reached from other machines, and there is no sign-in: set "
            "FORESITE_WEB_TOKENS_FILE (lines from `foresite web token NAME ROLE`) or FORESITE_WEB_OIDC_ISSUER"
        )
    if settings.web_tls_cert_file is None and not settings.web_tls_elsewhere:
        raise UsageError(
            f"web_host {settings.web_host} is reached from other machines, and tokens would pass in plain text: set "
            "FORESITE_WEB_TLS_CERT_FILE and _KEY_FILE, or FORESITE_WEB_TLS_ELSEWHERE=true behind a proxy that has TLS"
        )


_WORDS: Final = {
    "unknown": "this token is not known",
    "malformed": "expected Authorization: Bearer TOKEN",
    "signature": "this token is not signed by a key of the issuer",
    "expired": "this token has expired: get a new one",
    "claims": "this token is for somebody or something else: issuer, audience and name must be as configured",
    "no_role": "this token carries none of the roles viewer, planner, approver, admin",
    "session": "the session is over: sign in again",
}


def _unknown(detail: str) -> Problem:
    return Problem(
        401, "not_signed_in", "Sign in first", detail, headers={"WWW-Authenticate": 'Bearer realm="foresite"'}
    )


def _forbidden(detail: str) -> Problem:
    return Problem(403, "not_allowed", "Not allowed", detail)


def _too_often(wait_s: float) -> Problem:
    after = str(max(1, round(wait_s + 0.5)))
    return Problem(429, "too_often", "Too many requests", f"wait {after} s", headers={"Retry-After": after})


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "local"
