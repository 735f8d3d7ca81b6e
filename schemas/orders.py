"""erp.orders.v1: what was promised to whom, and which runs are planned for it. Keyed by kind/id."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import DurationMinutes, Event, Id, PositiveQuantity, Price, Text, Time, WireModel


class OrderUpserted(Event):
    """A sales order line as it now stands.

    Attributes:
        order_id: the order line's id, unique in its site.
        quantity_pcs: ordered, in the item's unit.
        promised_at: the moment by which it was promised to leave.
        route_id: shipment route whose slots carry it; None: it leaves when it is ready.
        unit_price, unit_cost: money per piece; the margin is quantity x (price - cost).
        penalty_per_day: money for each started day of lateness; None: the customer's rate.
        priority: higher is more urgent; adapters invert where a source does not.
    """

    kind: Literal["order_upserted"] = "order_upserted"
    order_id: Id
    customer_id: Id
    item_id: Id
    quantity_pcs: PositiveQuantity
    promised_at: Time
    route_id: Id | None = None
    unit_price: Price | None = None
    unit_cost: Price | None = None
    penalty_per_day: Price | None = None
    priority: Annotated[int, Field(strict=True, ge=0, le=1000)] = 0

    entity: ClassVar[tuple[str, ...]] = ("order_id",)


class OrderCancelled(Event):
    """The customer or the seller took the order back."""

    kind: Literal["order_cancelled"] = "order_cancelled"
    order_id: Id
    reason: Text | None = None

    entity: ClassVar[tuple[str, ...]] = ("order_id",)


class OrderShipped(Event):
    """Goods of the order left.

    Attributes:
        shipped_pcs: shipped so far, all shipments together, so that a repeat changes nothing.
    """

    kind: Literal["order_shipped"] = "order_shipped"
    order_id: Id
    shipped_pcs: PositiveQuantity

    entity: ClassVar[tuple[str, ...]] = ("order_id",)


class WorkOrderUpserted(Event):
    """ERP's work order (ISA-95 operations request) as it now stands."""

    kind: Literal["work_order_upserted"] = "work_order_upserted"
    work_order_id: Id
    item_id: Id
    quantity_pcs: PositiveQuantity
    start_at: Time | None = None
    end_at: Time | None = None
    order_ids: list[Id] = Field(default_factory=list, max_length=1000)

    entity: ClassVar[tuple[str, ...]] = ("work_order_id",)


class WorkOrderClosed(Event):
    """ERP regards the work order as finished."""

    kind: Literal["work_order_closed"] = "work_order_closed"
    work_order_id: Id

    entity: ClassVar[tuple[str, ...]] = ("work_order_id",)


class Peg(WireModel):
    """Part of a run that is meant for an order.

    Attributes:
        order_id: the order.
        quantity_pcs: pieces of the run that are for it.
        order_site_id: the order's site where it is another one of the same planning group.
    """

    order_id: Id
    quantity_pcs: PositiveQuantity
    order_site_id: Id | None = None


class RunPlanned(Event):
    """A run as ERP or MES now plans it (ISA-95 job order).

    Attributes:
        quantity_pcs: good pieces to make.
        planned_start_at, planned_end_at: first good piece due, last good piece due (setup lies before).
        rate_pcs_per_h: planned good pieces an hour; None: the routing's, or the quantity over the planned working time.
        setup_min: setup before it; None: the setup matrix of the line decides.
        release_at: not before this moment, for material.
        pegs: orders it is for.
        feeds_run_ids: runs of the next routing step that need what this one makes.
    """

    kind: Literal["run_planned"] = "run_planned"
    run_id: Id
    line_id: Id
    item_id: Id
    quantity_pcs: PositiveQuantity
    planned_start_at: Time
    planned_end_at: Time
    rate_pcs_per_h: Annotated[float, Field(strict=True, gt=0, le=1e9, allow_inf_nan=False)] | None = None
    setup_min: DurationMinutes | None = None
    release_at: Time | None = None
    work_order_id: Id | None = None
    pegs: list[Peg] = Field(default_factory=list, max_length=1000)
    feeds_run_ids: list[Id] = Field(default_factory=list, max_length=1000)
    alternate_line_ids: list[Id] = Field(default_factory=list, max_length=1000)

    entity: ClassVar[tuple[str, ...]] = ("run_id",)

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.planned_end_at <= self.planned_start_at:
            raise PydanticCustomError("time:planned_end_at", "planned_end_at is not after planned_start_at")
        return self


class RunCancelled(Event):
    """A planned run was taken back before it started."""

    kind: Literal["run_cancelled"] = "run_cancelled"
    run_id: Id
    reason: Text | None = None

    entity: ClassVar[tuple[str, ...]] = ("run_id",)


AnyOrderEvent = Annotated[
    OrderUpserted
    | OrderCancelled
    | OrderShipped
    | WorkOrderUpserted
    | WorkOrderClosed
    | RunPlanned
    | RunCancelled,
    Field(discriminator="kind"),
]
