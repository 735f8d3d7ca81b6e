"""Questions to the view, answered with the bytes that stood on the topics."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from schemas import AuditRecord, Card, LineStatus, OrderProjection, PlanState, topics
from schemas.keys import join_key
from streams.latest_cards import urgency
from streams.web import cursor
from streams.web.documents import Document, Shelf
from streams.web.problems import FieldProblem, invalid, not_found, unavailable
from streams.web.view import STREAMED, View

SNAPSHOT_MAX: Final = 2_000
"""Documents of one name in a snapshot. Too small: a page without its orders. Too large: a first load of megabytes."""

PAGE_MAX: Final = 500
"""Documents in one answer of a list."""

DECISIONS_SHOWN: Final = 200

NAMED: Final = ("site", "area", "line", "person", "customer", "item")
"""Types of nodes that have names of their own; those of runs and orders are their ids."""

NAMES_MAX: Final = 5_000
"""Names in one answer. Too small: ids where people expect names. Too large: a first load of megabytes."""


class Json(Response):
    """An answer of JSON; bytes among the values are documents, put in as they are."""

    media_type = "application/json"

    def __init__(
        self, body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(orjson.dumps(body, default=_plain), status, headers)


class Reading:
    """What routes ask.

    Args:
        view: the picture.
        is_caught_up: whether it is one yet.
    """

    def __init__(self, view: View, is_caught_up: Callable[[], bool]) -> None:
        self.view, self._is_caught_up = view, is_caught_up

    def require(self) -> None:
        """Refuse to answer from half a picture.

        Raises:
            Problem: the topics have not been read to their ends yet.
        """
        if not self._is_caught_up():
            raise unavailable(
                "catching_up", "the topics are still being read; /readyz of the admin port tells how far"
            )

    def snapshot(self, site_id: str | None) -> Json:
        """Everything that needs somebody, and the cursor behind it."""
        shown: dict[str, list[Any]] = {}
        left_out: dict[str, int] = {}
        with self.view.reading() as view:
            for topic, name in STREAMED.items():
                shelf = view.shelves[topic]
                found = shelf.matching(
                    lambda each: not each.is_ended and site_id in (None, each.site_id, "*")
                )
                chosen = sorted(found, key=_ORDER[name])[:SNAPSHOT_MAX]
                shown[name] = [_streamed(each) for each in chosen]
                left_out[name] = len(found) - len(chosen) + shelf.dropped
            here = cursor.encode({shelf.name: shelf.positions for shelf in view.shelves.values()})
            return Json({"cursor": here, "as_of": view.as_of(), "documents": shown, "left_out": left_out})

    def page(
        self, topic: str, is_wanted: Callable[[Any], bool], limit: int, offset: int, site_id: str | None
    ) -> Json:
        """Part of the list of a topic's documents for whose model it holds, in their order."""
        with self.view.reading() as view:
            shelf = view.ledger if topic == topics.LEDGER else view.shelves[topic]
            found = shelf.matching(lambda each: site_id in (None, each.site_id) and is_wanted(each.model))
            found.sort(key=_ORDER[shelf.name])
            return self.listed(
                [orjson.Fragment(each.body) for each in found[offset : offset + limit]],
                total=len(found),
                offset=offset,
                is_complete=not shelf.dropped,
            )

    def listed(self, items: Sequence[Any], *, total: int, offset: int, is_complete: bool = True) -> Json:
        """A page of items."""
        about = {"as_of": self.view.as_of(), "total": total, "offset": offset, "is_complete": is_complete}
        return Json({**about, "items": items})

    def card(self, card_id: str) -> Json:
        """One card with its history."""
        with self.view.reading() as view:
            document = view.shelves[topics.CARDS].documents.get(card_id)
            if document is None:
                raise not_found("card", card_id)
            assert isinstance(document.model, Card)
            plans = view.shelves[topics.PLANS].documents
            proposals = [plans[name] for name in document.model.proposal_ids if name in plans]
            return Json(
                {
                    "as_of": view.as_of(),
                    "card": orjson.Fragment(document.body),
                    "history": view.history(card_id),
                    "decisions": self._decisions(card_id),
                    "proposals": [orjson.Fragment(each.body) for each in proposals],
                    "why": why_path(card_id),
                }
            )

    def order(self, order_id: str, site_id: str | None) -> Json:
        """One order with its cards."""
        with self.view.reading() as view:
            document = _found(view.shelves[topics.ORDER_PROJECTIONS], "order", order_id, site_id)
            order = document.model
            assert isinstance(order, OrderProjection)
            cards = self._cards(
                lambda card: any(
                    (each.site_id, each.order_id) == (order.site_id, order.order_id) for each in card.affected
                )
            )
            body = orjson.Fragment(document.body)
            return Json(
                {
                    "as_of": view.as_of(),
                    "order": body,
                    "cards": cards,
                    "why": why_path(order.order_id, order.site_id),
                }
            )

    def line(self, line_id: str, site_id: str | None) -> Json:
        """One line with its cards and signals."""
        with self.view.reading() as view:
            document = _found(view.shelves[topics.LINES], "line", line_id, site_id)
            line = document.model
            assert isinstance(line, LineStatus)
            here = (line.site_id, line.line_id)
            signals = [each for each in view.signals if (each.site_id, each.line_id) == here]
            return Json(
                {
                    "as_of": view.as_of(),
                    "line": orjson.Fragment(document.body),
                    "cards": self._cards(lambda card: _is_on(card, *here)),
                    "signals": signals[::-1][:DECISIONS_SHOWN],
                    "why": why_path(*here[::-1]),
                }
            )

    def proposal(self, proposal_id: str) -> Json:
        """A proposal with the options that stand."""
        with self.view.reading() as view:
            document = view.shelves[topics.PLANS].documents.get(proposal_id)
            state = None if document is None else document.model
            assert state is None or isinstance(state, PlanState)
            options = view.proposal(proposal_id, None if state is None else state.proposal_revision)
            if document is None and options is None:
                raise not_found("proposal", proposal_id)
            return Json(
                {
                    "as_of": view.as_of(),
                    "state": None if document is None else orjson.Fragment(document.body),
                    "proposal": None if options is None else orjson.Fragment(options.body),
                    "decisions": self._decisions(proposal_id),
                }
            )

    def decisions(self, is_wanted: Callable[[Any], bool], limit: int, offset: int) -> Json:
        """Who decided what, newest first."""
        with self.view.reading() as view:
            found = [each for each in reversed(view.audit) if is_wanted(each)]
        return self.listed(found[offset : offset + limit], total=len(found), offset=offset)

    def around(self, node_type: str, entity_id: str, site_id: str | None, hops: int, nodes_max: int) -> Json:
        """What lies around an entity in the live graph."""
        with self.view.reading() as view:
            starts = view.graph.named(node_type, entity_id, site_id)
            if not starts:
                raise not_found(node_type, entity_id)
            if len(starts) > 1:
                raise _several(node_type, [each.site_id for each in starts])
            found = view.graph.around(starts[0], hops, nodes_max)
            return Json({"as_of": view.as_of(), **found._asdict()})

    def names(self, site_id: str | None) -> Json:
        """What the things of the graph are called, in the order of NAMED."""
        with self.view.reading() as view:
            found = [
                node
                for node in view.graph.nodes.values()
                if node.node_type in NAMED and site_id in (None, node.site_id)
            ]
            found.sort(key=lambda node: (NAMED.index(node.node_type), node.site_id, node.entity_id))
            shown = [
                {
                    "node_type": node.node_type,
                    "entity_id": node.entity_id,
                    "site_id": node.site_id,
                    "name": node.label,
                    "part_of": view.graph.parent(node.node_id),
                }
                for node in found[:NAMES_MAX]
            ]
            left_out = len(found) - len(shown)
            return Json({"as_of": view.as_of(), "items": shown, "left_out": left_out})

    def _cards(self, is_wanted: Callable[[Card], bool]) -> list[orjson.Fragment]:
        found = self.view.shelves[topics.CARDS].matching(
            lambda each: not each.is_ended and isinstance(each.model, Card) and is_wanted(each.model)
        )
        return [orjson.Fragment(each.body) for each in sorted(found, key=_ORDER["card"])[:PAGE_MAX]]

    def _decisions(self, target_id: str) -> list[AuditRecord]:
        return [each for each in reversed(self.view.audit) if each.target_id == target_id][:DECISIONS_SHOWN]


def why_path(name: str, site_id: str | None = None) -> str:
    """Where the path and the arithmetic of something can be had."""
    site = "" if site_id is None else f"?{urlencode({'site': site_id})}"
    return f"/api/v1/why/{quote(name, safe='')}{site}"


def _found(shelf: Shelf, what: str, name: str, site_id: str | None) -> Document:
    """A document by the key of its record, or by its own id where only one site has that."""
    exact = shelf.documents.get(name if site_id is None else join_key(site_id, name))
    if exact is not None:
        return exact
    found = shelf.matching(
        lambda each: getattr(each.model, f"{what}_id", None) == name and site_id in (None, each.site_id)
    )
    if not found:
        raise not_found(what, name)
    if len(found) > 1:
        raise _several(what, [each.site_id for each in found])
    return found[0]


def _several(what: str, sites: Sequence[str]) -> Exception:
    names = ", ".join(sorted(sites)[:10])
    return invalid(
        [FieldProblem(path="site", message=f"several sites have this {what}: {names}; say which with site=")]
    )


def _is_on(card: Card, site_id: str, line_id: str) -> bool:
    if card.site_id == site_id and (card.cause.entity_type, card.cause.entity_id) == ("line", line_id):
        return True
    return any((each.site_id, each.line_id) == (site_id, line_id) for each in card.affected)


def _streamed(document: Document) -> dict[str, Any]:
    return {
        "id": document.key,
        "site_id": document.site_id,
        "revision": document.revision,
        "document": orjson.Fragment(document.body),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return orjson.Fragment(value.model_dump_json())
    raise TypeError(type(value).__name__)


def _by_card(document: Document) -> tuple[Any, ...]:
    assert isinstance(document.model, Card)
    return urgency(document.model)


def _by_order(document: Document) -> tuple[Any, ...]:
    order = document.model
    assert isinstance(order, OrderProjection)
    return (-(order.p_late or 0.0), order.promised_at, document.key)


def _newest_first(document: Document) -> tuple[Any, ...]:
    at = document.as_of
    return (0.0 if at is None else -at.timestamp(), document.key)


def _by_key(document: Document) -> tuple[Any, ...]:
    return (document.key,)


_ORDER: Final[dict[str, Callable[[Document], tuple[Any, ...]]]] = {
    "card": _by_card,
    "order": _by_order,
    "line": _by_key,
    "plan": _newest_first,
    "proposal": _newest_first,
    "ledger": _by_key,
    "site": _by_key,
}
