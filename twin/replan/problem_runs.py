"""Runs as a scheduling problem states them: what is left, how far they may be moved, what they wait for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from schemas import EligibleLine, Freedom, Lock, MaterialGate, PeggedTo, Rules, SchedulingRun, Unlocked
from twin.decisions.plan_moves import moves_in_shift
from twin.forecast.eligibility import eligible_lines
from twin.forecast.lookahead import Reading
from twin.forecast.projection import QueuedRun, resume_at
from twin.material.materials import Gate
from twin.state.entities import Line, Run, SiteKey
from twin.state.model import Model
from twin.state.runs import RunState

LATEST_S = 4_102_444_800.0
"""Stands for never in a problem, 1 January 2100: JSON knows no infinity."""

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Freeness:
    """How far a run may be moved, and why not further."""

    freedom: Freedom
    because: str = ""


def scheduling_runs(
    model: Model,
    line: Line,
    read: Reading,
    queue: Sequence[Run],
    among: Mapping[SiteKey, Line],
    inside: Mapping[SiteKey, object],
    locks: Mapping[SiteKey, Lock],
) -> list[SchedulingRun]:
    """The queue of a line.

    Args:
        model: the live model.
        line: the line.
        read: as its projection reads it.
        queue: the part of its queue that belongs to the problem, from its head on.
        among: lines of the problem.
        inside: runs of the problem.
        locks: planners' pins, by run.
    """
    rules = model.plant.rules(line.site_id)
    gates = model.supply.gates_of(line.site_id)
    runs = []
    for position, (run, item) in enumerate(zip(queue, read.items, strict=False)):
        key = (run.site_id, run.run_id)
        lock = locks.get(key)
        moves = moves_in_shift(model, run, read.minute)
        free = freeness_of(line, run, rules, read.minute, moves, lock)
        eligible = eligible_lines(model, run, among)
        unlocked = None
        if lock is not None and free.freedom != "started":
            alone = freeness_of(line, run, rules, read.minute, moves)
            unlocked = Unlocked(freedom=alone.freedom, because=alone.because, eligible=eligible)
            eligible = pinned_to(lock, eligible)
        fed_by, fed_at = _feeders(model, key, inside)
        plan = run.plan
        runs.append(
            SchedulingRun(
                site_id=run.site_id,
                run_id=run.run_id,
                item_id=plan.item_id,
                family=model.family_of(run),
                state=run.progress.state.value,  # type: ignore[arg-type]  # finished runs are in no queue
                freedom=free.freedom,
                because=free.because,
                line_id=line.line_id,
                position=position,
                planned_start=run.planned_start,
                planned_end=run.planned_end,
                quantity_pcs=plan.quantity_pcs,
                remaining_pcs=item.remaining_pcs,
                setup_s=None if plan.setup_min is None else plan.setup_min * 60.0,
                next_piece_at=_next_piece_at(line, item, read),
                release_at=None if plan.release_at is None else plan.release_at.timestamp(),
                not_before=None if lock is None or lock.not_before is None else lock.not_before.timestamp(),
                locked_line_id=None if lock is None or unlocked is None else lock.line_id,
                unlocked=unlocked,
                eligible=eligible,
                gates=[material_gate(gate) for gate in gates.get(run.run_id, ())],
                fed_by=fed_by,
                fed_at=fed_at,
                pegs=pegs_of(run),
                moves=moves,
            )
        )
    return runs


def pinned_to(lock: Lock, eligible: list[EligibleLine]) -> list[EligibleLine]:
    """The lines that a lock leaves."""
    pinned = [each for each in eligible if each.line_id == lock.line_id]
    return pinned or eligible


def freeness_of(
    line: Line, run: Run, rules: Rules, now: float, moves: int, lock: Lock | None = None
) -> Freeness:
    """How far a run may be moved.

    The frozen and the firm horizon count from when it is projected to start: what waits for a line that is down for the
    day is not about to start, whatever was planned.
    """
    if run.progress.state is not RunState.PLANNED:
        return Freeness("started", f"it is {run.progress.state.value}")
    if lock is not None and lock.line_id == line.line_id:
        return Freeness("frozen", "a planner locked it there")
    if moves >= rules.replan_moves_per_shift:
        times = "may not be moved" if moves == 0 else f"was moved {moves} x in this shift already"
        return Freeness("frozen", times)
    projected = line.projected.get(run.run_id)
    starts = run.planned_start if projected is None else projected.start_at
    if starts < now + rules.plan_frozen_h * HOUR_S:
        return Freeness("frozen", f"starts within {rules.plan_frozen_h:g} h")
    if starts < now + rules.plan_firm_h * HOUR_S:
        return Freeness("firm", f"starts within {rules.plan_firm_h:g} h")
    return Freeness("free")


def material_gate(gate: Gate) -> MaterialGate:
    """As the solver reads it."""
    return MaterialGate(
        item_id=gate.item_id,
        at=finite(gate.at),
        after_pcs=gate.after_pcs,
        receipt_id=gate.receipt_id,
    )


def pegs_of(run: Run) -> list[PeggedTo]:
    """What a run is for, by order; pieces for an order that is named twice are one peg."""
    pegs: dict[SiteKey, float] = {}
    for peg in run.plan.pegs:
        key = (peg.order_site_id or run.site_id, peg.order_id)
        pegs[key] = pegs.get(key, 0.0) + peg.quantity_pcs
    return [
        PeggedTo(site_id=key[0], order_id=key[1], quantity_pcs=pieces) for key, pieces in sorted(pegs.items())
    ]


def finite(moment: float) -> float:
    """The moment, or LATEST_S for never."""
    return min(moment, LATEST_S)


def _next_piece_at(line: Line, item: QueuedRun, read: Reading) -> float | None:
    if item.state is RunState.PLANNED:
        return None
    return finite(resume_at(item, line.calendar, read.known_at, read.minute))


def _feeders(
    model: Model, key: SiteKey, inside: Mapping[SiteKey, object]
) -> tuple[list[SiteKey], float | None]:
    """Unfinished runs that feed this one: those of the problem, and the latest projected end of the others."""
    within: list[SiteKey] = []
    latest = -inf
    for feeder_key in sorted(model.feeders.get(key, ())):
        feeder = model.runs.get(feeder_key)
        if feeder is None or feeder.is_finished:
            continue
        if feeder_key in inside:
            within.append(feeder_key)
            continue
        projected = model.line_of_run[feeder_key].projected.get(feeder.run_id)
        if projected is not None:
            latest = max(latest, projected.finish_at)
    return within, None if latest == -inf else finite(latest)
