"""The plan as it stands: what each line makes next, in what sequence, when by projection, and for whom.

Law: read from the live model, nothing is judged: places are the queue's, times the projection's, ships the assessment's.
"""

from dataclasses import dataclass
from math import inf

from twin.forecast.assessment import Assessment
from twin.forecast.lookahead import assess_order, setup_s
from twin.forecast.projection import ProjectedRun
from twin.state.entities import Line, Order, Run
from twin.state.model import Model
from twin.state.runs import RunState


@dataclass(frozen=True, slots=True)
class OrderInPlan:
    """An order that a run is for. Times are POSIX seconds.

    Attributes:
        truck: last departure that keeps the promise; the promise itself where it has no route.
        ships_at: as projected; None where no departure is known, or a run of it is on no line.
        slip_s: how late, never negative; None where it is not known.
        p_late: probability of missing the truck; penalty: what that costs.
        is_last: this run is the one that is ready last for it.
    """

    order_id: str
    customer: str
    quantity_pcs: float
    promised: float
    truck: float
    ships_at: float | None
    slip_s: float | None
    p_late: float | None
    penalty: float
    is_last: bool

    @property
    def is_late(self) -> bool:
        """Whether it misses its promise as things stand."""
        return self.slip_s is None or self.slip_s > 0.0


@dataclass(frozen=True, slots=True)
class RunInPlan:
    """A run at its place in a line's queue, from 1.

    Attributes:
        setup_min: setting up between the run before and this one; 0 where it has begun.
        start_at, end_at: projected first and last piece; None where the line has no working time left.
        bound_by: what decides the start: plan, queue, feed, now or running; bound_run_id: the run that does.
    """

    place: int
    run_id: str
    item_id: str
    family: str | None
    state: str
    quantity_pcs: float
    remaining_pcs: float
    planned_start: float
    planned_end: float
    setup_min: float
    start_at: float | None
    end_at: float | None
    bound_by: str | None
    bound_run_id: str | None
    orders: tuple[OrderInPlan, ...]

    @property
    def is_late(self) -> bool:
        """Whether an order is late because of it."""
        return any(order.is_late and order.is_last for order in self.orders)


@dataclass(frozen=True, slots=True)
class LinePlan:
    """A line and what waits for it.

    Attributes:
        family: that it is set up for; level: its pace, 1 = as planned.
    """

    site_id: str
    line_id: str
    name: str
    state: str
    family: str | None
    level: float
    runs: tuple[RunInPlan, ...]


def line_plans(model: Model, site_id: str | None = None, line_id: str | None = None) -> list[LinePlan]:
    """Lines by site and id, each with its queue; site_id and line_id leave only those.

    Lines without a queue are in it, too: that they have nothing to do is part of the plan.
    """
    assessed: dict[tuple[str, str], Assessment | None] = {}
    return [
        _line_plan(model, line, assessed)
        for key, line in sorted(model.lines.items())
        if site_id in (None, key[0]) and line_id in (None, key[1])
    ]


def _line_plan(model: Model, line: Line, assessed: dict[tuple[str, str], Assessment | None]) -> LinePlan:
    rows = []
    family = line.state.family
    for place, run in enumerate(line.queued(), start=1):
        began = run.progress.state is not RunState.PLANNED
        setup_min = 0.0 if began else setup_s(line, model, run, family) / 60.0
        rows.append(_run_in_plan(model, line, run, place, setup_min, assessed))
        family = model.family_of(run) or family
    return LinePlan(
        line.site_id,
        line.line_id,
        line.name,
        line.state.packml,
        line.state.family,
        line.state.level,
        tuple(rows),
    )


def _run_in_plan(
    model: Model,
    line: Line,
    run: Run,
    place: int,
    setup_min: float,
    assessed: dict[tuple[str, str], Assessment | None],
) -> RunInPlan:
    projected: ProjectedRun | None = line.projected.get(run.run_id)
    return RunInPlan(
        place=place,
        run_id=run.run_id,
        item_id=run.plan.item_id,
        family=model.family_of(run),
        state=run.progress.state.value,
        quantity_pcs=run.plan.quantity_pcs,
        remaining_pcs=run.remaining_pcs,
        planned_start=run.planned_start,
        planned_end=run.planned_end,
        setup_min=setup_min,
        start_at=None if projected is None else _known(projected.start_at),
        end_at=None if projected is None else _known(projected.finish_at),
        bound_by=None if projected is None else projected.bound_by,
        bound_run_id=None if projected is None else projected.bound_run_id,
        orders=tuple(
            _order_in_plan(model, order, run, assessed) for order in model.orders_of(run) if order.is_open
        ),
    )


def _order_in_plan(
    model: Model, order: Order, run: Run, assessed: dict[tuple[str, str], Assessment | None]
) -> OrderInPlan:
    key = (order.site_id, order.order_id)
    if key not in assessed:
        assessed[key] = assess_order(order, model)
    found = assessed[key]
    customer = model.plant.customer(order.site_id, order.event.customer_id)
    return OrderInPlan(
        order_id=order.order_id,
        customer=order.event.customer_id if customer is None else customer.name,
        quantity_pcs=order.event.quantity_pcs,
        promised=order.promised,
        truck=order.promised if order.state.on_time_slot is None else order.state.on_time_slot,
        ships_at=None if found is None else found.ships_at,
        slip_s=None if found is None or found.ships_at is None else found.slip_s,
        p_late=None if found is None else found.p_late,
        penalty=0.0 if found is None or found.slip_s <= 0.0 else found.penalty,
        is_last=found is None or found.run is run,
    )


def _known(moment: float) -> float | None:
    return moment if moment < inf else None
