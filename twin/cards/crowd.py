"""More risks than people can look at: which of them have cards, and what becomes of the others.

A site has open_cards_max open cards. Beyond that a risk has a card only where it outranks the least open one, up to
CROWD times as many; the others are set aside: counted with their money on twin.sites.v1, their orders on
twin.order-projections.v1 as ever, and raised in the order of their rank as soon as there is room. A card that is open
stays: taking it back for want of room would say that its risk is over.
"""

from collections.abc import Iterable

from schemas import Card, Rules
from twin.cards.card_book import AsideDocument
from twin.judges.risk import Root
from twin.state.model import Model

CROWD = 2
"""Times open_cards_max that may be open where each new card outranks an open one. Smaller: what matters most may come
last and not be told; larger: the limit is none."""


def has_room(model: Model, card: Card, rules: Rules) -> bool:
    """Whether a card may open."""
    book, site_id = model.card_book, card.site_id
    count = book.live_count(site_id)
    if count < rules.open_cards_max:
        return True
    return count < CROWD * rules.open_cards_max and card.score > min(
        each.score for each in book.live(site_id)
    )


def note_aside(model: Model, root: Root, card: Card, now: float) -> None:
    """A risk has no room: its money and rank are kept, and when it was set aside."""
    book = model.card_book
    before = book.aside.get(root)
    after = AsideDocument(now if before is None else before.since, card.score, card.impact.exposure)
    if after != before:
        book.set_aside(root, after)


def in_turn(model: Model, roots: Iterable[Root]) -> list[Root]:
    """Roots in the order in which they are judged: those set aside last, the worst of them first, so that it gets the room."""
    aside = model.card_book.aside
    if not aside:
        return sorted(roots)
    return sorted(roots, key=lambda root: (root in aside, -aside[root].score if root in aside else 0.0, root))


def next_in_line(model: Model) -> list[Root]:
    """Risks set aside that are to be looked at again: of each site as many as it may have cards, the worst first."""
    found: list[Root] = []
    by_site: dict[str, list[tuple[float, Root]]] = {}
    for root, note in model.card_book.aside.items():
        by_site.setdefault(root[2], []).append((-note.score, root))
    for site_id, waiting in sorted(by_site.items()):
        found += [root for _, root in sorted(waiting)[: model.plant.rules(site_id).open_cards_max]]
    return found
