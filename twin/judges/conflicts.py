"""Where two systems contradict each other: which value, from whom, since when. Judged in conflict_risk.py.

A contradiction must last for a while (rules: conflict_grace_min): one system always tells a little later than the other.
Meanwhile it is a suspect, kept with its date. Nothing here says who is right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas import CardKind, Claim, Event, OrderUpserted, RunPlanned
from twin.forecast.circles import circle_of, new_circles
from twin.judges.risk import Root
from twin.state.entities import Order, Run
from twin.state.model import Model
from twin.state.runs import FINISHED, RunState
from twin.words import time_of, utc

SAME_TIME_S = 3_600.0
"""Two dates closer than this are one: systems round, and zones are not always told."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A contradiction.

    Attributes:
        subject: what it is about, as "quantity of R-7".
        claims: what each system says, the one that is used first.
        used: which value the forecasts use, and why.
        more_pcs: pieces to make beyond the forecast if the other value is right; 0 where it is not about pieces.
        for_nobody_pcs: pieces that nobody wants if the other value is right.
    """

    subject: str
    claims: list[Claim]
    used: str
    more_pcs: float = 0.0
    for_nobody_pcs: float = 0.0


def root_of_run(run: Run) -> Root:
    """What a contradiction about a run is kept under."""
    return CardKind.DATA_CONFLICT.value, "run", run.site_id, run.run_id


def root_of_order(order: Order) -> Root:
    """What a contradiction about an order is kept under."""
    return CardKind.DATA_CONFLICT.value, "order", order.site_id, order.order_id


def review(model: Model, root: Root, moment: float) -> None:
    """Look at a root after something was said about it: a contradiction becomes or remains a suspect, or is settled."""
    model.card_book.suspect(root, moment if find(model, root) is not None else None)


def watch(model: Model, _before: float | None, now: float) -> Iterator[Root]:
    """Suspects that have stood for long enough; those that settled by themselves are dropped.

    A plan that goes round in a circle is found here: it may come to do so by any run of it.
    """
    for circle in new_circles(model):
        root = root_of_run(circle[0].run)
        if root not in model.card_book.suspects:
            model.card_book.suspect(root, now)
    for root, since in sorted(model.card_book.suspects.items()):
        if find(model, root) is None:
            model.card_book.suspect(root, None)
        elif now - since >= model.plant.rules(root[2]).conflict_grace_min * 60.0:
            yield root


def find(model: Model, root: Root) -> Conflict | None:
    """The contradiction of a root as things stand."""
    _, entity_type, site_id, entity_id = root
    if entity_type == "order":
        order = model.orders.get((site_id, entity_id))
        return None if order is None or not order.is_open else _two_words_on_an_order(model, order)
    run = model.runs.get((site_id, entity_id))
    if run is None:
        return None
    return next((found for check in RUN_CHECKS if (found := check(model, run)) is not None), None)


# What may contradict: each check answers from scratch.


def _waits_for_itself(model: Model, run: Run) -> Conflict | None:
    circle = circle_of(model, run)
    if not circle:
        return None
    names = ", ".join(wait.run.run_id for wait in circle)
    claims = [
        _claim_of_plan(
            wait.run,
            f"{wait.run.run_id} needs what {wait.waits_for.run_id} makes"
            if wait.line_id is None
            else f"{wait.run.run_id} comes after {wait.waits_for.run_id} on {wait.line_id}",
        )
        for wait in circle
    ]
    return Conflict(
        subject=f"the sequence of {names}, which wait for each other in a circle",
        claims=claims,
        used="forecasts follow all of it, and no date of these runs can be relied on",
    )


def _ended_short(model: Model, run: Run) -> Conflict | None:
    progress = run.progress
    missing = run.plan.quantity_pcs - progress.good_pcs
    if progress.state is not RunState.COMPLETED or not _differ(
        model, run.site_id, run.plan.quantity_pcs, progress.good_pcs
    ):
        return None
    if missing <= 0 or not any(order.is_open for order in model.orders_of(run)):
        return None
    return Conflict(
        subject=f"whether {run.run_id} is done",
        claims=[
            _claim_of_floor(run, f"completed with {progress.good_pcs:,.0f} good pieces"),
            _claim_of_plan(run, f"{run.plan.quantity_pcs:,.0f} pieces to make"),
        ],
        used="forecasts take the floor's word that it is done",
        more_pcs=missing,
    )


def _made_too_many(model: Model, run: Run) -> Conflict | None:
    progress = run.progress
    extra = progress.good_pcs - run.plan.quantity_pcs
    if extra <= 0 or not _differ(model, run.site_id, run.plan.quantity_pcs, progress.good_pcs):
        return None
    return Conflict(
        subject=f"quantity of {run.run_id}",
        claims=[
            _claim_of_plan(run, f"{run.plan.quantity_pcs:,.0f} pieces to make"),
            _claim_of_floor(run, f"{progress.good_pcs:,.0f} good pieces made"),
        ],
        used="forecasts take it to be done with the plan's quantity",
        for_nobody_pcs=extra,
    )


def _made_elsewhere(model: Model, run: Run) -> Conflict | None:
    planned = run.progress.planned_line_id
    if planned is None or run.progress.state in FINISHED:
        return None
    line_id = model.line_of_run[run.site_id, run.run_id].line_id
    allowed = {*run.plan.alternate_line_ids, *model.plant.routing_lines(run.site_id, run.plan.item_id)}
    if line_id in allowed:
        return None
    return Conflict(
        subject=f"line of {run.run_id}",
        claims=[_claim_of_floor(run, f"made on {line_id}"), _claim_of_plan(run, f"planned on {planned}")],
        used="forecasts take the line on which it is made",
    )


def _closed_but_made(model: Model, run: Run) -> Conflict | None:
    work_order_id = run.plan.work_order_id
    closed = None if work_order_id is None else model.plant.work_order_closed(run.site_id, work_order_id)
    if closed is None or run.progress.state not in (RunState.RUNNING, RunState.SETUP):
        return None
    claim = Claim(
        source=closed.source_id or "ERP",
        value=f"work order {work_order_id} is closed",
        since=closed.event_time,
        event_id=closed.event_id,
    )
    return Conflict(
        subject=f"whether {run.run_id} is wanted",
        claims=[
            _claim_of_floor(run, f"{run.progress.state} with {run.progress.good_pcs:,.0f} good pieces"),
            claim,
        ],
        used="forecasts take the floor's word that it goes on",
        for_nobody_pcs=run.remaining_pcs,
    )


def _made_for_cancelled(model: Model, run: Run) -> Conflict | None:
    orders = model.orders_of(run)
    if run.progress.state is not RunState.RUNNING or len(orders) < len(run.plan.pegs):
        return None
    if not orders or any(order.state.status != "cancelled" for order in orders):
        return None
    closed_at = max(order.state.closed_at or 0.0 for order in orders)
    names = ", ".join(f"#{order.order_id}" for order in orders)
    claim = Claim(
        source=orders[0].event.source_id or "ERP",
        value=f"{names} cancelled",
        since=utc(closed_at),
        event_id=None,
    )
    return Conflict(
        subject=f"whether {run.run_id} is wanted",
        claims=[claim, _claim_of_floor(run, f"running with {run.progress.good_pcs:,.0f} good pieces")],
        used="forecasts keep it in the line's queue as long as it runs",
        for_nobody_pcs=run.remaining_pcs,
    )


def _two_words_on_a_run(model: Model, run: Run) -> Conflict | None:
    claims = model.plant.claims(run.site_id, "run_planned", run.run_id)
    plans = [event for event in claims if isinstance(event, RunPlanned)]
    if len(plans) < 2 or run.is_finished:
        return None
    ours, *others = plans
    for other in others:
        if _differ(model, run.site_id, ours.quantity_pcs, other.quantity_pcs):
            return _two_words(
                f"quantity of {run.run_id}",
                (ours, f"{ours.quantity_pcs:,.0f} pieces"),
                (other, f"{other.quantity_pcs:,.0f} pieces"),
                more_pcs=max(0.0, other.quantity_pcs - ours.quantity_pcs),
            )
        if ours.line_id != other.line_id:
            return _two_words(f"line of {run.run_id}", (ours, ours.line_id), (other, other.line_id))
        apart_s = abs((ours.planned_end_at - other.planned_end_at).total_seconds())
        if apart_s >= SAME_TIME_S and _system_of(ours) == _system_of(other) is not None:
            zone = model.plant.zone(run.site_id)
            ours_at, other_at = (time_of(each.planned_end_at.timestamp(), zone) for each in (ours, other))
            return _two_words(f"planned end of {run.run_id}", (ours, ours_at), (other, other_at))
    return None


def _system_of(event: Event) -> str | None:
    """`odoo` of `odoo/mrp.workorder`: ERP and MES may plan a run for different hours, but one system has one plan."""
    system, separator, _ = (event.source_id or "").partition("/")
    return system if separator else None


def _two_words_on_an_order(model: Model, order: Order) -> Conflict | None:
    claims = model.plant.claims(order.site_id, "order_upserted", order.order_id)
    words = [event for event in claims if isinstance(event, OrderUpserted)]
    if len(words) < 2:
        return None
    ours, *others = words
    zone = model.plant.zone(order.site_id)
    for other in others:
        if _differ(model, order.site_id, ours.quantity_pcs, other.quantity_pcs):
            return _two_words(
                f"quantity of #{order.order_id}",
                (ours, f"{ours.quantity_pcs:,.0f} pieces"),
                (other, f"{other.quantity_pcs:,.0f} pieces"),
                more_pcs=max(0.0, other.quantity_pcs - ours.quantity_pcs),
            )
        if abs((ours.promised_at - other.promised_at).total_seconds()) >= SAME_TIME_S:
            ours_at, other_at = (time_of(each.promised_at.timestamp(), zone) for each in (ours, other))
            return _two_words(f"promised date of #{order.order_id}", (ours, ours_at), (other, other_at))
    return None


RUN_CHECKS: tuple[Callable[[Model, Run], Conflict | None], ...] = (
    _waits_for_itself,
    _two_words_on_a_run,
    _ended_short,
    _made_too_many,
    _closed_but_made,
    _made_for_cancelled,
    _made_elsewhere,
)
"""In the order in which they are told: one contradiction a run at a time, the dearest kind first."""


def _two_words(
    subject: str, ours: tuple[Event, str], other: tuple[Event, str], more_pcs: float = 0.0
) -> Conflict:
    return Conflict(
        subject=subject,
        claims=[
            Claim(
                source=event.source_id or "ERP", value=value, since=event.event_time, event_id=event.event_id
            )
            for event, value in (ours, other)
        ],
        used=f"forecasts use the later word, that of {ours[0].source_id}",
        more_pcs=more_pcs,
    )


def _differ(model: Model, site_id: str, one: float, other: float) -> bool:
    return abs(one - other) > model.plant.rules(site_id).conflict_tolerance * max(one, other)


def _claim_of_floor(run: Run, value: str) -> Claim:
    since = run.progress.state_since
    return Claim(
        source="MES",
        value=value,
        since=None if since is None else utc(since),
        event_id=run.progress.state_event_id or None,
    )


def _claim_of_plan(run: Run, value: str) -> Claim:
    plan = run.plan
    return Claim(source=plan.source_id or "ERP", value=value, since=plan.event_time, event_id=plan.event_id)
