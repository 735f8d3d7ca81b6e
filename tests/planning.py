"""Small scheduling problems for tests, with times that a person can follow: 0 is Monday 00:00 UTC, hours count from it."""

from datetime import UTC, datetime
from typing import Any

from schemas import ReplanRequested
from schemas.plans import Trigger
from schemas.scheduling import (
    EligibleLine,
    OvertimeOffer,
    PeggedTo,
    SchedulingLine,
    SchedulingOrder,
    SchedulingProblem,
    SchedulingRun,
    SetupMatrix,
    SetupTime,
)
from solvers.evaluator import Evaluated, evaluate
from solvers.problem import Plan, Problem, hold_plan

MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
HOUR = 3600.0


def hour(number: float) -> float:
    """A moment of the test week, in hours since Monday 00:00."""
    return MONDAY + number * HOUR


def hours(moment: float) -> float:
    """The other way round, to a thousandth."""
    return round((moment - MONDAY) / HOUR, 3)


def line(line_id: str = "L1", *, site: str = "S1", days: int = 14, **changes: Any) -> SchedulingLine:
    """A line that works 06:00 to 22:00 every day and is free from Monday 06:00."""
    values: dict[str, Any] = {
        "site_id": site,
        "line_id": line_id,
        "name": f"Line {line_id[1:]}",
        "free_from": hour(6),
        "family": "A",
        "setup_id": "m",
        "spans": [(hour(24 * day + 6), hour(24 * day + 22)) for day in range(days)],
    }
    return SchedulingLine(**(values | changes))


def run(
    run_id: str,
    *,
    at: float | None = None,
    work_h: float = 2.0,
    on: str | None = "L1",
    position: int | None = 0,
    lines: tuple[str, ...] = ("L1",),
    order: str | None = None,
    site: str = "S1",
    **changes: Any,
) -> SchedulingRun:
    """A free run of 100 pieces an hour, planned at an hour of the week; its order has its name unless told."""
    eligible = [EligibleLine(site_id=site, line_id=each, rate_pcs_per_h=100.0) for each in lines]
    values: dict[str, Any] = {
        "site_id": site,
        "run_id": run_id,
        "item_id": f"item-{run_id}",
        "family": "A",
        "freedom": "free",
        "line_id": on,
        "position": position if on is not None else None,
        "planned_start": None if at is None else hour(at),
        "planned_end": None if at is None else hour(at + work_h),
        "quantity_pcs": 100.0 * work_h,
        "remaining_pcs": 100.0 * work_h,
        "eligible": eligible,
        "pegs": [PeggedTo(site_id=site, order_id=order or f"O{run_id[1:]}", quantity_pcs=100.0 * work_h)],
    }
    return SchedulingRun(**(values | changes))


def order(
    order_id: str, promised: float, *, penalty: float = 1000.0, site: str = "S1", **changes: Any
) -> SchedulingOrder:
    """An order promised at an hour of the week, without a route."""
    values: dict[str, Any] = {
        "site_id": site,
        "order_id": order_id,
        "customer_id": "northwind",
        "customer_name": "Northwind",
        "item_id": "item",
        "quantity_pcs": 200.0,
        "promised": hour(promised),
        "on_time_slot": hour(promised),
        "penalty_per_day": penalty,
        "unit_price": 20.0,
        "unit_cost": 10.0,
    }
    return SchedulingOrder(**(values | changes))


SETUPS = SetupMatrix(
    setup_id="m",
    entries=[
        SetupTime(from_family="A", to_family="B", setup_s=1800.0, cost=50.0),
        SetupTime(from_family="B", to_family="A", setup_s=3600.0, cost=80.0),
    ],
    default_s=2700.0,
    same_family_s=0.0,
)
"""A to B half an hour, B to A an hour, anything else three quarters."""


def problem(
    lines: list[SchedulingLine],
    runs: list[SchedulingRun],
    orders: list[SchedulingOrder],
    *,
    as_of: float = 6.0,
    **changes: Any,
) -> SchedulingProblem:
    """A problem of two weeks, asked at an hour of the week."""
    values: dict[str, Any] = {
        "problem_id": "test",
        "as_of": hour(as_of),
        "horizon_end": hour(14 * 24),
        "frozen_until": hour(as_of),
        "lines": lines,
        "setups": [SETUPS],
        "runs": runs,
        "orders": orders,
        "move_budget": 20_000,
    }
    return SchedulingProblem(**(values | changes))


def overtime(
    window_id: str, start: float, end: float, *, price: float, notice: float | None = None
) -> OvertimeOffer:
    """A window between two hours of the week."""
    return OvertimeOffer(
        window_id=window_id,
        start=hour(start),
        end=hour(end),
        notice_by=hour(start if notice is None else notice),
        cost_per_h=price,
    )


def held(wire: SchedulingProblem) -> Evaluated:
    """The committed plan, evaluated."""
    indexed = Problem(wire)
    return evaluate(indexed, hold_plan(indexed))


def planned(base: Evaluated, sequences: dict[int, list[str]], **starts: float) -> Evaluated:
    """Other sequences on some lines, as early as they can be but where a start is given; run ids of site S1."""
    changed = {index: tuple(("S1", run_id) for run_id in ids) for index, ids in sequences.items()}
    plan = base.plan.with_sequences(changed).with_starts(
        {("S1", key): hour(at) for key, at in starts.items()}
    )
    return evaluate(base.problem, Plan(plan.sequences, plan.starts, plan.overtime, plan.splits), base)


def request_of(wire: SchedulingProblem, trigger: Trigger = "manual") -> ReplanRequested:
    """A request that asks a problem."""
    return ReplanRequested(
        output_id="request-1",
        request_id="request-1",
        proposal_id="proposal-1",
        site_id=wire.lines[0].site_id,
        trigger=trigger,
        triggers=[trigger],
        because=[trigger],
        caused_by=["event-1"],
        scope=[f"{each.site_id}/{each.line_id}" for each in wire.lines],
        plan_revision=7,
        problem=wire,
        as_of=datetime.fromtimestamp(wire.as_of, UTC),
    )
