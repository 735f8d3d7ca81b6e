"""From a request to proposals: staged revisions of one answer, each better than the one before.

hold: what happens if nobody acts; then, where something has no place yet, the best one for it. Milliseconds each.
repair: warm local search on the lines that are hit, then on those that can help, then on all; a revision each time that
    it has brought enough.
polish: windows by CP-SAT, and the alternatives of alternatives.py; compared, and the best kept.

Law: never worse than hold under the request's own goal, no option that the independent checker objects to, and the same
request gives the same plans: budgets are moves and deterministic time, the clock passed in is only a guard.
"""

from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from typing import Literal

from schemas import Proposal, ReplanRequested
from schemas.plans import PlanOption, Quote
from solvers.alternatives import alternatives
from solvers.board import Board
from solvers.conditional import conditional
from solvers.evaluator import evaluate
from solvers.goals import weights_of
from solvers.inserting import first_plan
from solvers.options import choices_of
from solvers.problem import Problem, ProblemInvalid, hold_plan
from solvers.quote import quote
from solvers.repairing import repaired

Clock = Callable[[], float]
"""Monotonic seconds. Nothing is decided by it but when to stop trying."""

Cancelled = Callable[[], bool]
"""Whether the request has been superseded."""

GUARD_S = 20.0
"""Seconds after which a request gets the answer that is there. Too small: answers depend on how busy the machine is;
too large: a problem that is far beyond its budget keeps others waiting."""

Stage = Literal["hold", "repair", "polish"]


def solve(request: ReplanRequested, *, clock: Clock, cancelled: Cancelled) -> Iterator[Proposal | None]:
    """Answer a request in stages.

    Args:
        request: with its self-contained problem.
        clock: monotonic seconds, a guard against endless work.
        cancelled: asked between steps; once true, nothing more comes.

    Yields:
        Proposals, rising revisions of one; None every few milliseconds, so that a caller can interleave requests.
    """
    answer = _Answer(request, clock)
    try:
        problem = Problem(request.problem)
        if request.trigger == "quote":
            yield answer.quoted(_quote(problem))
            return
    except ProblemInvalid as error:
        yield answer.failed(str(error))
        return
    steps = _solve(answer, problem)
    for step in steps:
        if cancelled():
            return
        yield step


def _solve(answer: "_Answer", problem: Problem) -> Iterator[Proposal | None]:
    wire = problem.wire
    weights = weights_of(wire.goal, wire.move_cost)
    hold = evaluate(problem, hold_plan(problem))
    board = Board(hold, weights)
    yield from answer.proposal("hold", board, is_final=False)

    first = hold
    for found in first_plan(hold, weights):
        if found is None:
            yield None
        else:
            first = found
    if board.offer("repair", first):
        yield from answer.proposal("hold", board, is_final=False)

    told = board.best_worth
    for repair in repaired(hold, first, weights):
        if repair is None:
            yield None
        else:
            board.moves += repair.moves
            board.offer("repair", repair.found)
            if board.has_improved(told):
                told = board.best_worth
                yield from answer.proposal("repair", board, is_final=False)
        if answer.is_out_of_time():
            break
    for other in alternatives(board):
        if other is None:
            yield None
        else:
            board.moves += other.moves
            board.offer(other.label, other.found)
        if answer.is_out_of_time():
            break
    for advice in conditional(board):
        if advice is None:
            yield None
        else:
            board.advice.append(advice)
    yield from answer.proposal("polish", board, is_final=True)


def _quote(problem: Problem) -> Quote:
    """The places of the last run that nobody has planned: what is quoted, its earlier steps before it.

    Raises:
        ProblemInvalid: nothing waits for a place.
    """
    waiting = [key for key in problem.runs if key not in problem.committed_line]
    for key in reversed(waiting):
        run = problem.runs[key]
        for peg in run.pegs:
            order = problem.orders.get((peg.site_id, peg.order_id))
            if order is not None:
                due = datetime.fromtimestamp(order.promised, UTC)
                return quote(problem, run.item_id, run.quantity_pcs, due)
    raise ProblemInvalid(f"problem {problem.wire.problem_id}: runs: nothing waits for a place")


class _Answer:
    """Writes the revisions of one proposal."""

    def __init__(self, request: ReplanRequested, clock: Clock) -> None:
        self._request, self._clock = request, clock
        self._began = clock()
        self._revision = request.first_revision

    def is_out_of_time(self) -> bool:
        """Whether the guard has run out."""
        return self._clock() - self._began > GUARD_S

    def proposal(
        self, stage: Stage, board: Board, *, is_final: bool
    ) -> Generator[Proposal | None, None, None]:
        """The next revision, with the options that the board holds; None while they are written."""
        options = yield from board.written()
        yield self._written(stage, options, board.moves, is_final=is_final, dropped=board.dropped)

    def quoted(self, found: Quote) -> Proposal:
        """The answer to a quote: places, no options."""
        return self._written("polish", [], 0, is_final=True, found=found)

    def failed(self, error: str) -> Proposal:
        """An answer without options."""
        return self._written("hold", [], 0, is_final=True, error=error)

    def _written(
        self,
        stage: Stage,
        options: list[PlanOption],
        moves: int,
        *,
        is_final: bool,
        found: Quote | None = None,
        error: str | None = None,
        dropped: int = 0,
    ) -> Proposal:
        request = self._request
        revision = self._revision
        self._revision += 1
        if dropped:
            word = "option was" if dropped == 1 else "options were"
            error = f"{dropped} {word} dropped: the checker objected"
        return Proposal(
            event_id=f"{request.proposal_id}/{revision}",
            event_time=request.as_of,
            site_id=request.site_id,
            proposal_id=request.proposal_id,
            request_id=request.request_id,
            revision=revision,
            stage=stage,
            is_final=is_final,
            trigger=request.trigger,
            because=request.because,
            scope=request.scope,
            card_ids=request.card_ids,
            plan_revision=request.plan_revision,
            goal=request.problem.goal,
            options=options,
            choices=choices_of(request.problem),
            quote=found,
            seed=request.problem.seed,
            moves=moves,
            solve_ms=round((self._clock() - self._began) * 1000.0, 3),
            error=error,
        )
