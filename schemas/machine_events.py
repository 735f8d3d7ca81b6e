"""mes.machine-events.v1: what machines and the MES say, event by event. Keyed by line_id."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import DurationMinutes, Event, Flag, Id, Quantity, SignedQuantity, Text


class PackmlState(StrEnum):
    """PackML (ISA-TR88.00.02) state names. Names, not codes: two numberings are in use."""

    CLEARING = "CLEARING"
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    IDLE = "IDLE"
    SUSPENDED = "SUSPENDED"
    EXECUTE = "EXECUTE"
    STOPPING = "STOPPING"
    ABORTING = "ABORTING"
    ABORTED = "ABORTED"
    HOLDING = "HOLDING"
    HELD = "HELD"
    UNHOLDING = "UNHOLDING"
    SUSPENDING = "SUSPENDING"
    UNSUSPENDING = "UNSUSPENDING"
    RESETTING = "RESETTING"
    COMPLETING = "COMPLETING"
    COMPLETE = "COMPLETE"


class MachineEvent(Event):
    """An event of one line.

    Attributes:
        line_id: ISA-95 work center (production line).
        station_id: work unit of the line, where the event comes from one.
    """

    line_id: Id
    station_id: Id | None = None


class RunEvent(MachineEvent):
    """An event of one run (ISA-95 job order) on its line."""

    run_id: Id


class StateChanged(MachineEvent):
    """The line (or one station of it) entered a PackML state.

    Attributes:
        state: the state entered. HELD has an internal cause, SUSPENDED an external one.
        reason: the source's word for why.
        expected_duration_min: how long it is expected to stay so, where somebody knows.
    """

    kind: Literal["state_changed"] = "state_changed"
    state: PackmlState
    reason: Text | None = None
    expected_duration_min: DurationMinutes | None = None


class ConnectionChanged(MachineEvent):
    """What speaks for the line was cut off, or is there again. While it is cut off, silence is no news of the line.

    Attributes:
        is_up: whether it is there.
        reason: the source's word for what happened.
    """

    kind: Literal["connection_changed"] = "connection_changed"
    is_up: Flag
    reason: Text | None = None


class CountReported(MachineEvent):
    """Pieces finished on a run.

    Attributes:
        run_id: the run, or None for the run that the line is on.
        counter: "delta" = since the previous report; "total" = the counter's reading since the run began
            (a reading below the last one is a reset: the reading counts from zero).
        good_count, scrap_count, rework_count: GQ, SQ and RQ of ISO 22400, in the item's unit.
    """

    kind: Literal["count_reported"] = "count_reported"
    run_id: Id | None = None
    counter: Literal["delta", "total"] = "delta"
    good_count: Quantity
    scrap_count: Quantity = 0.0
    rework_count: Quantity = 0.0


class CountCorrected(RunEvent):
    """Somebody put an earlier count right; event_time says which time the correction belongs to.

    Attributes:
        good_delta, scrap_delta, rework_delta: what to add to the counts; negative takes away.
        corrects_event_id: the report that was wrong, where it is known.
    """

    kind: Literal["count_corrected"] = "count_corrected"
    good_delta: SignedQuantity
    scrap_delta: SignedQuantity = 0.0
    rework_delta: SignedQuantity = 0.0
    corrects_event_id: Id | None = None
    reason: Text | None = None


class SetupStarted(RunEvent):
    """The line is being set up for the run."""

    kind: Literal["setup_started"] = "setup_started"


class RunStarted(RunEvent):
    """The run makes pieces from now on."""

    kind: Literal["run_started"] = "run_started"


class RunHeld(RunEvent):
    """The run stopped for an internal cause: jam, material, operator.

    Attributes:
        expected_duration_min: how long, where somebody knows.
    """

    kind: Literal["run_held"] = "run_held"
    reason: Text | None = None
    expected_duration_min: DurationMinutes | None = None


class RunSuspended(RunEvent):
    """The run stopped for an external cause: blocked or starved."""

    kind: Literal["run_suspended"] = "run_suspended"
    reason: Text | None = None
    expected_duration_min: DurationMinutes | None = None


class RunResumed(RunEvent):
    """The run goes on after it was held or suspended."""

    kind: Literal["run_resumed"] = "run_resumed"


class RunCompleted(RunEvent):
    """The run is done; what it made stands in its counts."""

    kind: Literal["run_completed"] = "run_completed"


class RunAborted(RunEvent):
    """The run was given up before its quantity was reached."""

    kind: Literal["run_aborted"] = "run_aborted"
    reason: Text | None = None


class MaterialConsumed(RunEvent):
    """A run used material.

    Attributes:
        item_id: the component.
        quantity: in the component's unit.
    """

    kind: Literal["material_consumed"] = "material_consumed"
    item_id: Id
    quantity: Quantity
    lot_id: Id | None = None


class QualityRecorded(RunEvent):
    """An inspection of pieces of a run.

    Attributes:
        inspected_count: pieces looked at.
        bad_count: of those, how many failed; not above inspected_count.
        characteristic: what was looked at, in the source's words.
    """

    kind: Literal["quality_recorded"] = "quality_recorded"
    inspected_count: Quantity
    bad_count: Quantity
    characteristic: Text | None = None
    lot_id: Id | None = None

    @model_validator(mode="after")
    def _bad_within_inspected(self) -> Self:
        if self.bad_count > self.inspected_count:
            raise PydanticCustomError("range:bad_count", "bad_count is above inspected_count")
        return self


AnyMachineEvent = Annotated[
    StateChanged
    | ConnectionChanged
    | CountReported
    | CountCorrected
    | SetupStarted
    | RunStarted
    | RunHeld
    | RunSuspended
    | RunResumed
    | RunCompleted
    | RunAborted
    | MaterialConsumed
    | QualityRecorded,
    Field(discriminator="kind"),
]
