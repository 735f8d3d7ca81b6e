"""What a scheduling problem says of the plan as it stands, worked out plainly, as schemas/scheduling.py describes it.

Slow and short: no running totals, no kernel. It shares no code with the twin's projection and none with the solver.
"""

from math import exp, inf

from schemas import SchedulingLine, SchedulingOrder, SchedulingProblem, SchedulingRun

Key = tuple[str, str]


def add_work(spans: list[tuple[float, float]], start: float, work_s: float) -> float:
    """The earliest moment by which so much working time has passed."""
    if work_s <= 0.0:
        return start
    for first, last in spans:
        begin = max(first, start)
        if begin < last:
            if work_s <= last - begin:
                return begin + work_s
            work_s -= last - begin
    return inf


def next_working(spans: list[tuple[float, float]], moment: float) -> float:
    """The moment itself if it is worked, else the next one that is."""
    return next((max(first, moment) for first, last in spans if moment < last), inf)


def work_between(spans: list[tuple[float, float]], start: float, end: float) -> float:
    """Working time between two moments."""
    return sum(max(0.0, min(last, end) - max(first, start)) for first, last in spans)


def hold(problem: SchedulingProblem) -> dict[Key, tuple[float, float]]:
    """Start and end of every planned run if nobody acts."""
    ends: dict[Key, float] = {}
    while True:
        found: dict[Key, tuple[float, float]] = {}
        for line in problem.lines:
            found |= _walk(problem, line, ends)
        after = {key: end for key, (_, end) in found.items()}
        if after == ends:
            return found
        ends = after


def _walk(
    problem: SchedulingProblem, line: SchedulingLine, ends: dict[Key, float]
) -> dict[Key, tuple[float, float]]:
    queue = sorted(
        (run for run in problem.runs if (run.site_id, run.line_id) == (line.site_id, line.line_id)),
        key=lambda run: run.position or 0,
    )
    free_at, family, ahead_s = line.free_from, line.family, 0.0
    found: dict[Key, tuple[float, float]] = {}
    for index, run in enumerate(queue):
        if run.next_piece_at is not None:
            start = run.next_piece_at if index == 0 else max(run.next_piece_at, free_at)
        else:
            start = _begin(problem, line, run, free_at, family, ends, is_first=index == 0)
        family = run.family or family
        (own,) = [e for e in run.eligible if (e.site_id, e.line_id) == (line.site_id, line.line_id)]
        work_s = run.remaining_pcs / own.rate_pcs_per_h * 3600.0 / line.level
        before_s, ahead_s = ahead_s, ahead_s + work_s
        if line.drift_ends_per_s > 0.0:
            lasts = [(1.0 - exp(-line.drift_ends_per_s * each)) / line.drift_ends_per_s for each in (before_s, ahead_s)]  # fmt: skip
            work_s -= (1.0 - line.level) * (work_s - (lasts[1] - lasts[0]))
        end = add_work(line.spans, start, work_s * (1.0 + line.short_share)) if start < inf else inf
        for gate in run.gates:
            if end < inf and gate.at > start and run.remaining_pcs > 0:
                pieces = min(run.remaining_pcs, gate.after_pcs)
                held_s = pieces / own.rate_pcs_per_h * 3600.0 / line.level
                until = add_work(line.spans, gate.at, held_s)
                if work_between(line.spans, end, until) > 0.0:
                    end = until
        found[run.site_id, run.run_id] = start, end
        free_at = end
    return found


def _begin(
    problem: SchedulingProblem,
    line: SchedulingLine,
    run: SchedulingRun,
    free_at: float,
    family: str | None,
    ends: dict[Key, float],
    *,
    is_first: bool,
) -> float:
    assert run.planned_start is not None
    earliest = max(run.planned_start, run.release_at or -inf, run.not_before or -inf)
    # Nobody sets up a line in the past; one that is ahead of its plan was set up in time.
    ready = max(free_at, problem.as_of) if is_first and earliest < problem.as_of else free_at
    setup = next_working(line.spans, add_work(line.spans, ready, setup_s(problem, line, run, family)))
    start = max(next_working(line.spans, earliest), setup)
    fed = [ends[key] for key in run.fed_by if key in ends] + ([] if run.fed_at is None else [run.fed_at])
    return max(start, next_working(line.spans, max(fed))) if fed else start


def setup_s(
    problem: SchedulingProblem, line: SchedulingLine, run: SchedulingRun, family: str | None
) -> float:
    """Setup of a line for a run after a family."""
    if run.setup_s is not None:
        return run.setup_s
    matrix = next((each for each in problem.setups if each.setup_id == line.setup_id), None)
    if matrix is None or family is None or run.family is None:
        return 0.0
    for entry in matrix.entries:
        if (entry.from_family, entry.to_family) == (family, run.family):
            return entry.setup_s
    return matrix.same_family_s if family == run.family else matrix.default_s


def ready_at(
    problem: SchedulingProblem, order: SchedulingOrder, plan: dict[Key, tuple[float, float]]
) -> float:
    """When the last of an order's runs has ended and was brought to its site."""
    ready = order.ready_elsewhere or -inf
    for run in problem.runs:
        if any((peg.site_id, peg.order_id) == (order.site_id, order.order_id) for peg in run.pegs):
            (own,) = [e for e in run.eligible if (e.site_id, e.line_id) == (run.site_id, run.line_id)]
            brought_s = own.transfer_s if own.site_id != order.site_id else 0.0
            ready = max(ready, plan[run.site_id, run.run_id][1] + brought_s)
    return ready


def ships_at(order: SchedulingOrder, ready: float) -> float | None:
    """The first departure that it catches; when it is ready where it has no route."""
    if order.departures is None:
        return ready
    return next((each for each in order.departures if each >= ready + order.loading_s), None)
