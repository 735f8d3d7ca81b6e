"""erp.master-data.v1: customers, items, bills of material, routings, people, rates. Keyed by kind/id.

Master data concerns every site unless its site_id names one: site_id "*" is written to every facts partition.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.base import Event, Flag, Fraction, Id, PositiveQuantity, Price, Quantity, Text, Time, WireModel


class CustomerUpserted(Event):
    """A customer.

    Attributes:
        weight: how much a late order of theirs counts in the rank, 1 = as any other.
        cannot_slip: late is no option for this customer, whatever it costs.
        account_owner_id: the person who answers for them.
        penalty_per_day: money for each started day of lateness where the order names none.
    """

    kind: Literal["customer_upserted"] = "customer_upserted"
    customer_id: Id
    name: Text
    weight: Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)] = 1.0
    cannot_slip: Flag = False
    account_owner_id: Id | None = None
    penalty_per_day: Price | None = None

    entity: ClassVar[tuple[str, ...]] = ("customer_id",)


class ItemUpserted(Event):
    """Something made or bought.

    Attributes:
        unit: unit of its quantities.
        setup_family: items of one family follow each other without setup.
        unit_cost: money a piece.
        expected_scrap: share of produced pieces that is expected to be bad.
        lead_time_days: days from order to receipt at normal price, for bought items.
        buyer_id: the person who buys it.
    """

    kind: Literal["item_upserted"] = "item_upserted"
    item_id: Id
    name: Text | None = None
    unit: Text = "pcs"
    setup_family: Id | None = None
    unit_cost: Price | None = None
    expected_scrap: Fraction = 0.0
    lead_time_days: Quantity | None = None
    buyer_id: Id | None = None

    entity: ClassVar[tuple[str, ...]] = ("item_id",)


class BomComponent(WireModel):
    """One line of a bill of material.

    Attributes:
        quantity_per: units of the component for one piece of the product.
    """

    item_id: Id
    quantity_per: PositiveQuantity


class BillOfMaterialUpserted(Event):
    """What one piece of an item is made of."""

    kind: Literal["bill_of_material_upserted"] = "bill_of_material_upserted"
    item_id: Id
    components: list[BomComponent] = Field(max_length=10_000)

    entity: ClassVar[tuple[str, ...]] = ("item_id",)


class RoutingStep(WireModel):
    """One step of a routing on one eligible line.

    Attributes:
        step: order of the step, from 1; several lines at one step are alternatives.
        rate_pcs_per_h: planned good pieces an hour on that line.
    """

    step: Annotated[int, Field(strict=True, ge=1, le=1000)]
    line_id: Id
    rate_pcs_per_h: Annotated[float, Field(strict=True, gt=0, le=1e9, allow_inf_nan=False)]


class RoutingUpserted(Event):
    """How an item is made: steps, eligible lines and their planned speed."""

    kind: Literal["routing_upserted"] = "routing_upserted"
    item_id: Id
    steps: list[RoutingStep] = Field(max_length=1000)

    entity: ClassVar[tuple[str, ...]] = ("item_id",)


class PersonUpserted(Event):
    """Somebody who can own a card.

    Attributes:
        role: what they are.
        email: where they are written to.
        absent_until: until then their cards go to who stands in for them.
    """

    kind: Literal["person_upserted"] = "person_upserted"
    person_id: Id
    name: Text
    role: Text | None = None
    email: Text | None = None
    absent_until: Time | None = None

    entity: ClassVar[tuple[str, ...]] = ("person_id",)


class OvertimeRateUpserted(Event):
    """What an hour of overtime costs where the window names no price.

    Attributes:
        line_id: the line; None: every line of the site.
        cost_per_h: money an hour.
    """

    kind: Literal["overtime_rate_upserted"] = "overtime_rate_upserted"
    line_id: Id | None = None
    cost_per_h: Price

    entity: ClassVar[tuple[str, ...]] = ("line_id",)


class PenaltyRateUpserted(Event):
    """Money for each started day of lateness to a customer where the order names none."""

    kind: Literal["penalty_rate_upserted"] = "penalty_rate_upserted"
    customer_id: Id
    penalty_per_day: Price

    entity: ClassVar[tuple[str, ...]] = ("customer_id",)


AnyMasterDataEvent = Annotated[
    CustomerUpserted
    | ItemUpserted
    | BillOfMaterialUpserted
    | RoutingUpserted
    | PersonUpserted
    | OvertimeRateUpserted
    | PenaltyRateUpserted,
    Field(discriminator="kind"),
]
