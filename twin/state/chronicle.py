"""What really happened to runs and orders over some weeks, kept from the facts themselves: states, moments, promises.

Pure: takes events in the order of the log, answers when asked. It is no part of the fold and has no documents: whoever
wants the record of a week folds the facts again, the twin and a chronicle side by side. Repeats and late news change
nothing but what they say: moves of a run are sorted by when they happened, and illegal ones are left out as the twin
leaves them out (twin/state/runs.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import (
    Event,
    Facts,
    OrderCancelled,
    OrderShipped,
    OrderUpserted,
    ReceiptReceived,
    RunEvent,
    RunPlanned,
)
from twin.state.entities import SiteKey
from twin.state.runs import FINISHED, RUN_TRANSITIONS, STOPPED, RunState

_MOVES = frozenset(kind for moves in RUN_TRANSITIONS.values() for kind in moves)


class Stretch(NamedTuple):
    """A run was in a state from one moment to another, POSIX seconds; until is None while it lasts."""

    state: RunState
    since: float
    until: float | None


@dataclass(slots=True)
class RunStory:
    """A run as it really went.

    Attributes:
        site_id, run_id: what it is.
        told_at: when anybody first spoke of it.
        plan: ERP's last word.
        line_id: where it was set up or begun last; None before that.
        moves: (when, what) as they were told, each once.
    """

    site_id: str
    run_id: str
    told_at: float
    plan: RunPlanned | None = None
    line_id: str | None = None
    begun_at: float | None = None
    moves: dict[tuple[float, str], None] = field(default_factory=dict)

    def stretches(self) -> list[Stretch]:
        """Its states one after the other, from its first move on; the last one has no end unless it is over."""
        state, since = RunState.PLANNED, 0.0
        found: list[Stretch] = []
        for at, kind in sorted(self.moves, key=lambda move: move[0]):
            after = RUN_TRANSITIONS[state].get(kind)
            if after is None or after is state:
                continue
            if state is not RunState.PLANNED:
                found.append(Stretch(state, since, at))
            state, since = after, at
        if state is not RunState.PLANNED:
            found.append(Stretch(state, since, since if state in FINISHED else None))
        return found


@dataclass(slots=True)
class OrderStory:
    """An order as it really went; shipped: (when, pieces so far, of all shipments together)."""

    site_id: str
    order_id: str
    told_at: float
    event: OrderUpserted | None = None
    shipped: dict[tuple[float, float], None] = field(default_factory=dict)
    is_cancelled: bool = False

    @property
    def shipped_at(self) -> float | None:
        """When it had left whole; None while it has not."""
        if self.event is None:
            return None
        whole = self.event.quantity_pcs * (1.0 - 1e-9)
        return min((at for at, pieces in self.shipped if pieces >= whole), default=None)


@dataclass(slots=True)
class Chronicle:
    """Everything told of runs, orders and receipts.

    Attributes:
        runs, orders: by (site_id, id), in the order in which they were first heard of.
        receipts: (when, site_id, item_id) of what came.
    """

    runs: dict[SiteKey, RunStory] = field(default_factory=dict)
    orders: dict[SiteKey, OrderStory] = field(default_factory=dict)
    receipts: dict[tuple[float, str, str], None] = field(default_factory=dict)

    def take(self, facts: Facts) -> None:
        """Take in one record of the log."""
        for segment in facts.segments:
            self.take_events(segment.events)

    def take_events(self, events: Iterable[Event]) -> None:
        """Take in events."""
        for event in events:
            if isinstance(event, RunEvent):
                self._on_run(event)
            elif isinstance(event, RunPlanned):
                story = self._run(event.site_id, event.run_id, event.event_time.timestamp())
                if story.plan is None or story.plan.event_time <= event.event_time:
                    story.plan = event
            elif isinstance(event, ReceiptReceived):
                self.receipts[event.event_time.timestamp(), event.site_id, event.item_id] = None
            elif isinstance(event, OrderUpserted | OrderShipped | OrderCancelled):
                self._on_order(event)

    def _on_run(self, event: RunEvent) -> None:
        if event.kind not in _MOVES:
            return
        at = event.event_time.timestamp()
        story = self._run(event.site_id, event.run_id, at)
        story.moves[at, event.kind] = None
        is_begin = event.kind in ("setup_started", "run_started")
        if is_begin and (story.begun_at is None or at >= story.begun_at):
            story.line_id, story.begun_at = event.line_id, at

    def _on_order(self, event: OrderUpserted | OrderShipped | OrderCancelled) -> None:
        at = event.event_time.timestamp()
        story = self.orders.get((event.site_id, event.order_id))
        if story is None:
            story = self.orders[event.site_id, event.order_id] = OrderStory(event.site_id, event.order_id, at)
        story.told_at = min(story.told_at, at)
        if isinstance(event, OrderUpserted):
            if story.event is None or story.event.event_time <= event.event_time:
                story.event = event
        elif isinstance(event, OrderShipped):
            story.shipped[at, event.shipped_pcs] = None
        else:
            story.is_cancelled = True

    def _run(self, site_id: str, run_id: str, at: float) -> RunStory:
        story = self.runs.get((site_id, run_id))
        if story is None:
            story = self.runs[site_id, run_id] = RunStory(site_id, run_id, at)
        story.told_at = min(story.told_at, at)
        return story


@dataclass(frozen=True, slots=True)
class Lived:
    """A run that is over, in moments (POSIX seconds).

    Attributes:
        line_id: that made it.
        began_at: of its setup, or of its first piece where it needed none.
        started_at: it made its first piece; ended_at: it was completed, or given up (is_aborted).
        running, setups, stopped: stretches [from, to) of making pieces, of setting up, of being held or suspended.
    """

    story: RunStory
    line_id: str
    began_at: float
    started_at: float
    ended_at: float
    is_aborted: bool
    running: tuple[tuple[float, float], ...]
    setups: tuple[tuple[float, float], ...]
    stopped: tuple[tuple[float, float], ...]

    @property
    def key(self) -> SiteKey:
        """Its id, with its site."""
        return (self.story.site_id, self.story.run_id)


def lived_runs(chronicle: Chronicle, site_id: str) -> list[Lived]:
    """Runs of a site that are over and were begun on a line, by when they began."""
    found = []
    for (site, _), story in chronicle.runs.items():
        if site != site_id or story.line_id is None:
            continue
        stretches = story.stretches()
        if not stretches or stretches[-1].state not in FINISHED:
            continue
        running = _of(stretches, (RunState.RUNNING,))
        if not running:
            continue
        found.append(
            Lived(
                story=story,
                line_id=story.line_id,
                began_at=stretches[0].since,
                started_at=running[0][0],
                ended_at=stretches[-1].since,
                is_aborted=stretches[-1].state is RunState.ABORTED,
                running=running,
                setups=_of(stretches, (RunState.SETUP,)),
                stopped=_of(stretches, tuple(STOPPED)),
            )
        )
    return sorted(found, key=lambda each: (each.began_at, each.key))


def _of(stretches: list[Stretch], states: tuple[RunState, ...]) -> tuple[tuple[float, float], ...]:
    return tuple(
        (each.since, each.until)
        for each in stretches
        if each.state in states and each.until is not None and each.until > each.since
    )
