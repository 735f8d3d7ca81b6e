"""A stand-in for the ERP and MES that execute: what it answers to plan changes, and what it then plans.

    erp = ErpPlan(ErpRules(round_start_min=30))
    for event in ...: erp.learn(event)
    answer = erp.answer(change, now)    answer.ack to erp.plan-acks.v1, answer.events to the topics of their kinds

Law: pure. The same events and changes in the same order give the same answers; a change answered once is answered the
same again and carried out no second time. Kafka is in erp_role.py, the simulated factory uses this as it is.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from schemas import (
    Event,
    OvertimeWindowUpserted,
    Peg,
    PlanAcknowledged,
    PlanChange,
    RunCancelled,
    RunPlanned,
)

SOURCE = "erp"
"""Source id of what it says, and the beginning of its event ids."""

BEGUN_BY = frozenset({"setup_started", "run_started", "run_held", "run_resumed", "run_suspended"})
ENDED_BY = frozenset({"run_completed", "run_aborted"})


@dataclass(frozen=True, slots=True)
class ErpRules:
    """When it does not simply do as it is told.

    Attributes:
        closed_lines: (site, line) that it plans nothing onto; such a change is rejected.
        notice_min: what is to begin sooner than this is rejected: nobody would be told in time.
        round_start_min: it plans in steps so long, and begins at the next one: a modified answer. 0: to the second.
    """

    closed_lines: frozenset[tuple[str, str]] = frozenset()
    notice_min: float = 0.0
    round_start_min: float = 0.0


@dataclass(frozen=True, slots=True)
class ErpAnswer:
    """What it says to one change.

    Attributes:
        ack: the answer.
        events: what it now plans: run_planned, run_cancelled, overtime_window_upserted; empty where nothing changed.
    """

    ack: PlanAcknowledged
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class _Known:
    """What it knows of the plant, by site and id."""

    runs: dict[tuple[str, str], RunPlanned] = field(default_factory=dict)
    begun: set[tuple[str, str]] = field(default_factory=set)
    windows: dict[tuple[str, str], OvertimeWindowUpserted] = field(default_factory=dict)


class _Refused(Exception):
    """It will not do that; the message is the reason that it gives."""


class ErpPlan:
    """The plan as the stand-in holds it.

    Args:
        rules: when it changes or refuses what it is asked.
    """

    def __init__(self, rules: ErpRules | None = None) -> None:
        self._rules = rules or ErpRules()
        self._known = _Known()
        self._answered: dict[str, PlanAcknowledged] = {}

    def learn(self, event: Event) -> None:
        """Take in what is said of the plant: plans of runs, overtime on offer, what machines begin; also own answers."""
        known, site_id = self._known, event.site_id
        if isinstance(event, RunPlanned):
            known.runs[site_id, event.run_id] = event
        elif isinstance(event, RunCancelled):
            known.runs.pop((site_id, event.run_id), None)
        elif isinstance(event, OvertimeWindowUpserted):
            known.windows[site_id, event.window_id] = event
        elif isinstance(event, PlanAcknowledged):
            self._answered[event.change_id] = event
        elif event.kind in BEGUN_BY or event.kind in ENDED_BY:
            run_id = getattr(event, "run_id", None)
            if run_id is not None:
                known.begun.add((site_id, run_id))

    def run(self, site_id: str, run_id: str) -> RunPlanned | None:
        """A run as it is now planned."""
        return self._known.runs.get((site_id, run_id))

    def has_answered(self, change_id: str) -> bool:
        """Whether a change was answered before."""
        return change_id in self._answered

    def answer(self, change: PlanChange, now: datetime) -> ErpAnswer:
        """Carry a change out, as far as the rules let it.

        Args:
            change: what is asked.
            now: the plant's time.
        """
        before = self._answered.get(change.change_id)
        if before is not None:
            return ErpAnswer(before)
        try:
            events, said = self._carry_out(change, now)
        except _Refused as refused:
            events, said = (), {"outcome": "rejected", "reason": str(refused)}
        ack = PlanAcknowledged.model_validate(
            {
                "event_id": f"{SOURCE}/ack/{change.change_id}",
                "event_time": now,
                "site_id": change.site_id,
                "source_id": SOURCE,
                "change_id": change.change_id,
                **said,
            }
        )
        for event in (*events, ack):
            self.learn(event)
        return ErpAnswer(ack, events)

    def _carry_out(self, change: PlanChange, now: datetime) -> tuple[tuple[Event, ...], dict[str, object]]:
        if change.action == "cancel_run":
            return (self._cancelled(change, now),), {"outcome": "accepted"}
        if change.action == "order_overtime":
            return (self._overtime(change, now),), {"outcome": "accepted"}
        planned = self._planned(change, now)
        said: dict[str, object] = {"outcome": "accepted"}
        if planned.planned_start_at != change.start_at:
            minutes = (planned.planned_start_at - change.start_at).total_seconds() / 60.0
            said = {
                "outcome": "modified",
                "line_id": planned.line_id,
                "planned_start_at": planned.planned_start_at,
                "planned_end_at": planned.planned_end_at,
                "reason": f"begins {minutes:g} min later: planned in steps of {self._rules.round_start_min:g} min",
            }
        return (planned,), said

    def _planned(self, change: PlanChange, now: datetime) -> RunPlanned:
        before = self._known.runs.get((change.site_id, change.run_id))
        is_begun = (change.site_id, change.run_id) in self._known.begun
        if is_begun and before is not None and change.line_id != before.line_id:
            raise _Refused(f"{change.run_id} has begun on {before.line_id}")
        if (change.site_id, change.line_id) in self._rules.closed_lines:
            raise _Refused(f"{change.line_id} is closed to planning")
        if not is_begun and change.start_at < now + timedelta(minutes=self._rules.notice_min):
            raise _Refused(
                f"it would begin at {change.start_at.isoformat()}, and {self._rules.notice_min:g} min of notice are needed"
            )
        start = self._rounded(change.start_at)
        fields: dict[str, object] = {
            "event_id": f"{SOURCE}/{change.change_id}",
            "event_time": now,
            "source_id": SOURCE,
            "source_sequence": None,
            "line_id": change.line_id,
            "quantity_pcs": change.quantity_pcs,
            "planned_start_at": start,
            "planned_end_at": change.end_at + (start - change.start_at),
        }
        if before is not None:
            is_same_line = before.line_id == change.line_id
            return before.model_copy(
                update={
                    **fields,
                    # What it makes an hour on another line is the routing's to say.
                    "rate_pcs_per_h": before.rate_pcs_per_h if is_same_line else None,
                    "pegs": _scaled(before.pegs, change.quantity_pcs / before.quantity_pcs),
                }
            )
        parent = self._parent(change)
        item_id = change.item_id or (None if parent is None else parent.item_id)
        if item_id is None:
            raise _Refused(f"there is no run {change.run_id}, and nobody says what it makes")
        return RunPlanned.model_validate(
            {
                **fields,
                "site_id": change.site_id,
                "run_id": change.run_id,
                "item_id": item_id,
                "pegs": _pegs_of_new(change, parent),
                "work_order_id": None if parent is None else parent.work_order_id,
                "release_at": None if parent is None else parent.release_at,
            }
        )

    def _parent(self, change: PlanChange) -> RunPlanned | None:
        """The run that it is split or transferred from: of its own site, else of the order's."""
        if change.of_run_id is None:
            return None
        runs = self._known.runs
        here = runs.get((change.site_id, change.of_run_id))
        there = None if change.order_site_id is None else runs.get((change.order_site_id, change.of_run_id))
        return here or there

    def _cancelled(self, change: PlanChange, now: datetime) -> RunCancelled:
        key = (change.site_id, change.run_id)
        if key not in self._known.runs:
            raise _Refused(f"there is no run {change.run_id}")
        if key in self._known.begun:
            raise _Refused(f"{change.run_id} has begun")
        return RunCancelled(
            event_id=f"{SOURCE}/{change.change_id}",
            event_time=now,
            site_id=change.site_id,
            source_id=SOURCE,
            run_id=change.run_id,
            reason=change.because[:2000] or None,
        )

    def _overtime(self, change: PlanChange, now: datetime) -> OvertimeWindowUpserted:
        window_id = change.window_id or ""
        window = self._known.windows.get((change.site_id, window_id))
        if window is None or window.withdrawn:
            raise _Refused(f"no overtime {window_id!r} is on offer")
        if now > (window.notice_by or window.start_at):
            raise _Refused(f"the notice for overtime {window_id} had to be given by {window.notice_by}")
        return window.model_copy(
            update={
                "event_id": f"{SOURCE}/{change.change_id}",
                "event_time": now,
                "source_id": SOURCE,
                "source_sequence": None,
                "start_at": change.start_at,
                "end_at": change.end_at,
                "committed": True,
            }
        )

    def _rounded(self, start: datetime) -> datetime:
        step_s = self._rules.round_start_min * 60.0
        if step_s <= 0.0:
            return start
        at_s = start.timestamp()
        return start + timedelta(seconds=ceil(at_s / step_s) * step_s - at_s)


def _pegs_of_new(change: PlanChange, parent: RunPlanned | None) -> list[Peg]:
    """Whom a new run is for: the orders of the run that it is split or brought from, by their shares, or the one named."""
    if parent is None and not change.order_id:
        return []  # for stock
    if parent is None:
        elsewhere = change.order_site_id if change.order_site_id != change.site_id else None
        return [Peg(order_id=change.order_id, quantity_pcs=change.quantity_pcs, order_site_id=elsewhere)]
    pegs = []
    for peg in _scaled(parent.pegs, change.quantity_pcs / parent.quantity_pcs):
        at = peg.order_site_id or parent.site_id
        pegs.append(peg.model_copy(update={"order_site_id": None if at == change.site_id else at}))
    return pegs


def _scaled(pegs: list[Peg], factor: float) -> list[Peg]:
    """Pegs of a run whose quantity changes: each order keeps its share."""
    return [peg.model_copy(update={"quantity_pcs": peg.quantity_pcs * factor}) for peg in pegs]
