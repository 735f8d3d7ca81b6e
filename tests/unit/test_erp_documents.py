"""ERPNext, Odoo, frePPLe, B2MML and WMS: recorded documents to events, the traps of each, and what is hostile."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import BadRecord, ReasonCode
from streams.adapters.erp import b2mml, frepple
from streams.adapters.erp.documents import Document, Plant
from streams.adapters.erp.xml_tree import parse_xml
from streams.connect.documents import READERS, read_documents
from streams.sources import RefusedRecord, SourceRecord
from tests.running import ROOT

EXAMPLES = Path(ROOT) / "examples"
PLANT = Plant(
    "essen",
    "Europe/Berlin",
    {"Press 1": "press-1", "press 1": "press-1", "PRESS1": "press-1", "3": "press-1"},
)


def bodies(system: str, *files: str) -> list[dict[str, Any]]:
    """The events of example files; none may be refused."""
    found: list[dict[str, Any]] = []
    for record in read_documents(system, [EXAMPLES / file for file in files], PLANT):
        assert isinstance(record, SourceRecord), str(record)
        found.append(json.loads(record.value))
    return found


def of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["kind"] == kind]


def read(system: str, fields: dict[str, Any], plant: Plant = PLANT) -> list[dict[str, Any]]:
    return list(READERS[system](Document(fields, plant)))


def example(system: str, file: str, number: int) -> dict[str, Any]:
    content = json.loads((EXAMPLES / file).read_text())
    found: dict[str, Any] = (content["data"] if isinstance(content, dict) else content)[number]
    return found


ERPNEXT, ODOO, FREPPLE = "erp/erpnext/documents.json", "erp/odoo/records.json", "erp/frepple/objects.json"


def test_erpnext_says_orders_runs_progress_material_and_purchases() -> None:
    events = bodies("erpnext", ERPNEXT)

    assert [
        *(
            "item_upserted",
            "item_upserted",
            "bill_of_material_upserted",
            "routing_upserted",
            "customer_upserted",
        ),
        *("order_upserted", "work_order_upserted", "run_planned", "work_order_closed", "run_started"),
        *("count_reported", "stock_reported", "receipt_expected", "receipt_received"),
    ] == [event["kind"] for event in events]
    (order,), (run,) = of_kind(events, "order_upserted"), of_kind(events, "run_planned")
    assert ("SAL-ORD-2026-00041/1", "2026-11-24T23:00:00+00:00", 6.0) == (
        order["order_id"],
        order["promised_at"],
        order["unit_price"],
    ), "a date is the end of its day, in the plant's zone"
    assert ("MFG-WO-2026-00017/1", "press-1", "2026-11-23T16:00:00+00:00") == (
        run["run_id"],
        run["line_id"],
        run["planned_end_at"],
    )
    assert [{"order_id": "SAL-ORD-2026-00041/1", "quantity_pcs": 1000.0}] == run["pegs"]
    assert [{"item_id": "STEEL", "quantity_per": 0.4}] == of_kind(events, "bill_of_material_upserted")[0][
        "components"
    ]
    assert 100.0 == of_kind(events, "routing_upserted")[0]["steps"][0]["rate_pcs_per_h"]
    count = of_kind(events, "count_reported")[0]
    assert (50.0, 1.0, "total") == (count["good_count"], count["scrap_count"], count["counter"])


def test_a_later_version_of_a_job_card_tells_the_start_under_the_same_id() -> None:
    card = example("erpnext", ERPNEXT, 5)

    first = read("erpnext", card)
    second = read("erpnext", card | {"modified": "2026-11-23 09:00:00", "total_completed_qty": 90})

    assert first[0] == second[0]
    assert first[1]["event_id"] != second[1]["event_id"]


@pytest.mark.parametrize(
    ("status", "docstatus", "expected"),
    [
        ("Draft", 0, []),
        ("Not Started", 1, ["work_order_upserted", "run_planned"]),
        ("In Process", 1, ["work_order_upserted", "run_planned"]),
        ("Stopped", 1, ["work_order_upserted", "run_planned", "work_order_closed"]),
        ("Completed", 1, ["work_order_upserted", "run_planned", "work_order_closed"]),
        ("Closed", 1, ["work_order_upserted", "run_planned", "work_order_closed"]),
        ("Cancelled", 2, ["run_cancelled"]),
    ],
)
def test_each_status_of_an_erpnext_work_order(status: str, docstatus: int, expected: list[str]) -> None:
    order = example("erpnext", ERPNEXT, 4) | {"status": status, "docstatus": docstatus}

    assert expected == [event["kind"] for event in read("erpnext", order)]


def test_an_erpnext_order_without_operations_is_one_run_that_tells_its_own_progress() -> None:
    order = example("erpnext", ERPNEXT, 4) | {
        "operations": [],
        "status": "In Process",
        "actual_start_date": "2026-11-23 07:10:00",
        "produced_qty": 30,
        "process_loss_qty": 2,
    }
    plant = Plant("essen", "Europe/Berlin", {}, "press-1")

    events = read("erpnext", order, plant)

    assert ["work_order_upserted", "run_planned", "run_started", "count_reported"] == [
        e["kind"] for e in events
    ]
    assert (30.0, 2.0) == (events[3]["good_count"], events[3]["scrap_count"])
    with pytest.raises(BadRecord, match="default line") as refused:
        read("erpnext", order)
    assert "workstation" == refused.value.field_path


def test_odoo_times_are_utc_and_both_words_on_a_run_are_told() -> None:
    events = bodies("odoo", ODOO)

    production, work = of_kind(events, "run_planned")
    assert "WH/MO/00088/205" == production["run_id"] == work["run_id"]
    assert ("odoo/mrp.production", "odoo/mrp.workorder") == (production["source_id"], work["source_id"])
    assert ("2026-11-23T16:00:00+00:00", "2026-11-23T20:00:00+00:00") == (
        production["planned_end_at"],
        work["planned_end_at"],
    )
    assert "press-1" == work["line_id"], "by the workcenter's id"
    assert "2026-11-24T16:00:00+00:00" == of_kind(events, "order_upserted")[0]["promised_at"]
    assert "LOT-7" == of_kind(events, "stock_reported")[0]["lot_id"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("draft", []),
        ("confirmed", ["work_order_upserted", "run_planned"]),
        ("to_close", ["work_order_upserted", "run_planned"]),
        ("done", ["work_order_upserted", "run_planned", "work_order_closed"]),
        ("cancel", ["run_cancelled"]),
    ],
)
def test_each_state_of_an_odoo_production(state: str, expected: list[str]) -> None:
    assert expected == [e["kind"] for e in read("odoo", example("odoo", ODOO, 1) | {"state": state})]


def test_frepple_priorities_are_turned_round() -> None:
    assert [1000, 999, 990, 0, 0] == [frepple.urgency(each) for each in (0, 1, 10, 1000, 999_999)]
    first, second = of_kind(bodies("frepple", "erp/frepple/demand.csv"), "order_upserted")
    assert first["priority"] > second["priority"], "1 is more urgent than 10"


def test_frepple_proposals_and_quotes_are_no_plan_and_no_promise() -> None:
    events = bodies("frepple", FREPPLE, "erp/frepple/demand.csv")

    assert ["MO-17"] == [event["run_id"] for event in of_kind(events, "run_planned")]
    assert {"SO-41", "SO-42"} == {event["order_id"] for event in of_kind(events, "order_upserted")}
    assert [0, 1, 2, 3, 4] == [each["weekday"] for each in of_kind(events, "calendar_upserted")[0]["shifts"]]
    matrix = of_kind(events, "setup_matrix_upserted")[0]
    assert (30.0, 40.0, 10.0) == (
        matrix["entries"][0]["setup_min"],
        matrix["entries"][0]["cost"],
        matrix["default_min"],
    )


def test_b2mml_schedule_and_performance() -> None:
    events = bodies("b2mml", "erp/b2mml/schedule.xml", "erp/b2mml/performance.xml")

    assert ["work_order_upserted", "run_planned", "run_started", "count_reported"] == [
        e["kind"] for e in events
    ]
    run, count = events[1], events[3]
    assert ("WO-17/10", "press-1", "BRACKET", 1000.0, "2026-11-23T06:00:00+00:00") == (
        run["run_id"],
        run["line_id"],
        run["item_id"],
        run["quantity_pcs"],
        run["planned_start_at"],
    )
    assert (180.0, 4.0) == (count["good_count"], count["scrap_count"])


def test_only_unrestricted_stock_is_told_as_such() -> None:
    events = bodies("wms", "wms/stock.csv", "wms/movements.json")

    assert [("LOT-7", "unrestricted"), ("LOT-8", "quality"), ("LOT-6", "blocked")] == [
        (event["lot_id"], event["disposition"]) for event in of_kind(events, "stock_reported")
    ]
    assert [("ASN-8", 300.0)] == [
        (e["receipt_id"], e["quantity"]) for e in of_kind(events, "receipt_received")
    ]
    assert [["SO-40"]] == [event["order_ids"] for event in of_kind(events, "shipment_departed")]
    assert [0, 3] == [slot["weekday"] for slot in of_kind(events, "shipment_slots_upserted")[0]["weekly"]]


HOSTILE: dict[str, tuple[str, dict[str, Any], ReasonCode, str]] = {
    "erpnext: another doctype": ("erpnext", {"doctype": "Lead", "name": "x"}, ReasonCode.SCHEMA, "doctype"),
    "erpnext: negative stock": ("erpnext", example("erpnext", ERPNEXT, 6) | {"actual_qty": -3}, ReasonCode.RANGE, "actual_qty"),
    "erpnext: an unknown status": ("erpnext", example("erpnext", ERPNEXT, 4) | {"status": "Paused"}, ReasonCode.SCHEMA, "status"),
    "erpnext: no time": ("erpnext", example("erpnext", ERPNEXT, 0) | {"modified": "yesterday"}, ReasonCode.TIME, "modified"),
    "erpnext: rows that are none": ("erpnext", example("erpnext", ERPNEXT, 3) | {"items": "none"}, ReasonCode.SCHEMA, "items"),
    "erpnext: a row without item": (
        "erpnext",
        example("erpnext", ERPNEXT, 3) | {"items": [{"idx": 1, "qty": 5}]},
        ReasonCode.SCHEMA,
        "items.0.item_code",
    ),
    "erpnext: nan": ("erpnext", example("erpnext", ERPNEXT, 6) | {"actual_qty": float("nan")}, ReasonCode.RANGE, "actual_qty"),
    "odoo: a name instead of a pair": ("odoo", example("odoo", ODOO, 2) | {"workcenter_id": "Press 1"}, ReasonCode.SCHEMA, "workcenter_id"),
    "odoo: false where a pair belongs": ("odoo", example("odoo", ODOO, 2) | {"product_id": False}, ReasonCode.SCHEMA, "product_id"),
    "odoo: no commitment date": ("odoo", example("odoo", ODOO, 0) | {"commitment_date": False}, ReasonCode.SCHEMA, "commitment_date"),
    "odoo: ids that are none": ("odoo", example("odoo", ODOO, 1) | {"workorder_ids": ["x"]}, ReasonCode.SCHEMA, "workorder_ids"),
    "odoo: ends before it starts": (
        "odoo",
        example("odoo", ODOO, 2) | {"date_finished": "2026-11-23 05:00:00"},
        ReasonCode.TIME,
        "planned_end_at",
    ),
    "frepple: text as quantity": ("frepple", example("frepple", FREPPLE, 3) | {"quantity": "lots"}, ReasonCode.SCHEMA, "quantity"),
    "frepple: nothing to make": ("frepple", example("frepple", FREPPLE, 3) | {"quantity": 0}, ReasonCode.RANGE, "quantity"),
    "frepple: no line": ("frepple", example("frepple", FREPPLE, 4) | {"resource": ""}, ReasonCode.SCHEMA, "resource"),
    "frepple: a bucket of one week": (
        "frepple",
        example("frepple", FREPPLE, 0) | {"buckets": [{"value": 1, "startdate": "2026-11-23T00:00:00"}]},
        ReasonCode.SCHEMA,
        "buckets.0.startdate",
    ),
    "wms: an unknown disposition": (
        "wms",
        {"record": "stock", "item": "a", "location": "b", "quantity": 1, "disposition": "maybe", "as_of": "2026-11-23T06:00:00"},
        ReasonCode.SCHEMA,
        "disposition",
    ),
    "wms: nothing of a receipt": ("wms", {"record": "receipt", "receipt": "r", "item": "a", "as_of": "2026-11-23"}, ReasonCode.SCHEMA, "expected_at"),
    "wms: a weekday of no week": (
        "wms",
        {"record": "slots", "route": "r", "weekly": "tag 17:00", "as_of": "2026-11-23"},
        ReasonCode.SCHEMA,
        "weekly.0.weekday",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_what_cannot_be_mapped_is_refused_with_code_and_field(case: str) -> None:
    system, fields, code, path = HOSTILE[case]

    with pytest.raises(BadRecord) as refused:
        read(system, fields)

    assert (code, path) == (refused.value.code, refused.value.field_path)


def test_one_bad_document_leaves_its_neighbours(tmp_path: Path) -> None:
    file = tmp_path / "stock.ndjson"
    good = {"record": "stock", "item": "a", "location": "b", "quantity": 1, "as_of": "2026-11-23T06:00:00"}
    file.write_text(
        "\n".join([json.dumps(good), "{", "[1]", json.dumps(good | {"quantity": -1}), json.dumps(good)])
    )

    records = list(read_documents("wms", [file], PLANT))

    assert [SourceRecord, RefusedRecord, RefusedRecord, RefusedRecord, SourceRecord] == [
        type(each) for each in records
    ]
    assert ["parse", "schema", "range"] == [
        each.problem.code for each in records if isinstance(each, RefusedRecord)
    ]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
XML = {
    "an external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "a billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><x>&l9;</x>'.encode(),
    "a quadratic blow-up": b'<!DOCTYPE x [<!ENTITY e "'
    + b"a" * 50_000
    + b'">]><x>'
    + b"&e;" * 50_000
    + b"</x>",
    "an external type": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/evil.dtd"><x/>',
    "a parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/evil">%p;]><x/>',
}


@pytest.mark.parametrize("case", XML)
def test_xml_that_reaches_out_or_grows_is_refused_unread(case: str) -> None:
    with pytest.raises(BadRecord, match="document type") as refused:
        parse_xml(XML[case])

    assert ReasonCode.SCHEMA is refused.value.code
    assert "root:" not in str(refused.value)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", ReasonCode.PARSE),
        (b"<a>", ReasonCode.PARSE),
        (b"<a>&unknown;</a>", ReasonCode.PARSE),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', ReasonCode.PARSE),
        (b"<a>\xff</a>", ReasonCode.PARSE),
        (b"<a>" * 100 + b"</a>" * 100, ReasonCode.DEPTH),
        (b" " * 20_000_001, ReasonCode.SIZE),
    ],
)
def test_xml_that_is_none_too_deep_or_too_large_is_refused(data: bytes, code: ReasonCode) -> None:
    with pytest.raises(BadRecord) as refused:
        parse_xml(data)

    assert code is refused.value.code


def schedule() -> str:
    return (EXAMPLES / "erp/b2mml/schedule.xml").read_text()


def told(text: str) -> Iterator[tuple[str, str]]:
    for each in b2mml.read_xml(text.encode(), PLANT):
        assert isinstance(each, BadRecord)
        yield each.code, each.field_path


@pytest.mark.parametrize(
    ("cut", "put", "code", "path"),
    [
        ("<MaterialUse>Produced</MaterialUse>", "", "schema", "SegmentRequirement.MaterialRequirement"),
        (">1000<", ">many<", "schema", "SegmentRequirement.MaterialRequirement.Quantity.QuantityString"),
        ("2026-11-23T17:00:00+01:00", "soon", "time", "SegmentRequirement.LatestEndTime"),
        ("<ID>10</ID>", "", "schema", "SegmentRequirement.ID"),
    ],
)
def test_a_b2mml_request_that_cannot_be_read_names_its_element(
    cut: str, put: str, code: str, path: str
) -> None:
    request = "ProcessOperationsSchedule.DataArea.OperationsSchedule.OperationsRequest"

    assert [(code, f"{request}.{path}")] == list(told(schedule().replace(cut, put)))


def test_xml_of_another_kind_is_refused() -> None:
    with pytest.raises(BadRecord, match="neither OperationsSchedule"):
        list(b2mml.read_xml(b"<Invoice/>", PLANT))
