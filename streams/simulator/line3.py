"""The Line 3 case as exact events: a line that runs 8 % slow without any stop, and a truck that will be missed.

Golden input: tests hold the events to numbers that were worked out by hand (line3_case.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas import (
    CountReported,
    Event,
    OrderShipped,
    RunCompleted,
    RunStarted,
    SetupStarted,
    ShipmentDeparted,
)
from streams.simulator.clock import IDLE_STEP_S, TimedEvent, moment, tick_times, with_clock
from streams.simulator.line3_case import (
    ACTUAL_RATE_PCS_PER_H,
    BEGIN,
    CALENDAR,
    COUNT_STEP_S,
    GATEWAY_ID,
    LINE_ID,
    RUNS,
    SETUP_MIN,
    SITE_ID,
    ZONE,
)
from streams.simulator.line3_plant import line3_plant_events


def line3_events(until: datetime, clock_step_s: float = 300.0) -> Iterator[Event]:
    """The whole case from Monday 16 November 2026 06:00, in event-time order, with its clock.

    Args:
        until: the last moment; the clock ticks on it.
        clock_step_s: step of the clock in working time; it also stops at each shift boundary.
    """
    end_s = until.timestamp()
    ticks = tick_times(
        working=CALENDAR.intervals(BEGIN.timestamp(), end_s),
        start_s=BEGIN.timestamp(),
        end_s=end_s,
        working_step_s=clock_step_s,
        idle_step_s=max(IDLE_STEP_S, clock_step_s),
    )
    yield from with_clock(line3_timed_events(), ticks, SITE_ID, ZONE)


def line3_timed_events() -> Iterator[TimedEvent]:
    """The case without its clock, to the last truck: nothing arrives late, so each event comes at its own time."""
    for event in line3_plant_events():
        yield event.event_time.timestamp(), event
    happened = [*_floor_events(), *_shipping_events()]
    for event in sorted(
        happened, key=lambda event: event.event_time
    ):  # stable: what happens at once keeps its order
        yield event.event_time.timestamp(), event


@dataclass(frozen=True, slots=True)
class Made:
    """When a run was really made, POSIX seconds, rounded to whole ones."""

    setup_s: float | None
    start_s: float
    end_s: float


def made_runs() -> dict[str, Made]:
    """Setup, start and end of each run as the line really makes them."""
    made: dict[str, Made] = {}
    free_s: float | None = None
    for run in RUNS:
        if free_s is None:  # the line stands set up for the first run
            start_s = run.planned_start_at.timestamp()
        else:
            start_s = CALENDAR.add_work(free_s, SETUP_MIN * 60.0)
        end_s = float(round(CALENDAR.add_work(start_s, run.quantity_pcs * 3600.0 / ACTUAL_RATE_PCS_PER_H)))
        made[run.run_id] = Made(setup_s=free_s, start_s=start_s, end_s=end_s)
        free_s = end_s
    return made


def _floor_events() -> Iterator[Event]:
    """What the gateway of Line 3 says, numbered as it says it."""
    sequence = 0
    for run_id, made in made_runs().items():
        quantity = next(run.quantity_pcs for run in RUNS if run.run_id == run_id)
        told: list[tuple[float, type[SetupStarted | RunStarted | RunCompleted] | int]] = []
        if made.setup_s is not None:
            told.append((made.setup_s, SetupStarted))
        told.append((made.start_s, RunStarted))
        told += _counts(made, quantity)
        told.append((made.end_s, RunCompleted))
        for at_s, what in told:
            sequence += 1
            common = {
                "event_id": f"{GATEWAY_ID}/{sequence}",
                "event_time": moment(at_s, ZONE),
                "site_id": SITE_ID,
                "source_id": GATEWAY_ID,
                "source_sequence": sequence,
                "line_id": LINE_ID,
                "run_id": run_id,
            }
            if isinstance(what, int):
                yield CountReported.model_validate({**common, "good_count": float(what)})
            else:
                yield what.model_validate(common)


def _counts(made: Made, quantity_pcs: int) -> Iterator[tuple[float, int]]:
    """Pieces since the last report, every five minutes of the wall clock; the last report carries the rest."""
    reported = 0
    for shift_start, shift_end in CALENDAR.intervals(made.start_s, made.end_s):
        at_s = shift_start - shift_start % COUNT_STEP_S + COUNT_STEP_S
        while at_s <= shift_end and at_s < made.end_s:
            worked_s = round(CALENDAR.work_between(made.start_s, at_s))
            pieces = worked_s * ACTUAL_RATE_PCS_PER_H // 3600
            yield at_s, pieces - reported
            reported = pieces
            at_s += COUNT_STEP_S
    yield made.end_s, quantity_pcs - reported


def _shipping_events() -> Iterator[Event]:
    for run in RUNS:
        yield ShipmentDeparted(
            event_id=f"wms/departed/{run.order_id}",
            event_time=run.shipped_at,
            site_id=SITE_ID,
            shipment_id=f"{run.route_id}/{run.shipped_at:%Y-%m-%d}",
            route_id=run.route_id,
            order_ids=[run.order_id],
        )
        yield OrderShipped(
            event_id=f"erp/shipped/{run.order_id}",
            event_time=run.shipped_at + timedelta(minutes=5),
            site_id=SITE_ID,
            order_id=run.order_id,
            shipped_pcs=float(run.quantity_pcs),
        )
