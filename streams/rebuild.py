"""`foresite rebuild`: folds the state of a shard again from a checkpoint or the first facts, and writes it in place.

Only state is written: everything up to the manifest has been said, and saying it twice would be a lie. Where the
manifest itself is lost, the outputs tell how far the twin had come, for each names the facts record that it follows
from.

Law: the manifest goes last. What is cut off before it leaves a state that no twin believes, and can be rebuilt again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import Consumer

from schemas.errors import StateCorrupt, UsageError
from streams.batch import ShardTopics, StateRecord
from streams.facts_log import check_continues, facts_mark, partition_count
from streams.facts_position import position_of
from streams.fenced_writer import FencedWriter
from streams.fold import FoldKind
from streams.partition_reader import read_to_end, reader, watermarks
from streams.refold import Progress, Refold, Starts, no_progress, skips_of
from streams.state_topic import MANIFEST_KEY, Manifest, RawState, load_state, read_state, skip_key

RECORDS_PER_TRANSACTION = 5_000
"""Too small: a large state takes many transactions. Too large: one of them may last longer than it is allowed to."""

Outcome = Literal["sound", "rebuilt", "would be rebuilt", "empty"]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of one shard.

    Attributes:
        partition: of facts and state.
        outcome: "sound" where documents and manifest agree, and nothing was done; "empty" where there is nothing.
        flaw: what was wrong.
        began_at: facts offset from which it was folded; above 0 from a checkpoint.
        facts_offset: up to where.
        written, removed: documents that were put right, and that should not have been there.
        documents, digest: of the state as it is now.
        notes: what else is to be known.
    """

    partition: int
    outcome: Outcome
    flaw: str = ""
    began_at: int = 0
    facts_offset: int = 0
    written: int = 0
    removed: int = 0
    documents: int = 0
    digest: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        notes = "".join(f"\n    {note}" for note in self.notes)
        match self.outcome:
            case "empty":
                return f"partition {self.partition}: nothing was ever committed"
            case "sound":
                return (
                    f"partition {self.partition}: sound, {self.documents} documents as of facts offset "
                    f"{self.facts_offset}; left alone (`foresite verify` compares them with the facts)"
                )
        since = f"the checkpoint at offset {self.began_at}" if self.began_at else "the first facts"
        return (
            f"partition {self.partition}: {self.outcome} from {since} up to offset {self.facts_offset}: "
            f"{self.written} documents put right, {self.removed} removed, {self.documents} in all, "
            f"digest {self.digest[:16]}\n    it was wrong: {self.flaw or 'no, but it was asked for'}{notes}"
        )


def rebuild(
    client: Mapping[str, object],
    topics: ShardTopics,
    kind: FoldKind,
    transactional_id: str,
    output_topics: Callable[[], list[str]],
    partition: int,
    *,
    is_forced: bool = False,
    is_dry_run: bool = False,
    progress: Progress = no_progress,
) -> Rebuilt:
    """Put the state of one shard right. The twins must be stopped.

    Args:
        client: settings of every Kafka client.
        topics: where the twin reads and writes.
        kind: the fold.
        transactional_id: of the partition's shard.
        output_topics: full names of the twin's output topics; asked for only where the manifest is lost.
        partition: which.
        is_forced: fold it again though it is sound.
        is_dry_run: fold, but fence nobody and write nothing.
        progress: told how far it has come.

    Raises:
        UsageError: there is nothing to fold from.
        FactsGone: the facts are not those that the state was folded from.
        StateCorrupt: what was written does not read back right, or a newer version wrote the state.
        Fenced, KafkaException: the state is as it was, or half written and refused as before; run it again.
    """
    with reader(client, "read_committed") as consumer:
        count = partition_count(consumer, topics.facts)
        if partition >= count:
            raise UsageError(
                f"{topics.facts} has {count} partitions, numbered from 0; there is no {partition}"
            )
        writer = None if is_dry_run else FencedWriter(client, transactional_id)
        raw = read_state(consumer, topics.state, partition)
        manifest, flaw = _judged(raw, kind, f"{topics.state}/{partition}")
        if manifest is not None and not flaw and not is_forced:
            return _untouched(partition, manifest)
        end = _said_up_to(consumer, output_topics(), partition) if manifest is None else manifest.facts_offset
        if manifest is None and not flaw:
            if not end:
                return _untouched(partition, manifest)
            flaw = f"it is empty, though outputs were published up to facts offset {end}"
        mark = None if manifest is None else manifest.facts_mark
        check_continues(consumer, topics.facts, partition, end, mark)
        starts = Starts.of(consumer, topics, kind, partition, end)
        notes: list[str] = []
        start = starts.first_sound(starts.checkpoints, notes.append)
        skips = skips_of(raw.skips, start)
        refold = Refold(partition, kind, start)
        refold.advance(consumer, topics.facts, end, skips, progress=progress)
        if manifest is not None and manifest.code_version != kind.code_version:
            notes.append(
                f"version {manifest.code_version} had folded it, {kind.code_version} did now: what they judge otherwise "
                "differs from what was published"
            )
        made = _manifest(consumer, topics, refold, end, count)
        records = list(_differences(topics.state, refold, raw, skips, made))
        if writer is not None:
            for first in range(0, len(records), RECORDS_PER_TRANSACTION):
                writer.write(records[first : first + RECORDS_PER_TRANSACTION])
            FencedWriter(client, transactional_id)  # returns when what was committed is visible
            again = load_state(consumer, topics.state, partition)
            assert again.manifest is not None
            again.manifest.vouch_for(
                *kind.count_and_digest(again.manifest.header.encode(), again.documents),
                f"{topics.state}/{partition}, as just written,",
            )
    return Rebuilt(
        partition=partition,
        outcome="would be rebuilt" if is_dry_run else "rebuilt",
        flaw=flaw,
        began_at=refold.begins,
        facts_offset=end,
        written=sum(1 for each in records if each.value is not None and each.key != MANIFEST_KEY),
        removed=sum(1 for each in records if each.value is None),
        documents=made.document_count,
        digest=made.digest,
        notes=tuple(notes),
    )


def _judged(raw: RawState, kind: FoldKind, where: str) -> tuple[Manifest | None, str]:
    """The manifest, if one can be read, and what is wrong with the state; "" where nothing is.

    Raises:
        StateCorrupt: a newer version wrote it.
    """
    if raw.manifest is None:
        return None, f"it holds {len(raw.documents)} documents and no manifest" if raw.documents else ""
    try:
        manifest = Manifest.decode(raw.manifest)
    except StateCorrupt:
        return None, "its manifest cannot be read"
    manifest.refuse_newer_version(kind.schema_version, where)
    if manifest.schema_version < kind.schema_version:
        return (
            manifest,
            f"schema version {manifest.schema_version} wrote it, this one reads {kind.schema_version}",
        )
    try:
        manifest.vouch_for(*kind.count_and_digest(manifest.header.encode(), raw.documents), where)
    except (StateCorrupt, ValueError) as error:
        return manifest, str(error).partition(": ")[0]
    return manifest, ""


def _untouched(partition: int, manifest: Manifest | None) -> Rebuilt:
    if manifest is None:
        return Rebuilt(partition, "empty")
    return Rebuilt(
        partition,
        "sound",
        facts_offset=manifest.facts_offset,
        documents=manifest.document_count,
        digest=manifest.digest,
    )


def _said_up_to(consumer: Consumer, output_topics: list[str], partition: int) -> int:
    """The facts offset behind the last record that something was said of.

    Records behind it that were folded have led to no output, and so can be folded again.
    """
    end = 0
    for topic in output_topics:
        for number in range(partition_count(consumer, topic)):
            for message in read_to_end(consumer, topic, number):
                position = position_of(message)
                if position is not None and position.partition == partition:
                    end = max(end, position.offset + 1)
    return end


def _manifest(
    consumer: Consumer, topics: ShardTopics, refold: Refold, end: int, facts_partitions: int
) -> Manifest:
    mark = ""
    low, _ = watermarks(consumer, topics.facts, refold.partition)
    if end > low:
        for message in read_to_end(consumer, topics.facts, refold.partition, start=end - 1, stop=end):
            value = message.value()
            assert isinstance(value, bytes)
            mark = facts_mark(value, message.timestamp()[1])
    return Manifest(
        facts_offset=end,
        facts_mark=mark or refold.began_with_mark,
        facts_partitions=facts_partitions,
        header=refold.fold.header().decode(),
        schema_version=refold.kind.schema_version,
        code_version=refold.kind.code_version,
        document_count=refold.fold.document_count,
        digest=refold.fold.digest,
    )


def _differences(
    state: str, refold: Refold, raw: RawState, skips: Mapping[int, bytes], manifest: Manifest
) -> Iterator[StateRecord]:
    partition = refold.partition
    for name in raw.documents.keys() - refold.documents.keys():
        yield StateRecord(state, partition, name, None)
    for name, document in refold.documents.items():
        if raw.documents.get(name) != document:
            yield StateRecord(state, partition, name, document)
    for offset, word in skips.items():
        if offset not in raw.skips:
            yield StateRecord(state, partition, skip_key(offset), word)
    yield StateRecord(state, partition, MANIFEST_KEY, manifest.encode())
