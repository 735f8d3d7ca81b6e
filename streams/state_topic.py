"""The state topic: what one shard of the twin knows, as documents, and the manifest that vouches for them.

Law: a shard's documents are believed only together with their manifest. Everything that reads them goes through
`load_state`, and `Manifest.vouch_for` compares count and digest before anybody sees a picture. Only `foresite rebuild`
reads what contradicts itself (`read_state`), to mend it.

One partition of twin.state.v1 belongs to the facts partition of the same number, whatever its keys would hash to.
Its keys are document ids ("S1/run/R-4471"), "manifest", "skip/<facts offset>" for quarantined records, and "checkpoint"
for a word about the last one that was written.
"""

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import orjson
from confluent_kafka import Consumer

from schemas.errors import StateCorrupt, UsageError
from streams.partition_reader import read_to_end

MANIFEST_KEY = "manifest"
SKIP_PREFIX = "skip/"
CHECKPOINT_KEY = "checkpoint"

HINT_REBUILD = (
    "with the twin stopped, `foresite rebuild` folds it again from a checkpoint and the facts; "
    "`foresite verify` names what differs"
)
HINT_PARTITIONS = "the way to migrate is a new facts topic under a new FORESITE_TOPIC_PREFIX, filled by `foresite ingest` from the inputs"
HINT_MIGRATE = "stop the twins and run `foresite rebuild`, which folds the facts again; docs/operations.md, 'Upgrade', says how"
HINT_UPGRADE = "start the version of Foresite that wrote it, or a newer one"


def sealed(said: Mapping[str, Any]) -> bytes:
    """JSON with a checksum over it, for what no digest covers."""
    return orjson.dumps({**said, "check": zlib.crc32(orjson.dumps(said))})


def unsealed(value: bytes) -> dict[str, Any]:
    """The fields again.

    Raises:
        ValueError: it is not what was written.
    """
    said = orjson.loads(value)
    if not isinstance(said, dict):
        raise ValueError("it is no JSON object")
    check = said.pop("check", None)  # early versions wrote none
    if check is not None and check != zlib.crc32(orjson.dumps(said)):
        raise ValueError("its checksum does not fit")
    return said


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a commit says about itself.

    Attributes:
        facts_offset: offset of the next facts record to fold; everything below it is in the documents.
        facts_mark: fingerprint of the last record folded, to recognise a topic that was deleted and created anew.
        facts_partitions: partitions the facts topic had; with another number, groups live elsewhere.
        header: the fold's own header (clock and watermarks), opaque here.
        schema_version, code_version: what wrote it.
        document_count, digest: what the documents must amount to.
    """

    facts_offset: int
    facts_mark: str
    facts_partitions: int
    header: str
    schema_version: int
    code_version: str
    document_count: int
    digest: str

    def encode(self) -> bytes:
        """Bytes for the state topic."""
        return sealed(asdict(self))

    @classmethod
    def decode(cls, value: bytes) -> "Manifest":
        """Read a manifest back.

        Raises:
            StateCorrupt: it is not a manifest.
        """
        try:
            return msgspec.convert(
                unsealed(value), type=cls
            )  # what a newer version has added is its own affair
        except (ValueError, msgspec.ValidationError) as error:
            raise StateCorrupt(
                f"manifest of {len(value)} bytes cannot be read ({error}): {HINT_REBUILD}"
            ) from error

    def vouch_for(self, document_count: int, digest: str, where: str) -> None:
        """Compare with what was restored from the documents.

        Raises:
            StateCorrupt: they are not the documents of this manifest.
        """
        if (document_count, digest) != (self.document_count, self.digest):
            raise StateCorrupt(
                f"{where} holds {document_count} documents with digest {digest}, but its manifest "
                f"(facts offset {self.facts_offset}) says {self.document_count} with {self.digest}: {HINT_REBUILD}"
            )

    def refuse_newer_version(self, schema_version: int, where: str) -> None:
        """Refuse state that a newer version wrote.

        Raises:
            StateCorrupt: this code cannot know what the documents mean.
        """
        if self.schema_version > schema_version:
            raise StateCorrupt(
                f"{where} was written with schema version {self.schema_version} by Foresite {self.code_version}, "
                f"this one knows up to {schema_version}: {HINT_UPGRADE}"
            )

    def refuse_other_version(self, schema_version: int, where: str) -> None:
        """Refuse state whose documents mean something else, or might: nothing is converted, all is folded again.

        Raises:
            StateCorrupt: a newer version wrote it, or an older one.
        """
        self.refuse_newer_version(schema_version, where)
        if self.schema_version < schema_version:
            raise StateCorrupt(
                f"{where} was written with schema version {self.schema_version} by Foresite {self.code_version}, "
                f"this one reads {schema_version}: {HINT_MIGRATE}"
            )

    def refuse_other_partitioning(self, facts_partitions: int, facts_topic: str) -> None:
        """Refuse a facts topic whose number of partitions has changed: planning groups would be split.

        Raises:
            UsageError: the number differs.
        """
        if self.facts_partitions != facts_partitions:
            raise UsageError(
                f"{facts_topic} has {facts_partitions} partitions, the twin was built on {self.facts_partitions}, and "
                f"a planning group must not move: {HINT_PARTITIONS}"
            )


@dataclass(frozen=True, slots=True)
class RawState:
    """A state partition as its records stand there, whether they fit together or not.

    Attributes:
        manifest: bytes of the last one; None where there is none.
        documents: id to bytes.
        skips: facts offset to the word on why it is quarantined.
        checkpoint: the word about the last checkpoint; None before the first.
    """

    manifest: bytes | None
    documents: Mapping[str, bytes]
    skips: Mapping[int, bytes]
    checkpoint: bytes | None


@dataclass(frozen=True, slots=True)
class StoredState:
    """A state partition with a manifest that can be read, or with nothing in it.

    Attributes:
        manifest: None where nothing was ever committed.
        documents: id to bytes.
        skips: facts records that an operator has quarantined, and why.
        checkpoint: the word about the last checkpoint; None before the first.
    """

    manifest: Manifest | None
    documents: Mapping[str, bytes]
    skips: Mapping[int, bytes]
    checkpoint: bytes | None

    @property
    def skipped_offsets(self) -> frozenset[int]:
        """Offsets of the facts records that are quarantined."""
        return frozenset(self.skips)


def read_state(consumer: Consumer, topic: str, partition: int, until: bytes | None = None) -> RawState:
    """Read a state partition; the consumer must be read_committed.

    Args:
        consumer: a reader.
        topic: the state topic.
        partition: its partition.
        until: a manifest to stop at, that is: the state as of its commit; None: to the end.

    Raises:
        KafkaException: the broker failed.
        StateCorrupt: a key that nobody writes.
    """
    documents: dict[str, bytes] = {}
    skips: dict[int, bytes] = {}
    manifest: bytes | None = None
    checkpoint: bytes | None = None
    for message in read_to_end(consumer, topic, partition):
        key, value = message.key(), message.value()
        assert isinstance(key, bytes)
        name = key.decode()
        if name == MANIFEST_KEY:
            manifest = value
            if until is not None and value == until:
                break
        elif name == CHECKPOINT_KEY:
            checkpoint = value
        elif name.startswith(SKIP_PREFIX):
            _note_skip(skips, name, value, f"{topic}/{partition}")
        elif value is None:
            documents.pop(name, None)
        else:
            documents[name] = value
    return RawState(manifest, documents, skips, checkpoint)


def load_state(consumer: Consumer, topic: str, partition: int) -> StoredState:
    """Read a state partition to its end; the consumer must be read_committed.

    Raises:
        KafkaException: the broker failed.
        StateCorrupt: there are documents but no manifest, or it cannot be read.
    """
    raw = read_state(consumer, topic, partition)
    if raw.manifest is None and raw.documents:
        raise StateCorrupt(
            f"{topic}/{partition} holds {len(raw.documents)} documents but no manifest: {HINT_REBUILD}"
        )
    return StoredState(
        manifest=None if raw.manifest is None else Manifest.decode(raw.manifest),
        documents=raw.documents,
        skips=raw.skips,
        checkpoint=raw.checkpoint,
    )


def skip_key(offset: int) -> str:
    """Key of the document that quarantines a facts record."""
    return f"{SKIP_PREFIX}{offset}"


def _note_skip(skips: dict[int, bytes], name: str, value: bytes | None, where: str) -> None:
    number = name.removeprefix(SKIP_PREFIX)
    if not number.isdecimal():
        raise StateCorrupt(
            f"{where} holds a document {name!r}, which names no facts offset: nobody writes that"
        )
    if value is None:
        skips.pop(int(number), None)
    else:
        skips[int(number)] = value
