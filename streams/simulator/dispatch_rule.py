"""The planner without us: the dispatch rule ATCS on everything that waits, its two parameters tuned on a small grid.

ATCS (apparent tardiness cost with setups; Lee, Bhaskaran and Pinedo 1997), each time for the line that is free first:

    index = w / p x exp(-max(0, d - p - t) / (k1 x mean p)) x exp(-s / (k2 x mean s))

with weight w, work p on that line, d the moment by which goods must be ready for their truck, t now and s the setup
from what the line is set up for; all in the line's working time. The best index goes next.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from streams.simulator.book import Run
from streams.simulator.plant import Line, Site

HOUR_S = 3_600.0
K1 = (0.5, 1.0, 2.0, 4.0)
K2 = (0.05, 0.15, 0.4, 1.0)
"""The grid: every pair is tried on today's plan, the one with the least planned weighted tardiness is taken."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that has not begun, and the lines that can make it."""

    run: Run
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run goes, in POSIX seconds; setup lies between setup_s and start_s."""

    run: Run
    line: Line
    setup_s: float
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class RulePlan:
    """A plan of the rule, and what it expects.

    Attributes:
        k1, k2: that made it.
        positions: by line, in sequence.
        weighted_tardiness_h, setup_min: as planned.
    """

    k1: float
    k2: float
    positions: dict[str, list[Position]]
    weighted_tardiness_h: float
    setup_min: float


def plan_by_rule(
    site: Site,
    waiting: Sequence[Waiting],
    free: Mapping[str, tuple[float, str]],
    now_s: float,
    air_s: float = 0.0,
) -> RulePlan:
    """The best plan of the grid.

    Args:
        site: setups, routes, zone.
        waiting: what is to be planned.
        free: of each line: when what it is on ends, POSIX seconds, and the family that it is set up for then.
        now_s: nothing is set up before it.
        air_s: goods are planned to be ready so long before they must be.
    """
    latest = {each.run.run_id: _ready_by(each.run) - air_s for each in waiting}
    plans = [_plan(site, waiting, free, now_s, latest, k1, k2, air_s) for k1, k2 in product(K1, K2)]
    return min(
        plans, key=lambda plan: (round(plan.weighted_tardiness_h, 3), plan.setup_min, plan.k1, plan.k2)
    )


def _ready_by(run: Run) -> float:
    """When the goods must be ready for the truck that was promised."""
    return min((order.promised_s - order.route.loading_min * 60.0 for order, _ in run.pegs), default=math.inf)


def _weight(run: Run) -> float:
    return sum(order.customer.weight for order, _ in run.pegs)


def _plan(
    site: Site,
    waiting: Sequence[Waiting],
    free: Mapping[str, tuple[float, str]],
    now_s: float,
    latest: Mapping[str, float],
    k1: float,
    k2: float,
    air_s: float,
) -> RulePlan:
    lines = {line.line_id: line for line in site.lines if line.line_id in free}
    state = {
        line_id: (lines[line_id].calendar.next_working(max(now_s, at_s)), family)
        for line_id, (at_s, family) in free.items()
    }
    left = {each.run.run_id: each for each in waiting}
    works = [_work_s(each.run, each.lines[0]) for each in waiting]
    mean_work_s = max(1.0, sum(works) / max(1, len(works)))
    setups = [minutes * 60.0 for minutes in site.setup_min.values()]
    mean_setup_s = max(1.0, sum(setups) / max(1, len(setups)))
    positions: dict[str, list[Position]] = {line_id: [] for line_id in lines}
    tardiness_h = setup_min = 0.0
    while left:
        # The line that is free first, of those for which anything waits.
        busy = {line.line_id for each in left.values() for line in each.lines}
        line = lines[min(sorted(busy), key=lambda line_id: state[line_id][0])]
        free_s, family = state[line.line_id]
        mine = [each.run for each in left.values() if line in each.lines]
        released = [run for run in mine if run.release_s <= free_s]
        if not released:
            state[line.line_id] = (line.calendar.next_working(min(run.release_s for run in mine)), family)
            continue
        best, best_index = released[0], -math.inf
        for run in released:
            work_s = _work_s(run, line)
            slack_s = max(0.0, line.calendar.work_between(free_s, latest[run.run_id]) - work_s)
            setup_s = site.setup_minutes(line, family, run.item.family) * 60.0
            index = math.log(
                _weight(run) / work_s
            )  # the logarithm, so that what is due in weeks still differs
            index -= slack_s / (k1 * mean_work_s) + setup_s / (k2 * mean_setup_s)
            if index > best_index:
                best, best_index = run, index
        minutes = site.setup_minutes(line, family, best.item.family)
        start_s = line.calendar.next_working(line.calendar.add_work(free_s, minutes * 60.0))
        end_s = line.calendar.add_work(start_s, _work_s(best, line))
        positions[line.line_id].append(Position(best, line, free_s, start_s, end_s))
        state[line.line_id] = (line.calendar.next_working(end_s), best.item.family)
        del left[best.run_id]
        setup_min += minutes
        for order, _ in best.pegs:
            late_s = order.route.next_departure(end_s + air_s, site.zone) - order.promised_s
            tardiness_h += max(0.0, late_s) / HOUR_S * order.customer.weight
    return RulePlan(k1, k2, positions, tardiness_h, setup_min)


def _work_s(run: Run, line: Line) -> float:
    return run.quantity_pcs / line.rate_pcs_per_h * HOUR_S
