"""What goes into a shard and what comes out of it: records in, one batch a transaction out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.fold import Output
from streams.state_topic import Manifest
from streams.tracing import Span


@dataclass(frozen=True, slots=True)
class ShardTopics:
    """Where shards read and write.

    Attributes:
        facts, state: full names of the two topics with equal partitions.
        prefix: stands before every output's topic.
        checkpoints: full name of the topic of checkpoints; "": none are kept.
        shown: output topics, without prefix, whose last word on each key belongs into a checkpoint.
    """

    facts: str
    state: str
    prefix: str = ""
    checkpoints: str = ""
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactsRecord:
    """One record of the facts log, as read.

    Attributes:
        offset: its place.
        value: its bytes.
        timestamp_ms: Unix time at which it reached the broker.
        acknowledge: to be called when what follows from it is committed.
        traces: that the events in it belong to, as W3C traceparents; none unless traces are on.
    """

    offset: int
    value: bytes
    timestamp_ms: int
    acknowledge: Callable[[], object]
    traces: tuple[str, ...] = ()


class StateRecord(NamedTuple):
    """A record for a partition that is not chosen by its key."""

    topic: str
    partition: int
    key: str
    value: bytes | None


@dataclass(slots=True)
class Batch:
    """What one transaction carries: everything folded since the batch before.

    Attributes:
        outputs: in the order the fold said them.
        causes: of each output, the offset of the facts record that it follows from.
        documents: changed state documents, None for a tombstone.
        manifest: vouches for the documents as of this batch.
        arrived_at: Unix time at the broker of each facts record in it.
        acknowledge: to be called, one each, after the commit.
        counters: what the fold counted meanwhile.
        checkpoint: records of a checkpoint of earlier state that go along.
        now: the fold's clock, POSIX seconds; None before its first tick.
        spans: offset of a facts record that belongs to a trace -> the work on it, which ends with the commit.
    """

    outputs: list[Output]
    causes: list[int]
    documents: Mapping[str, bytes | None]
    manifest: Manifest
    arrived_at: list[float]
    acknowledge: list[Callable[[], object]]
    counters: Counter[tuple[str, str]]
    checkpoint: Sequence[StateRecord] = ()
    now: float | None = None
    spans: Mapping[int, Span] = field(default_factory=dict)
