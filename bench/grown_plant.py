"""A made-up plant of many entities, most of them behind it: what a twin holds after weeks, for recovery and soak.

Each line has a past of completed runs whose orders were shipped, and a queue that waits, the first run of it begun. All
this was said before the first tick, so that folding it asks for one evaluation only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.plant import PIECES_A_SECOND, BenchPlant, Body

STATIONS = 3
"""A line's stations."""


@dataclass(frozen=True, slots=True)
class GrownPlant(BenchPlant):
    """One site with a past.

    Attributes:
        runs_a_line: in each queue; run_h: length of a run, past ones too.
        past: completed runs a line; items, customers: that the runs and orders are spread over.
    """

    lines: int = 200
    runs_a_line: int = 20
    run_h: float = 3.0
    past: int = 218
    items: int = 2_000
    customers: int = 300

    @classmethod
    def of(cls, entities: int) -> "GrownPlant":
        """A plant with so many entities, about: a queue of twenty runs a line, and the rest in the past."""
        lines = max(2, entities // 500)
        others = cls(lines=lines, past=0, items=entities // 50, customers=entities // 300)
        pairs = (entities - others.entities) // 2  # a run and its order
        return cls(lines=lines, past=pairs // lines, items=others.items, customers=others.customers)

    @property
    def entities(self) -> int:
        """Site, items, customers, lines, stations, runs and orders."""
        runs = self.lines * (self.past + self.runs_a_line)
        return 1 + self.items + self.customers + self.lines * (1 + STATIONS) + 2 * runs

    def model(self) -> Iterator[Body]:
        """Everything that is known before the first count, the past included, up to the first tick."""
        told_at = self._run_begins(-self.past) - timedelta(hours=1)
        yield self._said("site_upserted", told_at, "site", name="Plant 1", zone="UTC", owner_id="boss")
        for number in range(self.customers):
            customer_id = f"C-{number:04}"
            yield self._said(
                "customer_upserted", told_at, customer_id, customer_id=customer_id, name="Customer"
            )
        for number in range(self.items):
            item_id = self._item_id(number)
            yield self._said(
                "item_upserted", told_at, item_id, item_id=item_id, setup_family=f"F-{number % 20}"
            )
        for line in range(self.lines):
            line_id = self.line_id(line)
            yield self._said("line_upserted", told_at, line_id, line_id=line_id, name=f"Line {line}")
            for number in range(STATIONS):
                station_id = f"{line_id}-{number}"
                yield self._said(
                    "station_upserted",
                    told_at,
                    station_id,
                    line_id=line_id,
                    station_id=station_id,
                    name="Station",
                )
        for line in range(self.lines):
            for run in range(-self.past, self.runs_a_line):
                yield from self.planned(line, run)
        for run in range(-self.past, 0):
            for line in range(self.lines):
                yield self.started(line, run)
                yield from self.finished(line, run)
        for line in range(self.lines):
            yield self.started(line, 0)
        yield self.tick(self.start)

    def planned(self, line: int, run: int) -> Iterator[Body]:
        """An order and its run, told three days before the run begins."""
        begin, end = self._run_begins(run), self._run_begins(run + 1)
        told_at = begin - timedelta(days=3)
        order_id, run_id = self.order_id(line, run), self.run_id(line, run)
        number = line * 7 + run  # spreads neighbours over items and customers
        item_id, pieces = self._item_id(number), PIECES_A_SECOND * self.run_h * 3600.0
        yield self._said(
            "order_upserted",
            told_at,
            order_id,
            order_id=order_id,
            customer_id=f"C-{number % self.customers:04}",
            item_id=item_id,
            quantity_pcs=pieces,
            promised_at=(end + timedelta(hours=self.slack_h)).isoformat(),
            unit_price=0.5,
            unit_cost=0.4,
            penalty_per_day=2_000.0,
        )
        yield self._said(
            "run_planned",
            told_at,
            run_id,
            run_id=run_id,
            line_id=self.line_id(line),
            item_id=item_id,
            quantity_pcs=pieces,
            planned_start_at=begin.isoformat(),
            planned_end_at=end.isoformat(),
            rate_pcs_per_h=PIECES_A_SECOND * 3600.0,
            pegs=[{"order_id": order_id, "quantity_pcs": pieces}],
        )

    def started(self, line: int, run: int) -> Body:
        """The begin of a run, on time."""
        run_id = self.run_id(line, run)
        return self._said(
            "run_started", self._run_begins(run), run_id, line_id=self.line_id(line), run_id=run_id
        )

    def finished(self, line: int, run: int) -> Iterator[Body]:
        """What a run made, in one count, its end, on time, and the departure of its order."""
        run_id, order_id = self.run_id(line, run), self.order_id(line, run)
        end = self._run_begins(run + 1)
        yield self._said(
            "count_reported",
            end,
            run_id,
            line_id=self.line_id(line),
            run_id=run_id,
            counter="total",
            good_count=PIECES_A_SECOND * self.run_h * 3600.0,
            scrap_count=0.0,
        )
        yield self._said("run_completed", end, run_id, line_id=self.line_id(line), run_id=run_id)
        pieces = PIECES_A_SECOND * self.run_h * 3600.0
        yield self._said("order_shipped", end, order_id, order_id=order_id, shipped_pcs=pieces)

    def _run_begins(self, run: int) -> datetime:
        return self.start + run * timedelta(hours=self.run_h)

    def _item_id(self, number: int) -> str:
        return f"I-{number % self.items:05}"
