"""Scheduling problems small enough to solve by hand: hours after a midnight instead of POSIX seconds."""

from collections.abc import Sequence

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

HOUR = 3600.0
ALWAYS = [(0.0, 1000.0)]


def hours(value: float) -> float:
    """Seconds of so many hours."""
    return value * HOUR


def line(
    line_id: str,
    spans: Sequence[tuple[float, float]] = ALWAYS,
    *,
    overtime: Sequence[OvertimeOffer] = (),
    family: str | None = None,
    setup_id: str | None = None,
    level: float = 1.0,
    site_id: str = "S",
    free_from: float = 0.0,
) -> SchedulingLine:
    """A line that works in these hours."""
    return SchedulingLine(
        site_id=site_id,
        line_id=line_id,
        name=f"Line {line_id}",
        free_from=hours(free_from),
        family=family,
        setup_id=setup_id,
        spans=[(hours(start), hours(end)) for start, end in spans],
        overtime=list(overtime),
        level=level,
    )


def offer(
    window_id: str, start: float, end: float, *, cost_per_h: float, notice_by: float = 500.0
) -> OvertimeOffer:
    """Overtime on sale."""
    return OvertimeOffer(
        window_id=window_id,
        start=hours(start),
        end=hours(end),
        notice_by=hours(notice_by),
        cost_per_h=cost_per_h,
    )


def run(
    run_id: str,
    pieces: float,
    *,
    on: str | None,
    position: int | None = 0,
    lines: Sequence[str] = (),
    family: str | None = None,
    orders: Sequence[str] = (),
    freedom: str = "free",
    start: float = 0.0,
    rate: float = 100.0,
    release: float | None = None,
) -> SchedulingRun:
    """A planned run, 100 pieces an hour unless said otherwise, for orders that it is named after."""
    return SchedulingRun(
        site_id="S",
        run_id=run_id,
        item_id=f"item of {family or 'none'}",
        family=family,
        freedom=freedom,  # type: ignore[arg-type]
        line_id=on,
        position=None if on is None else position,
        planned_start=None if on is None else hours(start),
        planned_end=None,
        quantity_pcs=pieces,
        remaining_pcs=pieces,
        release_at=None if release is None else hours(release),
        eligible=[
            EligibleLine(site_id="S", line_id=each, rate_pcs_per_h=rate)
            for each in lines or ([on] if on else [])
        ],
        pegs=[PeggedTo(site_id="S", order_id=each, quantity_pcs=pieces) for each in orders or (run_id,)],
    )


def order(
    order_id: str,
    promised: float,
    *,
    penalty: float | None = None,
    departures: Sequence[float] | None = None,
    weight: float = 1.0,
    cannot_slip: bool = False,
) -> SchedulingOrder:
    """An order promised at an hour."""
    return SchedulingOrder(
        site_id="S",
        order_id=order_id,
        customer_id=f"c-{order_id}",
        customer_name=f"Customer {order_id}",
        item_id="item",
        quantity_pcs=100.0,
        promised=hours(promised),
        on_time_slot=hours(promised),
        departures=None if departures is None else [hours(each) for each in departures],
        penalty_per_day=penalty,
        weight=weight,
        cannot_slip=cannot_slip,
    )


def setups(setup_id: str, minutes: dict[tuple[str, str], float], *, default_min: float = 0.0) -> SetupMatrix:
    """A matrix; minutes between families."""
    return SetupMatrix(
        setup_id=setup_id,
        entries=[
            SetupTime(from_family=before, to_family=after, setup_s=each * 60.0)
            for (before, after), each in minutes.items()
        ],
        default_s=default_min * 60.0,
        same_family_s=0.0,
    )


def problem(
    lines: Sequence[SchedulingLine],
    runs: Sequence[SchedulingRun],
    orders: Sequence[SchedulingOrder],
    *,
    matrices: Sequence[SetupMatrix] = (),
    frozen_until: float = 0.0,
) -> SchedulingProblem:
    """The problem at midnight."""
    return SchedulingProblem(
        problem_id="by-hand",
        as_of=0.0,
        horizon_end=hours(1000.0),
        frozen_until=hours(frozen_until),
        lines=list(lines),
        setups=list(matrices),
        runs=list(runs),
        orders=list(orders),
    )
