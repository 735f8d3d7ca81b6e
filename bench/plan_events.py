"""What happens to a plan: events on a scheduling problem, as the twin would tell them in its next request."""

from datetime import UTC, datetime
from random import Random

from schemas import ReplanRequested
from schemas.plans import Trigger
from schemas.scheduling import SchedulingLine, SchedulingProblem

HOUR_S = 3600.0


def line_down(problem: SchedulingProblem, index: int, hours: float) -> SchedulingProblem:
    """A line stands from now on for so many hours; what it was on goes on after that."""
    line = problem.lines[index]
    until = problem.as_of + hours * HOUR_S
    runs = []
    for run in problem.runs:
        is_on = (run.site_id, run.line_id) == (line.site_id, line.line_id)
        if is_on and run.next_piece_at is not None:
            run = run.model_copy(update={"state": "held", "next_piece_at": max(run.next_piece_at, until)})
        runs.append(run)
    spans = [
        (max(start, until), end) for start, end in line.spans if end > until
    ]
    lines = list(problem.lines)
    lines[index] = line.model_copy(update={"is_hit": True, "spans": spans})
    return problem.model_copy(update={"lines": lines, "runs": runs})


def request_of(
    problem: SchedulingProblem, trigger: Trigger = "line_down", request_id: str = "request-1"
) -> ReplanRequested:
    """A request that asks a problem."""
    return ReplanRequested(
        output_id=request_id,
        request_id=request_id,
        proposal_id=f"proposal/{request_id}",
        site_id=problem.lines[0].site_id,
        trigger=trigger,
        triggers=[trigger],
        because=[trigger.replace("_", " ")],
        caused_by=[request_id],
        scope=[f"{line.site_id}/{line.line_id}" for line in problem.lines],
        plan_revision=1,
        problem=problem,
        as_of=datetime.fromtimestamp(problem.as_of, UTC),
    )


def busiest(problem: SchedulingProblem, random: Random) -> int:
    """A line with work on it."""
    busy = {(run.site_id, run.line_id) for run in problem.runs}
    lines = [index for index, line in enumerate(problem.lines) if _key(line) in busy]
    return random.choice(lines)


def _key(line: SchedulingLine) -> tuple[str, str]:
    return line.site_id, line.line_id
