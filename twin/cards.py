"""From late orders to one card: build it, decide whether it says anything new, clear it.

One open card per cause root. A card is published when it opens, when its state, owner, deadline, severity or orders
change, or when a number moves materially; never because a calculation ran.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from schemas import (
    AffectedOrder,
    Card,
    CardKind,
    CardState,
    Cause,
    Confidence,
    CustomerUpserted,
    Impact,
    Owner,
    PathStep,
    Rescue,
    RuleReference,
    Rules,
    join_key,
)
from twin.assessment import Assessment
from twin.causes import Blame
from twin.entities import Line
from twin.ranking import rank_terms, severity
from twin.rescue import OvertimePlan
from twin.wording import cause_in_words, summary_of, title_of
from twin.words import utc

AFFECTED_ON_CARD = 50
"""Orders listed on a card, worst first; affected_total counts all of them. More would make a card of megabytes."""

EVIDENCE_ON_CARD = 20
"""Event ids listed on a card."""

OPEN_STATES = frozenset({CardState.OPEN, CardState.ACKNOWLEDGED, CardState.IN_PROGRESS, CardState.SNOOZED})

Root = tuple[str, str, str]
"""(type, site, id) of what a card is about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A late order with its cause."""

    assessment: Assessment
    blame: Blame
    customer: CustomerUpserted | None

    @property
    def customer_name(self) -> str:
        """What people call the customer."""
        return self.assessment.order.event.customer_id if self.customer is None else self.customer.name

    @property
    def cannot_slip(self) -> bool:
        """Late is no option for this customer."""
        return self.customer is not None and self.customer.cannot_slip

    @property
    def badness(self) -> tuple[float, float, str, str]:
        """Sort key, worst first."""
        each = self.assessment
        return (-each.p_late * each.penalty, -each.slip_s, each.order.site_id, each.order.order_id)


@dataclass(frozen=True, slots=True)
class CardContext:
    """What a card is judged under.

    Attributes:
        lasting_drift: words of the lasting-drift rule where it holds, else None.
        overtime: the cheapest overtime that holds every date, None where there is none.
        path: the explanation, from the cause to the customer of the worst order.
        output_id: id of the revision that would be published now.
    """

    site_id: str
    zone: ZoneInfo
    currency: str
    rules: Rules
    now: float
    owner: Owner
    overtime: OvertimePlan | None
    lasting_drift: str | None
    path: list[PathStep]
    evidence: list[str]
    cause_line: Line
    output_id: str


def card_id_of(root: Root, episode: int) -> str:
    """Id of the card of one cause episode."""
    return join_key(CardKind.DELIVERY_RISK.value, root[1], root[0], root[2], str(episode))


def build_card(root: Root, episode: int, findings: Sequence[Finding], context: CardContext) -> Card:
    """The card as it would read now, at revision 0; findings are not empty."""
    ordered = sorted(findings, key=lambda finding: finding.badness)
    worst = ordered[0]
    assessments = [finding.assessment for finding in ordered]
    impact = _impact(assessments, context)
    deadline, deadline_because = _deadline(worst.assessment, context)
    weight = max((finding.customer.weight for finding in ordered if finding.customer), default=1.0)
    score, terms = rank_terms(assessments, weight, deadline, context.now)
    level, level_because = severity(
        worst_days=max(each.slip_days for each in assessments),
        p_late=max(each.p_late for each in assessments),
        raise_at=context.rules.raise_at_p_late,
        cannot_slip=any(finding.cannot_slip for finding in ordered),
        lasting_drift=context.lasting_drift,
    )
    cause = _cause(root, worst.blame, context)
    affected = [_affected(finding) for finding in ordered[:AFFECTED_ON_CARD]]
    return Card(
        output_id=context.output_id,
        card_id=card_id_of(root, episode),
        kind=CardKind.DELIVERY_RISK,
        site_id=context.site_id,
        revision=0,
        state=CardState.OPEN,
        severity=level,
        severity_because=level_because,
        rank=None,
        score=score,
        rank_terms=terms,
        title=title_of(worst.assessment, worst.customer_name, context.zone),
        summary=summary_of(cause, impact, context.owner, deadline, deadline_because, context.zone),
        owner=context.owner,
        deadline=None if deadline is None else utc(deadline),
        deadline_because=deadline_because,
        need_by=utc(worst.assessment.need_by),
        affected=affected,
        affected_total=len(ordered),
        impact=impact,
        cause=cause,
        path=context.path,
        evidence=context.evidence[:EVIDENCE_ON_CARD],
        confidence=Confidence(
            value=round(context.cause_line.state.drift_confidence, 3)
            if worst.blame.signal == "drift"
            else worst.assessment.p_late,
            n=context.cause_line.state.buckets_n,
            window_h=round(sum(bucket.apt_s for bucket in context.cause_line.buckets) / 3600.0, 2),
        ),
        rule=RuleReference(id=context.rules.rules_id, version=context.rules.version),
        opened_at=utc(context.now),
        as_of=utc(context.now),
        episode=episode,
        update_reason="opened",
    )


def material_change(before: Card, after: Card, rules: Rules) -> str | None:
    """Why the new reading deserves a revision; None where it does not."""
    if before.severity != after.severity:
        return f"severity {before.severity} -> {after.severity}"
    if before.owner != after.owner:
        return "owner changed"
    if before.cause.signal != after.cause.signal:
        return f"cause {before.cause.signal} -> {after.cause.signal}"
    if before.rule != after.rule:
        return "rules changed"
    if {_order_of(each) for each in before.affected} != {_order_of(each) for each in after.affected}:
        return "affected orders changed"
    if before.affected_total != after.affected_total:
        return "affected orders changed"
    if before.deadline_because != after.deadline_because or (
        before.deadline != after.deadline and (before.impact.rescue is None) == (after.impact.rescue is None)
        and after.impact.rescue is not None
    ):  # fmt: skip
        return "deadline moved"
    if abs(before.impact.slip_s - after.impact.slip_s) >= rules.material_slip_days * 86_400.0:
        return "slip moved"
    money = abs(before.impact.exposure - after.impact.exposure)
    if money >= max(rules.material_exposure, rules.material_exposure_fraction * abs(before.impact.exposure)):
        return "exposure moved"
    if abs(before.rank_terms[0].value - after.rank_terms[0].value) >= rules.material_p_late:
        return "probability moved"
    old, new = before.impact.rescue, after.impact.rescue
    if (old is None) != (new is None):
        return "rescue found" if new else "rescue gone"
    if old and new and abs(old.overtime_h - new.overtime_h) >= rules.material_rescue_h:
        return "rescue moved"
    return None


def cleared(card: Card, now: float, output_id: str, because: str) -> Card:
    """The card after its cause went away by itself."""
    return card.model_copy(
        update={
            "output_id": output_id,
            "revision": card.revision + 1,
            "state": CardState.CLEARED,
            "rank": None,
            "as_of": utc(now),
            "update_reason": because,
        }
    )


def _order_of(affected: AffectedOrder) -> tuple[str, str]:
    return affected.site_id, affected.order_id


def _affected(finding: Finding) -> AffectedOrder:
    each = finding.assessment
    event = each.order.event
    return AffectedOrder(
        order_id=each.order.order_id,
        site_id=each.order.site_id,
        customer_id=event.customer_id,
        customer_name=finding.customer_name,
        item_id=event.item_id,
        quantity_pcs=event.quantity_pcs,
        run_id=each.run.run_id,
        line_id=each.line.line_id,
        promised_at=utc(each.order.promised),
        ready_at=utc(each.ready_at),
        ships_at=None if each.ships_at is None else utc(each.ships_at),
        on_time_slot_at=utc(each.on_time_slot),
        need_by=utc(each.need_by),
        slip_s=round(each.slip_s, 3),
        slip_days=each.slip_days,
        slack_s=round(each.slack_s, 3),
        overhang_h=round(each.overhang_s / 3600.0, 4),
        p_late=each.p_late,
        penalty=each.penalty,
        exposure=each.penalty,
        margin_before=each.margin_before,
        margin_if_late=None if each.margin_if_late is None else round(each.margin_if_late, 2),
    )


def _impact(assessments: Sequence[Assessment], context: CardContext) -> Impact:
    penalty = round(sum(each.penalty for each in assessments), 2)
    margins = [each.margin_before for each in assessments if each.margin_before is not None]
    margin = round(sum(margins), 2) if len(margins) == len(assessments) else None
    return Impact(
        currency=context.currency,
        slip_s=round(assessments[0].slip_s, 3),
        slip_days=assessments[0].slip_days,
        exposure=penalty,
        parts={"penalty": penalty},
        margin_before=margin,
        margin_if_late=None if margin is None else round(margin - penalty, 2),
        rescue=_rescue(assessments, margin, penalty, context),
    )


def _rescue(
    assessments: Sequence[Assessment], margin: float | None, exposure: float, context: CardContext
) -> Rescue | None:
    overtime = context.overtime
    if overtime is None:
        return None
    revenues = [each.revenue for each in assessments if each.revenue is not None]
    revenue = sum(revenues)
    after = None if margin is None else round(margin - overtime.cost, 2)
    return Rescue(
        overtime_h=overtime.hours,
        cost=overtime.cost,
        probability=context.rules.rescue_probability,
        notice_by=utc(overtime.notice_by),
        windows=overtime.windows,
        exposure_avoided=exposure,
        net_benefit=round(exposure - overtime.cost, 2),
        margin_after=after,
        margin_after_fraction=None if after is None or revenue <= 0 else round(after / revenue, 6),
    )


def _deadline(worst: Assessment, context: CardContext) -> tuple[float | None, str]:
    if context.overtime is not None:
        return context.overtime.notice_by, "overtime notice"
    if worst.need_by > context.now:
        return worst.need_by, "goods must be ready"
    gone = "its date" if worst.order.event.route_id is None else "its truck"
    return None, f"{gone} is gone: nothing holds the promise any more"


def _cause(root: Root, blamed: Blame, context: CardContext) -> Cause:
    line = context.cause_line
    drift = line.drift
    is_drift = blamed.signal == "drift" and drift.since_s is not None
    run = line.run
    since: float | None = None
    if is_drift:
        since = drift.since_s
    elif blamed.signal == "stop" and run is not None:
        since = run.progress.state_since
    elif blamed.signal == "late_start" and blamed.chain:
        since = blamed.chain[0].run.planned_start
    return Cause(
        signal=blamed.signal,
        entity_type=root[0],
        entity_id=root[2],
        metric="effectiveness" if is_drift else None,
        delta=round(line.delta, 4) if is_drift else None,
        since=None if since is None else utc(since),
        method="glr" if is_drift else None,
        in_words=cause_in_words(blamed, line, since, context.zone),
    )
