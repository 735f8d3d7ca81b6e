"""`foresite checkpoints`: what lies in the topic of checkpoints, one row each."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.errors import UsageError
from streams.batch import ShardTopics
from streams.checkpoints import NEVER_COMPLETED, stored_checkpoints
from streams.facts_log import partition_count
from streams.partition_reader import reader


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One checkpoint, or what is left of one.

    Attributes:
        partition: of facts, state and checkpoints; facts_offset: of the first facts record that is not in it.
        day: UTC day of the shard's clock; now: the clock, POSIX seconds; None before its first tick.
        reason: "day" or "version".
        documents, bytes: how many, and uncompressed size of all parts.
        digest: of documents and header, as in the manifest.
        code_version: of who folded up to there; written_by: of who wrote it and folded on.
        is_complete: whether a refold may begin here; flaw: why not.
    """

    partition: int
    facts_offset: int
    day: str | None
    now: float | None
    reason: str | None
    documents: int | None
    bytes: int | None
    digest: str | None
    code_version: str | None
    written_by: str | None
    schema_version: int | None
    is_complete: bool
    flaw: str

    @property
    def is_damaged(self) -> bool:
        """Whether it was complete once and is not any more."""
        return self.flaw not in ("", NEVER_COMPLETED)


def list_checkpoints(client: Mapping[str, object], topics: ShardTopics) -> list[CheckpointRow]:
    """Every checkpoint of every partition, the oldest first.

    Raises:
        UsageError: there is no topic of checkpoints.
        KafkaException: the broker failed.
    """
    rows: list[CheckpointRow] = []
    with reader(client, "read_committed") as consumer:
        count = partition_count(consumer, topics.checkpoints)
        if not count:
            raise UsageError(f"{topics.checkpoints} does not exist: run `foresite topics create`")
        for partition in range(count):
            for each in stored_checkpoints(consumer, topics.checkpoints, partition):
                said = each.said
                manifest = None if said is None else said.manifest
                rows.append(
                    CheckpointRow(
                        partition=partition,
                        facts_offset=each.facts_offset,
                        day=None if said is None else said.day,
                        now=None if said is None else said.now,
                        reason=None if said is None else said.reason,
                        documents=None if manifest is None else manifest.document_count,
                        bytes=None if said is None else said.byte_count,
                        digest=None if manifest is None else manifest.digest,
                        code_version=None if manifest is None else manifest.code_version,
                        written_by=None if said is None else said.written_by,
                        schema_version=None if manifest is None else manifest.schema_version,
                        is_complete=said is not None,
                        flaw=each.flaw,
                    )
                )
    return rows
