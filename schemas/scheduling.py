"""The scheduling problem as it crosses twin.replan-requests.v1: all that the solver knows, and nothing else.

Times are POSIX seconds, work is seconds of a line's working time, money is in `currency`. Runs are identified by
(site_id, run_id), orders by (site_id, order_id), lines by (site_id, line_id).

What a plan means, the same arithmetic as the twin's projection (twin/forecast/projection.py), for each line from its head on:

    work of a run = remaining_pcs / rate_pcs_per_h x 3600 / level, less what a drift that ends gives back, x (1 + short_share)
    a begun run goes on at next_piece_at, or when the run before it ends
    a planned run starts at the latest of: its start in the plan; release_at; not_before; the end of its feeders (plus
        nothing between them); and the working moment at which setup is done, which begins when the run before it ends
    its end = start + work in working time; where material is short: at least gate.at + the work of the last
        gate.after_pcs pieces
    an order is ready when the last of its runs has ended and was brought to its site; it ships at the first departure
        from ready + loading_s on; slip = ship - promised, never negative; penalty = started days of slip x penalty_per_day
"""

from typing import Literal

from pydantic import Field

from schemas.base import OutputModel

Freedom = Literal["started", "frozen", "firm", "free"]
"""started: begun; frozen: inside the frozen horizon, or locked by a planner, or out of moves: line and sequence stay;
firm: its line stays; free: any eligible line and place. The start of any may become later where it must."""

Goal = Literal["service", "cost", "throughput"]
"""What options are ordered by: late money and customers first; all money; pieces in time and few setups."""


class OvertimeOffer(OutputModel):
    """Working time that can be bought for a line.

    Attributes:
        start, end: the window; parts that the line works anyway are not sold.
        notice_by: it can be ordered until then.
        cost_per_h: money an hour of it.
    """

    window_id: str
    start: float
    end: float
    notice_by: float
    cost_per_h: float


class SetupTime(OutputModel):
    """Setup from one family to another."""

    from_family: str
    to_family: str
    setup_s: float
    cost: float = 0.0


class SetupMatrix(OutputModel):
    """Setups of the lines that name it.

    Attributes:
        default_s: between different families that no entry names; same_family_s: within one family. A family that is
            not known needs none.
    """

    setup_id: str
    entries: list[SetupTime]
    default_s: float
    same_family_s: float


class SchedulingLine(OutputModel):
    """A line that may be used.

    Attributes:
        name: what people call it.
        free_from: the last moment of which its progress is known; its queue is walked from here.
        family: that it is set up for now.
        setup_id: its matrix; None: no setups.
        spans: working time [from, to) in order, from free_from (or earlier) to the horizon, committed overtime inside.
        level: its pace, 1 = as planned; drift_ends_per_s: rate at which a drift ends, 0 where it lasts;
        short_share: share of production time that short stops usually add.
        is_hit: what triggered the request concerns it.
    """

    site_id: str
    line_id: str
    name: str
    free_from: float
    family: str | None
    setup_id: str | None
    spans: list[tuple[float, float]]
    overtime: list[OvertimeOffer] = Field(default_factory=list)
    level: float = 1.0
    drift_ends_per_s: float = 0.0
    short_share: float = 0.0
    is_hit: bool = False


class EligibleLine(OutputModel):
    """A line that can make a run.

    Attributes:
        rate_pcs_per_h: planned good pieces an hour times the yield to be expected over the planned one.
        transfer_s, transfer_cost: to bring all of it to the site of its orders, where the line stands elsewhere.
    """

    site_id: str
    line_id: str
    rate_pcs_per_h: float
    transfer_s: float = 0.0
    transfer_cost: float = 0.0


class MaterialGate(OutputModel):
    """The last after_pcs good pieces can only be made with material that comes at a moment."""

    item_id: str
    at: float
    after_pcs: float
    receipt_id: str | None = None


class PeggedTo(OutputModel):
    """Part of a run that is for an order."""

    site_id: str
    order_id: str
    quantity_pcs: float


class Unlocked(OutputModel):
    """What a run would be without its lock: a planner may take that off again."""

    freedom: Freedom
    because: str = ""
    eligible: list[EligibleLine]


class SchedulingRun(OutputModel):
    """A run to be placed.

    Attributes:
        family: setup family of its item.
        state: of the run (planned, setup, running, held, suspended).
        freedom: how far it may be moved, and because of what.
        line_id: where it is planned, on its own site; None: not planned yet (a rush order's).
        position: in that line's queue, from 0; planned_start, planned_end: as committed.
        remaining_pcs: good pieces still to make.
        setup_s: setup before it whatever came before; None: the matrix decides.
        next_piece_at: begun runs: when it makes its next piece.
        release_at: not before this, for material; not_before: a planner's lock.
        locked_line_id: line that a planner's lock pins it to; unlocked: what it is without the lock, None where it has none.
        fed_by: runs of the problem that must end first, as (site_id, run_id); fed_at: latest end of those outside it.
        moves: times that it was moved by committed proposals in this shift.
    """

    site_id: str
    run_id: str
    item_id: str
    family: str | None
    state: Literal["planned", "setup", "running", "held", "suspended"] = "planned"
    freedom: Freedom
    because: str = ""
    line_id: str | None
    position: int | None
    planned_start: float | None
    planned_end: float | None
    quantity_pcs: float
    remaining_pcs: float
    setup_s: float | None = None
    next_piece_at: float | None = None
    release_at: float | None = None
    not_before: float | None = None
    locked_line_id: str | None = None
    unlocked: Unlocked | None = None
    eligible: list[EligibleLine]
    gates: list[MaterialGate] = Field(default_factory=list)
    fed_by: list[tuple[str, str]] = Field(default_factory=list)
    fed_at: float | None = None
    pegs: list[PeggedTo] = Field(default_factory=list)
    moves: int = 0


class SchedulingOrder(OutputModel):
    """An open order that runs of the problem are for.

    Attributes:
        on_time_slot: last departure that keeps the promise; the promise itself without a route.
        loading_s: goods must be ready so long before a departure.
        departures: of its route, from as_of on, in order; None: it leaves when it is ready.
        ready_elsewhere: latest end of its runs outside the problem; None: there are none.
        penalty_per_day: money a started day of slip; weight: of its customer.
        misses: (moment, probability), both rising: where it is ready, at its site, after the moment and still in time for
            on_time_slot, it misses that departure all the same with the probability; before the first one with none. Pace
            and stops are uncertain, and the later in the day, the less time is left to make up for them.
    """

    site_id: str
    order_id: str
    customer_id: str
    customer_name: str
    item_id: str
    quantity_pcs: float
    promised: float
    on_time_slot: float
    loading_s: float = 0.0
    departures: list[float] | None = None
    ready_elsewhere: float | None = None
    penalty_per_day: float | None = None
    weight: float = 1.0
    cannot_slip: bool = False
    unit_price: float | None = None
    unit_cost: float | None = None
    priority: int = 0
    misses: list[tuple[float, float]] = Field(default_factory=list)


class SchedulingProblem(OutputModel):
    """Everything that a plan is judged by.

    Attributes:
        as_of: the shard's clock, whole minutes; nothing is set up before it.
        horizon_end: spans and departures reach to here. What does not fit before it goes on after it as if the lines
            were always open, and takes the departures of the last known week again.
        zone: IANA time zone in which people there speak of moments.
        frozen_until: planned runs that start before it keep line and sequence.
        goal: orders the options; min_gain: money below which no option but hold is worth a word.
        move_cost: money that moving a run to another line or place must save at least (stability).
        seed, move_budget: of the search; the same give the same answer.
    """

    problem_id: str
    as_of: float
    horizon_end: float
    frozen_until: float
    currency: str = "EUR"
    zone: str = "UTC"
    goal: Goal = "service"
    min_gain: float = 0.0
    move_cost: float = 0.0
    seed: int = 1
    move_budget: int = 1_000_000
    lines: list[SchedulingLine]
    setups: list[SetupMatrix] = Field(default_factory=list)
    runs: list[SchedulingRun]
    orders: list[SchedulingOrder]
