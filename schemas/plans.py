"""Planning on the wire: what the twin asks, what the solver proposes, what a planner commits."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import Event, OutputModel
from schemas.scheduling import Freedom, Goal, SchedulingProblem

Trigger = Literal[
    "line_down", "drift", "shortage", "rush_order", "order_cancelled", "order_changed", "late_receipt",
    "quality", "plan_changed", "adjusted", "quote", "manual",
]  # fmt: skip

OptionLabel = Literal[
    "hold", "repair", "resequence", "reroute", "overtime", "split", "other_site", "expedite_material", "partial_ship",
]  # fmt: skip

ProposalState = Literal[
    "draft", "proposed", "adjusted", "approved", "committing", "committed", "partially_committed", "commit_failed",
    "rejected", "expired", "superseded",
]  # fmt: skip


class PlannedRun(OutputModel):
    """A run in a plan.

    Attributes:
        line_id: on the run's own site, unless line_site_id names another one.
        position: in the line's queue, from 0.
        start_at, end_at: first and last good piece, as projected under this plan; planned_start_at: what the plan says,
            never after start_at.
        status: how far it may be moved.
        of_run_id: the run that it is split from.
        setup_s: working time of the setup right before it, in seconds; order_ids: that it is for, as site_id/order_id.
    """

    site_id: str
    run_id: str
    line_id: str
    line_site_id: str | None = None
    position: int
    planned_start_at: datetime
    start_at: datetime
    end_at: datetime
    quantity_pcs: float
    status: Freedom
    of_run_id: str | None = None
    setup_s: float = 0.0
    order_ids: list[str] = Field(default_factory=list)


class RunChoice(OutputModel):
    """What a planner may do with a run that has not begun: the locks of `proposal_adjust` are held to it.

    Attributes:
        status: how far it may be moved without a lock, and because of what not further. A frozen run keeps its line.
        lines: that can make it, as site_id/line_id; its own, where it is planned, first.
        locked_line_id, not_before: the lock under which the options were made.
    """

    site_id: str
    run_id: str
    status: Freedom
    because: str = ""
    lines: list[str]
    locked_line_id: str | None = None
    not_before: datetime | None = None


class ReplanRequested(OutputModel):
    """twin.replan-requests.v1: a self-contained scheduling problem and what triggered it.

    Attributes:
        request_id: derived from the fact that caused it.
        proposal_id: that the answer belongs to; an adjusted proposal is solved again under its own id.
        supersedes: requests of the same scope that need no answer any more.
        triggers: what happened, the first one first; because: the same in words, one each.
        caused_by: event ids.
        scope: lines that may be touched, as site_id/line_id.
        plan_revision: of the committed plan that the problem starts from.
        first_revision: of the answer's first stage.
    """

    output_id: str
    request_id: str
    proposal_id: str
    site_id: str
    trigger: Trigger
    triggers: list[Trigger]
    because: list[str]
    caused_by: list[str]
    card_ids: list[str] = Field(default_factory=list)
    supersedes: list[str] = Field(default_factory=list)
    scope: list[str]
    plan_revision: int
    first_revision: int = 1
    problem: SchedulingProblem
    as_of: datetime


class PlanKpis(OutputModel):
    """Figures of a plan: hours, minutes, money in the site's currency.

    Attributes:
        late_orders: that ship after they were promised; total_slip_h, max_slip_h: how late.
        penalty: for started days of slip; weighted_tardiness_h: slip x weight of the customer.
        penalty_at_risk: of orders that are in time as projected, what being late would cost times its probability; no
            part of cost.
        cost: penalty + overtime + setups + transfers; margin: of the orders less cost; None where a price is unknown.
        throughput_pcs: good pieces made by the end of the window.
        moved_orders: orders with a run on another line or at another place in the sequence than committed.
    """

    late_orders: int
    total_slip_h: float
    max_slip_h: float
    weighted_tardiness_h: float
    penalty: float
    penalty_at_risk: float = 0.0
    overtime_h: float
    overtime_cost: float
    transfer_cost: float
    changeovers: int
    changeover_min: float
    changeover_cost: float
    cost: float
    margin: float | None = None
    throughput_pcs: float
    moved_orders: int


class RunChange(OutputModel):
    """One field of one run that an option changes, and why."""

    site_id: str
    run_id: str
    field: Literal["line_id", "site_id", "position", "start_at", "quantity_pcs", "created", "cancelled"]
    before: str
    after: str
    because: str


class OvertimeBought(OutputModel):
    """Overtime that an option orders."""

    site_id: str
    line_id: str
    window_id: str
    start_at: datetime
    end_at: datetime
    hours: float
    cost: float
    notice_by: datetime


class OrderEffect(OutputModel):
    """What an option does to an order, against hold; slip in hours, never negative."""

    site_id: str
    order_id: str
    customer_name: str
    ships_before: datetime | None = None
    ships_after: datetime | None = None
    slip_h_before: float | None = None
    slip_h_after: float | None = None
    penalty_before: float
    penalty_after: float


class PlanOption(OutputModel):
    """One way to go on, with its trade-offs against hold.

    Attributes:
        against_hold: the same kpis less those of hold.
        plan: every run of the problem; changes: what differs from the committed plan.
        per_order: orders whose shipment differs from hold.
        sacrifices: orders that get worse, in words and numbers.
        violations: what the checker says; feasible: it says nothing.
    """

    option_id: str
    label: OptionLabel
    title: str
    kpis: PlanKpis
    against_hold: dict[str, float]
    plan: list[PlannedRun]
    overtime: list[OvertimeBought] = Field(default_factory=list)
    changes: list[RunChange]
    per_order: list[OrderEffect]
    sacrifices: list[str]
    feasible: bool
    violations: list[str]


class QuotePosition(OutputModel):
    """One place where a quoted run could go, and what that costs whom.

    Attributes:
        after_run_id: the run before it on the line; None: it goes first.
        added_cost: money that everybody loses by it, itself included; added_setup_min: changeovers that it adds.
        harmed: orders that get later, in words and numbers.
    """

    rank: int
    site_id: str
    line_id: str
    position: int
    after_run_id: str | None = None
    start_at: datetime
    end_at: datetime
    ships_at: datetime | None = None
    slip_h: float
    added_cost: float
    added_setup_min: float
    harmed: list[str]


class Quote(OutputModel):
    """When a quantity could be ready, every place ranked: cheapest first, then least changeover, then earliest.

    Attributes:
        positions: the best places, the first twenty with the harmed orders in words.
        compared: how many places there are in all.
    """

    item_id: str
    quantity_pcs: float
    due_at: datetime
    positions: list[QuotePosition]
    compared: int = 0


class Proposal(Event):
    """solver.proposals.v1: options for one request; a higher revision replaces a lower one. Comes back as a fact.

    Facts are written without what is None, so every field in it that may be None has that as its default.

    Attributes:
        event_id: proposal_id/revision; event_time: as_of of the request.
        stage: hold, repair, polish; is_final: no better revision follows.
        options: hold first, then by the goal.
        plan_revision: of the committed plan that it starts from.
        choices: what a planner may do with each run that has not begun.
        seed, moves: that reproduce it.
        solve_ms: time from the request to this revision, for people; no decision rests on it.
        error: why there is no option, in words.
    """

    kind: Literal["proposal_made"] = "proposal_made"
    proposal_id: str
    request_id: str
    revision: int
    stage: Literal["hold", "repair", "polish"]
    is_final: bool
    trigger: Trigger
    because: list[str]
    scope: list[str]
    card_ids: list[str] = Field(default_factory=list)
    plan_revision: int
    goal: Goal = "service"
    options: list[PlanOption]
    choices: list[RunChoice] = Field(default_factory=list)
    quote: Quote | None = None
    seed: int
    moves: int
    solve_ms: float
    error: str | None = None

    entity: ClassVar[tuple[str, ...]] = ("proposal_id",)


class ChangeStatus(OutputModel):
    """One plan change of a commit, and what came back."""

    change_id: str
    site_id: str
    run_id: str
    outcome: Literal["held_back", "sent", "accepted", "modified", "rejected"]
    reason: str | None = None


class PlanState(OutputModel):
    """twin.plans.v1: the committed plan of a site, or where a proposal is in its life.

    Attributes:
        plan_id: "committed/<site>" or the proposal's id.
        revision: counts every change of this document; expected_revision of commands speaks of it.
        proposal_revision: of the options that stand.
        say: what happened and what to do, for people.
        approved_by: who approved which option; committed_by: who committed it.
        changes: of the commit, in the order in which they are sent.
    """

    output_id: str
    plan_id: str
    site_id: str
    revision: int
    state: ProposalState
    say: str = ""
    proposal_revision: int | None = None
    option_id: str | None = None
    approved_by: str | None = None
    committed_by: str | None = None
    reason: str | None = None
    changes: list[ChangeStatus] = Field(default_factory=list)
    runs: list[PlannedRun]
    as_of: datetime


class PlanChange(OutputModel):
    """twin.plan-changes.v1: the write-back, a change request with its idempotency key.

    Attributes:
        change_id: idempotency key: the same change sent twice is carried out once.
        action: plan a run (create or move), cancel one, or order overtime (window_id, hours).
        of_run_id: the run that a new one is split or transferred from.
        expected_revision: of the committed plan that it was made for.
    """

    output_id: str
    change_id: str
    proposal_id: str
    option_id: str
    site_id: str
    action: Literal["plan_run", "cancel_run", "order_overtime"]
    order_id: str
    order_site_id: str | None = None
    run_id: str
    of_run_id: str | None = None
    item_id: str | None = None
    line_id: str
    start_at: datetime
    end_at: datetime
    quantity_pcs: float
    window_id: str | None = None
    hours: float | None = None
    because: str = ""
    expected_revision: int
