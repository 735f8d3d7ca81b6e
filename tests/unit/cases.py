"""Plays a case of examples/cases up to a moment, as `foresite replay` does, for tests that know its numbers by hand."""

import json
from datetime import datetime
from pathlib import Path

from schemas import MODEL_OF_KIND, Card, Event
from streams.replay import ReplayResult, replay
from twin import Twin

CASES = Path(__file__).parents[2] / "examples" / "cases"
PLANS = CASES.parent / "plans"


def played(name: str, until: datetime, tick_s: int = 60) -> ReplayResult:
    """The picture of a case as of a moment; every event of it was taken."""
    result = replay([CASES / f"{name}.ndjson"], None, Twin, until, tick_s)
    assert ({}, {}) == (result.rejected, dict(result.dead_letters)), result.tally()
    return result


def read_events(name: str, folder: Path = CASES) -> list[Event]:
    """The events of a case, in its order."""
    lines = (folder / f"{name}.ndjson").read_text().splitlines()
    return [event for line in lines if isinstance(event := _read(line), Event)]


def _read(line: str) -> object:
    return MODEL_OF_KIND[json.loads(line)["kind"]].model_validate_json(line)


def open_cards(name: str, until: datetime) -> list[Card]:
    """Cards that need somebody at a moment, most urgent first."""
    return played(name, until).ranked()


def the_card(name: str, until: datetime) -> Card:
    """The one card that needs somebody at a moment."""
    [card] = open_cards(name, until)
    return card
