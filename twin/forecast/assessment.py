"""Where an order stands: ready, on which truck, how late with which probability, and what that costs.

Every function here is pure and answers from the projections of lines; times are POSIX seconds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil, erf, exp, inf, sqrt
from typing import NamedTuple

from schemas import CustomerUpserted
from twin.forecast.experience import LONG_STOP_S, UNKNOWN, Experience
from twin.forecast.projection import ProjectedRun
from twin.forecast.stop_risk import AtRisk, OpenStop
from twin.state.entities import Line, Order, Run
from twin.state.shipping import SEARCH_DAYS, Route

DAY_S = 86_400.0
LEAST_SD_S = 60.0
"""No finish is known better than a minute: below it P(late) would jump between 0 and 1 on nothing."""

SUREST = 0.999
"""P(late) stays within 1 - SUREST .. SUREST: the model itself may be wrong."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """An order as projected. Money in the site's currency.

    Attributes:
        run, line: the run that is ready last, and its line.
        ready_at: its projected end; sd_work_s: standard deviation, in working time of the line.
        transfer_s: to bring it from there to the order's site, 0 where it is made there.
        on_time_slot: last departure that keeps the promise; need_by: ready by then, where it is made, to catch it.
        ships_at: first departure once it is there; late_ships_at: when it leaves if it misses on_time_slot.
        slip_s: how late it ships, never negative; slip_days: started days late if it misses on_time_slot.
        slack_s: from ready_at to need_by; overhang_s: working time from need_by to ready_at, negative = room.
        p_late: probability of missing on_time_slot; p_pace: by pace and short stops alone; long_stops: how many stops are
            expected that delay it beyond need_by; p_open_stop: that the present stop does.
        penalty: cost of slip_days; margin_before: without it; None where prices are unknown.
        experience: of its line's site, which its probabilities go by.
    """

    order: Order
    run: Run
    line: Line
    ready_at: float
    sd_work_s: float
    on_time_slot: float
    need_by: float
    ships_at: float | None
    late_ships_at: float | None
    slip_s: float
    slip_days: int
    slack_s: float
    overhang_s: float
    p_late: float
    p_pace: float
    long_stops: float
    p_open_stop: float
    penalty: float
    margin_before: float | None
    experience: Experience = UNKNOWN
    transfer_s: float = 0.0

    @property
    def margin_if_late(self) -> float | None:
        """Margin after the penalty."""
        return None if self.margin_before is None else self.margin_before - self.penalty

    @property
    def revenue(self) -> float | None:
        """Price of the whole order."""
        event = self.order.event
        return None if event.unit_price is None else event.unit_price * event.quantity_pcs


class Ready(NamedTuple):
    """The run that decides when an order is ready.

    Attributes:
        projection: of the run; None where it is finished.
        transfer_s: from its last piece to its being at the order's site.
    """

    line: Line
    run: Run
    projection: ProjectedRun | None
    transfer_s: float = 0.0


def ready_of(runs: Iterable[tuple[Line, Run]], brought_s: Callable[[Run], float]) -> Ready | None:
    """The run whose pieces are at the order's site last, among those of an order.

    Args:
        runs: of the order, with their lines.
        brought_s: seconds from the last piece of a run to its being at the order's site.

    Returns:
        None where nothing is planned, or a run was aborted and nothing replaces it.
    """
    last: Ready | None = None
    last_at = -inf
    for line, run in runs:
        if run.is_finished:
            ended = run.progress.ended_at
            if ended is None or run.progress.good_pcs <= 0:
                continue
            at, projection = ended, None
        else:
            projection = line.projected.get(run.run_id)
            if projection is None:
                continue
            at = projection.finish_at
        transfer_s = brought_s(run)
        if at + transfer_s > last_at:
            last, last_at = Ready(line, run, projection, transfer_s), at + transfer_s
    return last


def on_time_slot_of(order: Order, route: Route | None) -> float:
    """The last departure that keeps the promise; the promise itself where there is no route or no truck before it."""
    if route is None:
        return order.promised
    return route.last_at_or_before(order.promised) or order.promised


def assess(
    order: Order,
    ready: Ready,
    route: Route | None,
    penalty_per_day: float | None,
    experience: Experience = UNKNOWN,
) -> Assessment | None:
    """Judge one order from the run that is ready last.

    Args:
        order: what was promised.
        ready: the run that decides, as ready_of finds it.
        route: its trucks.
        penalty_per_day: money a started day late.
        experience: of the line's site.

    Returns:
        None where it is never ready: its line has no working time left.
    """
    line, run, projection, transfer_s = ready
    ready_at = (run.progress.ended_at or 0.0) if projection is None else projection.finish_at
    if ready_at == inf:
        return None
    sd_work_s = 0.0 if projection is None else projection.sd_work_s
    on_time_slot = order.state.on_time_slot
    assert on_time_slot is not None, f"order {order.order_id} was not booked on a slot"
    loading_s = 0.0 if route is None else route.loading_s
    need_by = on_time_slot - loading_s - transfer_s
    there_at = ready_at + transfer_s
    overhang_s = line.calendar.work_between(need_by, ready_at)
    if route is None:
        ships_at: float | None = there_at
        late_ships_at: float | None = max(there_at, on_time_slot + 1.0)
    else:
        ships_at = on_time_slot if ready_at <= need_by else route.first_at_or_after(there_at + loading_s)
        late_ships_at = (
            ships_at
            if ships_at is None or ships_at > on_time_slot
            else route.first_at_or_after(on_time_slot + 1.0)
        )
    # A route without any truck in sight: at least that long.
    ships_by = there_at + SEARCH_DAYS * DAY_S if ships_at is None else ships_at
    slip_s = max(0.0, ships_by - order.promised)
    late_by_s = 0.0 if late_ships_at is None else max(0.0, late_ships_at - order.promised)
    slip_days = ceil(late_by_s / DAY_S - 1e-9)
    event = order.event
    margin = (
        None
        if event.unit_price is None or event.unit_cost is None
        else round(event.quantity_pcs * (event.unit_price - event.unit_cost), 2)
    )
    room_s = max(0.0, -overhang_s)
    p_pace = probability_late(overhang_s, need_by - ready_at, sd_work_s)
    long_stops = p_open_stop = 0.0
    if projection is not None:
        long_stops = long_stops_expected(projection.at_risk, room_s, experience)
        p_open_stop = probability_not_over(projection.open_stop, room_s, experience)
    return Assessment(
        order=order,
        run=run,
        line=line,
        ready_at=ready_at,
        sd_work_s=sd_work_s,
        on_time_slot=on_time_slot,
        need_by=need_by,
        ships_at=ships_at,
        late_ships_at=late_ships_at,
        slip_s=slip_s,
        slip_days=slip_days,
        slack_s=need_by - ready_at,
        overhang_s=overhang_s,
        p_late=_within_belief(1.0 - (1.0 - p_pace) * exp(-long_stops) * (1.0 - p_open_stop)),
        p_pace=_within_belief(p_pace),
        long_stops=round(long_stops, 4),
        p_open_stop=round(p_open_stop, 3),
        penalty=round(slip_days * (penalty_per_day or 0.0), 2),
        margin_before=margin,
        experience=experience,
        transfer_s=transfer_s,
    )


def probability_late(overhang_s: float, slack_s: float, sd_work_s: float) -> float:
    """Probability that the goods are not ready in time by pace and short stops alone: normal in working time.

    Args:
        overhang_s: working time from the need to the projected end; 0 also where the need lies in a pause.
        slack_s: the same in plain time, which tells the sign in a pause.
        sd_work_s: standard deviation of the end.
    """
    if overhang_s == 0.0 and slack_s != 0.0:
        # Ready and needed in the same pause of the line: no work lies between, yet one comes first.
        overhang_s = -LEAST_SD_S if slack_s > 0 else LEAST_SD_S
    z = overhang_s / max(sd_work_s, LEAST_SD_S)
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))


def long_stops_expected(at_risk: AtRisk, room_s: float, experience: Experience) -> float:
    """How many stops are expected to come that are long enough to eat the room to the need, and what air is before it."""
    return sum(
        number * experience.share_longer(max(LONG_STOP_S, room_s + air_s)) for number, air_s in at_risk
    )


def probability_not_over(open_stop: OpenStop | None, room_s: float, experience: Experience) -> float:
    """Probability that a stop of unknown length, which has lasted for a while, goes on beyond the room."""
    if open_stop is None:
        return 0.0
    lasted_s, air_s = open_stop
    return experience.share_longer(lasted_s + room_s + air_s) / experience.share_longer(lasted_s)


def _within_belief(probability: float) -> float:
    """3 decimals, and neither certain nor impossible."""
    return round(min(SUREST, max(1.0 - SUREST, probability)), 3)


def penalty_rate(order: Order, customer: CustomerUpserted | None, agreed: float | None) -> float | None:
    """Money a started day: the order's, else the agreed rate of its customer, else the customer's own."""
    if order.event.penalty_per_day is not None:
        return order.event.penalty_per_day
    if agreed is not None:
        return agreed
    return None if customer is None else customer.penalty_per_day
