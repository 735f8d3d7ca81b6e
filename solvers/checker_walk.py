"""The checker's own walk of a plan through time, and its own figures. Imports nothing of solvers/.

Everything is worked out span by span in plain loops: slow, short, and unlike the evaluator.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, exp

from schemas.scheduling import SchedulingLine, SchedulingOrder, SchedulingProblem, SchedulingRun

Key = tuple[str, str]
"""Site and id."""

DAY_S = 86_400.0
ROUNDING_S = 1e-4
"""Seconds that float arithmetic may lack at the end of a shift."""

NEVER = 4e12
"""After every moment of a plan: the year 128,000."""


@dataclass(frozen=True)
class Placed:
    """A run of a plan: which one it is or is split from, when it is planned, and what it still makes."""

    key: Key
    run: SchedulingRun
    planned_start: float | None
    remaining_pcs: float
    is_split: bool = False


@dataclass(frozen=True)
class Shipment:
    """When an order leaves, how late, at what penalty; and in time, what it may still come to, times the probability."""

    ships_at: float | None
    slip_s: float
    penalty: float
    at_risk: float = 0.0


@dataclass
class Simulation:
    """What a plan leads to.

    Attributes:
        spans: worked time of each line, open from the horizon on.
        starts, ends, work_s, setups: of each run; a setup is seconds and cost.
        orders: shipment of each.
        stuck: runs that wait for each other, in words.
    """

    spans: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)
    starts: dict[Key, float] = field(default_factory=dict)
    ends: dict[Key, float] = field(default_factory=dict)
    work_s: dict[Key, float] = field(default_factory=dict)
    setups: dict[Key, tuple[float, float]] = field(default_factory=dict)
    orders: dict[Key, Shipment] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)

    def is_worked(self, line: Key, moment: float) -> bool:
        """Whether a line works at a moment, or has just begun or ended to."""
        spans = self.spans[line]
        near = spans[_first(spans, moment - 2.0) :][:2]
        return any(start - 1.0 <= moment <= end + 1.0 for start, end in near)

    def work_between(self, line: Key, start: float, end: float) -> float:
        """Working time of a line between two moments."""
        worked_s = 0.0
        spans = self.spans[line]
        for index in range(_first(spans, start), len(spans)):
            begin, stop = spans[index]
            if begin >= end:
                break
            worked_s += max(0.0, min(end, stop) - max(start, begin))
        return worked_s


def simulate(
    problem: SchedulingProblem,
    queues: Mapping[Key, list[Placed]],
    committed: Mapping[Key, list[Key]],
    bought: Mapping[Key, list[tuple[float, float]]],
) -> Simulation:
    """Walk every line's queue; a run that is fed waits for its feeders."""
    found = Simulation()
    lines = {(line.site_id, line.line_id): line for line in problem.lines}
    tables = {
        matrix.setup_id: (matrix, {(each.from_family, each.to_family): each for each in matrix.entries})
        for matrix in problem.setups
    }
    state: dict[Key, tuple[int, float, str | None, float]] = {}
    for key, line in lines.items():
        found.spans[key] = _spans(line, problem.horizon_end, bought.get(key, []))
        state[key] = (0, line.free_from, line.family, 0.0)
    progress = True
    while progress:
        progress = False
        for key, queue in queues.items():
            line = lines[key]
            place, free_at, family, ahead_s = state[key]
            while place < len(queue):
                each = queue[place]
                run = each.run
                if any(feeder not in found.ends for feeder in run.fed_by):
                    break
                setup = (0.0, 0.0)
                if run.state != "planned" and not each.is_split:
                    start = run.next_piece_at or 0.0
                    if place > 0:
                        start = max(start, free_at)
                else:
                    if line.setup_id is not None and family is not None and run.family is not None:
                        matrix, entries = tables[line.setup_id]
                        entry = entries.get((family, run.family))
                        same = matrix.same_family_s if family == run.family else matrix.default_s
                        setup = (same, 0.0) if entry is None else (entry.setup_s, entry.cost)
                    if run.setup_s is not None:
                        setup = (run.setup_s, setup[1])
                    is_head = place == 0 and committed[key][:1] == [each.key]
                    start = _begin(problem, found.spans[key], each, setup[0], free_at, is_head, place == 0)
                    fed = [found.ends[feeder] for feeder in run.fed_by]
                    fed += [] if run.fed_at is None else [run.fed_at]
                    for moment in fed:
                        if moment > start:
                            start = _worked_from(found.spans[key], moment)
                rate = _eligible(run, key)[0]
                hours = each.remaining_pcs / rate
                full_s = hours * 3600.0 / line.level
                work_s = _with_drift(line, full_s, ahead_s) * (1.0 + line.short_share)
                end = _done(found.spans[key], start, work_s)
                for gate in run.gates:
                    if gate.at > start and each.remaining_pcs > 0:
                        held_s = min(gate.after_pcs, each.remaining_pcs) / rate * 3600.0 / line.level
                        late = _done(found.spans[key], gate.at, held_s)
                        if found.work_between(key, end, late) > 0.0:
                            end = late
                found.starts[each.key], found.ends[each.key] = start, end
                found.work_s[each.key], found.setups[each.key] = work_s, setup
                place, free_at, ahead_s = place + 1, end, ahead_s + full_s
                family = run.family if run.family is not None else family
                progress = True
            state[key] = (place, free_at, family, ahead_s)
    for key, queue in queues.items():
        found.stuck += [
            f"run {each.key[0]}/{each.key[1]} waits for a run that waits for it"
            for each in queue[state[key][0] : state[key][0] + 1]
        ]
    if not found.stuck:
        _ship(problem, queues, found)
    return found


def _eligible(run: SchedulingRun, line: Key) -> tuple[float, float, float]:
    """Pieces an hour, seconds and cost of transfer; a run that a lock wants elsewhere keeps its pace where it is."""
    for each in run.eligible:
        if (each.site_id, each.line_id) == line:
            return each.rate_pcs_per_h, each.transfer_s, each.transfer_cost
    return run.eligible[0].rate_pcs_per_h, 0.0, 0.0


def _begin(
    problem: SchedulingProblem,
    spans: list[tuple[float, float]],
    each: Placed,
    setup_s: float,
    free_at: float,
    is_committed_head: bool,
    is_first: bool,
) -> float:
    """When a run that has not begun can start: plan, material, lock, and setup after the run before it."""
    run = each.run
    earliest = problem.as_of if each.planned_start is None else each.planned_start
    for moment in (run.release_at, run.not_before):
        if moment is not None:
            earliest = max(earliest, moment)
    if is_first:
        as_planned = (
            is_committed_head
            and not each.is_split
            and each.planned_start is not None
            and run.planned_start is not None
            and each.planned_start >= run.planned_start - 1e-3
            and earliest >= problem.as_of
        )
        if not as_planned:
            free_at = max(free_at, problem.as_of)
    return max(_worked_from(spans, earliest), _worked_from(spans, _done(spans, free_at, setup_s)))


def _with_drift(line: SchedulingLine, full_s: float, ahead_s: float) -> float:
    """Work at the line's pace; where its drift ends at a rate, only the part in which it goes on is slow."""
    rate = line.drift_ends_per_s
    if rate <= 0.0:
        return full_s
    goes_on_s = (exp(-rate * ahead_s) - exp(-rate * (ahead_s + full_s))) / rate
    return full_s * line.level + (1.0 - line.level) * goes_on_s


def _spans(
    line: SchedulingLine, horizon_end: float, bought: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    edges = sorted([(start, end) for start, end in line.spans] + bought)
    last = max([horizon_end, *(end for _, end in line.spans)])
    spans: list[tuple[float, float]] = []
    for start, end in [*edges, (last, NEVER)]:
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _done(spans: list[tuple[float, float]], start: float, work_s: float) -> float:
    """When so much work is done that begins at a moment."""
    if work_s <= 0.0:
        return start
    for index in range(_first(spans, start), len(spans)):
        begin, end = spans[index]
        if end <= start:
            continue
        here = max(begin, start)
        if work_s <= end - here + ROUNDING_S:
            return min(here + work_s, end)
        work_s -= end - here
    raise AssertionError("the last span never ends")


def _worked_from(spans: list[tuple[float, float]], moment: float) -> float:
    """The first worked moment from one on."""
    index = _first(spans, moment)
    return max(spans[index][0], moment) if spans[index][1] > moment else spans[index + 1][0]


def _first(spans: list[tuple[float, float]], moment: float) -> int:
    """The last span that begins by a moment, else the first one: none before it reaches the moment."""
    return max(0, bisect_right(spans, (moment, NEVER + 1.0)) - 1)


def _ship(problem: SchedulingProblem, queues: Mapping[Key, list[Placed]], found: Simulation) -> None:
    ready: dict[Key, float] = {
        (order.site_id, order.order_id): order.ready_elsewhere
        for order in problem.orders
        if order.ready_elsewhere is not None
    }
    on_a_line: set[Key] = set()
    for line, queue in queues.items():
        for each in queue:
            on_a_line.add(each.key)
            transfer_s = _eligible(each.run, line)[1]
            for peg in each.run.pegs:
                owner = (peg.site_id, peg.order_id)
                brought_s = transfer_s if line[0] != peg.site_id else 0.0
                ready[owner] = max(ready.get(owner, 0.0), found.ends[each.key] + brought_s)
    nowhere = {
        (peg.site_id, peg.order_id)
        for run in problem.runs
        if (run.site_id, run.run_id) not in on_a_line
        for peg in run.pegs
    }
    for order in problem.orders:
        key = (order.site_id, order.order_id)
        if key in nowhere:
            slip_s = max(DAY_S, problem.horizon_end - order.promised)
            found.orders[key] = Shipment(None, slip_s, _penalty(order, slip_s))
        elif key in ready:
            ships_at = _departure(order, ready[key])
            by = ready[key] + 60 * DAY_S if ships_at is None else ships_at
            slip_s = max(0.0, by - order.promised)
            at_risk = 0.0 if slip_s > 0.0 else _at_risk(order, ready[key])
            found.orders[key] = Shipment(ships_at, slip_s, _penalty(order, slip_s), at_risk)
        else:
            found.orders[key] = Shipment(None, 0.0, 0.0)


def _departure(order: SchedulingOrder, ready_at: float) -> float | None:
    """The first departure that goods catch; beyond the last one known, those of its last week repeat."""
    if order.departures is None:
        return ready_at
    if ready_at + order.loading_s <= order.on_time_slot:
        return order.on_time_slot
    later = [each for each in order.departures if each >= ready_at + order.loading_s]
    if later or not order.departures:
        return min(later, default=None)
    week = [each for each in order.departures if each > order.departures[-1] - 7 * DAY_S]
    while True:
        week = [each + 7 * DAY_S for each in week]
        later = [each for each in week if each >= ready_at + order.loading_s]
        if later:
            return min(later)


def _penalty(order: SchedulingOrder, slip_s: float) -> float:
    return round(ceil(slip_s / DAY_S - 1e-9) * (order.penalty_per_day or 0.0), 2)


def _at_risk(order: SchedulingOrder, ready_at: float) -> float:
    """The penalty of missing the departure that it catches as projected, times the probability of that."""
    probability = max((chance for moment, chance in order.misses if moment < ready_at), default=0.0)
    if probability == 0.0:
        return 0.0
    missed = order.on_time_slot - order.loading_s + 1.0
    ships_at = _departure(order, missed)
    by = missed + 60 * DAY_S if ships_at is None else ships_at
    return probability * _penalty(order, max(0.0, by - order.promised))


@dataclass(frozen=True)
class Figures:
    """The checker's own figures of a plan."""

    problem: SchedulingProblem
    found: Simulation
    queues: Mapping[Key, list[Placed]]

    def figures(
        self, moved: list[Key], split_of: Iterable[Key], overtime_h: float, overtime_cost: float
    ) -> dict[str, float | None]:
        """All figures of PlanKpis by name."""
        slips = {key: each.slip_s / 3600.0 for key, each in self.found.orders.items()}
        weights = {(order.site_id, order.order_id): order.weight for order in self.problem.orders}
        penalty = sum(each.penalty for each in self.found.orders.values())
        setups = [setup for setup in self.found.setups.values() if setup[0] > 0 or setup[1] > 0]
        setup_cost = sum(cost for _, cost in setups)
        transfers = self._transfers()
        cost = penalty + overtime_cost + setup_cost + transfers
        margins = [
            None
            if order.unit_price is None or order.unit_cost is None
            else round(order.quantity_pcs * (order.unit_price - order.unit_cost), 2)
            for order in self.problem.orders
        ]
        known = [margin for margin in margins if margin is not None]
        pegs = {
            (run.site_id, run.run_id): [(peg.site_id, peg.order_id) for peg in run.pegs]
            for run in self.problem.runs
        }
        return {
            "late_orders": sum(1 for slip in slips.values() if slip > 0),
            "total_slip_h": sum(slips.values()),
            "max_slip_h": max(slips.values(), default=0.0),
            "weighted_tardiness_h": sum(slip * weights[key] for key, slip in slips.items()),
            "penalty": penalty,
            "penalty_at_risk": sum(each.at_risk for each in self.found.orders.values()),
            "overtime_h": overtime_h,
            "overtime_cost": overtime_cost,
            "transfer_cost": transfers,
            "changeovers": sum(1 for seconds, _ in setups if seconds > 0),
            "changeover_min": sum(seconds for seconds, _ in setups) / 60.0,
            "changeover_cost": setup_cost,
            "cost": cost,
            "margin": sum(known) - cost if len(known) == len(margins) else None,
            "throughput_pcs": self._throughput(),
            "moved_orders": len({peg for key in [*moved, *split_of] for peg in pegs[key] if peg in weights}),
        }

    def _transfers(self) -> float:
        cost = 0.0
        for line, queue in self.queues.items():
            for each in queue:
                whole = _eligible(each.run, line)[2]
                left = each.run.remaining_pcs
                cost += whole * (each.remaining_pcs / left if left > 0 else 1.0)
        return cost

    def _throughput(self) -> float:
        until = min(self.problem.as_of + 7 * DAY_S, self.problem.horizon_end)
        made = 0.0
        for line, queue in self.queues.items():
            for each in queue:
                start, end = self.found.starts[each.key], self.found.ends[each.key]
                if end <= until:
                    made += each.remaining_pcs
                    continue
                whole = self.found.work_between(line, start, end)
                if whole > 0.0:
                    made += each.remaining_pcs * self.found.work_between(line, start, until) / whole
        return made
