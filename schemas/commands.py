"""planner.commands.v1 and erp.plan-acks.v1: what people decide, and what the systems that execute answer.

Several commands at once are a JSON array of commands, as with any input; each is judged on its own.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from schemas.base import Count, DurationMinutes, Event, Id, PositiveQuantity, Text, Time, WireModel


class Command(Event):
    """Something a person asks for.

    Attributes:
        command_id: idempotency key: the same command sent twice is carried out once.
        actor: who asks, as authenticated by the one who wrote it to the topic.
        expected_revision: revision that the person looked at; None where the target has none.
    """

    command_id: Id
    actor: Id
    expected_revision: Count | None = None

    @field_validator("site_id")
    @classmethod
    def _one_site(cls, site_id: str) -> str:
        # What concerns every site is folded by every shard, and each would answer.
        if site_id == "*":
            raise PydanticCustomError("one_site", "a command concerns one site, not every one")
        return site_id


class CardCommand(Command):
    """A move in a card's life."""

    card_id: Id


class CardAcknowledged(CardCommand):
    """The owner has seen it."""

    kind: Literal["card_acknowledge"] = "card_acknowledge"


class CardAssigned(CardCommand):
    """It belongs to somebody else from now on."""

    kind: Literal["card_assign"] = "card_assign"
    owner_id: Id


class CardStarted(CardCommand):
    """Somebody works on it."""

    kind: Literal["card_start"] = "card_start"


class CardSnoozed(CardCommand):
    """Hide it until a moment."""

    kind: Literal["card_snooze"] = "card_snooze"
    until: Time


class CardResolved(CardCommand):
    """It is dealt with."""

    kind: Literal["card_resolve"] = "card_resolve"
    note: Text | None = None


class CardDismissed(CardCommand):
    """It is no risk, and why."""

    kind: Literal["card_dismiss"] = "card_dismiss"
    reason: Annotated[str, Field(strict=True, min_length=1, max_length=2000)]


class CardReopened(CardCommand):
    """It is a risk after all."""

    kind: Literal["card_reopen"] = "card_reopen"


class ProposalCommand(Command):
    """A move in a proposal's life."""

    proposal_id: Id


class Lock(WireModel):
    """A planner's pin on a run: line, earliest start, or both."""

    run_id: Id
    line_id: Id | None = None
    not_before: Time | None = None


class ProposalAdjusted(ProposalCommand):
    """Solve again under these locks."""

    kind: Literal["proposal_adjust"] = "proposal_adjust"
    locks: list[Lock] = Field(max_length=1000)


class ProposalApproved(ProposalCommand):
    """An option is approved."""

    kind: Literal["proposal_approve"] = "proposal_approve"
    option_id: Id


class ProposalRejected(ProposalCommand):
    """None of the options."""

    kind: Literal["proposal_reject"] = "proposal_reject"
    reason: Text | None = None


class ProposalCommitted(ProposalCommand):
    """Write the option to the systems that execute."""

    kind: Literal["proposal_commit"] = "proposal_commit"
    option_id: Id


class StopDurationReported(Command):
    """Somebody says how long a line will stand."""

    kind: Literal["stop_duration_report"] = "stop_duration_report"
    line_id: Id
    expected_duration_min: DurationMinutes


class QuoteRequested(Command):
    """When could this quantity be ready, and who would pay for it?"""

    kind: Literal["quote_request"] = "quote_request"
    item_id: Id
    quantity_pcs: PositiveQuantity
    due_at: Time


class ReplanAsked(Command):
    """Ask the solver for another plan.

    Attributes:
        line_ids: lines that it is about; none: those whose orders are late, else those on which runs wait.
    """

    kind: Literal["replan_request"] = "replan_request"
    line_ids: list[Id] = Field(default_factory=list, max_length=1000)
    reason: Text | None = None


AnyCommand = Annotated[
    CardAcknowledged
    | CardAssigned
    | CardStarted
    | CardSnoozed
    | CardResolved
    | CardDismissed
    | CardReopened
    | ProposalAdjusted
    | ProposalApproved
    | ProposalRejected
    | ProposalCommitted
    | StopDurationReported
    | QuoteRequested
    | ReplanAsked,
    Field(discriminator="kind"),
]


class PlanAcknowledged(Event):
    """ERP or MES answered a plan change.

    Attributes:
        change_id: idempotency key of the change.
        outcome: accepted, modified (what is in force is in the fields), or rejected (with the reason).
    """

    kind: Literal["plan_acknowledged"] = "plan_acknowledged"
    change_id: Id
    outcome: Literal["accepted", "modified", "rejected"]
    line_id: Id | None = None
    planned_start_at: Time | None = None
    planned_end_at: Time | None = None
    reason: Text | None = None

    entity: ClassVar[tuple[str, ...]] = ("change_id",)
