"""Mutated records through the whole of ingest and into the fold: accepted or a dead letter, never an exception.

Each record is decoded alone and among others, and both must agree. What is accepted becomes facts as ingest writes
them, is read back as the twin reads it, and is folded: a record that crashes there would stop the plant's twin.
"""

import base64
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

from schemas import INGESTED_TOPICS, BadRecord, Event, Facts, ReasonCode, Tick, decode_facts
from schemas.decode import Decoded, decode_batch
from streams.batcher import Batch, BatchRules, IngestBatcher
from streams.routing import EVERYWHERE, Router
from tests.fuzzing.corpus import corpus
from tests.fuzzing.mutations import mutated
from tests.living_plant import begun
from twin import Twin

BATCH_RECORDS = 60
"""Records converted together at most; often it is one."""

FRESH_AFTER = 3_000
"""Events after which the twin begins anew, so that one that has seen nonsense does not stand for all."""

DRIVEN_SHARE = 0.1
"""Of twins whose clock is driven by events, mutated ones too; the others' clock is ours."""

MESSAGE_MAX = 600
"""Characters of a dead letter's message: it is no place for payloads."""

FAILURES_MAX = 20


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A consumed record, as confluent-kafka's Message looks."""

    of_topic: str
    at: int
    body: bytes | None

    def topic(self) -> str:
        return self.of_topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return b"key"

    def value(self) -> bytes | None:
        return self.body

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_772_442_000_000

    def error(self) -> None:
        return None


@dataclass(slots=True)
class Report:
    """What became of the records.

    Attributes:
        verdicts: how many ended how: accepted, tombstone, empty array, or the reason code.
        mutations: how often each kind of mutation was applied.
        failures: what must not be, with what reproduces it.
        slowest_decode_s, slowest_fold_s: the longest of one record, of the facts of one batch.
        rss_mb: the process's peak memory, at the end and after the first tenth.
    """

    seed: int
    records: int = 0
    events_folded: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_decode_s: float = 0.0
    slowest_fold_s: float = 0.0
    rss_mb: float = 0.0
    early_rss_mb: float = 0.0

    def __str__(self) -> str:
        total = max(1, sum(self.verdicts.values()))
        rows = [f"{'verdict':<24}{'bodies':>10}{'share':>9}"]
        rows += [
            f"{verdict:<24}{count:>10}{count / total:>9.2%}" for verdict, count in self.verdicts.most_common()
        ]
        rows += [
            f"{self.records} records, seed {self.seed}: {len(self.failures)} failures",
            f"{self.events_folded} accepted events folded, {sum(self.rejections.values())} of them rejected",
            (
                f"longest: {self.slowest_decode_s * 1000:.1f} ms to decode one record, "
                f"{self.slowest_fold_s * 1000:.1f} ms to fold a batch"
            ),
            f"peak memory: {self.rss_mb:.0f} MB, {self.early_rss_mb:.0f} MB of it after a tenth of the records",
        ]
        return "\n".join([*rows, *self.failures])


class Fuzzer:
    """One run.

    Args:
        seed: of every record.
    """

    def __init__(self, seed: int) -> None:
        self.report = Report(seed)
        self._random = Random(seed)
        self._corpus = corpus()
        self._offsets: Counter[str] = Counter()
        self._begun = begun()
        self._facts: list[bytes] = []
        self._restart()

    def _restart(self) -> None:
        documents = dict(self._begun.documents)
        self._twin = Twin.restore(self._begun.twin.header(), documents)
        self._now = datetime(2026, 3, 2, 5, tzinfo=UTC)
        self._fresh_for = FRESH_AFTER
        clock: Literal["wall", "events"] = "events" if self._random.random() < DRIVEN_SHARE else "wall"
        self._rules = BatchRules(clock=clock)
        self._batcher = IngestBatcher(Router({}, 1), self._rules)

    def run(self, records: int, tell: Callable[[Report], None] = lambda _: None) -> Report:
        """Fuzz so many records; `tell` is called after each batch."""
        report = self.report
        while report.records < records and len(report.failures) < FAILURES_MAX:
            batch = [self._record() for _ in range(self._random.choice((1, 1, 2, 7, BATCH_RECORDS)))]
            try:
                self._judge(batch)
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                self._fail(f"{type(error).__name__}: {error}", batch)
                self._restart()
            report.records += len(batch)
            if not report.early_rss_mb and report.records * 10 >= records:
                report.early_rss_mb = _peak_mb()
            tell(report)
        report.rss_mb = _peak_mb()
        return report

    def _record(self) -> RawRecord:
        random = self._random
        topic = random.choice(INGESTED_TOPICS)
        other = random.choice(self._corpus[random.choice((topic, random.choice(INGESTED_TOPICS)))])
        names, body = mutated(random.choice(self._corpus[topic]), other, random)
        self.report.mutations.update(names.split("+"))
        offset = self._offsets[topic] = self._offsets[topic] + 1
        return RawRecord(topic, 1_000_000 + offset, None if random.random() < 0.002 else body)

    def _judge(self, records: list[RawRecord]) -> None:
        expected = {}
        for record in records:
            began = time.thread_time()
            (decoded,) = decode_batch(record.of_topic, [record.body], self._rules.limits)
            self.report.slowest_decode_s = max(self.report.slowest_decode_s, time.thread_time() - began)
            expected[record.of_topic, record.at] = decoded
            self._count(decoded, record)
        batch = self._batcher.convert(records)
        self._compare(batch, expected, {(record.of_topic, record.at): record for record in records})
        self._fold(batch)

    def _count(self, decoded: Decoded, record: RawRecord) -> None:
        if decoded.is_tombstone:
            assert record.body is None, "a tombstone has no value"
            self.report.verdicts["tombstone"] += 1
        elif not decoded.items:
            self.report.verdicts["empty array"] += 1
        for _, verdict in decoded.items:
            name = str(verdict.code) if isinstance(verdict, BadRecord) else "accepted"
            self.report.verdicts[name] += 1

    def _compare(
        self,
        batch: Batch,
        expected: dict[tuple[str, int], Decoded],
        records: dict[tuple[str, int], RawRecord],
    ) -> None:
        """Each body is in exactly one of facts and dead letters, where it would be if it had come alone."""
        in_facts = {
            (segment.topic, offset, index)
            for facts in batch.facts
            for segment in facts.facts.segments
            for offset, index in segment.positions
        }
        in_letters = {
            (letter.source_topic, letter.source_offset, letter.index) for letter in batch.dead_letters
        }
        assert not in_facts & in_letters, "a body is both accepted and refused"
        for (topic, offset), decoded in expected.items():
            for index, verdict in decoded.items:
                place = topic, offset, index
                assert place in in_facts or place in in_letters, f"{place} is neither accepted nor refused"
                if isinstance(verdict, BadRecord):
                    assert place in in_letters, f"{place} is refused alone and accepted among others"
                elif not _may_be_misplaced(verdict):
                    assert place in in_facts, f"{place} is accepted alone and refused among others"
        assert len(in_facts) + len(in_letters) == sum(len(decoded.items) for decoded in expected.values())
        for letter in batch.dead_letters:
            assert letter.code in set(ReasonCode), letter.code
            assert 0 < len(letter.message) <= MESSAGE_MAX, f"a message of {len(letter.message)} characters"
            assert letter.message.isprintable(), f"a message that is not printable: {letter.message!r}"
            original = records[letter.source_topic, letter.source_offset].body or b""
            kept = base64.b64decode(letter.payload_base64)
            assert letter.payload_bytes == len(original)
            assert original.startswith(kept)
            assert len(letter.model_dump_json().encode()) <= self._rules.record_bytes

    def _fold(self, batch: Batch) -> None:
        began = time.thread_time()
        for record in batch.facts:
            assert len(record.value) <= self._rules.record_bytes
            facts = decode_facts(record.value)
            assert facts.encode() == record.value, "facts that read back as others"
            for output in self._twin.apply(facts):
                output.value()
                if output.topic == "twin.rejections.v1":
                    self.report.rejections[output.body.reason] += 1  # type: ignore[union-attr]
            self.report.events_folded += record.events
            self._fresh_for -= record.events
        self._now += timedelta(minutes=self._random.choice((0, 1, 10)))
        self._twin.apply(Facts(group_id="*", tick=Tick(now=self._now)))
        self._twin.take_changes()
        self.report.slowest_fold_s = max(self.report.slowest_fold_s, time.thread_time() - began)
        if self._fresh_for < 0:
            self._restart()

    def _fail(self, what: str, batch: list[RawRecord]) -> None:
        shown = [
            (record.of_topic, record.body if record.body is None else record.body[:3_000]) for record in batch
        ]
        self.report.failures.append(
            f"FAILED near record {self.report.records}: {what}\n    {shown!r}"[:6_000]
        )


def _may_be_misplaced(event: Event) -> bool:
    """Whether the batcher, which knows more than the decoder, may refuse it."""
    return event.site_id == EVERYWHERE or event.kind == "clock_ticked"


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
