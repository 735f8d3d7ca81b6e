"""plant.model.v1: sites, lines, calendars, setups, shipment slots, rules, and the driven clock. Keyed by kind/id."""

from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import ClockText, DurationMinutes, Event, Flag, Id, Price, Text, Time, WireModel
from schemas.rules import Rules


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "not an IANA time zone, as Europe/Berlin") from None
    return name


ZoneName = Annotated[str, Field(strict=True, min_length=1, max_length=64), AfterValidator(_known_zone)]
"""IANA time zone."""

Weekday = Annotated[int, Field(strict=True, ge=0, le=6)]
"""0 = Monday ... 6 = Sunday."""

Rate = Annotated[float, Field(strict=True, gt=0, le=1e9, allow_inf_nan=False)]
"""Good pieces an hour."""


class SiteUpserted(Event):
    """A site (ISA-95).

    Attributes:
        zone: its time zone; calendars and shipment slots are in it.
        currency: of all its money, ISO 4217.
        owner_id: the person who owns what no rule assigns.
    """

    kind: Literal["site_upserted"] = "site_upserted"
    name: Text | None = None
    zone: ZoneName = "UTC"
    currency: Annotated[str, Field(strict=True, pattern=r"^[A-Z]{3}$")] = "EUR"
    owner_id: Id | None = None

    entity: ClassVar[tuple[str, ...]] = ("site_id",)


class PlanningGroupUpserted(Event):
    """Sites that exchange work. Ingest routes by its own setting; this tells readers the name."""

    kind: Literal["planning_group_upserted"] = "planning_group_upserted"
    group_id: Id
    site_ids: list[Id] = Field(min_length=1, max_length=1000)

    entity: ClassVar[tuple[str, ...]] = ("group_id",)


class AreaUpserted(Event):
    """An area of a site (ISA-95)."""

    kind: Literal["area_upserted"] = "area_upserted"
    area_id: Id
    name: Text | None = None

    entity: ClassVar[tuple[str, ...]] = ("area_id",)


class LineUpserted(Event):
    """A production line (ISA-95 work center).

    Attributes:
        calendar_id: its working time; None: around the clock.
        supervisor_id: the person who owns its risks.
        rate_pcs_per_h: planned good pieces an hour where neither run nor routing says.
        setup_family: family that it is set up for before its first run.
        idle_cost_per_h: money lost an hour that it stands; None: the rules say.
    """

    kind: Literal["line_upserted"] = "line_upserted"
    line_id: Id
    name: Text | None = None
    area_id: Id | None = None
    calendar_id: Id | None = None
    supervisor_id: Id | None = None
    rate_pcs_per_h: Rate | None = None
    setup_family: Id | None = None
    idle_cost_per_h: Price | None = None

    entity: ClassVar[tuple[str, ...]] = ("line_id",)


class StationUpserted(Event):
    """A station of a line (ISA-95 work unit)."""

    kind: Literal["station_upserted"] = "station_upserted"
    station_id: Id
    line_id: Id
    name: Text | None = None

    entity: ClassVar[tuple[str, ...]] = ("station_id",)


class WeeklySpan(WireModel):
    """A span that recurs every week, in the site's zone; an end not after the start lies on the next day."""

    weekday: Weekday
    start: ClockText
    end: ClockText


class CalendarException(WireModel):
    """One span that overrides the weekly pattern: a holiday (working false) or an extra shift (working true)."""

    start_at: Time
    end_at: Time
    working: Flag

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.end_at <= self.start_at:
            raise PydanticCustomError("time:end_at", "end_at is not after start_at")
        return self


class CalendarUpserted(Event):
    """Working time: shifts less breaks, overridden by exceptions."""

    kind: Literal["calendar_upserted"] = "calendar_upserted"
    calendar_id: Id
    shifts: list[WeeklySpan] = Field(max_length=200)
    breaks: list[WeeklySpan] = Field(default_factory=list, max_length=200)
    exceptions: list[CalendarException] = Field(default_factory=list, max_length=2000)

    entity: ClassVar[tuple[str, ...]] = ("calendar_id",)


class OvertimeWindowUpserted(Event):
    """Time outside the calendar that can be bought.

    Attributes:
        line_id: the line that could run.
        notice_by: people must be told by then; after it the window is gone. None: its start.
        cost_per_h: money an hour; None: the line's or site's overtime rate.
        committed: it was bought: the calendar includes it.
        withdrawn: it is no longer on offer.
    """

    kind: Literal["overtime_window_upserted"] = "overtime_window_upserted"
    window_id: Id
    line_id: Id
    start_at: Time
    end_at: Time
    notice_by: Time | None = None
    cost_per_h: Price | None = None
    committed: Flag = False
    withdrawn: Flag = False

    entity: ClassVar[tuple[str, ...]] = ("window_id",)

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.end_at <= self.start_at:
            raise PydanticCustomError("time:end_at", "end_at is not after start_at")
        return self


class SetupEntry(WireModel):
    """Setup from one family to another."""

    from_family: Id
    to_family: Id
    setup_min: DurationMinutes
    cost: Price = 0.0


class SetupMatrixUpserted(Event):
    """Sequence-dependent setup of a line.

    Attributes:
        line_id: the line; None: every line of the site that has no own matrix.
        default_min: setup between different families that no entry names.
        same_family_min: setup between runs of one family.
    """

    kind: Literal["setup_matrix_upserted"] = "setup_matrix_upserted"
    line_id: Id | None = None
    entries: list[SetupEntry] = Field(default_factory=list, max_length=100_000)
    default_min: DurationMinutes = 0.0
    same_family_min: DurationMinutes = 0.0

    entity: ClassVar[tuple[str, ...]] = ("line_id",)


class WeeklySlot(WireModel):
    """A pick-up that recurs every week, in the site's zone."""

    weekday: Weekday
    at: ClockText


class ShipmentSlotsUpserted(Event):
    """When trucks of a route leave.

    Attributes:
        weekly: recurring departures.
        extra_at, cancelled_at: single departures added or struck.
        loading_min: goods must be ready this long before the departure.
    """

    kind: Literal["shipment_slots_upserted"] = "shipment_slots_upserted"
    route_id: Id
    carrier: Text | None = None
    weekly: list[WeeklySlot] = Field(default_factory=list, max_length=200)
    extra_at: list[Time] = Field(default_factory=list, max_length=2000)
    cancelled_at: list[Time] = Field(default_factory=list, max_length=2000)
    loading_min: DurationMinutes = 0.0

    entity: ClassVar[tuple[str, ...]] = ("route_id",)


class TransferLaneUpserted(Event):
    """How goods made at this site get to another one of the planning group.

    Attributes:
        to_site_id: where they are brought.
        transfer_min: from the last piece to being there.
        cost: money a transfer; cost_per_pc: money a piece of it.
        withdrawn: nothing goes this way any more.
    """

    kind: Literal["transfer_lane_upserted"] = "transfer_lane_upserted"
    to_site_id: Id
    transfer_min: DurationMinutes
    cost: Price = 0.0
    cost_per_pc: Price = 0.0
    withdrawn: Flag = False

    entity: ClassVar[tuple[str, ...]] = ("to_site_id",)


class RulesUpdated(Event):
    """A new set of rules is in force from here on in the log."""

    kind: Literal["rules_updated"] = "rules_updated"
    rules: Rules

    entity: ClassVar[tuple[str, ...]] = ("kind",)


class ClockTicked(Event):
    """A simulator or replay moves the clock: event_time is now. Refused while the wall clock drives."""

    kind: Literal["clock_ticked"] = "clock_ticked"

    entity: ClassVar[tuple[str, ...]] = ("site_id",)


AnyPlantEvent = Annotated[
    SiteUpserted
    | PlanningGroupUpserted
    | AreaUpserted
    | LineUpserted
    | StationUpserted
    | CalendarUpserted
    | OvertimeWindowUpserted
    | SetupMatrixUpserted
    | ShipmentSlotsUpserted
    | TransferLaneUpserted
    | RulesUpdated
    | ClockTicked,
    Field(discriminator="kind"),
]
