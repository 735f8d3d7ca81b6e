"""United Manufacturing Hub: Core's tags and Classic's messages."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas import ReasonCode
from streams.adapters.machines.tag_map import load_tag_map
from streams.adapters.machines.translators import Translated, UmhTranslator
from streams.adapters.machines.umh import UmhAddress, parse_key
from tests.running import ROOT

MAP = Path(ROOT) / "examples" / "machines" / "umh.yaml"
LINE = "umh.v1.acme.cologne.packaging.line1."
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MS = 1_795_503_600_000  # 2026-11-24T07:00Z


def translator() -> UmhTranslator:
    return UmhTranslator(load_tag_map(MAP))


def tell(made_by: UmhTranslator, name: str, body: Any) -> Translated:
    return made_by.translate(LINE + name, body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)


def core(name: str, value: Any, ms: int = MS) -> tuple[str, dict[str, Any]]:
    return f"_packml_v1.{name}", {"timestamp_ms": ms, "value": value}


def test_a_key_is_split_at_its_contract() -> None:
    expected = UmhAddress(("acme", "cologne", "packaging", "line1"), "_pump_v1", "motor.speed")

    assert expected == parse_key("umh.v1.acme.cologne.packaging.line1._pump_v1.motor.speed")
    assert expected == parse_key("umh/v1/acme/cologne/packaging/line1/_pump_v1/motor/speed")


def test_core_values_become_events_once_every_counter_is_known() -> None:
    umh = translator()
    made = [
        tell(umh, *core(*each))
        for each in (("job.id", "R-7"), ("status.state", "Execute"), ("count.good", 10), ("count.scrap", 1))
    ]

    assert ["run_started"] == [body["kind"] for body in made[0].bodies]
    assert [("state_changed", "EXECUTE")] == [(body["kind"], body["state"]) for body in made[1].bodies]
    assert [] == made[2].bodies, "no scrap told yet would read as a scrap counter that began again"
    assert [("R-7", 10.0, 1.0)] == [(b["run_id"], b["good_count"], b["scrap_count"]) for b in made[3].bodies]
    assert [] == [bad for each in made for bad in each.problems]


def test_classic_is_read_to_runs_counts_states_and_corrections() -> None:
    umh = translator()
    order = {
        "external_work_order_id": "WO-1",
        "product": {"external_product_id": "box", "cycle_time_ms": 36},
        "quantity": 500,
        "status": 0,
        "start_time_unix_ms": MS,
        "end_time_unix_ms": MS + 18_000_000,
    }
    told = [
        ("_analytics.work-order.create", order),
        ("_analytics.work-order.start", {"external_work_order_id": "WO-1", "start_time_unix_ms": MS}),
        ("_analytics.state.add", {"state": 10_000, "start_time_unix_ms": MS}),
        (
            "_analytics.product.add",
            {
                "external_product_type_id": "box",
                "product_batch_id": "b1",
                "start_time_unix_ms": MS,
                "end_time_unix_ms": MS + 3_600_000,
                "quantity": 100,
                "bad_quantity": 3,
            },
        ),
        (
            "_analytics.product.setBadQuantity",
            {"external_product_type_id": "box", "end_time_unix_ms": MS + 3_600_000, "bad_quantity": 2},
        ),
        (
            "_analytics.work-order.stop",
            {"external_work_order_id": "WO-1", "end_time_unix_ms": MS + 7_200_000},
        ),
    ]
    made = [tell(umh, *each) for each in told]

    assert [] == [bad for each in made for bad in each.problems]
    bodies = [body for each in made for body in each.bodies]
    assert [
        "run_planned",
        "run_started",
        "state_changed",
        "count_reported",
        "count_corrected",
        "run_completed",
    ] == [body["kind"] for body in bodies]
    planned, _, state, count, corrected, _ = bodies
    assert (100.0, NOW.isoformat()) == (planned["rate_pcs_per_h"], planned["event_time"]), "36 s a piece"
    assert ("EXECUTE", "full speed (10000)") == (state["state"], state["reason"])
    assert (97.0, 3.0) == (count["good_count"], count["scrap_count"])
    assert ("WO-1", -2.0, 2.0) == (corrected["run_id"], corrected["good_delta"], corrected["scrap_delta"])
    assert {"packaging-1"} == {body["line_id"] for body in bodies}


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (10_000, "EXECUTE"), (19_999, "EXECUTE"), (20_000, "EXECUTE"), (30_000, "STOPPED"), (60_000, "SUSPENDED"),
        (99_999, "SUSPENDED"), (100_000, "HELD"), (140_000, "HELD"), (160_000, "IDLE"), (180_000, "HELD"), (229_999, "HELD"),
    ],
)  # fmt: skip
def test_a_band_is_one_state(code: int, state: str) -> None:
    made = tell(translator(), "_analytics.state.add", {"state": code, "start_time_unix_ms": MS})

    assert [state] == [body["state"] for body in made.bodies]


HOSTILE: dict[str, tuple[str, Any, ReasonCode, str]] = {
    "no JSON": ("_packml_v1.count.good", b"{", ReasonCode.PARSE, ""),
    "an array": ("_packml_v1.count.good", [1], ReasonCode.SCHEMA, ""),
    "no value": ("_packml_v1.count.good", {"timestamp_ms": MS}, ReasonCode.SCHEMA, "value"),
    "an object as value": ("_packml_v1.count.good", {"timestamp_ms": MS, "value": {}}, ReasonCode.SCHEMA, "value"),
    "no time": ("_packml_v1.count.good", {"value": 5}, ReasonCode.TIME, "timestamp_ms"),
    "seconds": ("_packml_v1.count.good", {"timestamp_ms": MS // 1000, "value": 5}, ReasonCode.TIME, "timestamp_ms"),
    "text as time": ("_packml_v1.count.good", {"timestamp_ms": "now", "value": 5}, ReasonCode.TIME, "timestamp_ms"),
    "a state below the bands": ("_analytics.state.add", {"state": 9_999, "start_time_unix_ms": MS}, ReasonCode.RANGE, "state"),
    "a state above the bands": ("_analytics.state.add", {"state": 230_000, "start_time_unix_ms": MS}, ReasonCode.RANGE, "state"),
    "a state in words": ("_analytics.state.add", {"state": "run", "start_time_unix_ms": MS}, ReasonCode.SCHEMA, "state"),
    "an unknown message": ("_analytics.product.explode", {}, ReasonCode.VERSION, "key"),
    "more bad than made": ("_analytics.product.add", {"end_time_unix_ms": MS, "quantity": 5, "bad_quantity": 6}, ReasonCode.RANGE, "bad_quantity"),
    "a correction of no work order": ("_analytics.product.setBadQuantity", {"end_time_unix_ms": MS, "bad_quantity": 6}, ReasonCode.SCHEMA, "key"),
    "a work order that ends before it starts": (
        "_analytics.work-order.create",
        {"external_work_order_id": "W", "product": {"external_product_id": "b"}, "quantity": 1,
         "start_time_unix_ms": MS, "end_time_unix_ms": MS - 1},
        ReasonCode.TIME, "planned_end_at",
    ),
    "infinite": ("_packml_v1.count.good", b'{"timestamp_ms": 1795503600000, "value": 1e999}', ReasonCode.RANGE, "value"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_cannot_be_read_is_refused_with_its_place(case: str) -> None:
    name, body, code, path = HOSTILE[case]

    made = tell(translator(), name, body)

    assert [(code, path)] == [(bad.code, bad.field_path) for bad in made.problems]
    assert [] == made.bodies


@pytest.mark.parametrize(
    "key", ["", "umh.v1", "umh.v1.acme", "umh.v2.acme._raw.x", "umh.v1..a._raw.x", "other"]
)
def test_a_key_of_another_form_is_refused(key: str) -> None:
    made = translator().translate(key, b"{}", NOW)

    assert [(ReasonCode.SCHEMA, "key")] == [(bad.code, bad.field_path) for bad in made.problems]


def test_tags_without_a_rule_are_not_even_parsed() -> None:
    umh = translator()

    made = tell(umh, "_raw.DB1.DW20", b"no JSON at all")

    assert ([], []) == (made.bodies, made.problems)
    assert 1 == umh.ignored()["no rule for the tag"]
