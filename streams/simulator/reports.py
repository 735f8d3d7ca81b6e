"""What a line's gateway reports of the run in progress: counts, material, inspections."""

from dataclasses import dataclass, field
from random import Random

from schemas import CountReported, MaterialConsumed, QualityRecorded
from streams.simulator.book import Run
from streams.simulator.plant import Line
from streams.simulator.voices import Gateway

INSPECTED_PCS = 25
COUNTER_RESET_SHARE = 0.002
"""Share of total reports after which the counter starts again from zero."""


@dataclass(slots=True)
class Work:
    """The run in progress and what is known of it only on the floor.

    Attributes:
        setup_s, planned_setup_s: of its setup, really and as planned.
        speed: the run's own factor; over_use: share of material used beyond the bill.
        progress: the piece in the making, 0..1.
        good, scrap: pieces made so far.
        unreported: good and scrap pieces since the last report.
        counter: good and scrap reading of the gateway's counter.
        used: material since the last report, by item.
    """

    run: Run
    setup_s: float
    started_s: float
    speed: float
    over_use: float
    planned_setup_s: float = 0.0
    progress: float = 0.0
    good: int = 0
    scrap: int = 0
    unreported: list[int] = field(default_factory=lambda: [0, 0])
    counter: list[int] = field(default_factory=lambda: [0, 0])
    used: dict[str, float] = field(default_factory=dict)

    def add(self, good: int, scrap: int) -> None:
        """Pieces that were made."""
        self.good += good
        self.scrap += scrap
        self.unreported[0] += good
        self.unreported[1] += scrap


def report_count(gateway: Gateway, line: Line, work: Work, rng: Random) -> None:
    """Report the pieces since the last report, as this line's gateway does: a delta or the counter's reading."""
    for which in (0, 1):
        work.counter[which] += work.unreported[which]
    told = work.counter if line.counts_totals else work.unreported
    gateway.tell_line(
        CountReported,
        run_id=work.run.run_id if line.names_run else None,
        counter="total" if line.counts_totals else "delta",
        good_count=float(told[0]),
        scrap_count=float(told[1]),
    )
    work.unreported = [0, 0]
    # A reset is only seen where the next reading lies below the last one, so a small counter is left alone.
    is_large = work.counter[0] > line.rate_pcs_per_h
    if line.counts_totals and is_large and rng.random() < COUNTER_RESET_SHARE:
        work.counter = [0, 0]


def report_used(gateway: Gateway, work: Work) -> None:
    """Report the material since the last report."""
    for item_id, quantity in work.used.items():
        gateway.tell_line(
            MaterialConsumed, run_id=work.run.run_id, item_id=item_id, quantity=round(quantity, 3)
        )
    work.used = {}


def report_inspection(gateway: Gateway, work: Work, bad_share: float, rng: Random) -> None:
    """Look at some pieces and report how many are bad."""
    bad = sum(rng.random() < bad_share for _ in range(INSPECTED_PCS))
    gateway.tell_line(
        QualityRecorded,
        run_id=work.run.run_id,
        inspected_count=float(INSPECTED_PCS),
        bad_count=float(bad),
        characteristic="visual",
    )
