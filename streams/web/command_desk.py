"""Commands that come over HTTP: made from what was posted, put on their topic, and what became of them.

Law: a command is taken (202) only once Kafka has it; whoever got no 202 may post it again under the same command_id, and it
is carried out once. The actor is who signed in, whatever a body says.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

import orjson
import structlog
from pydantic import ValidationError

from schemas import MODEL_OF_KIND, CardCommand, Command, CommandResult, ProposalCommand, topics
from streams.faults import fault_point
from streams.metrics import Metrics
from streams.record_sender import NotDelivered, RecordSender
from streams.settings import Settings
from streams.web.access import COMMAND_ROLES, Principal, may
from streams.web.documents import Document
from streams.web.problems import FieldProblem, Problem, invalid, invalid_body, unavailable
from streams.web.view import View

log = structlog.get_logger(__name__)

SENT_KEPT: Final = 10_000
"""Commands remembered as sent, so that one that is posted again is not sent again. Too small: it is, and the twin answers
that it was answered before. Too large: memory, some 300 bytes each."""

RESULT_LOOK_S: Final = 0.05
"""Between two looks for a result that somebody waits for."""


class Sent(NamedTuple):
    """A command on its way.

    Attributes:
        fingerprint: of all that was asked, to tell a repetition from another command under the same id.
        delivery: ends when Kafka has it, or has not taken it.
    """

    kind: str
    actor: str
    fingerprint: bytes
    delivery: asyncio.Future[None]


class CommandDesk:
    """Takes commands.

    Args:
        settings: whose clock decides what time a command gets.
        view: what is known of its target, and of its result.
        sender: puts it on its topic.
        metrics: commands_total.
    """

    def __init__(self, settings: Settings, view: View, sender: RecordSender, metrics: Metrics) -> None:
        self._settings, self._view, self._sender, self._metrics = settings, view, sender, metrics
        self._topic = settings.topic_prefix + topics.COMMANDS
        self._sent: OrderedDict[str, Sent] = OrderedDict()
        self._in_flight = 0

    async def take(self, body: Mapping[str, Any], principal: Principal) -> Command:
        """Send a command and wait until Kafka has it; one that was sent before is not sent again.

        Raises:
            Problem: it cannot be understood, is not allowed, comes too late, or could not be delivered.
        """
        kind = body.get("kind")
        kind = kind if isinstance(kind, str) and kind in COMMAND_ROLES else "unknown"
        outcome = "error"
        try:
            command = self._made(kind, body, principal)
            outcome = await self._taken(command, principal)
            return command
        except Problem as problem:
            outcome = problem.kind
            raise
        finally:
            self._metrics.commands.labels(kind, outcome).inc()

    def result(self, command_id: str) -> CommandResult | None:
        """What became of a command; None as long as nobody has answered."""
        with self._view.reading() as view:
            return view.results.get(command_id)

    async def awaited(self, command_id: str, wait_s: float) -> CommandResult | None:
        """The same, waiting so long for it."""
        looks = int(wait_s / RESULT_LOOK_S)
        for _ in range(looks):
            if (result := self.result(command_id)) is not None:
                return result
            await asyncio.sleep(RESULT_LOOK_S)
        return self.result(command_id)

    def is_sent(self, command_id: str) -> bool:
        """Whether it was taken here."""
        sent = self._sent.get(command_id)
        return sent is not None and sent.delivery.done() and sent.delivery.exception() is None

    async def _taken(self, command: Command, principal: Principal) -> Literal["sent", "repeated"]:
        kind = command.kind
        if not may(principal.role, COMMAND_ROLES[kind]):
            raise Problem(
                403,
                "not_allowed",
                "Not allowed",
                f"{principal.name} is {principal.role}; {kind} needs {COMMAND_ROLES[kind]}",
            )
        fingerprint = _fingerprint(command)
        sent = self._sent.get(command.command_id)
        if sent is not None:
            if sent.fingerprint != fingerprint:
                raise _id_taken(command.command_id)
            await self._delivered(command, sent)
            return "repeated"
        if self._was_answered(command):
            return "repeated"
        self._check_revision(command)
        if self._in_flight >= self._settings.web_commands_in_flight_max:
            raise unavailable("busy", "too many commands wait for Kafka; it was not sent")
        delivery = asyncio.ensure_future(self._deliver(command))
        delivery.add_done_callback(_look_at)
        sent = Sent(kind, principal.name, fingerprint, delivery)
        self._sent[command.command_id] = sent
        if len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)
        await self._delivered(command, sent)
        return "sent"

    def _made(self, kind: str, body: Mapping[str, Any], principal: Principal) -> Command:
        if kind == "unknown":
            raise invalid([FieldProblem(path="kind", message=f"expected one of {', '.join(COMMAND_ROLES)}")])
        command_id = body.get("command_id")
        if command_id is None:
            message = "needed: an id of your own, so that sending it again does it once"
            raise invalid([FieldProblem(path="command_id", message=message)])
        said = {**body, "actor": principal.name, "event_id": command_id, "event_time": self._moment(body)}
        for name in ("source_id", "source_sequence"):
            said.pop(name, None)  # of gateways; here it would make the twin drop what follows
        try:
            command = MODEL_OF_KIND[kind].model_validate(said)
        except ValidationError as error:
            raise invalid_body(error) from None
        assert isinstance(command, Command)
        if isinstance(command, CardCommand | ProposalCommand) and command.expected_revision is None:
            raise invalid(
                [FieldProblem(path="expected_revision", message="needed: the revision you looked at")]
            )
        return command

    def _moment(self, body: Mapping[str, Any]) -> str:
        """Where events drive the clock, the plant's time is not ours: the target's own moment is in its past for sure."""
        if self._settings.clock == "wall":
            return datetime.now(UTC).isoformat()
        with self._view.reading() as view:
            target = _target(view, body)
            known = target.as_of if target is not None else view.as_of().get(str(body.get("site_id")))
        return (known or datetime.now(UTC)).isoformat()

    def _was_answered(self, command: Command) -> bool:
        """Whether the twin has answered a command of this id, perhaps before this process began."""
        result = self.result(command.command_id)
        if result is None:
            return False
        if (result.command_kind, result.actor) != (command.kind, command.actor):
            raise _id_taken(command.command_id)
        return True

    def _check_revision(self, command: Command) -> None:
        """Refuse at once what the twin will refuse, with what it is about as it now stands."""
        with self._view.reading() as view:
            target = _target(view, command.model_dump(include={"card_id", "proposal_id"}))
        expected = command.expected_revision
        if target is not None and expected is not None and expected < target.revision:
            raise Problem(
                409,
                "stale_revision",
                "It has changed since you looked",
                f"you looked at revision {expected}, it is at {target.revision}; look again, then decide",
                current=target.body,
            )

    async def _deliver(self, command: Command) -> None:
        self._in_flight += 1
        try:
            fault_point("before_command")
            body = command.model_dump_json(exclude_none=True).encode()
            await self._sender.deliver(self._topic, target_of(command), body)
        except NotDelivered:
            del self._sent[command.command_id]
            raise
        finally:
            self._in_flight -= 1

    async def _delivered(self, command: Command, sent: Sent) -> None:
        try:
            await asyncio.shield(sent.delivery)  # it goes on when whoever asked has gone
        except NotDelivered as error:
            log.warning(
                "command_not_delivered", command_id=command.command_id, actor=sent.actor, error=str(error)
            )
            raise unavailable(
                "not_delivered",
                "Kafka did not confirm it. It may or may not have arrived: send it again under the same command_id, it "
                "is carried out once",
            ) from None
        fault_point("after_command")


def target_of(command: Command) -> str:
    """Key of the record: what the command is about, so that commands on one thing stay in order."""
    for name in ("card_id", "proposal_id", "line_id", "item_id"):
        target = getattr(command, name, None)
        if target is not None:
            return str(target)
    return command.site_id


def _target(view: View, body: Mapping[str, Any]) -> Document | None:
    for name, topic in (("card_id", topics.CARDS), ("proposal_id", topics.PLANS)):
        if isinstance(body.get(name), str):
            return view.shelves[topic].documents.get(body[name])
    return None


def _look_at(delivery: asyncio.Future[None]) -> None:
    """Nobody may be left to hear that it failed."""
    if not delivery.cancelled():
        delivery.exception()


def _fingerprint(command: Command) -> bytes:
    said = command.model_dump(mode="json", exclude={"event_time"})
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()


def _id_taken(command_id: str) -> Problem:
    return Problem(
        409,
        "command_id_taken",
        "Another command has this id",
        f"{command_id!r} was sent before and said something else",
    )
