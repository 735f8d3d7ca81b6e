"""How good the data is: its age, gaps, clocks, conflicts, density, and what was refused."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from schemas import CardKind, CountReported, Facts, MachineEvent, Output
from streams.doctor_findings import DATA, Finding, Level
from streams.picture import PictureTwin
from twin import Twin
from twin.cards.card_life import LIVE_STATES
from twin.state.entities import SiteKey

COUNTS_PER_H: int = 4
"""Counts an hour of a running line below which drift is found late. Fewer: a few percent take days to be told from
chance; the finding says so."""

SKEW_S = 60.0
"""How far ahead of the clock a machine's events may be before its clock is said to be wrong. Too small: jitter of the
network is told; too large: a clock that is minutes off is not."""

LATE_S = 3_600.0
"""How late half of a line's events may come before that is said."""

AGE_H = 24.0
"""How old the last word of a line with work may be, of files by their own end."""


@dataclass(slots=True)
class LineNotes:
    """What was seen of one line's events.

    Attributes:
        counts: count_reported; first, last: their times, POSIX seconds.
        lags: seconds between an event and the clock when it came, some of them; ahead: the least.
    """

    counts: int = 0
    first: float = 0.0
    last: float = 0.0
    seen: int = 0
    ahead: float = 0.0
    lags: list[float] = field(default_factory=list)


@dataclass(slots=True)
class DataNotes:
    """What was seen while the facts were folded.

    Attributes:
        lines: by site and id.
        dead_letters: by code; refusals: the first, in words; ignored: rows, by the mapping's reason.
        rejected: by the twin's reason; repeated: by how it could tell.
        is_live: the clock is the wall's, so that when events came says something.
    """

    lines: dict[SiteKey, LineNotes] = field(default_factory=dict)
    dead_letters: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    is_live: bool = True

    @classmethod
    def of(cls, shards: Sequence["WatchedTwin"]) -> "DataNotes":
        """Those of several shards together; a line is of one."""
        notes = cls()
        for shard in shards:
            notes.lines |= shard.notes.lines
        return notes


LAGS_KEPT = 1_000
"""Of a line, from which the usual lag is taken."""


class WatchedTwin(PictureTwin):
    """A twin that also notes how its events come."""

    def __init__(self) -> None:
        super().__init__()
        self.notes = DataNotes()
        self._now: float | None = None

    def apply(self, facts: Facts) -> list[Output]:
        """Fold one record."""
        if facts.tick is not None:
            self._now = facts.tick.now.timestamp()
        for segment in facts.segments:
            for event in segment.events:
                if isinstance(event, MachineEvent):
                    self._note(event)
        return super().apply(facts)

    def _note(self, event: MachineEvent) -> None:
        notes = self.notes.lines.setdefault((event.site_id, event.line_id), LineNotes())
        moment = event.event_time.timestamp()
        if isinstance(event, CountReported):
            notes.first = min(notes.first, moment) if notes.counts else moment
            notes.last = max(notes.last, moment)
            notes.counts += 1
        notes.seen += 1
        if self._now is not None:
            notes.ahead = max(notes.ahead, moment - self._now)
            if len(notes.lags) < LAGS_KEPT:
                notes.lags.append(self._now - moment)


def data_findings(twin: Twin, site_id: str, notes: DataNotes) -> list[Finding]:
    """Everything about the data of a site."""
    return [
        *_age(twin, site_id),
        *_density(twin, site_id, notes),
        *_gaps(twin, site_id),
        *(_clocks(site_id, notes) if notes.is_live else ()),
        *_conflicts(twin, site_id),
        *_refused(twin, notes),
    ]


def _age(twin: Twin, site_id: str) -> Iterator[Finding]:
    now = twin.now
    for (site, _), line in sorted(twin.model.lines.items()):
        if site != site_id or now is None or not line.queued():
            continue
        last = line.state.last_event_at
        if last is None:
            yield Finding(
                "age", DATA, Level.PARTLY, f"{line.name} has work and has never said anything",
                "its plan is taken for what happens", "connect its counts (count_reported)",
            )  # fmt: skip
        elif now - last > AGE_H * 3_600.0:
            yield Finding(
                "age", DATA, Level.PARTLY, f"{line.name} has work, and its last word is {(now - last) / 3_600:,.0f} h old",
                "what it does since then is not known", "see whether its source still sends; docs/runbooks.md",
            )  # fmt: skip


def _density(twin: Twin, site_id: str, notes: DataNotes) -> Iterator[Finding]:
    for (site, line_id), line in sorted(twin.model.lines.items()):
        if site != site_id:
            continue
        seen = notes.lines.get((site, line_id))
        per_h = 0.0
        if seen is not None and seen.counts > 1 and seen.last > seen.first:
            per_h = (seen.counts - 1) / (seen.last - seen.first) * 3_600.0
        elif line.state.usual_gap_s:
            per_h = 3_600.0 / line.state.usual_gap_s
        if per_h == 0.0:
            continue
        words = f"{line.name} counts {per_h:,.1f} times an hour"
        if per_h < COUNTS_PER_H:
            yield Finding(
                "counts_per_hour", DATA, Level.PARTLY, words,
                "a drift of a few percent takes days to be told from chance; a large one takes hours",
                f"publish counts at least {COUNTS_PER_H} times an hour, each few minutes if you can",
            )  # fmt: skip
        else:
            yield Finding("counts_per_hour", DATA, Level.OK, words)


def _gaps(twin: Twin, site_id: str) -> Iterator[Finding]:
    windows = {key: window for key, (window, _) in sorted(twin.model.sequences.items()) if key[0] == site_id}
    for (_, line_id, source_id), window in windows.items():
        if window.missing:
            yield Finding(
                "gaps", DATA, Level.PARTLY, f"{window.missing:,} events of {source_id} on {line_id} never came",
                "counts are too low by what they held", "ask the gateway to send them again; they are taken once",
                window.missing,
            )  # fmt: skip
    if not windows and any(site == site_id for site, _ in twin.model.lines):
        yield Finding(
            "gaps", DATA, Level.PARTLY, "no source numbers its events",
            "an event that is lost on the way is not noticed",
            "fill source_id and source_sequence where the gateway can; a table has no need of it",
        )  # fmt: skip


def _clocks(site_id: str, notes: DataNotes) -> Iterator[Finding]:
    for (site, line_id), seen in sorted(notes.lines.items()):
        if site != site_id or not seen.lags:
            continue
        usual = sorted(seen.lags)[len(seen.lags) // 2]
        if seen.ahead > SKEW_S:
            yield Finding(
                "clock_skew", DATA, Level.PARTLY, f"events of {line_id} are up to {seen.ahead:,.0f} s ahead of the clock",
                "beyond max_future_min of the rules they are rejected", "set the clock of its machine or gateway (NTP)",
            )  # fmt: skip
        elif usual > LATE_S:
            yield Finding(
                "clock_skew", DATA, Level.PARTLY,
                f"events of {line_id} usually come {usual / 3_600:,.1f} h after they happened",
                "cards are as late as they are; or its clock is behind, or its zone is wrong",
                "see how it is published, and the zone of its mapping",
            )  # fmt: skip


def _conflicts(twin: Twin, site_id: str) -> Iterator[Finding]:
    live = [
        card
        for _, card in sorted(twin.model.cards.items())
        if card.site_id == site_id and card.kind is CardKind.DATA_CONFLICT and card.state in LIVE_STATES
    ]
    if live:
        yield Finding(
            "conflicts", DATA, Level.PARTLY, f"{len(live):,} contradictions between systems have a card",
            "what rests on them is marked on other cards", "foresite card list; put it right in the system that is wrong",
            len(live),
        )  # fmt: skip


def _refused(twin: Twin, notes: DataNotes) -> Iterator[Finding]:
    letters = notes.dead_letters.total()
    if letters:
        by_code = ", ".join(f"{count:,} {code}" for code, count in sorted(notes.dead_letters.items()))
        yield Finding(
            "dead_letters", DATA, Level.PARTLY, f"{letters:,} records are no events: {by_code}",
            f"as {'; '.join(notes.refusals[:1])}", "docs/dead-letters.md has cause and cure of each code", letters,
        )  # fmt: skip
    else:
        yield Finding("dead_letters", DATA, Level.OK, "no record was refused", count=0)
    rejected = Counter({reason: n for (what, reason), n in twin.counters.items() if what == "rejected"})
    if rejected:
        by_reason = ", ".join(f"{count:,} {reason}" for reason, count in sorted(rejected.items()))
        yield Finding(
            "rejected", DATA, Level.PARTLY, f"{rejected.total():,} events were impossible here: {by_reason}",
            "they changed nothing", "docs/rejections.md has cause and cure of each reason", rejected.total(),
        )  # fmt: skip
    if notes.ignored:
        by_why = ", ".join(f"{count:,} ({why})" for why, count in sorted(notes.ignored.items()))
        yield Finding("ignored", DATA, Level.OK, f"rows that the mapping leaves out: {by_why}")
