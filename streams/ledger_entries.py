"""The entries of one site's week on the ledger: sums of what was made and of the best plan with hindsight, by line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from schemas import CommittedOutcome, LatenessPattern, LedgerEntry, LedgerRun, join_key
from solvers.evaluator import Evaluated
from solvers.hindsight import DEFAULT_PLANS, Hindsight, best_with_hindsight
from twin.decisions.plan_book import Commitment, commitments_of
from twin.forecast.assessment import penalty_rate
from twin.ledger.hindsight import HindsightWeek, hindsight_week
from twin.ledger.lateness_patterns import Recurring, ShippedOrder, recurring
from twin.ledger.line_account import family_of
from twin.shopfloor.elements import Elements, total
from twin.shopfloor.measures import periods_of
from twin.state.chronicle import Chronicle, lived_runs
from twin.state.entities import SiteKey
from twin.state.model import Model

DAY_S = 86_400.0
HOUR_S = 3_600.0

PATTERN_WEEKS = 8
"""Weeks up to the one asked for in which patterns are looked for. Fewer: too few cases; more: habits long given up."""

WHOLE_SITE = "*"
"""The line_id of a site's own entry."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def site_entries(
    model: Model,
    chronicle: Chronicle,
    site_id: str,
    week: str,
    bounds: tuple[float, float],
    now: float | None,
    plans: int = DEFAULT_PLANS,
) -> list[LedgerEntry]:
    """A site's week: its own entry first, then one of each line that finished anything.

    Args:
        model: folded beyond the week.
        chronicle: of the same facts.
        site_id: the site.
        week: its name, as 2026-W47.
        bounds: its first moment and the first one after it, POSIX seconds.
        now: how far they were folded, POSIX seconds.
        plans: most plans to look at for the best one.
    """
    since, until = bounds
    record = hindsight_week(model, chronicle, site_id, since, until, f"hindsight/{site_id}/{week}")
    if record.problem is None:
        return []
    found = best_with_hindsight(record.problem, plans)
    caveats = list(record.caveats)
    if now is None or now < until:
        caveats.append("the week is not over: runs that are still to end are missing")
    caveats += _fit(found, record)
    committed = [each for each in commitments_of(model, site_id) if since <= each.committed_at < until]
    accounts = _accounts(found, record)
    as_of = None if now is None else datetime.fromtimestamp(now, UTC)

    def entry(line_id: str, accounts: Sequence["_LineSums"], elements: Elements) -> LedgerEntry:
        mine = [each for each in committed if line_id == WHOLE_SITE or f"{site_id}/{line_id}" in each.lines]
        outcomes = [_outcome(model, each) for each in mine]
        saved_s = sum(each.setup_s - each.setup_possible_s for each in accounts)
        used = elements.availability
        possible = None if used is None else used + max(0.0, saved_s) / elements.pbt_s
        real = [each.really_h for each in accounts if each.really_h is not None]
        changeovers = sum(each.changeovers for each in accounts)
        needed = sum(each.changeovers_possible for each in accounts)
        return LedgerEntry(
            output_id=f"ledger/{week}/{join_key(site_id, line_id)}",
            week=week,
            site_id=site_id,
            line_id=line_id,
            changeovers_run=changeovers,
            changeovers_needed=needed,
            changeovers_avoidable=changeovers - needed,
            tardiness_h=round(sum(each.late_h for each in accounts), 4),
            tardiness_possible_h=round(sum(each.late_possible_h for each in accounts), 4),
            money=round(sum(each.money for each in accounts), 2),
            money_possible=round(sum(each.money_possible for each in accounts), 2),
            promised=_summed(each.promised for each in outcomes),
            came=_summed(each.came for each in outcomes),
            currency=model.plant.currency(site_id),
            runs=sum(each.runs for each in accounts),
            orders=sum(each.orders for each in accounts),
            late_orders=sum(each.late for each in accounts),
            late_orders_possible=sum(each.late_possible for each in accounts),
            setup_min_run=round(sum(each.setup_s for each in accounts) / 60.0, 2),
            setup_min_needed=round(sum(each.setup_possible_s for each in accounts) / 60.0, 2),
            weighted_tardiness_h=round(sum(each.weighted_h for each in accounts), 4),
            weighted_tardiness_possible_h=round(sum(each.weighted_possible_h for each in accounts), 4),
            tardiness_really_h=round(sum(real), 4) if real else None,
            utilization=_rounded(used),
            utilization_possible=_rounded(possible),
            utilization_points=None
            if used is None or possible is None
            else round(100.0 * (possible - used), 3),
            commitments=outcomes if line_id == WHOLE_SITE else [],
            violations=found.violations,
            caveats=caveats if line_id == WHOLE_SITE else [],
            plans=found.plans,
            as_of=as_of,
        )

    of_lines = []
    elements_of = {line_id: _elements(model, site_id, line_id, since, until) for line_id in accounts}
    for line_id, sums in accounts.items():
        index = next(i for i, line in enumerate(record.problem.lines) if line.line_id == line_id)
        of_lines.append(
            entry(line_id, [sums], elements_of[line_id]).model_copy(
                update={
                    "sequence_run": _sequence(found.made, index),
                    "sequence_possible": _sequence(found.best, index),
                }
            )
        )
    patterns = recurring(_shipped(model, chronicle, site_id, until))
    whole = entry(WHOLE_SITE, list(accounts.values()), total(elements_of.values()))
    return [whole.model_copy(update={"patterns": [_pattern(each) for each in patterns]}), *of_lines]


@dataclass(slots=True)
class _LineSums:
    """One line's share of both plans; an order stands on the account of the line that made its last run."""

    runs: int
    changeovers: int
    changeovers_possible: int
    setup_s: float
    setup_possible_s: float
    money: float
    money_possible: float
    orders: int = 0
    late: int = 0
    late_possible: int = 0
    late_h: float = 0.0
    late_possible_h: float = 0.0
    weighted_h: float = 0.0
    weighted_possible_h: float = 0.0
    really_h: float | None = None


def _accounts(found: Hindsight, record: HindsightWeek) -> dict[str, _LineSums]:
    assert record.problem is not None, "asked for a week with runs"
    sums: dict[str, _LineSums] = {}
    for index, line in enumerate(record.problem.lines):
        made, best = found.made.lines[index], found.best.lines[index]
        sums[line.line_id] = _LineSums(
            runs=len(made.keys),
            changeovers=sum(1 for seconds in made.setup_s if seconds > 0.0),
            changeovers_possible=sum(1 for seconds in best.setup_s if seconds > 0.0),
            setup_s=sum(made.setup_s),
            setup_possible_s=sum(best.setup_s),
            money=sum(made.setup_costs),
            money_possible=sum(best.setup_costs),
        )
    for order in record.problem.orders:
        key = (order.site_id, order.order_id)
        account = sums[record.line_of_order[key]]
        made_order, best_order = found.made.orders[key], found.best.orders[key]
        account.orders += 1
        account.late += made_order.slip_s > 0.0
        account.late_possible += best_order.slip_s > 0.0
        account.late_h += made_order.slip_s / HOUR_S
        account.late_possible_h += best_order.slip_s / HOUR_S
        account.weighted_h += made_order.slip_s / HOUR_S * order.weight
        account.weighted_possible_h += best_order.slip_s / HOUR_S * order.weight
        account.money += made_order.penalty
        account.money_possible += best_order.penalty
        left = record.shipped_at.get(key)
        if left is not None:
            account.really_h = (account.really_h or 0.0) + max(0.0, left - order.promised) / HOUR_S
    return sums


def _fit(found: Hindsight, record: HindsightWeek) -> list[str]:
    """How well the arithmetic meets what really happened."""
    assert record.problem is not None, "asked for a week with runs"
    ends = {(run.site_id, run.run_id): run.planned_end or 0.0 for run in record.problem.runs}
    off = [abs(found.made.end[key] - ends[key]) for key in ends]
    other_truck = [
        key
        for key, outcome in found.made.orders.items()
        if key in record.shipped_at
        and abs(outcome.slip_s - _slip_s(found, key, record.shipped_at[key])) > HOUR_S
    ]
    most, mean = max(off) / 60.0, sum(off) / len(off) / 60.0
    told = [
        f"what was made, worked out again, ends at most {most:.0f} min off what really was, {mean:.1f} on average"
    ]
    if other_truck:
        of = f"{len(other_truck)} of {len(record.shipped_at)} orders"
        told.append(f"{of} were really more than an hour more or less late than the arithmetic has them")
    return told


def _slip_s(found: Hindsight, key: SiteKey, left: float) -> float:
    return max(0.0, left - found.made.problem.orders[key].promised)


def _sequence(found: Evaluated, index: int) -> list[LedgerRun]:
    result = found.lines[index]
    return [
        LedgerRun(
            run_id=key[1],
            family=found.problem.runs[key].family,
            setup_min=round(setup_s / 60.0, 2),
            start_at=datetime.fromtimestamp(round(start), UTC),
            end_at=datetime.fromtimestamp(round(end), UTC),
        )
        for key, setup_s, start, end in zip(
            result.keys, result.setup_s, result.starts, result.ends, strict=True
        )
    ]


def _elements(model: Model, site_id: str, line_id: str, since: float, until: float) -> Elements:
    """ISO 22400 elements of the shifts that began in the week."""
    periods = periods_of(model.lines[site_id, line_id])
    return total(period.elements for period in periods if since <= period.start_s < until)


def _shipped(model: Model, chronicle: Chronicle, site_id: str, until: float) -> list[ShippedOrder]:
    """Orders that left, promised within the weeks in which patterns are looked for."""
    zone = model.plant.zone(site_id)
    last_run: dict[SiteKey, tuple[float, str, str | None]] = {}
    for run in lived_runs(chronicle, site_id):
        for peg in () if run.story.plan is None else run.story.plan.pegs:
            key = (peg.order_site_id or site_id, peg.order_id)
            if key not in last_run or last_run[key][0] < run.ended_at:
                last_run[key] = (run.ended_at, run.line_id, family_of(model, run))
    found = []
    for key, story in sorted(chronicle.orders.items()):
        left = story.shipped_at
        if key[0] != site_id or story.event is None or left is None:
            continue
        promised = story.event.promised_at
        if not until - PATTERN_WEEKS * 7 * DAY_S <= promised.timestamp() < until:
            continue
        here = promised.astimezone(zone)
        customer = model.plant.customer(site_id, story.event.customer_id)
        _, line_id, family = last_run.get(key, (0.0, None, None))
        year, number, _ = here.isocalendar()
        found.append(
            ShippedOrder(
                groups={
                    "customer": story.event.customer_id if customer is None else customer.name,
                    "family": family,
                    "line": line_id,
                    "weekday": WEEKDAYS[here.weekday()],
                },
                week=f"{year}-W{number:02d}",
                is_late=left > promised.timestamp(),
            )
        )
    return found


def _pattern(found: Recurring) -> LatenessPattern:
    return LatenessPattern(
        dimension=found.dimension,
        value=found.value,
        orders=found.orders,
        late=found.late,
        others=found.others,
        others_late=found.others_late,
        weeks=found.weeks,
        chance=float(f"{found.chance:.3g}"),
    )


def _outcome(model: Model, committed: Commitment) -> CommittedOutcome:
    """What a commitment promised for the orders that it was to change, and what came of those that have left."""
    came = {"orders": 0.0, "late_orders": 0.0, "total_slip_h": 0.0, "penalty": 0.0}
    promised = dict(came)
    still_open = 0
    for order in committed.orders:
        known = model.orders.get((order.site_id, order.order_id))
        if order.came_status == "cancelled" or known is None:
            continue
        if order.came_at is None:
            still_open += 1
            continue
        slip_s = max(0.0, order.came_at - known.promised)
        customer = model.plant.customer(order.site_id, known.event.customer_id)
        agreed = model.plant.agreed_penalty(order.site_id, known.event.customer_id)
        rate = penalty_rate(known, customer, agreed)
        for sums, slip_h, penalty in (
            (promised, order.slip_h or 0.0, order.penalty),
            (came, slip_s / HOUR_S, ceil(slip_s / DAY_S - 1e-9) * (rate or 0.0)),
        ):
            sums["orders"] += 1.0
            sums["late_orders"] += slip_h > 0.0
            sums["total_slip_h"] = round(sums["total_slip_h"] + slip_h, 4)
            sums["penalty"] = round(sums["penalty"] + penalty, 2)
    return CommittedOutcome(
        proposal_id=committed.proposal_id,
        label=committed.label,
        committed_at=datetime.fromtimestamp(committed.committed_at, UTC),
        is_partial=committed.is_partial,
        lines=committed.lines,
        promised=promised,
        came=came,
        open_orders=still_open,
    )


def _summed(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            sums[name] = round(sums.get(name, 0.0) + value, 4)
    return sums


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 6)
