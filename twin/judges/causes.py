"""Why an order is late: follow what bound it, weigh what consumed its slack, and blame the largest.

Only what consumed slack is blamed: a plan that misses the date by itself is the plan's fault; otherwise the parts
are production time lost to drift (already, and on what is still queued), to the stop that lasts, to stops that are
over, to a late beginning, and the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas import CardKind
from twin.forecast.assessment import Assessment
from twin.forecast.projection import ProjectedRun
from twin.forecast.waiting import gated_link, parts_from_gate
from twin.quality.bad_share import QualityReading
from twin.quality.quality_series import LEAST_YIELD, Series
from twin.shopfloor.downtime import counted_s, stopped_run
from twin.shopfloor.drift import DriftPhase
from twin.shopfloor.progress import lost_work_s
from twin.state.entities import Line, Run, SiteKey
from twin.state.runs import STOPPED, RunState

KIND_OF_SIGNAL: dict[str, CardKind] = {
    "drift": CardKind.DELIVERY_RISK,
    "stop": CardKind.DELIVERY_RISK,
    "down": CardKind.LINE_DOWN,
    "late_start": CardKind.DELIVERY_RISK,
    "behind": CardKind.DELIVERY_RISK,
    "quality": CardKind.QUALITY_RISK,
    "plan": CardKind.PLAN_INFEASIBLE,
    "overbooked": CardKind.PLAN_INFEASIBLE,
    "material": CardKind.MATERIAL_SHORTAGE,
}
"""The kind of card that an order late by this belongs to. To one only: its money must not be counted twice."""

SURE_WITHOUT_SIGNAL = 0.8
"""P(late) from which an order that is just behind, without drift, stop or late start, is worth a card."""

BUCKETS_WITHOUT_SIGNAL = 24
"""Evidence asked for in that case: two hours of production."""


@dataclass(frozen=True, slots=True)
class Link:
    """A run on the way from the cause to the order."""

    line: Line
    run: Run
    projected: ProjectedRun


@dataclass(frozen=True, slots=True)
class Blame:
    """What made an order late.

    Attributes:
        signal: drift, quality, down, stop, late_start, behind, plan, overbooked or material.
        line: where it happened; chain: runs from there to the order, first the cause.
        lost_s: working time that it cost.
        item_id: of material, what was waited for.
    """

    signal: str
    line: Line
    chain: list[Link]
    lost_s: float
    item_id: str | None = None

    def root(self) -> tuple[str, str, str, str]:
        """Root of the one card that the order belongs to: mostly the line, so that a plan pushed back is one card."""
        kind = KIND_OF_SIGNAL[self.signal].value
        if self.item_id is not None:
            return kind, "item", self.line.site_id, self.item_id
        if self.signal == "quality":
            worst = _worst_shift(self.line, self.chain)
            assert worst is not None, f"{self.line.line_id}: nothing has risen that could be blamed"
            return quality_root(self.line, worst[0])
        return kind, "line", self.line.site_id, self.line.line_id


def quality_root(line: Line, series: Series) -> tuple[str, str, str, str]:
    """Root of the card about bad pieces: the station that they are seen at, else the line."""
    if series.station_id is not None:
        return CardKind.QUALITY_RISK.value, "station", line.site_id, series.station_id
    return CardKind.QUALITY_RISK.value, "line", line.site_id, line.line_id


def chain_to(assessment: Assessment, lines_of_runs: Mapping[SiteKey, Line]) -> list[Link]:
    """The runs that decide when the order is ready, from the first that binds to the order's own."""
    chain: list[Link] = []
    line, run = assessment.line, assessment.run
    seen: set[SiteKey] = set()
    while (line.site_id, run.run_id) not in seen:
        seen.add((line.site_id, run.run_id))
        projected = line.projected.get(run.run_id)
        if projected is None:
            break
        chain.append(Link(line, run, projected))
        if projected.bound_run_id is None:
            break
        next_line = lines_of_runs.get((line.site_id, projected.bound_run_id))
        next_run = None if next_line is None else next_line.runs.get(projected.bound_run_id)
        if next_line is None or next_run is None:
            break
        line, run = next_line, next_run
    chain.reverse()
    return chain


def blame(assessment: Assessment, lines_of_runs: Mapping[SiteKey, Line]) -> Blame | None:
    """The cause of an order's lateness.

    Returns:
        None where the order is late by less than anything that could be named: nothing is blamed on a guess.
    """
    chain = chain_to(assessment, lines_of_runs)
    line = assessment.line
    if not chain:
        # The last run is finished: what is late now was lost on the way, and nothing can be projected any more.
        return Blame("behind", line, [], max(0.0, assessment.overhang_s))
    own = chain[-1]
    if line.calendar.work_between(assessment.need_by, own.run.planned_end) > 0:
        late_s = line.calendar.work_between(assessment.need_by, own.run.planned_end)
        return Blame("plan", line, chain, late_s)
    gated = gated_link(chain)
    if gated is not None:
        chain = chain[gated:]
    parts = consumed(assessment, chain)
    signal, at, lost_s = max(parts, key=lambda part: part[2])
    if lost_s <= 0:
        return None
    start = next((index for index, link in enumerate(chain) if link.line is at), 0)
    return Blame(
        signal, at, chain[start:], lost_s, chain[0].projected.waits_for if signal == "material" else None
    )


def consumed(assessment: Assessment, chain: list[Link]) -> list[tuple[str, Line, float]]:
    """Everything that consumed slack on the way to an order, blamed or not: signal, line, working time in seconds.

    They add up to the working time from the planned end of the order's run to its projected end; "behind" is the rest,
    and negative where less was lost than the parts say.
    """
    gated = gated_link(chain)
    if gated is not None:
        chain = chain[
            gated:
        ]  # what was lost before did no harm: without it, the run would have waited longer
    parts = _parts(chain) if gated is None else parts_from_gate(chain)
    own = chain[-1]
    total_s = assessment.line.calendar.work_between(own.run.planned_end, assessment.ready_at)
    explained_s = sum(lost_s for _, _, lost_s in parts)
    return [*parts, ("behind", chain[0].line, total_s - explained_s)]


def is_worth_a_card(cause: Blame, assessment: Assessment) -> bool:
    """Whether the cause is more than a guess; a mere backlog needs evidence and a high probability."""
    if cause.signal != "behind":
        return True
    enough = not cause.chain or cause.line.state.buckets_n >= BUCKETS_WITHOUT_SIGNAL
    return enough and assessment.p_late >= SURE_WITHOUT_SIGNAL


def _parts(chain: list[Link]) -> list[tuple[str, Line, float]]:
    """Working time lost by signal and line, in the order of the chain; ties go to the first."""
    parts: list[tuple[str, Line, float]] = []
    done: list[Line] = []
    for link in chain:
        line = link.line
        if line in done:
            continue
        done.append(line)
        mine = [other for other in chain if other.line is line]
        if line.drift.phase is DriftPhase.DRIFTING and line.drift.since_s is not None and line.delta < 0:
            ahead_s = sum(other.projected.run_work_s - other.projected.planned_work_s for other in mine)
            parts.append(("drift", line, lost_work_s(line, line.drift.since_s) + ahead_s))
        spoiled_s = _lost_to_bad_pieces_s(line, mine)
        if spoiled_s > 0:
            parts.append(("quality", line, spoiled_s))
        first = mine[0]
        waiting_s = 0.0
        if first.run.progress.state in STOPPED and line.state.marked_at is not None:
            waiting_s = line.calendar.work_between(line.state.marked_at, first.projected.start_at)
        over_s = line.state.down_work_s
        if stopped_run(line) is first.run:
            lasting_s = counted_s(line)
            over_s -= lasting_s
            parts.append(("down", line, lasting_s + waiting_s))
        else:
            over_s += waiting_s
        if over_s > 0:
            parts.append(("stop", line, over_s))
        booked_s = _overbooked_s(line, mine)
        if booked_s > 0:
            parts.append(("overbooked", line, booked_s))
        if first.projected.bound_by == "now":
            late_s = line.calendar.work_between(first.run.planned_start, first.projected.start_at)
            parts.append(("late_start", line, late_s))
    return parts


def _lost_to_bad_pieces_s(line: Line, links: list[Link]) -> float:
    """Working time lost to bad pieces above the base rate: to make those again, and on what these runs still make."""
    lost_s = 0.0
    items: dict[str, None] = {}
    for link in links:
        item_id = link.run.plan.item_id
        worst = line.quality.worst(item_id) if line.quality.risen else None
        if worst is None:
            continue
        reading = worst[1]
        good, usual = max(LEAST_YIELD, 1.0 - reading.rate), max(LEAST_YIELD, 1.0 - reading.base_rate)
        lost_s += link.projected.run_work_s * max(0.0, 1.0 - good / usual)
        if item_id not in items:
            items[item_id] = None
            excess = max(0.0, reading.pieces.bad - reading.base_rate * reading.pieces.made)
            lost_s += excess / (link.run.rate_pcs_per_h * line.state.level) * 3600.0
    return lost_s


def _worst_shift(line: Line, links: list[Link]) -> tuple[Series, QualityReading] | None:
    """What rose to the worst rate among the items of these runs on a line."""
    found: tuple[Series, QualityReading] | None = None
    for link in links:
        worst = line.quality.worst(link.run.plan.item_id) if link.line is line else None
        if worst is not None and (found is None or worst[1].rate > found[1].rate):
            found = worst
    return found


OVERBOOKED_FROM_S = 900.0
"""Plans round; below it nobody would call a line overbooked."""


def _overbooked_s(line: Line, links: list[Link]) -> float:
    """Working time that the plan of these runs asks of their line beyond what it gives: overlaps, and too short runs."""
    total_s, previous_end = 0.0, None
    for link in links:
        run = link.run
        if previous_end is not None and previous_end > run.planned_start:
            total_s += line.calendar.work_between(run.planned_start, min(previous_end, run.planned_end))
        if run.progress.state is RunState.PLANNED:
            needed_s = run.plan.quantity_pcs / run.rate_pcs_per_h * 3600.0
            total_s += max(0.0, needed_s - line.calendar.work_between(run.planned_start, run.planned_end))
        previous_end = run.planned_end if previous_end is None else max(previous_end, run.planned_end)
    return total_s if total_s >= OVERBOOKED_FROM_S else 0.0
