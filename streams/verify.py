"""`foresite verify`: folds the facts again from their beginning and compares with what the topics hold.

Works beside a running twin. Manifests are read before and after the outputs: what the first promise must be there, and
what is there must be promised by the second.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, Message

from schemas.errors import UsageError
from streams.batch import ShardTopics
from streams.facts_log import check_continues, partition_count
from streams.fold import Fold, FoldKind
from streams.partition_reader import read_to_end, reader, watermarks
from streams.state_topic import StoredState, load_state

EXAMPLES_MAX = 5
"""How many ids a difference lists before it only counts."""


@dataclass(frozen=True, slots=True)
class PartitionReport:
    """One shard, compared.

    Attributes:
        partition: of facts and state.
        facts: records refolded.
        documents: how many the refold arrived at.
        digest: of the refold.
        differences: in words; empty when equal.
    """

    partition: int
    facts: int
    documents: int
    digest: str
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TopicReport:
    """One output topic, compared over all shards.

    Attributes:
        topic: full name.
        outputs: how many the refold said.
        superseded: of these, how many compaction or retention may have taken and has.
        differences: in words; empty when equal.
    """

    topic: str
    outputs: int
    superseded: int
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
            lines.append(
                f"partition {part.partition}: {part.facts} facts records, {part.documents} documents, "
                f"digest {part.digest[:16]}: {_verdict(part.differences)}"
            )
            lines.extend(f"    {difference}" for difference in part.differences)
        for topic in self.topics:
            gone = f" ({topic.superseded} taken by compaction or retention)" if topic.superseded else ""
            lines.append(f"{topic.topic}: {topic.outputs} outputs{gone}: {_verdict(topic.differences)}")
            lines.extend(f"    {difference}" for difference in topic.differences)
        lines.append("equal: the topics hold what the facts say" if self.is_equal else "DIFFERENT, see above")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Said:
    """An output of the refold."""

    key: str
    is_tombstone: bool


class _Refold:
    """A shard folded again, up to wherever it is asked."""

    def __init__(self, partition: int, kind: FoldKind) -> None:
        self.partition = partition
        self.position = 0
        self.fold: Fold = kind.new()
        self.documents: dict[str, bytes] = {}
        self.said: dict[str, dict[str, list[_Said]]] = {}
        """Topic, then output id, to every time it was said."""
        self._kind = kind

    def advance(self, consumer: Consumer, facts_topic: str, stored: StoredState) -> None:
        """Fold on to where the manifest of `stored` ends."""
        end = 0 if stored.manifest is None else stored.manifest.facts_offset
        mark = "" if stored.manifest is None else stored.manifest.facts_mark
        check_continues(consumer, facts_topic, self.partition, end, mark)
        for message in read_to_end(consumer, facts_topic, self.partition, start=self.position, stop=end):
            value = message.value()
            assert isinstance(value, bytes)
            if message.offset() not in stored.skipped_offsets:
                for output in self.fold.apply(self._kind.decode(value)):
                    ids = self.said.setdefault(output.topic, {})
                    ids.setdefault(output.output_id, []).append(_Said(output.key, output.value() is None))
            for name, document in self.fold.take_changes().items():
                if document is None:
                    self.documents.pop(name, None)
                else:
                    self.documents[name] = document
        self.position = end

    def differences(self, stored: StoredState) -> Iterator[str]:
        """How the state topic differs from this refold."""
        manifest = stored.manifest
        if manifest is None:
            if self.position or stored.documents:
                yield "there is no manifest"
            return
        if manifest.digest != self.fold.digest:
            yield f"the manifest's digest is {manifest.digest}, the refold's {self.fold.digest}"
        if manifest.document_count != self.fold.document_count:
            yield f"the manifest counts {manifest.document_count} documents, the refold {self.fold.document_count}"
        ours, theirs = self.documents, stored.documents
        yield from _named("documents are missing", sorted(ours.keys() - theirs.keys()))
        yield from _named("documents should not exist", sorted(theirs.keys() - ours.keys()))
        changed = sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])
        yield from _named("documents differ", changed)


def verify(
    client: Mapping[str, object], topics: ShardTopics, kind: FoldKind, compacted: Collection[str] = ()
) -> VerifyReport:
    """Refold every shard and compare digest, documents and output ids with what the topics hold.

    Keeps the documents and output ids of all shards in memory.

    Args:
        client: settings of every Kafka client.
        topics: where the twin reads and writes.
        kind: the fold, of the version that wrote the state.
        compacted: output topics (without prefix) that keep only the last record of a key.

    Raises:
        UsageError: the facts no longer reach back to their beginning.
        FactsGone, StateCorrupt: there is nothing sound to compare with.
        KafkaException: the broker failed.
    """
    with reader(client, "read_committed") as consumer:
        refolds = [_Refold(partition, kind) for partition in range(partition_count(consumer, topics.facts))]
        for refold in refolds:
            _require_beginning(consumer, topics.facts, refold.partition)
        before = _advance_all(consumer, topics, refolds)
        differences = {
            refold.partition: list(refold.differences(before[refold.partition])) for refold in refolds
        }
        promised = _ids(refolds)
        found: dict[str, Counter[str]] = {}
        has_gone: dict[str, bool] = {}
        for topic in sorted(promised):
            found[topic], has_gone[topic] = _ids_in_topic(consumer, topics.prefix + topic)
        after = _advance_all(consumer, topics, refolds)
        for refold in refolds:
            if after[refold.partition].manifest != before[refold.partition].manifest:
                differences[refold.partition] += refold.differences(after[refold.partition])
        allowed = _ids(refolds)
    return VerifyReport(
        partitions=tuple(
            PartitionReport(
                partition=refold.partition,
                facts=refold.position,
                documents=refold.fold.document_count,
                digest=refold.fold.digest,
                differences=tuple(differences[refold.partition]),
            )
            for refold in refolds
        ),
        topics=tuple(
            _compare_topic(
                topics.prefix + topic,
                promised[topic],
                allowed[topic],
                found[topic],
                is_compacted=topic in compacted,
                has_gone=has_gone[topic],
            )
            for topic in sorted(promised)
        ),
    )


def _require_beginning(consumer: Consumer, facts_topic: str, partition: int) -> None:
    low, _ = watermarks(consumer, facts_topic, partition)
    if low > 0:
        raise UsageError(
            f"{facts_topic}/{partition} begins at offset {low}: without its first records there is nothing to fold "
            "from. Keep the facts as long as they are to be verified (retention.ms of the topic)"
        )


def _advance_all(consumer: Consumer, topics: ShardTopics, refolds: list[_Refold]) -> dict[int, StoredState]:
    stored = {}
    for refold in refolds:
        stored[refold.partition] = load_state(consumer, topics.state, refold.partition)
        refold.advance(consumer, topics.facts, stored[refold.partition])
    return stored


def _ids(refolds: list[_Refold]) -> dict[str, dict[str, list[_Said]]]:
    """Topic, then output id, to every time any shard said it."""
    together: dict[str, dict[str, list[_Said]]] = {}
    for refold in refolds:
        for topic, ids in refold.said.items():
            into = together.setdefault(topic, {})
            for output_id, said in ids.items():
                into[output_id] = into.get(output_id, []) + said
    return together


def _ids_in_topic(consumer: Consumer, topic: str) -> tuple[Counter[str], bool]:
    """How often each output id stands in a topic, and whether its beginning is gone by retention."""
    found: Counter[str] = Counter()
    has_gone = False
    for partition in range(partition_count(consumer, topic)):
        low, _ = watermarks(consumer, topic, partition)
        has_gone = has_gone or low > 0
        found.update(_output_id(message) for message in read_to_end(consumer, topic, partition))
    return found, has_gone


def _output_id(message: Message) -> str:
    headers = message.headers()
    pairs = headers.items() if isinstance(headers, dict) else headers or []
    for name, value in pairs:
        if name == "ce_id" and value is not None:
            return value if isinstance(value, str) else value.decode()
    return f"(no ce_id at {message.topic()}/{message.partition()}/{message.offset()})"


def _compare_topic(
    topic: str,
    promised: Mapping[str, list[_Said]],
    allowed: Mapping[str, list[_Said]],
    found: Counter[str],
    *,
    is_compacted: bool,
    has_gone: bool,
) -> TopicReport:
    missing = [output_id for output_id in promised if not found[output_id]]
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
    differences = [
        *_named(
            "ids were said more than once by the fold",
            [name for name, said in allowed.items() if len(said) > 1],
        ),
        *_named("outputs are missing", [name for name in missing if name not in superseded]),
        *_named("outputs stand there more than once", [name for name, count in found.items() if count > 1]),
        *_named("outputs do not follow from the facts", [name for name in found if name not in allowed]),
    ]
    return TopicReport(topic, len(promised), len(superseded), tuple(differences))


def _named(what: str, names: list[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - EXAMPLES_MAX} more" if len(names) > EXAMPLES_MAX else ""
        yield f"{len(names)} {what}: {', '.join(names[:EXAMPLES_MAX])}{more}"


def _verdict(differences: tuple[str, ...]) -> str:
    return f"{len(differences)} differences" if differences else "equal"
