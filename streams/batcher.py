"""The pure middle of ingest: consumed records in, facts records and dead letters out. No broker, no clock.

Law: in each facts partition, the events of one source partition stand in the order of their positions and without a
hole, for the twin drops what comes at or below the last position it has seen. So events keep their order whatever
they are grouped into, and what is refused becomes a dead letter before anything behind it is written.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any, Literal

from schemas import BadRecord, ClockTicked, DeadLetter, Event, Facts, ReasonCode, Segment
from schemas.decode import Decoded, decode_batch
from schemas.json_text import DEFAULT_LIMITS, Limits
from schemas.topics import (
    COMMANDS,
    INVENTORY,
    MACHINE_EVENTS,
    MASTER_DATA,
    ORDERS,
    PLAN_ACKS,
    PLANT_MODEL,
    PROPOSALS,
)
from streams.dead_letters import RawRecord, dead_letter
from streams.routing import EVERYWHERE, Router, misplaced
from streams.site_binding import SiteBinding, not_authorised

FACTS_ENVELOPE_BYTES = 2_000
"""Room in a facts record for what is not an event: version, group, source, position."""

ANSWER_KEYS_MAX = 1_000_000
"""Keys of an answer of the solver: whole plans, with some fifteen a run and option. Too small: large sites get no options
back. Too large: memory while one is read."""

_GROWTH_MAX = 4
"""An event as a fact is at most so much longer than as a source wrote it (1 becomes 1.0, defaults are filled in)."""

_TIES = (PLANT_MODEL, MASTER_DATA, ORDERS, INVENTORY, MACHINE_EVENTS, PROPOSALS, COMMANDS, PLAN_ACKS)
"""Of records that came in the same millisecond, which go first: the plant before what happens in it."""


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How records become facts.

    Attributes:
        batch_events: events in one facts record at most.
        record_bytes: size of a facts record and of a dead letter at most, less than the topics' limit.
        clock: "wall": clock_ticked events are refused.
        topic_prefix: stands before the names of topics.
        site_topics: prefixes of topics whose publishers are bound to sites -> these sites.
        limits: what is refused before parsing.
    """

    batch_events: int = 500
    record_bytes: int = 1_000_000 - FACTS_ENVELOPE_BYTES
    clock: Literal["wall", "events"] = "wall"
    topic_prefix: str = ""
    site_topics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS

    @property
    def answer_limits(self) -> Limits:
        """The same of the solver's answers: our own, and as large as a fact may be."""
        return replace(
            self.limits, record_bytes=max(self.limits.record_bytes, self.record_bytes), keys=ANSWER_KEYS_MAX
        )


@dataclass(frozen=True, slots=True)
class FactsRecord:
    """One record for the facts topic.

    Attributes:
        partition: of the facts topic; value: the bytes of the facts.
    """

    partition: int
    facts: Facts
    value: bytes

    @property
    def events(self) -> int:
        """How many events it carries."""
        return sum(len(segment.events) for segment in self.facts.segments)


@dataclass(slots=True)
class Batch:
    """What came of some consumed records.

    Attributes:
        facts: to be written in this order.
        dead_letters: what was refused.
        next_offsets: (full topic, partition) -> offset to commit once all of the above is delivered.
        outcomes: (topic, outcome) -> count; outcome is accepted, dead_letter, tombstone, empty (an array without
            elements) or unknown_fields (fields ignored).
        refusals: (topic, reason code) -> count.
        last_times: (site, topic) -> event time of the last event.
    """

    facts: list[FactsRecord] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    next_offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    last_times: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def accept(self, topic: str, count: int, last_events: Mapping[str, Event]) -> None:
        """Note events that became facts, and the last of each site."""
        self.outcomes[topic, "accepted"] += count
        for site_id, event in last_events.items():
            self.last_times[site_id, topic] = event.event_time

    def refuse(self, letter: DeadLetter) -> None:
        """Note something that became a dead letter."""
        self.dead_letters.append(letter)
        self.outcomes[letter.source_topic, "dead_letter"] += 1
        self.refusals[letter.source_topic, letter.code] += 1

    def count_oddity(self, topic: str, decoded: Decoded) -> None:
        """Note what is neither wrong nor as it should be."""
        if not decoded.items:
            self.outcomes[topic, "tombstone" if decoded.is_tombstone else "empty"] += 1
        if decoded.unknown_fields:
            self.outcomes[topic, "unknown_fields"] += decoded.unknown_fields


@dataclass(slots=True)
class _Source:
    """Records of one source partition, in offset order, and what they were decoded to.

    Attributes:
        topic: as facts name it; row: its name in the table, another one where it is bound to sites.
        sites: that its publishers may speak for; None: for all.
        times_ms: arrival, never running back; tick_times_ms: of those that move a driven clock.
        has_large: some record is so long that its event may be too long for a fact.
    """

    topic: str
    row: str
    sites: frozenset[str] | None
    partition: int
    records: list[RawRecord]
    offsets: list[int]
    decoded: list[Decoded]
    times_ms: list[int]
    tick_times_ms: list[int]
    has_large: bool


class _Lane:
    """Facts records of one facts partition in the making."""

    def __init__(self, partition: int, batch_events: int) -> None:
        self.partition = partition
        self.closed: list[tuple[list[Segment], set[str]]] = []
        self._batch_events = batch_events
        self._source: _Source | None = None
        self._room = 0
        self._segments: list[Segment] = []
        self._sites: set[str] = set()
        self._positions: list[tuple[int, int]] = []
        self._events: list[Any] = []  # of AnyEvent: what the decoder accepts is of some input kind

    def add(self, source: _Source, position: tuple[int, int], event: Event) -> None:
        """Put an event behind all others of this partition."""
        if source is not self._source or not self._room:
            self._begin_segment(source)
        self._positions.append(position)
        self._events.append(event)
        self._sites.add(event.site_id)
        self._room -= 1

    def _begin_segment(self, source: _Source) -> None:
        if not self._room:
            self._segments, self._sites, self._room = [], set(), self._batch_events
            self.closed.append((self._segments, self._sites))
        self._source = source
        self._positions, self._events = [], []
        # Not validated again: each event was.
        segment = Segment.model_construct(
            topic=source.topic, partition=source.partition, positions=self._positions, events=self._events
        )
        self._segments.append(segment)


class IngestBatcher:
    """Turns consumed records into facts records.

    Args:
        router: where each site's events go.
        rules: how.
    """

    def __init__(self, router: Router, rules: BatchRules) -> None:
        self._router = router
        self._rules = rules
        self._binding = SiteBinding(rules.site_topics)
        self._large_bytes = rules.record_bytes // _GROWTH_MAX

    def convert(self, records: Sequence[RawRecord]) -> Batch:
        """What to write for these records, and which offsets are done with then.

        Args:
            records: as consumed; those of one source partition in offset order.
        """
        batch = Batch()
        lanes = [_Lane(partition, self._rules.batch_events) for partition in range(self._router.partitions)]
        for source, first, end in _in_order(self._sources(records, batch)):
            self._route(source, first, end, lanes, batch)
        for lane in lanes:
            for segments, sites in lane.closed:
                groups = {self._router.group_of(site) for site in sites}
                facts = Facts.model_construct(
                    version=1,
                    group_id=groups.pop() if len(groups) == 1 else EVERYWHERE,
                    segments=segments,
                    tick=None,
                )
                batch.facts.extend(_fitting(lane.partition, facts, self._rules.record_bytes))
        return batch

    def _sources(self, records: Sequence[RawRecord], batch: Batch) -> list[_Source]:
        by_source: defaultdict[tuple[str, int], list[RawRecord]] = defaultdict(list)
        for record in records:
            by_source[record.topic(), record.partition()].append(record)  # type: ignore[index]  # a record has both
        sources = []
        for (full_topic, partition), theirs in by_source.items():
            source = self._source(full_topic.removeprefix(self._rules.topic_prefix), partition, theirs)
            batch.next_offsets[full_topic, partition] = source.offsets[-1] + 1
            sources.append(source)
        return sources

    def _source(self, topic: str, partition: int, records: list[RawRecord]) -> _Source:
        values = [record.value() for record in records]
        row, sites = self._binding.row_of(topic)
        limits = self._rules.answer_limits if row == PROPOSALS else self._rules.limits
        decoded = _decode(row, records, values, limits)
        times_ms = list(accumulate((record.timestamp()[1] for record in records), max))
        ticks = (
            time_ms
            for time_ms, result in zip(times_ms, decoded, strict=True)
            if row == PLANT_MODEL and any(isinstance(event, ClockTicked) for _, event in result.items)
        )
        return _Source(
            topic=topic,
            row=row,
            sites=sites,
            partition=partition,
            records=records,
            offsets=[record.offset() for record in records],  # type: ignore[misc]  # a consumed record has one
            decoded=decoded,
            times_ms=times_ms,
            tick_times_ms=list(ticks),
            has_large=max(len(value or b"") for value in values) > self._large_bytes,
        )

    def _route(self, source: _Source, first: int, end: int, lanes: list[_Lane], batch: Batch) -> None:
        """Put each event of a slice into its lane, and what must not be there among the dead letters."""
        accepted = 0
        last_events: dict[str, Event] = {}
        judges_all = source.has_large or source.row == PLANT_MODEL or source.sites is not None
        for place in range(first, end):
            decoded, offset, letters = source.decoded[place], source.offsets[place], 0
            if not decoded.items or decoded.unknown_fields:
                batch.count_oddity(source.topic, decoded)
            for index, verdict in decoded.items:
                if isinstance(verdict, BadRecord):
                    bad: BadRecord | None = verdict
                elif judges_all or verdict.site_id == EVERYWHERE:
                    bad = self._misplaced(verdict, source)
                else:
                    bad = None
                if bad is None:
                    event: Event = verdict  # type: ignore[assignment]  # what is no BadRecord is one
                    site_id = event.site_id
                    goes_to = lanes if site_id == EVERYWHERE else (lanes[self._router.partition_of(site_id)],)
                    for lane in goes_to:
                        lane.add(source, (offset, index), event)
                    last_events[site_id] = event
                    accepted += 1
                else:
                    letter = dead_letter(
                        source.topic,
                        source.records[place],
                        index,
                        bad,
                        record_bytes=self._rules.record_bytes,
                        has_payload=not letters,
                    )
                    batch.refuse(letter)
                    letters += 1
        batch.accept(source.topic, accepted, last_events)

    def _misplaced(self, event: Event, source: _Source) -> BadRecord | None:
        """Why a valid event cannot become a fact here; None if it can."""
        if source.sites is not None and (refused := not_authorised(event, source.sites)) is not None:
            return refused
        if (refused := misplaced(event, self._rules.clock)) is not None:
            return refused
        if source.has_large:
            size = len(event.model_dump_json(exclude_none=True).encode())
            room = self._rules.record_bytes - FACTS_ENVELOPE_BYTES
            if size > room:
                return BadRecord(ReasonCode.SIZE, f"{size} bytes as a fact, which has room for {room}")
        return None


def _decode(
    topic: str, records: Sequence[RawRecord], values: Sequence[bytes | None], limits: Limits
) -> list[Decoded]:
    """Decode what could be read; a record that Kafka's client could not read is refused."""
    if all(record.error() is None for record in records):
        return decode_batch(topic, values, limits)
    return [
        Decoded([(0, BadRecord(ReasonCode.CODEC, f"Kafka's client could not read it: {record.error()}"))])
        if record.error()
        else decode_batch(topic, [value], limits)[0]
        for record, value in zip(records, values, strict=True)
    ]


def _in_order(sources: Sequence[_Source]) -> Iterator[tuple[_Source, int, int]]:
    """Slices of the sources in the order of writing: the oldest first, and cut at each tick of a driven clock.

    Kafka gives no order between partitions. But a clock that runs ahead of events that were sent before the tick
    would make them late, and one that runs behind would make them come from the future.
    """
    tick_times_ms = sorted(time_ms for source in sources for time_ms in source.tick_times_ms)
    slices = []
    for source in sources:
        cuts = [
            0,
            *(bisect_right(source.times_ms, time_ms) for time_ms in tick_times_ms),
            len(source.records),
        ]
        for ticks_before, (first, end) in enumerate(pairwise(cuts)):
            if first < end:
                order = (ticks_before, bool(source.tick_times_ms), source.times_ms[first])
                slices.append(((*order, _TIES.index(source.row), source.partition), source, first, end))
    slices.sort(key=lambda piece: piece[0])
    for _, source, first, end in slices:
        yield source, first, end


def _fitting(partition: int, facts: Facts, record_bytes: int) -> Iterator[FactsRecord]:
    """The facts as records that are not too large: halved until they fit."""
    value = facts.encode()
    if len(value) <= record_bytes:
        yield FactsRecord(partition, facts, value)
        return
    count = sum(len(segment.events) for segment in facts.segments)
    assert count > 1, f"a fact of {len(value)} bytes, with {record_bytes} allowed"
    for segments in _halves(facts.segments, count // 2):
        yield from _fitting(partition, facts.model_copy(update={"segments": segments}), record_bytes)


def _halves(segments: Sequence[Segment], count: int) -> tuple[list[Segment], list[Segment]]:
    """The first `count` events, and the others."""
    first, second = [], []
    for segment in segments:
        size = len(segment.events)
        if size <= count:
            first.append(segment)
        elif count <= 0:
            second.append(segment)
        else:
            first.append(_part(segment, 0, count))
            second.append(_part(segment, count, size))
        count -= size
    return first, second


def _part(segment: Segment, first: int, end: int) -> Segment:
    return segment.model_copy(
        update={"positions": segment.positions[first:end], "events": segment.events[first:end]}
    )
