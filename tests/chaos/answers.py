"""Whether the solver and notify kept their own guarantees over all deaths."""

from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel

from schemas import Card, CardNotices, Proposal, ReplanRequested
from schemas.topics import CARDS, DELIVERIES, PROPOSALS, REPLAN_REQUESTS
from streams.settings import Settings
from tests.notify_plant import Receiver
from tests.running import messages
from twin.cards.card_life import LIVE_STATES

EXAMPLES = 5

Document = TypeVar("Document", bound=BaseModel)


def proposals_kept(settings: Settings) -> Iterator[str]:
    """What is wrong with the answers: one that is missing, or one revision with two contents."""
    requests = _all(settings, REPLAN_REQUESTS, ReplanRequested)
    first: dict[tuple[str, int], Proposal] = {}
    other = []
    for each in _all(settings, PROPOSALS, Proposal):
        plain = each.model_copy(update={"solve_ms": 0.0})  # how long it took is for people
        if first.setdefault((each.proposal_id, each.revision), plain) != plain:
            other.append(f"{each.proposal_id}/{each.revision}")
    yield from _named("revisions came with two contents, and which one is first is a matter of luck", other)
    final = {each.request_id for each in first.values() if each.is_final}
    last_of_proposal = {each.proposal_id: each.request_id for each in requests}
    superseded = {request_id for each in requests for request_id in each.supersedes}
    open_ones = [
        each.request_id
        for each in requests
        if each.request_id not in final | superseded and last_of_proposal[each.proposal_id] == each.request_id
    ]
    yield from _named("requests have no final answer", open_ones)
    unasked = sorted({each.request_id for each in first.values()} - {each.request_id for each in requests})
    yield from _named("answers belong to no request", unasked)


def notices_kept(settings: Settings, hook: Receiver) -> Iterator[str]:
    """What is wrong with what people were told: a card untold, one told twice under two ids, one that still waits."""
    documents = {each.card_id: each for each in _all(settings, DELIVERIES, CardNotices)}
    cards = {each.card_id: each for each in _all(settings, CARDS, Card)}
    told: Counter[tuple[str, str]] = Counter()
    keys_of: dict[tuple[str, str, int, int], set[str]] = {}
    for posted in list(hook.posted):
        for notice in posted.body["notices"]:
            card = notice["card"]
            told[card["card_id"], notice["change"]] += 1
            if posted.body["kind"] == "card":
                what = card["card_id"], notice["change"], notice["level"], card["episode"]
                keys_of.setdefault(what, set()).add(posted.key)
    waiting = [
        each.card_id
        for each in documents.values()
        if any(channel.pending is not None for channel in each.channels)
    ]
    yield from _named("cards have notices that never left", waiting)
    untold = [
        card_id
        for card_id, card in cards.items()
        if card.state in LIVE_STATES and not told[card_id, "raised"] and not told[card_id, "escalated"]
    ]
    yield from _named("cards are open and nobody was told", untold)
    noted = {
        (each.card_id, outcome.change, outcome.delivery_id)
        for each in documents.values()
        for outcome in each.outcomes
        if outcome.outcome == "delivered"
    }
    yield from _named(
        "deliveries are noted and never arrived",
        [f"{card_id} {change}" for card_id, change, _ in sorted(noted) if not told[card_id, change]],
    )
    failed = [
        f"{each.card_id} {outcome.reason}"
        for each in documents.values()
        for outcome in each.outcomes
        if outcome.outcome == "failed"
    ]
    yield from _named("deliveries failed", failed)
    yield from _named(
        "notices left under two ids", [str(what) for what, keys in keys_of.items() if len(keys) > 1]
    )


def _all(settings: Settings, topic: str, model: type[Document]) -> list[Document]:
    return [
        model.model_validate_json(value)
        for message in messages(settings, topic)
        if (value := message.value()) is not None
    ]


def _named(what: str, names: list[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
        yield f"{len(names)} {what}: {', '.join(names[:EXAMPLES])}{more}"
