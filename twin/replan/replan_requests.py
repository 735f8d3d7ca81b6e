"""A request to the solver, made of what happened and of the problem as it stands. Pure; nothing is remembered here."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from schemas import Lock, ReplanRequested, SchedulingOrder, SchedulingRun, join_key, topics
from twin.cards.card_life import LIVE_STATES
from twin.decisions.plan_book import revision_of
from twin.forecast.assessment import penalty_rate
from twin.forecast.lookahead import assess_order
from twin.refusal import Refused
from twin.replan.problems import build_problem
from twin.replan.replan_book import Note
from twin.state.entities import SiteKey
from twin.state.model import Model
from twin.words import utc

MOST_BYTES = 6_000_000
"""JSON of a request; where it is more, lines are left out of its scope, those hit last. Smaller: plants of a thousand runs
are asked about in part; larger: more than a record of twin.replan-requests.v1 may hold."""

STAGES_APART = 100
"""Revisions left for answers to an earlier request that may still come. Fewer than the solver makes of one request, and a
late one of those would be taken for an answer to the new one."""

CARDS_NAMED = 20
"""Cards that a request names."""


def build_request(
    model: Model,
    now: float,
    cause: str,
    scope: Sequence[SiteKey],
    hit: Sequence[SiteKey],
    notes: Sequence[Note],
    *,
    added: Sequence[SchedulingRun] = (),
    added_orders: Sequence[SchedulingOrder] = (),
    locks: Mapping[SiteKey, Lock] | None = None,
    supersedes: Sequence[str] = (),
    proposal_id: str | None = None,
    first_revision: int = 1,
) -> ReplanRequested:
    """A request; its ids follow from what caused it.

    Args:
        model: the live model, evaluated.
        now: the shard's clock.
        cause: the fact or tick that it follows from.
        scope: lines that may be touched, as scope_of gives them, those hit first.
        hit: lines that what happened concerns.
        notes: what happened, the first one first.
        added: runs that nobody has planned yet.
        added_orders: orders that do not exist yet.
        locks: planners' pins, by (site_id, run_id).
        supersedes: requests that need no answer any more.
        proposal_id: that the answer belongs to; None: a new one.
        first_revision: of the answer.

    Raises:
        Refused: the first line alone is more than a request holds.
    """
    assert notes, "nothing is asked without a reason"
    site_id, anchor = notes[0].site_id, join_key(*scope[0])
    request_id = f"{cause}/{anchor}"
    lines = list(scope)
    while True:
        problem = build_problem(
            model,
            now,
            lines,
            problem_id=request_id,
            hit=frozenset(hit),
            added=added,
            added_orders=added_orders,
            locks=locks,
            site_id=site_id,
        )
        size = len(problem.model_dump_json())
        if size <= MOST_BYTES:
            break
        if len(lines) == 1:
            raise Refused(
                "too_large",
                f"what is planned on {join_key(*lines[0])} alone is {size:,} bytes as a problem, and a request holds "
                f"{MOST_BYTES:,}: plan it less far ahead, or on more lines",
            )
        del lines[max(1, len(lines) * 3 // 4) :]
    triggers = list(dict.fromkeys(note.trigger for note in notes))
    return ReplanRequested(
        output_id=f"{cause}>{topics.REPLAN_REQUESTS}>{anchor}",
        request_id=request_id,
        proposal_id=proposal_id_of(request_id) if proposal_id is None else proposal_id,
        site_id=site_id,
        trigger=triggers[0],
        triggers=triggers,
        because=list(dict.fromkeys(note.because for note in notes)),
        caused_by=list(dict.fromkeys(event for note in notes for event in note.events)),
        card_ids=_cards(model, notes, hit),
        supersedes=list(supersedes),
        scope=[join_key(*key) for key in lines],
        plan_revision=revision_of(model, site_id),
        first_revision=first_revision,
        problem=problem,
        as_of=utc(now),
    )


def proposal_id_of(request_id: str) -> str:
    """Id of the answer to a request: short enough to be typed, and the same whenever the request is made again."""
    return f"P-{blake2b(request_id.encode(), digest_size=6).hexdigest()}"


def cost_of_holding(model: Model, lines: Iterable[SiteKey]) -> float | None:
    """Penalties that come if nobody acts, of the orders that runs in these queues are for; money.

    Returns:
        None where an order is late and nobody knows what that costs.
    """
    keys: dict[SiteKey, None] = {}
    for line_key in lines:
        for run in model.lines[line_key].queued():
            keys.update(dict.fromkeys(run.order_keys))
    return cost_of_orders(model, sorted(keys))


def cost_of_orders(model: Model, keys: Iterable[SiteKey]) -> float | None:
    """Penalties of those of these orders that ship late as projected; None where one is late at an unknown price."""
    cost = 0.0
    for key in keys:
        order = model.orders.get(key)
        if order is None or not order.is_open or order.state.root is None:
            continue
        each = assess_order(order, model)
        if each is None or each.slip_s <= 0:
            continue
        event = order.event
        customer = model.plant.customer(order.site_id, event.customer_id)
        agreed = model.plant.agreed_penalty(order.site_id, event.customer_id)
        if penalty_rate(order, customer, agreed) is None:
            return None
        cost += each.penalty
    return cost


def _cards(model: Model, notes: Sequence[Note], hit: Sequence[SiteKey]) -> list[str]:
    """Cards that were raised, and those that stand for the lines hit."""
    cards = [note.card_id for note in notes if note.card_id is not None]
    wanted = set(hit)
    cards += [
        card.card_id
        for root, card in sorted(model.cards.items())
        if card.state in LIVE_STATES and root[1] == "line" and (root[2], root[3]) in wanted
    ]
    return list(dict.fromkeys(cards))[:CARDS_NAMED]
