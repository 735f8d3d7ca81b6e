"""A shard folded again: from a checkpoint or from the first facts, up to wherever it is asked, as the twin folded it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer

from schemas.errors import StateCorrupt, UsageError
from streams.batch import ShardTopics
from streams.checkpoints import (
    Checkpoint,
    CheckpointContent,
    StoredCheckpoint,
    checkpoint_content,
    sound_checkpoints,
)
from streams.fold import Fold, FoldKind, Output
from streams.partition_reader import read_to_end, watermarks

Progress = Callable[[int, int], object]
"""Told of the facts offset reached, and of the one to be reached."""


def no_progress(_position: int, _end: int) -> None:
    """Tells nobody."""


class Refold:
    """A shard folded again.

    Args:
        partition: of the facts.
        kind: the fold.
        start: what to begin from; None: the first facts.
    """

    def __init__(self, partition: int, kind: FoldKind, start: "Start | None" = None) -> None:
        self.partition = partition
        self.kind = kind
        self.begins = 0
        """Offset of the first facts record that is folded here."""
        self.began_with_mark = ""
        """Fingerprint of the facts record before it."""
        self.fold: Fold = kind.new()
        self.documents: dict[str, bytes] = {}
        if start is not None:
            manifest = start.checkpoint.manifest
            self.begins = manifest.facts_offset
            self.began_with_mark = manifest.facts_mark
            self.fold = kind.restore(manifest.header.encode(), start.content.documents)
            self.documents = dict(start.content.documents)
        self.position = self.begins
        """Offset of the next facts record to fold."""

    def advance(
        self,
        consumer: Consumer,
        facts_topic: str,
        end: int,
        skipped: Collection[int],
        on_output: Callable[[Output], object] = lambda _: None,
        progress: Progress = no_progress,
    ) -> None:
        """Fold on to an offset, leaving out what is quarantined.

        Raises:
            FactsCorrupt: a record cannot be decoded.
            KafkaException: the broker failed.
        """
        for message in read_to_end(consumer, facts_topic, self.partition, start=self.position, stop=end):
            value, offset = message.value(), message.offset()
            assert isinstance(value, bytes)
            assert offset is not None
            if offset not in skipped:
                for output in self.fold.apply(self.kind.decode(value)):
                    on_output(output)
            for name, document in self.fold.take_changes().items():
                if document is None:
                    self.documents.pop(name, None)
                else:
                    self.documents[name] = document
            progress(offset + 1, end)
        self.position = end


@dataclass(frozen=True, slots=True)
class Start:
    """A sound checkpoint, and what it holds."""

    checkpoint: Checkpoint
    content: CheckpointContent


@dataclass(frozen=True, slots=True)
class Starts:
    """Where refolds of a shard can begin.

    Attributes:
        first_fact: offset of the first facts record that is still there.
        checkpoints: complete ones from which all facts are there, the newest first.
    """

    consumer: Consumer
    topics: ShardTopics
    kind: FoldKind
    partition: int
    first_fact: int
    checkpoints: Sequence[StoredCheckpoint]

    @classmethod
    def of(
        cls, consumer: Consumer, topics: ShardTopics, kind: FoldKind, partition: int, end: int
    ) -> "Starts":
        """Those at or before a facts offset.

        Raises:
            KafkaException: the broker failed.
        """
        low, _ = watermarks(consumer, topics.facts, partition)

        def is_wanted(checkpoint: Checkpoint) -> bool:
            return (
                low <= checkpoint.facts_offset <= end
                and checkpoint.manifest.schema_version == kind.schema_version
            )

        found = sound_checkpoints(consumer, topics.checkpoints, partition, is_wanted)
        return cls(consumer, topics, kind, partition, low, found)

    def first_sound(
        self, candidates: Sequence[StoredCheckpoint], on_flaw: Callable[[str], object] = lambda _: None
    ) -> Start | None:
        """The first of these that holds what its manifest says; None: begin with the first facts.

        Args:
            candidates: of `checkpoints`, the best first.
            on_flaw: told what is wrong with one that has to be passed over.

        Raises:
            UsageError: there is none, and the first facts are gone.
        """
        for stored in candidates:
            assert stored.said is not None
            try:
                return Start(stored.said, self.content(stored))
            except StateCorrupt as error:
                on_flaw(str(error))
        self.require_beginning()
        return None

    def content(self, stored: StoredCheckpoint) -> CheckpointContent:
        """What a checkpoint holds.

        Raises:
            StateCorrupt: it is not what its manifest says.
        """
        return checkpoint_content(self.consumer, self.topics.checkpoints, self.kind, stored)

    def require_beginning(self, instead: str = "") -> None:
        """Make sure that the first facts are there.

        Args:
            instead: what can be done without them; "": no checkpoint will do either.

        Raises:
            UsageError: they are gone.
        """
        if self.first_fact > 0:
            where = f"{self.topics.facts}/{self.partition} begins at offset {self.first_fact}"
            raise UsageError(
                f"{where}: retention has taken its first records. {instead}"
                if instead
                else f"{where}, and there is no sound checkpoint to begin from (`foresite checkpoints` lists them): without "
                "its first records there is nothing to fold from. Restore the topic from a backup, or see "
                "docs/operations.md, 'Rebuild'"
            )


def skips_of(stored: Mapping[int, bytes], start: Start | None) -> Mapping[int, bytes]:
    """Quarantined facts records: those of the state topic, and those that a checkpoint remembers."""
    return stored if start is None else {**start.content.skips, **stored}
