"""A record of twin.replan-requests.v1 as a request, and the answer where there can be none but why."""

from typing import Any

import orjson
from pydantic import ValidationError

from schemas import Proposal, ReplanRequested


class Unreadable(Exception):
    """A record that is no request.

    Attributes:
        answer: a proposal that says why; None where the record does not even say whose answer it would be.
    """

    def __init__(self, why: str, answer: Proposal | None) -> None:
        super().__init__(why)
        self.answer = answer


def read_request(value: bytes) -> ReplanRequested:
    """The request in a record.

    Raises:
        Unreadable: there is none.
    """
    try:
        return ReplanRequested.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        why = f"{'.'.join(map(str, first['loc'])) or 'the record'}: {first['msg']}"
    raise Unreadable(why, _answer(value, f"the request cannot be read: {why}"))


def refusal(request: ReplanRequested, revision: int, error: str) -> Proposal:
    """The final revision of an answer that has no options.

    Args:
        request: that is answered.
        revision: the next one of its proposal.
        error: why, in words.
    """
    return Proposal(
        event_id=f"{request.proposal_id}/{revision}",
        event_time=request.as_of,
        site_id=request.site_id,
        proposal_id=request.proposal_id,
        request_id=request.request_id,
        revision=revision,
        stage="hold",
        is_final=True,
        trigger=request.trigger,
        because=request.because,
        scope=request.scope,
        card_ids=request.card_ids,
        plan_revision=request.plan_revision,
        goal=request.problem.goal,
        options=[],
        seed=request.problem.seed,
        moves=0,
        solve_ms=0.0,
        error=error,
    )


def fitted(proposal: Proposal, most_bytes: int) -> tuple[Proposal, bytes, int]:
    """An answer that a record holds: options are left out from the end, where those of least value stand.

    Args:
        proposal: options hold first, then by the goal.
        most_bytes: of its JSON.

    Returns:
        The answer, its JSON, and how many options were left out; without any where even hold is too large.
    """
    value = proposal.model_dump_json().encode()
    size, count = len(value), len(proposal.options)
    kept = count
    while len(value) > most_bytes and kept > 1:
        kept -= 1
        words = (
            f"{count - kept} of {count} options are left out: the answer would have {size:,} bytes, of "
            f"{most_bytes:,} that a record may (FORESITE_SOLVER_ANSWER_BYTES_MAX)"
        )
        said = words if proposal.error is None else f"{proposal.error}; {words}"
        cut = proposal.model_copy(update={"options": proposal.options[:kept], "error": said})
        value = cut.model_dump_json().encode()
        if len(value) <= most_bytes:
            return cut, value, count - kept
    if len(value) <= most_bytes:
        return proposal, value, 0
    words = f"the answer would have {len(value):,} bytes for doing nothing alone, of {most_bytes:,} that a record may"
    none = proposal.model_copy(update={"options": [], "quote": None, "is_final": True, "error": words})
    return none, none.model_dump_json().encode(), count


def _answer(value: bytes, error: str) -> Proposal | None:
    """What can be said to somebody whose request is broken, from the fields around the problem."""
    try:
        said: Any = orjson.loads(value)
        revision = said.get("first_revision", 1)
        return Proposal.model_validate(
            {
                "event_id": f"{said['proposal_id']}/{revision}",
                "event_time": said["as_of"],
                "revision": revision,
                "stage": "hold",
                "is_final": True,
                "options": [],
                "seed": 0,
                "moves": 0,
                "solve_ms": 0.0,
                "error": error,
                **{
                    name: said[name]
                    for name in (
                        *("proposal_id", "request_id", "site_id", "trigger", "because", "scope"),
                        "plan_revision",
                    )
                },
            }
        )
    except (orjson.JSONDecodeError, ValidationError, KeyError, AttributeError, TypeError):
        return None
