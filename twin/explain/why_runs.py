"""The steps of runs in an explanation: what is left, how fast, what each waits for, and the walk through the calendar."""

from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo

from twin.explain.explanation import Number, Step, exact_time, hour_number, hours, moment_number, pieces
from twin.forecast.assessment import DAY_S, Assessment
from twin.forecast.lookahead import expected_yield_of
from twin.forecast.projection import ProjectedRun
from twin.judges.causes import Link
from twin.shopfloor.drift import DriftPhase
from twin.state.entities import Line
from twin.state.graph import node_id
from twin.state.model import Model
from twin.words import day_of

LEAST_TOLD_S = 18.0
"""Working time below this is 0.00 h on paper, and not told apart."""

DAYS_SPELLED_OUT = 12
"""Days of a walk that a formula lists; a longer one names the first and last of them. All are among the numbers."""


def run_step(model: Model, link: Link, before: Link | None, zone: ZoneInfo) -> Step:
    """One run on the way to an order: rate, work left, waiting, and when that ends."""
    run, line, projected = link.run, link.line, link.projected
    ordered, left = run.plan.quantity_pcs, run.remaining_pcs
    events = [run.plan.event_id, run.progress.state_event_id, line.state.last_event_id]
    return Step(
        what=f"{run.run_id} on {line.name}: {_waits_for(link, before, zone)}",
        formula=f"{pieces(ordered)} - {pieces(ordered - left)} = {pieces(left)} good pieces left",
        numbers=(Number("ordered", ordered, "pcs"), Number("made", ordered - left, "pcs"), Number("left", left, "pcs")),
        entity=node_id("run", run.site_id, run.run_id),
        events=tuple(dict.fromkeys(event for event in events if event)),
        steps=(
            *_work_steps(model, link),
            *_wait_steps(model, link, zone),
            _walk_step(line, projected, zone),
        ),
    )  # fmt: skip


def _wait_steps(model: Model, link: Link, zone: ZoneInfo) -> list[Step]:
    """The material that a run stands for on its way, if it does."""
    run, projected = link.run, link.projected
    if projected.wait_work_s <= 0.0 or projected.waits_until is None or projected.waits_for is None:
        return []
    gates = model.supply.items[run.site_id, projected.waits_for].gates.get(run.run_id, [])
    receipt_id = next((gate.receipt_id for gate in gates if gate.at == projected.waits_until), None)
    receipt = None if receipt_id is None else model.supply.receipts.get((run.site_id, receipt_id))
    comes = "with what is ordered now" if receipt_id is None else f"with {receipt_id}"
    until = "it comes" if projected.waits_until == inf else exact_time(projected.waits_until, zone)
    numbers = [Number("held", projected.held_pcs, "pcs"), hour_number("lost", projected.wait_work_s)]
    if projected.waits_until != inf:
        numbers.append(moment_number("until", projected.waits_until))
    return [
        Step(
            what=f"waits for {projected.waits_for}, which comes {comes}",
            formula=(
                f"{pieces(projected.held_pcs)} of {pieces(run.remaining_pcs)} pieces not before {until}: "
                f"{hours(projected.wait_work_s)} lost"
            ),
            numbers=tuple(numbers),
            entity=node_id("item", run.site_id, projected.waits_for),
            events=() if receipt is None else (receipt.event_id,),
        )
    ]


def _waits_for(link: Link, before: Link | None, zone: ZoneInfo) -> str:
    state, bound = link.run.progress.state.value, link.projected.bound_by
    start = exact_time(link.projected.start_at, zone)
    if bound == "running":
        return f"{state}, goes on from {start}" if state != "running" else f"running, known up to {start}"
    other = before.run.run_id if before is not None else link.projected.bound_run_id
    words = {
        "queue": f"begins {start}, when {other} is through and the line is set up",
        "feed": f"begins {start}, when {other} has made what it needs",
        "now": f"should have begun {exact_time(link.run.planned_start, zone)}, begins {start} at the earliest",
    }
    return words.get(bound, f"begins {start} as planned")


def _work_steps(model: Model, link: Link) -> list[Step]:
    """Rate and work left as they were last projected; a move too small to tell is not projected anew."""
    line, run, projected = link.line, link.run, link.projected
    share = expected_yield_of(line, run) / run.expected_yield
    planned_rate = run.rate_pcs_per_h * share
    left = projected.planned_work_s * planned_rate / 3600.0
    ends = model.experience_of(line.site_id).of(line.line_id).drift_ends_per_s > 0.0
    may_end = ends and line.drift.phase is DriftPhase.DRIFTING
    work_s = projected.run_work_s
    level = line.state.level if may_end or work_s <= 0.0 else projected.planned_work_s / work_s
    at_pace_s = projected.planned_work_s / level
    factor = f" x {share:.3f} yield against the expected" if abs(share - 1.0) >= 0.0005 else ""
    rate = planned_rate * level
    steps = [
        Step(
            what="good rate",
            formula=f"{pieces(run.rate_pcs_per_h)} planned x {level:.3f} pace{factor} = {pieces(rate)} an hour",
            numbers=(
                Number("planned_rate", run.rate_pcs_per_h, "pcs/h"),
                Number("pace", level, ""),
                Number("yield_ratio", share, ""),
                Number("rate", rate, "pcs/h"),
            ),
            entity=node_id("line", line.site_id, line.line_id),
        ),
        Step(
            what="work that is left",
            formula=f"{pieces(left)} / {pieces(rate)} = {hours(at_pace_s)}",
            numbers=(
                Number("left", left, "pcs"),
                Number("rate", rate, "pcs/h"),
                hour_number("work", at_pace_s),
            ),
        ),
    ]
    if may_end and abs(work_s - at_pace_s) >= LEAST_TOLD_S:
        formula = f"{hours(at_pace_s)} at this pace - {hours(at_pace_s - work_s)} = {hours(work_s)}"
        numbers = (hour_number("saved", at_pace_s - work_s), hour_number("work", work_s))
        steps.append(Step(what="drifts here usually end", formula=formula, numbers=numbers))
    return steps


def _walk_step(line: Line, projected: ProjectedRun, zone: ZoneInfo) -> Step:
    """The work, and what it stands for, laid out over the days of the calendar."""
    start, finish = projected.start_at, projected.finish_at
    days: dict[str, float] = {}
    for begin, end in line.calendar.intervals(start, finish):
        for day, worked_s in _by_day(begin, end, zone):
            days[day] = days.get(day, 0.0) + worked_s
    parts = [f"{hours(worked_s)[:-2]} ({day})" for day, worked_s in days.items()]
    if len(parts) > DAYS_SPELLED_OUT:
        parts = [*parts[:3], f"... {len(parts) - 5} more days ...", *parts[-2:]]
    total_s = sum(days.values())
    shares = [
        (projected.run_work_s, "work"),
        (projected.stop_work_s, "short stops as usual"),
        (projected.wait_work_s, "waiting"),
    ]
    other_s = total_s - sum(share_s for share_s, _ in shares)
    told = [
        (share_s, words)
        for share_s, words in [*shares, (other_s, "expected besides")]
        if share_s >= LEAST_TOLD_S
    ]
    spelled = ", ".join(f"{hours(share_s)} of {words}" for share_s, words in told)
    of = f" ({spelled})" if len(told) > 1 else ""
    return Step(
        what="through the calendar",
        formula=f"{' + '.join(parts) or '0.00'} = {hours(total_s)}{of}: ends {exact_time(finish, zone)}",
        numbers=(
            *(hour_number(day, worked_s) for day, worked_s in days.items()),
            *(hour_number(words, share_s) for share_s, words in told),
            hour_number("total", total_s),
            moment_number("finish", finish),
        ),
    )


def _by_day(begin: float, end: float, zone: ZoneInfo) -> list[tuple[str, float]]:
    """A stretch of work cut at local midnights."""
    parts = []
    while begin < end:
        local = datetime.fromtimestamp(begin, zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        tomorrow = datetime.fromtimestamp(midnight.timestamp() + 1.5 * DAY_S, zone)
        cut = min(end, tomorrow.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
        parts.append((day_of(begin, zone), cut - begin))
        begin = cut
    return parts


def parts_steps(model: Model, each: Assessment, zone: ZoneInfo) -> list[Step]:
    """All runs that an order over several runs is made of; the one that is ready last decides."""
    runs = model.runs_of(each.order)
    if len(runs) < 2:
        return []
    parts = []
    for line, run in runs:
        projected = line.projected.get(run.run_id)
        end = run.progress.ended_at if projected is None else projected.finish_at
        pegged = model.pegged[each.order.site_id, each.order.order_id][run.site_id, run.run_id]
        decides = ", decides" if run is each.run else ""
        ends = "ends nobody knows when" if end is None or end == inf else f"ends {exact_time(end, zone)}"
        parts.append(
            Step(
                what=f"{run.run_id} on {line.name}: {run.progress.state.value}",
                formula=f"{pieces(pegged)} of it for #{each.order.order_id}, {ends}{decides}",
                numbers=(
                    Number("pegged", pegged, "pcs"),
                    *([] if end is None or end == inf else [moment_number("end", end)]),
                ),
                entity=node_id("run", run.site_id, run.run_id),
                events=(run.plan.event_id,),
            )
        )
    return [Step(what=f"all {len(parts)} runs that it is made of", steps=tuple(parts))]


def finished_step(each: Assessment, zone: ZoneInfo) -> Step:
    """The last run of an order where it is over."""
    return Step(
        what=f"{each.run.run_id} on {each.line.name} is {each.run.progress.state.value}",
        formula=f"ready {exact_time(each.ready_at, zone)}",
        numbers=(moment_number("ready", each.ready_at),),
        entity=node_id("run", each.run.site_id, each.run.run_id),
        events=(each.run.progress.state_event_id,),
    )
