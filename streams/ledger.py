"""`foresite ledger`: the facts of a week folded again, and what was made set against what could have been made.

The twin's side builds the week as a scheduling problem (twin/ledger/hindsight.py), the solver's side finds the best plan of it
(solvers/hindsight.py); this file brings them together, as the two never import each other.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from schemas import Facts, ForesiteError, LedgerEntry, Output, UsageError, join_key
from schemas.topics import LEDGER
from solvers.hindsight import DEFAULT_PLANS
from streams.adapters.mapping_file import Mappings
from streams.ledger_entries import WHOLE_SITE, site_entries
from streams.picture import PictureTwin, picture_from_files, picture_from_kafka
from streams.publish import publish
from streams.settings import Settings
from streams.sources import Origin, SourceRecord
from twin.state.chronicle import Chronicle

AFTER_DAYS = 10
"""The facts are folded so long beyond the week, where there are any, so that trucks that came later are known."""


class ChronicledTwin(PictureTwin):
    """A twin, and beside it the chronicle of what it was told, and when it was told last."""

    def __init__(self) -> None:
        super().__init__()
        self.chronicle = Chronicle()
        self.last_at: float | None = None

    def apply(self, facts: Facts) -> list[Output]:
        """Fold one record."""
        self.chronicle.take(facts)
        told = [event.event_time.timestamp() for segment in facts.segments for event in segment.events]
        if told:
            self.last_at = max(told) if self.last_at is None else max(self.last_at, *told)
        return super().apply(facts)


@dataclass(frozen=True, slots=True)
class Week:
    """An ISO week, Monday to Sunday."""

    name: str
    monday: date

    @classmethod
    def of(cls, name: str) -> "Week":
        """The week of a name as 2026-W47.

        Raises:
            UsageError: it is none.
        """
        found = re.fullmatch(r"(\d{4})-W(\d{2})", name)
        try:
            if found is None:
                raise ValueError
            return cls(name, date.fromisocalendar(int(found[1]), int(found[2]), 1))
        except ValueError:
            raise UsageError(f"{name} is no week; a week is written as 2026-W47") from None

    def bounds(self, zone: ZoneInfo) -> tuple[float, float]:
        """Its first moment in a zone, and the first one after it; POSIX seconds."""
        begin = datetime(self.monday.year, self.monday.month, self.monday.day, tzinfo=zone)
        end = self.monday + timedelta(days=7)
        return begin.timestamp(), datetime(end.year, end.month, end.day, tzinfo=zone).timestamp()

    @property
    def fold_until(self) -> datetime:
        """How far facts are folded: AFTER_DAYS beyond it."""
        end = self.monday + timedelta(days=7 + AFTER_DAYS)
        return datetime(end.year, end.month, end.day, tzinfo=UTC)


def ledger_of_files(
    paths: Sequence[Path],
    mapping: Mappings | None,
    week: Week,
    site_id: str | None = None,
    plans: int = DEFAULT_PLANS,
    tick_s: int = 60,
) -> list[LedgerEntry]:
    """The entries of a week, from files.

    Raises:
        UsageError: a file cannot be read.
    """
    shards: list[ChronicledTwin] = []
    picture_from_files(paths, mapping, week.fold_until, tick_s, _kept(shards))
    return _entries(shards, week, site_id, plans)


def ledger_of_kafka(
    settings: Settings, week: Week, site_id: str | None = None, plans: int = DEFAULT_PLANS
) -> list[LedgerEntry]:
    """The entries of a week, from the facts on Kafka.

    Raises:
        UsageError: there are no facts, or their beginning is gone.
        KafkaException: the broker failed.
    """
    shards: list[ChronicledTwin] = []
    picture_from_kafka(settings, week.fold_until, site_id, _kept(shards))
    return _entries(shards, week, site_id, plans)


def _kept(shards: list[ChronicledTwin]) -> Callable[[], ChronicledTwin]:
    """Makes twins with chronicles, and keeps them."""

    def new_shard() -> ChronicledTwin:
        shards.append(ChronicledTwin())
        return shards[-1]

    return new_shard


def _known_until(shard: ChronicledTwin) -> float | None:
    """The clock, but not past what was heard: folding files lets time pass to the end that was asked for."""
    now, last = shard.twin.now, shard.last_at
    return None if now is None or last is None else min(now, last)


def ledger_key(entry: LedgerEntry) -> str:
    """Its key on twin.ledger.v1."""
    return join_key(entry.week, entry.site_id, entry.line_id)


def _entries(
    shards: Iterable[ChronicledTwin], week: Week, site_id: str | None, plans: int
) -> list[LedgerEntry]:
    found: list[LedgerEntry] = []
    for shard in shards:
        model = shard.twin.model
        for site in sorted({line.site_id for line in model.lines.values()}):
            if site_id in (None, site):
                bounds = week.bounds(model.plant.zone(site))
                found += site_entries(
                    model, shard.chronicle, site, week.name, bounds, _known_until(shard), plans
                )
    return sorted(found, key=lambda entry: (entry.site_id, entry.line_id != WHOLE_SITE, entry.line_id))


def publish_ledger(settings: Settings, entries: Sequence[LedgerEntry]) -> None:
    """Write the entries to twin.ledger.v1, each over the one before of its week, site and line, and wait for Kafka.

    Raises:
        ForesiteError: Kafka did not take all of them.
        KafkaException: the broker failed.
    """
    records = [
        SourceRecord(
            topic=LEDGER,
            key=ledger_key(entry),
            value=entry.model_dump_json().encode(),
            origin=Origin(Path(entry.output_id), number, "entry"),
        )
        for number, entry in enumerate(entries, start=1)
    ]
    outcome = publish(settings, records)
    if outcome.exit_code:
        raise ForesiteError(f"the ledger was not published: {'; '.join(outcome.failures)}")
