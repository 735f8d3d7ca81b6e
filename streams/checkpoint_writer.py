"""Writes the checkpoints of one shard beside its commits: which are due, what they hold, and how they get out.

The fold keeps no bytes of its documents, so a checkpoint is copied from the state topic, as it stands at a commit, by a
thread of its own; the folding thread does nothing for it. Count and digest tell whether the copy is what that commit's
manifest vouches for, so each checkpoint is also a check of the state topic. Its parts then go out with the next commits,
a few a transaction, and the complete record with the last of them.

Law: a checkpoint of a change of version is written before anything is folded, or verify could not begin from it.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence

import orjson
import structlog
from confluent_kafka import Consumer, KafkaException

from schemas.errors import ForesiteError, StateCorrupt
from streams.batch import Batch, ShardTopics, StateRecord
from streams.checkpoints import (
    CheckpointContent,
    Reason,
    checkpoint_records,
    day_of,
    expiry_records,
    said_before,
    stored_checkpoints,
)
from streams.facts_log import partition_count
from streams.fold import FoldKind
from streams.partition_reader import reader
from streams.state_topic import CHECKPOINT_KEY, Manifest, StoredState, read_state

log = structlog.get_logger(__name__)

PARTS_PER_COMMIT = 4
"""Parts that one commit carries along. Too small: a checkpoint takes many commits. Too large: those commits, and with
them what they publish, are late."""

RETRY_S = 60.0
"""After a checkpoint that failed, before the next attempt. Too small: the state topic is read over and over while
something is wrong. Too large: a day's checkpoint is late."""

VISIBLE_S = 20.0
"""How long a commit may take to become visible. Kafka answers once it is decided; readers see it when its markers are
written, a moment later. Too small: a busy broker costs a checkpoint. Too large: a state that is wrong is told late."""

LOOK_S = 0.3
"""Before each look for it, which reads the state topic. Too small: it is read twice; too large: a later checkpoint."""


class CheckpointWriter:
    """The checkpoints of one shard.

    Args:
        partition: of facts, state and checkpoints.
        client: settings of every Kafka client.
        topics: where the shard reads and writes; without a topic of checkpoints nothing is done here.
        kind: the fold.
        kept: complete checkpoints that are left when a new one has been written.
    """

    def __init__(
        self, partition: int, client: Mapping[str, object], topics: ShardTopics, kind: FoldKind, kept: int
    ) -> None:
        self._partition = partition
        self._client = client
        self._topics = topics
        self._kind = kind
        self._kept = kept
        self._is_on = False
        self._last_day: str | None = None
        self._ready: deque[StateRecord] = deque()
        self._copying: threading.Thread | None = None
        self._closing = threading.Event()
        self._not_before = 0.0
        self._counters: Counter[tuple[str, str]] = Counter()

    # At the take-over -------------------------------------------------------------------------------------------------

    def begin(self, consumer: Consumer, stored: StoredState) -> Iterator[Sequence[StateRecord]]:
        """Take note of what is there, and give what has to be written before anything is folded, by transaction.

        Raises:
            KafkaException: the broker failed.
        """
        self._ready.clear()
        day = _word_in(stored.checkpoint).get("day")
        self._last_day = day if isinstance(day, str) else None
        self._is_on = self._can_be_written(consumer)
        manifest = stored.manifest
        if not self._is_on or manifest is None or manifest.code_version == self._kind.code_version:
            return
        if _word_in(stored.checkpoint) == self._word(manifest):
            return  # written by an earlier attempt of this version, which has folded nothing yet
        log.info(
            "version_changed",
            partition=self._partition,
            before=manifest.code_version,
            now=self._kind.code_version,
            offset=manifest.facts_offset,
        )
        said = said_before(
            consumer, self._topics.prefix, self._topics.shown, self._partition, manifest.facts_offset
        )
        content = CheckpointContent(stored.documents, said, stored.skips)
        records = deque(self._records(manifest, "version", content))
        while records:
            yield _next_few(records)
        self._counters["checkpoint", "written"] += 1

    def _can_be_written(self, consumer: Consumer) -> bool:
        if not self._topics.checkpoints:
            return False
        has = partition_count(consumer, self._topics.checkpoints)
        if has > self._partition:
            return True
        log.warning(
            "no_checkpoints",
            topic=self._topics.checkpoints,
            partition=self._partition,
            partitions=has,
            error="the topic is missing or has too few partitions: run `foresite topics create`; until then verify, "
            "as-of and rebuild begin from the first facts, which must not expire",
        )
        return False

    def _records(self, manifest: Manifest, reason: Reason, content: CheckpointContent) -> list[StateRecord]:
        topics = self._topics
        records = checkpoint_records(
            topics.checkpoints, self._partition, self._kind, manifest, reason, content
        )
        word = orjson.dumps(self._word(manifest))
        return [*records, StateRecord(topics.state, self._partition, CHECKPOINT_KEY, word)]

    def _word(self, manifest: Manifest) -> dict[str, object]:
        """What the state topic says about the last checkpoint."""
        return {
            "facts_offset": manifest.facts_offset,
            "day": self._day_of(manifest),
            "written_by": self._kind.code_version,
        }

    # Beside the commits -----------------------------------------------------------------------------------------------

    def take(self) -> Sequence[StateRecord]:
        """What the next transaction is to carry."""
        return _next_few(self._ready)

    def committed(self, batch: Batch) -> None:
        """A transaction is in; begin a copy where its clock has come to another day."""
        if any(record.key == CHECKPOINT_KEY for record in batch.checkpoint):
            self._counters["checkpoint", "written"] += 1
        if not self._is_on or self._ready or self._is_copying or time.monotonic() < self._not_before:
            return
        day = self._day_of(batch.manifest)
        if day is None or day == self._last_day:
            return
        self._copying = threading.Thread(
            target=self._copy, args=(batch.manifest, day), name=f"checkpoint-{self._partition}", daemon=True
        )
        self._copying.start()

    def take_counters(self) -> Counter[tuple[str, str]]:
        """What became of checkpoints since the last call."""
        taken, self._counters = self._counters, Counter()
        return taken

    def close(self) -> None:
        """Begin nothing more; what is under way comes to nothing, and the next owner begins it anew."""
        self._closing.set()
        self._ready.clear()

    def wait(self) -> None:
        """Wait until no copy is under way."""
        if self._copying is not None:
            self._copying.join()

    @property
    def _is_copying(self) -> bool:
        return self._copying is not None and self._copying.is_alive()

    def _day_of(self, manifest: Manifest) -> str | None:
        now = self._kind.now(manifest.header.encode())
        return None if now is None else day_of(now)

    def _copy(self, manifest: Manifest, day: str) -> None:
        began = time.monotonic()
        try:
            with reader(self._client, "read_committed") as consumer:
                records = self._records(manifest, "day", self._content(consumer, manifest))
                expired = self._expired(consumer)
        except (KafkaException, ForesiteError) as error:
            if self._closing.is_set():
                return
            self._not_before = time.monotonic() + RETRY_S
            self._counters["checkpoint", "failed"] += 1
            level = log.error if isinstance(error, StateCorrupt) else log.warning
            level("checkpoint_failed", partition=self._partition, day=day, error=str(error))
            return
        if self._closing.is_set():
            return
        self._last_day = day
        written = {record.key for record in records}
        self._ready.extend([*records, *(record for record in expired if record.key not in written)])
        log.info(
            "checkpoint_copied",
            partition=self._partition,
            day=day,
            offset=manifest.facts_offset,
            documents=manifest.document_count,
            duration_s=round(time.monotonic() - began, 3),
        )

    def _content(self, consumer: Consumer, manifest: Manifest) -> CheckpointContent:
        """The state as of a commit, and the last words on output topics by then.

        Raises:
            StateCorrupt: the state topic does not hold what this manifest vouches for.
        """
        state, where = self._topics.state, f"{self._topics.state}/{self._partition}"
        until = manifest.encode()
        deadline = time.monotonic() + VISIBLE_S
        while True:
            self._closing.wait(LOOK_S)
            raw = read_state(consumer, state, self._partition, until)
            if raw.manifest == until or self._closing.is_set() or time.monotonic() > deadline:
                break
        found = self._kind.count_and_digest(manifest.header.encode(), raw.documents)
        manifest.vouch_for(*found, where)
        said = said_before(
            consumer, self._topics.prefix, self._topics.shown, self._partition, manifest.facts_offset
        )
        return CheckpointContent(raw.documents, said, raw.skips)

    def _expired(self, consumer: Consumer) -> list[StateRecord]:
        """Tombstones for what is not to stay beside the checkpoint to come: the oldest ones, and parts of others."""
        topic = self._topics.checkpoints
        stored = stored_checkpoints(consumer, topic, self._partition)
        complete = [each for each in stored if each.said is not None]
        stays = {each.name for each in complete[max(0, len(complete) + 1 - self._kept) :]}
        return [record for each in stored if each.name not in stays for record in expiry_records(topic, each)]


def _next_few(records: deque[StateRecord]) -> list[StateRecord]:
    return [records.popleft() for _ in range(min(PARTS_PER_COMMIT, len(records)))]


def _word_in(word: bytes | None) -> Mapping[str, object]:
    """The state topic's word about the last checkpoint; empty where there is none that can be read."""
    try:
        said = {} if word is None else orjson.loads(word)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
