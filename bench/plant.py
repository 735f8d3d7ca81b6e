"""A made-up plant for measuring: lines around the clock, each with a queue of runs and an order behind every run.

The counts are what a fast line reports: one body a record, about 270 bytes, half of the lines numbering their events
and half leaving it to the twin to remember event ids.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from schemas import TOPIC_OF_KIND
from schemas.topics import MACHINE_EVENTS
from streams.batcher import BatchRules, IngestBatcher
from streams.dead_letters import RawRecord
from streams.routing import Router

SITE = "plant-1"
SOURCE_PARTITIONS = 4
EPOCH = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)
"""Where the plant begins unless it has to be now: the same bytes in every run."""

PIECES_A_SECOND = 10.0
BATCH_EVENTS = 500

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BenchPlant:
    """One site.

    Attributes:
        start: when the first run of each line began.
        lines, runs_a_line, run_h: how much is planned.
        slack_h: from the planned end of a run to its order's promise.
    """

    start: datetime = EPOCH
    lines: int = 50
    runs_a_line: int = 8
    run_h: float = 8.0
    slack_h: float = 4.0

    def line_id(self, line: int) -> str:
        """Name of a line."""
        return f"L{line:03}"

    def run_id(self, line: int, run: int = 0) -> str:
        """Name of a run of a line."""
        return f"R-{line:03}-{run}"

    def order_id(self, line: int, run: int = 0) -> str:
        """Name of the order that waits for a run."""
        return f"SO-{line:03}-{run}"

    def model(self) -> Iterator[Body]:
        """Everything that is known before the first count: the plant, its orders, its plan, its clock."""
        told_at = self.start - timedelta(hours=1)
        yield self._said("site_upserted", told_at, "site", name="Plant 1", zone="UTC", owner_id="boss")
        yield self._said("customer_upserted", told_at, "acme", customer_id="acme", name="Acme")
        yield self._said("item_upserted", told_at, "can", item_id="can", setup_family="can")
        for line in range(self.lines):
            line_id = self.line_id(line)
            yield self._said("line_upserted", told_at, line_id, line_id=line_id, name=f"Line {line}")
        for line in range(self.lines):
            for run in range(self.runs_a_line):
                yield from self._work(line, run, told_at)
        yield self.tick(self.start)
        for line in range(self.lines):
            run_id, line_id = self.run_id(line), self.line_id(line)
            yield self._said("run_started", self.start, run_id, line_id=line_id, run_id=run_id)

    def tick(self, at: datetime) -> Body:
        """The driven clock."""
        return self._said("clock_ticked", at, f"{at.timestamp():.3f}")

    def counts(self, each_s: float, seconds: float, begin: datetime | None = None) -> Iterator[Body]:
        """Counts of every line each so many seconds, and the clock each second.

        Args:
            each_s: seconds between two counts of a line.
            seconds: how long.
            begin: where to begin; default: the plant's start.
        """
        begin = self.start if begin is None else begin
        next_tick_s = 1.0
        for number in range(1, int(seconds / each_s) + 1):
            at_s = number * each_s
            at = begin + timedelta(seconds=at_s)
            for line in range(self.lines):
                yield self.count(line, number, at, PIECES_A_SECOND * each_s)
            if at_s + 1e-6 >= next_tick_s:
                yield self.tick(at)
                next_tick_s = at_s + 1.0

    def count(self, line: int, number: int, at: datetime, good: float) -> Body:
        """One count of a line's first run."""
        line_id = self.line_id(line)
        source = f"gateway-{line_id.lower()}"
        numbered = {"source_id": source, "source_sequence": number} if line % 2 else {}
        return {
            "kind": "count_reported",
            "event_id": f"{source}/{int(at.timestamp() * 1000)}/{number}",
            "event_time": at.isoformat(timespec="milliseconds"),
            "site_id": SITE,
            **numbered,
            "line_id": line_id,
            "station_id": f"{line_id}-palletizer",
            "run_id": self.run_id(line),
            "counter": "delta",
            "good_count": good,
            "scrap_count": 0.0,
        }

    def held(self, line: int, at: datetime, expected_min: float) -> Body:
        """A stop of a line's first run that somebody expects to last."""
        run_id = self.run_id(line)
        more = {"reason": "gearbox", "expected_duration_min": expected_min}
        return self._said("run_held", at, run_id, line_id=self.line_id(line), run_id=run_id, **more)

    def resumed(self, line: int, at: datetime) -> Body:
        """The end of that stop."""
        run_id = self.run_id(line)
        return self._said("run_resumed", at, run_id, line_id=self.line_id(line), run_id=run_id)

    def _work(self, line: int, run: int, told_at: datetime) -> Iterator[Body]:
        length = timedelta(hours=self.run_h)
        begin = self.start + run * length
        pieces = PIECES_A_SECOND * length.total_seconds()
        order_id, run_id = self.order_id(line, run), self.run_id(line, run)
        yield self._said(
            "order_upserted",
            told_at,
            order_id,
            order_id=order_id,
            customer_id="acme",
            item_id="can",
            quantity_pcs=pieces,
            promised_at=(begin + length + timedelta(hours=self.slack_h)).isoformat(),
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
            item_id="can",
            quantity_pcs=pieces,
            planned_start_at=begin.isoformat(),
            planned_end_at=(begin + length).isoformat(),
            rate_pcs_per_h=PIECES_A_SECOND * 3600.0,
            pegs=[{"order_id": order_id, "quantity_pcs": pieces}],
        )

    def _said(self, kind: str, at: datetime, about: str, **fields: Any) -> Body:
        identity = {"event_id": f"{kind}/{about}/{int(at.timestamp() * 1000)}", "event_time": at.isoformat()}
        return {"kind": kind, **identity, "site_id": SITE, **fields}


def encode(body: Body) -> bytes:
    """A body as a source would send it."""
    return json.dumps(body, separators=(",", ":")).encode()


def source_partition(body: Body) -> int:
    """A line keeps its partition; what is no machine event is in the first."""
    return crc32(body["line_id"].encode()) % SOURCE_PARTITIONS if "line_id" in body else 0


@dataclass(frozen=True, slots=True)
class _Record:
    """A record as a consumer would hand it over, without a broker."""

    full_topic: str
    number: int
    place: int
    body: bytes
    arrived_ms: int

    def topic(self) -> str:
        return self.full_topic

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.place

    def value(self) -> bytes:
        return self.body

    def key(self) -> None:
        return None

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, self.arrived_ms

    def error(self) -> None:
        return None


class Records:
    """Bodies as consumed records, with rising offsets in each source partition."""

    def __init__(self) -> None:
        self._offsets: dict[tuple[str, int], int] = {}
        self._arrived_ms = 0

    def of(self, bodies: Iterable[Body]) -> list[RawRecord]:
        """The next records; each arrived at its event time, or with the one before it where it is late."""
        records: list[RawRecord] = []
        for body in bodies:
            topic = TOPIC_OF_KIND[body["kind"]]
            partition = source_partition(body) if topic == MACHINE_EVENTS else 0
            offset = self._offsets.get((topic, partition), 0)
            self._offsets[topic, partition] = offset + 1
            happened_ms = int(datetime.fromisoformat(body["event_time"]).timestamp() * 1000)
            self._arrived_ms = max(self._arrived_ms, happened_ms)
            records.append(_Record(topic, partition, offset, encode(body), self._arrived_ms))
        return records


class FactsOf:
    """Bodies as ingest writes them, call by call: micro-batches of 500 events in one facts partition."""

    def __init__(self) -> None:
        self._records = Records()
        self._batcher = IngestBatcher(Router({}, 1), BatchRules(batch_events=BATCH_EVENTS, clock="events"))

    def __call__(self, bodies: Iterable[Body]) -> list[bytes]:
        """Values of the next facts records."""
        batch = self._batcher.convert(self._records.of(bodies))
        assert not batch.dead_letters, batch.dead_letters[0]
        return [record.value for record in batch.facts]


def facts_values(*parts: Iterable[Body]) -> list[list[bytes]]:
    """What ingest writes for these bodies, part by part."""
    facts_of = FactsOf()
    return [facts_of(part) for part in parts]
