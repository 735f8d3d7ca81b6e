"""A seeded factory: a plan, a shop floor that does not keep to it, and data about it that is not quite right.

    factory = Factory(FactorySettings(seed=7, lines=12, days=14))
    for event in factory.events(): ...
    factory.truth  # complete once the events are through: what the plant hid

Law: everything follows from the settings. Every process has a random stream of its own, named after the seed and its
line, so that more noise here does not change the drifts there.
"""

from collections.abc import Callable, Iterator
from heapq import merge
from pathlib import Path
from random import Random
from typing import NamedTuple

from schemas import Event
from streams.simulator.book import Book, Run
from streams.simulator.changes import Changes
from streams.simulator.clock import IDLE_STEP_S, TimedEvent, tick_times, with_clock
from streams.simulator.contradictions import Contradictions
from streams.simulator.dispatch import Dispatch
from streams.simulator.floor import LineFloor
from streams.simulator.kernel import Kernel
from streams.simulator.planner import Planner
from streams.simulator.plant import Site, build_sites
from streams.simulator.plant_events import plant_events
from streams.simulator.processes import Conditions, draw_drifts, draw_scrap_shifts
from streams.simulator.settings import FactorySettings
from streams.simulator.supply import Supply
from streams.simulator.surroundings import Surroundings
from streams.simulator.troubles import Troubles
from streams.simulator.truth import (
    ConflictTruth,
    DriftTruth,
    OutageTruth,
    ScrapShiftTruth,
    TruthRecord,
    write_truth,
)
from streams.simulator.voices import Erp, Mes
from twin.state.calendar import Interval

FIRST_ORDER_NUMBER = 10_000
ORDERS_PER_SITE = 100_000

AFTERMATH_DAYS = 60.0
"""The plant lives on unseen until all orders told of have left, at most so long, so that their true ends are known."""


class Factory:
    """One factory; `events` or `timed_events` can be asked for once.

    Attributes:
        sites: what there is.
        truth: what is hidden, in the order in which it became true; complete when the events are through.
    """

    def __init__(self, settings: FactorySettings) -> None:
        self.settings = settings
        self.sites = build_sites(settings)
        self.truth: list[TruthRecord] = []

    def events(self) -> Iterator[Event]:
        """Events in the order in which they arrive, with the clock's ticks between them."""
        ticks = [self._site_ticks(index) for index in range(len(self.sites))]
        pending = self.timed_events()
        timed = next(pending, None)
        for at_s, index in merge(*ticks):
            while timed is not None and timed[0] <= at_s:
                yield timed[1]
                timed = next(pending, None)
            site = self.sites[index]
            yield from with_clock((), (at_s,), site.site_id, site.zone)
        for _ in pending:  # the aftermath: nothing of it is seen, but the truth becomes complete
            pass

    def timed_events(self) -> Iterator[TimedEvent]:
        """The same events with the moment at which each arrives, without the clock."""
        return merge(
            *(self._site_events(index) for index in range(len(self.sites))), key=lambda timed: timed[0]
        )

    def _site_ticks(self, index: int) -> Iterator[tuple[float, int]]:
        for at_s in self.tick_times(self.sites[index]):
            yield at_s, index

    def tick_times(self, site: Site) -> Iterator[float]:
        """Moments of a site's ticks: the clock steps finely while any of its lines works."""
        settings = self.settings
        return tick_times(
            working=_any_working(site, settings.start_s, settings.end_s),
            start_s=settings.start_s,
            end_s=settings.end_s,
            working_step_s=settings.clock_step_s,
            idle_step_s=max(IDLE_STEP_S, settings.clock_step_s),
        )

    def _site_events(self, index: int) -> Iterator[TimedEvent]:
        settings, site = self.settings, self.sites[index]
        for event in plant_events(site, settings):
            yield settings.start_s, event
        troubles = Troubles(
            lines={line.line_id: line for line in site.lines},
            seed=settings.seed,
            start_s=settings.start_s,
            is_on=settings.troubles,
            truth=self._note_if_seen,
        )
        for at_s, event in troubles.arrivals(self._happenings(site, index)):
            if at_s <= settings.end_s:
                yield at_s, event

    def _note_if_seen(self, record: TruthRecord) -> None:
        """Keep what spoils the data, while there are data."""
        if isinstance(record, OutageTruth | ConflictTruth) and record.start_s <= self.settings.end_s:
            self.truth.append(record)

    def _happenings(self, site: Site, index: int) -> Iterator[TimedEvent]:
        """What happens at a site, each at its own moment; past the end of days only the truth goes on."""
        settings = self.settings
        kernel = Kernel(settings.start_s)
        planner = Planner(site, settings, FIRST_ORDER_NUMBER + index * ORDERS_PER_SITE)
        book = planner.plan()
        erp = Erp(kernel, site)
        around = Surroundings(
            kernel=kernel,
            site=site,
            book=book,
            supply=Supply(kernel, site, settings, self.truth.append),
            dispatch=Dispatch(kernel, site, erp, self.truth.append),
            settings=settings,
            truth=self.truth.append,
        )
        around.supply.start(book)
        _announce(book, around, erp)
        floors = {
            line.line_id: LineFloor(line, around, conditions_of(settings, line.line_id, self.truth.append))
            for line in site.lines
        }
        for floor in floors.values():
            floor.start()
        if settings.disturbances:
            Changes(around, planner, erp, floors).start()
        if settings.troubles:
            Contradictions(around, erp, Mes(kernel, site), floors, self._note_if_seen).start()

        def is_over() -> bool:
            past_s = kernel.now_s - settings.end_s
            return past_s > 0.0 and (not around.dispatch.open_orders or past_s > AFTERMATH_DAYS * 86_400.0)

        yield from kernel.run(is_over)


def conditions_of(settings: FactorySettings, line_id: str, note: Callable[[TruthRecord], None]) -> Conditions:
    """The drifts and scrap shifts of a line; those that begin while there are data are noted."""
    if not settings.disturbances:
        return Conditions([], [])
    until_s = settings.end_s + AFTERMATH_DAYS * 86_400.0
    drifts = draw_drifts(Random(f"{settings.seed}/drifts/{line_id}"), line_id, settings.start_s, until_s)
    shifts = draw_scrap_shifts(
        Random(f"{settings.seed}/scrap-shifts/{line_id}"), line_id, settings.start_s, until_s
    )
    hidden: list[DriftTruth | ScrapShiftTruth] = [*drifts, *shifts]
    for truth in hidden:
        if truth.start_s <= settings.end_s:
            note(truth)
    return Conditions(drifts, shifts)


def _announce(book: Book, around: Surroundings, erp: Erp) -> None:
    """Tell of each run and its orders when its time comes; what nobody was told of by the end is never made."""

    def tell(run: Run) -> None:
        if around.kernel.now_s > around.settings.end_s or run.is_announced:
            return
        if run.feeds is not None:  # the later step first, so that nobody hears of a run that is not known
            tell(run.feeds)
        run.is_announced = True
        for order, _ in run.pegs:
            around.dispatch.open_orders[order.order_id] = order
            erp.tell_order(order)
        erp.tell_run(run)

    for run in sorted(book.runs(), key=lambda run: run.announced_s):
        around.kernel.at(run.announced_s, lambda _, run=run: tell(run))  # type: ignore[misc]


def _any_working(site: Site, start_s: float, end_s: float) -> list[Interval]:
    """Intervals in which at least one line works."""
    union: list[Interval] = []
    spans = sorted(span for line in site.lines for span in line.calendar.intervals(start_s, end_s))
    for begin, end in spans:
        if union and begin <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((begin, end))
    return union


class Simulated(NamedTuple):
    """How much was written."""

    events: int
    truth_records: int


def simulate(settings: FactorySettings, out: Path, truth: Path | None = None) -> Simulated:
    """Write a factory's events as NDJSON in the order in which they arrive, and its truth beside them.

    Args:
        settings: the factory.
        out: file of events; one whole event a line.
        truth: file of truth records; None: not kept.
    """
    factory = Factory(settings)
    number = 0
    with out.open("w", encoding="utf-8") as stream:
        for event in factory.events():
            stream.write(event.model_dump_json(exclude_none=True) + "\n")
            number += 1
    if truth is None:
        return Simulated(events=number, truth_records=0)
    with truth.open("w", encoding="utf-8") as stream:
        return Simulated(events=number, truth_records=write_truth(factory.truth, stream))
