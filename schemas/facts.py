"""twin.facts.v1: the one ordered log that the twin folds, micro-batches of validated events with their origin.

Internal: only ingest writes it, only the twin (and verify, replay) reads it.
"""

from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from schemas.base import Time
from schemas.commands import AnyCommand, PlanAcknowledged
from schemas.errors import FactsCorrupt
from schemas.inventory import AnyInventoryEvent
from schemas.json_text import clip
from schemas.machine_events import AnyMachineEvent
from schemas.master_data import AnyMasterDataEvent
from schemas.orders import AnyOrderEvent
from schemas.plans import Proposal
from schemas.plant_model import AnyPlantEvent

AnyEvent = Annotated[
    AnyMachineEvent
    | AnyOrderEvent
    | AnyMasterDataEvent
    | AnyPlantEvent
    | AnyInventoryEvent
    | AnyCommand
    | PlanAcknowledged
    | Proposal,
    Field(discriminator="kind"),
]
"""Every input kind, told apart by its kind."""


class Segment(BaseModel):
    """Events of one source partition, in its order and without a hole.

    Attributes:
        topic, partition: where the events came from.
        positions: (offset, index in the record) of each event, strictly rising.
        events: the events, as long as positions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    partition: int
    positions: list[tuple[int, int]]
    events: list[AnyEvent]


class Tick(BaseModel):
    """The wall clock, written by one ingest worker.

    Attributes:
        now: wall time; lag_s: how far ingest is behind its inputs, seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    now: Time
    lag_s: float = 0.0


class Facts(BaseModel):
    """One record of the log: segments first, then the tick.

    Attributes:
        group_id: planning group, "*" for what concerns all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    group_id: str
    segments: list[Segment] = Field(default_factory=list)
    tick: Tick | None = None

    def encode(self) -> bytes:
        """Bytes of the record; equal facts give equal bytes."""
        return _facts_adapter().dump_json(self, exclude_none=True)


@lru_cache(maxsize=1)
def _facts_adapter() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)


def decode_facts(value: bytes) -> Facts:
    """Read one record of twin.facts.v1.

    Raises:
        FactsCorrupt: it is not what ingest writes.
    """
    try:
        return _facts_adapter().validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(map(str, first["loc"]))
        raise FactsCorrupt(
            f"facts record of {len(value)} bytes, at '{clip(path)}': {clip(first['msg'], 200)}"
        ) from None
