"""A simulated site whose plan somebody else makes: orders come in, the floor takes what stands first in its queues.

    shop = Shop(settings)
    for at_s, event in shop.advance(until_s): ...   # what was said up to then
    shop.replan(positions)                          # the morning's rule, or
    shop.carry_out(run_planned)                     # one change that ERP accepted

Law: two shops of the same settings (same_world) meet the same orders, stops, speeds and setup lengths, whatever they are
told to do. Material is plentiful and nothing is bought in overtime: only lines and sequences are to be decided.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from schemas import Event, OrderCancelled, OvertimeWindowUpserted, RunCancelled, RunPlanned
from streams.simulator.book import Book, Run
from streams.simulator.clock import TimedEvent
from streams.simulator.dispatch import Dispatch
from streams.simulator.dispatch_rule import Position, Waiting
from streams.simulator.factory import FIRST_ORDER_NUMBER, conditions_of
from streams.simulator.floor import LineFloor
from streams.simulator.intake import Placed, orders_placed
from streams.simulator.kernel import Kernel
from streams.simulator.plant import build_sites
from streams.simulator.plant_events import plant_events
from streams.simulator.settings import FactorySettings
from streams.simulator.supply import Supply
from streams.simulator.surroundings import Surroundings
from streams.simulator.truth import TruthRecord
from streams.simulator.voices import Erp

PLENTY = 1e7
"""Of every component, in stock at the start."""


class Shop:
    """One site at work.

    Attributes:
        site, book: what there is, and what is planned; queues hold what has not begun, in the order in which it goes.
        placed: every order that will come in.
        truth: what really happened, as it happens.
        settings: as given, with what a shop needs.
    """

    def __init__(self, settings: FactorySettings) -> None:
        assert settings.sites == 1, "one shop, one site"
        self.settings = replace(settings, same_world=True, two_steps=False, troubles=False)
        (self.site,) = build_sites(self.settings)
        self.truth: list[TruthRecord] = []
        self.kernel = Kernel(self.settings.start_s)
        self.erp = Erp(self.kernel, self.site)
        self.book = Book(self.site, {line.line_id: [] for line in self.site.lines})
        supply = Supply(self.kernel, self.site, self.settings, self.truth.append)
        supply.start_full(PLENTY)
        self._around = Surroundings(
            kernel=self.kernel,
            site=self.site,
            book=self.book,
            supply=supply,
            dispatch=Dispatch(self.kernel, self.site, self.erp, self.truth.append),
            settings=self.settings,
            truth=self.truth.append,
        )
        self.floors = {
            line.line_id: LineFloor(
                line, self._around, conditions_of(self.settings, line.line_id, self.truth.append)
            )
            for line in self.site.lines
        }
        self.placed = orders_placed(self.site, self.settings, FIRST_ORDER_NUMBER)
        self._by_run = {each.run.run_id: each for each in self.placed}
        for each in self.placed:
            self._await(each)
        for floor in self.floors.values():
            floor.start()

    def start_events(self) -> Iterator[Event]:
        """The plant; without overtime, which nobody can buy here."""
        for event in plant_events(self.site, self.settings):
            if not isinstance(event, OvertimeWindowUpserted):
                yield event

    def advance(self, until_s: float) -> Iterator[TimedEvent]:
        """What is said up to a moment, it included."""
        return self.kernel.run_until(until_s)

    @property
    def open_orders(self) -> int:
        """Orders that were placed, and have neither left nor been taken back."""
        return len(self._around.dispatch.open_orders)

    # What a planner sees ---------------------------------------------------------------------------------------

    def waiting(self) -> list[Waiting]:
        """Runs that were told of and have not begun, by id."""
        runs = [run for queue in self.book.queues.values() for run in queue]
        return [
            Waiting(run, self._by_run[run.run_id].lines) for run in sorted(runs, key=lambda run: run.run_id)
        ]

    def free(self) -> dict[str, tuple[float, str]]:
        """When each line is free as a planner would reckon, and what it is set up for then."""
        now_s = self.kernel.now_s
        return {line_id: (floor.free_s(now_s), floor.family) for line_id, floor in self.floors.items()}

    def waiting_run(self, run_id: str) -> Run | None:
        """The run, where it is planned and has not begun."""
        return next(
            (run for queue in self.book.queues.values() for run in queue if run.run_id == run_id), None
        )

    # What a planner does ---------------------------------------------------------------------------------------

    def replan(self, positions: Mapping[str, Sequence[Position]]) -> None:
        """Plan everything that waits anew, and say what changed."""
        for line_id, sequence in positions.items():
            self.book.queues[line_id] = [position.run for position in sequence]
            for position in sequence:
                run = position.run
                before = (run.line, run.start_s, run.end_s)
                run.line, run.setup_s = position.line, position.setup_s
                run.start_s, run.end_s = position.start_s, position.end_s
                if before != (run.line, run.start_s, run.end_s):
                    self.erp.tell_run(run)

    def carry_out(self, planned: RunPlanned) -> None:
        """Plan one waiting run as ERP now says; queues go by planned start. One that has begun stays where it is."""
        run = self.waiting_run(planned.run_id)
        if run is None:
            return
        line = next(line for line in self.site.lines if line.line_id == planned.line_id)
        self.book.queues[run.line.line_id].remove(run)
        start_s = planned.planned_start_at.timestamp()
        run.line, run.setup_s = line, start_s
        run.start_s, run.end_s = start_s, planned.planned_end_at.timestamp()
        queue = self.book.queues[line.line_id]
        queue.append(run)
        queue.sort(key=lambda each: (each.start_s, each.run_id))

    # What customers do -----------------------------------------------------------------------------------------

    def _await(self, placed: Placed) -> None:
        self.kernel.at(placed.told_s, lambda _: self._take_in(placed))
        if placed.cancelled_s is not None:
            self.kernel.at(placed.cancelled_s, lambda _: self._take_back(placed))
        if placed.moves is not None:
            at_s, promised_s = placed.moves
            self.kernel.at(at_s, lambda _: self._move_promise(placed, promised_s))

    def _take_in(self, placed: Placed) -> None:
        """Put the run where it would be done first, behind all that is planned: what ERP does by itself."""
        order, run = placed.order, placed.run
        free = self.free()
        best: tuple[float, Position] | None = None
        for line in placed.lines:
            queue = self.book.queues[line.line_id]
            free_s, family = (queue[-1].end_s, queue[-1].item.family) if queue else free[line.line_id]
            calendar = line.calendar
            setup_s = calendar.next_working(max(free_s, self.kernel.now_s, run.release_s))
            minutes = self.site.setup_minutes(line, family, run.item.family)
            start_s = calendar.next_working(calendar.add_work(setup_s, minutes * 60.0))
            end_s = calendar.add_work(start_s, run.quantity_pcs / line.rate_pcs_per_h * 3600.0)
            if best is None or end_s < best[0]:
                best = (end_s, Position(run, line, setup_s, start_s, end_s))
        assert best is not None, f"no line makes {run.item.item_id}"
        position = best[1]
        run.line, run.setup_s = position.line, position.setup_s
        run.start_s, run.end_s, run.is_announced = position.start_s, position.end_s, True
        self.book.queues[run.line.line_id].append(run)
        self.book.orders[order.order_id] = order
        self._around.dispatch.open_orders[order.order_id] = order
        self.erp.tell_order(order)
        self.erp.tell_run(run)

    def _take_back(self, placed: Placed) -> None:
        """The customer takes the order back; a run that has begun is made all the same."""
        order, run = placed.order, placed.run
        if self.waiting_run(run.run_id) is None:
            return
        order.is_cancelled = True
        self.book.queues[run.line.line_id].remove(run)
        self._around.dispatch.open_orders.pop(order.order_id, None)
        self.erp.tell(OrderCancelled, order_id=order.order_id, reason="taken back by the customer")
        self.erp.tell(RunCancelled, run_id=run.run_id, reason=f"order {order.order_id} cancelled")

    def _move_promise(self, placed: Placed, promised_s: float) -> None:
        """The promise moves, for everybody to be measured by, also where the goods are ready by then."""
        order = placed.order
        if order.promised_s == promised_s or order.is_cancelled:
            return
        order.promised_s = promised_s
        if order.ready_s is None:
            self.erp.tell_order(order)
