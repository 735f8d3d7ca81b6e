"""What the simulated plant hides: drifts, stops, shortages, scrap shifts, true ends. For scoring, never an event.

Each record is one line of NDJSON with its `record` name; times are RFC 3339 in UTC.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TextIO

import orjson


@dataclass(frozen=True, slots=True)
class DriftTruth:
    """An unlogged change of speed; size -0.08 = 8 % slower, reached at full_s, gone at end_s."""

    line_id: str
    start_s: float
    full_s: float
    end_s: float
    size: float


@dataclass(frozen=True, slots=True)
class ScrapShiftTruth:
    """Scrap times factor on a line."""

    line_id: str
    start_s: float
    end_s: float
    factor: float


@dataclass(frozen=True, slots=True)
class StopTruth:
    """A stop that was logged."""

    line_id: str
    run_id: str
    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class ShortageTruth:
    """A run stood still for want of a component."""

    line_id: str
    run_id: str
    item_id: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class LateReceiptTruth:
    """A receipt that came after it was expected."""

    receipt_id: str
    item_id: str
    expected_s: float
    received_s: float


@dataclass(frozen=True, slots=True)
class RunTruth:
    """A run as it really was; speed: its own factor; setup_s, planned_setup_s: real and planned setup, 0 where none."""

    run_id: str
    line_id: str
    setup_s: float
    started_s: float
    finished_s: float
    good_pcs: int
    scrap_pcs: int
    speed: float
    planned_setup_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OrderTruth:
    """An order as it really left; late_s is 0 where the promise was kept."""

    order_id: str
    promised_s: float
    ready_s: float
    shipped_s: float
    late_s: float


@dataclass(frozen=True, slots=True)
class OutageTruth:
    """A line's gateway held back what it had to say; it came at end_s. Only outages that held something back."""

    line_id: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class ConflictTruth:
    """Two systems contradicted each other about a run, from start_s until it was put right at end_s.

    what: quantity (MES has another one than ERP) or closed (ERP closed its work order while the line went on).
    """

    run_id: str
    work_order_id: str
    order_ids: tuple[str, ...]
    what: str
    start_s: float
    end_s: float


TruthRecord = (
    DriftTruth
    | ScrapShiftTruth
    | StopTruth
    | ShortageTruth
    | LateReceiptTruth
    | RunTruth
    | OrderTruth
    | OutageTruth
    | ConflictTruth
)


SPANS = ("setup_s", "planned_setup_s", "late_s")
"""Fields that are lengths of time; every other field that ends in _s is a moment."""


def write_truth(records: Iterable[TruthRecord], out: TextIO) -> int:
    """Write records as NDJSON.

    Returns:
        How many there were.
    """
    number = 0
    for record in records:
        body = {"record": type(record).__name__.removesuffix("Truth").lower()}
        for name, value in asdict(record).items():
            is_moment = name.endswith("_s") and name not in SPANS
            body[name.removesuffix("_s") + "_at" if is_moment else name] = (
                _text(value) if is_moment else value
            )
        out.write(orjson.dumps(body).decode() + "\n")
        number += 1
    return number


def _text(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
