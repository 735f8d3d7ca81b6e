"""A plan that lives on: time passes, things happen, options are committed; each time the problem that the twin would ask.

Time passes exactly as the committed plan says (its own evaluation), so that what is asked next follows from what was
committed before. Everything follows from the seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar

from schemas import ReplanRequested
from schemas.plans import PlanOption, Trigger
from schemas.scheduling import (
    EligibleLine,
    PeggedTo,
    SchedulingLine,
    SchedulingOrder,
    SchedulingProblem,
    SchedulingRun,
)
from solvers.evaluator import evaluate
from solvers.problem import Problem, hold_plan
from solvers.working_time import united

HOUR_S, DAY_S = 3600.0, 86_400.0
FROZEN_S, FIRM_S = 2 * HOUR_S, 3 * HOUR_S
SHIFT_S = 8 * HOUR_S
MOVES_PER_SHIFT = 2

Key = tuple[str, str]
T = TypeVar("T", SchedulingRun, SchedulingLine, SchedulingOrder)


def line_down(problem: SchedulingProblem, index: int, hours: float) -> SchedulingProblem:
    """A line stands from now on for so many hours; what it was on goes on after that."""
    line = problem.lines[index]
    until = problem.as_of + hours * HOUR_S
    runs = [
        run.model_copy(update={"state": "held", "next_piece_at": max(run.next_piece_at, until)})
        if _is_on(run, line) and run.next_piece_at is not None
        else run
        for run in problem.runs
    ]
    spans = [(max(start, until), end) for start, end in line.spans if end > until]
    return _with_line(
        problem.model_copy(update={"runs": runs}), index, is_hit=True, spans=spans, free_from=problem.as_of
    )


def request_of(
    problem: SchedulingProblem, trigger: Trigger = "line_down", request_id: str = "request-1"
) -> ReplanRequested:
    """A request that asks a problem."""
    return ReplanRequested(
        output_id=request_id,
        request_id=request_id,
        proposal_id=f"proposal/{request_id}",
        site_id=problem.lines[0].site_id,
        trigger=trigger,
        triggers=[trigger],
        because=[trigger.replace("_", " ")],
        caused_by=[request_id],
        scope=[f"{line.site_id}/{line.line_id}" for line in problem.lines],
        plan_revision=1,
        problem=problem,
        as_of=datetime.fromtimestamp(problem.as_of, UTC),
    )


@dataclass
class LivingPlan:
    """A plan, and what happens to it.

    Attributes:
        problem: as it stands; random: where everything comes from.
        happened: how often each kind of event came.
    """

    problem: SchedulingProblem
    random: Random
    happened: dict[str, int] = field(default_factory=dict)
    _numbers: int = 0
    _shift: int = 0

    def pass_time(self) -> None:
        """Between ten minutes and half a day go by."""
        hours = self.random.choice([1 / 6, 0.5, 1.0, 2.0, 4.0, 12.0])
        self.problem = _later(self.problem, self.problem.as_of + round(hours * 60) * 60.0)
        shift = int(self.problem.as_of // SHIFT_S)
        if shift != self._shift:
            self._shift = shift
            self.problem = _with_runs(self.problem, [_with(run, moves=0) for run in self.problem.runs])
        while len(self.problem.runs) < 2 * len(self.problem.lines):
            self._add_work()
        self.problem = _freedoms(self.problem)

    def happen(self) -> Trigger:
        """One event; what the twin would call it."""
        kinds: list[tuple[str, Trigger, Callable[[], bool]]] = [
            ("down", "line_down", self._down),
            ("rush", "rush_order", self._rush),
            ("cancel", "order_cancelled", self._cancel),
            ("drift", "drift", self._drift),
            ("late receipt", "late_receipt", self._late_receipt),
            ("lock", "adjusted", self._lock),
        ]
        self.problem = self.problem.model_copy(
            update={"lines": [_with(line, is_hit=False) for line in self.problem.lines]}
        )
        while True:
            kind, trigger, event = self.random.choice(kinds)
            if event():
                self.happened[kind] = self.happened.get(kind, 0) + 1
                self.problem = _freedoms(self.problem)
                return trigger

    def commit(self, option: PlanOption) -> None:
        """A planner takes an option, and everybody accepts it."""
        self.problem = _committed(self.problem, option)

    def without_the_unplanned(self) -> None:
        """What nobody has planned is given up, so that the next event finds a plan of placed runs."""
        runs = [run for run in self.problem.runs if run.line_id is not None]
        self.problem = _with_runs(self.problem, runs)

    def _down(self) -> bool:
        index = self.random.randrange(len(self.problem.lines))
        self.problem = line_down(self.problem, index, self.random.choice([0.5, 2.0, 4.0, 8.0]))
        return True

    def _rush(self) -> bool:
        self._numbers += 1
        number = f"rush-{self._numbers}"
        lines = self.random.sample(self.problem.lines, k=min(3, len(self.problem.lines)))
        site_id = lines[0].site_id
        pieces = float(self.random.randrange(200, 3000, 100))
        promised = self.problem.as_of + self.random.choice([0.5, 1.0, 2.0, 4.0]) * DAY_S
        run = SchedulingRun(
            site_id=site_id,
            run_id=f"R-{number}",
            item_id="item-rush",
            family=self.random.choice(["A", "B", "C"]),
            freedom="free",
            line_id=None,
            position=None,
            planned_start=None,
            planned_end=None,
            quantity_pcs=pieces,
            remaining_pcs=pieces,
            eligible=[
                EligibleLine(
                    site_id=line.site_id,
                    line_id=line.line_id,
                    rate_pcs_per_h=500.0,
                    transfer_s=0.0 if line.site_id == site_id else 6 * HOUR_S,
                    transfer_cost=0.0 if line.site_id == site_id else 200.0,
                )
                for line in lines
            ],
            pegs=[PeggedTo(site_id=site_id, order_id=number, quantity_pcs=pieces)],
        )
        order = _order(site_id, number, pieces, promised, float(self.random.randrange(500, 3000, 500)))
        self.problem = _with_runs(self.problem, [*self.problem.runs, run], [*self.problem.orders, order])
        return True

    def _cancel(self) -> bool:
        waiting = [
            order
            for order in self.problem.orders
            if all(
                run.state == "planned" and run.freedom == "free"
                for run in self.problem.runs
                if _is_for(run, order)
            )
        ]
        if len(waiting) < 3:
            return False
        order = self.random.choice(waiting)
        runs = [run for run in self.problem.runs if not _is_for(run, order)]
        kept = [each for each in self.problem.orders if each is not order]
        self.problem = _with_runs(self.problem, runs, kept)
        return True

    def _drift(self) -> bool:
        index = self.random.randrange(len(self.problem.lines))
        level = self.random.choice([0.7, 0.85, 0.92, 1.0, 1.0, 1.08])
        self.problem = _with_line(
            self.problem,
            index,
            is_hit=True,
            level=level,
            drift_ends_per_s=0.0 if level == 1.0 else self.random.choice([0.0, 1 / (30 * HOUR_S)]),
        )
        return True

    def _change_a_run(self, changed: Callable[[SchedulingRun], dict[str, Any]]) -> bool:
        free = [run for run in self.problem.runs if run.freedom == "free" and run.line_id is not None]
        if not free:
            return False
        chosen = self.random.choice(free)
        runs = [_with(run, **changed(run)) if run is chosen else run for run in self.problem.runs]
        self.problem = _with_runs(self.problem, runs)
        return True

    def _late_receipt(self) -> bool:
        def later(run: SchedulingRun) -> dict[str, Any]:
            late_s = self.random.uniform(2, 48) * HOUR_S
            return {"release_at": max(run.planned_start or 0.0, self.problem.as_of) + late_s}

        return self._change_a_run(later)

    def _lock(self) -> bool:
        def locked(run: SchedulingRun) -> dict[str, Any]:
            others = [each for each in run.eligible if each.line_id != run.line_id]
            if others and self.random.random() < 0.5:
                return {"eligible": [self.random.choice(others)]}
            return {"not_before": self.problem.as_of + self.random.uniform(1, 72) * HOUR_S}

        return self._change_a_run(locked)

    def _add_work(self) -> None:
        """A new order at the end of a short queue."""
        self._numbers += 1
        queues = _queues(self.problem)
        line = min(self.problem.lines, key=lambda line: (len(queues[_key(line)]), line.line_id))
        queue = queues[_key(line)]
        start = max([self.problem.as_of + 12 * HOUR_S, *(run.planned_end or 0.0 for run in queue)])
        pieces = float(self.random.randrange(500, 4000, 100))
        others = self.random.sample(self.problem.lines, k=min(3, len(self.problem.lines)))
        same_site = [each for each in others if each.site_id == line.site_id and each is not line]
        number = f"new-{self._numbers}"
        run = SchedulingRun(
            site_id=line.site_id,
            run_id=f"R-{number}",
            item_id="item-new",
            family=self.random.choice(["A", "B", "C", "D", None]),
            freedom="free",
            line_id=line.line_id,
            position=len(queue),
            planned_start=start,
            planned_end=start + pieces / 500.0 * HOUR_S,
            quantity_pcs=pieces,
            remaining_pcs=pieces,
            eligible=[
                EligibleLine(site_id=each.site_id, line_id=each.line_id, rate_pcs_per_h=500.0)
                for each in [line, *same_site]
            ],
            pegs=[PeggedTo(site_id=line.site_id, order_id=number, quantity_pcs=pieces)],
        )
        promised = start + self.random.choice([0.5, 1.0, 3.0]) * DAY_S
        order = _order(line.site_id, number, pieces, promised, float(self.random.randrange(100, 2000, 100)))
        self.problem = _with_runs(self.problem, [*self.problem.runs, run], [*self.problem.orders, order])


def _later(problem: SchedulingProblem, moment: float) -> SchedulingProblem:
    """The problem as it stands when the committed plan was carried out until a moment."""
    indexed = Problem(problem)
    held = evaluate(indexed, hold_plan(indexed))
    done: dict[Key, float] = {}
    runs: list[SchedulingRun] = []
    lines: list[SchedulingLine] = []
    for index, line in enumerate(problem.lines):
        calendar = indexed.working_time(index)
        family, free_from = line.family, line.free_from
        for key in indexed.committed[index]:
            run = indexed.runs[key]
            start, end = held.start[key], held.end[key]
            began = run.state != "planned"
            setup_s = 0.0 if began else held.lines[index].setup_s[held.lines[index].keys.index(key)]
            if end <= moment:
                done[key] = end
                family, free_from = run.family or family, max(free_from, end)
            elif start <= moment or began:
                left_s, whole_s = (
                    calendar.work_between(max(start, moment), end),
                    calendar.work_between(start, end),
                )
                share = left_s / whole_s if whole_s > 0 else 1.0
                runs.append(
                    _with(
                        run,
                        state="running" if run.state in ("planned", "setup") else run.state,
                        freedom="started",
                        remaining_pcs=run.remaining_pcs * share,
                        next_piece_at=max(start, calendar.next_working(moment)),
                        gates=[] if share < 1.0 else run.gates,
                    )
                )
                free_from = moment
            elif setup_s > 0 and calendar.subtract_work(start, setup_s) < moment and free_from <= moment:
                runs.append(_with(run, state="setup", freedom="started", next_piece_at=start))
                free_from = moment
            else:
                runs.append(run)
        lines.append(_with(line, family=family, free_from=min(max(free_from, line.free_from), moment)))
    orders: list[SchedulingOrder] = []
    left = {(run.site_id, run.run_id) for run in runs}
    for key, order in indexed.orders.items():
        mine = indexed.runs_of[key]
        if not any(run_key in left for run_key in mine):
            continue
        ready = [order.ready_elsewhere] if order.ready_elsewhere is not None else []
        for run_key in mine:
            if run_key in done:
                eligible = indexed.eligible[run_key][indexed.committed_line[run_key]]
                ready.append(
                    done[run_key] + (eligible.transfer_s if eligible.site_id != order.site_id else 0.0)
                )
        orders.append(_with(order, ready_elsewhere=max(ready, default=None)))
    runs = [_with(run, fed_by=[each for each in run.fed_by if each not in done]) for run in runs]
    later = problem.model_copy(
        update={
            "as_of": moment,
            "horizon_end": max(problem.horizon_end, moment + 14 * DAY_S),
            "frozen_until": moment + FROZEN_S,
            "lines": [_with(line, spans=_extended(line.spans, moment)) for line in lines],
        }
    )
    return _with_runs(later, runs, orders)


def _extended(spans: list[tuple[float, float]], moment: float) -> list[tuple[float, float]]:
    """Working time that goes on: every week like the last one, three weeks ahead."""
    spans = list(spans)
    while spans[-1][1] < moment + 21 * DAY_S:
        last = [span for span in spans if span[0] > spans[-1][1] - 7 * DAY_S]
        spans += [(start + 7 * DAY_S, end + 7 * DAY_S) for start, end in last]
    return [span for span in spans if span[1] > moment - 2 * DAY_S]


def _freedoms(problem: SchedulingProblem) -> SchedulingProblem:
    """How far each run may be moved, by when it is projected to start and how often it was moved."""
    runs = problem.runs
    for _ in range(2):  # who stands at the head of a queue decides
        indexed = Problem(_with_runs(problem, runs))
        held = evaluate(indexed, hold_plan(indexed))
        runs = [_with(run, freedom=_freedom(run, held.start, problem.as_of)) for run in runs]
    return _with_runs(problem, runs)


def _freedom(run: SchedulingRun, starts: dict[Key, float], as_of: float) -> str:
    if run.state != "planned":
        return "started"
    start = starts.get((run.site_id, run.run_id))
    if start is None:
        return "free"
    if run.moves >= MOVES_PER_SHIFT or start < as_of + FROZEN_S:
        return "frozen"
    return "firm" if start < as_of + FIRM_S else "free"


def _committed(problem: SchedulingProblem, option: PlanOption) -> SchedulingProblem:
    """The problem with an option as its plan."""
    known = {(run.site_id, run.run_id): run for run in problem.runs}
    moved = {(each.site_id, each.run_id) for each in option.changes if each.field in ("line_id", "position")}
    runs: list[SchedulingRun] = []
    renamed: dict[Key, Key] = {}
    for each in sorted(
        option.plan, key=lambda each: (each.line_site_id or each.site_id, each.line_id, each.position)
    ):
        key = (each.site_id, each.run_id)
        run = known[key if each.of_run_id is None else (each.site_id, each.of_run_id)]
        site_id = each.line_site_id or each.site_id
        made = run.quantity_pcs - run.remaining_pcs
        split = each.of_run_id is not None
        if site_id != run.site_id:
            renamed[key] = (site_id, each.run_id)
        runs.append(
            _with(
                run,
                site_id=site_id,
                run_id=each.run_id,
                line_id=each.line_id,
                position=each.position,
                planned_start=each.planned_start_at.timestamp(),
                planned_end=each.end_at.timestamp(),
                quantity_pcs=each.quantity_pcs,
                remaining_pcs=each.quantity_pcs if split else each.quantity_pcs - made,
                state="planned" if split else run.state,
                freedom="free" if split else run.freedom,
                next_piece_at=None if split else run.next_piece_at,
                moves=run.moves + (key in moved),
            )
        )
    runs = [_with(run, fed_by=[renamed.get(each, each) for each in run.fed_by]) for run in runs]
    lines = []
    for line in problem.lines:
        bought = [each for each in option.overtime if (each.site_id, each.line_id) == _key(line)]
        sold = {each.window_id for each in bought}
        spans = [*line.spans, *((each.start_at.timestamp(), each.end_at.timestamp()) for each in bought)]
        offers = [each for each in line.overtime if each.window_id not in sold]
        lines.append(_with(line, spans=united(spans), overtime=offers) if bought else line)
    return _with_runs(problem.model_copy(update={"lines": lines}), runs)


def _with_runs(
    problem: SchedulingProblem, runs: list[SchedulingRun], orders: list[SchedulingOrder] | None = None
) -> SchedulingProblem:
    """The problem with other runs, positions counted anew, and feeds of runs that are gone left out."""
    left = {(run.site_id, run.run_id) for run in runs}
    places: dict[Key, int] = {}
    placed: list[SchedulingRun] = []
    for run in sorted(runs, key=lambda run: run.position or 0):
        fed_by = [each for each in run.fed_by if each in left]
        if run.line_id is None:
            placed.append(_with(run, fed_by=fed_by))
            continue
        place = places.get((run.site_id, run.line_id), 0)
        places[run.site_id, run.line_id] = place + 1
        placed.append(_with(run, position=place, fed_by=fed_by))
    if orders is None:
        orders = problem.orders
    return problem.model_copy(update={"runs": placed, "orders": orders})


def _with_line(problem: SchedulingProblem, index: int, **changes: Any) -> SchedulingProblem:
    lines = list(problem.lines)
    lines[index] = _with(lines[index], **changes)
    return problem.model_copy(update={"lines": lines})


def _order(site_id: str, order_id: str, pieces: float, promised: float, penalty: float) -> SchedulingOrder:
    return SchedulingOrder(
        site_id=site_id,
        order_id=order_id,
        customer_id="alpine",
        customer_name="Alpine",
        item_id="item",
        quantity_pcs=pieces,
        promised=promised,
        on_time_slot=promised,
        penalty_per_day=penalty,
        unit_price=2.0,
        unit_cost=1.5,
    )


def _with(model: T, **changes: Any) -> T:
    return model.model_copy(update=changes)


def _queues(problem: SchedulingProblem) -> dict[Key, list[SchedulingRun]]:
    return {_key(line): [run for run in problem.runs if _is_on(run, line)] for line in problem.lines}


def _is_on(run: SchedulingRun, line: SchedulingLine) -> bool:
    return (run.site_id, run.line_id) == (line.site_id, line.line_id)


def _is_for(run: SchedulingRun, order: SchedulingOrder) -> bool:
    return any((peg.site_id, peg.order_id) == (order.site_id, order.order_id) for peg in run.pegs)


def _key(line: SchedulingLine) -> Key:
    return line.site_id, line.line_id
