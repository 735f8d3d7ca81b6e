"""What sales does to a plan: rush orders, cancelled orders, promises that move."""

from collections.abc import Mapping
from random import Random

from schemas import OrderCancelled, RunCancelled
from streams.simulator.book import Order, Run
from streams.simulator.floor import LineFloor
from streams.simulator.planner import Planner
from streams.simulator.surroundings import Surroundings
from streams.simulator.voices import Erp

DAY_S = 86_400.0
CHANGES_PER_LINE_AND_DAY = 0.12
FROZEN_RUNS = 1
"""Runs at the head of a queue that no change touches: they are being prepared."""


class Changes:
    """Order changes of one site, at random moments of the day shift."""

    def __init__(
        self, around: Surroundings, planner: Planner, erp: Erp, floors: Mapping[str, LineFloor]
    ) -> None:
        self._around = around
        self._planner = planner
        self._erp = erp
        self._floors = [floor for floor in floors.values() if not floor.line.is_finishing]
        self._rng = Random(f"{around.settings.seed}/changes/{around.site.site_id}")

    def start(self) -> None:
        """Ask for each change of the whole time now."""
        settings = self._around.settings
        every_s = DAY_S / (CHANGES_PER_LINE_AND_DAY * len(self._floors))
        at_s = settings.start_s + self._rng.expovariate(1.0 / every_s)
        while at_s < settings.end_s:
            change = self._rng.choices((self._rush, self._cancel, self._move_promise), weights=(5, 2, 3))[0]
            self._around.kernel.at(at_s, change)
            at_s += self._rng.expovariate(1.0 / every_s)

    def _waiting(self, floor: LineFloor) -> list[Run]:
        queue = self._around.book.queues[floor.line.line_id]
        return [run for run in queue[FROZEN_RUNS:] if run.is_announced]

    def _rush(self, at_s: float) -> None:
        """A small order squeezed in behind the frozen runs; what stands behind it moves back."""
        rng, site = self._rng, self._around.site
        floor = rng.choice(self._floors)
        line, queue = floor.line, self._around.book.queues[floor.line.line_id]
        items = [
            item for item in site.items.values() if item.area_id == line.area_id and item.finished_as is None
        ]
        item = rng.choice(items)
        pieces = max(10, round(rng.uniform(1.0, 4.0) * line.rate_pcs_per_h / 10.0) * 10)
        place = min(FROZEN_RUNS, len(queue))
        ahead = queue[place - 1] if place else None
        free_s = ahead.end_s if ahead is not None else floor.free_s(at_s)
        family = ahead.item.family if ahead is not None else floor.family
        calendar = line.calendar
        setup_s = calendar.next_working(max(at_s, free_s))
        setup_work_s = site.setup_minutes(line, family, item.family) * 60.0
        start_s = calendar.next_working(calendar.add_work(setup_s, setup_work_s))
        run = Run(
            run_id=f"R-{self._planner.new_number()}",
            line=line,
            item=item,
            quantity_pcs=pieces,
            setup_s=setup_s,
            start_s=start_s,
            end_s=calendar.add_work(start_s, pieces / line.rate_pcs_per_h * 3600.0),
            release_s=at_s,
            is_announced=True,
        )
        order = self._planner.new_order(run, run.run_id.removeprefix("R-"), pieces, is_rush=True)
        self._around.book.orders[order.order_id] = order
        self._around.dispatch.open_orders[order.order_id] = order
        queue.insert(place, run)
        self._erp.tell_order(order)
        self._erp.tell_run(run)
        for moved in self._around.book.lay_out(line, floor.free_s(at_s), floor.family):
            if moved.is_announced:
                self._erp.tell_run(moved)

    def _cancel(self, _at_s: float) -> None:
        """A customer takes an order back; its run goes with it."""
        floor = self._rng.choice(self._floors)
        runs = [run for run in self._waiting(floor) if run.feeds is None and len(run.pegs) == 1]
        if not runs:
            return
        run = self._rng.choice(runs)
        order = run.pegs[0][0]
        order.is_cancelled = True
        self._around.book.queues[floor.line.line_id].remove(run)
        self._around.dispatch.open_orders.pop(order.order_id, None)
        self._erp.tell(OrderCancelled, order_id=order.order_id, reason="taken back by the customer")
        self._erp.tell(RunCancelled, run_id=run.run_id, reason=f"order {order.order_id} cancelled")

    def _move_promise(self, at_s: float) -> None:
        """A promise moves one truck later, or one earlier where there is one left."""
        orders: list[Order] = [
            order for order in self._around.dispatch.open_orders.values() if order.ready_s is None
        ]
        if not orders:
            return
        order = self._rng.choice(orders)
        zone = self._around.site.zone
        base_s = order.promised_s
        if self._rng.random() < 0.5:
            base_s = max(at_s, order.promised_s - 3.0 * DAY_S)
        moved_s = order.route.next_departure(base_s + 3_600.0, zone)
        if moved_s != order.promised_s:
            order.promised_s = moved_s
            self._erp.tell_order(order)
