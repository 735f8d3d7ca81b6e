"""The state topic: what one shard of the twin knows, as documents, and the manifest that vouches for them.

Law: a shard's documents are believed only together with their manifest. Everything that reads them goes through
`load_state`, and `Manifest.vouch_for` compares count and digest before anybody sees a picture.

One partition of twin.state.v1 belongs to the facts partition of the same number, whatever its keys would hash to.
Its keys are document ids ("S1/run/R-4471"), "manifest", and "skip/<facts offset>" for quarantined records.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import msgspec
import orjson
from confluent_kafka import Consumer

from schemas.errors import StateCorrupt, UsageError
from streams.partition_reader import read_to_end

MANIFEST_KEY = "manifest"
SKIP_PREFIX = "skip/"

HINT_VERIFY = "run `foresite verify` to see what differs; docs/operations.md, 'Rebuild', says how to fold the facts again"
HINT_PARTITIONS = "the way to migrate is a new facts topic, filled by `foresite ingest` from the inputs"
HINT_UPGRADE = "start the version of Foresite that wrote it, or a newer one"


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
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, value: bytes) -> "Manifest":
        """Read a manifest back.

        Raises:
            StateCorrupt: it is not a manifest.
        """
        try:
            return msgspec.json.decode(value, type=cls)  # what a newer version has added is its own affair
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateCorrupt(
                f"manifest of {len(value)} bytes cannot be read ({error}): {HINT_VERIFY}"
            ) from error

    def vouch_for(self, document_count: int, digest: str, where: str) -> None:
        """Compare with what was restored from the documents.

        Raises:
            StateCorrupt: they are not the documents of this manifest.
        """
        if (document_count, digest) != (self.document_count, self.digest):
            raise StateCorrupt(
                f"{where} holds {document_count} documents with digest {digest}, but its manifest "
                f"(facts offset {self.facts_offset}) says {self.document_count} with {self.digest}: {HINT_VERIFY}"
            )

    def refuse_unknown_version(self, schema_version: int, where: str) -> None:
        """Refuse state that a newer version wrote.

        Raises:
            StateCorrupt: this code cannot know what the documents mean.
        """
        if self.schema_version > schema_version:
            raise StateCorrupt(
                f"{where} was written with schema version {self.schema_version} by Foresite {self.code_version}, "
                f"this one knows up to {schema_version}: {HINT_UPGRADE}"
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
class StoredState:
    """A state partition as read.

    Attributes:
        manifest: None where nothing was ever committed.
        documents: id to bytes.
        skipped_offsets: facts records that an operator has quarantined.
    """

    manifest: Manifest | None
    documents: Mapping[str, bytes]
    skipped_offsets: frozenset[int]


def load_state(consumer: Consumer, topic: str, partition: int) -> StoredState:
    """Read a state partition to its end; the consumer must be read_committed.

    Raises:
        KafkaException: the broker failed.
        StateCorrupt: there are documents but no manifest, or it cannot be read.
    """
    documents: dict[str, bytes] = {}
    skipped: set[int] = set()
    manifest: bytes | None = None
    for message in read_to_end(consumer, topic, partition):
        key, value = message.key(), message.value()
        assert isinstance(key, bytes)
        name = key.decode()
        if name == MANIFEST_KEY:
            manifest = value
        elif name.startswith(SKIP_PREFIX):
            offset = int(name.removeprefix(SKIP_PREFIX))
            skipped.discard(offset) if value is None else skipped.add(offset)
        elif value is None:
            documents.pop(name, None)
        else:
            documents[name] = value
    if manifest is None and documents:
        raise StateCorrupt(
            f"{topic}/{partition} holds {len(documents)} documents but no manifest: {HINT_VERIFY}"
        )
    return StoredState(
        manifest=None if manifest is None else Manifest.decode(manifest),
        documents=documents,
        skipped_offsets=frozenset(skipped),
    )
