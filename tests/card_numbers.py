"""Whether every number in a card's sentences comes from a field of that card: for the tests of all kinds of cards.

assert [] == unexplained_numbers(card, zone)
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas import Card

_NUMBER = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?|\d[\d,]*(?:\.\d+)?")
_SENTENCES = frozenset({"title", "summary", "in_words", "update_reason", "detail", "state_note"})
"""Texts made of other fields: they explain nothing."""


def unexplained_numbers(card: Card, zone: ZoneInfo) -> list[str]:
    """Numbers, times and days in title and summary that no field of the card gives, rounded as people read them."""
    known: set[str] = set()
    names: set[str] = set()
    for name, value in _fields(card.model_dump()):
        if isinstance(value, datetime):
            known |= _of_moment(value.astimezone(zone))
        elif isinstance(value, bool) or value is None:
            continue
        elif isinstance(value, int | float):
            known |= _of_number(name, float(value))
        elif name not in _SENTENCES:
            names.add(str(value))
    for text in names:
        known |= set(_NUMBER.findall(text))  # R-4471, "Line 3", "plant-1": numbers that are names
    sentences = f"{card.title} {card.summary}"
    return [number for number in _NUMBER.findall(sentences) if number not in known]


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _fields(each, str(key))
    elif isinstance(value, list | tuple):
        yield name, len(value)
        for each in value:
            yield from _fields(each, name)
    else:
        yield name, value


def _of_moment(moment: datetime) -> set[str]:
    return {f"{moment:%-d}", f"{moment:%H:%M}", f"{moment:%H:%M:%S}"}


def _of_number(name: str, value: float) -> set[str]:
    """A field's value as a sentence may write it: rounded, in hours or days for seconds, in % for shares."""
    readings = [value]
    if name.endswith("_s"):
        readings += [value / 60.0, value / 3600.0, value / 86_400.0]
    if name.endswith("_h"):
        readings += [value * 60.0, value / 24.0]
    if abs(value) <= 10.0:
        readings.append(value * 100.0)
    known = set()
    for reading in (abs(each) for each in readings):
        known |= {f"{reading:,.{digits}f}" for digits in range(4)}
        known |= {f"{round(reading, digits):,g}" for digits in range(3)}
    return known
