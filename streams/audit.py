"""`foresite audit`: reads the audit topic, checks its chains, and says which record is not as it was written.

Works beside a running twin: heads are read from the state before and after the topic. What the first promise must be
in the topic, and what is in the topic must be promised by the second.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, Message
from pydantic import ValidationError

from schemas import AuditRecord, UsageError, split_key
from schemas.audit_chain import BEFORE_THE_FIRST, AuditHead, operator_writer, record_hash, site_writer
from schemas.topics import AUDIT, STATE
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader
from streams.quarantine import operator_head
from streams.settings import Settings
from streams.state_topic import load_state

Heads = Mapping[str, AuditHead]
"""Writer -> where its chain ends."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the audit topic as it was read.

    Attributes:
        partition, offset: where it stands.
        key: of the record.
        body: its JSON; empty where it is none.
    """

    partition: int
    offset: int
    key: str
    body: dict[str, Any]

    @property
    def place(self) -> str:
        """For people."""
        return f"{AUDIT}/{self.partition} offset {self.offset}"


@dataclass(slots=True)
class AuditReport:
    """What was found.

    Attributes:
        records: in the topic; chained: of them, in a chain; unchained: of versions without chains.
        writers: chains looked at.
        findings: what is not as it was written, in words; empty where all is well.
    """

    records: int = 0
    chained: int = 0
    unchained: int = 0
    writers: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify_audit(settings: Settings, elsewhere: Heads | None = None) -> AuditReport:
    """Check every record, every chain, and both against the heads.

    Args:
        settings: where Kafka is.
        elsewhere: heads that were kept outside Kafka, of some earlier time.

    Raises:
        UsageError: there is no audit topic.
        KafkaException: the broker failed.
    """
    with reader(settings.client_config(), "read_committed") as consumer:
        before = state_heads(consumer, settings)
        entries = list(read_entries(consumer, settings))
        after = state_heads(consumer, settings)
    return check(entries, before, after, elsewhere or {})


def read_entries(consumer: Consumer, settings: Settings) -> Iterator[Entry]:
    """All records of the audit topic, partition by partition.

    Raises:
        UsageError: there is none.
    """
    topic = settings.topic_prefix + AUDIT
    count = partition_count(consumer, topic)
    if not count:
        raise UsageError(
            f"{topic} does not exist, or this user may not read it: is FORESITE_TOPIC_PREFIX right?"
        )
    for partition in range(count):
        yield from map(_entry, read_to_end(consumer, topic, partition))


def _entry(message: Message) -> Entry:
    key, value = message.key(), message.value()
    try:
        body = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        body = {}
    return Entry(
        message.partition() or 0,
        message.offset() or 0,
        key.decode(errors="replace") if isinstance(key, bytes) else str(key),
        body if isinstance(body, dict) else {},
    )


def state_heads(consumer: Consumer, settings: Settings) -> dict[str, AuditHead]:
    """Where the chains end as the twin's state says it, which commits together with the records."""
    heads: dict[str, AuditHead] = {}
    topic = settings.topic_prefix + STATE
    for partition in range(partition_count(consumer, topic)):
        stored = load_state(consumer, topic, partition)
        for name, document in stored.documents.items():
            parts = split_key(name)
            if parts[1:] == ["audit_head"]:
                heads[site_writer(parts[0])] = AuditHead(**orjson.loads(document))
        operator = operator_head(stored)
        if operator.sequence:
            heads[operator_writer(partition)] = operator
    return heads


def heads_file(path: Path) -> dict[str, AuditHead]:
    """Heads as `foresite audit heads` printed them.

    Raises:
        UsageError: the file cannot be read as such.
    """
    try:
        rows = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
        return {str(row["writer"]): AuditHead(int(row["sequence"]), str(row["hash"])) for row in rows}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise UsageError(
            f"{path} is no file of heads: make one with `foresite audit heads > {path}`"
        ) from None


def check(entries: Iterable[Entry], before: Heads, after: Heads, elsewhere: Heads) -> AuditReport:
    """Judge records as read, against heads.

    Args:
        entries: in the order of their partitions.
        before: heads of the state before the topic was read.
        after: the same after it was read.
        elsewhere: heads kept outside.
    """
    report = AuditReport()
    chains: dict[str, dict[int, Entry]] = {}
    last: dict[tuple[str, int], int] = {}
    for entry in entries:
        report.records += 1
        record = _readable(entry, report)
        if record is None:
            continue
        if record.writer is None or record.sequence is None:
            report.unchained += 1
            continue
        report.chained += 1
        name = f"{entry.place} ({record.writer} number {record.sequence}, {record.action} by {record.actor})"
        if record_hash(entry.body) != record.hash:
            report.findings.append(f"{name} was changed: its hash does not fit")
        if record.sequence <= last.get((record.writer, entry.partition), 0):
            report.findings.append(
                f"{name} stands behind a later one of its chain: inserted, or out of order"
            )
        last[record.writer, entry.partition] = record.sequence
        chain = chains.setdefault(record.writer, {})
        if record.sequence in chain:
            report.findings.append(
                f"{name} has the number of {chain[record.sequence].place}: one was inserted"
            )
        else:
            chain[record.sequence] = entry
    for writer in sorted({*chains, *before, *elsewhere}):
        report.writers += 1
        report.findings += _links(writer, chains.get(writer, {}))
        for heads, source in ((before, "the twin's state"), (elsewhere, "the heads kept elsewhere")):
            report.findings += _up_to(writer, chains.get(writer, {}), heads.get(writer), source)
        newest, promised = max(chains.get(writer, {}), default=0), after.get(writer, AuditHead()).sequence
        if newest > promised:
            place = chains[writer][newest].place
            report.findings.append(
                f"{place} ({writer} number {newest}) was inserted: the twin's state ends at number {promised}"
            )
    return report


def _readable(entry: Entry, report: AuditReport) -> AuditRecord | None:
    try:
        record = AuditRecord.model_validate(entry.body)
    except ValidationError:
        report.findings.append(f"{entry.place} cannot be read as an audit record")
        return None
    if entry.key != record.target_id:
        report.findings.append(f"{entry.place} has the key {entry.key!r}, but is about {record.target_id!r}")
    return record


def _links(writer: str, chain: Mapping[int, Entry]) -> Iterator[str]:
    """Gaps, and records that name another one before them."""
    previous, expected = BEFORE_THE_FIRST, 1
    for number in sorted(chain):
        entry = chain[number]
        if number != expected:
            gone = f"number {expected}" if number - expected == 1 else f"numbers {expected} to {number - 1}"
            yield f"{writer}: {gone} missing before {entry.place} (number {number}): removed"
        elif entry.body.get("previous") != previous:
            before = f"number {number - 1} at {chain[number - 1].place}" if number > 1 else "the beginning"
            yield f"{entry.place} ({writer} number {number}) does not follow {before}: one of the two was replaced"
        previous, expected = str(entry.body.get("hash")), number + 1


def _up_to(writer: str, chain: Mapping[int, Entry], head: AuditHead | None, source: str) -> Iterator[str]:
    """Whether the chain reaches a head, and through the same record."""
    if head is None or not head.sequence:
        return
    newest = max(chain, default=0)
    if newest < head.sequence:
        yield f"{writer}: ends at number {newest}, {source} at {head.sequence}: the last ones were cut off"
    elif head.sequence in chain and chain[head.sequence].body.get("hash") != head.hash:
        entry = chain[head.sequence]
        yield f"{entry.place} ({writer} number {head.sequence}) is not the record that {source} knows: replaced"
