"""Planning on the wire: what the twin asks, what the solver proposes, what a planner commits."""

from datetime import datetime
from typing import Literal

from schemas.base import OutputModel


class PlannedRun(OutputModel):
    """A run in a plan; status says how far it may be moved."""

    run_id: str
    line_id: str
    start_at: datetime
    end_at: datetime
    status: Literal["started", "frozen", "firm", "free"]


class ReplanRequested(OutputModel):
    """twin.replan-requests.v1: a self-contained scheduling problem and what triggered it.

    Attributes:
        scope: the lines that may be touched; problem: the whole problem as JSON, see solvers/problem.py.
    """

    output_id: str
    request_id: str
    site_id: str
    trigger: str
    scope: list[str]
    plan_revision: int
    problem: str
    as_of: datetime


class PlanKpis(OutputModel):
    """Figures of a plan: hours, minutes, money in the site's currency."""

    late_orders: int
    total_slip_h: float
    max_slip_h: float
    overtime_h: float
    changeovers: int
    changeover_min: float
    cost: float
    margin: float | None
    throughput_pcs: float
    moved_orders: int


class RunChange(OutputModel):
    """One field of one run that an option changes."""

    run_id: str
    field: Literal["line_id", "start_at", "end_at", "quantity_pcs", "overtime"]
    before: str
    after: str
    because: str


class OrderEffect(OutputModel):
    """What an option does to an order."""

    order_id: str
    ships_before: datetime | None
    ships_after: datetime | None


class PlanOption(OutputModel):
    """One way to go on, with its trade-offs against hold."""

    option_id: str
    label: Literal[
        "hold",
        "repair",
        "resequence",
        "reroute",
        "overtime",
        "split",
        "other_site",
        "expedite_material",
        "partial_ship",
    ]
    kpis: PlanKpis
    against_hold: dict[str, float]
    plan: list[PlannedRun]
    changes: list[RunChange]
    per_order: list[OrderEffect]
    sacrifices: list[str]
    feasible: bool
    violations: list[str]


class Proposal(OutputModel):
    """solver.proposals.v1: options for one request; a higher revision replaces a lower one."""

    output_id: str
    proposal_id: str
    request_id: str
    site_id: str
    revision: int
    stage: Literal["hold", "repair", "polish"]
    options: list[PlanOption]
    seed: int
    moves: int


class PlanState(OutputModel):
    """twin.plans.v1: the committed plan of a group, or where a proposal is in its life."""

    output_id: str
    plan_id: str
    site_id: str
    revision: int
    state: Literal[
        "draft",
        "proposed",
        "adjusted",
        "approved",
        "committing",
        "committed",
        "partially_committed",
        "commit_failed",
        "rejected",
        "expired",
        "superseded",
    ]
    runs: list[PlannedRun]
    as_of: datetime


class PlanChange(OutputModel):
    """twin.plan-changes.v1: the write-back, a change request with its idempotency key."""

    output_id: str
    change_id: str
    proposal_id: str
    site_id: str
    order_id: str
    run_id: str
    line_id: str
    start_at: datetime
    end_at: datetime
    quantity_pcs: float
    expected_revision: int
