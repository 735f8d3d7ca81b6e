"""The routes that change something: commands, quotes, and a browser's session; and those about who may do what."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Path, Query, Request
from starlette.responses import Response

from schemas import CommandResult
from streams.web import answers
from streams.web.access import API, COMMAND_ROLES, ROUTES, Principal, commands_of
from streams.web.command_desk import CommandDesk
from streams.web.problems import FieldProblem, Problem, invalid, not_found
from streams.web.reading import Json
from streams.web.sign_in import SignIn

RESULT_WAIT_MAX_S: Final = 10.0
"""How long a question for a result may wait for it. Larger: requests that hold their places."""

CommandId = Annotated[str, Path(min_length=1, max_length=200)]


def add_commands(app: FastAPI, desk: CommandDesk) -> None:
    """Add the routes for commands."""

    @app.post(
        f"{API}/commands",
        tags=["commands"],
        status_code=202,
        responses={202: {"model": answers.CommandTaken}},
        openapi_extra=_takes("PostedCommand"),
    )
    async def post_command(request: Request) -> Response:
        """Send a command. 202: Kafka has it; what became of it comes back through the log, see result_at."""
        return await _taken(desk, await _body(request), request.state.principal)

    @app.post(
        f"{API}/quote",
        tags=["commands"],
        status_code=202,
        responses={202: {"model": answers.CommandTaken}},
        openapi_extra=_takes("QuoteAsked"),
    )
    async def post_quote(request: Request) -> Response:
        """Ask when a quantity could be ready, and who would pay for it: a command of the kind quote_request.

        Its result names the proposal whose `quote` holds every place, the cheapest first.
        """
        body = {**await _body(request), "kind": "quote_request"}
        return await _taken(desk, body, request.state.principal)

    @app.get(
        f"{API}/commands/{{command_id:path}}",
        tags=["commands"],
        responses={200: {"model": answers.CommandStatus}},
    )
    async def get_command(
        command_id: CommandId,
        wait_s: Annotated[float, Query(ge=0, le=RESULT_WAIT_MAX_S, description="Wait for it so long.")] = 0.0,
    ) -> Response:
        """What became of a command: the twin's answer, once it has come back through the log."""
        result = await desk.awaited(command_id, wait_s)
        if result is None and not desk.is_sent(command_id):
            raise not_found("command", command_id)
        return Json({"command_id": command_id, "status": _status(result), "result": result})


def add_sign_in(app: FastAPI, sign_in: SignIn, notice: str | None) -> None:
    """Add the routes about who is signed in and who may do what."""

    @app.get(f"{API}/me", tags=["sign-in"], responses={200: {"model": answers.Me}})
    async def me(request: Request) -> Response:
        """Who you are here, and what you may do."""
        who: Principal = request.state.principal
        about = {"name": who.name, "role": who.role, "via": who.via, "commands": commands_of(who.role)}
        return Json({**about, "notice": notice})

    @app.post(
        f"{API}/session", tags=["sign-in"], status_code=201, responses={201: {"model": answers.SignedIn}}
    )
    async def begin_session(request: Request) -> Response:
        """Begin a browser's session: shown a bearer token, a cookie that scripts cannot read takes its place."""
        who: Principal = request.state.principal
        if "authorization" not in request.headers and who.via != "local":
            raise Problem(
                401, "not_signed_in", "Sign in first", "a session begins with Authorization: Bearer TOKEN"
            )
        value, life_s = sign_in.sessions.begin(who)
        answer = Json({"name": who.name, "role": who.role, "expires_in_s": int(life_s)}, status=201)
        _set_cookie(answer, sign_in, value, int(life_s))
        return answer

    @app.delete(f"{API}/session", tags=["sign-in"], status_code=204)
    async def end_session() -> Response:
        """Sign out: the browser forgets its cookie."""
        answer = Response(status_code=204)
        _set_cookie(answer, sign_in, "", 0)
        return answer

    @app.get(f"{API}/access", tags=["sign-in"], responses={200: {"model": answers.Access}})
    async def access() -> Response:
        """Who may do what: routes and commands by role, and who holds tokens (never the tokens)."""
        routes = [{"method": method, "path": path, "role": role} for (method, path), role in ROUTES.items()]
        holders = [] if sign_in.tokens is None else sign_in.tokens.holders()
        named = [{"name": name, "role": role} for name, role in holders]
        return Json({"routes": routes, "commands": dict(COMMAND_ROLES), "holders": named})


async def _taken(desk: CommandDesk, body: Mapping[str, Any], principal: Principal) -> Response:
    command = await desk.take(body, principal)
    result = desk.result(command.command_id)
    where = f"{API}/commands/{quote(command.command_id, safe='')}"
    said = {
        "command_id": command.command_id,
        "kind": command.kind,
        "actor": command.actor,
        "status": _status(result),
        "result_at": where,
        "result": result,
    }
    return Json(said, status=202, headers={"Location": where})


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "not_json", "Not JSON", "send Content-Type: application/json")
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise invalid([FieldProblem(path="", message=f"not JSON: {error}")]) from None
    if not isinstance(body, dict):
        raise invalid(
            [FieldProblem(path="", message="expected one object; send several commands one by one")]
        )
    return body


def _status(result: CommandResult | None) -> str:
    return "sent" if result is None else "answered"


def _takes(model: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _set_cookie(answer: Response, sign_in: SignIn, value: str, life_s: int) -> None:
    answer.set_cookie(
        sign_in.sessions.cookie,
        value,
        max_age=life_s,
        path="/",
        httponly=True,
        samesite="strict",
        secure=sign_in.sessions.is_secure,
    )
