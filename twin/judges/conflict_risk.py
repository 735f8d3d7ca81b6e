"""The judge of data_conflict: what hangs on two systems that contradict each other. Nothing here says who is right."""

from schemas import Cause, Confidence, CustomerUpserted, DataTrouble, Owner, PathStep
from twin.cards.owners import owner_for
from twin.forecast.assessment import Assessment
from twin.forecast.lookahead import assess_order
from twin.judges.conflicts import Conflict, find
from twin.judges.lateness import (
    AFFECTED_ON_CARD,
    affected_order,
    cannot_slip_step,
    key_of,
    path_of_order,
    steps_of,
)
from twin.judges.risk import Risk, Words
from twin.judges.view import View
from twin.state.graph import node_id
from twin.words import money, plural, time_of, utc

EITHER_MAY_BE_RIGHT = 0.5
"""Probability that the value not used is the right one: two say different things, and nothing tells who is right."""


def judge(view: View) -> Risk | None:
    """A contradiction that has stood for long enough, and what hangs on it."""
    model, rules = view.model, view.rules
    found = find(model, view.root)
    since = model.card_book.suspects.get(view.root)
    if (
        found is None
        or since is None
        or (not view.is_open and view.now - since < rules.conflict_grace_min * 60.0)
    ):
        return None
    at_stake = _at_stake(view, found)
    penalty = round(sum(each.penalty for each in at_stake), 2)
    wasted = _wasted(view, found)
    parts = {name: part for name, part in (("penalty", penalty), ("scrapped_value", wasted)) if part > 0}
    customers = [view.customer(each.order) for each in at_stake]
    deadline = min((each.need_by for each in at_stake), default=None)

    def words() -> Words:
        said = ", ".join(f"{claim.source} says {claim.value}" for claim in found.claims)
        consequence = "No order depends on it."
        if at_stake:
            consequence = (
                f"If the other is right, {plural(len(at_stake), 'order')} will be late: "
                f"{money(penalty, view.currency)} in penalty."
            )
        elif wasted > 0:
            consequence = f"If nobody wants them, pieces for {money(wasted, view.currency)} are made in vain."
        return Words(
            title=f"Contradiction about {found.subject}: {said}",
            sentences=[
                *(
                    f"{claim.source} says {claim.value} since {time_of(claim.since.timestamp(), view.zone)}."
                    for claim in found.claims
                    if claim.since is not None
                ),
                f"{found.used[0].upper()}{found.used[1:]}.",
                consequence,
            ],
            cause=Cause(
                signal="conflict",
                entity_type=view.root[1],
                entity_id=view.root[3],
                since=utc(since),
                method="comparison of what each system last said",
                in_words=f"Contradiction: {said}",
            ),
            confidence=Confidence(value=1.0, n=len(found.claims), window_h=0.0),
            affected=[affected_order(each, _name(view, each)) for each in at_stake[:AFFECTED_ON_CARD]],
            path=_path(view, at_stake),
            evidence=[claim.event_id for claim in found.claims if claim.event_id is not None],
        )

    return Risk(
        signal="conflict",
        words=words,
        probability=EITHER_MAY_BE_RIGHT,
        probability_because="two systems differ, and nothing tells which is right",
        parts=parts,
        severity_steps=[
            *(["orders depend on it"] if at_stake else []),
            *cannot_slip_step(view, customers),
        ],
        mild="two systems differ",
        owner=_owner(view, customers),
        deadline=deadline,
        deadline_because="the first goods must be ready" if at_stake else "nothing is lost by the hour",
        listed=[key_of(each) for each in at_stake[:AFFECTED_ON_CARD]],
        affected_total=len(at_stake),
        weight=max((c.weight for c in customers if c is not None), default=1.0),
        need_by=deadline,
        data=DataTrouble(subject=found.subject, claims=found.claims, used=found.used),
    )


def _at_stake(view: View, found: Conflict) -> list[Assessment]:
    """Orders in time that would be late if the other value is right: more pieces take more work than there is room."""
    model = view.model
    if found.more_pcs <= 0:
        return []
    if view.root[1] == "order":
        order = model.orders[view.site_id, view.root[3]]
        rates = [run.rate_pcs_per_h for _, run in model.runs_of(order)]
        orders, rate = [order], min(rates, default=0.0)
    else:
        run = model.runs[view.site_id, view.root[3]]
        orders, rate = model.orders_of(run), run.rate_pcs_per_h
    if rate <= 0:
        return []
    more_s = found.more_pcs / rate * 3600.0
    at_stake = []
    for order in orders:
        each = assess_order(order, model) if order.is_open else None
        if each is not None and each.p_late < view.rules.raise_at_p_late and -each.overhang_s < more_s:
            at_stake.append(each)
    return sorted(at_stake, key=lambda each: (-each.penalty, each.order.site_id, each.order.order_id))


def _wasted(view: View, found: Conflict) -> float:
    """Money in pieces that nobody wants if the other is right; 0 where the item's cost is unknown."""
    run = view.model.runs.get((view.site_id, view.root[3])) if view.root[1] == "run" else None
    item = None if run is None else view.model.plant.item(view.site_id, run.plan.item_id)
    return 0.0 if item is None else round(found.for_nobody_pcs * (item.unit_cost or 0.0), 2)


def _name(view: View, each: Assessment) -> str:
    customer = view.customer(each.order)
    return each.order.event.customer_id if customer is None else customer.name


def _owner(view: View, at_stake: list[CustomerUpserted | None]) -> Owner:
    model = view.model
    if view.root[1] == "order":
        customer = view.customer(model.orders[view.site_id, view.root[3]])
        account_owner = None if customer is None else customer.account_owner_id
        name = "the customer" if customer is None else customer.name
        return owner_for(view, [(account_owner, f"account owner of {name}")], at_stake)
    line = model.line_of_run[view.site_id, view.root[3]]
    supervisor = None if line.event is None else line.event.supervisor_id
    return owner_for(view, [(supervisor, f"supervisor of {line.name}")], at_stake)


def _path(view: View, at_stake: list[Assessment]) -> list[PathStep]:
    graph = view.model.graph
    path = []
    if view.root[1] == "run":
        run = node_id("run", view.site_id, view.root[3])
        path = steps_of([(edge, f"{view.root[3]} runs here") for edge in graph.edges_from(run, "on")])
    if at_stake:
        path += path_of_order(view, at_stake[0], _name(view, at_stake[0]))
    return path
