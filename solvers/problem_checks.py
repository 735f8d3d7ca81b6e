"""What must hold of a problem by itself; each refusal names the entity, the field and what is wrong with it."""

from collections.abc import Iterable
from math import isfinite

from schemas import ProblemInvalid
from schemas.scheduling import SchedulingLine, SchedulingOrder, SchedulingProblem, SchedulingRun
from solvers.working_time import are_apart


def check_problem(problem: SchedulingProblem) -> None:
    """Refuse what cannot be.

    Raises:
        ProblemInvalid: with the first thing that is wrong.
    """
    _positive("problem " + problem.problem_id, horizon_end=problem.horizon_end - problem.as_of)
    _not_negative(
        "problem " + problem.problem_id,
        min_gain=problem.min_gain,
        move_cost=problem.move_cost,
        move_budget=float(problem.move_budget),
    )
    if not problem.lines:
        raise ProblemInvalid(f"problem {problem.problem_id}: lines is empty")
    _unique("line", ((line.site_id, line.line_id) for line in problem.lines))
    _unique("run", ((run.site_id, run.run_id) for run in problem.runs))
    _unique("order", ((order.site_id, order.order_id) for order in problem.orders))
    _unique("setup", ((matrix.setup_id,) for matrix in problem.setups))
    for matrix in problem.setups:
        name = f"setup {matrix.setup_id}"
        _not_negative(name, default_s=matrix.default_s, same_family_s=matrix.same_family_s)
        _unique(f"{name}: entry", ((each.from_family, each.to_family) for each in matrix.entries))
        for entry in matrix.entries:
            where = f"{name}, {entry.from_family} to {entry.to_family}"
            _not_negative(where, setup_s=entry.setup_s, cost=entry.cost)
    setup_ids = {matrix.setup_id for matrix in problem.setups}
    for line in problem.lines:
        _check_line(line, setup_ids)
    for order in problem.orders:
        _check_order(order)
    line_keys = {(line.site_id, line.line_id) for line in problem.lines}
    run_keys = {(run.site_id, run.run_id) for run in problem.runs}
    for run in problem.runs:
        _check_run(run, line_keys, run_keys)
    _check_queues(problem)


def _check_line(line: SchedulingLine, setup_ids: set[str]) -> None:
    name = f"line {line.site_id}/{line.line_id}"
    _finite(name, free_from=line.free_from)
    if line.setup_id is not None and line.setup_id not in setup_ids:
        raise ProblemInvalid(f"{name}: setup_id {line.setup_id} is not among the setups")
    if not are_apart(line.spans) or not all(isfinite(edge) for span in line.spans for edge in span):
        raise ProblemInvalid(f"{name}: spans are not in order, empty or overlap")
    _positive(name, level=line.level)
    _not_negative(name, drift_ends_per_s=line.drift_ends_per_s, short_share=line.short_share)
    _unique(f"{name}: overtime", ((offer.window_id,) for offer in line.overtime))
    for offer in line.overtime:
        where = f"{name}, overtime {offer.window_id}"
        _finite(where, start=offer.start, notice_by=offer.notice_by)
        _positive(where, end=offer.end - offer.start)
        _not_negative(where, cost_per_h=offer.cost_per_h)


def _check_order(order: SchedulingOrder) -> None:
    name = f"order {order.site_id}/{order.order_id}"
    _finite(name, promised=order.promised, on_time_slot=order.on_time_slot)
    _not_negative(
        name,
        quantity_pcs=order.quantity_pcs,
        loading_s=order.loading_s,
        penalty_per_day=order.penalty_per_day or 0.0,
        weight=order.weight,
    )
    if order.departures is not None and order.departures != sorted(set(order.departures)):
        raise ProblemInvalid(f"{name}: departures are not in order or repeat")
    moments, chances = [moment for moment, _ in order.misses], [chance for _, chance in order.misses]
    if moments != sorted(set(moments)) or chances != sorted(chances):
        raise ProblemInvalid(f"{name}: moments or probabilities of misses do not rise")
    if chances and not (
        isfinite(moments[0]) and isfinite(moments[-1]) and 0.0 <= chances[0] <= chances[-1] <= 1.0
    ):
        raise ProblemInvalid(f"{name}: misses are not moments with probabilities from 0 to 1")


def _check_run(
    run: SchedulingRun,
    lines: set[tuple[str, str]],
    runs: set[tuple[str, str]],
) -> None:
    name = f"run {run.site_id}/{run.run_id}"
    _not_negative(
        name,
        quantity_pcs=run.quantity_pcs,
        remaining_pcs=run.remaining_pcs,
        setup_s=run.setup_s or 0.0,
    )
    if not run.eligible:
        raise ProblemInvalid(f"{name}: eligible is empty")
    _unique(f"{name}: eligible", ((each.site_id, each.line_id) for each in run.eligible))
    for each in run.eligible:
        where = f"{name}, eligible {each.site_id}/{each.line_id}"
        if (each.site_id, each.line_id) not in lines:
            raise ProblemInvalid(f"{where} is not among the lines")
        _positive(where, rate_pcs_per_h=each.rate_pcs_per_h)
        _not_negative(where, transfer_s=each.transfer_s, transfer_cost=each.transfer_cost)
    has_begun = run.state != "planned"
    if has_begun != (run.freedom == "started"):
        raise ProblemInvalid(f"{name}: freedom is {run.freedom}, its state {run.state}")
    if has_begun and run.next_piece_at is None:
        raise ProblemInvalid(f"{name}: next_piece_at is missing, its state is {run.state}")
    if run.line_id is None:
        if run.position is not None or run.planned_start is not None:
            raise ProblemInvalid(f"{name}: it has a position or planned_start, but no line_id")
        if run.freedom != "free":
            raise ProblemInvalid(f"{name}: freedom is {run.freedom}, but it has no line_id")
    else:
        if run.position is None or (run.planned_start is None and not has_begun):
            raise ProblemInvalid(f"{name}: position or planned_start is missing, it is on {run.line_id}")
        if (run.site_id, run.line_id) not in lines:
            raise ProblemInvalid(f"{name}: line_id {run.line_id} is not among the lines")
    _unique(f"{name}: pegs", ((peg.site_id, peg.order_id) for peg in run.pegs))
    for feeder in run.fed_by:
        if tuple(feeder) not in runs or tuple(feeder) == (run.site_id, run.run_id):
            raise ProblemInvalid(
                f"{name}: fed_by names run {feeder[0]}/{feeder[1]}, which is not another run"
            )
    for gate in run.gates:
        _finite(f"{name}, gate of {gate.item_id}", at=gate.at)
        _not_negative(f"{name}, gate of {gate.item_id}", after_pcs=gate.after_pcs)
    moments = {
        "planned_start": run.planned_start,
        "release_at": run.release_at,
        "not_before": run.not_before,
        "next_piece_at": run.next_piece_at,
        "fed_at": run.fed_at,
    }
    _finite(name, **{field: moment for field, moment in moments.items() if moment is not None})


def _check_queues(problem: SchedulingProblem) -> None:
    """Positions count from 0 without holes, and what has begun stands at the head."""
    queues: dict[tuple[str, str], list[SchedulingRun]] = {}
    for run in problem.runs:
        if run.line_id is not None:
            queues.setdefault((run.site_id, run.line_id), []).append(run)
    for (site_id, line_id), queue in queues.items():
        queue.sort(key=lambda run: run.position or 0)
        waiting: SchedulingRun | None = None
        for place, run in enumerate(queue):
            name = f"run {run.site_id}/{run.run_id}"
            if run.position != place:
                raise ProblemInvalid(
                    f"{name}: position is {run.position}, but {place} is next on line {site_id}/{line_id}"
                )
            if run.state == "planned":
                waiting = run
            elif waiting is not None:
                raise ProblemInvalid(
                    f"{name}: position {place} lies behind run {waiting.run_id}, which has not begun"
                )


def _unique(name: str, keys: Iterable[tuple[str, ...]]) -> None:
    seen: set[tuple[str, ...]] = set()
    for key in keys:
        if key in seen:
            raise ProblemInvalid(f"{name} {'/'.join(key)} is there twice")
        seen.add(key)


def _finite(name: str, **values: float) -> None:
    for field, value in values.items():
        if not isfinite(value):
            raise ProblemInvalid(f"{name}: {field} is {value}")


def _positive(name: str, **values: float) -> None:
    for field, value in values.items():
        if not (isfinite(value) and value > 0.0):
            raise ProblemInvalid(f"{name}: {field} is {value}, not above 0")


def _not_negative(name: str, **values: float) -> None:
    for field, value in values.items():
        if not (isfinite(value) and value >= 0.0):
            raise ProblemInvalid(f"{name}: {field} is {value}, not 0 or above")
