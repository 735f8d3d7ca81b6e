"""The command line's way through the web role: what it reads and what it commands, where only web may write commands.

The token goes to the address that the settings name, over TLS or to this machine, and is never sent on to another.
"""

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from schemas import Card, CardState, Command, CommandResult, ForesiteError, PlanState, Proposal, UsageError
from streams.settings import Settings

REQUEST_TIMEOUT_S: Final = 30.0
RESULT_WAIT_S: Final = 5.0
PAGE: Final = 500
ANSWER_BYTES_MAX: Final = 64_000_000

Model = TypeVar("Model", bound=BaseModel)


class WebRefused(ForesiteError):
    """The web role answered with a problem.

    Attributes:
        status: of HTTP; problem: its body.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem.get('title', 'refused')}: {problem.get('detail', status)}")
        self.status, self.problem = status, problem


class WebClient:
    """A signed-in client of the web role.

    Args:
        settings: its address and the token.

    Raises:
        UsageError: no address is set, the token's file cannot be read, or it would pass in plain text.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.web_url is not None
        parts = urllib.parse.urlsplit(settings.web_url)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise UsageError(f"{settings.web_url}: the token would pass in plain text; use https")
        self._url = settings.web_url
        self._token = _token(settings)
        ca_file = None if settings.web_ca_file is None else str(settings.web_ca_file)
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file))
        self._opener = urllib.request.build_opener(tls, _NoRedirects())

    def cards(self) -> list[Card]:
        """Every card, the most urgent first."""
        states = "&".join(f"state={state}" for state in CardState)
        return self._all(f"/api/v1/cards?{states}", Card)

    def plans(self) -> list[PlanState]:
        """Every proposal as it now stands, the newest first."""
        return self._all("/api/v1/proposals?all=true", PlanState)

    def options(self, proposal_id: str) -> Proposal | None:
        """The revision of the solver's answer at which a proposal stands."""
        found = self._asked("GET", f"/api/v1/proposals/{urllib.parse.quote(proposal_id, safe='')}")[
            "proposal"
        ]
        return None if found is None else Proposal.model_validate(found)

    def send(self, command: Command, timeout_s: float) -> CommandResult:
        """Send a command and wait for what became of it.

        Raises:
            UsageError: nobody answered in time.
            WebRefused: it was not taken.
        """
        body = command.model_dump(
            mode="json", exclude_none=True, exclude={"actor", "event_id", "event_time", "schema_version"}
        )
        try:
            taken = self._asked("POST", "/api/v1/commands", body)
        except WebRefused as refused:
            if refused.problem.get("type") != "stale_revision":
                raise
            return _stale(command, refused.problem)
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            found = self._asked("GET", f"{taken['result_at']}?wait_s={RESULT_WAIT_S}")
            if found["result"] is not None:
                return CommandResult.model_validate(found["result"])
        raise UsageError(
            f"no answer within {timeout_s:.0f} s; it may still be carried out (command {command.command_id}). "
            f"Do ingest and twin run? {self._url}{taken['result_at']} tells what became of it"
        )

    def _all(self, path: str, model: type[Model]) -> list[Model]:
        found: list[Model] = []
        while True:
            page = self._asked("GET", f"{path}&limit={PAGE}&offset={len(found)}")
            found += [model.model_validate(each) for each in page["items"]]
            if not page["items"] or len(found) >= page["total"]:
                return found

    def _asked(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(  # noqa: S310 - the scheme is one of the two that the settings allow
            self._url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
            method=method,
        )
        try:
            with self._opener.open(request, timeout=REQUEST_TIMEOUT_S) as answer:
                read: dict[str, Any] = json.loads(answer.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                raise WebRefused(error.code, _problem(error.read(1_000_000))) from None
        except (OSError, ValueError) as error:
            raise ForesiteError(f"{self._url} does not answer as the web role does: {error}") from None
        return read


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is for one address."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _token(settings: Settings) -> str | None:
    if settings.web_token is not None:
        return settings.web_token.get_secret_value()
    if settings.web_token_file is None:
        return None
    try:
        return settings.web_token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{settings.web_token_file}: the token cannot be read: {error}") from None


def _problem(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _stale(command: Command, problem: dict[str, Any]) -> CommandResult:
    """What the twin would have answered."""
    current = problem.get("current") or {}
    return CommandResult(
        output_id="",
        command_id=command.command_id,
        command_kind=command.kind,
        actor=command.actor,
        site_id=command.site_id,
        outcome="rejected",
        reason="stale_revision",
        message=str(problem.get("detail", "")),
        current_revision=current.get("revision"),
        as_of=None,
    )
