"""wms.inventory.v1: stock, expected and received goods, departures. Keyed by kind/id."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.base import Event, Id, PositiveQuantity, Quantity, Time


class Disposition(StrEnum):
    """What stock may be used for; only UNRESTRICTED counts as available."""

    UNRESTRICTED = "unrestricted"
    QUALITY = "quality"
    BLOCKED = "blocked"


class StockReported(Event):
    """Stock of an item in a lot and location as of event_time."""

    kind: Literal["stock_reported"] = "stock_reported"
    item_id: Id
    location_id: Id
    lot_id: Id | None = None
    quantity: Quantity
    disposition: Disposition = Disposition.UNRESTRICTED

    entity: ClassVar[tuple[str, ...]] = ("item_id", "lot_id", "location_id")


class ReceiptExpected(Event):
    """A purchase or transfer on its way."""

    kind: Literal["receipt_expected"] = "receipt_expected"
    receipt_id: Id
    item_id: Id
    quantity: PositiveQuantity
    expected_at: Time

    entity: ClassVar[tuple[str, ...]] = ("receipt_id",)


class ReceiptReceived(Event):
    """It came; quantity is what came in all so far."""

    kind: Literal["receipt_received"] = "receipt_received"
    receipt_id: Id
    item_id: Id
    quantity: PositiveQuantity

    entity: ClassVar[tuple[str, ...]] = ("receipt_id",)


class ShipmentDeparted(Event):
    """A truck of a route left at event_time with these orders on it."""

    kind: Literal["shipment_departed"] = "shipment_departed"
    shipment_id: Id
    route_id: Id
    order_ids: list[Id] = Field(default_factory=list, max_length=10_000)

    entity: ClassVar[tuple[str, ...]] = ("shipment_id",)


AnyInventoryEvent = Annotated[
    StockReported | ReceiptExpected | ReceiptReceived | ShipmentDeparted, Field(discriminator="kind")
]
