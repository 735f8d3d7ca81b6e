"""Odoo records (mrp.production, mrp.workorder, sale.order.line, stock.quant) as search_read gives them, and changes back.

A document is `{"model": "mrp.production", ...fields}`. Many2one fields are `[id, name]`, times are UTC without a zone.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
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
    moment,
)

NAME: Final = "odoo"

STATES: Final = {
    "draft": "draft", "confirmed": "open", "planned": "open", "progress": "open", "to_close": "open", "done": "done",
    "cancel": "cancelled",
}  # fmt: skip

WORK_STATES: Final = {
    "blocked": "open", "pending": "open", "waiting": "open", "ready": "open", "progress": "running", "done": "done",
    "cancel": "cancelled",
}  # fmt: skip


def read(document: Document) -> Iterator[Body]:
    """The events of one Odoo record.

    Raises:
        BadRecord: its model is none that is read, or a field cannot be.
    """
    reader: Reader = document.one_of("model", _READERS)
    yield from reader(document)


def _speaker(document: Document) -> Speaker:
    model = document.text("model")
    identity = f"{document.text('id')}/{document.text('write_date')}"
    return Speaker(f"{NAME}/{model}", document, identity, _utc(document, "write_date"))


def _production(document: Document) -> Iterator[Body]:
    says, name = _speaker(document), document.text("name")
    state = document.one_of("state", STATES)
    if state == "draft":
        return
    last = document.fields.get("workorder_ids")
    if last not in (None, False) and not (isinstance(last, list) and all(type(each) is int for each in last)):
        raise BadRecord(ReasonCode.SCHEMA, "workorder_ids is a list of ids", document.at("workorder_ids"))
    run_id = f"{name}/{last[-1]}" if last else name
    if state == "cancelled":
        yield says.event("run_cancelled", run_id=run_id, reason="manufacturing order cancelled")
        return
    item, quantity = _name(document, "product_id"), document.number("product_qty", least=1e-9)
    starts, ends = _utc(document, "date_start"), _utc(document, "date_finished")
    order = document.text("origin", "")
    yield says.event(
        "work_order_upserted",
        work_order_id=name,
        item_id=item,
        quantity_pcs=quantity,
        start_at=starts,
        end_at=_utc(document, "date_deadline") if document.has("date_deadline") else ends,
        order_ids=[order] if order else [],
    )
    line = _workcenter(document) or document.plant.default_line
    # With work orders it is a second word on the last one: where the two drift apart, the twin says so.
    if line is None:
        raise BadRecord(
            ReasonCode.SCHEMA, "no workcenter_id, and no default line is set", document.at("workcenter_id")
        )
    yield says.event(
        "run_planned",
        run_id=run_id,
        line_id=line,
        item_id=item,
        quantity_pcs=quantity,
        planned_start_at=starts,
        planned_end_at=ends,
        work_order_id=name,
        pegs=_pegs(order, quantity),
    )
    made = document.number("qty_produced", document.number("qty_producing", 0.0))
    if made and not last:
        yield says.event("run_started", at=starts, run_id=run_id, line_id=line)
        yield says.event("count_reported", run_id=run_id, line_id=line, counter="total", good_count=made)
    if state == "done":
        if not last:
            yield says.event("run_completed", run_id=run_id, line_id=line)
        yield says.event("work_order_closed", work_order_id=name)


def _workorder(document: Document) -> Iterator[Body]:
    says = _speaker(document)
    name = _name(document, "production_id")
    run_id = f"{name}/{document.text('id')}"
    state = document.one_of("state", WORK_STATES)
    if state == "cancelled":
        yield says.event("run_cancelled", run_id=run_id, reason="work order cancelled")
        return
    line = _workcenter(document)
    if line is None:
        raise BadRecord(ReasonCode.SCHEMA, "workcenter_id is missing", document.at("workcenter_id"))
    order, quantity = document.text("origin", ""), document.number("qty_production", least=1e-9)
    follows = document.fields.get("needed_by_workorder_ids") or []
    if not isinstance(follows, list):
        raise BadRecord(ReasonCode.SCHEMA, "a list of ids", document.at("needed_by_workorder_ids"))
    starts = _utc(document, "date_start")
    if document.has("date_start") and document.has("date_finished"):
        yield says.event(
            "run_planned",
            run_id=run_id,
            line_id=line,
            item_id=_name(document, "product_id"),
            quantity_pcs=quantity,
            planned_start_at=starts,
            planned_end_at=_utc(document, "date_finished"),
            work_order_id=name,
            pegs=[] if follows else _pegs(order, quantity),
            feeds_run_ids=[f"{name}/{each}" for each in follows],
        )
    if state in ("running", "done"):
        yield says.event("run_started", at=starts, run_id=run_id, line_id=line)
        made = document.number("qty_produced", 0.0)
        if made:
            yield says.event("count_reported", run_id=run_id, line_id=line, counter="total", good_count=made)
    if state == "done":
        yield says.event("run_completed", run_id=run_id, line_id=line)


def _sale_line(document: Document) -> Iterator[Body]:
    says = _speaker(document)
    order = _name(document, "order_id")
    customer = document.fields.get("order_partner_id")
    state = document.text("state", "sale")
    if state in ("draft", "sent"):
        return
    if state == "cancel":
        yield says.event("order_cancelled", order_id=order, reason="sale cancelled")
        return
    if isinstance(customer, list) and len(customer) == 2:
        yield says.event("customer_upserted", customer_id=str(customer[0]), name=str(customer[1]))
    yield says.event(
        "order_upserted",
        order_id=order,
        customer_id=_id(document, "order_partner_id"),
        item_id=_name(document, "product_id"),
        quantity_pcs=document.number("product_uom_qty"),
        promised_at=_utc(document, "commitment_date"),
        unit_price=document.number("price_unit", 0.0) or None,
    )
    delivered = document.number("qty_delivered", 0.0)
    if delivered:
        yield says.event("order_shipped", order_id=order, shipped_pcs=delivered)


def _quant(document: Document) -> Iterator[Body]:
    if document.text("location_usage", "internal") != "internal":
        return  # at a supplier, a customer, or scrapped: not ours to use
    yield _speaker(document).event(
        "stock_reported",
        item_id=_name(document, "product_id"),
        location_id=_name(document, "location_id"),
        lot_id=_name(document, "lot_id") if document.has("lot_id") else None,
        quantity=document.number("quantity"),
    )


def _pair(document: Document, name: str) -> tuple[str, str]:
    value = document.fields.get(name)
    if isinstance(value, list) and len(value) == 2 and type(value[0]) is int and isinstance(value[1], str):
        return str(value[0]), value[1]
    raise BadRecord(ReasonCode.SCHEMA, f"{name} is [id, name]", document.at(name))


def _id(document: Document, name: str) -> str:
    return _pair(document, name)[0]


def _name(document: Document, name: str) -> str:
    return _pair(document, name)[1]


def _workcenter(document: Document) -> str | None:
    return document.plant.line(*_pair(document, "workcenter_id")) if document.has("workcenter_id") else None


def _pegs(order: str, quantity: float) -> list[Body]:
    return [{"order_id": order, "quantity_pcs": quantity}] if order else []


def _utc(document: Document, name: str) -> datetime:
    """Odoo's times are UTC, whatever the plant's zone; a date alone is a day of the plant's."""
    text = document.text(name)
    if len(text) == 10:
        return document.moment(name)
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise BadRecord(ReasonCode.TIME, f"{text[:50]!r} is no time of Odoo", document.at(name)) from None


_READERS: Final[dict[str, Reader]] = {
    "mrp.production": _production,
    "mrp.workorder": _workorder,
    "sale.order.line": _sale_line,
    "stock.quant": _quant,
}


def request(change: Mapping[str, Any], plant: Plant) -> ForeignRequest:
    """A plan change as a call of execute_kw: model, method, arguments."""
    start, end = _odoo(change["start_at"]), _odoo(change["end_at"])
    production, _, work = str(change["run_id"]).rpartition("/")
    foreign = plant.foreign_line(change["line_id"])
    workcenter: int | str = int(foreign) if foreign.isdigit() else foreign
    if change["action"] == "order_overtime":
        # A calendar of Odoo has weekly hours and absences, no single windows: somebody is asked to arrange it.
        note = f"Overtime on {foreign} from {start} to {end} UTC: {change.get('because', '')}"
        return ForeignRequest(
            change["change_id"],
            "mail.activity create",
            [{"summary": note[:250], "date_deadline": start[:10]}],
        )
    is_work_order = work.isdigit() and bool(production)
    if change["action"] == "cancel_run":
        if is_work_order:
            return ForeignRequest(change["change_id"], "mrp.workorder action_cancel", [[int(work)]])
        return ForeignRequest(
            change["change_id"], "mrp.production action_cancel", [[["name", "=", change["run_id"]]]]
        )
    values: Body = {"date_start": start, "date_finished": end}
    if change.get("of_run_id"):
        values |= {
            "product_id": change["item_id"],
            "product_qty": change["quantity_pcs"],
            "origin": change["run_id"],
        }
        return ForeignRequest(change["change_id"], "mrp.production create", [values])
    if is_work_order:
        return ForeignRequest(
            change["change_id"], "mrp.workorder write", [[int(work)], {**values, "workcenter_id": workcenter}]
        )
    values |= {"product_qty": change["quantity_pcs"]}
    return ForeignRequest(
        change["change_id"], "mrp.production write", [[["name", "=", change["run_id"]]], values]
    )


def answer(
    change: Mapping[str, Any], status: int, body: Mapping[str, Any], at: datetime, plant: Plant
) -> Body:
    """What Odoo answered: JSON-RPC says errors with status 200, and true where it wrote."""
    error = body.get("error")
    if isinstance(error, dict):
        data = error.get("data")
        reason = data.get("message") if isinstance(data, dict) else None
        return acknowledgement(change, at, rejected=str(reason or error.get("message") or "refused"))
    if status >= 400 or body.get("result") is False:
        return acknowledgement(change, at, rejected=f"Odoo answered {status}")
    there = body.get("record")
    if not isinstance(there, dict):
        return acknowledgement(change, at)
    record = Document(there, plant)
    return acknowledgement(
        change,
        at,
        start=_utc(record, "date_start"),
        end=_utc(record, "date_finished"),
        line_id=_workcenter(record),
    )


def _odoo(text: str) -> str:
    return moment(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
