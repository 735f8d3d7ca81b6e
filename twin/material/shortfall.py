"""What is missing of an item: how much, from when on, who waits, how sure. Answers from scratch, remembers nothing.

Gates say what a run can make before which moment; here they are held against when its pieces are due by projection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, inf, sqrt

from schemas import Output, Signal, join_key, topics
from twin.forecast.assessment import LEAST_SD_S, SUREST
from twin.forecast.projection import ProjectedRun
from twin.material.allocation import LeadTime, lead_time_of, stock_of, supplies_of
from twin.material.materials import DAY_S, HOUR_S, Gate, OverUse, Supply
from twin.material.usage import over_use_of, units_per_good, unmarked_use
from twin.state.entities import Line, Run, SiteKey
from twin.state.model import Model
from twin.words import utc

RAISE_SHARE = 0.005
"""Share of what runs take from which an item is called short. Smaller: a handful of screws makes a card."""

NEGLIGIBLE_SHARE = 0.001
"""Share below which it is called short no longer. Nearer to RAISE_SHARE: signals flicker."""

STOCK_REPORTS_NAMED = 5
"""Stock reports named as evidence, the youngest."""


@dataclass(frozen=True, slots=True)
class RunUse:
    """What one run takes, from now on.

    Attributes:
        projected: as it stands; begin: when it takes its first unit.
        needs: units for what is left; covered: of them what is there in time.
        gates: with the moment at which the first piece is due that waits for them.
    """

    line: Line
    run: Run
    projected: ProjectedRun
    begin: float
    per_good: float
    needs: float
    covered: float
    gates: Sequence[tuple[float, Gate]]

    def due(self, moment: float) -> float:
        """Good pieces due by a moment if material did not hold them."""
        remaining, work_s = self.run.remaining_pcs, self.projected.run_work_s
        if moment <= self.begin or work_s <= 0:
            return 0.0
        if moment == inf:
            return remaining
        return min(remaining, remaining * self.line.calendar.work_between(self.begin, moment) / work_s)

    def missing(self, moment: float) -> float:
        """Units for pieces that are due just before a moment and whose material is not there by then."""
        remaining = self.run.remaining_pcs
        for _, gate in self.gates:
            if gate.receipt_id is None or gate.at >= moment:
                return (
                    max(0.0, self.due(moment) - (remaining - min(remaining, gate.after_pcs))) * self.per_good
                )
        return 0.0

    @property
    def waits(self) -> bool:
        """Whether the run stands for want of the item."""
        return any(self.projected.waits_for == gate.item_id for _, gate in self.gates)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An item that runs short. Times are POSIX seconds, quantities in its unit; see schemas.Shortage for the words.

    Attributes:
        first: the run that is short first; gate: what it waits for then.
        probability: that it runs short before that comes.
    """

    available: float
    on_order: float
    short_quantity: float
    runs_out_at: float
    need_by: float
    order_by: float | None
    lead: LeadTime
    next_supply: Supply | None
    over_use: OverUse
    uses: Sequence[RunUse]
    first: RunUse
    gate: Gate
    probability: float


def shortfall_of(
    model: Model, key: SiteKey, now: float, least_share: float, *, is_late: bool = False
) -> Shortfall | None:
    """What is missing of an item, None where there is enough.

    Args:
        model: with lines projected.
        key: site and item.
        now: the shard's clock.
        least_share: share of what runs take up to which nothing is called short.
        is_late: orders are late by it: needs count however far away they are.
    """
    supply = model.supply.items.get(key)
    if supply is None or not supply.gates:
        return None
    lead, rules = lead_time_of(model, key), model.plant.rules(key[0])
    ahead_days = max(rules.shortage_horizon_days, lead.days + rules.shortage_notice_days)
    horizon = inf if is_late else now + ahead_days * DAY_S
    use = over_use_of(model.supply, key)
    uses = _uses(model, key, use, now, horizon)
    moments = sorted({gate.at for each in uses for _, gate in each.gates if gate.receipt_id is not None})
    missing = [sum(each.missing(moment) for each in uses) for moment in (*moments, horizon)]
    short = max(missing)
    total = sum(each.needs for each in uses)
    if short <= least_share * total:
        return None
    first_due = min(
        (
            (due_at, each, gate)
            for each in uses
            for due_at, gate in each.gates
            if due_at < _comes_at(gate, horizon)
        ),
        key=lambda found: found[0],
        default=None,
    )
    if first_due is None:
        return None
    need_by, first, gate = first_due
    supplies = supplies_of(model, key, now - now % HOUR_S)
    used_up = [
        min(need_by, _covered_until(each)) for each in uses if each.begin < need_by and each.covered > 0
    ]
    return Shortfall(
        available=available_now(model, key, use),
        on_order=sum(each.quantity for each in supplies if each.at <= need_by),
        short_quantity=short,
        runs_out_at=max(used_up, default=min(now, need_by)),
        need_by=need_by,
        order_by=need_by - lead.seconds if lead.is_known else None,
        lead=lead,
        next_supply=next((each for each in supplies if each.at > need_by), None),
        over_use=use,
        uses=uses,
        first=first,
        gate=gate,
        probability=_probability(first, gate, need_by, short, total, use, now),
    )


def _uses(model: Model, key: SiteKey, use: OverUse, now: float, horizon: float) -> list[RunUse]:
    """What runs take up to the horizon, in the order in which they are served."""
    site_id, item_id = key
    supply = model.supply.items[key]
    runs = [model.runs[site_id, run_id] for run_id in model.supply.users.get(key, {})]
    uses: list[RunUse] = []
    for run in sorted(runs, key=lambda run: (run.planned_start, run.run_id)):
        line = model.line_of_run[site_id, run.run_id]
        projected = line.projected.get(run.run_id)
        remaining = run.remaining_pcs
        if run.is_finished or projected is None or remaining <= 0 or projected.start_at == inf:
            continue
        begin = max(projected.start_at, now)
        if begin > horizon:
            continue
        per_good = units_per_good(run, model.supply.takes[site_id, run.run_id][item_id], use)
        gates: list[tuple[float, Gate]] = []
        held_pcs = 0.0
        for gate in supply.gates.get(run.run_id, []):
            held = min(remaining, gate.after_pcs)
            before_s = (remaining - held) / remaining * projected.run_work_s
            due_at = line.calendar.next_working(line.calendar.add_work(begin, before_s))
            if due_at > horizon:
                continue
            if due_at < _comes_at(gate, horizon):
                held_pcs = max(held_pcs, held)
            gates.append((due_at, gate))
        needs = remaining * per_good
        uses.append(
            RunUse(
                line=line,
                run=run,
                projected=projected,
                begin=begin,
                per_good=per_good,
                needs=needs,
                covered=needs - held_pcs * per_good,
                gates=gates,
            )
        )
    return uses


def _comes_at(gate: Gate, horizon: float) -> float:
    """When what the gate waits for comes; nothing is on its way: not within the horizon."""
    return gate.at if gate.receipt_id is not None else max(gate.at, horizon)


def _covered_until(each: RunUse) -> float:
    share = each.covered / each.needs
    return each.line.calendar.add_work(each.begin, share * each.projected.run_work_s)


def available_now(model: Model, key: SiteKey, use: OverUse) -> float:
    """Units there now: unrestricted stock as of its report, plus what came since, less what was used since."""
    runs = [model.runs[key[0], run_id] for run_id in sorted(model.supply.users.get(key, {}))]
    taken = sum(unmarked_use(model.supply, key, run, use) for run in runs if not run.is_finished)
    return stock_of(model, key, use) - taken


def _probability(
    first: RunUse, gate: Gate, need_by: float, short: float, total: float, use: OverUse, now: float
) -> float:
    """That the item is needed before it comes; where nothing is on its way, that it is needed at all."""
    calendar, pace = first.line.calendar, first.line.state.pace
    if gate.receipt_id is None:
        z = short / (total * use.sd)
    else:
        late_s = calendar.work_between(need_by, gate.at)
        pace_sd = sqrt((pace.level_sd / pace.level) ** 2 + use.sd**2)
        sd_s = calendar.work_between(now, need_by) * pace_sd
        sd_s = sqrt(sd_s**2 + (calendar.work_between(gate.at - gate.sd_s, gate.at + gate.sd_s) / 2.0) ** 2)
        z = late_s / max(sd_s, LEAST_SD_S)
    probability = 0.5 * (1.0 + erf(z / sqrt(2.0)))
    return round(min(SUREST, max(1.0 - SUREST, probability)), 3)


def evidence_of(model: Model, key: SiteKey) -> list[str]:
    """Events that a shortage rests on: stock, receipts, what runs reported, their plans and bills of material."""
    book, site_id = model.supply, key[0]
    lots = sorted(book.lots.get(key, {}).values(), key=lambda lot: (lot.event_time, lot.event_id))
    events = dict.fromkeys(lot.event_id for lot in lots[-STOCK_REPORTS_NAMED:])
    for receipt_id in sorted(book.expected.get(key, {})):
        if book.open_quantity((site_id, receipt_id)) > 0:
            events[book.receipts[site_id, receipt_id].event_id] = None
    for _, account in sorted(book.accounts.get(key, {}).items()):
        if account.event_id:
            events[account.event_id] = None
    for run_id in sorted(book.users.get(key, {})):
        run = model.runs[site_id, run_id]
        bill = model.plant.bill(site_id, run.plan.item_id)
        if not run.is_finished and bill is not None:
            events[run.plan.event_id] = None
            events[bill.event_id] = None
    return [*events]


def shortage_signal(
    model: Model, key: SiteKey, found: Shortfall | None, since: float, now: float, cause: str
) -> Output:
    """The word that an item will run short, or that there is enough of it again.

    Args:
        model: where it was found.
        key: site and item.
        found: what is missing; None: nothing any more.
        since: since when it is short.
        now: the shard's clock.
        cause: begins the id of the output.
    """
    output_id = f"{cause}>{topics.SIGNALS}>{'/'.join(key)}"
    use = over_use_of(model.supply, key)
    reported_at = model.supply.reported_at(key)
    body = Signal(
        output_id=output_id,
        signal="shortage_cleared" if found is None else "shortage_projected",
        site_id=key[0],
        line_id=None if found is None else found.first.line.line_id,
        run_id=None if found is None else found.first.run.run_id,
        item_id=key[1],
        metric="short_quantity",
        delta=None,
        since=utc(since),
        detected_at=utc(now),
        method="allocation",
        n=use.reports,
        window_h=0.0 if reported_at is None else round((now - reported_at) / HOUR_S, 2),
        statistic=0.0 if found is None else round(found.short_quantity, 3),
        threshold=0.0,
        confidence=1.0 - SUREST if found is None else found.probability,
        evidence=evidence_of(model, key)[:20],
    )
    return Output(topics.SIGNALS, join_key(*key), body, output_id, utc(now).isoformat())
