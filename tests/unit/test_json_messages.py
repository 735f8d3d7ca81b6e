"""Plain JSON over MQTT by a mapping file: a message is a row, its paths and topic levels are the columns."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas import ReasonCode
from streams.adapters.json_cells import flattened
from streams.adapters.machines.translators import JsonTranslator, Translated
from streams.connect.maps import load_map
from tests.running import ROOT

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def tell(topic: str, body: Any) -> Translated:
    loaded = load_map(Path(ROOT) / "examples" / "machines" / "json.yaml")
    assert loaded.mapping is not None
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return JsonTranslator(loaded.mapping).translate(topic, data, NOW)


def test_a_message_is_mapped_by_its_topic_and_paths() -> None:
    made = tell("plant/P1/counts", {"ts": "2026-11-23T09:00:00+01:00", "job": "R-1", "good": 5, "scrap": 1})

    assert [
        {
            "kind": "count_reported",
            "event_id": "essen-json/plant/P1/counts@2026-11-23T09:00:00+01:00/count_reported",
            "event_time": "2026-11-23T08:00:00+00:00",
            "site_id": "essen",
            "line_id": "press-1",
            "run_id": "R-1",
            "good_count": 5,
            "scrap_count": 1,
        }
    ] == made.bodies


def test_what_a_message_lacks_is_an_empty_cell() -> None:
    made = tell("plant/P1/counts", {"ts": "2026-11-23T09:00:00+01:00", "good": 5})

    assert [(5, 0, None)] == [
        (each["good_count"], each["scrap_count"], each.get("run_id")) for each in made.bodies
    ]


def test_an_array_is_a_row_each_and_one_bad_row_leaves_its_neighbours() -> None:
    rows = [
        {"ts": "2026-11-23T09:00:00+01:00", "good": 5},
        {"ts": "2026-11-23T09:01:00+01:00", "good": -5},
        7,
        {"ts": "2026-11-23T09:02:00+01:00", "good": 6},
    ]

    made = tell("plant/P1/counts", rows)

    assert [5, 6] == [each["good_count"] for each in made.bodies]
    assert [(ReasonCode.RANGE, "good"), (ReasonCode.SCHEMA, "2")] == [
        (bad.code, bad.field_path) for bad in made.problems
    ]


@pytest.mark.parametrize(
    ("topic", "body", "code", "path"),
    [
        ("plant/P1/counts", b"\x00", ReasonCode.PARSE, ""),
        ("plant/P1/counts", b"5", ReasonCode.SCHEMA, ""),
        ("plant/P9/counts", {"ts": "2026-11-23T09:00:00Z", "good": 5}, ReasonCode.SCHEMA, "topic.2"),
        ("plant/P1/counts", {"ts": "2026-11-23 09:00", "good": 5}, ReasonCode.TIME, "ts"),
        ("plant/P1/counts", {"good": 5}, ReasonCode.SCHEMA, "ts"),
        ("plant/P1/state", {"ts": "2026-11-23T09:00:00Z", "state": "Odd"}, ReasonCode.SCHEMA, "state"),
        ("plant/P1/other", {"ts": "2026-11-23T09:00:00Z"}, ReasonCode.SCHEMA, ""),
        ("plant/P1/counts", b"[" * 100 + b"]" * 100, ReasonCode.DEPTH, ""),
    ],
)
def test_what_cannot_be_mapped_is_refused_with_its_column(
    topic: str, body: Any, code: ReasonCode, path: str
) -> None:
    made = tell(topic, body)

    assert [(code, path)] == [(bad.code, bad.field_path) for bad in made.problems]


def test_paths_are_dotted_and_lists_numbered() -> None:
    assert {"a.b": "1", "a.c.0": "true", "a.c.1.d": "x", "e": ""} == flattened(
        {"a": {"b": 1, "c": [True, {"d": "x"}]}, "e": None}
    )
