"""Proposals by hand: what the twin asked, options with the moves that a test wants, commands and answers.

Two lines of 100 pieces an hour, 06:00-22:00. R1 (800 pieces, order 1) runs on L1 from Mon 06:00; R2 (800, order 2) is
planned behind it, Mon 14:30 to 22:30; R3 (400, order 3) on L1 from Tue 07:00. L2 has nothing to do. Each could be made
on either line.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas import (
    Event,
    OrderEffect,
    Output,
    OvertimeBought,
    PlanKpis,
    PlannedRun,
    PlanOption,
    PlanState,
    Proposal,
    ReplanRequested,
    RunChange,
    topics,
)
from solvers.options import choices_of
from tests.folding import Folded, at, event, order, run, small_plant
from twin.decisions.plan_book import revision_of
from twin.replan.problems import build_problem
from twin.words import utc

AT_TEN = at(0, "10:00")
AT_NOTICE = at(0, "20:00")
NUMBER = iter(range(1_000_000))
ROUTING = [{"step": 1, "line_id": line, "rate_pcs_per_h": 100.0} for line in ("L1", "L2")]


def plant(*more: Event, **rules: Any) -> list[Event]:
    """The plant and its plan."""
    return [
        *small_plant(),
        event("routing_upserted", at(0, "00:00"), item_id="red", steps=ROUTING),
        event("rules_updated", at(0, "00:00"), rules={"rules_id": "r", "version": "1", **rules}),
        order("1", at(1, "12:00")),
        order("2", at(1, "12:00")),
        order("3", at(2, "12:00"), quantity=400.0),
        run("R1", "L1", at(0, "06:00"), at(0, "14:00"), pegs=["1"]),
        run("R2", "L1", at(0, "14:30"), at(1, "06:30"), pegs=["2"]),
        run("R3", "L1", at(1, "07:00"), at(1, "11:00"), quantity=400.0, pegs=["3"]),
        *more,
    ]


def two_lines(*more: Event, **rules: Any) -> Folded:
    """The plant, Mon 08:00, R1 running."""
    folded = Folded()
    folded.tell(*plant(*more, **rules))
    folded.tick(at(0, "06:00"))
    folded.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    folded.tick(at(0, "08:00"))
    return folded


def ask(
    folded: Folded, proposal_id: str = "P1", *, lines: Sequence[str] = ("S1/L1", "S1/L2"), **fields: Any
) -> ReplanRequested:
    """The twin asks: what the solver gets, and what the twin notes of it."""
    twin = folded.twin
    assert twin.now is not None
    keys = [(line.split("/")[0], line.split("/")[1]) for line in lines]
    request = ReplanRequested(
        output_id=f"ask/{proposal_id}",
        request_id=f"{proposal_id}/asked",
        proposal_id=proposal_id,
        site_id="S1",
        as_of=utc(twin.now),
        scope=list(lines),
        plan_revision=revision_of(twin.model, "S1"),
        problem=build_problem(twin.model, twin.now, keys, problem_id=proposal_id),
        **{
            "trigger": "manual",
            "triggers": ["manual"],
            "because": ["sue asked"],
            "caused_by": ["e1"],
            **fields,
        },
    )
    before = len(folded.outputs)
    twin._proposals.hear([Output(topics.REPLAN_REQUESTS, proposal_id, request, "ask", "now")])
    assert before == len(folded.outputs)
    folded.tick(utc(twin.now + 1.0))  # takes what came of it
    return request


def planned(run_id: str, line_id: str, start: datetime, hours: float = 8.0, **fields: Any) -> PlannedRun:
    """A run in a plan, 100 pieces an hour."""
    values: dict[str, Any] = {
        "site_id": "S1",
        "run_id": run_id,
        "line_id": line_id,
        "position": 0,
        "planned_start_at": start,
        "start_at": start,
        "end_at": start + timedelta(hours=hours),
        "quantity_pcs": hours * 100.0,
        "status": "free",
        **fields,
    }
    return PlannedRun(**values)


AS_IT_IS = (
    planned("R1", "L1", at(0, "06:00"), status="started", order_ids=["S1/1"]),
    planned("R2", "L1", at(0, "14:30"), position=1, order_ids=["S1/2"]),
    planned("R3", "L1", at(1, "07:00"), 4.0, position=2, order_ids=["S1/3"]),
)
"""The plan of the plant above."""


def kpis(**fields: Any) -> PlanKpis:
    """Figures of a plan; 0 where nothing is said."""
    zeros = dict.fromkeys((name for name in PlanKpis.model_fields if name != "margin"), 0.0)
    return PlanKpis(
        **{**zeros, "late_orders": 0, "changeovers": 0, "moved_orders": 0, "margin": None, **fields}
    )


def hold() -> PlanOption:
    """Going on as planned, with an order late."""
    return option("hold", "hold", AS_IT_IS, kpis=kpis(late_orders=1, cost=1000.0), against_hold={})


def option(option_id: str, label: str, plan: Sequence[PlannedRun], **fields: Any) -> PlanOption:
    """An option with this plan."""
    values: dict[str, Any] = {
        "option_id": option_id,
        "label": label,
        "title": f"{label} {option_id}",
        "kpis": kpis(),
        "against_hold": {"cost": -1000.0, "late_orders": -1.0},
        "plan": list(plan),
        "changes": [],
        "per_order": [],
        "sacrifices": [],
        "feasible": True,
        "violations": [],
        **fields,
    }
    return PlanOption(**values)


def reroute(option_id: str = "A", start: datetime = AT_TEN, **fields: Any) -> PlanOption:
    """R2 goes to L2 at Mon 10:00, R3 follows R1 at 14:30."""
    plan = [
        AS_IT_IS[0],
        planned("R2", "L2", start, order_ids=["S1/2"]),
        planned("R3", "L1", at(0, "14:30"), 4.0, position=1, order_ids=["S1/3"]),
    ]
    changes = [
        RunChange(
            site_id="S1", run_id="R2", field="line_id", before="L1", after="L2", because="L2 is free at 10:00"
        )
    ]
    effect = OrderEffect(
        site_id="S1",
        order_id="2",
        customer_name="Acme",
        ships_before=at(2, "12:00"),
        ships_after=at(1, "12:00"),
        slip_h_before=24.0,
        slip_h_after=0.0,
        penalty_before=1000.0,
        penalty_after=0.0,
    )
    return option(option_id, "reroute", plan, **{"changes": changes, "per_order": [effect], **fields})


def overtime(option_id: str = "O", notice_by: datetime = AT_NOTICE) -> PlanOption:
    """Two hours of overtime on L1 from Mon 22:00."""
    bought = OvertimeBought(
        site_id="S1",
        line_id="L1",
        window_id="W1",
        start_at=at(0, "22:00"),
        end_at=at(1, "00:00"),
        hours=2.0,
        cost=100.0,
        notice_by=notice_by,
    )
    return option(option_id, "overtime", AS_IT_IS, overtime=[bought])


def proposal(request: ReplanRequested, revision: int, *options: PlanOption, **fields: Any) -> Proposal:
    """A revision of the answer to a request."""
    values: dict[str, Any] = {
        "event_id": f"{request.proposal_id}/{revision}",
        "event_time": request.as_of,
        "site_id": request.site_id,
        "proposal_id": request.proposal_id,
        "request_id": request.request_id,
        "revision": revision,
        "stage": "repair",
        "is_final": False,
        "trigger": request.trigger,
        "because": request.because,
        "scope": request.scope,
        "card_ids": request.card_ids,
        "plan_revision": request.plan_revision,
        "options": list(options),
        "choices": choices_of(request.problem),
        "seed": 1,
        "moves": 1000,
        "solve_ms": 12.0,
        **fields,
    }
    return Proposal(**values)


def state(folded: Folded, plan_id: str = "P1") -> PlanState:
    """The last word on a proposal or a site's plan."""
    found: list[PlanState | None] = folded.on(topics.PLANS)
    return [body for body in found if body is not None and body.plan_id == plan_id][-1]


def command(folded: Folded, kind: str, when: datetime, proposal_id: str = "P1", **fields: Any) -> Any:
    """A command on a proposal as it stands; gives the twin's answer to it."""
    command_id = fields.pop("command_id", f"c{next(NUMBER)}")
    values = {
        "command_id": command_id,
        "actor": "sue",
        "proposal_id": proposal_id,
        "expected_revision": state(folded, proposal_id).revision if _is_known(folded, proposal_id) else 1,
        **fields,
    }
    if kind == "proposal_reject":
        values.setdefault("reason", "no")
    folded.tell(event(kind, when, event_id=f"e{next(NUMBER)}", **values))
    return folded.on(topics.COMMAND_RESULTS)[-1]


def _is_known(folded: Folded, plan_id: str) -> bool:
    return any(body is not None and body.plan_id == plan_id for body in folded.on(topics.PLANS))


def answer(folded: Folded, change: Any, when: datetime, outcome: str = "accepted", **fields: Any) -> None:
    """ERP answers a change."""
    identity = f"ack{next(NUMBER)}"
    values = {"change_id": change.change_id, "outcome": outcome, **fields}
    folded.tell(event("plan_acknowledged", when, identity, site_id=change.site_id, **values))


def changes(folded: Folded) -> list[Any]:
    """Plan changes that were sent so far."""
    return folded.on(topics.PLAN_CHANGES)


def approved(folded: Folded, *options: PlanOption, option_id: str = "A") -> ReplanRequested:
    """A proposal with options, one of them approved by sue at Mon 08:01."""
    request = ask(folded)
    folded.tell(proposal(request, 1, hold(), *options))
    result = command(folded, "proposal_approve", at(0, "08:01"), option_id=option_id)
    assert "accepted" == result.outcome, result.message
    return request


def committing(**rules: Any) -> Folded:
    folded = two_lines(**rules)
    approved(folded, reroute())
    command(folded, "proposal_commit", at(0, "08:02"), option_id="A")
    return folded
