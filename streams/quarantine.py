"""`foresite quarantine`: lets the twin pass over a facts record that our own code cannot fold.

The word goes into the state topic as `skip/<facts offset>`, in one transaction under the shard's transactional id with
a dead letter that keeps the record's bytes, and an audit record. A twin reads it when it takes the shard over, a refold
before it begins; checkpoints keep it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from confluent_kafka import Consumer, Message

from schemas import AuditRecord, BadRecord, FactsCorrupt, Output, ReasonCode, UsageError, decode_facts
from schemas.audit_chain import AuditHead, chained, operator_writer
from schemas.topics import AUDIT, DEAD_LETTERS, FACTS, LARGE_RECORD_BYTES
from streams.batch import ShardTopics, StateRecord
from streams.dead_letters import dead_letter
from streams.facts_log import partition_count
from streams.fenced_writer import FencedWriter
from streams.partition_reader import read_to_end, reader, watermarks
from streams.state_topic import StoredState, load_state, skip_key


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What was, or would be, left out.

    Attributes:
        partition, offset: of the facts.
        events: how many events are in the record; None where it cannot be decoded.
        kinds: their kinds, and how many of each.
        sources: where the events came from, as `topic/partition@offset`; the first and last of each segment.
        byte_count: of the record.
        is_news: False where it was quarantined before, and nothing was written.
        known_reason, known_actor: of the quarantine that is in force.
        folded_up_to: the facts offset that the twin has committed.
    """

    partition: int
    offset: int
    events: int | None
    kinds: Mapping[str, int]
    sources: Sequence[str]
    byte_count: int
    is_news: bool
    known_reason: str
    known_actor: str
    folded_up_to: int


def quarantine_id(partition: int, offset: int) -> str:
    """Id of what is said about a quarantine: its audit record."""
    return f"quarantine/{partition}/{offset}"


def quarantine(
    client: Mapping[str, object],
    topics: ShardTopics,
    transactional_id: str,
    partition: int,
    offset: int,
    *,
    reason: str,
    actor: str,
    at: datetime,
    is_dry_run: bool = False,
) -> Quarantine:
    """Leave a facts record out of the fold from now on.

    Args:
        client: settings of every Kafka client.
        topics: where the twin reads and writes.
        transactional_id: of the partition's shard.
        partition: of the facts.
        offset: of the record.
        reason: why, in words.
        actor: who says so.
        at: when.
        is_dry_run: look and refuse as ever, but fence nobody and write nothing.

    Raises:
        UsageError: there is no such record, or the twin has folded it already.
        StateCorrupt: the state topic contradicts itself.
        Fenced, KafkaException: nothing was written.
    """
    with reader(client, "read_committed") as consumer:
        count = partition_count(consumer, topics.facts)
        if partition >= count:
            raise UsageError(
                f"{topics.facts} has {count} partitions, numbered from 0; there is no {partition}"
                if count
                else f"{topics.facts} does not exist: is FORESITE_TOPIC_PREFIX what the twin runs with?"
            )
        if is_dry_run:
            return _look(consumer, topics, partition, offset, reason, actor)[0]
        writer = FencedWriter(client, transactional_id)  # before we look, or a twin could fold it meanwhile
        found, message, stored = _look(consumer, topics, partition, offset, reason, actor)
        if not found.is_news:
            return found
        record, head = _audit(found, reason, actor, at, operator_head(stored))
        word = {"reason": reason, "actor": actor, "at": at.isoformat(), "audit": asdict(head)}
        said = [
            (topics.prefix + DEAD_LETTERS, _letter(message, found, reason, actor, at)),
            (
                topics.prefix + AUDIT,
                Output(AUDIT, record.target_id, record, record.output_id, at.isoformat()),
            ),
        ]
        writer.write([StateRecord(topics.state, partition, skip_key(offset), orjson.dumps(word))], said)
        return found


def _look(
    consumer: Consumer, topics: ShardTopics, partition: int, offset: int, reason: str, actor: str
) -> tuple[Quarantine, Message, StoredState]:
    where = f"{topics.facts}/{partition}"
    stored = load_state(consumer, topics.state, partition)
    folded = 0 if stored.manifest is None else stored.manifest.facts_offset
    low, high = watermarks(consumer, topics.facts, partition)
    if offset >= high:
        raise UsageError(
            f"{where} ends at offset {high}: there is no record {offset}. The twin's log names the one"
        )
    if offset < folded:
        raise UsageError(
            f"{where}: the twin has folded everything below offset {folded}, so record {offset} is part of what it says. "
            "What has been folded cannot be left out any more; correct it with an event"
        )
    if offset < low:
        raise UsageError(f"{where} begins at offset {low}: record {offset} is gone by retention")
    message = next(
        (each for each in read_to_end(consumer, topics.facts, partition, start=offset, stop=offset + 1)), None
    )
    if message is None or message.offset() != offset:
        raise UsageError(f"{where} has no record at offset {offset}: a transaction's marker stands there")
    return _described(stored, message, partition, offset, folded, reason, actor), message, stored


def _described(
    stored: StoredState, message: Message, partition: int, offset: int, folded: int, reason: str, actor: str
) -> Quarantine:
    value = message.value()
    assert isinstance(value, bytes)
    kinds: dict[str, int] = {}
    sources: list[str] = []
    events: int | None = 0
    try:
        for segment in decode_facts(value).segments:
            first, last = segment.positions[0][0], segment.positions[-1][0]
            sources.append(f"{segment.topic}/{segment.partition}@{first}..{last}")
            for event in segment.events:
                kinds[event.kind] = kinds.get(event.kind, 0) + 1
        events = sum(kinds.values())
    except FactsCorrupt:
        events = None
    before: dict[str, Any] = {}
    if offset in stored.skips:
        before = orjson.loads(stored.skips[offset])
    return Quarantine(
        partition=partition,
        offset=offset,
        events=events,
        kinds=dict(sorted(kinds.items())),
        sources=sources,
        byte_count=len(value),
        is_news=offset not in stored.skips,
        known_reason=str(before.get("reason", reason)),
        known_actor=str(before.get("actor", actor)),
        folded_up_to=folded,
    )


def _letter(message: Message, found: Quarantine, reason: str, actor: str, at: datetime) -> Output:
    bad = BadRecord(ReasonCode.QUARANTINED, f"quarantined by {actor}: {reason}")
    body = dead_letter(FACTS, message, 0, bad, record_bytes=LARGE_RECORD_BYTES, has_payload=True)
    return Output(DEAD_LETTERS, body.output_id, body, body.output_id, at.isoformat())


def operator_head(stored: StoredState) -> AuditHead:
    """Where the chain of what operators did to this partition ends: beside the last record that was left out."""
    heads = (orjson.loads(word).get("audit") for word in stored.skips.values())
    return max(
        (AuditHead(**head) for head in heads if head), key=lambda head: head.sequence, default=AuditHead()
    )


def _audit(
    found: Quarantine, reason: str, actor: str, at: datetime, head: AuditHead
) -> tuple[AuditRecord, AuditHead]:
    """The one audit record that no command of a planner causes."""
    name = quarantine_id(found.partition, found.offset)
    body = AuditRecord(
        output_id=name,
        target_id=f"{FACTS}/{found.partition}/{found.offset}",
        action="facts_quarantined",
        actor=actor,
        command_id=name,
        revision=None,
        reason=reason,
        at=at.astimezone(UTC),
        details={"events": found.events, "kinds": dict(found.kinds), "sources": list(found.sources)},
    )
    return chained(body, operator_writer(found.partition), head)
