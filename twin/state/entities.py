"""Lines, runs and orders as the twin holds them: the last word of ERP on each, and what has happened to it since.

The msgspec structs are documents of the state topic; the slotted classes around them hold what is derived from
documents and rebuilt on restore.
"""

from dataclasses import dataclass, field
from math import inf

import msgspec
from msgspec import structs

from schemas import LineUpserted, OrderUpserted, OvertimeWindowUpserted, RunPlanned, join_key
from twin.forecast.experience import LineRecord
from twin.forecast.projection import Pace, ProjectedRun, QueuedRun
from twin.quality.quality_series import LineQuality
from twin.shopfloor.drift import Bucket, DriftState
from twin.shopfloor.elements import Period
from twin.shopfloor.stops import LineStops
from twin.state.calendar import CalendarDescription, WorkCalendar
from twin.state.dedupe import IdWindow
from twin.state.runs import FINISHED, RunProgress, RunState

SiteKey = tuple[str, str]
"""(site_id, id): ids are unique within a site."""

ALWAYS_OPEN = WorkCalendar(CalendarDescription(always=True))


class StatusReading(msgspec.Struct, frozen=True):
    """What the last published line status said: state, run and drift in one word, and the shares that drift slowly."""

    words: str
    attainment: float | None
    level: float


class LineState(msgspec.Struct):
    """The hot document of a line. Times are POSIX seconds.

    Attributes:
        packml: last state that the line reported.
        run_id: the run it is on, None between runs.
        marked_at: production time is counted up to here; the last moment of which progress is known.
        apt_s, made_pcs, expected_pcs, opened_at: the open bucket.
        down_work_s: working time lost to stops since the line last ran free of delay.
        family: setup family that it is set up for.
        level, level_sd, noise_sd_300, buckets_n: estimated pace since the last change point.
        dirty: something happened since the last evaluation; evaluated_at: the shard's clock at that evaluation.
        last_event_at, last_event_id: the youngest event seen.
        usual_gap_s: working time between two events as it usually is, a moving average; None before the second one.
        produced_s: production that its record does not hold yet.
        drift_confidence: how sure the drift was when it was last reported.
        published: what the last published line status said, for materiality.
        period: elements of the present shift; measured_from: the first moment that is counted in any.
        element_since: since when the line's time counts as what it counts as now.
        cut_off_at: since when the source says that nothing can be known of the line; None: it is connected, or nobody
            has said otherwise. cut_off_because: its words.
    """

    packml: str = "UNKNOWN"
    run_id: str | None = None
    marked_at: float | None = None
    opened_at: float | None = None
    apt_s: float = 0.0
    made_pcs: float = 0.0
    expected_pcs: float = 0.0
    down_work_s: float = 0.0
    family: str | None = None
    level: float = 1.0
    level_sd: float = 0.1
    noise_sd_300: float = 0.15
    buckets_n: int = 0
    dirty: bool = False
    evaluated_at: float = 0.0
    last_event_at: float | None = None
    last_event_id: str = ""
    drift_confidence: float = 0.0
    usual_gap_s: float | None = None
    produced_s: float = 0.0
    published: StatusReading | None = None
    period: Period | None = None
    measured_from: float | None = None
    element_since: float | None = None
    cut_off_at: float | None = None
    cut_off_because: str = ""

    def encode(self) -> bytes:
        """JSON of the state."""
        return msgspec.json.encode(self)

    @property
    def pace(self) -> Pace:
        """The line's pace as estimated."""
        return Pace(level=self.level, level_sd=self.level_sd, noise_sd_300=self.noise_sd_300)


class DriftDocument(msgspec.Struct):
    """What is remembered of a line's drift."""

    state: DriftState

    def encode(self) -> bytes:
        """JSON of the memory."""
        return msgspec.json.encode(self)


NEVER_S = 1e300
"""Stands for infinity in documents: JSON knows none."""


class QueueDocument(msgspec.Struct):
    """The last projection of a line's queue."""

    runs: list[ProjectedRun]

    def encode(self) -> bytes:
        """JSON of the projection."""
        return msgspec.json.encode({"runs": [_with_bounds(run, inf, NEVER_S) for run in self.runs]})

    @classmethod
    def decode(cls, value: bytes) -> "QueueDocument":
        """What encode wrote."""
        return cls([_with_bounds(run, NEVER_S, inf) for run in msgspec.json.decode(value, type=cls).runs])


def _with_bounds(run: ProjectedRun, bound: float, instead: float) -> ProjectedRun:
    """The projection with another word for never."""
    if run.finish_at != bound:
        return run
    start = instead if run.start_at == bound else run.start_at
    wait = instead if run.wait_work_s == bound else run.wait_work_s
    until = instead if run.waits_until == bound else run.waits_until
    return structs.replace(run, start_at=start, finish_at=instead, wait_work_s=wait, waits_until=until)


class BucketHour(msgspec.Struct):
    """Closed buckets that began within one hour of the clock, oldest first."""

    hour: int
    buckets: list[Bucket]

    def encode(self) -> bytes:
        """JSON of the buckets."""
        return msgspec.json.encode(self)


class CommandNote(msgspec.Struct, frozen=True):
    """What became of a command, so that the same command sent again is answered alike.

    Attributes:
        outcome: accepted or refused; reason, message: why it was refused.
        revision: of its target after it; at: the shard's clock, POSIX seconds.
    """

    outcome: str
    reason: str | None
    message: str
    revision: int | None
    at: float

    def encode(self) -> bytes:
        """JSON of the note."""
        return msgspec.json.encode(self)


class OrderState(msgspec.Struct):
    """What happened to an order, and what was last published of it.

    Attributes:
        shipped_pcs: shipped so far; closed_at: when it was shipped whole or cancelled.
        published: the last published projection (ready_at, ships_at, p_late, status), for materiality.
        root: id of the cause root that its last assessment blames, None if it is fine.
    """

    shipped_pcs: float = 0.0
    status: str = "open"
    closed_at: float | None = None
    published: tuple[float | None, float | None, float | None, str] | None = None
    root: str | None = None
    on_time_slot: float | None = None

    def encode(self) -> bytes:
        """JSON of the state."""
        return msgspec.json.encode(self)


LEAST_RATE_PCS_PER_H = 1e-6
"""A slower plan is taken for this, a piece in a century: times stay numbers. Too small: times beyond what a float holds
stop the worker. Too large: a slow plan is read as a faster one."""


@dataclass(slots=True, eq=False)
class Run:
    """A run: its plan and its progress."""

    site_id: str
    plan: RunPlanned
    progress: RunProgress
    key: str
    planned_start: float
    planned_end: float
    rate_pcs_per_h: float = 1.0
    expected_yield: float = 1.0
    use_known_at: float = -inf  # counts up to then change what is known of the material it used; derived
    order_keys: tuple[SiteKey, ...] = ()  # orders that it is for, known or not, by id

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.plan.run_id

    @property
    def is_finished(self) -> bool:
        """Completed or aborted."""
        return self.progress.state in FINISHED

    @property
    def is_running(self) -> bool:
        """It makes pieces now."""
        return self.progress.state is RunState.RUNNING

    @property
    def remaining_pcs(self) -> float:
        """Good pieces still to make, never negative."""
        return max(0.0, self.plan.quantity_pcs - self.progress.good_pcs)


@dataclass(frozen=True, slots=True)
class Offer:
    """An overtime window as it can be bought.

    Attributes:
        notice_by: the last moment to buy it; never where it is bought or withdrawn.
        price: money an hour, None where the window names none.
    """

    window_id: str
    start: float
    end: float
    notice_by: float
    price: float | None


@dataclass(slots=True, eq=False)
class Line:
    """A line: what it is, where it stands, what waits for it."""

    site_id: str
    line_id: str
    state: LineState
    key: str
    event: LineUpserted | None = None
    calendar: WorkCalendar = ALWAYS_OPEN
    overtime: list[OvertimeWindowUpserted] = field(default_factory=list)
    offers: list[Offer] | None = None  # the same as they can be bought, by start; None = to be worked out
    runs: dict[str, Run] = field(default_factory=dict)
    queue: list[Run] | None = None  # runs in the order the line takes them; None = to be sorted again
    items: list[QueuedRun] | None = None  # the queue as projections read it; None = to be made again
    projected: dict[str, ProjectedRun] = field(default_factory=dict)
    buckets: list[Bucket] = field(default_factory=list)
    lost: tuple[float, float] | None = (
        None  # since when, and production time lost since; None = to be worked out
    )
    window_apt_s: float | None = None  # production time in closed buckets; None = to be worked out
    drift: DriftState = field(default_factory=DriftState)
    stops: LineStops = field(default_factory=LineStops)
    quality: LineQuality = field(default_factory=LineQuality)
    record: LineRecord = field(default_factory=LineRecord)
    ids: IdWindow = field(default_factory=IdWindow)
    periods: list[Period] = field(
        default_factory=list
    )  # closed ones, oldest first; the open one is in the state
    touched: dict[float, Period | None] = field(default_factory=dict)  # closed ones to be written, by start
    ids_key: str = ""  # begins the keys of the window's documents

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        self.ids_key = join_key(self.site_id, "ids", self.line_id)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.line_id if self.event is None or not self.event.name else self.event.name

    @property
    def delta(self) -> float:
        """Pace against the plan, -0.08 = 8 % under; as estimated now, not as last reported."""
        return self.state.level - 1.0

    @property
    def run(self) -> Run | None:
        """The run that it is on."""
        return None if self.state.run_id is None else self.runs.get(self.state.run_id)

    def queued(self) -> list[Run]:
        """Unfinished runs: the one it is on, those begun before, then by planned start."""
        if self.queue is None:
            self.items = None
            current = self.state.run_id
            self.queue = sorted(
                (run for run in self.runs.values() if not run.is_finished),
                key=lambda run: (
                    run.run_id != current,
                    run.progress.state is RunState.PLANNED,
                    run.planned_start,
                    run.run_id,
                ),
            )
        return self.queue


@dataclass(slots=True, eq=False)
class Order:
    """A sales order line: what was promised, and the runs that are made for it."""

    site_id: str
    event: OrderUpserted
    state: OrderState
    key: str
    promised: float

    @property
    def order_id(self) -> str:
        """Its id."""
        return self.event.order_id

    @property
    def is_open(self) -> bool:
        """Neither shipped whole nor cancelled."""
        return self.state.status == "open"
