"""Rules are data: thresholds, materiality and owners, in the log as a fact, their version on every card."""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Flag, Fraction, Id, Text, WireModel
from schemas.cards import CardKind, Severity

Positive = Annotated[float, Field(strict=True, gt=0, le=1e12, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]
Weight = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]


class CustomerRule(WireModel):
    """What the plant says of one customer. It stands over master data; what is left out stays as master data has it.

    Attributes:
        customer_id: the customer.
        cannot_slip: late is no option for this customer, whatever it costs.
        weight: how much a late order of theirs counts in the rank, 1 = as any other.
        account_owner_id: the person who answers for them.
        min_margin_fraction: share of revenue that a rescue must leave on their orders, instead of that of the rules.
    """

    customer_id: Id
    cannot_slip: Flag | None = None
    weight: Weight | None = None
    account_owner_id: Id | None = None
    min_margin_fraction: Fraction | None = None


class OwnerCondition(WireModel):
    """Which cards an owner rule is for: all that is named must hold; what is left out holds for any card.

    Attributes:
        kind: the card's kind.
        line_id: the card's line: its root, or else where its affected orders are made.
        area_id: an area of these lines.
        item_id: the card's item: its root, or else what its affected orders are of.
        family: a setup family of these items.
        customer_id: a customer of an affected order.
        min_severity: the card's severity is this or above.
    """

    kind: CardKind | None = None
    line_id: Id | None = None
    area_id: Id | None = None
    item_id: Id | None = None
    family: Id | None = None
    customer_id: Id | None = None
    min_severity: Severity | None = None


class OwnerRule(WireModel):
    """Whose the cards are that meet a condition.

    Attributes:
        name: what the card calls the rule; None: its place in the list.
        when: the condition; without one it holds for every card.
        owner_id: the person.
        fallback_id: who stands in while that person is not known or absent.
    """

    name: Text | None = None
    when: OwnerCondition = OwnerCondition()
    owner_id: Id
    fallback_id: Id | None = None


class Rules(WireModel):
    """Everything a plant may want to set; the defaults are what a card says it ran under as version "default".

    Attributes:
        rules_id: name of the rules, printed on each card.
        version: printed on each card beside the name; one version is one content.
        raise_at_p_late: probability of being late at which a delivery risk is raised.
        clear_below_p_late: probability below which it is cleared; the gap between the two keeps a card from flapping.
        min_exposure: money below which a late order raises no card; 0: every late order does, its penalty known or not.
        drift_delta: fraction under plan that counts for the lasting-drift rule (0.08 = 8 %).
        drift_working_days: working days after which such a drift makes its cards severe.
        rescue_probability: probability of being on time that rescue hours are computed for.
        material_slip_days: a card is published again when its slip has moved by so many days.
        material_exposure: or when its exposure has moved by so much money and by material_exposure_fraction.
        material_exposure_fraction: or when its exposure has moved by this share of it and by material_exposure.
        material_p_late: or when its probability has moved by so much.
        material_quantity_fraction: or when its short or bad quantity has moved by this share of it.
        material_rescue_h: or when its rescue has moved by so many hours.
        late_start_grace_min: minutes after its planned start before a run that has not begun counts as late.
        max_future_min: an event this far ahead of the shard's clock is rejected.
        default_owner_id: the person who owns what no rule assigns.
        clear_after_min: minutes that a risk must be gone before its card is cleared: shorter lets cards flap.
        escalate_at: shares of the time from opening to the deadline at which a card that nobody acknowledged is passed
            on.
        escalation_owner_id: to whom such a card is passed on; None: the owner of the site.
        snooze_max_h: the longest that a card may be snoozed.
        resolved_grace_h: hours after which a risk that was called resolved and still stands is opened again.
        down_after_min: minutes of working time after which a stop is signalled, and has a card where what standing
            costs is known although no order is hit.
        down_card_after_min: minutes of working time after which a stop that hits no order, and of which nobody said
            what it costs, has a card.
        idle_cost_per_h: money lost an hour that a line stands, where the line names none.
        stale_after_min: a running line is silent after so long, or by stale_gap_factor, whichever is longer.
        stale_gap_factor: a running line is silent after so many times its usual pause between two events.
        gap_grace_min: minutes that a missing sequence number may still arrive.
        p_silent_is_down: probability that a silent line makes nothing: what its card is ranked with.
        conflict_tolerance: difference of two quantities, as a share of the larger, below which they agree.
        conflict_grace_min: minutes that two systems may differ before it is a conflict: one tells later than the other.
        no_runs_within_days: an order for which nothing is planned has a card from so many days before it is needed.
        assumed_lead_time_days: lead time of a bought item that names none.
        shortage_notice_days: a shortage that makes nothing late has a card from so many days before the last moment to
            order at the normal price.
        shortage_horizon_days: needs for material are looked at so many days ahead, and as far as the lead time reaches:
            plans further away change.
        quality_lead_id: the person who owns quality risks; None: the supervisor of the line.
        retention_days: days that completed runs and shipped or cancelled orders are kept.
        min_margin_fraction: share of the affected orders' revenue that a rescue must leave as margin; one that leaves
            less is said to do so. None: no such rule.
        min_margin: money of margin that a rescue must leave on each affected order. None: no such rule.
        plan_frozen_h: planned runs that start within so many hours keep line and sequence.
        plan_firm_h: those that start within so many hours keep their line.
        plan_goal: what options are ordered by: service, cost or throughput.
        replan_min_gain: money that an option must save against doing nothing before planners are told.
        replan_move_cost: money that moving a run to another line or place must save at least.
        replan_moves_per_shift: times that committed proposals may move one run in a shift.
        replan_pause_s: after a request further triggers are gathered for so long; the first is never held up.
        replan_answer_within_min: a request that has no answer for so many minutes is made once more; 0: never.
        plan_four_eyes: who commits a proposal must be another person than who approved it.
        plan_ack_within_min: minutes for ERP and MES to answer a plan change before it counts as unanswered.
        proposal_valid_h: hours after which a proposal that nobody decided on expires.
        open_cards_max: cards of the site that are open at a time. Beyond it a new one opens only where it outranks the
            least of them, up to twice as many; the others are counted as set aside, and open when there is room.
        lines_max: lines of the site; events that would add another one are rejected.
        entities_max: entities of the site that its systems have told of (orders, runs, items, people, ...); events that
            would add another one are rejected, those that end one are not.
        customers: customers of whom the plant says more, or other things, than master data.
        owners: whose a card is, before all that is built in: the first rule whose condition holds.
    """

    rules_id: Id = "default"
    version: Id = "1"
    raise_at_p_late: Fraction = 0.75
    clear_below_p_late: Fraction = 0.25
    min_exposure: NotNegative = 0.0
    drift_delta: Fraction = 0.08
    drift_working_days: Positive = 2.0
    rescue_probability: Annotated[float, Field(strict=True, ge=0.5, lt=1)] = 0.9
    material_slip_days: Positive = 0.5
    material_exposure: NotNegative = 250.0
    material_exposure_fraction: Fraction = 0.1
    material_p_late: Fraction = 0.1
    material_quantity_fraction: Fraction = 0.2
    material_rescue_h: Positive = 0.5
    late_start_grace_min: NotNegative = 30.0
    max_future_min: Positive = 240.0
    default_owner_id: Id | None = None
    clear_after_min: NotNegative = 60.0
    escalate_at: list[Fraction] = Field(default_factory=lambda: [0.5, 0.8], max_length=10)
    escalation_owner_id: Id | None = None
    snooze_max_h: Positive = 72.0
    resolved_grace_h: NotNegative = 4.0
    down_after_min: NotNegative = 30.0
    down_card_after_min: NotNegative = 120.0
    idle_cost_per_h: NotNegative = 0.0
    stale_after_min: Positive = 30.0
    stale_gap_factor: Positive = 4.0
    gap_grace_min: NotNegative = 60.0
    p_silent_is_down: Fraction = 0.5
    conflict_tolerance: Fraction = 0.02
    conflict_grace_min: NotNegative = 30.0
    no_runs_within_days: Positive = 5.0
    assumed_lead_time_days: Positive = 5.0
    shortage_notice_days: NotNegative = 2.0
    shortage_horizon_days: Positive = 14.0
    retention_days: Positive = 35.0
    quality_lead_id: Id | None = None
    min_margin_fraction: Fraction | None = None
    min_margin: NotNegative | None = None
    plan_frozen_h: NotNegative = 2.0
    plan_firm_h: NotNegative = 2.0
    plan_goal: Literal["service", "cost", "throughput"] = "service"
    replan_min_gain: NotNegative = 100.0
    replan_move_cost: NotNegative = 25.0
    replan_moves_per_shift: Annotated[int, Field(strict=True, ge=0, le=100)] = 1
    replan_pause_s: NotNegative = 60.0
    replan_answer_within_min: NotNegative = 15.0
    plan_four_eyes: Flag = False
    plan_ack_within_min: Positive = 15.0
    proposal_valid_h: Positive = 8.0
    open_cards_max: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 300
    lines_max: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 1_000
    entities_max: Annotated[int, Field(strict=True, ge=1, le=10_000_000)] = 500_000
    customers: list[CustomerRule] = Field(default_factory=list, max_length=100_000)
    owners: list[OwnerRule] = Field(default_factory=list, max_length=10_000)

    def customer(self, customer_id: str) -> CustomerRule | None:
        """What they say of a customer; the last word where they say it twice."""
        return self._by_customer.get(customer_id)

    @cached_property
    def _by_customer(self) -> dict[str, CustomerRule]:
        return {each.customer_id: each for each in self.customers}
