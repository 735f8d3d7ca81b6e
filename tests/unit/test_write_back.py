"""Plan changes in each system's own terms, and its answers as acknowledgements."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas import BadRecord
from streams.adapters.erp import b2mml
from streams.adapters.erp.documents import Plant
from streams.adapters.erp.xml_tree import parse_xml
from streams.admin import Health
from streams.connect.write_back import ANSWERS, REQUESTS, WriteBack
from streams.settings import Settings

PLANT = Plant("essen", "Europe/Berlin", {"3": "press-2", "Press 2": "press-2"})
AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

CHANGE: dict[str, Any] = {
    "change_id": "change-9f0c",
    "site_id": "essen",
    "action": "plan_run",
    "run_id": "WO-17/10",
    "of_run_id": None,
    "item_id": "BRACKET",
    "line_id": "press-2",
    "start_at": "2026-11-23T12:00:00Z",
    "end_at": "2026-11-23T18:00:00Z",
    "quantity_pcs": 400.0,
    "window_id": None,
    "because": "catches the truck",
}


def named(system: str) -> Plant:
    names = {"odoo": "3", "erpnext": "Press 2", "frepple": "Press 2", "b2mml": "Press 2"}
    return Plant("essen", "Europe/Berlin", {names[system]: "press-2"})


def test_a_moved_run_in_each_systems_terms() -> None:
    asked = {system: REQUESTS[system](CHANGE, named(system)) for system in REQUESTS}

    erpnext, odoo, frepple = asked["erpnext"], asked["odoo"], asked["frepple"]
    assert "PUT /api/resource/Work Order/WO-17" == erpnext.call
    assert isinstance(erpnext.body, dict)
    assert [
        {
            "idx": 10,
            "workstation": "Press 2",
            "planned_start_time": "2026-11-23 13:00:00",
            "planned_end_time": "2026-11-23 19:00:00",
        }
    ] == erpnext.body["operations"]
    assert ("mrp.workorder write", [[10], {"date_start": "2026-11-23 12:00:00", "date_finished": "2026-11-23 18:00:00", "workcenter_id": 3}]) == (odoo.call, odoo.body)  # fmt: skip
    assert isinstance(frepple.body, dict)
    assert ("PATCH /api/input/manufacturingorder/WO-17/10/", "approved", [{"resource": "Press 2"}]) == (
        frepple.call,
        frepple.body["status"],
        frepple.body["resources"],
    )
    assert isinstance(asked["b2mml"].body, str)
    tree = parse_xml(asked["b2mml"].body.encode())
    request = tree.find("DataArea", "OperationsSchedule", "OperationsRequest")
    assert request is not None
    assert ("WO-17", "10", "Press 2", "400") == (
        request.value("ID"),
        request.value("SegmentRequirement", "ID"),
        request.value("SegmentRequirement", "EquipmentRequirement", "EquipmentID"),
        request.value("SegmentRequirement", "MaterialRequirement", "Quantity", "QuantityString"),
    )


@pytest.mark.parametrize("system", REQUESTS)
@pytest.mark.parametrize("action", ["plan_run", "cancel_run", "order_overtime"])
def test_every_action_has_a_form_and_carries_its_id(system: str, action: str) -> None:
    change = CHANGE | {"action": action, "window_id": "W-1"}

    made = REQUESTS[system](change, named(system))

    assert "change-9f0c" == made.change_id
    assert made.call
    assert made.body or action == "cancel_run"


def test_names_with_markup_stay_text_in_xml() -> None:
    made = REQUESTS["b2mml"](CHANGE | {"run_id": "<a>&/10", "item_id": "<b>"}, PLANT)

    assert isinstance(made.body, str)
    request = parse_xml(made.body.encode()).find("DataArea", "OperationsSchedule", "OperationsRequest")
    assert request is not None
    assert "<a>&" == request.value("ID")


@pytest.mark.parametrize(
    ("system", "status", "body", "outcome", "reason"),
    [
        ("erpnext", 200, {"data": {"planned_start_date": "2026-11-23 13:00:00"}}, "accepted", None),
        ("erpnext", 200, {"data": {"planned_start_date": "2026-11-23 14:00:00"}}, "modified", "the system planned it otherwise"),
        ("erpnext", 417, {"exception": "frappe.ValidationError: closed"}, "rejected", "frappe.ValidationError: closed"),
        ("odoo", 200, {"result": True}, "accepted", None),
        ("odoo", 200, {"result": True, "record": {"date_start": "2026-11-23 13:00:00", "date_finished": "2026-11-23 19:00:00"}}, "modified", "the system planned it otherwise"),
        ("odoo", 200, {"error": {"message": "Odoo Server Error", "data": {"message": "already done"}}}, "rejected", "already done"),
        ("frepple", 200, {"startdate": "2026-11-23T13:00:00", "enddate": "2026-11-23T19:00:00"}, "accepted", None),
        ("frepple", 400, {"enddate": ["too early"]}, "rejected", "enddate: ['too early']"),
    ],
)  # fmt: skip
def test_an_answer_is_an_acknowledgement(
    system: str, status: int, body: dict[str, Any], outcome: str, reason: str | None
) -> None:
    made = ANSWERS[system](CHANGE, status, body, AT, named(system))

    assert (outcome, reason, "change-9f0c") == (made["outcome"], made.get("reason"), made["change_id"])


def response(code: str, inside: str = "") -> bytes:
    return (
        '<RespondOperationsSchedule xmlns="http://www.mesa.org/xml/B2MML"><DataArea><Respond><ResponseCriteria>'
        f'<ResponseExpression actionCode="{code}"/><ChangeStatus><Reason>no crew</Reason></ChangeStatus>'
        f"</ResponseCriteria></Respond>{inside}</DataArea></RespondOperationsSchedule>"
    ).encode()


def test_b2mml_responses_are_acknowledgements() -> None:
    moved = (
        "<OperationsSchedule><OperationsRequest><SegmentRequirement>"
        "<EarliestStartTime>2026-11-23T14:00:00+01:00</EarliestStartTime>"
        "<LatestEndTime>2026-11-23T20:00:00+01:00</LatestEndTime>"
        "</SegmentRequirement></OperationsRequest></OperationsSchedule>"
    )

    made = [
        b2mml.answer_xml(CHANGE, response(code, inside), AT, PLANT)
        for code, inside in (("Accepted", ""), ("Rejected", ""), ("Modified", moved))
    ]

    assert ["accepted", "rejected", "modified"] == [each["outcome"] for each in made]
    assert "no crew" == made[1]["reason"]
    assert "2026-11-23T13:00:00+00:00" == made[2]["planned_start_at"]
    with pytest.raises(BadRecord, match="action code"):
        b2mml.answer_xml(CHANGE, response("Perhaps"), AT, PLANT)


def test_a_change_is_written_once_and_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    carrier = WriteBack(Settings(), "erpnext", tmp_path, PLANT, Health())

    carrier.carry(CHANGE)
    carrier.carry(CHANGE | {"quantity_pcs": 1.0})
    carrier.carry(CHANGE | {"change_id": "../../escape"})
    carrier.carry(CHANGE | {"site_id": "turin", "change_id": "elsewhere"})

    written = sorted((tmp_path / "out").iterdir())
    assert 2 == len(written)
    assert not (tmp_path.parent / "escape.json").exists()
    kept = json.loads((tmp_path / "out" / "change-9f0c.json").read_text())
    assert 400.0 == kept["body"]["qty"]
