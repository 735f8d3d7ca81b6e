"""Building blocks of every model on the wire: ids, times, numbers, and the two base classes.

Inputs ignore unknown fields (ingest counts them) so that sources can grow; our own outputs forbid them.
Numbers are strict: "12" is text and true is no count.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

SCHEMA_VERSION = 2
EARLIEST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_TIME = datetime(2100, 1, 1, tzinfo=UTC)


def _only_text(value: Any) -> Any:
    # Pydantic would read 1763359200 as seconds and 1763359200000 as milliseconds: a guess, so we refuse both,
    # as number and as text.
    if isinstance(value, str):
        if value[4:5] == "-":
            return value
    elif isinstance(value, datetime):
        return value
    raise PydanticCustomError(
        "time_text", "a time must be RFC 3339 text with a zone, as 2026-11-17T06:00:00+01:00"
    )


Id = Annotated[str, Field(strict=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Identifier as the source gives it: 1..200 characters, no control characters, NFC; case and spaces count."""

Text = Annotated[str, Field(strict=True, max_length=2000, pattern=r"^[^\x00]*$")]
"""Words for people: at most 2,000 characters, no NUL."""

Time = Annotated[AwareDatetime, Field(ge=EARLIEST_TIME, le=LATEST_TIME), BeforeValidator(_only_text)]
"""A moment: RFC 3339 with zone, 2000..2100."""

Quantity = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]
"""Amount in the item's unit (pieces unless the item says otherwise), not negative."""

PositiveQuantity = Annotated[float, Field(strict=True, gt=0, le=1e12, allow_inf_nan=False)]
"""Amount in the item's unit, above zero."""

SignedQuantity = Annotated[float, Field(strict=True, ge=-1e12, le=1e12, allow_inf_nan=False)]
"""Difference of amounts in the item's unit."""

Money = Annotated[float, Field(strict=True, ge=-1e15, le=1e15, allow_inf_nan=False)]
"""Amount of money in the site's currency."""

Price = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]
"""Money per piece, hour or day, in the site's currency, not negative."""

Fraction = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
"""Share of a whole, 0..1."""

DurationMinutes = Annotated[float, Field(strict=True, ge=0, le=525_600, allow_inf_nan=False)]
"""Minutes, at most a year."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""Any finite number."""

Flag = Annotated[bool, Field(strict=True)]
"""true or false; 1 and "yes" are not."""

Count = Annotated[int, Field(strict=True, ge=0, le=2**53)]
"""Whole number that JSON readers everywhere can hold."""

ClockText = Annotated[str, Field(strict=True, pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
"""Time of day in the site's zone, "HH:MM"; "24:00" is the end of the day."""


class WireModel(BaseModel):
    """Anything that crosses a topic: immutable, self-sufficient."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OutputModel(BaseModel):
    """Anything Foresite publishes: immutable, without unknown fields.

    Attributes:
        output_id: derived from the causing fact, so that a replay gives the same id and readers can drop repeats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(WireModel):
    """What all inputs carry in the body.

    Attributes:
        event_id: unique for the source; the same event sent twice has the same id.
        event_time: when it happened in the plant, never when somebody read it.
        site_id: ISA-95 site that it concerns; "*" for master data that concerns every site.
        source_id: the gateway or system that numbers its events, where it does.
        source_sequence: that source's running number; catches repeats of any age.
        schema_version: major version of the body, 1 where absent.
    """

    kind: str
    event_id: Id
    event_time: Time
    site_id: Id
    source_id: Id | None = None
    source_sequence: Count | None = None
    schema_version: Literal[1] = 1

    entity: ClassVar[tuple[str, ...]] = ()
    """Fields that identify the thing it speaks of: with the kind, the key of a compacted topic."""
