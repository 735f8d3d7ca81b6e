"""The plant of the loop's benchmark: 20 lines, 200 orders, families with setups, items that several lines can make.

Every line is busy around the clock with ten runs; a stop of four hours makes a part of its orders late, and other lines
have the air to take some of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bench.plant import SITE, Body

LINES = 20
RUNS_A_LINE = 10
GROUP = 20
"""Lines that can make the same items: all, so that a request reaches over the whole plant. The hardest case."""

RUN_H = 3.0
AIR_H = 0.4
"""Between the planned end of a run and the setup of the next: what a plan leaves free."""

FAMILIES = ("red", "blue", "white")
SETUP_MIN = 24.0
RATE_PCS_PER_H = 600.0
STOP_MIN = 240.0


@dataclass(frozen=True, slots=True)
class LoopPlant:
    """One site.

    Attributes:
        start: when the first run of each line began.
    """

    start: datetime

    def line_id(self, line: int) -> str:
        """Name of a line."""
        return f"L{line:02}"

    def run_id(self, line: int, run: int = 0) -> str:
        """Name of a run of a line."""
        return f"R-{line:02}-{run}"

    def rate_pcs_per_h(self, line: int) -> float:
        """Planned good pieces an hour of a line, whatever it makes."""
        return RATE_PCS_PER_H * (1.0 - 0.04 * (line % 3))

    def model(self) -> Iterator[Body]:
        """Everything but what machines say."""
        told = self.start - timedelta(hours=1)
        yield self._said("site_upserted", told, "site", name="Plant 1", zone="UTC", owner_id="boss")
        rules = {
            "replan_pause_s": 0.0
        }  # each trial is a first one: what follows a request at once is gathered
        yield self._said("rules_updated", told, "rules", rules=rules)
        entries = [
            {"from_family": a, "to_family": b, "setup_min": SETUP_MIN, "cost": 40.0}
            for a in FAMILIES
            for b in FAMILIES
            if a != b
        ]
        yield self._said("setup_matrix_upserted", told, "setups", entries=entries, default_min=SETUP_MIN)
        for customer in range(8):
            name = f"C{customer}"
            yield self._said("customer_upserted", told, name, customer_id=name, name=f"Customer {customer}")
        for line in range(LINES):
            line_id = self.line_id(line)
            family = FAMILIES[line % len(FAMILIES)]
            yield self._said(
                "line_upserted",
                told,
                line_id,
                line_id=line_id,
                name=f"Line {line}",
                setup_family=family,
                rate_pcs_per_h=self.rate_pcs_per_h(line),
            )
        for group in range(LINES // GROUP):
            for family in FAMILIES:
                item = f"{family}-{group}"
                yield self._said("item_upserted", told, item, item_id=item, setup_family=family)
                lines = range(group * GROUP, (group + 1) * GROUP)
                steps = [
                    {
                        "step": 1,
                        "line_id": self.line_id(line),
                        "rate_pcs_per_h": self.rate_pcs_per_h(line),
                    }
                    for line in lines
                ]
                yield self._said("routing_upserted", told, item, item_id=item, steps=steps)
        for line in range(LINES):
            yield from self._work(line, told)

    def begun(self) -> Iterator[Body]:
        """The first run of each line starts."""
        for line in range(LINES):
            run_id = self.run_id(line)
            yield self._said("run_started", self.start, run_id, line_id=self.line_id(line), run_id=run_id)

    def made(self, until: datetime) -> Iterator[Body]:
        """What each line made since its start, as planned: without it all would look behind."""
        hours = (until - self.start).total_seconds() / 3600.0
        for line in range(LINES):
            yield self.count(line, 0, until, hours * self.rate_pcs_per_h(line))

    def count(self, line: int, number: int, at: datetime, good: float) -> Body:
        """Pieces of a line's first run since the count before."""
        about = f"{self.line_id(line)}/{number}"
        return self._said(
            "count_reported",
            at,
            about,
            line_id=self.line_id(line),
            run_id=self.run_id(line),
            counter="delta",
            good_count=good,
            scrap_count=0.0,
        )

    def held(self, line: int, at: datetime) -> Body:
        """A stop of a line's first run that is expected to last four hours."""
        about = self.run_id(line)
        more = {"reason": "gearbox", "expected_duration_min": STOP_MIN}
        return self._said("run_held", at, about, line_id=self.line_id(line), run_id=about, **more)

    def resumed(self, line: int, at: datetime) -> Body:
        """The end of that stop."""
        about = self.run_id(line)
        return self._said("run_resumed", at, about, line_id=self.line_id(line), run_id=about)

    def _work(self, line: int, told: datetime) -> Iterator[Body]:
        begin = self.start
        for run in range(RUNS_A_LINE):
            family = FAMILIES[(line + run // 2) % len(FAMILIES)]
            before = FAMILIES[(line + max(0, run - 1) // 2) % len(FAMILIES)]
            if run:
                begin += timedelta(hours=AIR_H, minutes=SETUP_MIN if family != before else 0.0)
            length = timedelta(hours=RUN_H + 0.25 * ((line * 3 + run * 5) % 7))
            yield from self._run(line, run, f"{family}-{line // GROUP}", begin, length, told)
            begin += length

    def _run(
        self, line: int, run: int, item: str, begin: datetime, length: timedelta, told: datetime
    ) -> Iterator[Body]:
        """A run and its order, promised one to nine hours after its planned end."""
        rate = self.rate_pcs_per_h(line)
        pieces = rate * length.total_seconds() / 3600.0
        run_id, order_id = self.run_id(line, run), f"SO-{line:02}-{run}"
        slack = timedelta(hours=1.0 + (line * 5 + run * 3) % 9)
        yield self._said(
            "order_upserted",
            told,
            order_id,
            order_id=order_id,
            customer_id=f"C{(line + run) % 8}",
            item_id=item,
            quantity_pcs=pieces,
            promised_at=(begin + length + slack).isoformat(),
            unit_price=2.0,
            unit_cost=1.6,
            penalty_per_day=300.0 + 100.0 * ((line + 2 * run) % 10),
        )
        yield self._said(
            "run_planned",
            told,
            run_id,
            run_id=run_id,
            line_id=self.line_id(line),
            item_id=item,
            quantity_pcs=pieces,
            planned_start_at=begin.isoformat(),
            planned_end_at=(begin + length).isoformat(),
            rate_pcs_per_h=rate,
            pegs=[{"order_id": order_id, "quantity_pcs": pieces}],
        )

    def _said(self, kind: str, at: datetime, about: str, **fields: Any) -> Body:
        identity = {"event_id": f"{kind}/{about}/{int(at.timestamp() * 1000)}", "event_time": at.isoformat()}
        return {"kind": kind, **identity, "site_id": SITE, **fields}
