"""Why orders were late in truth: the working time that each cause took on the way to the order, and since when.

An order is late where its goods were ready after the last moment at which its promised truck could still be loaded.
The working time between the two is its overhang. On the way to the order (its run, the runs before it on the line
without a gap, and the runs that fed it) everything that was no planned work took time: stops, shortages, drifts, more
scrap than usual, longer setups, orders squeezed in, and chance. Each loss has a beginning: the drift's, not the hour's.

An order is late from a cause older than a day where what began in the last day before its truck cannot explain it:
without those losses its goods would have been late all the same.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from bench.month import Month, Told
from schemas import OrderUpserted, RunPlanned
from streams.simulator.truth import (
    DriftTruth,
    LateReceiptTruth,
    OrderTruth,
    RunTruth,
    ScrapShiftTruth,
    ShortageTruth,
    StopTruth,
)
from twin.state.calendar import WorkCalendar

DAY_S = 86_400.0
GAP_S = 900.0
"""Working time that a line may stand between two runs that follow one another; it takes its next at a report."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Working time that a cause took from an order.

    Attributes:
        kind: stop, shortage, drift, scrap, setup, rush, chance, plan or promise.
        where: the line, or for a plan or promise the order.
        began_s: when the cause began, POSIX seconds.
        work_s: working time; negative where it gave some.
    """

    kind: str
    where: str
    began_s: float
    work_s: float


@dataclass(frozen=True, slots=True)
class LateOrder:
    """An order that left after its promise.

    Attributes:
        truck_s: the departure that was promised; need_by_s: with its loading time before it.
        ready_s: when the goods were there.
        overhang_s: working time from need_by_s to ready_s.
        losses: what took time on the way, the largest first.
    """

    order_id: str
    truck_s: float
    need_by_s: float
    ready_s: float
    overhang_s: float
    losses: tuple[Loss, ...]

    @property
    def old_overhang_s(self) -> float:
        """The overhang without what began in the last day before the truck; late from an older cause where positive."""
        young = sum(loss.work_s for loss in self.losses if loss.began_s > self.truck_s - DAY_S)
        return self.overhang_s - max(0.0, young)

    @property
    def main(self) -> Loss | None:
        """The loss that took most, of those that are older than a day where there are such."""
        old = [loss for loss in self.losses if loss.began_s <= self.truck_s - DAY_S and loss.work_s > 0.0]
        return next(iter(old or self.losses), None)


class Causes:
    """The truth of a month, line by line, for asking what took the time of an order."""

    def __init__(self, month: Month) -> None:
        self._month = month
        self._runs = {each.run_id: each for each in month.truth if isinstance(each, RunTruth)}
        self._of_line: dict[str, list[RunTruth]] = {line_id: [] for line_id in month.lines}
        for run in self._runs.values():
            self._of_line[run.line_id].append(run)
        for runs in self._of_line.values():
            runs.sort(key=lambda run: run.started_s)
        self._feeders: dict[str, list[str]] = {}
        for run_id, said in month.runs.items():
            for fed in _plan(said[-1]).feeds_run_ids:
                self._feeders.setdefault(fed, []).append(run_id)
        self._runs_of_order: dict[str, list[str]] = {}
        for run_id, said in month.runs.items():
            for peg in _plan(said[-1]).pegs:
                self._runs_of_order.setdefault(peg.order_id, []).append(run_id)

    def late_orders(self) -> Iterator[LateOrder]:
        """Every order that left after its promise, with what took its time, by order id."""
        truths = [each for each in self._month.truth if isinstance(each, OrderTruth) and each.late_s > 0.0]
        for truth in sorted(truths, key=lambda each: each.order_id):
            said = self._month.orders.get(truth.order_id)
            if said is not None:
                yield self._late_order(truth, said)

    def _late_order(self, truth: OrderTruth, said: list[Told]) -> LateOrder:
        month = self._month
        need_by_s = self._need_by(said[-1])
        last = self._last_run(truth.order_id)
        losses: list[Loss] = []
        overhang_s = 0.0
        if last is not None:
            calendar = month.lines[last.line_id].calendar
            overhang_s = calendar.work_between(need_by_s, truth.ready_s)
            losses += self._on_the_way(last)
            first = _plan(month.runs[last.run_id][0])
            planned_s = first.planned_end_at.timestamp()
            planned_late_s = calendar.work_between(self._need_by(said[0]), planned_s)
            if planned_late_s > 0.0:
                losses.append(Loss("plan", truth.order_id, said[0].at_s, planned_late_s))
            for before, after in itertools.pairwise(said):
                sooner_s = calendar.work_between(self._need_by(after), self._need_by(before))
                if sooner_s > 0.0:
                    losses.append(Loss("promise", truth.order_id, after.at_s, sooner_s))
        losses.sort(key=lambda loss: (-loss.work_s, loss.kind, loss.where, loss.began_s))
        return LateOrder(
            truth.order_id, truth.promised_s, need_by_s, truth.ready_s, overhang_s, tuple(losses)
        )

    def _need_by(self, said: Told) -> float:
        order = said.event
        assert isinstance(order, OrderUpserted)
        loading_s = 0.0 if order.route_id is None else self._month.routes[order.route_id].loading_min * 60.0
        return order.promised_at.timestamp() - loading_s

    def _last_run(self, order_id: str) -> RunTruth | None:
        runs = [
            self._runs[run_id] for run_id in self._runs_of_order.get(order_id, ()) if run_id in self._runs
        ]
        return max(runs, key=lambda run: run.finished_s, default=None)

    def _on_the_way(self, last: RunTruth) -> Iterator[Loss]:
        """What took time on the chain of runs that ends with this one, back to one that began as it was first told."""
        target, run = last, last
        seen: set[str] = set()
        while run.run_id not in seen:
            seen.add(run.run_id)
            yield from self._losses(run, target)
            calendar = self._month.lines[run.line_id].calendar
            begun_s = _begun_s(run, self._month)
            ahead = self._before(run)
            feeders = [self._runs[each] for each in self._feeders.get(run.run_id, ()) if each in self._runs]
            waited_for = [
                each for each in [*([ahead] if ahead else []), *feeders] if each.finished_s <= begun_s
            ]
            binding = max(waited_for, key=lambda each: each.finished_s, default=None)
            plan = _plan(self._month.runs[run.run_id][0]) if run.run_id in self._month.runs else None
            if binding is None or calendar.work_between(binding.finished_s, begun_s) > GAP_S:
                return
            if plan is not None and run.started_s <= plan.planned_start_at.timestamp():
                return
            if binding in feeders:
                target = binding
            run = binding

    def _before(self, run: RunTruth) -> RunTruth | None:
        earlier = [each for each in self._of_line[run.line_id] if each.started_s < run.started_s]
        return earlier[-1] if earlier else None

    def _losses(self, run: RunTruth, target: RunTruth) -> Iterator[Loss]:
        """What took time while a run was set up and made."""
        month = self._month
        line = month.lines[run.line_id]
        calendar = line.calendar
        said = month.runs.get(run.run_id)
        target_said = month.runs.get(target.run_id)
        made_s = calendar.work_between(run.started_s, run.finished_s)
        if said is not None and target_said is not None and said[0].at_s > target_said[0].at_s:
            # It was not in the plan when the order was: all of it came between.
            yield Loss("rush", run.line_id, said[0].at_s, made_s + run.setup_s)
            return
        lost_s = made_s - (run.good_pcs / line.rate_pcs_per_h * 3600.0)
        for loss in self._named_losses(run):
            lost_s -= loss.work_s
            yield loss
        # What is left is chance, spread evenly over the run: an hour of it here and there, each from its own day.
        days = max(1, round((run.finished_s - run.started_s) / DAY_S * 4.0))
        step_s = (run.finished_s - run.started_s) / days
        for index in range(days):
            begin_s = run.started_s + index * step_s
            share = calendar.work_between(begin_s, begin_s + step_s) / made_s if made_s > 0.0 else 0.0
            if share > 0.0:
                yield Loss("chance", run.line_id, begin_s, lost_s * share)
        yield Loss("setup", run.line_id, _begun_s(run, month), run.setup_s - run.planned_setup_s)

    def _named_losses(self, run: RunTruth) -> Iterator[Loss]:
        month = self._month
        line = month.lines[run.line_id]
        calendar = line.calendar
        begin_s, end_s = run.started_s, run.finished_s
        for each in month.truth:
            if isinstance(each, StopTruth) and each.run_id == run.run_id:
                yield Loss("stop", run.line_id, each.start_s, calendar.work_between(each.start_s, each.end_s))
            elif isinstance(each, ShortageTruth) and each.run_id == run.run_id:
                work_s = calendar.work_between(each.start_s, each.end_s)
                yield Loss("shortage", run.line_id, self._shortage_began(each), work_s)
            elif isinstance(each, DriftTruth) and each.line_id == run.line_id:
                yield from self._drift_loss(each, run)
            elif isinstance(each, ScrapShiftTruth) and each.line_id == run.line_id:
                overlap_s = _worked(calendar, max(begin_s, each.start_s), min(end_s, each.end_s))
                scrap = run.scrap_pcs / max(1, run.good_pcs + run.scrap_pcs)
                if overlap_s > 0.0:
                    yield Loss("scrap", run.line_id, each.start_s, overlap_s * scrap)

    def _drift_loss(self, drift: DriftTruth, run: RunTruth) -> Iterator[Loss]:
        calendar = self._month.lines[run.line_id].calendar
        begin_s, end_s = run.started_s, run.finished_s
        full_s = _worked(calendar, max(begin_s, drift.full_s), min(end_s, drift.end_s))
        ramp_s = _worked(calendar, max(begin_s, drift.start_s), min(end_s, drift.full_s))
        work_s = -drift.size * (full_s + ramp_s / 2.0)
        if work_s != 0.0:
            yield Loss("drift", run.line_id, drift.start_s, work_s)

    def _shortage_began(self, shortage: ShortageTruth) -> float:
        """A shortage begins when the receipt that should have prevented it did not come."""
        overdue = [
            each.expected_s
            for each in self._month.truth
            if isinstance(each, LateReceiptTruth)
            and each.item_id == shortage.item_id
            and each.expected_s < shortage.end_s <= each.received_s + DAY_S
        ]
        return min([*overdue, shortage.start_s])


def _worked(calendar: WorkCalendar, begin_s: float, end_s: float) -> float:
    """Working time of an interval that may be empty."""
    return calendar.work_between(begin_s, end_s) if end_s > begin_s else 0.0


def _plan(said: Told) -> RunPlanned:
    assert isinstance(said.event, RunPlanned)
    return said.event


def _begun_s(run: RunTruth, month: Month) -> float:
    """When the setup of a run began, or the run where it had none."""
    calendar = month.lines[run.line_id].calendar
    return calendar.subtract_work(run.started_s, run.setup_s) if run.setup_s else run.started_s
