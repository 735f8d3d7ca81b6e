"""Checkpoints: the state of a shard as of a commit, kept apart from the state topic, to begin a refold from.

A checkpoint lies in the partition of twin.checkpoints.v1 that has its shard's number, as parts in order: records with
key `<facts offset>/<day or version>/<number of the part>`, and behind the last of them one with `complete` instead of
the number, which vouches for all. Parts hold documents, the last words on the output topics that the picture shows, and
quarantines. One that has expired is taken back by tombstones, under the shard's transactional id like all the rest, so
that nobody needs the right to delete anything; compaction then frees the space.

Law: what has no complete record behind it, or does not amount to what that says, is no checkpoint.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal

import msgspec
from confluent_kafka import Consumer, Message

from schemas.errors import StateCorrupt
from streams.batch import StateRecord
from streams.facts_log import partition_count
from streams.facts_position import position_of
from streams.fold import FoldKind
from streams.partition_reader import read_to_end
from streams.state_topic import Manifest, sealed, unsealed

PART_BYTES = 1_000_000
"""Of a part before it is compressed; it is over with the document that reaches this. Too small: many records. Too
large: a commit that carries parts takes long, and a reader needs the memory."""

COMPRESSION = 1
"""zlib's level: three quarters of what its best gains, at a fifth of the time."""

COMPLETE = "complete"
NEVER_COMPLETED = "never completed"

Reason = Literal["day", "version"]

Said = Mapping[str, Mapping[str, bytes]]
"""Output topic, without prefix, to key, to the last word on it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the complete record of a checkpoint says.

    Attributes:
        manifest: of the commit that the documents are as of; its code version is of who folded up to there.
        written_by: the code version that wrote the checkpoint and folded on from it.
        reason: a new day of the shard's clock, or a change of version.
        now: the shard's clock, POSIX seconds; None before its first tick.
        parts, said_count, byte_count: how many records, last words on output topics, and bytes uncompressed.
        parts_digest: over the records in order.
    """

    manifest: Manifest
    written_by: str
    reason: Reason
    now: float | None
    parts: int
    said_count: int
    byte_count: int
    parts_digest: str

    @property
    def facts_offset(self) -> int:
        """Offset of the first facts record that is not in it."""
        return self.manifest.facts_offset

    @property
    def day(self) -> str | None:
        """UTC day of the shard's clock."""
        return None if self.now is None else day_of(self.now)

    def encode(self) -> bytes:
        """Bytes of the complete record."""
        return sealed({"version": 1, **asdict(self)})

    @classmethod
    def decode(cls, value: bytes) -> "Checkpoint":
        """Read it back.

        Raises:
            StateCorrupt: it is none.
        """
        try:
            fields = unsealed(value)
            if fields.pop("version") != 1:
                raise ValueError("of another version")
            return cls(**{**fields, "manifest": Manifest(**fields["manifest"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateCorrupt(f"the complete record of a checkpoint cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as it lies in the topic.

    Attributes:
        partition: of the topic.
        facts_offset: as its keys say.
        begins, ends: offsets of its first record, and of the one behind its last.
        name: how its keys begin; parts: how many of it there are.
        said: its complete record; None where that is missing, or does not fit the parts.
        flaw: why it is no checkpoint; "" where it is one.
    """

    partition: int
    facts_offset: int
    begins: int
    ends: int
    said: Checkpoint | None
    flaw: str = ""
    name: str = ""
    parts: int = 0


@dataclass(frozen=True, slots=True)
class CheckpointContent:
    """What a checkpoint holds: documents by name, last words on output topics, quarantines by facts offset."""

    documents: Mapping[str, bytes]
    said: Said
    skips: Mapping[int, bytes]


def day_of(now: float) -> str:
    """The UTC day of a moment in POSIX seconds, as 2026-11-17."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


# Writing --------------------------------------------------------------------------------------------------------------


def checkpoint_records(
    topic: str,
    partition: int,
    kind: FoldKind,
    manifest: Manifest,
    reason: Reason,
    content: CheckpointContent,
) -> list[StateRecord]:
    """Everything to be written for a checkpoint, in order; without the complete record at its end it is none."""
    name = f"{manifest.facts_offset}/{reason}"
    digest, byte_count, records = blake2b(digest_size=16), 0, []
    for number, part in enumerate(_parts(_entries(content))):
        encoded = msgspec.msgpack.encode(part)
        byte_count += len(encoded)
        value = zlib.compress(encoded, COMPRESSION)
        digest.update(value)
        records.append(StateRecord(topic, partition, f"{name}/{number}", value))
    complete = Checkpoint(
        manifest=manifest,
        written_by=kind.code_version,
        reason=reason,
        now=kind.now(manifest.header.encode()),
        parts=len(records),
        said_count=sum(len(keys) for keys in content.said.values()),
        byte_count=byte_count,
        parts_digest=digest.hexdigest(),
    )
    return [*records, StateRecord(topic, partition, f"{name}/{COMPLETE}", complete.encode())]


def expiry_records(topic: str, stored: StoredCheckpoint) -> list[StateRecord]:
    """Tombstones that take a checkpoint back, or what is left of one; the word that makes it one goes first."""
    keys = [f"{stored.name}/{COMPLETE}", *(f"{stored.name}/{number}" for number in range(stored.parts))]
    return [StateRecord(topic, stored.partition, key, None) for key in keys]


Entry = tuple[str, str, bytes]
"""What it is ("document", "skip", or an output topic), its name, its bytes."""


def _entries(content: CheckpointContent) -> Iterator[Entry]:
    for name, value in content.documents.items():
        yield "document", name, value
    for offset, value in content.skips.items():
        yield "skip", str(offset), value
    for topic, keys in content.said.items():
        for key, value in keys.items():
            yield topic, key, value


def _parts(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    part: list[Entry] = []
    size = 0
    for entry in entries:
        part.append(entry)
        size += sum(map(len, entry))
        if size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def said_before(
    consumer: Consumer, prefix: str, shown: Sequence[str], partition: int, facts_offset: int
) -> Said:
    """The last words on output topics that follow from facts of a partition before an offset.

    Exact as long as compaction has not yet taken words that later ones have superseded meanwhile.

    Raises:
        KafkaException: the broker failed.
    """
    said: dict[str, dict[str, bytes]] = {topic: {} for topic in shown}
    for topic, keys in said.items():
        name = prefix + topic
        for number in range(partition_count(consumer, name)):
            for message in read_to_end(consumer, name, number):
                position = position_of(message)
                if position is None or position.partition != partition or position.offset >= facts_offset:
                    continue
                key, value = message.key(), message.value()
                assert isinstance(key, bytes)
                if value is None:
                    keys.pop(key.decode(), None)
                else:
                    assert isinstance(value, bytes)
                    keys[key.decode()] = value
    return said


# Reading --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pending:
    """Parts whose complete record has not come yet."""

    name: str
    begins: int
    parts: int = 0
    digest: Any = field(default_factory=lambda: blake2b(digest_size=16))


def stored_checkpoints(consumer: Consumer, topic: str, partition: int) -> list[StoredCheckpoint]:
    """Every checkpoint of a partition and what is left of others, in the order in which they were written.

    Raises:
        KafkaException: the broker failed.
    """
    found: list[StoredCheckpoint] = []
    pending: _Pending | None = None
    ends = 0
    for message in read_to_end(consumer, topic, partition):
        at = message.offset()
        assert at is not None
        name, part = _key_of(message)
        value = message.value()
        assert value is None or isinstance(value, bytes)
        if value is None:
            if part == COMPLETE:  # taken back
                found = [each for each in found if each.name != name]
                pending = None if pending is not None and pending.name == name else pending
        elif part == COMPLETE:
            found.append(_completed(partition, name, at, value, pending))
            pending = None
        else:
            if pending is None or part == "0" or (pending.name, str(pending.parts)) != (name, part):
                found += _given_up(partition, pending, at)
                pending = _Pending(name, at)
            pending.parts += 1
            pending.digest.update(value)
        ends = at + 1
    return [*found, *_given_up(partition, pending, ends)]


def _given_up(partition: int, pending: _Pending | None, ends: int) -> list[StoredCheckpoint]:
    if pending is None:
        return []
    return [
        StoredCheckpoint(
            partition=partition,
            facts_offset=_offset_in(pending.name),
            begins=pending.begins,
            ends=ends,
            said=None,
            flaw=NEVER_COMPLETED,
            name=pending.name,
            parts=pending.parts,
        )
    ]


def _key_of(message: Message) -> tuple[str, str]:
    """The name of the checkpoint, and which part this is."""
    key = message.key()
    assert isinstance(key, bytes)
    name, _, part = key.decode().rpartition("/")
    return name, part


def _offset_in(name: str) -> int:
    return int(name.partition("/")[0])


def _completed(
    partition: int, name: str, at: int, value: bytes, pending: _Pending | None
) -> StoredCheckpoint:
    before = _Pending(name, at) if pending is None or pending.name != name else pending
    facts_offset, flaw, said = _offset_in(name), "", None
    try:
        said = Checkpoint.decode(value)
    except StateCorrupt as error:
        flaw = str(error)
    if said is not None:
        if said.facts_offset != facts_offset:
            flaw = f"its complete record is of facts offset {said.facts_offset}"
        elif said.parts != before.parts:
            flaw = f"{before.parts} of its {said.parts} parts are there"
        elif said.parts_digest != before.digest.hexdigest():
            flaw = "its parts are not those that were written"
    return StoredCheckpoint(
        partition=partition,
        facts_offset=facts_offset,
        begins=before.begins,
        ends=at + 1,
        said=None if flaw else said,
        flaw=flaw,
        name=name,
        parts=before.parts,
    )


def checkpoint_content(
    consumer: Consumer, topic: str, kind: FoldKind, stored: StoredCheckpoint
) -> CheckpointContent:
    """Read a checkpoint and hold it to its manifest.

    Raises:
        StateCorrupt: its documents are not those of its manifest, or another schema version wrote it.
        KafkaException: the broker failed.
    """
    said = stored.said
    assert said is not None, stored.flaw
    where = f"the checkpoint of {topic}/{stored.partition} at facts offset {stored.facts_offset}"
    said.manifest.refuse_other_version(kind.schema_version, where)
    documents: dict[str, bytes] = {}
    skips: dict[int, bytes] = {}
    words: dict[str, dict[str, bytes]] = {}
    for message in read_to_end(consumer, topic, stored.partition, start=stored.begins, stop=stored.ends):
        value = message.value()
        assert isinstance(value, bytes)
        if _key_of(message)[1] == COMPLETE:
            break
        for what, name, content in msgspec.msgpack.decode(zlib.decompress(value), type=list[Entry]):
            if what == "document":
                documents[name] = content
            elif what == "skip":
                skips[int(name)] = content
            else:
                words.setdefault(what, {})[name] = content
    said.manifest.vouch_for(*kind.count_and_digest(said.manifest.header.encode(), documents), where)
    return CheckpointContent(documents, words, skips)


def sound_checkpoints(
    consumer: Consumer, topic: str, partition: int, is_wanted: Callable[[Checkpoint], bool]
) -> list[StoredCheckpoint]:
    """Complete checkpoints that are wanted, the newest first; none where there is no such topic."""
    if not topic or partition >= partition_count(consumer, topic):
        return []
    stored = stored_checkpoints(consumer, topic, partition)
    return [each for each in reversed(stored) if each.said is not None and is_wanted(each.said)]
