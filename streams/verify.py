"""`foresite verify`: folds the facts again, from a checkpoint on, and compares with what the topics hold.

Works beside a running twin. Manifests are read before and after the outputs: what the first promise must be there, and
what is there must be promised by the second. Outputs of facts before the checkpoint are told apart by the position that
each of them carries, and are not judged.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer

from schemas.errors import StateCorrupt
from streams.batch import ShardTopics
from streams.checkpoints import StoredCheckpoint
from streams.facts_log import check_continues, partition_count
from streams.facts_position import FactsPosition, header_of, position_of
from streams.fold import FoldKind, Output
from streams.partition_reader import read_to_end, reader, watermarks
from streams.quarantine import quarantine_id
from streams.refold import Refold, Starts, skips_of
from streams.state_topic import StoredState, load_state

EXAMPLES_MAX = 5
"""How many ids a difference lists before it only counts."""


@dataclass(frozen=True, slots=True)
class PartitionReport:
    """One shard, compared.

    Attributes:
        partition: of facts and state.
        begins: offset of the first facts record that was folded; above 0 the fold began from a checkpoint.
        facts: records refolded.
        checkpoints: how many checkpoints were passed on the way and compared.
        documents: how many the refold arrived at.
        digest: of the refold.
        differences: in words; empty when equal.
        notes: what else is to be known of this comparison.
    """

    partition: int
    begins: int
    facts: int
    checkpoints: int
    documents: int
    digest: str
    differences: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicReport:
    """One output topic, compared over all shards.

    Attributes:
        topic: full name.
        outputs: how many the refold said.
        superseded: of these, how many compaction or retention may have taken and has.
        not_judged: outputs that stand there of facts before the checkpoint.
        differences: in words; empty when equal.
    """

    topic: str
    outputs: int
    superseded: int
    not_judged: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify` found; prints as a table."""

    partitions: tuple[PartitionReport, ...]
    topics: tuple[TopicReport, ...]

    @property
    def is_equal(self) -> bool:
        """Whether everything is as the facts say."""
        return not any(part.differences for part in self.partitions) and not any(
            topic.differences for topic in self.topics
        )

    def __str__(self) -> str:
        lines = []
        for part in self.partitions:
            since = f" from the checkpoint at offset {part.begins}" if part.begins else ""
            passed = f", {part.checkpoints} checkpoints passed" if part.checkpoints else ""
            lines.append(
                f"partition {part.partition}: {part.facts} facts records{since}{passed}, {part.documents} documents, "
                f"digest {part.digest[:16]}: {_verdict(part.differences)}"
            )
            lines.extend(f"    {line}" for line in (*part.differences, *part.notes))
        for topic in self.topics:
            gone = f" ({topic.superseded} taken by compaction or retention)" if topic.superseded else ""
            older = f" ({topic.not_judged} of older facts left aside)" if topic.not_judged else ""
            lines.append(
                f"{topic.topic}: {topic.outputs} outputs{gone}{older}: {_verdict(topic.differences)}"
            )
            lines.extend(f"    {difference}" for difference in topic.differences)
        lines.append("equal: the topics hold what the facts say" if self.is_equal else "DIFFERENT, see above")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Said:
    """An output of the refold."""

    key: str
    is_tombstone: bool


@dataclass(slots=True)
class _Found:
    """An output id in a topic: how often, and the facts record that it says it follows from."""

    count: int
    position: FactsPosition | None


@dataclass(slots=True)
class _Judged:
    """One shard: its refold, what that says, and how state and checkpoints differ from it."""

    refold: Refold
    skips: Mapping[int, bytes]
    on_the_way: list[StoredCheckpoint]
    starts: Starts
    said: dict[str, dict[str, list[_Said]]] = field(default_factory=dict)
    """Topic, then output id, to every time it was said."""
    passed: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def partition(self) -> int:
        """Of the facts."""
        return self.refold.partition

    def advance(self, consumer: Consumer, topics: ShardTopics, stored: StoredState) -> None:
        """Fold on to where the manifest of `stored` ends, past the checkpoints before it."""
        end = 0 if stored.manifest is None else stored.manifest.facts_offset
        mark = "" if stored.manifest is None else stored.manifest.facts_mark
        check_continues(consumer, topics.facts, self.partition, end, mark)
        self.skips = {**self.skips, **stored.skips}
        while self.on_the_way and self.on_the_way[0].facts_offset <= end:
            checkpoint = self.on_the_way.pop(0)
            self.refold.advance(consumer, topics.facts, checkpoint.facts_offset, self.skips, self._hear)
            self.differences += self._compare_checkpoint(checkpoint)
        self.refold.advance(consumer, topics.facts, end, self.skips, self._hear)

    def _hear(self, output: Output) -> None:
        ids = self.said.setdefault(output.topic, {})
        ids.setdefault(output.output_id, []).append(_Said(output.key, output.value() is None))

    def _compare_checkpoint(self, stored: StoredCheckpoint) -> Iterator[str]:
        assert stored.said is not None
        self.passed += 1
        manifest, fold = stored.said.manifest, self.refold.fold
        if (manifest.document_count, manifest.digest) != (fold.document_count, fold.digest):
            yield (
                f"the checkpoint at offset {manifest.facts_offset} has {manifest.document_count} documents with digest "
                f"{manifest.digest}, the refold {fold.document_count} with {fold.digest} "
                f"(version {manifest.code_version} folded up to there)"
            )
        try:
            self.starts.content(stored)
        except StateCorrupt as error:
            yield str(error)

    def compare(self, stored: StoredState) -> Iterator[str]:
        """How the state topic differs from the refold."""
        manifest, fold = stored.manifest, self.refold.fold
        if manifest is None:
            if self.refold.position or stored.documents:
                yield "there is no manifest"
            return
        if manifest.digest != fold.digest:
            yield f"the manifest's digest is {manifest.digest}, the refold's {fold.digest}"
        if manifest.document_count != fold.document_count:
            yield f"the manifest counts {manifest.document_count} documents, the refold {fold.document_count}"
        ours, theirs = self.refold.documents, stored.documents
        yield from _named("documents are missing", sorted(ours.keys() - theirs.keys()))
        yield from _named("documents should not exist", sorted(theirs.keys() - ours.keys()))
        changed = sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])
        yield from _named("documents differ", changed)


def verify(
    client: Mapping[str, object],
    topics: ShardTopics,
    kind: FoldKind,
    compacted: Collection[str] = (),
    *,
    from_beginning: bool = False,
) -> VerifyReport:
    """Refold every shard and compare digest, documents and output ids with what the topics hold.

    Begins from the checkpoint before the newest one of the version that folded last, so that the newest is compared on
    the way; without checkpoints from the first facts. Keeps the documents and output ids of all shards in memory.

    Args:
        client: settings of every Kafka client.
        topics: where the twin reads and writes.
        kind: the fold, of the version that wrote the state.
        compacted: output topics (without prefix) that keep only the last record of a key.
        from_beginning: begin with the first facts, and compare every checkpoint.

    Raises:
        UsageError: there is nothing to begin from.
        FactsGone, StateCorrupt: there is nothing sound to compare with.
        KafkaException: the broker failed.
    """
    with reader(client, "read_committed") as consumer:
        shards, before = [], {}
        for partition in range(partition_count(consumer, topics.facts)):
            before[partition] = load_state(consumer, topics.state, partition)
            shards.append(_begun(consumer, topics, kind, partition, before[partition], from_beginning))
        for shard in shards:
            shard.advance(consumer, topics, before[shard.partition])
            shard.differences += shard.compare(before[shard.partition])
        promised = _ids(shards)
        found: dict[str, dict[str, _Found]] = {}
        has_gone: dict[str, bool] = {}
        for topic in sorted(promised):
            found[topic], has_gone[topic] = _ids_in_topic(consumer, topics.prefix + topic)
        for shard in shards:
            after = load_state(consumer, topics.state, shard.partition)
            shard.advance(consumer, topics, after)
            if after.manifest != before[shard.partition].manifest:
                shard.differences += shard.compare(after)
        allowed = _ids(shards)
    return VerifyReport(
        partitions=tuple(
            PartitionReport(
                partition=shard.partition,
                begins=shard.refold.begins,
                facts=shard.refold.position - shard.refold.begins,
                checkpoints=shard.passed,
                documents=shard.refold.fold.document_count,
                digest=shard.refold.fold.digest,
                differences=tuple(shard.differences),
                notes=tuple(shard.notes),
            )
            for shard in shards
        ),
        topics=tuple(
            _compare_topic(
                topics.prefix + topic,
                promised[topic],
                allowed[topic],
                found[topic],
                {shard.partition: shard.refold.begins for shard in shards},
                {quarantine_id(shard.partition, offset) for shard in shards for offset in shard.skips},
                is_compacted=topic in compacted,
                has_gone=has_gone[topic],
            )
            for topic in sorted(promised)
        ),
    )


def _begun(
    consumer: Consumer,
    topics: ShardTopics,
    kind: FoldKind,
    partition: int,
    stored: StoredState,
    from_beginning: bool,
) -> _Judged:
    manifest = stored.manifest
    end = 0 if manifest is None else manifest.facts_offset
    starts = Starts.of(consumer, topics, kind, partition, end)
    notes: list[str] = []
    start = None
    if from_beginning:
        starts.require_beginning("Without --from-beginning it is verified from a checkpoint on")
    elif manifest is not None:
        usable = _since_the_last_change(starts.checkpoints, manifest.code_version)
        if starts.checkpoints and not usable:
            notes.append(
                f"version {manifest.code_version}, which folded last, has left no checkpoint: begun from one of another"
            )
        older = [each for each in usable if each.facts_offset < usable[0].facts_offset]
        start = starts.first_sound([*older, *usable] or starts.checkpoints, notes.append)
    else:
        starts.require_beginning()
    refold = Refold(partition, kind, start)
    on_the_way = [each for each in reversed(starts.checkpoints) if each.facts_offset > refold.begins]
    return _Judged(refold, skips_of(stored.skips, start), on_the_way, starts, notes=notes)


def _since_the_last_change(
    checkpoints: Sequence[StoredCheckpoint], code_version: str
) -> list[StoredCheckpoint]:
    """Those, newest first, from which this version has folded on without another one between."""
    usable: list[StoredCheckpoint] = []
    for each in checkpoints:
        if each.said is None or each.said.written_by != code_version:
            break
        usable.append(each)
    return usable


def _ids(shards: list[_Judged]) -> dict[str, dict[str, list[_Said]]]:
    """Topic, then output id, to every time any shard said it."""
    together: dict[str, dict[str, list[_Said]]] = {}
    for shard in shards:
        for topic, ids in shard.said.items():
            into = together.setdefault(topic, {})
            for output_id, said in ids.items():
                into[output_id] = into.get(output_id, []) + said
    return together


def _ids_in_topic(consumer: Consumer, topic: str) -> tuple[dict[str, _Found], bool]:
    """Every output id that stands in a topic, and whether its beginning is gone by retention."""
    ids: dict[str, _Found] = {}
    has_gone = False
    for partition in range(partition_count(consumer, topic)):
        low, _ = watermarks(consumer, topic, partition)
        has_gone = has_gone or low > 0
        for message in read_to_end(consumer, topic, partition):
            output_id = header_of(message, "ce_id") or f"(no ce_id at {topic}/{partition}/{message.offset()})"
            if output_id in ids:
                ids[output_id].count += 1
            else:
                ids[output_id] = _Found(1, position_of(message))
    return ids, has_gone


def _compare_topic(
    topic: str,
    promised: Mapping[str, list[_Said]],
    allowed: Mapping[str, list[_Said]],
    found: Mapping[str, _Found],
    begins: Mapping[int, int],
    of_operators: Collection[str],
    *,
    is_compacted: bool,
    has_gone: bool,
) -> TopicReport:
    missing = [output_id for output_id in promised if output_id not in found]
    superseded: set[str] = set()
    if has_gone:
        superseded = set(missing)
    elif is_compacted:
        last_of_key = {said.key: output_id for output_id, all_said in promised.items() for said in all_said}
        superseded = {
            output_id
            for output_id in missing
            if last_of_key[promised[output_id][0].key] != output_id or promised[output_id][0].is_tombstone
        }
    older = {
        name
        for name, each in found.items()
        if name not in allowed
        and each.position is not None
        and each.position.offset < begins.get(each.position.partition, 0)
    }
    strange = [
        name for name in found if name not in allowed and name not in older and name not in of_operators
    ]
    differences = [
        *_named(
            "ids were said more than once by the fold",
            [name for name, said in allowed.items() if len(said) > 1],
        ),
        *_named("outputs are missing", [name for name in missing if name not in superseded]),
        *_named(
            "outputs stand there more than once", [name for name, each in found.items() if each.count > 1]
        ),
        *_named("outputs do not follow from the facts", strange),
    ]
    return TopicReport(topic, len(promised), len(superseded), len(older), tuple(differences))


def _named(what: str, names: list[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - EXAMPLES_MAX} more" if len(names) > EXAMPLES_MAX else ""
        yield f"{len(names)} {what}: {', '.join(names[:EXAMPLES_MAX])}{more}"


def _verdict(differences: tuple[str, ...]) -> str:
    return f"{len(differences)} differences" if differences else "equal"
