"""Puts the web application together. Everything it needs is made here or handed in, so that two can live in one test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from streams.metrics import Metrics
from streams.record_sender import RecordSender
from streams.settings import Settings
from streams.web.access import API
from streams.web.command_desk import CommandDesk
from streams.web.event_desk import EventDesk
from streams.web.event_posting import add_events
from streams.web.feed import Feed
from streams.web.guard import Guard
from streams.web.openapi import docs_page, openapi_document
from streams.web.page import StaticFiles, add_page
from streams.web.past import Past
from streams.web.posting import add_commands, add_sign_in
from streams.web.problems import FieldProblem, Problem, invalid
from streams.web.reading import Json, Reading
from streams.web.routes import add_past, add_reading, add_stream
from streams.web.sign_in import SignIn
from streams.web.view import View


class WebApp:
    """The application and what the role needs of it.

    Args:
        settings: limits, sign-in, where Kafka is.
        view: the picture; whoever fills it calls `feed.wake` on the loop.
        sender: puts commands and events on their topics.
        metrics: of the role.
        is_caught_up: whether the view is a picture yet.

    Attributes:
        asgi: to be served.
        api: the FastAPI application inside.
        feed: the stream.

    Raises:
        UsageError: the settings would let anybody in.
    """

    def __init__(
        self,
        settings: Settings,
        view: View,
        sender: RecordSender,
        metrics: Metrics,
        is_caught_up: Callable[[], bool],
    ) -> None:
        self.feed = Feed(view, metrics, settings.web_stream_clients_max, settings.web_stream_client_bytes_max)
        sign_in = SignIn(settings, metrics)
        self.api = FastAPI(
            title="Foresite",
            version=version("foresite"),
            openapi_url=None,  # served below, behind the same gate as everything
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            dependencies=[Depends(sign_in.admit)],
            lifespan=self._lifespan,
        )
        reading = Reading(view, is_caught_up)
        add_reading(self.api, reading)
        add_past(self.api, Past(settings))
        add_stream(self.api, reading, self.feed, metrics)
        add_commands(self.api, CommandDesk(settings, view, sender, metrics))
        add_events(self.api, EventDesk(settings, sender, metrics))
        add_sign_in(self.api, sign_in, settings.web_notice)
        add_page(self.api, StaticFiles())
        _add_documents(self.api)
        self.api.add_exception_handler(Problem, _on_problem)
        self.api.add_exception_handler(RequestValidationError, _on_invalid)
        self.api.add_exception_handler(HTTPException, _on_http)
        self.asgi: ASGIApp = Guard(self.api, settings, metrics)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(self.feed.run())
        try:
            yield
        finally:
            self.feed.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _add_documents(api: FastAPI) -> None:
    @api.get(f"{API}/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        """The OpenAPI document."""
        return Json(openapi_document(api))

    @api.get(f"{API}/docs", include_in_schema=False)
    async def docs() -> Response:
        """The same for people."""
        return HTMLResponse(docs_page(openapi_document(api)))


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response(_request_id(request))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [_field(each) for each in error.errors()]
    return invalid(fields).response(_request_id(request))


def _field(problem: dict[str, Any]) -> FieldProblem:
    where = [str(part) for part in problem["loc"] if part not in ("query", "path", "body")]
    return FieldProblem(path=".".join(where), message=problem["msg"])


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = {404: "not_found", 405: "not_allowed_here"}.get(error.status_code, "refused")
    detail = f"there is no {request.method} here; {API}/docs lists what there is"
    problem = Problem(error.status_code, kind, str(error.detail), detail, headers=error.headers)
    return problem.response(_request_id(request))
