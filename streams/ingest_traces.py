"""Traces through ingest: from records that belong to one to the facts and dead letters that come of them."""

from collections.abc import Sequence
from typing import Any

from schemas import DeadLetter
from streams.batcher import FactsRecord
from streams.tracing import Span, Tracing, header_of, headers_of

Source = tuple[str, int, int]
"""Topic without prefix, partition and offset of a record."""


class BatchTraces:
    """The traces of one batch of records, by where these were read. Without any it costs a comparison.

    Args:
        tracing: that begins spans.
        records: as consumed.
        prefix: of topics.
    """

    def __init__(self, tracing: Tracing, records: Sequence[Any], prefix: str) -> None:
        self._spans: dict[Source, Span] = {}
        self._failed: set[Source] = set()
        for record in records if tracing.is_on else ():
            parents = tracing.carried(record.headers())
            if parents or tracing.sampled():
                topic = record.topic().removeprefix(prefix)
                source = topic, record.partition(), record.offset()
                self._spans[source] = tracing.span(
                    "ingest",
                    parents,
                    {
                        "messaging.system": "kafka",
                        "messaging.destination.name": topic,
                        "messaging.destination.partition.id": str(source[1]),
                        "messaging.kafka.offset": source[2],
                    },
                )

    def of_facts(self, record: FactsRecord) -> list[tuple[str, bytes]]:
        """Headers of a facts record: the traces of the events in it."""
        if not self._spans:
            return []
        return headers_of(
            span.traceparent
            for segment in record.facts.segments
            for offset, _ in segment.positions
            if (span := self._spans.get((segment.topic, segment.partition, offset))) is not None
        )

    def of_letter(self, letter: DeadLetter) -> list[tuple[str, bytes]]:
        """Headers of a dead letter: the trace of the record that it was."""
        if not self._spans:
            return []
        source = letter.source_topic, letter.source_partition, letter.source_offset
        span = self._spans.get(source)
        if span is None:
            return []
        self._failed.add(source)
        return header_of(span)

    def end(self) -> None:
        """All of it was sent."""
        for source, span in self._spans.items():
            span.end("dead letter" if source in self._failed else None)
