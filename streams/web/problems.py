"""Errors as clients see them: application/problem+json (RFC 9457) with what to do next, and the id of the request."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from schemas import ForesiteError

MEDIA_TYPE: Final = "application/problem+json"


class FieldProblem(BaseModel):
    """One field of a request that cannot be as it is.

    Attributes:
        path: dotted, as in `locks.0.run_id`; "" for the body as a whole.
    """

    path: str
    message: str


class ProblemBody(BaseModel):
    """What went wrong.

    Attributes:
        type: a word for machines, as `stale_revision`; title: the same for people.
        detail: what happened here, and what to do next.
        request_id: to be named when asking for help; it is in the log too.
        fields: of a 422, field by field.
        current: of a 409, the document as it now stands.
        counts, records: of a post of events, what became of each; what was delivered is delivered.
    """

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    fields: list[FieldProblem] | None = None
    current: dict[str, Any] | None = Field(default=None)
    counts: dict[str, int] | None = None
    records: list[dict[str, Any]] | None = None


class Problem(ForesiteError):
    """An answer that is no success.

    Args:
        status: of HTTP.
        kind: the word for machines.
        title: for people.
        detail: what happened, and what to do next.
        headers: of the answer.
        more: further members; `current` may be the bytes of a document.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.status, self.kind, self.title, self.detail = status, kind, title, detail
        self.headers = dict(headers or {})
        self.more = more

    def response(self, request_id: str) -> Response:
        """As it is sent."""
        body = {
            "type": self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
            **{
                name: orjson.Fragment(value) if isinstance(value, bytes) else value
                for name, value in self.more.items()
            },
        }
        return Response(orjson.dumps(body), self.status, self.headers, MEDIA_TYPE)


def invalid(fields: list[FieldProblem]) -> Problem:
    """Fields that cannot be as they are."""
    words = "; ".join(f"{each.path or 'body'}: {each.message}" for each in fields[:5])
    return Problem(
        422,
        "invalid",
        "The request cannot be understood",
        words,
        fields=[each.model_dump() for each in fields],
    )


def invalid_body(error: ValidationError) -> Problem:
    """A body that is not as its model says; the refused values are not repeated."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return invalid(
        [FieldProblem(path=".".join(map(str, each["loc"])), message=each["msg"]) for each in problems]
    )


def not_found(what: str, identity: str) -> Problem:
    """There is no such thing in the picture."""
    return Problem(
        404,
        "not_found",
        f"No such {what}",
        f"no {what} is called {identity!r} in the picture as it now stands",
    )


def unavailable(kind: str, detail: str, after_s: int = 2) -> Problem:
    """Not now; the client may try again."""
    return Problem(503, kind, "Not available at the moment", detail, headers={"Retry-After": str(after_s)})
