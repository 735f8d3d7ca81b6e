"""An explanation as a person reads it: the answer first, then the steps, each with its arithmetic below it.

Law: shown, never judged. Words from other systems are shown without control characters.
"""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas import UsageError
from streams.picture import Picture
from twin.explain.explanation import MOMENT, Explanation, Number, Step, exact_time
from twin.explain.why import why_card, why_line, why_order

INDENT = "  "


def explain(picture: Picture, name: str, site_id: str | None = None) -> Explanation:
    """Why a card, an order or a line stands as it does.

    Args:
        picture: as of when.
        name: id of a card or a part of one that no other has, of an order (with or without "#"), or of a line.
        site_id: of which site, where several have the same id.

    Raises:
        UsageError: there is no such thing in the picture, or several.
    """
    found = [*_exact(picture, name, site_id)] or [*_cards_like(picture, name, site_id)]
    if not found:
        raise UsageError(f"{name!r} is no card, order or line of this picture")
    if len(found) > 1:
        several = ", ".join(each.subject for each in found[:5])
        raise UsageError(
            f"{name!r} may be one of several: {several}; name the site (--site), or the whole id of a card"
        )
    return found[0]


def _exact(picture: Picture, name: str, site_id: str | None) -> Iterator[Explanation]:
    for twin in picture.shards:
        model, now = twin.model, twin.now or 0.0
        sites = sorted({key[0] for key in (*model.lines, *model.orders)})
        for site in sites:
            if site_id not in (None, site):
                continue
            order = model.orders.get((site, name.removeprefix("#")))
            line = model.lines.get((site, name))
            if order is not None:
                yield why_order(model, order, now)
            if line is not None:
                yield why_line(model, line, now)
    for card in picture.cards:
        if card.card_id == name:
            yield _card(picture, card.card_id)


def _cards_like(picture: Picture, name: str, site_id: str | None) -> Iterator[Explanation]:
    for card in picture.cards:
        if name in card.card_id and site_id in (None, card.site_id):
            yield _card(picture, card.card_id)


def _card(picture: Picture, card_id: str) -> Explanation:
    card = next(card for card in picture.cards if card.card_id == card_id)
    twin = next(
        (
            twin
            for twin in picture.shards
            if any(key[0] == card.site_id for key in (*twin.model.lines, *twin.model.orders))
        ),
        picture.shards[0],
    )
    return why_card(twin.model, card, twin.now or 0.0)


def why_lines(explanation: Explanation) -> list[str]:
    """The explanation as lines of text."""
    zone = ZoneInfo(explanation.zone)
    lines = [_clean(explanation.headline), f"as of {exact_time(explanation.as_of, zone)}", ""]
    for step in explanation.steps:
        lines += _step_lines(step, 0)
    return lines


def as_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation for machines: numbers unrounded, moments as RFC 3339 in UTC."""
    return {
        "subject": explanation.subject,
        "headline": explanation.headline,
        "as_of": _utc(explanation.as_of),
        "zone": explanation.zone,
        "steps": [_step_json(step) for step in explanation.steps],
    }


def _step_lines(step: Step, depth: int) -> list[str]:
    lines = [INDENT * depth + _clean(step.what)]
    if step.formula:
        lines.append(INDENT * (depth + 2) + _clean(step.formula))
    if step.events:
        lines.append(INDENT * (depth + 2) + _clean("from " + ", ".join(step.events)))
    for inner in step.steps:
        lines += _step_lines(inner, depth + 1)
    return lines


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "what": step.what,
        "formula": step.formula,
        "numbers": [_number_json(number) for number in step.numbers],
        "entity": step.entity,
        "events": list(step.events),
        "steps": [_step_json(inner) for inner in step.steps],
    }


def _number_json(number: Number) -> dict[str, Any]:
    said = asdict(number)
    return {**said, "value": _utc(number.value)} if number.unit == MOMENT else said


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _clean(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words)
