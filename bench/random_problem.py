"""Scheduling problems from a seed: lines with shifts, families, trucks and customers, and a plan that mostly holds.

Nothing in them is tuned to the engine: lines are loaded by due date as a planner's spreadsheet would, and every feature
of the contract appears (gates, feeds, drift that ends, short stops, overtime, two sites, parts already made).
"""

from dataclasses import dataclass
from random import Random

from schemas.scheduling import (
    EligibleLine,
    MaterialGate,
    OvertimeOffer,
    PeggedTo,
    SchedulingLine,
    SchedulingOrder,
    SchedulingProblem,
    SchedulingRun,
    SetupMatrix,
    SetupTime,
)

HOUR_S, DAY_S = 3600.0, 86_400.0
MONDAY = 1_795_392_000.0  # Mon 23 Nov 2026 00:00 UTC
FAMILIES = ("A", "B", "C", "D", "E")


@dataclass(frozen=True)
class Size:
    """How large, and how full of everything, a problem is.

    Attributes:
        lines, runs: how many; weeks: of the horizon.
        extras: share of runs with a gate, a release, a lock or a feed.
        work_h: mean hours of work of a run.
    """

    lines: int
    runs: int
    weeks: int = 4
    sites: int = 1
    extras: float = 0.1
    work_h: float = 6.0


def random_problem(seed: int, size: Size) -> SchedulingProblem:
    """A problem as it stands on a Monday morning, nothing having happened yet."""
    random = Random(seed)
    as_of = MONDAY + 8 * HOUR_S
    horizon_end = MONDAY + size.weeks * 7 * DAY_S
    sites = [f"plant-{number + 1}" for number in range(size.sites)]
    lines = [_line(random, sites[index % size.sites], index, as_of, size) for index in range(size.lines)]
    setups = [_matrix(random, f"m{number}") for number in range(2)]
    # What each line has done so far in this plan: seconds of work, as a spreadsheet adds it up.
    loaded = {(line.site_id, line.line_id): 0.0 for line in lines}
    queues: dict[tuple[str, str], list[SchedulingRun]] = {key: [] for key in loaded}
    orders: list[SchedulingOrder] = []
    number = 0
    while number < size.runs:
        home = (
            lines[random.randrange(len(lines))]
            if random.random() < 0.2
            else min(lines, key=lambda line: loaded[line.site_id, line.line_id])
        )
        order_id = f"{4000 + len(orders)}"
        parts = 2 if random.random() < 0.1 and number + 2 <= size.runs else 1
        item, family = f"item-{random.randrange(30)}", random.choice(FAMILIES)
        last = 0.0
        quantity = 0.0
        for _ in range(parts):
            run, end = _run(random, number, home, lines, item, family, order_id, as_of, size, queues, loaded)
            queues[home.site_id, home.line_id].append(run)
            last, quantity = max(last, end), quantity + run.quantity_pcs
            number += 1
        orders.append(_order(random, home.site_id, order_id, item, quantity, last, as_of, horizon_end))
    runs = [run for queue in queues.values() for run in queue]
    return SchedulingProblem(
        problem_id=f"random/{seed}",
        as_of=as_of,
        horizon_end=horizon_end,
        frozen_until=as_of + 2 * HOUR_S,
        move_cost=20.0,
        min_gain=50.0,
        seed=seed,
        move_budget=20_000,
        lines=lines,
        setups=setups,
        runs=_fed(random, runs, size),
        orders=orders,
    )


def _line(random: Random, site_id: str, index: int, as_of: float, size: Size) -> SchedulingLine:
    begin, end = random.choice([(6, 22), (6, 22), (6, 14), (0, 24)])
    spans = [
        (MONDAY + day * DAY_S + begin * HOUR_S, MONDAY + day * DAY_S + end * HOUR_S)
        for day in range(7 * size.weeks)
        if day % 7 < 5
    ]
    overtime = [
        OvertimeOffer(
            window_id=f"sat-{week}",
            start=MONDAY + (7 * week + 5) * DAY_S + 6 * HOUR_S,
            end=MONDAY + (7 * week + 5) * DAY_S + 14 * HOUR_S,
            notice_by=MONDAY + (7 * week + 4) * DAY_S + 14 * HOUR_S,
            cost_per_h=float(random.randrange(200, 800, 50)),
        )
        for week in range(2)
    ]
    drifts = random.random() < 0.2
    return SchedulingLine(
        site_id=site_id,
        line_id=f"L{index + 1}",
        name=f"Line {index + 1}",
        free_from=as_of - (DAY_S if random.random() < 0.1 else 0.0),
        family=random.choice([*FAMILIES, None]),
        setup_id=None if random.random() < 0.1 else f"m{random.randrange(2)}",
        spans=spans,
        overtime=overtime,
        level=random.choice([0.85, 0.92, 1.05]) if drifts else 1.0,
        drift_ends_per_s=1 / (40 * HOUR_S) if drifts and random.random() < 0.5 else 0.0,
        short_share=random.choice([0.0, 0.0, 0.02]),
    )


def _matrix(random: Random, setup_id: str) -> SetupMatrix:
    return SetupMatrix(
        setup_id=setup_id,
        entries=[
            SetupTime(
                from_family=before,
                to_family=after,
                setup_s=random.randrange(10, 90, 5) * 60.0,
                cost=float(random.randrange(0, 120, 20)),
            )
            for before in FAMILIES
            for after in FAMILIES
            if before != after and random.random() < 0.9
        ],
        default_s=45 * 60.0,
        same_family_s=random.choice([0.0, 300.0]),
    )


def _run(
    random: Random,
    number: int,
    home: SchedulingLine,
    lines: list[SchedulingLine],
    item: str,
    family: str,
    order_id: str,
    as_of: float,
    size: Size,
    queues: dict[tuple[str, str], list[SchedulingRun]],
    loaded: dict[tuple[str, str], float],
) -> tuple[SchedulingRun, float]:
    key = (home.site_id, home.line_id)
    rate = float(random.randrange(200, 900, 20))
    hours = max(0.5, random.gauss(size.work_h, size.work_h / 3))
    pieces = float(round(rate * hours))
    queue = queues[key]
    position = len(queue)
    begun = position == 0 and random.random() < 0.7 and home.free_from == as_of
    setup_s = 0.0 if begun else 30 * 60.0
    start = _walk(home, as_of, loaded[key] + setup_s)
    loaded[key] += setup_s + hours * HOUR_S
    end = _walk(home, as_of, loaded[key])
    others = random.sample(lines, k=min(len(lines), random.choice([1, 2, 3, 4])))
    eligible = [
        EligibleLine(
            site_id=line.site_id,
            line_id=line.line_id,
            rate_pcs_per_h=rate if line is home else float(round(rate * random.uniform(0.7, 1.15))),
            transfer_s=0.0 if line.site_id == home.site_id else 6 * HOUR_S,
            transfer_cost=0.0 if line.site_id == home.site_id else float(random.randrange(100, 600, 50)),
        )
        for line in [home, *(other for other in others if other is not home)]
    ]
    has = [random.random() < size.extras for _ in range(4)]
    frozen = not begun and start < as_of + 2 * HOUR_S
    made = round(pieces * random.uniform(0.1, 0.8)) if begun else 0
    run = SchedulingRun(
        site_id=home.site_id,
        run_id=f"R-{number}",
        item_id=item,
        family=family if random.random() < 0.97 else None,
        state="running" if begun else "planned",
        freedom="started" if begun else "frozen" if frozen else "firm" if random.random() < 0.05 else "free",
        line_id=home.line_id,
        position=position,
        planned_start=start if not begun else as_of - 2 * HOUR_S,
        planned_end=end,
        quantity_pcs=pieces,
        remaining_pcs=pieces - made,
        setup_s=1200.0 if random.random() < 0.05 else None,
        next_piece_at=as_of if begun else None,
        release_at=start - random.uniform(0, DAY_S) if has[0] else None,
        not_before=start - random.uniform(0, DAY_S) if has[1] and not frozen else None,
        eligible=eligible,
        gates=[MaterialGate(item_id="part-1", at=start + random.uniform(-DAY_S, DAY_S), after_pcs=pieces / 3)]
        if has[2]
        else [],
        pegs=[PeggedTo(site_id=home.site_id, order_id=order_id, quantity_pcs=pieces)],
    )
    return run, end


def _walk(line: SchedulingLine, start: float, work_s: float) -> float:
    for begin, end in line.spans:
        here = max(begin, start)
        if here >= end:
            continue
        if work_s <= end - here:
            return here + work_s
        work_s -= end - here
    return line.spans[-1][1]


def _order(
    random: Random,
    site_id: str,
    order_id: str,
    item: str,
    quantity: float,
    end: float,
    as_of: float,
    horizon_end: float,
) -> SchedulingOrder:
    noon = [MONDAY + day * DAY_S + 12 * HOUR_S for day in range(int((horizon_end - MONDAY) / DAY_S))]
    weekdays = random.choice([(1, 3), (0, 2, 4), (4,), (0, 1, 2, 3, 4)])
    departures = [
        moment for moment in noon if int((moment - MONDAY) / DAY_S) % 7 in weekdays and moment >= as_of
    ]
    has_route = random.random() < 0.7
    promise = max(as_of + HOUR_S, end + random.choice([-0.2, 0.3, 0.7, 1.5, 3.0]) * DAY_S)
    if has_route:
        promise = next((each for each in departures if each >= promise), departures[-1])
    customer = random.choice(["Northwind", "Alpine", "Contoso", "Fabrikam"])
    return SchedulingOrder(
        site_id=site_id,
        order_id=order_id,
        customer_id=customer.lower(),
        customer_name=customer,
        item_id=item,
        quantity_pcs=quantity,
        promised=promise,
        on_time_slot=promise,
        loading_s=random.choice([0.0, 1800.0]) if has_route else 0.0,
        departures=departures if has_route else None,
        penalty_per_day=None if random.random() < 0.05 else float(random.randrange(100, 3000, 100)),
        weight=2.0 if customer == "Northwind" else 1.0,
        cannot_slip=customer == "Northwind",
        unit_price=2.0,
        unit_cost=1.7,
        misses=_misses(order_id, promise),
    )


def _misses(order_id: str, promise: float) -> list[tuple[float, float]]:
    """Of every second order, moments after which it is less and less sure; from chance of their own."""
    random = Random(f"{order_id}/{promise}")
    if random.random() < 0.5:
        return []
    rooms = sorted((random.uniform(0.5, 30.0) for _ in range(random.randint(1, 5))), reverse=True)
    chances = sorted(round(random.uniform(0.02, 0.7), 3) for _ in rooms)
    return [(promise - room * HOUR_S, chance) for room, chance in zip(rooms, chances, strict=True)]


def _fed(random: Random, runs: list[SchedulingRun], size: Size) -> list[SchedulingRun]:
    """Some runs wait for one that was planned to end before they start."""
    fed: list[SchedulingRun] = []
    for run in runs:
        before = [
            other
            for other in runs
            if run.state == "planned"
            and other.planned_end is not None
            and run.planned_start is not None
            and other.planned_end <= run.planned_start
            and (other.site_id, other.line_id) != (run.site_id, run.line_id)
        ]
        if before and random.random() < size.extras / 4:
            feeder = random.choice(before)
            fed.append(run.model_copy(update={"fed_by": [(feeder.site_id, feeder.run_id)]}))
        else:
            fed.append(run)
    return fed
