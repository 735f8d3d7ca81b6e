"""From a risk to a card: build it, and decide whether it says anything new.

One open card per root. A card is published when it opens, when its state, owner, deadline, severity or orders change,
or when a number moves materially; never because a calculation ran. What people and time do to it: card_life.py.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from schemas import AffectedOrder, Card, CardKind, CardState, Impact, RuleReference, Rules, join_key
from twin.cards.ranking import rank_terms, severity_of
from twin.cards.wording import decision_in_words
from twin.judges.risk import Risk, Root
from twin.words import utc

EVIDENCE_ON_CARD = 20
"""Event ids listed on a card."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What every card of a site is written under.

    Attributes:
        now: the shard's clock; output_id: id of the revision that would be published now.
    """

    site_id: str
    zone: ZoneInfo
    currency: str
    rules: Rules
    now: float
    output_id: str


def card_id_of(root: Root, episode: int) -> str:
    """Id of the card of one cause episode."""
    kind, entity_type, site_id, entity_id = root
    return join_key(kind, site_id, entity_type, entity_id, str(episode))


def build_card(root: Root, episode: int, risk: Risk, frame: Frame) -> Card:
    """The card as it would read now, at revision 0 and open."""
    words = risk.words()
    score, terms = rank_terms(risk, frame.now)
    severity, severity_because = severity_of(risk)
    decision = decision_in_words(risk.owner, risk.deadline, risk.deadline_because, frame.zone)
    return Card(
        output_id=frame.output_id,
        card_id=card_id_of(root, episode),
        kind=CardKind(root[0]),
        site_id=frame.site_id,
        revision=0,
        state=CardState.OPEN,
        severity=severity,
        severity_because=severity_because,
        rank=None,
        score=score,
        rank_terms=terms,
        title=words.title,
        summary=" ".join([*words.sentences, decision]),
        owner=risk.owner,
        deadline=None if risk.deadline is None else utc(risk.deadline),
        deadline_because=risk.deadline_because,
        need_by=None if risk.need_by is None else utc(risk.need_by),
        affected=list(words.affected),
        affected_total=risk.affected_total,
        impact=_impact(risk, frame.currency),
        cause=words.cause,
        path=list(words.path),
        evidence=list(words.evidence[:EVIDENCE_ON_CARD]),
        confidence=words.confidence,
        rule=_rule_of(frame.rules),
        opened_at=utc(frame.now),
        as_of=utc(frame.now),
        episode=episode,
        update_reason="opened",
        caveats=list(risk.caveats),
        shortage=risk.shortage,
        quality=risk.quality,
        stop=risk.stop,
        data=risk.data,
        state_since=utc(frame.now),
    )


def _impact(risk: Risk, currency: str) -> Impact:
    margin, quality = risk.margin_before, risk.quality
    return Impact(
        currency=currency,
        slip_s=risk.slip_s,
        slip_days=risk.slip_days,
        exposure=risk.exposure,
        parts=dict(risk.parts),
        margin_before=margin,
        margin_if_late=None if margin is None else round(margin - risk.exposure, 2),
        rescue=risk.rescue,
        bad_quantity=None if quality is None else quality.bad_quantity,
        **_quantities(risk),
    )


def _quantities(risk: Risk) -> dict[str, float | None]:
    """What is missing or bad, by the names of the card."""
    return {
        "short_quantity": None if risk.shortage is None else risk.shortage.short_quantity,
        "projected_bad_quantity": None if risk.quality is None else risk.quality.projected_bad_quantity,
    }


def material_change(before: Card, after: Risk, rules: Rules) -> str | None:
    """Why the new reading deserves a revision; None where it does not."""
    severity = severity_of(after)[0]
    if before.severity != severity:
        return f"severity {before.severity} -> {severity}"
    if before.assigned_by is None and before.owner != after.owner:
        return "owner changed"
    if before.cause.signal != after.signal:
        return f"cause {before.cause.signal} -> {after.signal}"
    if before.rule != _rule_of(rules):
        return "rules changed"
    if before.affected_total != after.affected_total or _orders(before) != {*after.listed}:
        return "affected orders changed"
    return (
        _moved_deadline(before, after)
        or _moved_number(before, after, rules)
        or _moved_detail(before, after, rules)
    )


def _rule_of(rules: Rules) -> RuleReference:
    return RuleReference(id=rules.rules_id, version=rules.version)


def _moved_deadline(before: Card, after: Risk) -> str | None:
    # Where a rescue comes or goes, that is the news, and the deadline follows it.
    is_same_rescue = (before.impact.rescue is None) == (after.rescue is None)
    deadline = None if after.deadline is None else utc(after.deadline)
    if before.deadline_because != after.deadline_because or (
        before.deadline != deadline and is_same_rescue and after.rescue is not None
    ):
        return "deadline moved"
    return None


def _moved_number(before: Card, after: Risk, rules: Rules) -> str | None:
    if abs(before.impact.slip_s - after.slip_s) >= rules.material_slip_days * 86_400.0:
        return "slip moved"
    money = abs(before.impact.exposure - after.exposure)
    if money >= max(rules.material_exposure, rules.material_exposure_fraction * abs(before.impact.exposure)):
        return "exposure moved"
    if abs(before.rank_terms[0].value - after.probability) >= rules.material_p_late:
        return "probability moved"
    old, new = before.impact.rescue, after.rescue
    if (old is None) != (new is None):
        return "rescue found" if new else "rescue gone"
    if old and new and abs(old.overtime_h - new.overtime_h) >= rules.material_rescue_h:
        return "rescue moved"
    return None


def _moved_detail(before: Card, after: Risk, rules: Rules) -> str | None:
    """What only some kinds of card say: caveats, quantities, an expected end, what systems claim."""
    if before.caveats != [*after.caveats]:
        return "caveats changed"
    for name, new in _quantities(after).items():
        old = getattr(before.impact, name)
        if (
            old is not None
            and new is not None
            and abs(old - new) >= max(1.0, rules.material_quantity_fraction * old, _least_move(before, name))
        ):
            return f"{name.replace('_', ' ')} moved"
    if before.shortage and after.shortage:
        apart_s = abs((before.shortage.need_by - after.shortage.need_by).total_seconds())
        if apart_s >= rules.material_slip_days * 86_400.0:
            return "need moved"
    if before.stop and after.stop and before.stop.expected_because != after.stop.expected_because:
        return "expected duration changed"
    if before.data and after.data and before.data.claims != after.data.claims:
        return "claims changed"
    return None


LEAST_SHORT_MOVE = 0.02
"""Share of what runs take of an item by which what is missing must move. A shortage that shrinks to nothing would
otherwise be told again and again, a fifth of the rest each time."""


def _least_move(card: Card, name: str) -> float:
    if name != "short_quantity" or card.shortage is None:
        return 0.0
    return LEAST_SHORT_MOVE * sum(use.needs for use in card.shortage.uses)


def _orders(card: Card) -> set[tuple[str, str]]:
    return {_order_of(each) for each in card.affected}


def _order_of(affected: AffectedOrder) -> tuple[str, str]:
    return affected.site_id, affected.order_id
