"""twin.cards.v1: the risk topic. One open card per cause episode, the whole current card under its id.

Times are UTC in the body; texts on the card are in the site's zone. Money is in the card's currency.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import OutputModel


class CardKind(StrEnum):
    """What is at risk."""

    DELIVERY_RISK = "delivery_risk"
    MATERIAL_SHORTAGE = "material_shortage"
    QUALITY_RISK = "quality_risk"
    LINE_DOWN = "line_down"
    PLAN_INFEASIBLE = "plan_infeasible"
    DATA_STALE = "data_stale"
    DATA_CONFLICT = "data_conflict"


class CardState(StrEnum):
    """Life of a card; cleared means that the cause went away by itself."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CLEARED = "cleared"
    DISMISSED = "dismissed"


class Severity(StrEnum):
    """How loudly the card speaks; docs/cards.md says by which rule."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Owner(OutputModel):
    """One named person, and the rule that named them. id None: nobody is configured, and the rule says so."""

    id: str | None
    name: str
    rule: str


class AffectedOrder(OutputModel):
    """One order on the card, worst first.

    Attributes:
        run_id, line_id: the run that ends last for it, and where; None where nothing is planned for it.
        ready_at: projected end of that run, None without one; ships_at: the first slot from then on.
        late_ships_at: the first slot after on_time_slot_at, with which it leaves if it misses that; None: none known.
        transfer_h: hours to bring it to its site from the site where that run is made, 0 where that is the same one.
        on_time_slot_at: the last departure that keeps the promise; need_by: goods must be ready by then, where they are
            made.
        slip_s: seconds that it ships after the promise, never negative; slip_days: started days, as penalties count.
        slack_s: seconds from ready_at to need_by, negative when the slot is missed.
        overhang_h: working hours of the line from need_by to ready_at, negative when there is room.
        p_late: probability that need_by is missed.
        exposure: money lost if it is late by slip_days: penalty.
    """

    order_id: str
    site_id: str
    customer_id: str
    customer_name: str
    item_id: str
    quantity_pcs: float
    run_id: str | None
    line_id: str | None
    promised_at: datetime
    ready_at: datetime | None
    ships_at: datetime | None
    on_time_slot_at: datetime
    need_by: datetime
    slip_s: float
    slip_days: int
    slack_s: float | None
    overhang_h: float | None
    p_late: float
    penalty: float
    exposure: float
    margin_before: float | None
    margin_if_late: float | None
    late_ships_at: datetime | None = None
    transfer_h: float = 0.0


class Rescue(OutputModel):
    """What it costs to hold the date of every affected order by overtime, and what it leaves.

    Attributes:
        overtime_h: hours needed for the stated probability.
        probability: of being on time with these hours.
        notice_by: the last moment at which the overtime can still be ordered.
        windows: ids of the overtime windows used, in time order.
        net_benefit: exposure avoided less cost.
        margin_after: margin of the affected orders after the cost; margin_after_fraction of their revenue.
        min_margin_fraction, min_margin: what the rules keep of the affected orders' revenue, and in money; None: they
            say nothing.
        breaks_margin_rule: it leaves less than the rules keep.
        cheaper_than_late: whether it costs less than being late; None where what late costs is unknown.
    """

    kind: Literal["overtime"] = "overtime"
    overtime_h: float
    cost: float
    probability: float
    notice_by: datetime
    windows: list[str]
    exposure_avoided: float
    net_benefit: float
    margin_after: float | None
    margin_after_fraction: float | None
    min_margin_fraction: float | None = None
    min_margin: float | None = None
    breaks_margin_rule: bool = False
    cheaper_than_late: bool | None = None


class MaterialUse(OutputModel):
    """What one run still takes of the item, in the order in which the runs take it.

    Attributes:
        needs: units for the pieces still to make, over-use and expected scrap included.
        covered: units of them that stock and the receipts in time cover; starts_at: projected start, or now.
        waits_h: working hours that it stands for want of the item.
    """

    run_id: str
    line_id: str
    starts_at: datetime
    needs: float
    covered: float
    waits_h: float = 0.0


class Shortage(OutputModel):
    """material_shortage: which part, how much, until when, and how far ordering it still helps.

    Attributes:
        available: unrestricted stock as of its report, less what was used since.
        on_order: expected receipts up to need_by; short_quantity: what is missing at need_by or at the worst moment.
        runs_out_at: when the last unit is used; need_by: when the first missing unit is needed.
        order_by: need_by less the lead time: the last moment to have it at the normal price; None: no lead time known.
        lead_time_days, lead_time_because: as the item says, or as the rules assume.
        next_receipt_id, next_receipt_at: the first receipt after need_by, if one is known, and when it is taken to
            come; next_receipt_due_at: as it was announced.
        over_use: observed use over the bill of material, 0.03 = 3 % more.
    """

    item_id: str
    item_name: str
    unit: str
    available: float
    on_order: float
    short_quantity: float
    runs_out_at: datetime
    need_by: datetime
    order_by: datetime | None
    lead_time_days: float | None
    lead_time_because: str
    next_receipt_id: str | None
    next_receipt_at: datetime | None
    next_receipt_due_at: datetime | None = None
    over_use: float
    uses: list[MaterialUse]


class QualityShift(OutputModel):
    """quality_risk: how bad, since when, and what to hold back.

    Attributes:
        station_id: the station that it was seen at; None: the line as a whole.
        base_rate, rate: share of bad pieces before, and since the change.
        made_quantity, bad_quantity: pieces looked at since the change, and bad ones among them.
        projected_bad_quantity: bad pieces at the end of the runs that it affects if nothing is done.
        containment_from, containment_to, containment_quantity: what was made since the last moment known as good.
    """

    station_id: str | None
    item_id: str
    run_id: str | None
    base_rate: float
    rate: float
    made_quantity: float
    bad_quantity: float
    projected_bad_quantity: float
    containment_from: datetime
    containment_to: datetime
    containment_quantity: float


class RunMove(OutputModel):
    """A run in the queue of a line that is down and that may be made elsewhere.

    Attributes:
        line_ids: lines that its plan names as alternates and that are not down.
    """

    run_id: str
    line_ids: list[str]


class Stop(OutputModel):
    """line_down: since when, until when presumably, and who says so.

    Attributes:
        station_id: the station that is down, None: the line.
        expected_end_at: None where neither anybody nor the line's own history says.
        expected_because: who said so, or how many stops of what length it follows from.
        reason: the source's word.
        down_h: working hours down so far; remaining_h: expected working hours still to come.
        moves: runs of its queue that could go to another line, in the order of the queue.
    """

    station_id: str | None
    run_id: str | None
    since: datetime
    expected_end_at: datetime | None
    expected_because: str
    reason: str | None
    down_h: float
    remaining_h: float | None
    moves: list[RunMove] = Field(default_factory=list)


class Claim(OutputModel):
    """What one system says: the value, who says it, since when, and in which event."""

    source: str
    value: str
    since: datetime | None
    event_id: str | None


class DataTrouble(OutputModel):
    """data_stale and data_conflict: what cannot be trusted, and what each system says.

    Attributes:
        subject: what is silent or contradictory, as "quantity of R-7".
        claims: one a system; of a silence, the last word heard.
        used: which of the values the forecasts use meanwhile, and why.
        usual_gap_min: of a silence: minutes of working time between two events of the line as it usually is.
        missing: of a gap in a sequence: how many numbers have not come.
        assumed_until: of a silence, until when the line is taken to stand in what is said to be at stake.
    """

    subject: str
    claims: list[Claim]
    used: str
    usual_gap_min: float | None = None
    missing: int | None = None
    assumed_until: datetime | None = None


class Impact(OutputModel):
    """What the card is about in numbers; sums over the affected orders, the slip that of the worst.

    Attributes:
        exposure: money lost if nobody acts and it happens: the parts' sum.
        parts: exposure by part (penalty, lost_margin, scrapped_value, idle_line).
        margin_before, margin_if_late: margin of the affected orders without and with the loss; None: prices unknown.
        rescue: the cheapest way to hold the date; None where none is known.
        short_quantity, bad_quantity, projected_bad_quantity: for shortage and quality cards.
    """

    currency: str
    slip_s: float
    slip_days: int
    exposure: float
    parts: dict[str, float]
    margin_before: float | None = None
    margin_if_late: float | None = None
    rescue: Rescue | None = None
    short_quantity: float | None = None
    bad_quantity: float | None = None
    projected_bad_quantity: float | None = None


class Cause(OutputModel):
    """Why: the root of the path.

    Attributes:
        signal: drift, stop, late_start, behind, down, material, quality, plan (the plan itself misses the date),
            overbooked, no_runs, silence, gap or conflict.
        entity_type, entity_id: the root of the path.
        metric: what was measured, e.g. effectiveness.
        delta: relative to plan, -0.08 = 8 % under; None where the cause is no measure.
        since: when it began, not when it was noticed.
        method: how it was found.
        in_words: one clause for people.
        lost_h: working hours that it cost the worst order; None where the cause is no loss of time.
    """

    signal: str
    entity_type: str
    entity_id: str
    metric: str | None = None
    delta: float | None = None
    since: datetime | None = None
    method: str | None = None
    in_words: str
    lost_h: float | None = None


class PathStep(OutputModel):
    """One edge of the explanation, as it stands in the graph: since when, and which event said so."""

    from_id: str
    relation: str
    to_id: str
    since: datetime | None = None
    event_id: str | None = None
    detail: str = ""


class Confidence(OutputModel):
    """How sure the cause is: value 0..1, from n observations over window_h working hours."""

    value: float
    n: int
    window_h: float


class RuleReference(OutputModel):
    """The rules the card was judged under."""

    id: str
    version: str


class RankTerm(OutputModel):
    """One factor of the score, in words and value."""

    name: str
    value: float
    because: str


class Card(OutputModel):
    """A risk: one cause episode, one owner, every affected order.

    Attributes:
        card_id: kind, root cause and episode; revision counts its published versions from 1.
        severity_because: the rule that set the severity.
        rank: place among the open cards of its site when published, 1 = first; None when not open.
        score: product of rank_terms, money.
        deadline: the last moment at which an action still helps; deadline_because says which.
        need_by: when the worst order's goods must be ready.
        opened_at, as_of: on the shard's clock.
        update_reason: why this revision was published.
        caveats: what the forecasts on it rest on that cannot be trusted, in words.
        shortage, quality, stop, data: what is particular to the card's kind.
        state_since, state_by, state_note: when the state was entered, by whose command (None: by itself), and their
            reason or note.
        snoozed_until: of a snoozed card.
        assigned_by: the person whose command named the owner; None: the rules did.
        escalation: how many times it was passed on because nobody had acknowledged it; escalated_to: to whom last.
    """

    output_id: str
    card_id: str
    kind: CardKind
    site_id: str
    revision: int
    state: CardState
    severity: Severity
    severity_because: str
    rank: int | None
    score: float
    rank_terms: list[RankTerm]
    title: str
    summary: str
    owner: Owner
    deadline: datetime | None
    deadline_because: str
    need_by: datetime | None
    affected: list[AffectedOrder]
    affected_total: int
    impact: Impact
    cause: Cause
    path: list[PathStep]
    evidence: list[str]
    confidence: Confidence
    rule: RuleReference
    proposal_ids: list[str] = Field(default_factory=list)
    opened_at: datetime
    as_of: datetime
    episode: int
    update_reason: str
    caveats: list[str] = Field(default_factory=list)
    shortage: Shortage | None = None
    quality: QualityShift | None = None
    stop: Stop | None = None
    data: DataTrouble | None = None
    state_since: datetime | None = None
    state_by: str | None = None
    state_note: str | None = None
    snoozed_until: datetime | None = None
    assigned_by: str | None = None
    escalation: int = 0
    escalated_to: Owner | None = None
    schema_version: Literal[1] = 1
