"""The loop closed, on Apache Kafka: a line stands for four hours, the twin asks, the solver answers in stages, a planner
approves and commits, the plan changes reach an ERP that answers them, and the projections move to what was promised.

Twenty lines and two hundred orders, the real roles as processes; the ERP is the simulator's stand-in.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from pydantic import BaseModel

from bench.brokers import send_bodies
from bench.loop_plant import LoopPlant
from bench.plant import SITE, Body
from schemas import (
    OrderProjection,
    PlanAcknowledged,
    PlanChange,
    PlanOption,
    PlanState,
    Proposal,
    ReplanRequested,
    RunPlanned,
    topics,
)
from streams.desk import command, send
from streams.settings import Settings
from streams.simulator.erp import ErpPlan, ErpRules
from streams.simulator.erp_role import ErpRole
from streams.topic_admin import create_topics
from tests.running import messages, roles, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(420)]

BEGIN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
STOPPED_AT = BEGIN + timedelta(minutes=40)
DOWN = 3
PATIENCE_S = 240.0
"""The solver may have to compile its code first."""

CLOSE = timedelta(minutes=2)
"""Plans are written in whole minutes, and projections follow them."""

Document = TypeVar("Document", bound=BaseModel)


@pytest.fixture
def settings(kafka: str) -> Settings:
    made = Settings(kafka=kafka, topic_prefix=f"plan-loop-{os.getpid()}-", clock="events")
    create_topics(made, replication=1)
    return made


def all_of(settings: Settings, topic: str, model: type[Document]) -> list[Document]:
    return [model.model_validate_json(message.value() or b"") for message in messages(settings, topic)]


def tick(at: datetime) -> Body:
    name = f"tick/{at.isoformat()}"
    return {"kind": "clock_ticked", "event_id": name, "event_time": at.isoformat(), "site_id": SITE}


@contextmanager
def erp(settings: Settings, rules: ErpRules) -> Iterator[list[Exception]]:
    """The stand-in in a thread until the block ends."""
    stop, failures = threading.Event(), list[Exception]()

    def work() -> None:
        try:
            ErpRole(settings, ErpPlan(rules)).run(stop)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join(30)


def projections(settings: Settings) -> dict[str, OrderProjection]:
    """The newest of each order: records of an order stand in one partition, in order."""
    return {each.order_id: each for each in all_of(settings, topics.ORDER_PROJECTIONS, OrderProjection)}


def state_of(settings: Settings, proposal_id: str) -> PlanState | None:
    found = [each for each in all_of(settings, topics.PLANS, PlanState) if each.plan_id == proposal_id]
    return max(found, key=lambda each: each.revision, default=None)


def final_of(settings: Settings) -> Proposal | None:
    """The last word on the line that stands: by its length of stop it may be asked about twice."""
    asked = [
        each
        for each in all_of(settings, topics.REPLAN_REQUESTS, ReplanRequested)
        if "line_down" in each.triggers
    ]
    given_up = {request_id for each in asked for request_id in each.supersedes}
    wanted = [each.request_id for each in asked if each.request_id not in given_up]
    final = [
        each
        for each in all_of(settings, topics.PROPOSALS, Proposal)
        if each.is_final and each.request_id in wanted
    ]
    return final[-1] if final else None


def plan_the_stop(settings: Settings, explain: list[str]) -> tuple[Proposal, PlanOption]:
    """From the stop to the final revision, and the option that costs least among those that are not to hold."""
    plant = LoopPlant(BEGIN)
    send_bodies(settings, [*plant.model(), *plant.begun(), tick(BEGIN)])
    wait_until(
        lambda: sum(each.status == "projected" for each in projections(settings).values()) == 200, PATIENCE_S
    )
    counts = list(plant.made(STOPPED_AT))
    stop = {
        name: value for name, value in plant.held(DOWN, STOPPED_AT).items() if name != "expected_duration_min"
    }
    send_bodies(settings, [*counts, tick(STOPPED_AT)])
    send_bodies(settings, [stop])
    wait_until(lambda: any(b"run_held" in (m.value() or b"") for m in messages(settings, topics.FACTS)), 60.0)
    told = command(
        "stop_duration_report",
        SITE,
        "o.roy",
        STOPPED_AT,
        line_id=plant.line_id(DOWN),
        expected_duration_min=240.0,
    )
    assert "accepted" == send(settings, told, plant.line_id(DOWN)).outcome
    send_bodies(settings, [tick(STOPPED_AT + timedelta(seconds=30))])
    wait_until(lambda: final_of(settings) is not None, PATIENCE_S, lambda: "\n".join(explain))
    proposal = final_of(settings)
    assert proposal is not None
    assert proposal.error is None
    assert "hold" == proposal.options[0].label
    others = [option for option in proposal.options if option.label != "hold" and option.feasible]
    assert others, "four hours of a busy line, and nothing better than to wait"
    return proposal, min(others, key=lambda option: option.kpis.cost)


def decide(settings: Settings, kind: str, proposal: Proposal, option: PlanOption) -> None:
    state = state_of(settings, proposal.proposal_id)
    assert state is not None
    sent = command(
        kind,
        SITE,
        "o.roy",
        STOPPED_AT + timedelta(seconds=30),
        proposal_id=proposal.proposal_id,
        option_id=option.option_id,
        expected_revision=state.revision,
    )
    result = send(settings, sent, proposal.proposal_id)
    assert "accepted" == result.outcome, result


def test_a_stopped_line_is_planned_anew_committed_acknowledged_and_projected(settings: Settings) -> None:
    with (
        roles(settings, "ingest", "twin", "solver") as running,
        erp(settings, ErpRules()) as failures,
    ):
        proposal, option = plan_the_stop(settings, [role.printed for role in running.values()])
        wait_until(
            lambda: (
                getattr(state_of(settings, proposal.proposal_id), "state", "") == "proposed"
                and getattr(state_of(settings, proposal.proposal_id), "proposal_revision", 0)
                == proposal.revision
            ),
            60.0,
        )
        before = projections(settings)
        decide(settings, "proposal_approve", proposal, option)
        decide(settings, "proposal_commit", proposal, option)
        wait_until(
            lambda: getattr(state_of(settings, proposal.proposal_id), "state", "") == "committed",
            60.0,
            lambda: f"{failures} {state_of(settings, proposal.proposal_id)}",
        )
        promised = {each.order_id: each.ships_after for each in option.per_order}
        wait_until(
            lambda: {} == _elsewhere(settings, promised),
            60.0,
            lambda: f"promised against projected: {_elsewhere(settings, promised)}",
        )
        after = projections(settings)

    assert [] == failures
    revisions = [
        each
        for each in all_of(settings, topics.PROPOSALS, Proposal)
        if each.request_id == proposal.request_id
    ]
    assert list(range(revisions[0].revision, proposal.revision + 1)) == [each.revision for each in revisions]
    state = state_of(settings, proposal.proposal_id)
    assert state is not None
    changes = {each.change_id: each for each in all_of(settings, topics.PLAN_CHANGES, PlanChange)}
    acks = {each.change_id: each for each in all_of(settings, topics.PLAN_ACKS, PlanAcknowledged)}
    assert {"accepted"} == {each.outcome for each in state.changes}
    assert set(changes) == set(acks) == {each.change_id for each in state.changes}
    planned = {
        body.run_id: body
        for message in messages(settings, topics.ORDERS)
        if b'"run_planned"' in (message.value() or b"")
        for body in [RunPlanned.model_validate_json(message.value() or b"")]
    }
    assert {each.run_id: each.line_id for each in changes.values() if each.action == "plan_run"} == {
        each.run_id: planned[each.run_id].line_id for each in changes.values() if each.action == "plan_run"
    }
    # What the option said of late orders is what the twin projects now, and it is less than before.
    assert _late_h(after) < _late_h(before)


def _late_h(found: dict[str, OrderProjection]) -> float:
    return sum((each.slip_s or 0.0) for each in found.values()) / 3600.0


def _elsewhere(
    settings: Settings, promised: dict[str, datetime | None]
) -> dict[str, tuple[datetime | None, datetime | None]]:
    """Orders that are not projected to ship when the option said."""
    found = projections(settings)
    return {
        order_id: (at, found[order_id].ships_at)
        for order_id, at in promised.items()
        if not _is_close(at, found[order_id].ships_at)
    }


def _is_close(first: datetime | None, second: datetime | None) -> bool:
    return first == second or (first is not None and second is not None and abs(first - second) <= CLOSE)
