"""What the twin has put out, as one bounded picture in memory: written by one thread, read by all requests.

Law: the view holds what stands on the topics and judges nothing. What does not fit is dropped by a rule and counted,
and the answers say that they are not complete.
"""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import structlog
from pydantic import BaseModel, ValidationError

from schemas import (
    AuditRecord,
    Card,
    CommandResult,
    DeadLetter,
    EventRejected,
    LedgerEntry,
    LineStatus,
    OrderProjection,
    PlanState,
    Proposal,
    Signal,
    SiteStatus,
    topics,
)
from streams.latest_plans import COMMITTED
from streams.web.audit_watch import AuditWatch
from streams.web.documents import Document, Shelf
from streams.web.neighbourhood import GraphView
from twin.cards.card_life import LIVE_STATES
from twin.decisions.proposal_life import OPEN_STATES, RETRIED_STATES

log = structlog.get_logger(__name__)

STREAMED: Final[Mapping[str, str]] = {
    topics.CARDS: "card",
    topics.PROPOSALS: "proposal",
    topics.LINES: "line",
    topics.ORDER_PROJECTIONS: "order",
    topics.PLANS: "plan",
    topics.SITES: "site",
}
"""Topic -> name of its documents and of their events on the stream."""

TAILS: Final = (topics.SIGNALS, topics.REJECTIONS, topics.DEAD_LETTERS, topics.COMMAND_RESULTS, topics.AUDIT)
"""Topics of which the newest records are enough."""

FOLLOWED: Final = (*STREAMED, topics.GRAPH, topics.LEDGER, *TAILS)
"""Everything that the view reads."""

HISTORY_KEPT: Final = 50
"""Revisions of one card that are remembered. Too small: the morning is forgotten at noon. Too large: memory."""

RESULTS_KEPT: Final = 10_000
"""Results of commands. Too small: somebody who asks late is told that nothing is known."""

AUDIT_KEPT: Final = 20_000
"""Decisions shown by /audit and in the history of a card; the topic holds all of them."""

SAMPLES_KEPT: Final = 5
"""Records shown for each reason of a dead letter or rejection."""

SIGNALS_KEPT: Final = 1_000

SAMPLE_BYTES: Final = 2_000
"""Of a dead letter's payload, shown to people. Too large: a page of one bad record."""

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    topics.CARDS: Card,
    topics.PROPOSALS: Proposal,
    topics.LINES: LineStatus,
    topics.ORDER_PROJECTIONS: OrderProjection,
    topics.PLANS: PlanState,
    topics.LEDGER: LedgerEntry,
    topics.SITES: SiteStatus,
}


class Record(NamedTuple):
    """A record of a topic; the topic without its prefix, value None for a removal."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of a card that this view has seen."""

    revision: int
    state: str
    severity: str
    update_reason: str
    by: str | None
    as_of: datetime


@dataclass(slots=True)
class Refusals:
    """Records that were refused for one reason, in one source topic."""

    count: int
    last_at: datetime | None
    samples: deque[DeadLetter | EventRejected]


class View:
    """The picture.

    Args:
        documents_max: of each topic; the graph may have four times as many nodes and as many edges.
        bytes_max: of each topic's documents.
    """

    def __init__(self, *, documents_max: int, bytes_max: int) -> None:
        self.lock = threading.RLock()
        self.shelves = {topic: Shelf(name, documents_max, bytes_max) for topic, name in STREAMED.items()}
        self.ledger = Shelf("ledger", documents_max, bytes_max)
        self.graph = GraphView(nodes_max=4 * documents_max)
        self.results: OrderedDict[str, CommandResult] = OrderedDict()
        self.audit: deque[AuditRecord] = deque(maxlen=AUDIT_KEPT)
        self.audit_watch = AuditWatch()
        self.signals: deque[Signal] = deque(maxlen=SIGNALS_KEPT)
        self.dead_letters: dict[tuple[str, str], Refusals] = {}
        self.rejections: dict[tuple[str, str], Refusals] = {}
        self.unreadable: Counter[str] = Counter()
        self.trouble: str | None = None
        """Why the picture stands still, in words for people; None: it does not. Set by whoever reads the topics."""
        self._proposals: dict[str, dict[int, Document]] = {}
        self._history: dict[str, deque[Revision]] = {}
        self._newest: dict[str, datetime] = {}

    @contextmanager
    def reading(self) -> Iterator["View"]:
        """Hold it still for a moment; copy what you need and let go."""
        with self.lock:
            yield self

    # Reading the topics

    def begin(self, topic: str, positions: Mapping[int, int]) -> None:
        """Tell where reading a topic begins.

        Args:
            topic: without its prefix.
            positions: partition -> offset of the first record that will come.
        """
        with self.lock:
            shelf = self.shelves.get(topic)
            if shelf is not None:
                shelf.positions.update(positions)

    def take(self, records: Iterable[Record]) -> bool:
        """Take records in the order of their topics; says whether there is news for the stream."""
        has_news = False
        with self.lock:
            for record in records:
                try:
                    has_news |= self._take(record)
                except ValidationError as error:  # of a newer twin: what can be read is still worth showing
                    self.unreadable[record.topic] += 1
                    first = error.errors(include_input=False, include_url=False)[0]
                    log.warning(
                        "document_unreadable",
                        topic=record.topic,
                        partition=record.partition,
                        offset=record.offset,
                        error=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
                    )
        return has_news

    def _take(self, record: Record) -> bool:
        shelf = self.shelves.get(record.topic)
        if shelf is not None:
            shelf.positions[record.partition] = record.offset + 1
            return self._shelve(shelf, record)
        if record.topic == topics.LEDGER:
            self._shelve(self.ledger, record)
        elif record.topic == topics.GRAPH:
            self.graph.take(record.key, record.value)
        elif record.value is not None:
            self._take_note(record.topic, record.value)
            if record.topic == topics.AUDIT:
                self._watch_chain(record, record.value)
        return False

    def _shelve(self, shelf: Shelf, record: Record) -> bool:
        if record.value is None:
            if record.topic == topics.CARDS:
                self._history.pop(record.key, None)
            self._proposals.pop(record.key, None)
            shelf.remove(record.key, record.partition, record.offset)
            return True
        document = document_of(record)
        if record.topic == topics.PROPOSALS and not self._is_newest(record.key, document):
            return False
        if document.as_of is not None:
            before = self._newest.get(document.site_id)
            self._newest[document.site_id] = max(document.as_of, before or document.as_of)
        shelf.put(document)
        if isinstance(document.model, Card):
            self._remember(document.model)
        if len(self._proposals) > len(self.shelves[topics.PROPOSALS].documents):  # something was dropped
            kept_ids = self.shelves[topics.PROPOSALS].documents
            self._proposals = {key: kept for key, kept in self._proposals.items() if key in kept_ids}
        return True

    def _is_newest(self, proposal_id: str, document: Document) -> bool:
        """Keep a revision of a proposal; whether it is the newest. Of repeats the first one counts."""
        kept = self._proposals.setdefault(proposal_id, {})
        if document.revision in kept:
            return False
        kept[document.revision] = document
        while len(kept) > _REVISIONS_KEPT:
            del kept[min(kept)]
        return document.revision == max(kept)

    def _remember(self, card: Card) -> None:
        seen = self._history.setdefault(card.card_id, deque(maxlen=HISTORY_KEPT))
        if not seen or seen[-1].revision != card.revision:
            seen.append(
                Revision(
                    card.revision, card.state, card.severity, card.update_reason, card.state_by, card.as_of
                )
            )
        shelf = self.shelves[topics.CARDS]
        if len(self._history) > len(shelf.documents):
            self._history = {key: seen for key, seen in self._history.items() if key in shelf.documents}

    def _watch_chain(self, record: Record, value: bytes) -> None:
        wrong = self.audit_watch.take(value)
        if wrong is not None:
            log.error(
                "audit_chain_broken",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=wrong,
            )

    def _take_note(self, topic: str, value: bytes) -> None:
        if topic == topics.COMMAND_RESULTS:
            result = CommandResult.model_validate_json(value)
            if result.command_id not in self.results:  # the first answer tells what became of it
                self.results[result.command_id] = result
                if len(self.results) > RESULTS_KEPT:
                    self.results.popitem(last=False)
        elif topic == topics.AUDIT:
            self.audit.append(AuditRecord.model_validate_json(value))
        elif topic == topics.SIGNALS:
            self.signals.append(Signal.model_validate_json(value))
        elif topic == topics.REJECTIONS:
            refused = EventRejected.model_validate_json(value)
            _note(self.rejections, (refused.source_topic, refused.reason), refused, refused.as_of)
        elif topic == topics.DEAD_LETTERS:
            letter = DeadLetter.model_validate_json(value)
            # Base64 of so many bytes; what is beyond is not kept.
            short = letter.model_copy(
                update={"payload_base64": letter.payload_base64[: SAMPLE_BYTES * 4 // 3]}
            )
            at = letter.source_timestamp_ms
            seen_at = None if at is None else datetime.fromtimestamp(at / 1000.0, UTC)
            _note(self.dead_letters, (letter.source_topic, letter.code), short, seen_at)

    # What requests ask

    def as_of(self) -> dict[str, datetime]:
        """Site -> the plant's time of its newest document; twin.sites.v1 has a new one every ten seconds of the clock."""
        return dict(sorted(self._newest.items()))

    def history(self, card_id: str) -> list[Revision]:
        """Versions of a card that this view has seen, oldest first."""
        return list(self._history.get(card_id, ()))

    def proposal(self, proposal_id: str, revision: int | None) -> Document | None:
        """A revision of the solver's answer; None: the newest."""
        kept = self._proposals.get(proposal_id, {})
        return kept.get(max(kept) if revision is None else revision) if kept else None


_REVISIONS_KEPT: Final = 4
"""Revisions of one proposal: hold, repair and polish, and the one that a planner still looks at."""


def document_of(record: Record) -> Document:
    """A record as a document.

    Raises:
        ValidationError: this version cannot read it.
    """
    assert record.value is not None
    model = MODELS[record.topic].model_validate_json(record.value)
    body = record.value
    if b"\n" in body or b"\r" in body:  # a line feed would end an event of the stream
        body = model.model_dump_json().encode()
    revision = getattr(model, "revision", record.offset)
    as_of = getattr(model, "as_of", None) or getattr(model, "event_time", None)
    kept = None if isinstance(model, Proposal) else model
    site_id: str = getattr(model, "site_id", "*")
    return Document(
        record.key, site_id, revision, body, kept, record.partition, record.offset, as_of, _is_ended(model)
    )


def _is_ended(model: BaseModel) -> bool:
    if isinstance(model, Card):
        return model.state not in LIVE_STATES
    if isinstance(model, PlanState):
        open_now = model.state in OPEN_STATES or model.state in RETRIED_STATES
        return not (open_now or model.plan_id.startswith(COMMITTED))
    return isinstance(model, OrderProjection) and model.status in ("shipped", "cancelled")


def _note(
    kept: dict[tuple[str, str], Refusals],
    key: tuple[str, str],
    record: DeadLetter | EventRejected,
    at: datetime | None,
) -> None:
    refusals = kept.setdefault(key, Refusals(0, None, deque(maxlen=SAMPLES_KEPT)))
    refusals.count += 1
    refusals.samples.append(record)
    if at is not None:
        refusals.last_at = max(at, refusals.last_at or at)
