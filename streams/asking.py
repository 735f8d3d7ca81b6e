"""A question to the solver in process: the picture's own twin makes the request, the engine answers it here.

So the answer is the one that the roles on Kafka would give to the same question at that moment, without Kafka.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from schemas import (
    MODEL_OF_KIND,
    Command,
    CommandResult,
    Facts,
    ForesiteError,
    Proposal,
    ReplanRequested,
    Segment,
    UsageError,
    topics,
)
from streams.nearest import unknown
from streams.picture import Picture
from streams.solver_desk import Engine
from twin import Twin
from twin.words import utc

ACTOR: Final = "you"
"""Who asks, in the words of the answer."""

SOURCE_PARTITION: Final = 1_000_000
"""Of the facts record that holds the question: none that a broker has, so no watermark stands against it."""


def site_of(picture: Picture, given: str | None, known: Callable[[Twin, str], bool], what: str) -> str:
    """The site that a question is about: the one asked for, or the only one that has what it is about.

    Args:
        picture: as folded.
        given: as somebody wrote it; None: not at all.
        known: whether a site of a shard has it.
        what: it is, in words.

    Raises:
        UsageError: there is no such site, or there are several.
    """
    sites = sorted({key[0] for twin in picture.shards for key in twin.model.lines})
    if given is not None:
        if given not in sites:
            raise UsageError(unknown("site", given, sites))
        return given
    able = [site for site in sites if any(known(twin, site) for twin in picture.shards)]
    if len(able) > 1:
        raise UsageError(f"{what} at several sites: say which with --site {' or --site '.join(able)}")
    if able or len(sites) == 1:
        return (able or sites)[0]
    raise UsageError(
        "no line is known" if not sites else f"say for which site: --site {' or --site '.join(sites)}"
    )


def shard_of(picture: Picture, site_id: str) -> Twin:
    """The twin that has a site.

    Raises:
        UsageError: none has it.
    """
    for twin in picture.shards:
        if any(key[0] == site_id for key in twin.model.lines):
            return twin
    raise UsageError(f"no line of site {site_id!r} is known")


def request_for(twin: Twin, kind: str, site_id: str, **fields: Any) -> ReplanRequested:
    """What the twin asks the solver when somebody sends a command; the twin has then taken it, so use it for this only.

    Args:
        twin: of the site, folded up to the moment in question.
        kind: replan_request or quote_request.
        site_id: that it is about.
        fields: of that kind.

    Raises:
        UsageError: the twin refuses, in its own words.
    """
    if twin.now is None:
        raise UsageError("no clock has ticked yet: nothing can be planned")
    sent = _command(kind, site_id, utc(twin.now), fields)
    segment = Segment.model_validate(
        {
            "topic": topics.COMMANDS,
            "partition": SOURCE_PARTITION,
            "positions": [(0, 0)],
            "events": [sent],
        }
    )
    asked: ReplanRequested | None = None
    for output in twin.apply(Facts(group_id=site_id, segments=[segment])):
        body = output.body
        if isinstance(body, CommandResult) and body.outcome == "rejected":
            raise UsageError(body.message or body.reason or "the question was refused")
        if isinstance(body, ReplanRequested) and sent.event_id in body.caused_by:
            asked = body
    if asked is None:
        raise ForesiteError(f"the twin took the {kind} and asked nothing")
    return asked


def answer_to(
    request: ReplanRequested, engine: Engine, told: Callable[[Proposal], object] = lambda _: None
) -> Proposal:
    """The final revision of the answer.

    Args:
        request: to be answered.
        engine: answers it.
        told: is handed every revision as it comes.

    Raises:
        ForesiteError: the engine refuses the request.
    """
    last: Proposal | None = None
    for proposal in engine(request, clock=time.monotonic, cancelled=lambda: False):
        if proposal is not None:
            last = proposal
            told(proposal)
    assert last is not None
    assert last.is_final
    return last


def _command(kind: str, site_id: str, now: datetime, fields: dict[str, Any]) -> Command:
    """Its id follows from what it says: the same question at the same moment is the same request, with the same answer."""
    said = "/".join(str(fields[name]) for name in sorted(fields))
    command_id = f"{kind}/{said}/{int(now.timestamp())}"[:200]
    made = MODEL_OF_KIND[kind].model_validate(
        {
            "kind": kind,
            "event_id": command_id,
            "event_time": now,
            "site_id": site_id,
            "command_id": command_id,
            "actor": ACTOR,
            **fields,
        }
    )
    assert isinstance(made, Command)
    return made
