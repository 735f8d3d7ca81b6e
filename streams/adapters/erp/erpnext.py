"""ERPNext documents (Sales Order, Work Order, Job Card, BOM, Item, Bin, Purchase Order) to events, and changes back."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from schemas import BadRecord, ReasonCode
from streams.adapters.erp.documents import (
    Body,
    Document,
    ForeignRequest,
    Plant,
    Reader,
    Speaker,
    acknowledgement,
    local,
)

NAME: Final = "erpnext"
CANCELLED: Final = 2
"""docstatus: 0 draft, 1 submitted, 2 cancelled."""

WORK_ORDER_STATUS: Final = {
    "Draft": "draft", "Submitted": "open", "Not Started": "open", "Stock Reserved": "open",
    "Stock Partially Reserved": "open", "In Process": "open", "Stopped": "closed", "Completed": "closed",
    "Closed": "closed", "Cancelled": "cancelled",
}  # fmt: skip


def read(document: Document) -> Iterator[Body]:
    """The events of one ERPNext document.

    Raises:
        BadRecord: it is none that is read, or a field cannot be.
    """
    reader: Reader = document.one_of("doctype", _READERS)
    if document.fields.get("docstatus") == 0 and document.fields["doctype"] in (
        "Sales Order",
        "Work Order",
        "Purchase Order",
    ):
        return  # a draft promises nothing
    yield from reader(document)


def _speaker(document: Document, name: str = "name") -> Speaker:
    doctype = document.text("doctype")
    identity = f"{document.text(name)}/{document.text('modified')}"
    return Speaker(f"{NAME}/{doctype}", document, identity, document.moment("modified"))


def _sales_order(document: Document) -> Iterator[Body]:
    says = _speaker(document)
    order, customer = document.text("name"), document.text("customer")
    gone = document.fields.get("docstatus") == CANCELLED or document.text("status", "") in (
        "Closed",
        "Cancelled",
    )
    yield says.event("customer_upserted", customer_id=customer, name=document.text("customer_name", customer))
    for row in document.rows("items"):
        order_id = f"{order}/{row.text('idx')}"
        delivered, quantity = row.number("delivered_qty", 0.0), row.number("qty")
        if gone and delivered < quantity:
            yield says.event(
                "order_cancelled", about=order_id, order_id=order_id, reason=document.text("status", "")
            )
            continue
        yield Speaker(says.source, row, says.identity, says.said_at).event(
            "order_upserted",
            about=order_id,
            order_id=order_id,
            customer_id=customer,
            item_id=row.text("item_code"),
            quantity_pcs=quantity * row.number("conversion_factor", 1.0),
            promised_at=row.moment("delivery_date")
            if row.has("delivery_date")
            else document.moment("delivery_date"),
            unit_price=row.number("base_rate", row.number("rate", 0.0)) / row.number("conversion_factor", 1.0)
            or None,
        )
        if delivered > 0:
            yield says.event("order_shipped", about=order_id, order_id=order_id, shipped_pcs=delivered)


def _work_order(document: Document) -> Iterator[Body]:
    says, name = _speaker(document), document.text("name")
    status = (
        WORK_ORDER_STATUS["Cancelled"]
        if document.fields.get("docstatus") == CANCELLED
        else document.one_of("status", WORK_ORDER_STATUS)
    )
    operations = list(document.rows("operations"))
    runs = [f"{name}/{row.text('idx')}" for row in operations] or [name]
    if status == "cancelled":
        for run_id in runs:
            yield says.event("run_cancelled", about=run_id, run_id=run_id, reason="work order cancelled")
        return
    item, quantity = document.text("production_item"), document.number("qty", least=1e-9)
    start, end = document.moment("planned_start_date"), None
    if document.has("planned_end_date"):
        end = document.moment("planned_end_date")
    order = _order_of(document)
    yield says.event(
        "work_order_upserted",
        work_order_id=name,
        item_id=item,
        quantity_pcs=quantity,
        start_at=start,
        end_at=end,
        order_ids=[order] if order else [],
    )
    yield from _planned(says, operations, runs, item, quantity, start, end, order)
    if not operations:
        yield from _made(says, name)
    if status == "closed":
        # A stopped order that is made all the same is a contradiction: the twin finds it.
        yield says.event("work_order_closed", work_order_id=name)


def _planned(
    says: Speaker,
    operations: list[Document],
    runs: list[str],
    item: str,
    quantity: float,
    start: datetime,
    end: datetime | None,
    order: str | None,
) -> Iterator[Body]:
    document = says.document
    for number, run_id in enumerate(runs):
        row = operations[number] if operations else document
        where = row if operations else document
        begins = row.moment("planned_start_time") if operations and row.has("planned_start_time") else start
        ends = row.moment("planned_end_time") if operations and row.has("planned_end_time") else end
        if ends is None:
            raise BadRecord(
                ReasonCode.TIME,
                "neither the order nor its operation has a planned end",
                where.at("planned_end_date"),
            )
        line = (
            row.text("workstation", document.plant.default_line or "")
            if operations
            else document.plant.default_line
        )
        if not line:
            raise BadRecord(
                ReasonCode.SCHEMA, "no workstation, and no default line is set", where.at("workstation")
            )
        yield Speaker(says.source, where, says.identity, says.said_at).event(
            "run_planned",
            about=run_id,
            run_id=run_id,
            line_id=document.plant.line(line),
            item_id=item,
            quantity_pcs=quantity,
            planned_start_at=begins,
            planned_end_at=ends,
            work_order_id=document.text("name"),
            pegs=[{"order_id": order, "quantity_pcs": quantity}] if order and run_id == runs[-1] else [],
            feeds_run_ids=runs[number + 1 : number + 2],
        )


def _made(says: Speaker, run_id: str) -> Iterator[Body]:
    """Progress of an order without operations; with them, job cards tell it."""
    document = says.document
    line = document.plant.line(document.plant.default_line or "")
    if not document.has("actual_start_date"):
        return
    yield says.event("run_started", at=document.moment("actual_start_date"), run_id=run_id, line_id=line)
    good, lost = document.number("produced_qty", 0.0), document.number("process_loss_qty", 0.0)
    if good or lost:
        yield says.event(
            "count_reported", run_id=run_id, line_id=line, counter="total", good_count=good, scrap_count=lost
        )
    if document.text("status", "") == "Completed":
        at = document.moment("actual_end_date") if document.has("actual_end_date") else None
        yield says.event("run_completed", at=at, run_id=run_id, line_id=line)


def _job_card(document: Document) -> Iterator[Body]:
    says = _speaker(document)
    run_id = f"{document.text('work_order')}/{document.text('operation_row_number')}"
    line = document.plant.line(document.text("workstation"))
    logs = list(document.rows("time_logs"))
    if not logs or document.text("status", "") == "Cancelled":
        return
    yield says.event(
        "run_started", at=min(row.moment("from_time") for row in logs), run_id=run_id, line_id=line
    )
    good, lost = document.number("total_completed_qty", 0.0), document.number("process_loss_qty", 0.0)
    ended = [row.moment("to_time") for row in logs if row.has("to_time")]
    if ended and (good or lost):
        yield says.event(
            "count_reported",
            at=max(ended),
            run_id=run_id,
            line_id=line,
            counter="total",
            good_count=good,
            scrap_count=lost,
        )
    if ended and document.text("status", "") == "Completed":
        yield says.event("run_completed", at=max(ended), run_id=run_id, line_id=line)


def _bom(document: Document) -> Iterator[Body]:
    if not (document.fields.get("is_active") and document.fields.get("is_default")):
        return
    says, item, batch = _speaker(document), document.text("item"), document.number("quantity", least=1e-9)
    components = [
        {
            "item_id": row.text("item_code"),
            "quantity_per": row.number("stock_qty", row.number("qty", 0.0)) / batch,
        }
        for row in document.rows("items")
    ]
    yield says.event("bill_of_material_upserted", item_id=item, components=components)
    steps = [
        {
            "step": int(row.number("idx")),
            "line_id": document.plant.line(row.text("workstation")),
            "rate_pcs_per_h": 60.0 * batch / row.number("time_in_mins", least=1e-9),
        }
        for row in document.rows("operations")
    ]
    if steps:
        yield says.event("routing_upserted", item_id=item, steps=steps)


def _item(document: Document) -> Iterator[Body]:
    yield _speaker(document).event(
        "item_upserted",
        item_id=document.text("item_code"),
        name=document.text("item_name", ""),
        unit=document.text("stock_uom", "pcs"),
        unit_cost=document.number("valuation_rate", 0.0) or None,
        lead_time_days=document.number("lead_time_days", 0.0) or None,
    )


def _bin(document: Document) -> Iterator[Body]:
    yield _speaker(document).event(
        "stock_reported",
        item_id=document.text("item_code"),
        location_id=document.text("warehouse"),
        quantity=document.number("actual_qty"),
    )


def _purchase_order(document: Document) -> Iterator[Body]:
    says, name = _speaker(document), document.text("name")
    if document.fields.get("docstatus") == CANCELLED or document.text("status", "") in (
        "Closed",
        "Cancelled",
    ):
        return
    for row in document.rows("items"):
        receipt_id = f"{name}/{row.text('idx')}"
        factor = row.number("conversion_factor", 1.0)
        spoken = Speaker(says.source, row, says.identity, says.said_at)
        yield spoken.event(
            "receipt_expected",
            about=receipt_id,
            receipt_id=receipt_id,
            item_id=row.text("item_code"),
            quantity=row.number("qty") * factor,
            expected_at=row.moment("schedule_date"),
        )
        received = row.number("received_qty", 0.0)
        if received:
            yield spoken.event(
                "receipt_received",
                about=receipt_id,
                receipt_id=receipt_id,
                item_id=row.text("item_code"),
                quantity=received * factor,
            )


def _order_of(document: Document) -> str | None:
    """`sales_order` is the document; `sales_order_item_idx`, which exports may add, its line; one line is number 1."""
    if not document.has("sales_order"):
        return None
    return f"{document.text('sales_order')}/{document.text('sales_order_item_idx', '1')}"


_READERS: Final[dict[str, Reader]] = {
    "Sales Order": _sales_order,
    "Work Order": _work_order,
    "Job Card": _job_card,
    "BOM": _bom,
    "Item": _item,
    "Bin": _bin,
    "Purchase Order": _purchase_order,
}


def request(change: Mapping[str, Any], plant: Plant) -> ForeignRequest:
    """A plan change as a call of ERPNext's REST API."""
    order, _, operation = str(change["run_id"]).partition("/")
    start, end = local(change["start_at"], plant), local(change["end_at"], plant)
    if change["action"] == "order_overtime":
        # A workstation's hours have no single windows: somebody is asked to arrange it.
        text = f"Overtime on {plant.foreign_line(change['line_id'])} from {start} to {end}: {change.get('because', '')}"
        return ForeignRequest(
            change["change_id"], "POST /api/resource/ToDo", {"description": text, "date": start[:10]}
        )
    if change["action"] == "cancel_run":
        call = "POST /api/method/erpnext.manufacturing.doctype.work_order.work_order.stop_unstop"
        return ForeignRequest(change["change_id"], call, {"work_order": order, "status": "Stopped"})
    row = {
        "workstation": plant.foreign_line(change["line_id"]),
        "planned_start_time": start,
        "planned_end_time": end,
    }
    body: Body = {"planned_start_date": start, "planned_end_date": end, "qty": change["quantity_pcs"]}
    if change.get("of_run_id"):
        body |= {"production_item": change["item_id"], "operations": [row], "description": change["run_id"]}
        return ForeignRequest(change["change_id"], "POST /api/resource/Work Order", body)
    if operation:
        body["operations"] = [{"idx": int(operation), **row}]
    return ForeignRequest(change["change_id"], f"PUT /api/resource/Work Order/{order}", body)


def answer(
    change: Mapping[str, Any], status: int, body: Mapping[str, Any], at: datetime, plant: Plant
) -> Body:
    """What ERPNext answered, as an acknowledgement."""
    if status >= 400:
        reason = str(body.get("exception") or body.get("_server_messages") or body.get("message") or status)
        return acknowledgement(change, at, rejected=reason)
    data = body.get("data")
    if not isinstance(data, dict) or "planned_start_date" not in data:
        return acknowledgement(change, at)
    there = Document(data, plant)
    ends = there.moment("planned_end_date") if there.has("planned_end_date") else None
    return acknowledgement(change, at, start=there.moment("planned_start_date"), end=ends)
