"""Documents of ERP and WMS through Kafka, ingest and twin to a card, and a plan change out and back as files."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import MODEL_OF_KIND, Card, ClockTicked, Event
from schemas.topics import PLAN_ACKS, PLAN_CHANGES
from streams.adapters.erp.documents import Plant
from streams.connect.documents import read_documents
from streams.settings import Settings
from streams.simulator import CommittedClock, Player
from streams.sources import SourceRecord
from streams.topic_admin import create_topics
from tests.running import ROOT, Role, cards, messages, roles, wait_until
from tests.unit.test_write_back import CHANGE

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(300)]

EXAMPLES = Path(ROOT) / "examples"
LINES = {"Press 1": "press-1", "press 1": "press-1", "PRESS1": "press-1", "3": "press-1"}

CASES: dict[str, tuple[str, list[str], str, str]] = {
    # A job card was started on a work order that ERPNext has stopped.
    "erpnext": ("erpnext", ["erp/erpnext/documents.json"], "data_conflict", "is closed"),
    # The production order ends four hours before its own work order.
    "odoo": ("odoo", ["erp/odoo/records.json"], "data_conflict", "planned end of WH/MO/00088/205"),
    # 1,000 brackets need 400 kg; 550 kg lie there, and only 100 of them are unrestricted.
    "wms": ("wms", ["wms/stock.csv"], "material_shortage", "steel"),
}


@pytest.fixture
def settings(kafka: str, request: pytest.FixtureRequest) -> Settings:
    prefix = f"docs-{os.getpid()}-{abs(hash(request.node.name)) % 10**8}."
    made = Settings(kafka=kafka, topic_prefix=prefix, clock="events")
    create_topics(made, replication=1)
    return made


def events_of(case: str) -> list[Event]:
    system, files, _, _ = CASES[case]
    found: list[Event] = [model(body) for body in around(case)]
    plant = Plant("essen", "Europe/Berlin", LINES)
    for record in read_documents(system, [EXAMPLES / file for file in files], plant):
        assert isinstance(record, SourceRecord), str(record)
        found.append(model(json.loads(record.value)))
    return found


def model(body: dict[str, Any]) -> Event:
    made = MODEL_OF_KIND[body["kind"]].model_validate(body)
    assert isinstance(made, Event)
    return made


def around(case: str) -> list[dict[str, Any]]:
    """What the documents do not say: the site, its line, and for the warehouse what is to be made of the steel."""
    common = {"event_time": "2026-11-23T05:00:00+00:00", "site_id": "essen"}
    told: list[dict[str, Any]] = [
        {"kind": "site_upserted", "event_id": "s", "zone": "Europe/Berlin"},
        {
            "kind": "line_upserted",
            "event_id": "l",
            "line_id": "press-1",
            "name": "Press 1",
            "rate_pcs_per_h": 100.0,
        },
    ]
    if case == "wms":
        told += [
            {
                "kind": "bill_of_material_upserted",
                "event_id": "b",
                "item_id": "bracket",
                "components": [{"item_id": "steel", "quantity_per": 0.4}],
            },
            {
                "kind": "order_upserted",
                "event_id": "o",
                "order_id": "SO-41",
                "customer_id": "acme",
                "item_id": "bracket",
                "quantity_pcs": 1000.0,
                "promised_at": "2026-11-24T18:00:00+01:00",
                "penalty_per_day": 500.0,
            },
            {
                "kind": "run_planned",
                "event_id": "r",
                "run_id": "R-1",
                "line_id": "press-1",
                "item_id": "bracket",
                "quantity_pcs": 1000.0,
                "planned_start_at": "2026-11-24T06:00:00+01:00",
                "planned_end_at": "2026-11-24T16:00:00+01:00",
                "pegs": [{"order_id": "SO-41", "quantity_pcs": 1000.0}],
            },
        ]
    return [common | each for each in told]


@pytest.mark.parametrize("case", CASES)
def test_documents_become_a_card(case: str, settings: Settings) -> None:
    _, _, kind, words = CASES[case]
    until = datetime.fromisoformat("2026-11-23T10:00:00+00:00")
    pending = sorted(events_of(case), key=lambda event: event.event_time)
    with roles(settings, "ingest", "twin"):
        clock = CommittedClock(settings)
        player = Player(settings, clock, window_s=0.0)
        try:
            player.play(with_ticks(pending, until))
        finally:
            player.close()
            clock.close()
        found = [card for card in cards(settings).values() if card.kind == kind]

    assert found, [card.title for card in cards(settings).values()]
    assert any(words in _text(card) for card in found), [_text(card) for card in found]


def with_ticks(pending: list[Event], until: datetime) -> Any:
    now = pending[0].event_time
    while now < until:
        now = min(now + timedelta(minutes=10), until)
        while pending and pending[0].event_time <= now:
            yield pending.pop(0)
        yield ClockTicked(event_id=f"clock/{now.isoformat()}", event_time=now, site_id="essen")


def _text(card: Card) -> str:
    return json.dumps(card.model_dump(mode="json"))


def test_a_plan_change_leaves_as_a_file_and_its_answer_comes_back(settings: Settings, tmp_path: Path) -> None:
    from confluent_kafka import Producer  # noqa: PLC0415

    options = (str(tmp_path), "--site", "essen", "--zone", "Europe/Berlin", "--line", "Press 2=press-2")
    role = Role("connect", settings, "write-back", "erpnext", *options)
    producer = Producer({"bootstrap.servers": settings.kafka})
    written = tmp_path / "out" / "change-9f0c.json"
    answer = {
        "change_id": "change-9f0c",
        "status": 417,
        "at": "2026-11-23T10:00:00+01:00",
        "body": {"exception": "closed"},
    }
    try:
        for _ in range(2):  # somebody commits again
            producer.produce(settings.topic_prefix + PLAN_CHANGES, json.dumps(CHANGE).encode(), b"O-1")
        producer.flush(30)
        wait_until(written.exists, 60, lambda: role.printed)
        (tmp_path / "in" / "one.json").write_text(json.dumps(answer))
        (tmp_path / "in" / "two.json").write_text(json.dumps(answer | {"change_id": "never-sent"}))
        wait_until(lambda: bool(messages(settings, PLAN_ACKS)), 60, lambda: role.printed)
        wait_until(lambda: not list((tmp_path / "in").glob("*.json")), 30, lambda: role.printed)
    finally:
        role.end()

    (message,) = messages(settings, PLAN_ACKS)
    told = json.loads(message.value() or b"")
    assert (b"change-9f0c", "rejected", "closed") == (message.key(), told["outcome"], told["reason"])
    assert ["one.json"] == [file.name for file in (tmp_path / "done").iterdir()]
    assert ["two.refused"] == [file.name for file in (tmp_path / "in").iterdir()]
