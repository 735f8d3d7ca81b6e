"""Several requests at once, one turn after the other: whose turn it is, who is given up, what came of each turn.

Law: what a request is answered with follows from the request alone. Turns decide when an answer comes, never which: each
request has a generator of its own, and no generator sees another one.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from schemas import ForesiteError, Proposal, ReplanRequested
from streams.solver_answers import refusal

FAIR_EVERY = 4
"""Every so many turns the request that has waited longest for one gets it, whatever its stage. Too small: first answers
wait for the polish of others. Too large: while new requests keep coming, nobody is polished."""

SUPERSEDED_KEPT = 10_000
"""Requests remembered as superseded before they were read. Too small: one that is read late, from another partition, is
solved for nobody. Too large: memory, some 100 bytes each."""

Position = tuple[int, int]
"""Partition and offset of a request."""

Outcome = Literal["working", "revision", "answered", "refused"]


class Engine(Protocol):
    """solvers.engine.solve is one."""

    def __call__(
        self, request: ReplanRequested, *, clock: Callable[[], float], cancelled: Callable[[], bool]
    ) -> Iterator[Proposal | None]:
        """Revisions of the answer, the last one final; None now and then, so that others get their turn.

        Raises:
            ForesiteError: the request cannot be worked on as it is.
        """
        ...


class EngineFailed(ForesiteError):
    """A bug of ours: the engine stopped on a request that it took for a good one. The message says where it lies."""


@dataclass(slots=True)
class Ticket:
    """A request that is being worked on.

    Attributes:
        position: where it was read.
        taken_at: seconds of the desk's clock.
        revisions: handed over so far; last_turn: number of its last turn.
        is_cancelled: nobody wants the answer any more.
        worked_s: work of its turns so far; turn_began: what the thread had worked when its last turn began.
    """

    position: Position
    request: ReplanRequested
    taken_at: float
    revisions: int = 0
    last_turn: int = 0
    is_cancelled: bool = False
    worked_s: float = 0.0
    turn_began: float = 0.0
    work: Iterator[Proposal | None] = field(default_factory=lambda: iter(()))


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn gave.

    Attributes:
        proposal: to be published; None while it works on.
        seconds: since the request was taken.
    """

    ticket: Ticket
    outcome: Outcome
    proposal: Proposal | None
    seconds: float


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A request that needs no answer any more: superseded by another one, or asked again for the same proposal."""

    position: Position
    request_id: str
    reason: Literal["superseded", "asked_again"]


class SolverDesk:
    """Requests under work.

    Args:
        engine: makes the revisions of one request.
        clock: seconds that only grow.
        worked: seconds of work done by this thread; the engine's guard goes by what a request's own turns took of it,
            so that neither other requests nor a busy machine change an answer.
    """

    def __init__(
        self, engine: Engine, clock: Callable[[], float], worked: Callable[[], float] = time.thread_time
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._worked = worked
        self._tickets: dict[Position, Ticket] = {}
        self._superseded: OrderedDict[str, None] = OrderedDict()
        self._turns = 0

    def __len__(self) -> int:
        """Requests that are not answered yet."""
        return len(self._tickets)

    def take(self, position: Position, request: ReplanRequested) -> list[GivenUp]:
        """Begin with a request.

        Returns:
            Requests that end by that, perhaps this one itself: it was superseded before it was read.
        """
        given_up: list[GivenUp] = []
        for ticket in list(self._tickets.values()):
            if ticket.request.request_id in request.supersedes:
                given_up.append(self._give_up(ticket, "superseded"))
            elif ticket.request.proposal_id == request.proposal_id:
                if ticket.request.first_revision > request.first_revision:  # partitions are read side by side
                    return [*given_up, GivenUp(position, request.request_id, "asked_again")]
                given_up.append(self._give_up(ticket, "asked_again"))
        for request_id in request.supersedes:
            self._superseded[request_id] = None
        while len(self._superseded) > SUPERSEDED_KEPT:
            self._superseded.popitem(last=False)
        if request.request_id in self._superseded:
            return [*given_up, GivenUp(position, request.request_id, "superseded")]
        ticket = Ticket(position, request, self._clock(), last_turn=self._turns)
        ticket.work = self._answer(ticket)
        self._tickets[position] = ticket
        return given_up

    def turn(self) -> Turn | None:
        """Let one request work for a moment; None where there is none.

        Raises:
            EngineFailed: with the position of the request.
        """
        if not self._tickets:
            return None
        self._turns += 1
        ticket = self._next()
        ticket.last_turn = self._turns
        ticket.turn_began = self._worked()
        try:
            proposal = next(ticket.work)
        except ForesiteError as error:
            proposal = refusal(ticket.request, ticket.request.first_revision + ticket.revisions, str(error))
        except StopIteration:
            raise EngineFailed(self._told(ticket, "it ended without a final revision")) from None
        except Exception as error:  # whatever it is, it is ours
            raise EngineFailed(self._told(ticket, f"{type(error).__name__}: {error}")) from error
        finally:
            ticket.worked_s += self._worked() - ticket.turn_began
        seconds = self._clock() - ticket.taken_at
        if proposal is None:
            return Turn(ticket, "working", None, seconds)
        ticket.revisions += 1
        outcome: Outcome = "revision" if not proposal.is_final else "answered"
        if proposal.is_final and not proposal.options and proposal.quote is None:
            outcome = "refused"
        if outcome != "revision":
            self._close(ticket)
        told = proposal.model_copy(update={"solve_ms": round(seconds * 1000.0, 3)})
        return Turn(ticket, outcome, told, seconds)

    def drop(self, partition: int) -> int:
        """Forget the requests of a partition that somebody else has now; says how many."""
        mine = [ticket for position, ticket in self._tickets.items() if position[0] == partition]
        for ticket in mine:
            self._close(ticket)
        return len(mine)

    def _answer(self, ticket: Ticket) -> Iterator[Proposal | None]:
        """The engine's revisions; it is called at the first turn, so that all that it raises comes up there."""
        yield from self._engine(
            ticket.request,
            clock=lambda: ticket.worked_s + self._worked() - ticket.turn_began,
            cancelled=lambda: ticket.is_cancelled,
        )

    def _next(self) -> Ticket:
        tickets = self._tickets.values()
        if self._turns % FAIR_EVERY == 0:
            return min(tickets, key=lambda ticket: ticket.last_turn)
        return min(tickets, key=lambda ticket: (ticket.revisions, ticket.last_turn))

    def _give_up(self, ticket: Ticket, reason: Literal["superseded", "asked_again"]) -> GivenUp:
        self._close(ticket)
        return GivenUp(ticket.position, ticket.request.request_id, reason)

    def _close(self, ticket: Ticket) -> None:
        ticket.is_cancelled = True
        del self._tickets[ticket.position]
        close = getattr(ticket.work, "close", None)
        if close is not None:
            close()

    @staticmethod
    def _told(ticket: Ticket, what: str) -> str:
        partition, offset = ticket.position
        return (
            f"the engine failed on request {ticket.request.request_id} at partition {partition}, offset {offset}, "
            f"after {ticket.revisions} revisions: {what}"
        )
