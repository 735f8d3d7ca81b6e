"""What the plant's own rules make of a risk, whatever kind it is: whose it is, and what a rescue may cost.

A judge finds out what is; this says what the rules want to have said about it. Pure, and without memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from schemas import Owner, OwnerCondition, OwnerRule, Rescue, Severity
from twin.cards.owners import Candidate, owner_of
from twin.cards.ranking import is_worse, severity_of
from twin.cards.wording import transfer_in_words
from twin.judges.risk import LateOrder, Risk, Words
from twin.judges.view import View
from twin.state.entities import Line
from twin.words import money


def under_rules(view: View, risk: Risk) -> Risk:
    """The risk with the owner that the rules name, and with what they say of its rescue."""
    rescue = None if risk.rescue is None else rescue_under_rules(view, risk.rescue)

    def words() -> Words:
        found = risk.words()
        said = transfer_in_words([each.assessment for each in view.late])
        said += [] if rescue is None else rescue_sentences(view, rescue)
        return replace(found, sentences=[*found.sentences, *said])

    return replace(risk, owner=owner_under_rules(view, risk), rescue=rescue, words=words)


# Whose it is


@dataclass(frozen=True, slots=True)
class Subject:
    """What the conditions of owner rules are held against."""

    kind: str
    severity: Severity
    lines: frozenset[str]
    areas: frozenset[str]
    items: frozenset[str]
    families: frozenset[str]
    customers: frozenset[str]

    def meets(self, condition: OwnerCondition) -> bool:
        """Whether all that the condition names holds."""
        named = (
            (condition.line_id, self.lines),
            (condition.area_id, self.areas),
            (condition.item_id, self.items),
            (condition.family, self.families),
            (condition.customer_id, self.customers),
        )
        return (
            condition.kind in (None, self.kind)
            and all(value is None or value in values for value, values in named)
            and (condition.min_severity is None or not is_worse(condition.min_severity, self.severity))
        )


def owner_under_rules(view: View, risk: Risk) -> Owner:
    """Who the first owner rule that holds names, else their fallback, else who is built in."""
    found = first_rule(view, risk) if view.rules.owners else None
    if found is None:
        return risk.owner
    number, rule = found
    words = f"owner rule {number} of the rules" if rule.name is None else f'rule "{rule.name}"'
    candidates: list[Candidate] = [
        (rule.owner_id, words),
        (rule.fallback_id, f"fallback of {words}"),
        (risk.owner.id, risk.owner.rule),
    ]
    return owner_of(view.model.plant, view.site_id, candidates, view.now)


def first_rule(view: View, risk: Risk) -> tuple[int, OwnerRule] | None:
    """The first owner rule whose condition the risk meets, and its place in the list, counted from 1."""
    subject = subject_of(view, risk)
    for number, rule in enumerate(view.rules.owners, start=1):
        if subject.meets(rule.when):
            return number, rule
    return None


def subject_of(view: View, risk: Risk) -> Subject:
    """What the risk is about: its root where that is a line or an item, else what its affected orders tell."""
    model, site = view.model, view.site_id
    affected = risk.words().affected
    line = _line_of_root(view)
    line_ids = (
        {line.line_id}
        if line is not None
        else {each.line_id for each in affected if each.line_id is not None}
    )
    item_id = _item_of_root(view)
    item_ids = {item_id} if item_id is not None else {each.item_id for each in affected}
    lines = [model.lines.get((site, line_id)) for line_id in sorted(line_ids)]
    items = [model.plant.item(site, each) for each in sorted(item_ids)]
    customers = {each.customer_id for each in affected}
    return Subject(
        kind=view.root[0],
        severity=severity_of(risk)[0],
        lines=frozenset(line_ids),
        areas=frozenset(
            each.event.area_id for each in lines if each is not None and each.event and each.event.area_id
        ),
        items=frozenset(item_ids),
        families=frozenset(each.setup_family for each in items if each is not None and each.setup_family),
        customers=frozenset(customers | {each.assessment.order.event.customer_id for each in view.late}),
    )


def _line_of_root(view: View) -> Line | None:
    _, entity_type, site_id, entity_id = view.root
    if entity_type == "run":
        return view.model.line_of_run.get((site_id, entity_id))
    if entity_type == "station":
        station = view.model.plant.station(site_id, entity_id)
        return None if station is None else view.model.lines.get((site_id, station.line_id))
    return view.line


def _item_of_root(view: View) -> str | None:
    _, entity_type, site_id, entity_id = view.root
    if entity_type == "run" and (site_id, entity_id) in view.model.runs:
        return view.model.runs[site_id, entity_id].plan.item_id
    return entity_id if entity_type == "item" else None


# What a rescue may cost


def rescue_under_rules(view: View, rescue: Rescue) -> Rescue:
    """The rescue with what the rules keep of the margin, and whether it is dearer than being late."""
    fraction, amount = margin_floor(view) if rescue.margin_after is not None else (None, None)
    after, share = rescue.margin_after, rescue.margin_after_fraction
    breaks = (fraction is not None and share is not None and share < fraction) or (
        amount is not None and after is not None and after < amount
    )
    cheaper = rescue.net_benefit > 0 if rescue.exposure_avoided > 0 else None
    return rescue.model_copy(
        update={
            "min_margin_fraction": fraction,
            "min_margin": amount,
            "breaks_margin_rule": breaks,
            "cheaper_than_late": cheaper,
        }
    )


def margin_floor(view: View) -> tuple[float | None, float | None]:
    """Margin that the late orders must keep together: as a share of their revenue, and in money; None: no such rule.

    Orders of customers with a share of their own count with that one, each by its revenue.
    """
    rules = view.rules
    revenue, kept, has_rule = 0.0, 0.0, False
    for each in view.late:
        fraction = _fraction_of(view, each)
        revenue += each.assessment.revenue or 0.0
        has_rule = has_rule or fraction is not None
        kept += (fraction or 0.0) * (each.assessment.revenue or 0.0)
    share = round(kept / revenue, 6) if has_rule and revenue > 0 else None
    return share, None if rules.min_margin is None else round(rules.min_margin * len(view.late), 2)


def _fraction_of(view: View, each: LateOrder) -> float | None:
    customer = view.rules.customer(each.assessment.order.event.customer_id)
    if customer is not None and customer.min_margin_fraction is not None:
        return customer.min_margin_fraction
    return view.rules.min_margin_fraction


def rescue_sentences(view: View, rescue: Rescue) -> Iterator[str]:
    """What the rules have to say of it; every number is a field of the rescue."""
    after, share = rescue.margin_after, rescue.margin_after_fraction
    what = rescue.kind.replace("_", " ").capitalize()
    least = rescue.min_margin_fraction
    if least is not None and share is not None and share < least:
        yield f"{what} would leave {share * 100:.2f} %, below the {least * 100:.4g} % that the rules keep."
    if rescue.min_margin is not None and after is not None and after < rescue.min_margin:
        left, kept = money(after, view.currency), money(rescue.min_margin, view.currency)
        yield f"{what} would leave {left}, below the {kept} that the rules keep."
    if rescue.cheaper_than_late is False:
        cheaper = money(-rescue.net_benefit, view.currency)
        held = next((each for each in view.late if each.customer and each.customer.cannot_slip), None)
        if held is None:
            yield f"To be late is cheaper by {cheaper}."
        else:
            yield f"To be late would be cheaper by {cheaper}, but {held.customer_name} cannot slip."
