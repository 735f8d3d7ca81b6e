"""A simulated plant's month through the real twin, in memory: every revision of every card, and what was true.

The factory's events come as the gateways, ERP and WMS would send them, late data, repeats and outages included; the
twin sees nothing else. The truth is what the simulator hides. Nothing here judges: scoring.py does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import cast

from schemas import (
    TOPIC_OF_KIND,
    AnyEvent,
    Card,
    ClockTicked,
    Event,
    Facts,
    OrderCancelled,
    OrderUpserted,
    Output,
    RunPlanned,
    Segment,
)
from streams.simulator import Factory, FactorySettings
from streams.simulator.plant import Line, Route
from streams.simulator.truth import TruthRecord
from twin import Twin

BATCH_EVENTS = 200
"""Events of one facts record; what comes out does not depend on it."""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that ERP said, as of a moment: a promise, or the plan of a run.

    Attributes:
        at_s: when it reached us, POSIX seconds.
    """

    at_s: float
    event: OrderUpserted | RunPlanned


@dataclass(slots=True)
class Month:
    """What a month left behind.

    Attributes:
        settings: of the factory; lines, routes: of its plant, by id.
        cards: every revision, in the order in which they were published.
        orders: what was said of each order; runs: of each run; both in the order in which they were said.
        cancelled: orders that were cancelled.
        truth: what the plant hid, complete.
        events: how many events the twin folded, the clock's ticks included.
    """

    settings: FactorySettings
    lines: dict[str, Line] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    cards: list[Card] = field(default_factory=list)
    orders: dict[str, list[Told]] = field(default_factory=dict)
    runs: dict[str, list[Told]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    truth: list[TruthRecord] = field(default_factory=list)
    events: int = 0

    def note(self, at_s: float, event: Event) -> None:
        """Keep what was said of orders and runs."""
        if isinstance(event, OrderUpserted):
            self.orders.setdefault(event.order_id, []).append(Told(at_s, event))
        elif isinstance(event, RunPlanned):
            self.runs.setdefault(event.run_id, []).append(Told(at_s, event))
        elif isinstance(event, OrderCancelled):
            self.cancelled.add(event.order_id)


def live_month(settings: FactorySettings, progress: Callable[[float], None] | None = None) -> Month:
    """Run the factory through a twin.

    Args:
        settings: the factory; one site.
        progress: told the share of the month that is done, now and then.
    """
    assert settings.sites == 1, "lines, runs and orders are told apart by their ids alone"
    factory = Factory(settings)
    (site,) = factory.sites
    month = Month(
        settings=settings,
        lines={line.line_id: line for line in site.lines},
        routes=dict(site.routes),
        truth=factory.truth,
    )
    for outputs in folded(_noted(factory.events(), month, progress)):
        month.cards += [output.body for output in outputs if isinstance(output.body, Card)]
    return month


def _noted(
    events: Iterable[Event], month: Month, progress: Callable[[float], None] | None
) -> Iterator[Event]:
    start_s, length_s = month.settings.start_s, month.settings.end_s - month.settings.start_s
    told = -1
    for event in events:
        month.events += 1
        at_s = event.event_time.timestamp()
        month.note(at_s, event)
        if progress is not None and isinstance(event, ClockTicked):
            percent = int(100.0 * (at_s - start_s) / length_s)
            if percent > told:
                told = percent
                progress(percent / 100.0)
        yield event


def folded(events: Iterable[Event], twin: Twin | None = None) -> Iterator[Sequence[Output]]:
    """What a twin puts out for events in the order in which they arrive, record by record."""
    twin = Twin() if twin is None else twin
    source = iter(events)
    offsets: dict[str, int] = {}
    while batch := list(islice(source, BATCH_EVENTS)):
        yield twin.apply(Facts(group_id="bench", segments=segments(batch, offsets)))
        twin.take_changes()


def segments(events: Sequence[Event], offsets: dict[str, int]) -> list[Segment]:
    """The events as ingest would write them, one source partition a topic; offsets are counted on."""
    made = []
    for topic, group in groupby(events, key=lambda event: TOPIC_OF_KIND[event.kind]):
        members = cast("list[AnyEvent]", list(group))
        begin = offsets.get(topic, 0)
        offsets[topic] = begin + len(members)
        made.append(
            Segment.model_construct(  # they come validated from the simulator
                topic=topic,
                partition=0,
                positions=[(begin + index, 0) for index in range(len(members))],
                events=members,
            )
        )
    return made
