"""`foresite replay`: files through the twin without a broker, on the events' own clock.

The verdicts are those of ingest (schemas.decode) and of the twin itself. Events are taken in the order of their
event_time, ties in the order of the files; ticks stand between them so that time passes. The wall clock is never read:
the same files give the same result. A recording (streams/recording.py) is folded as it was: in its order, by its ticks.

Events up to `until` are held in memory to be sorted, about 2 KB each: a million of them need 2 GB.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast

from schemas import (
    AnyEvent,
    BadRecord,
    Card,
    CardState,
    Event,
    EventRejected,
    Facts,
    Output,
    Rules,
    RulesUpdated,
    Segment,
    Tick,
    UsageError,
)
from schemas.base import EARLIEST_TIME
from schemas.decode import decode_batch
from schemas.topics import CARDS, PLANT_MODEL
from streams.adapters.mapping_file import Mappings
from streams.recording import recordings_in, up_to
from streams.routing import EVERYWHERE
from streams.sources import ReadTally, RefusedRecord, SourceRecord, read_records

BATCH_EVENTS: Final = 500
"""Events in one facts record, as ingest makes them."""

KEPT_REFUSALS: Final = 1_000
"""Refusals and rejections kept with their reason; what is beyond is only counted."""

ENDED: Final = frozenset({CardState.CLEARED, CardState.CLOSED, CardState.DISMISSED, CardState.RESOLVED})

_T = TypeVar("_T")


class ReplayedTwin(Protocol):
    """The part of twin.Twin that a replay uses."""

    @property
    def counters(self) -> Counter[tuple[str, str]]:
        """Events by ("rejected", reason) and ("duplicate", how)."""
        ...

    @property
    def digest(self) -> str:
        """Fingerprint of all state."""
        ...

    def apply(self, facts: Facts) -> Sequence[Output]:
        """Fold one facts record."""
        ...

    def take_changes(self) -> object:
        """Forget what changed since the last call."""
        ...


@dataclass(slots=True)
class ReplayResult:
    """What a replay came to. Every event that was read is in exactly one of applied, repeated, rejected, after_until.

    Attributes:
        read: lines and rows.
        events: good events by the verdict of ingest.
        applied: taken by the twin.
        repeated: dropped by the twin, which has had them before, by how it could tell.
        rejected: by the twin's reason; rejections: the first of them.
        dead_letters: by code: lines and rows that are no record, and bodies that are no event; refusals: the first of
            them, in words.
        after_until: events that lie after the end of the replay.
        first_at, until: from the first event to the last tick.
        cards: latest version of each card by card_id; outputs: records by topic.
        digest: of the twin's state at the end.
    """

    read: ReadTally = field(default_factory=ReadTally)
    events: int = 0
    applied: int = 0
    repeated: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    rejections: list[EventRejected] = field(default_factory=list)
    dead_letters: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    after_until: int = 0
    first_at: datetime | None = None
    until: datetime | None = None
    cards: dict[str, Card] = field(default_factory=dict)
    outputs: Counter[str] = field(default_factory=Counter)
    digest: str = ""

    def ranked(self, *, ended: bool = False) -> list[Card]:
        """Cards that need somebody (or those that have ended), the most urgent first: by score, deadline, id."""
        return sorted((card for card in self.cards.values() if (card.state in ENDED) is ended), key=_rank)

    def tally(self) -> dict[str, object]:
        """The counts in the order in which a record passes them, for people and tests."""
        return {
            "lines": self.read.lines,
            "ignored": dict(sorted(self.read.ignored.items())),
            "dead_letters": {str(code): count for code, count in sorted(self.dead_letters.items())},
            "events": self.events,
            "applied": self.applied,
            "repeated": self.repeated,
            "rejected": self.rejected,
            "after_until": self.after_until,
        }


class Replay:
    """Files on their way through a twin, from moment to moment.

    Args:
        paths: files of JSON lines or tables, or folders of such.
        mapping: what the rows of tables mean.
        twin: a new one.
        tick_s: event time between two ticks. Smaller: silence and lateness are seen sooner, the replay takes longer.
        rules: in force for every site from the first moment on, whatever the files say of rules; None: those of the
            files.
        on_card: is called with each card that is published.

    Raises:
        UsageError: a file cannot be read, or is a table and there is no mapping.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        mapping: Mappings | None,
        twin: ReplayedTwin,
        tick_s: int = 60,
        *,
        rules: Rules | None = None,
        on_card: Callable[[Card], object] | None = None,
    ) -> None:
        assert tick_s > 0, "time goes forward"
        self._twin = twin
        self._tick_s = tick_s
        self._result = ReplayResult()
        self._on_card = on_card
        self._recorded = _recorded(paths, self._result)
        self._events = [] if self._recorded else _events_in_order(paths, mapping, self._result)
        if rules is not None:
            self._recorded = _recorded_under_rules(rules, self._recorded)
            self._events = _under_rules(rules, self._events)
            self._result.events = len(self._events) + sum(map(_events_in, self._recorded))
        self._taken = 0
        self._offsets: Counter[str] = Counter()

    @property
    def first_at(self) -> datetime | None:
        """The first event's time, of a recording its first tick; None where there is none."""
        if self._recorded:
            return next((at for facts in self._recorded for at in _ticks(facts)), None)
        return self._events[0][1].event_time if self._events else None

    @property
    def last_at(self) -> datetime | None:
        """The last event's time, of a recording its last tick; None where there is none."""
        if self._recorded:
            return max((at for facts in self._recorded for at in _ticks(facts)), default=None)
        return self._events[-1][1].event_time if self._events else None

    def advance(self, until: datetime) -> ReplayResult:
        """Take the events up to the moment, and let time pass to it.

        Args:
            until: with its zone, not before the moment reached: events at it are in, later ones are not.

        Returns:
            What the replay has come to since its beginning; the same object each time.
        """
        result = self._result
        assert result.until is None or until >= result.until, "time goes forward"
        if self._recorded:
            self._apply_recorded(until)
        if self._events and self._events[0][1].event_time <= until:
            if result.first_at is None:
                result.first_at = result.until = self._events[0][1].event_time
                self._apply([], result.first_at)  # opens the clock
            assert result.until is not None, "set with first_at"
            for tick_at in _tick_times(result.until, until, self._tick_s):
                due = self._taken
                while due < len(self._events) and self._events[due][1].event_time <= tick_at:
                    due += 1
                while due - self._taken > BATCH_EVENTS:
                    self._apply(self._events[self._taken : self._taken + BATCH_EVENTS])
                self._apply(self._events[self._taken : due], tick_at)
            result.until = until
        counters = self._twin.counters
        result.rejected = {how: n for (what, how), n in sorted(counters.items()) if what == "rejected"}
        result.repeated = {how: n for (what, how), n in sorted(counters.items()) if what == "duplicate"}
        result.applied = self._taken - sum(result.rejected.values()) - sum(result.repeated.values())
        result.after_until = result.events - self._taken
        result.digest = self._twin.digest
        return result

    def _apply_recorded(self, until: datetime) -> None:
        """Fold the records of a recording up to where its clock passes the moment."""
        result = self._result
        while self._recorded:
            facts, rest = up_to(self._recorded[0], until.timestamp())
            if result.first_at is None:
                result.first_at = next(_ticks(facts), None)
            _collect(self._twin.apply(facts), result, self._on_card)
            self._twin.take_changes()
            self._taken += _events_in(facts)
            if rest is not None:
                self._recorded[0] = rest
                break
            self._recorded.popleft()
        result.until = until

    def _apply(self, events: Sequence[tuple[str, Event]], tick_at: datetime | None = None) -> None:
        """Fold one facts record: events, and the tick behind them."""
        facts = Facts(
            group_id="replay",
            segments=_segments(events, self._offsets),
            tick=None if tick_at is None else Tick(now=tick_at),
        )
        _collect(self._twin.apply(facts), self._result, self._on_card)
        self._twin.take_changes()
        self._taken += len(events)


def replay(
    paths: Sequence[Path],
    mapping: Mappings | None,
    twin_factory: Callable[[], ReplayedTwin],
    until: datetime | None = None,
    tick_s: int = 60,
) -> ReplayResult:
    """Feed files to a new twin up to a moment (None: the last event) and collect its cards; see Replay."""
    run = Replay(paths, mapping, twin_factory(), tick_s)
    end = until if until is not None else run.last_at
    return run.advance(end if end is not None else EARLIEST_TIME)


def _recorded(paths: Sequence[Path], result: ReplayResult) -> deque[Facts]:
    """The facts of a recording; empty where the files are none."""
    partitions = recordings_in(paths)
    if partitions is None:
        return deque()
    # What concerns every site is in every partition; one that holds nothing else tells nothing.
    of_sites = [records for _, records in sorted(partitions.items()) if any(map(_is_of_a_site, records))]
    if len(of_sites) > 1:
        raise UsageError(
            f"the recording holds {len(of_sites)} partitions of facts, and a replay has one twin: record a single "
            "site (foresite record --site), or ask foresite as-of"
        )
    records = of_sites[0] if of_sites else next(iter(partitions.values()))
    result.events = result.read.lines = sum(map(_events_in, records))
    return deque(records)


def _is_of_a_site(facts: Facts) -> bool:
    return any(event.site_id != EVERYWHERE for segment in facts.segments for event in segment.events)


def _events_in(facts: Facts) -> int:
    return sum(len(segment.events) for segment in facts.segments)


def _ticks(facts: Facts) -> Iterator[datetime]:
    for segment in facts.segments:
        for event in segment.events:
            if event.kind == "clock_ticked":
                yield event.event_time
    if facts.tick is not None:
        yield facts.tick.now


def _events_in_order(
    paths: Iterable[Path], mapping: Mappings | None, result: ReplayResult
) -> list[tuple[str, Event]]:
    """Topic and event of everything readable, by event_time; what is unreadable is counted in the result."""
    events: list[tuple[str, Event]] = []
    records = _without_refused(read_records(paths, mapping, result.read), result)
    for topic, group in groupby(records, key=lambda record: record.topic):
        for batch in _batches(group, BATCH_EVENTS):
            decoded = decode_batch(topic, [record.value for record in batch])
            for record, verdicts in zip(batch, decoded, strict=True):
                for _, verdict in verdicts.items:
                    if isinstance(verdict, BadRecord):
                        _refuse(RefusedRecord(record.origin, verdict, record.value), result)
                    else:
                        events.append((topic, verdict))
    result.events = len(events)
    events.sort(key=lambda pair: pair[1].event_time)  # stable: the order of the files breaks ties
    return events


def _without_refused(
    records: Iterable[SourceRecord | RefusedRecord], result: ReplayResult
) -> Iterator[SourceRecord]:
    for record in records:
        if isinstance(record, RefusedRecord):
            _refuse(record, result)
        else:
            yield record


def _refuse(refused: RefusedRecord, result: ReplayResult) -> None:
    result.dead_letters[refused.problem.code] += 1
    if len(result.refusals) < KEPT_REFUSALS:
        result.refusals.append(str(refused))


def _tick_times(first: datetime, until: datetime, tick_s: int) -> Iterator[datetime]:
    """Full multiples of tick_s after the first moment and before the last, then the last."""
    ticks = int(first.timestamp()) // tick_s + 1
    while ticks * tick_s < until.timestamp():
        yield datetime.fromtimestamp(ticks * tick_s, UTC)
        ticks += 1
    yield until


def _segments(events: Sequence[tuple[str, Event]], offsets: Counter[str]) -> list[Segment]:
    """Segments that keep the order of the events, also where topics take turns."""
    segments = []
    for topic, group in groupby(events, key=lambda pair: pair[0]):
        members = [event for _, event in group]
        begin = offsets[topic]
        offsets[topic] += len(members)
        segments.append(
            Segment.model_construct(  # the events were validated one by one; to do it again costs half the replay
                topic=topic,
                partition=0,
                positions=[(begin + index, 0) for index in range(len(members))],
                events=cast("list[AnyEvent]", members),
            )
        )
    return segments


def _under_rules(rules: Rules, events: list[tuple[str, Event]]) -> list[tuple[str, Event]]:
    """The events with these rules before all of them, and without any others."""
    if not events:
        return events
    first_at = events[0][1].event_time
    given = RulesUpdated(event_id="replay/rules", event_time=first_at, site_id="*", rules=rules)
    others = [pair for pair in events if not isinstance(pair[1], RulesUpdated)]
    return [(PLANT_MODEL, given), *others]


def _recorded_under_rules(rules: Rules, recorded: deque[Facts]) -> deque[Facts]:
    """The recording with these rules before all of it, and without any others."""
    first = next((at for facts in recorded for at in _ticks(facts)), None)
    if first is None:
        return recorded
    given = RulesUpdated(event_id="replay/rules", event_time=first, site_id="*", rules=rules)
    before = Segment(topic="replay/rules", partition=0, positions=[(0, 0)], events=[given])
    return deque([Facts(group_id="replay", segments=[before]), *map(_without_rules, recorded)])


def _without_rules(facts: Facts) -> Facts:
    segments = []
    for segment in facts.segments:
        kept = [
            (position, event)
            for position, event in zip(segment.positions, segment.events, strict=True)
            if not isinstance(event, RulesUpdated)
        ]
        positions, events = [position for position, _ in kept], [event for _, event in kept]
        segments.append(segment.model_copy(update={"positions": positions, "events": events}))
    return facts.model_copy(update={"segments": segments})


def _collect(
    outputs: Iterable[Output], result: ReplayResult, on_card: Callable[[Card], object] | None
) -> None:
    for output in outputs:
        result.outputs[output.topic] += 1
        if isinstance(output.body, EventRejected):
            if len(result.rejections) < KEPT_REFUSALS:
                result.rejections.append(output.body)
        elif isinstance(output.body, Card):
            result.cards[output.body.card_id] = output.body
            if on_card is not None:
                on_card(output.body)
        elif output.body is None and output.topic == CARDS:
            result.cards.pop(output.key, None)


def _rank(card: Card) -> tuple[float, float, str]:
    deadline = float("inf") if card.deadline is None else card.deadline.timestamp()
    return (-card.score, deadline, card.card_id)


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
