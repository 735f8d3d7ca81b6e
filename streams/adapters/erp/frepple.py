"""frePPLe objects (demand, operationplan, calendar bucket, setup rule, buffer, resource) to events, and changes back.

A document is `{"type": "demand", ...fields}`; rows of its CSV exports have the same names. Lower priorities are more
urgent there and are turned round.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

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

NAME: Final = "frepple"

DEMAND_STATUS: Final = {
    "open": "open",
    "closed": "closed",
    "canceled": "cancelled",
    "quote": "none",
    "inquiry": "none",
}
PLAN_STATUS: Final = {
    "proposed": "none", "approved": "planned", "confirmed": "planned", "completed": "done", "closed": "done",
}  # fmt: skip

PRIORITY_MOST: Final = 1000


def read(document: Document) -> Iterator[Body]:
    """The events of one frePPLe object.

    Raises:
        BadRecord: its type is none that is read, or a field cannot be.
    """
    reader: Reader = document.one_of("type", _READERS)
    yield from reader(document)


def urgency(priority: float) -> int:
    """FrePPLe's priority as ours: 1 is most urgent there (1000 here would be its 0), 1000 and beyond least."""
    return PRIORITY_MOST - round(min(max(priority, 0.0), float(PRIORITY_MOST)))


def _speaker(document: Document, *identity: str) -> Speaker:
    names = "/".join(document.text(name) for name in identity)
    version = document.text("lastmodified")
    return Speaker(
        f"{NAME}/{document.text('type')}", document, f"{names}/{version}", document.moment("lastmodified")
    )


def _demand(document: Document) -> Iterator[Body]:
    says, order = _speaker(document, "name"), document.text("name")
    status = document.one_of("status", DEMAND_STATUS) if document.has("status") else "open"
    if status == "none":
        return  # a quote or an inquiry is no promise
    if status == "cancelled":
        yield says.event("order_cancelled", order_id=order, reason="demand cancelled")
        return
    quantity, customer = document.number("quantity", least=1e-9), document.text("customer")
    yield says.event("customer_upserted", customer_id=customer, name=customer)
    yield says.event(
        "order_upserted",
        order_id=order,
        customer_id=customer,
        item_id=document.text("item"),
        quantity_pcs=quantity,
        promised_at=document.moment("due"),
        priority=urgency(document.number("priority", 10.0, least=-1e9)),
    )
    if status == "closed":
        yield says.event("order_shipped", order_id=order, shipped_pcs=quantity)


def _operationplan(document: Document) -> Iterator[Body]:
    kind = document.text("ordertype", "MO")
    if kind not in ("MO", "PO"):
        return  # deliveries and stock follow from the others
    says, reference = _speaker(document, "reference"), document.text("reference")
    status = document.one_of("status", PLAN_STATUS)
    if status == "none":
        return  # a proposal is frePPLe's own wish, no plan
    quantity = document.number("quantity", least=1e-9)
    if kind == "PO":
        at = document.moment("enddate")
        yield says.event(
            "receipt_expected",
            receipt_id=reference,
            item_id=document.text("item"),
            quantity=quantity,
            expected_at=at,
        )
        if status == "done":
            yield says.event(
                "receipt_received", receipt_id=reference, item_id=document.text("item"), quantity=quantity
            )
        return
    line = document.plant.line(document.text("resource", document.plant.default_line))
    demand = document.text("demand", "")
    yield says.event(
        "run_planned",
        run_id=reference,
        line_id=line,
        item_id=document.text("item"),
        quantity_pcs=quantity,
        planned_start_at=document.moment("startdate"),
        planned_end_at=document.moment("enddate"),
        pegs=[{"order_id": demand, "quantity_pcs": quantity}] if demand else [],
    )
    made = document.number("quantity_completed", 0.0)
    if status == "done" or made:
        yield says.event("run_started", at=document.moment("startdate"), run_id=reference, line_id=line)
        good = made or quantity
        yield says.event("count_reported", run_id=reference, line_id=line, counter="total", good_count=good)
    if status == "done":
        yield says.event("run_completed", run_id=reference, line_id=line)


def _resource(document: Document) -> Iterator[Body]:
    yield _speaker(document, "name").event(
        "line_upserted",
        line_id=document.plant.line(document.text("name")),
        name=document.text("description", document.text("name")),
        calendar_id=document.text("available", "") or None,
        setup_family=document.text("setup", "") or None,
    )


def _setupmatrix(document: Document) -> Iterator[Body]:
    """A matrix with its rules; those with wildcards are for every family, which a matrix of ours says as its default."""
    entries: list[Body] = []
    default = 0.0
    for row in document.rows("rules"):
        before, after = row.text("fromsetup", "*"), row.text("tosetup", "*")
        minutes = row.number("duration") / 60.0
        if before == after == "*":
            default = minutes
        elif "*" in before + after:
            raise BadRecord(
                ReasonCode.SCHEMA,
                "a rule for some families only: write one for each pair",
                row.at("fromsetup"),
            )
        else:
            entries.append(
                {
                    "from_family": before,
                    "to_family": after,
                    "setup_min": minutes,
                    "cost": row.number("cost", 0.0),
                }
            )
    yield _speaker(document, "name").event(
        "setup_matrix_upserted",
        line_id=document.plant.line(document.text("resource")) if document.has("resource") else None,
        entries=entries,
        default_min=default,
    )


def _calendar(document: Document) -> Iterator[Body]:
    """Weekly buckets of working time (value above 0); `days` has a bit for each day, Sunday is 1."""
    shifts: list[Body] = []
    for row in document.rows("buckets"):
        if row.has("startdate") or row.has("enddate"):
            raise BadRecord(ReasonCode.SCHEMA, "a bucket of some weeks only is not read", row.at("startdate"))
        if row.number("value") <= 0:
            raise BadRecord(ReasonCode.SCHEMA, "a bucket that takes time away is not read", row.at("value"))
        days = int(row.number("days", 127.0))
        start, end = row.text("starttime", "00:00:00")[:5], row.text("endtime", "23:59:59")
        until = "24:00" if end >= "23:59" else end[:5]
        # Monday is 0 here; frePPLe's bits begin on Sunday.
        on = [weekday for weekday in range(7) if days >> ((weekday + 1) % 7) & 1]
        shifts += [{"weekday": weekday, "start": start, "end": until} for weekday in on]
    shifts.sort(key=lambda each: (each["weekday"], each["start"]))
    yield _speaker(document, "name").event(
        "calendar_upserted", calendar_id=document.text("name"), shifts=shifts
    )


def _buffer(document: Document) -> Iterator[Body]:
    yield _speaker(document, "item", "location").event(
        "stock_reported",
        item_id=document.text("item"),
        location_id=document.text("location"),
        lot_id=document.text("batch", "") or None,
        quantity=document.number("onhand"),
    )


_READERS: Final[dict[str, Reader]] = {
    "demand": _demand,
    "operationplan": _operationplan,
    "resource": _resource,
    "setupmatrix": _setupmatrix,
    "calendar": _calendar,
    "buffer": _buffer,
}


def request(change: Mapping[str, Any], plant: Plant) -> ForeignRequest:
    """A plan change as a call of frePPLe's REST API."""
    start, end = _text(change["start_at"], plant), _text(change["end_at"], plant)
    line = plant.foreign_line(change["line_id"])
    if change["action"] == "order_overtime":
        body = {"calendar": f"{line} calendar", "startdate": start, "enddate": end, "value": 1, "priority": 0}
        return ForeignRequest(change["change_id"], "POST /api/input/calendarbucket/", body)
    place = f"/api/input/manufacturingorder/{change['run_id']}/"
    if change["action"] == "cancel_run":
        return ForeignRequest(change["change_id"], f"DELETE {place}", {})
    body = {
        "reference": change["run_id"],
        "startdate": start,
        "enddate": end,
        "quantity": change["quantity_pcs"],
        "status": "approved",  # confirmed would forbid every later move
        "resources": [{"resource": line}],
    }
    if change.get("of_run_id"):
        new = body | {"operation": f"{change['item_id']} @ {line}"}
        return ForeignRequest(change["change_id"], "POST /api/input/manufacturingorder/", new)
    return ForeignRequest(change["change_id"], f"PATCH {place}", body)


def answer(
    change: Mapping[str, Any], status: int, body: Mapping[str, Any], at: datetime, plant: Plant
) -> Body:
    """What frePPLe answered: errors name their fields."""
    if status >= 400:
        reason = "; ".join(f"{name}: {value}" for name, value in body.items()) or f"frePPLe answered {status}"
        return acknowledgement(change, at, rejected=reason)
    there = Document(body, plant)
    if not there.has("startdate"):
        return acknowledgement(change, at)
    return acknowledgement(change, at, start=there.moment("startdate"), end=there.moment("enddate"))


def _text(text: str, plant: Plant) -> str:
    return moment(text).astimezone(ZoneInfo(plant.zone)).strftime("%Y-%m-%dT%H:%M:%S")
