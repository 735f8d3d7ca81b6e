"""What the API answers, as models: they make the OpenAPI document, and tests hold the answers to them."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from schemas import (
    AuditRecord,
    Card,
    CommandResult,
    EventRejected,
    GraphEdge,
    GraphNode,
    LedgerEntry,
    LineStatus,
    OrderProjection,
    PlanState,
    Proposal,
    Signal,
)
from streams.web.access import Role

Body = TypeVar("Body")

AsOf = Annotated[
    dict[str, datetime], Field(description="Site -> the plant's time that the picture has reached.")
]


class Page(BaseModel, Generic[Body]):
    """Part of a list, ranked.

    Attributes:
        total: that match, shown or not; offset: how many were skipped before the first one shown.
        is_complete: false where the role's limits have made it forget some.
    """

    as_of: AsOf
    total: int
    offset: int
    is_complete: bool
    items: list[Body]


class StreamedDocument(BaseModel):
    """A document as the snapshot and the stream give it.

    Attributes:
        id: of the document among those of its name.
        revision: grows with each version; a newer document replaces an older one.
        document: the whole of it; null: it is gone.
    """

    id: str
    site_id: str
    revision: int
    document: dict[str, Any] | None


class Snapshot(BaseModel):
    """Everything that needs somebody now, and where the stream goes on from here.

    Attributes:
        cursor: for /api/v1/stream?after=.
        documents: by name (card, order, line, plan, proposal), each in its order: cards by rank, orders by P(late).
        left_out: documents that the limits left out, by name; ask the lists for them.
    """

    cursor: str
    as_of: AsOf
    documents: dict[str, list[StreamedDocument]]
    left_out: dict[str, int]


class CardRevision(BaseModel):
    """A version of a card that this server has seen; by: whose command made it."""

    revision: int
    state: str
    severity: str
    update_reason: str
    by: str | None
    as_of: datetime


class CardDetail(BaseModel):
    """One card.

    Attributes:
        history: versions seen, oldest first; the topic keeps only the newest, so a new server knows few.
        decisions: commands on it, carried out or refused, newest first.
        proposals: those that it names, where they are in their life.
        why: where the path and the arithmetic can be had.
    """

    as_of: AsOf
    card: Card
    history: list[CardRevision]
    decisions: list[AuditRecord]
    proposals: list[PlanState]
    why: str


class OrderDetail(BaseModel):
    """One order, and the cards that name it, the most urgent first."""

    as_of: AsOf
    order: OrderProjection
    cards: list[Card]
    why: str


class LineDetail(BaseModel):
    """One line, the cards with orders on it, and its newest signals first."""

    as_of: AsOf
    line: LineStatus
    cards: list[Card]
    signals: list[Signal]
    why: str


class Around(BaseModel):
    """What lies around an entity: nodes by distance, itself first; left_out: more within reach than are shown."""

    as_of: AsOf
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    left_out: int


class ProposalDetail(BaseModel):
    """A proposal: where it is in its life, and the options that stand.

    Attributes:
        state: None while the twin has not heard of it.
        proposal: None where that revision of the options is not known any more.
        decisions: commands on it, newest first.
    """

    as_of: AsOf
    state: PlanState | None
    proposal: Proposal | None
    decisions: list[AuditRecord]


class Plans(BaseModel):
    """Committed plans, one a site; pending: proposals whose changes were sent and not all answered."""

    as_of: AsOf
    committed: list[PlanState]
    pending: list[PlanState]


class LetterSample(BaseModel):
    """A record that could not be read.

    Attributes:
        payload: its beginning as text; bytes that are none stand as the replacement character.
        payload_bytes: its whole size.
    """

    message: str
    field_path: str
    source_partition: int
    source_offset: int
    index: int
    payload: str
    payload_bytes: int


class DeadLetters(BaseModel):
    """Records of one source topic that could not be read for one reason; the count is of those that this server has seen."""

    source_topic: str
    reason: str
    count: int
    last_at: datetime | None
    samples: list[LetterSample]


class Rejections(BaseModel):
    """Events of one source topic that could not be true for one reason; the count is of those that this server has seen."""

    source_topic: str
    reason: str
    count: int
    last_at: datetime | None
    samples: list[EventRejected]


class TopicHealth(BaseModel):
    """What this server holds of a topic; dropped: left out by its limits; unreadable: of a newer version."""

    topic: str
    documents: int
    dropped: int
    unreadable: int


class DataHealth(BaseModel):
    """Whether the data can be trusted: what was refused, which lines say nothing, where systems contradict each other.

    Attributes:
        doubts: open cards of the kinds data_stale and data_conflict.
    """

    as_of: AsOf
    dead_letters: list[DeadLetters]
    rejections: list[Rejections]
    lines: list[LineStatus]
    doubts: list[Card]
    topics: list[TopicHealth]


class Named(BaseModel):
    """What something is called; part_of: the area of a line, the site of an area, as far as the graph says."""

    node_type: Literal["site", "area", "line", "person", "customer", "item"]
    entity_id: str
    site_id: str
    name: str
    part_of: str | None


class Names(BaseModel):
    """What people call things; left_out: more than an answer holds."""

    as_of: AsOf
    items: list[Named]
    left_out: int


class PastPicture(BaseModel):
    """The picture as of a moment, as it was published then."""

    time: datetime
    site_id: str | None
    cards: list[Card]
    orders: list[OrderProjection]
    lines: list[LineStatus]


class Why(BaseModel):
    """The path and the arithmetic, as `foresite why --json` gives it; steps hold steps."""

    subject: str
    headline: str
    as_of: datetime
    zone: str
    steps: list[dict[str, Any]]


class CommandTaken(BaseModel):
    """A command that Kafka has.

    Attributes:
        status: sent, or answered where the twin has done so already.
        actor: who it is carried out for, as signed in.
        result_at: where to look for what became of it.
    """

    command_id: str
    kind: str
    actor: str
    status: Literal["sent", "answered"]
    result_at: str
    result: CommandResult | None = None


class CommandStatus(BaseModel):
    """What is known of a command; result: the twin's answer, once it came back through the log."""

    command_id: str
    status: Literal["sent", "answered"]
    result: CommandResult | None = None


class QuoteAsked(BaseModel):
    """When could a quantity be ready, and who would pay for it?"""

    command_id: str = Field(min_length=1, max_length=200)
    site_id: str
    item_id: str
    quantity_pcs: float = Field(gt=0)
    due_at: datetime


class EventAnswer(BaseModel):
    """What became of one event of a post.

    Attributes:
        index: its place among the events of the post, from 0.
        event_id: None where it has none that can be read.
        status: delivered: Kafka has it. repeated: it was delivered before. refused: it cannot be as it is. not_delivered:
            Kafka has not confirmed it, and may have it all the same. not_sent: it rests on one that was not delivered.
        topic: that it belongs on.
        code, field_path, message: of what was refused or not delivered; codes are those of dead letters, and
            `event_id_taken`.
        unknown_fields: that were ignored.
    """

    index: int
    event_id: str | None
    status: Literal["delivered", "repeated", "refused", "not_delivered", "not_sent"]
    topic: str | None = None
    code: str | None = None
    field_path: str | None = None
    message: str | None = None
    unknown_fields: int = 0


class EventsTaken(BaseModel):
    """Kafka has every event of a post.

    Attributes:
        received: how many there were; each is delivered or repeated.
        unknown_fields: that were ignored, of all of them.
    """

    received: int
    delivered: int
    repeated: int
    unknown_fields: int
    records: list[EventAnswer]


class Me(BaseModel):
    """Who is signed in, how, and which kinds of commands they may send.

    Attributes:
        notice: what every page says of this installation, as "Simulated factory"; None: nothing.
    """

    name: str
    role: Role
    via: str
    commands: list[str]
    notice: str | None


class SignedIn(BaseModel):
    """A browser's session has begun, for so many seconds."""

    name: str
    role: Role
    expires_in_s: int


class RouteAccess(BaseModel):
    """The least role that may use a route; None: anybody."""

    method: str
    path: str
    role: Role | None


class Holder(BaseModel):
    """Somebody with a token; a publisher's role is the one on Kafka, as `lyon.publisher-mes`."""

    name: str
    role: str


class Access(BaseModel):
    """Who may do what here."""

    routes: list[RouteAccess]
    commands: dict[str, Role]
    holders: list[Holder]


Ledger = Page[LedgerEntry]
Cards = Page[Card]
Orders = Page[OrderProjection]
Lines = Page[LineStatus]
Proposals = Page[PlanState]
Audit = Page[AuditRecord]
