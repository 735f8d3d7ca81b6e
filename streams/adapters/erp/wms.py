"""A warehouse's stock, receipts, shipments and slots, as rows of CSV or objects of JSON, to events. Pure.

`record` says what a row is: stock, receipt, shipment or slots. Only what is unrestricted counts as available; a
disposition that nobody knows is refused, as counting it would be a guess.
"""

from collections.abc import Iterator
from typing import Any, Final

from schemas import BadRecord, ReasonCode
from streams.adapters.erp.documents import Body, Document, Reader, Speaker

NAME: Final = "wms"

DISPOSITIONS: Final = {
    "unrestricted": "unrestricted", "available": "unrestricted", "released": "unrestricted",
    "quality": "quality", "qualityinspection": "quality", "ininspection": "quality", "quarantine": "quality",
    "blocked": "blocked", "restricted": "blocked", "onhold": "blocked", "hold": "blocked", "damaged": "blocked",
    "returned": "blocked", "rejected": "blocked", "expired": "blocked", "reserved": "blocked",
}  # fmt: skip

WEEKDAYS: Final = {
    name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
}


def read(document: Document) -> Iterator[Body]:
    """The events of one row.

    Raises:
        BadRecord: its record is none that is read, or a field cannot be.
    """
    reader: Reader = document.one_of("record", _READERS)
    yield from reader(document)


def disposition(document: Document) -> str:
    """What stock may be used for.

    Raises:
        BadRecord: a word that is in no table.
    """
    if not document.has("disposition"):
        return "unrestricted"
    text = document.text("disposition")
    found = DISPOSITIONS.get("".join(letter for letter in text.lower() if letter.isalnum()))
    if found is None:
        raise BadRecord(
            ReasonCode.SCHEMA,
            f"{text[:50]!r} is no known disposition: unrestricted, quality or blocked",
            document.at("disposition"),
        )
    return found


def _speaker(document: Document, *identity: str) -> Speaker:
    names = "/".join(document.text(name, "-") for name in identity)
    identity_at = f"{names}/{document.text('as_of')}"
    return Speaker(f"{NAME}/{document.text('record')}", document, identity_at, document.moment("as_of"))


def _stock(document: Document) -> Iterator[Body]:
    yield _speaker(document, "item", "lot", "location").event(
        "stock_reported",
        item_id=document.text("item"),
        location_id=document.text("location"),
        lot_id=document.text("lot", "") or None,
        quantity=document.number("quantity"),
        disposition=disposition(document),
    )


def _receipt(document: Document) -> Iterator[Body]:
    says, receipt_id = _speaker(document, "receipt"), document.text("receipt")
    if document.has("expected_at"):
        yield says.event(
            "receipt_expected",
            receipt_id=receipt_id,
            item_id=document.text("item"),
            quantity=document.number("quantity", least=1e-9),
            expected_at=document.moment("expected_at"),
        )
    received = document.number("received_quantity", 0.0)
    if received:
        yield says.event(
            "receipt_received", receipt_id=receipt_id, item_id=document.text("item"), quantity=received
        )
    elif not document.has("expected_at"):
        raise BadRecord(ReasonCode.SCHEMA, "neither expected nor received", document.at("expected_at"))


def _shipment(document: Document) -> Iterator[Body]:
    orders: Any = document.fields.get("orders") or []
    if isinstance(orders, str):
        orders = [each.strip() for each in orders.split(";") if each.strip()]
    if not isinstance(orders, list):
        raise BadRecord(ReasonCode.SCHEMA, "orders is a list, or text with ; between", document.at("orders"))
    if not document.has("departed_at"):
        return  # planned, not gone: when it is to leave is in the slots
    yield _speaker(document, "shipment").event(
        "shipment_departed",
        at=document.moment("departed_at"),
        shipment_id=document.text("shipment"),
        route_id=document.text("route"),
        order_ids=orders,
    )


def _slots(document: Document) -> Iterator[Body]:
    """`weekly` is a list of {"weekday": "mon", "at": "17:00"}, or text: `mon 17:00; thu 17:00`."""
    weekly: Any = document.fields.get("weekly") or []
    if isinstance(weekly, str):
        weekly = [
            dict(zip(("weekday", "at"), each.split(), strict=False))
            for each in weekly.split(";")
            if each.strip()
        ]
    rows = Document({"weekly": weekly}, document.plant, document.path).rows("weekly")
    slots = [{"weekday": row.one_of("weekday", WEEKDAYS), "at": row.text("at")} for row in rows]
    yield _speaker(document, "route").event(
        "shipment_slots_upserted",
        route_id=document.text("route"),
        carrier=document.text("carrier", "") or None,
        weekly=slots,
        loading_min=document.number("loading_min", 0.0),
    )


_READERS: Final[dict[str, Reader]] = {
    "stock": _stock,
    "receipt": _receipt,
    "shipment": _shipment,
    "slots": _slots,
}
