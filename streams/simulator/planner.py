"""The simulated planner: fills each line run by run, leaves some air, and promises dates that the plan should hold."""

from random import Random

from streams.simulator.book import Book, Order, Run
from streams.simulator.plant import Customer, Item, Line, Site
from streams.simulator.settings import FactorySettings

DAY_S = 86_400.0
PLANNED_BEYOND_DAYS = 9.0
"""The plan reaches this far past the last event. Too small: the last days of events have an empty plan."""

RUN_HOURS = (9.0, 0.5, 2.5, 30.0)
"""Median, log deviation, least and most working hours of a run."""

SLACK_HOURS = (5.0, 0.9)
"""Median and log deviation of the working hours between planned end and the truck that was promised."""

OVERSOLD_SHARE = 0.02
"""Share of orders that sales promised on a truck before the plan can have them ready."""
OVERSOLD_H = (6.0, 36.0)

TIGHT_SHARE = 0.2
"""Share of orders that were promised with hardly any slack."""


class Planner:
    """Plans one site; every number follows from the seed.

    Args:
        site: what is there.
        settings: how much, and for how long.
        first_number: number of the first order; runs carry the number of their order.
    """

    def __init__(self, site: Site, settings: FactorySettings, first_number: int) -> None:
        self._site = site
        self._settings = settings
        self._rng = Random(f"{settings.seed}/planner/{site.site_id}")
        self._oversold = Random(f"{settings.seed}/oversold/{site.site_id}")
        self._number = first_number
        self._until_s = settings.end_s + PLANNED_BEYOND_DAYS * DAY_S

    def plan(self) -> Book:
        """The plan as ERP holds it at the start; later runs become known later."""
        book = Book(self._site)
        finishing = [line for line in self._site.lines if line.is_finishing]
        for line in self._site.lines:
            if not line.is_finishing:
                book.queues[line.line_id] = self._fill(line)
        for line in finishing:
            fed = [run for run in book.runs() if run.item.finished_as is not None]
            book.queues[line.line_id] = self._finish(line, fed)
        last_step = [run for run in book.runs() if run.item.finished_as is None]
        for run in last_step:
            self._sell(book, run)
        for run in book.runs():
            run.announced_s = run.setup_s - self._settings.announced_days * DAY_S
        for run in book.runs():  # a chain of steps is told at once
            if run.feeds is not None:
                run.feeds.announced_s = run.announced_s = min(run.announced_s, run.feeds.announced_s)
        book.check()
        return book

    def new_number(self) -> int:
        """A number for an order that was in no plan."""
        self._number += 1
        return self._number

    def _fill(self, line: Line) -> list[Run]:
        rng, calendar = self._rng, line.calendar
        made_here = [item for item in self._site.items.values() if item.area_id == line.area_id]
        family = line.first_family
        free_s = calendar.next_working(self._settings.start_s + rng.uniform(0.0, 7_200.0))
        queue: list[Run] = []
        while free_s < self._until_s:
            item = self._next_item(made_here, family)
            median, spread, least, most = RUN_HOURS
            hours = min(most, max(least, rng.lognormvariate(0.0, spread) * median))
            pieces = max(10, round(hours * line.rate_pcs_per_h / 10.0) * 10)
            setup_work_s = self._site.setup_minutes(line, family, item.family) * 60.0
            start_s = calendar.next_working(calendar.add_work(free_s, setup_work_s))
            run = Run(
                run_id=f"R-{self.new_number()}",
                line=line,
                item=item,
                quantity_pcs=pieces,
                setup_s=free_s,
                start_s=start_s,
                end_s=calendar.add_work(start_s, pieces / line.rate_pcs_per_h * 3600.0),
                release_s=calendar.subtract_work(free_s, rng.uniform(0.0, 3.0) * 3600.0),
            )
            queue.append(run)
            air_h = hours * (1.0 / self._settings.load - 1.0) * rng.uniform(0.4, 1.6)
            free_s = calendar.next_working(calendar.add_work(run.end_s, round(air_h * 12.0) * 300.0))
            family = item.family
        return queue

    def _next_item(self, made_here: list[Item], family: str) -> Item:
        same = [item for item in made_here if item.family == family]
        return self._rng.choice(same if same and self._rng.random() < 0.4 else made_here)

    def _finish(self, line: Line, fed: list[Run]) -> list[Run]:
        """One run of the finishing line for each run that it finishes, in the order in which those end."""
        calendar = line.calendar
        family, free_s = line.first_family, self._settings.start_s
        queue: list[Run] = []
        for feeder in sorted(fed, key=lambda run: (run.end_s, run.run_id)):
            assert feeder.item.finished_as is not None
            item = self._site.items[feeder.item.finished_as]
            handed_over_s = calendar.add_work(feeder.end_s, self._rng.uniform(1.0, 4.0) * 3600.0)
            setup_s = calendar.next_working(max(free_s, handed_over_s))
            setup_work_s = self._site.setup_minutes(line, family, item.family) * 60.0
            start_s = calendar.next_working(calendar.add_work(setup_s, setup_work_s))
            run = Run(
                run_id=f"{feeder.run_id}-2",
                line=line,
                item=item,
                quantity_pcs=feeder.quantity_pcs,
                setup_s=setup_s,
                start_s=start_s,
                end_s=calendar.add_work(start_s, feeder.quantity_pcs / line.rate_pcs_per_h * 3600.0),
                release_s=self._settings.start_s,
                waits_for={feeder.run_id: None},
            )
            feeder.feeds = run
            queue.append(run)
            free_s, family = calendar.add_work(run.end_s, 600.0), item.family
        return queue

    def _sell(self, book: Book, run: Run) -> None:
        """Give a run its order; now and then two orders share it."""
        pieces = [run.quantity_pcs]
        if self._rng.random() < 0.15:
            first = max(1, int(run.quantity_pcs * self._rng.uniform(0.3, 0.7)))
            pieces = [first, run.quantity_pcs - first]
        for place, quantity_pcs in enumerate(pieces):
            number = run.run_id.split("-")[1]
            order = self.new_order(run, number if place == 0 else f"{number}-B", quantity_pcs)
            book.orders[order.order_id] = order

    def new_order(self, run: Run, order_id: str, quantity_pcs: int, is_rush: bool = False) -> Order:
        """An order for pieces of a run, promised on a truck that the plan reaches with some slack."""
        rng = self._rng
        customer: Customer = rng.choice(self._site.customers)
        route = self._site.routes[customer.route_id]
        median, spread = SLACK_HOURS
        slack_h = rng.lognormvariate(0.0, spread) * median
        if is_rush or rng.random() < TIGHT_SHARE:
            slack_h = rng.uniform(0.0, 2.0)
        safe_s = run.line.calendar.add_work(run.end_s, slack_h * 3600.0)
        if self._settings.disturbances and not is_rush and self._oversold.random() < OVERSOLD_SHARE:
            safe_s = max(run.setup_s, run.end_s - self._oversold.uniform(*OVERSOLD_H) * 3600.0)
        value = quantity_pcs * run.item.unit_price
        own_penalty = round(value * rng.uniform(0.01, 0.04), -1) if rng.random() < 0.6 else None
        order = Order(
            order_id=order_id,
            customer=customer,
            item=run.item,
            quantity_pcs=quantity_pcs,
            promised_s=route.next_departure(safe_s, self._site.zone),
            route=route,
            penalty_per_day=own_penalty,
            priority=100 if is_rush else rng.choice((0, 0, 0, 10, 20)),
            waits_for={run.run_id: None},
        )
        run.pegs.append((order, quantity_pcs))
        return order
