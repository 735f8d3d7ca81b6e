"""The one table of topics. Create, ACL and documentation commands derive from it; no other file names a topic.

Names are <domain>.<plural-noun>.v<major>. Inputs are keyed by their source; facts and state are partitioned by
planning group, which ingest computes itself.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from pydantic import BaseModel, TypeAdapter

from schemas.cards import Card
from schemas.commands import AnyCommand, PlanAcknowledged
from schemas.facts import Facts
from schemas.inventory import AnyInventoryEvent
from schemas.machine_events import AnyMachineEvent
from schemas.master_data import AnyMasterDataEvent
from schemas.notices import CardNotices
from schemas.orders import AnyOrderEvent
from schemas.outputs import (
    AuditRecord,
    CommandResult,
    DeadLetter,
    EventRejected,
    GraphEdge,
    GraphNode,
    LedgerEntry,
    LineStatus,
    OrderProjection,
    Signal,
    SiteStatus,
)
from schemas.plans import PlanChange, PlanState, Proposal, ReplanRequested
from schemas.plant_model import AnyPlantEvent

Role = Literal["input", "internal", "output"]

PRINCIPALS: tuple[str, ...] = (
    "publisher-mes",
    "publisher-erp",
    "publisher-wms",
    "ingest",
    "twin",
    "solver",
    "notify",
    "web",
    "reader",
    "deploy",
)
"""Who may speak to Kafka. What each may do follows from the table: `foresite acls`."""

DEPLOY = "deploy"
"""Makes the topics and reads all of them: who checks a log must see all of it."""


@dataclass(frozen=True)
class Topic:
    """One row of the table.

    Attributes:
        name: without the prefix that settings may add.
        key: what the record key is.
        types: pydantic models of the body.
        cleanup: Kafka's cleanup.policy.
        retention_days: for cleanup delete; None: for ever.
        partitions: default number; None: as many as settings.facts_partitions.
        role: input (from outside), internal, or output (for anyone).
        writers, readers: principals that may write and read; `deploy` reads each, named or not.
        holds: what it is, for people.
    """

    name: str
    key: str
    types: tuple[type[BaseModel], ...]
    cleanup: Literal["delete", "compact"]
    retention_days: int | None
    partitions: int | None
    role: Role
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    holds: str


def _members(union: Any) -> tuple[type[BaseModel], ...]:
    return get_args(get_args(union)[0])


MACHINE_EVENTS = "mes.machine-events.v1"
ORDERS = "erp.orders.v1"
MASTER_DATA = "erp.master-data.v1"
PLANT_MODEL = "plant.model.v1"
INVENTORY = "wms.inventory.v1"
COMMANDS = "planner.commands.v1"
PLAN_ACKS = "erp.plan-acks.v1"
DEAD_LETTERS = "ingest.dead-letters.v1"
FACTS = "twin.facts.v1"
STATE = "twin.state.v1"
CHECKPOINTS = "twin.checkpoints.v1"
CARDS = "twin.cards.v1"
SIGNALS = "twin.signals.v1"
ORDER_PROJECTIONS = "twin.order-projections.v1"
LINES = "twin.lines.v1"
SITES = "twin.sites.v1"
GRAPH = "twin.graph.v1"
REJECTIONS = "twin.rejections.v1"
COMMAND_RESULTS = "twin.command-results.v1"
REPLAN_REQUESTS = "twin.replan-requests.v1"
PROPOSALS = "solver.proposals.v1"
PLANS = "twin.plans.v1"
PLAN_CHANGES = "twin.plan-changes.v1"
LEDGER = "twin.ledger.v1"
AUDIT = "twin.audit.v1"
DELIVERIES = "notify.deliveries.v1"

_ANYONE = ("web", "reader")

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(MACHINE_EVENTS, "line_id", _members(AnyMachineEvent), "delete", 7, 4, "input",
              ("publisher-mes",), ("ingest",), "what machines and the MES say, event by event"),
        Topic(ORDERS, "kind/site/id", _members(AnyOrderEvent), "compact", None, 4, "input",
              ("publisher-erp",), ("ingest",), "sales order lines, work orders, planned runs"),
        Topic(MASTER_DATA, "kind/site/id", _members(AnyMasterDataEvent), "compact", None, 4, "input",
              ("publisher-erp",), ("ingest",), "customers, items, bills of material, routings, people, rates"),
        Topic(PLANT_MODEL, "kind/site/id", _members(AnyPlantEvent), "compact", None, 4, "input",
              ("publisher-mes", "deploy"), ("ingest",), "sites, lines, calendars, setups, slots, rules, the driven clock"),
        Topic(INVENTORY, "kind/site/id", _members(AnyInventoryEvent), "compact", None, 4, "input",
              ("publisher-wms",), ("ingest",), "stock, receipts, departures"),
        Topic(COMMANDS, "target id", _members(AnyCommand), "delete", 30, 4, "input",
              ("web",), ("ingest",), "what planners decide"),
        Topic(PLAN_ACKS, "change_id", (PlanAcknowledged,), "delete", 30, 4, "input",
              ("publisher-erp",), ("ingest",), "what ERP and MES answered to plan changes"),
        Topic(DEAD_LETTERS, "source position", (DeadLetter,), "delete", 30, 4, "output",
              ("ingest", "twin", "publisher-mes"), (*_ANYONE, "deploy"), "records that could not be read, with the reason and the original bytes"),
        Topic(FACTS, "planning group", (Facts,), "delete", 365, None, "internal",
              ("ingest",), ("twin", "ingest", "web", "deploy"), "the one ordered log that the twin folds"),
        Topic(STATE, "site/type/id", (), "compact", None, None, "internal",
              ("twin",), ("twin", "web", "deploy"), "entity documents and the manifest of each partition"),
        Topic(CHECKPOINTS, "facts offset/why/part", (), "compact", None, None, "internal",
              ("twin",), ("twin", "web", "deploy"), "copies of the state as of each day and each change of version; the twin removes old ones"),
        Topic(CARDS, "card_id", (Card,), "compact", None, 4, "output",
              ("twin",), ("twin", "notify", *_ANYONE), "the risk topic: every card as it now stands"),
        Topic(SIGNALS, "site/line_id or item_id", (Signal,), "delete", 30, 4, "output",
              ("twin",), _ANYONE, "drift, shortage, quality, data: detected and cleared"),
        Topic(ORDER_PROJECTIONS, "site/order_id", (OrderProjection,), "compact", None, 4, "output",
              ("twin",), ("twin", *_ANYONE), "promised against projected, order by order"),
        Topic(LINES, "site/line_id", (LineStatus,), "compact", None, 4, "output",
              ("twin",), ("twin", *_ANYONE), "state, run, attainment and elements of each line"),
        Topic(SITES, "site_id", (SiteStatus,), "compact", None, 1, "output",
              ("twin",), ("notify", *_ANYONE), "each site as a whole: the clock, how far behind, how many cards"),
        Topic(GRAPH, "node or edge id", (GraphNode, GraphEdge), "compact", None, 4, "output",
              ("twin",), _ANYONE, "the live graph, nodes and edges"),
        Topic(REJECTIONS, "source position", (EventRejected,), "delete", 30, 4, "output",
              ("twin",), (*_ANYONE, "deploy"), "valid events that cannot be true here, with the reason"),
        Topic(COMMAND_RESULTS, "command_id", (CommandResult,), "delete", 30, 4, "output",
              ("twin",), _ANYONE, "what became of each command"),
        Topic(REPLAN_REQUESTS, "scope", (ReplanRequested,), "delete", 7, 4, "output",
              ("twin",), ("solver",), "scheduling problems and what triggered them"),
        Topic(PROPOSALS, "proposal_id", (Proposal,), "compact", None, 4, "output",
              ("solver",), ("ingest", *_ANYONE), "options with their trade-offs; they come back in as facts"),
        Topic(PLANS, "group or proposal id", (PlanState,), "compact", None, 4, "output",
              ("twin",), _ANYONE, "the committed plan, and where each proposal is in its life"),
        Topic(PLAN_CHANGES, "order_id", (PlanChange,), "delete", 30, 4, "output",
              ("twin",), ("publisher-erp", "reader"), "the write-back to ERP and MES"),
        Topic(LEDGER, "week/site/line", (LedgerEntry,), "compact", None, 4, "output",
              ("deploy",), _ANYONE, "the plan that was made against the plan that could have been made"),
        Topic(AUDIT, "target id", (AuditRecord,), "delete", None, 4, "output",
              ("twin",), ("web", "deploy"), "who decided what, on what revision, why"),
        Topic(DELIVERIES, "card_id", (CardNotices,), "compact", None, 4, "output",
              ("notify",), ("notify", *_ANYONE), "who was told what of each card, and what became of it; partitioned as twin.cards.v1"),
    )
}  # fmt: skip

PICTURE_TOPICS: tuple[str, ...] = (CARDS, ORDER_PROJECTIONS, LINES)
"""What the picture of a moment shows, in this order. Their last words are part of a checkpoint: the state alone does not
know how a thing was put when it was last published."""

INPUT_TOPICS: tuple[str, ...] = tuple(name for name, topic in TOPICS.items() if topic.role == "input")

INGESTED_TOPICS: tuple[str, ...] = (*INPUT_TOPICS, PROPOSALS)
"""What ingest turns into facts: the inputs, and the solver's answers, which come back in like anything else."""

TOPIC_OF_KIND: dict[str, str] = {
    model.model_fields["kind"].default: name for name in INPUT_TOPICS for model in TOPICS[name].types
}
"""Input kind -> the one topic it belongs on."""

MODEL_OF_KIND: dict[str, type[BaseModel]] = {
    model.model_fields["kind"].default: model for name in INPUT_TOPICS for model in TOPICS[name].types
}
"""Input kind -> its model."""

LARGE_TOPICS: frozenset[str] = frozenset(
    {DEAD_LETTERS, FACTS, STATE, CHECKPOINTS, REPLAN_REQUESTS, PROPOSALS, PLANS}
)
"""Topics whose records may be larger than Kafka's own limit of a megabyte: whole problems and plans, what they come
back in as, and what is kept of them."""

LARGE_RECORD_BYTES = 8_000_000
"""What those take. Too small: the plan of a large site cannot be asked about. Too large: one record is a long step."""

_UNIONS: dict[str, Any] = {
    MACHINE_EVENTS: AnyMachineEvent,
    ORDERS: AnyOrderEvent,
    MASTER_DATA: AnyMasterDataEvent,
    PLANT_MODEL: AnyPlantEvent,
    INVENTORY: AnyInventoryEvent,
    COMMANDS: AnyCommand,
    PLAN_ACKS: PlanAcknowledged,
    PROPOSALS: Proposal,
}


@cache
def list_validator(topic: str) -> TypeAdapter[list[Any]]:
    """Validator of a list of bodies of one input topic."""
    union: Any = _UNIONS[topic]
    return TypeAdapter(list[union])
