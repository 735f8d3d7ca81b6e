"""A week as it could be known afterwards: a scheduling problem of what was finished, with what was made as its plan.

Its committed plan is what really happened: holding it comes to what was made, and any other plan of it is one that could
have been made with hindsight. docs/ledger.md has the rules and a week worked out by hand. In short, of each line:

    working time    the calendar of the week, less the stops that really were
    work of a run   the working time in which it really made pieces; elsewhere by the planned rates, times the slower of
                    its own pace and that line's pace of the week
    setups          the matrix, times what setups of the line really took over what the matrix says, that week
    not before      the moment at which anybody heard of the run, and its material
    orders          those whose last run ended in the week; trucks, promises and penalties as they were
Stops are the line's and stay where they were: hindsight gets no credit for dodging them. A run that waited for material
waits for it in every plan, at the same piece.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from schemas import (
    EligibleLine,
    MaterialGate,
    PeggedTo,
    SchedulingOrder,
    SchedulingProblem,
    SchedulingRun,
)
from twin.forecast.assessment import penalty_rate
from twin.forecast.eligibility import places_of
from twin.ledger.line_account import HOUR_S, LineAccount, account_of, family_of, pieces_of
from twin.replan.problem_orders import departures_of
from twin.state.chronicle import Chronicle, Lived, lived_runs
from twin.state.entities import SiteKey
from twin.state.model import Model

DAY_S = 86_400.0

HORIZON_DAYS = 14.0
"""Working time and trucks are told until so long after the week. Less: a plan that runs over finds no truck."""


@dataclass(frozen=True, slots=True)
class HindsightWeek:
    """A site's week.

    Attributes:
        since, until: POSIX seconds.
        problem: None where nothing was finished in it.
        line_of_order: the line that made the last run of each order, whose account the order stands on.
        shipped_at: when each order really left, where it has.
        caveats: what could not be reconstructed, in words.
    """

    site_id: str
    since: float
    until: float
    problem: SchedulingProblem | None
    line_of_order: Mapping[SiteKey, str]
    shipped_at: Mapping[SiteKey, float]
    caveats: Sequence[str]


def hindsight_week(
    model: Model, chronicle: Chronicle, site_id: str, since: float, until: float, name: str
) -> HindsightWeek:
    """The problem of one site's week.

    Args:
        model: folded beyond the week, so that what left afterwards is known; for calendars, rates and promises.
        chronicle: of the same facts.
        site_id: the site.
        since: the week's beginning, POSIX seconds.
        until: its end.
        name: of the problem.
    """
    lived = lived_runs(chronicle, site_id)
    finished = [
        run for run in lived if since <= run.ended_at < until and (site_id, run.line_id) in model.lines
    ]
    caveats: list[str] = []
    unknown = [
        run for run in lived if since <= run.ended_at < until and (site_id, run.line_id) not in model.lines
    ]
    if unknown:
        caveats.append(f"{len(unknown)} runs on lines that nobody described are left out")
    if not finished:
        return HindsightWeek(site_id, since, until, None, {}, {}, caveats)
    by_line: dict[str, list[Lived]] = {}
    for run in finished:
        by_line.setdefault(run.line_id, []).append(run)
    lines = {line_id: model.lines[site_id, line_id] for line_id in sorted(by_line)}
    accounts = {
        line_id: account_of(model, chronicle, line, by_line[line_id], lived, since)
        for line_id, line in lines.items()
    }
    horizon_end = until + HORIZON_DAYS * DAY_S
    orders, line_of_order, shipped_at = _orders(model, chronicle, lived, finished, since, until, caveats)
    runs = [
        each
        for line_id in lines
        for each in _runs(model, accounts, line_id, finished, {order.order_id for order in orders})
    ]
    interleaved = sum(
        1 for account in accounts.values() for one, other in pairwise(account.runs) if other.began_at < one.ended_at - 60.0
    )  # fmt: skip
    if interleaved:
        caveats.append(
            f"{interleaved} runs began before the one ahead of them had ended; they are laid end to end"
        )
    families = {family_of(model, run) for run in finished} | {each.family for each in accounts.values()}
    problem = SchedulingProblem(
        problem_id=name,
        as_of=since,
        horizon_end=horizon_end,
        frozen_until=since,
        currency=model.plant.currency(site_id),
        goal="cost",
        lines=[account.line(horizon_end) for account in accounts.values()],
        setups=[account.setups(model, families) for account in accounts.values()],
        runs=runs,
        orders=orders,
    )
    return HindsightWeek(site_id, since, until, problem, line_of_order, shipped_at, caveats)


def _runs(
    model: Model,
    accounts: Mapping[str, LineAccount],
    line_id: str,
    finished: Sequence[Lived],
    orders: set[str],
) -> list[SchedulingRun]:
    """A line's runs, where and when they really went."""
    account = accounts[line_id]
    ended = {run.key: run.ended_at for run in finished}
    made = []
    for position, run in enumerate(account.runs):
        has_begun = run.began_at < account.since
        next_piece = max(account.since, min((begin for begin, end in run.running if end > account.since), default=account.since))  # fmt: skip
        pieces = pieces_of(model, run)
        left = pieces * account.left_s[run.key] / account.work_s[run.key] if has_begun else pieces
        plan = run.story.plan
        released = run.story.told_at
        if plan is not None and plan.release_at is not None:
            released = max(released, plan.release_at.timestamp())
        fed_by = [key for key in _feeders(model, run) if key in ended and ended[key] <= run.started_at]
        made.append(
            SchedulingRun(
                site_id=run.key[0],
                run_id=run.key[1],
                item_id="" if plan is None else plan.item_id,
                family=family_of(model, run),
                state="running" if has_begun else "planned",
                freedom="started" if has_begun else "free",
                because="it was on the line when the week began" if has_begun else "",
                line_id=line_id,
                position=position,
                planned_start=run.started_at,
                planned_end=run.ended_at,
                quantity_pcs=pieces,
                remaining_pcs=left,
                setup_s=None
                if plan is None or plan.setup_min is None
                else plan.setup_min * 60.0 * account.setup_factor,
                next_piece_at=next_piece if has_begun else None,
                release_at=None if has_begun else min(released, run.started_at),
                eligible=_eligible(model, accounts, line_id, run, may_move=not has_begun),
                gates=[
                    MaterialGate(item_id=wait.item_id, at=wait.until, after_pcs=pieces * wait.share_left)
                    for wait in account.waits.get(run.key, ())
                    if wait.until > account.since
                ],
                fed_by=[] if has_begun else fed_by,
                pegs=[
                    PeggedTo(site_id=run.key[0], order_id=peg.order_id, quantity_pcs=peg.quantity_pcs)
                    for peg in _unique_pegs(run)
                    if peg.order_id in orders
                ],
            )
        )
    return made


def _eligible(
    model: Model, accounts: Mapping[str, LineAccount], line_id: str, run: Lived, *, may_move: bool
) -> list[EligibleLine]:
    """Its own line at the pace that was, the others at planned rates and the slower of both paces."""
    account = accounts[line_id]
    site_id = run.key[0]
    pieces = pieces_of(model, run)
    own = EligibleLine(
        site_id=site_id, line_id=line_id, rate_pcs_per_h=pieces / account.work_s[run.key] * HOUR_S
    )
    known = model.runs.get(run.key)
    if not may_move or known is None:
        return [own]
    own_pace = account.work_s[run.key] / account.planned_s[run.key]
    others = []
    for place, rate in places_of(model, known):
        there = accounts.get(place.line_id) if place.site_id == site_id else None
        if there is not None and place.line_id != line_id:
            slower = max(own_pace, there.pace)
            others.append(EligibleLine(site_id=site_id, line_id=place.line_id, rate_pcs_per_h=rate / slower))
    return [own, *others]


def _orders(
    model: Model,
    chronicle: Chronicle,
    lived: Sequence[Lived],
    finished: Sequence[Lived],
    since: float,
    until: float,
    caveats: list[str],
) -> tuple[list[SchedulingOrder], dict[SiteKey, str], dict[SiteKey, float]]:
    """Orders whose last run ended in the week, the line of that run, and when they left."""
    ended = {run.key: run for run in lived}
    concerned = sorted({(run.key[0], peg.order_id) for run in finished for peg in _unique_pegs(run)})
    needs: dict[SiteKey, list[SiteKey]] = {}
    for key, of_run in chronicle.runs.items():
        for peg in () if of_run.plan is None else of_run.plan.pegs:
            needs.setdefault((peg.order_site_id or key[0], peg.order_id), []).append(key)
    found: list[SchedulingOrder] = []
    line_of: dict[SiteKey, str] = {}
    left: dict[SiteKey, float] = {}
    gone = 0
    for key in concerned:
        story, order = chronicle.orders.get(key), model.orders.get(key)
        if story is not None and story.is_cancelled:
            continue
        if story is None or order is None:
            gone += 1
            continue
        of_order = [
            run_key for run_key in needs.get(key, ()) if not _was_taken_back(model, chronicle, run_key)
        ]
        if any(run_key not in ended or ended[run_key].ended_at >= until for run_key in of_order):
            continue  # it stands on the account of a later week
        last = max((ended[run_key] for run_key in of_order), key=lambda run: (run.ended_at, run.key))
        before = [ended[run_key].ended_at for run_key in of_order if ended[run_key].ended_at < since]
        event = order.event
        route = None if event.route_id is None else model.plant.route(key[0], event.route_id)
        customer = model.plant.customer(key[0], event.customer_id)
        slot = order.state.on_time_slot
        found.append(
            SchedulingOrder(
                site_id=key[0],
                order_id=key[1],
                customer_id=event.customer_id,
                customer_name=event.customer_id if customer is None else customer.name,
                item_id=event.item_id,
                quantity_pcs=event.quantity_pcs,
                promised=order.promised,
                on_time_slot=order.promised if slot is None else slot,
                loading_s=0.0 if route is None else route.loading_s,
                departures=None
                if route is None
                else departures_of(route, min([since, *before]), until + HORIZON_DAYS * DAY_S),
                ready_elsewhere=max(before, default=None),
                penalty_per_day=penalty_rate(
                    order, customer, model.plant.agreed_penalty(key[0], event.customer_id)
                ),
                weight=1.0 if customer is None else customer.weight,
                cannot_slip=customer is not None and customer.cannot_slip,
                unit_price=event.unit_price,
                unit_cost=event.unit_cost,
                priority=event.priority,
            )
        )
        line_of[key] = last.line_id
        if story.shipped_at is not None:
            left[key] = story.shipped_at
    if gone:
        caveats.append(f"{gone} orders are left out: nothing is known of them any more")
    return found, line_of, left


def _was_taken_back(model: Model, chronicle: Chronicle, key: SiteKey) -> bool:
    """Planned, never begun, and no longer in the model: ERP cancelled the run."""
    return key not in model.runs and not chronicle.runs[key].moves


def _unique_pegs(run: Lived) -> list[PeggedTo]:
    """What it is for at its own site, by order; pieces for an order that is named twice are one."""
    pegs: dict[str, float] = {}
    for peg in () if run.story.plan is None else run.story.plan.pegs:
        if peg.order_site_id in (None, run.key[0]):
            pegs[peg.order_id] = pegs.get(peg.order_id, 0.0) + peg.quantity_pcs
    return [
        PeggedTo(site_id=run.key[0], order_id=order_id, quantity_pcs=pieces)
        for order_id, pieces in sorted(pegs.items())
    ]


def _feeders(model: Model, run: Lived) -> list[SiteKey]:
    return sorted(model.feeders.get(run.key, {}))
