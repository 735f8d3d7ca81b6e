"""The routes that read. Each takes its arguments, asks the view and answers; what may be asked for is bounded here."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request
from starlette.responses import PlainTextResponse, Response

from schemas import (
    AuditRecord,
    Card,
    CardKind,
    CardState,
    LedgerEntry,
    LineStatus,
    OrderProjection,
    PlanState,
    Severity,
    UsageError,
    topics,
)
from streams.latest_plans import COMMITTED
from streams.metrics import Metrics
from streams.web import answers, health, ledger_csv
from streams.web.access import API, Principal
from streams.web.event_stream import EventStream
from streams.web.feed import CursorTooOld, Feed, StreamFull, event
from streams.web.past import Past
from streams.web.problems import FieldProblem, invalid, unavailable
from streams.web.reading import PAGE_MAX, Json, Reading
from twin.cards.card_life import LIVE_STATES
from twin.decisions.proposal_life import OPEN_STATES, RETRIED_STATES

Site = Annotated[str | None, Query(min_length=1, max_length=200, description="Only of this site.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="Leave out so many at the beginning.")]
Name = Annotated[str, Path(min_length=1, max_length=1000)]
Word = Annotated[str | None, Query(min_length=1, max_length=200)]
Moment = Annotated[
    str, Query(max_length=40, description="RFC 3339 with a zone, as 2026-11-19T08:00:00+01:00.")
]

GRAPH_NODES_MAX = 150
"""A drawing of more helps nobody."""

_ONGOING = ("committing", "partially_committed")


def add_reading(app: FastAPI, reading: Reading) -> None:
    """Add the routes that answer from the view."""

    @app.get(f"{API}/snapshot", tags=["stream"], responses={200: {"model": answers.Snapshot}})
    def snapshot(site: Site = None) -> Response:
        """Everything that needs somebody now, and the cursor with which the stream goes on."""
        reading.require()
        return reading.snapshot(site)

    @app.get(f"{API}/cards", tags=["cards"], responses={200: {"model": answers.Cards}})
    def cards(
        site: Site = None,
        state: Annotated[
            list[CardState] | None, Query(description="Default: those that need somebody.")
        ] = None,
        kind: Annotated[list[CardKind] | None, Query()] = None,
        severity: Annotated[list[Severity] | None, Query()] = None,
        owner: Annotated[Word, Query(description="Id of the owner.")] = None,
        customer: Annotated[Word, Query(description="Id of a customer with an affected order.")] = None,
        line: Annotated[Word, Query(description="Id of a line with an affected order.")] = None,
        id: Annotated[Word, Query(description="One card; for ids that a path cannot hold.")] = None,  # noqa: A002
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Cards, the most urgent first."""
        reading.require()
        states = frozenset(state) if state else LIVE_STATES if id is None else frozenset(CardState)

        def is_wanted(card: Card) -> bool:
            return (
                card.state in states
                and (not kind or card.kind in kind)
                and (not severity or card.severity in severity)
                and owner in (None, card.owner.id)
                and id in (None, card.card_id)
                and (customer is None or any(each.customer_id == customer for each in card.affected))
                and (line is None or any(each.line_id == line for each in card.affected))
            )

        return reading.page(topics.CARDS, is_wanted, limit, offset, site)

    @app.get(f"{API}/cards/{{card_id:path}}", tags=["cards"], responses={200: {"model": answers.CardDetail}})
    def card(card_id: Name) -> Response:
        """One card with its history, the decisions about it, and its proposals."""
        reading.require()
        return reading.card(card_id)

    @app.get(f"{API}/orders", tags=["orders"], responses={200: {"model": answers.Orders}})
    def orders(
        site: Site = None,
        status: Annotated[
            list[Literal["projected", "no_runs", "unreachable", "shipped", "cancelled"]] | None,
            Query(description="Default: those that have not left and still count."),
        ] = None,
        customer: Word = None,
        line: Annotated[Word, Query(description="Id of the line that decides.")] = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Orders, those most likely to be late first."""
        reading.require()
        wanted = frozenset(status) if status else frozenset({"projected", "no_runs", "unreachable"})

        def is_wanted(order: OrderProjection) -> bool:
            return (
                order.status in wanted
                and customer in (None, order.customer_id)
                and line in (None, order.binding_line_id)
            )

        return reading.page(topics.ORDER_PROJECTIONS, is_wanted, limit, offset, site)

    @app.get(
        f"{API}/orders/{{order_id:path}}", tags=["orders"], responses={200: {"model": answers.OrderDetail}}
    )
    def order(order_id: Name, site: Site = None) -> Response:
        """One order with its cards, by its id or by SITE/ID."""
        reading.require()
        return reading.order(order_id, site)

    @app.get(f"{API}/lines", tags=["lines"], responses={200: {"model": answers.Lines}})
    def lines(site: Site = None, state: Word = None, limit: Limit = 100, offset: Offset = 0) -> Response:
        """Lines, by site and id."""
        reading.require()

        def is_wanted(line: LineStatus) -> bool:
            return state in (None, line.state)

        return reading.page(topics.LINES, is_wanted, limit, offset, site)

    @app.get(f"{API}/lines/{{line_id:path}}", tags=["lines"], responses={200: {"model": answers.LineDetail}})
    def line(line_id: Name, site: Site = None) -> Response:
        """One line with its cards and signals, by its id or by SITE/ID."""
        reading.require()
        return reading.line(line_id, site)

    @app.get(
        f"{API}/graph/{{node_type}}/{{entity_id:path}}",
        tags=["graph"],
        responses={200: {"model": answers.Around}},
    )
    def graph(
        node_type: Annotated[str, Path(min_length=1, max_length=50)],
        entity_id: Name,
        site: Site = None,
        hops: Annotated[int, Query(ge=1, le=2)] = 2,
        limit: Annotated[int, Query(ge=1, le=GRAPH_NODES_MAX)] = GRAPH_NODES_MAX,
    ) -> Response:
        """What lies around an entity, as line/L3 or order/4471: the nearest first."""
        reading.require()
        return reading.around(node_type, entity_id, site, hops, limit)

    @app.get(f"{API}/proposals", tags=["proposals"], responses={200: {"model": answers.Proposals}})
    def proposals(
        site: Site = None,
        everything: Annotated[bool, Query(alias="all", description="Those that have ended, too.")] = False,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Proposals and where they are in their life, the newest first."""
        reading.require()

        def is_wanted(plan: PlanState) -> bool:
            is_open = plan.state in OPEN_STATES or plan.state in RETRIED_STATES or plan.state in _ONGOING
            return not plan.plan_id.startswith(COMMITTED) and (everything or is_open)

        return reading.page(topics.PLANS, is_wanted, limit, offset, site)

    @app.get(
        f"{API}/proposals/{{proposal_id:path}}",
        tags=["proposals"],
        responses={200: {"model": answers.ProposalDetail}},
    )
    def proposal(proposal_id: Name) -> Response:
        """A proposal with its options, their trade-offs and what they change."""
        reading.require()
        return reading.proposal(proposal_id)

    @app.get(f"{API}/plan", tags=["plan"], responses={200: {"model": answers.Plans}})
    def plan(site: Site = None) -> Response:
        """The committed plan of each site, and proposals whose changes are not all answered."""
        reading.require()
        return health.plans(reading, site)

    @app.get(
        f"{API}/ledger",
        tags=["ledger"],
        responses={200: {"model": answers.Ledger, "content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def ledger(
        site: Site = None,
        week: Annotated[str | None, Query(pattern=r"^\d{4}-W\d{2}$", description="As 2026-W47.")] = None,
        line: Word = None,
        format: Annotated[Literal["json", "csv"], Query()] = "json",  # noqa: A002
        limit: Limit = PAGE_MAX,
        offset: Offset = 0,
    ) -> Response:
        """The plan that was made against the plan that could have been made, by week and line; csv for spreadsheets."""
        reading.require()

        def is_wanted(entry: LedgerEntry) -> bool:
            return week in (None, entry.week) and line in (None, entry.line_id)

        if format == "csv":
            text = ledger_csv.ledger_csv(reading.view, is_wanted, site)
            return PlainTextResponse(
                text,
                media_type="text/csv",
                headers={"Content-Disposition": 'attachment; filename="ledger.csv"'},
            )
        return reading.page(topics.LEDGER, is_wanted, limit, offset, site)

    @app.get(f"{API}/audit", tags=["audit"], responses={200: {"model": answers.Audit}})
    def audit(
        target: Word = None,
        actor: Word = None,
        since: Annotated[datetime | None, Query()] = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """Who decided what, on what revision and why, newest first."""
        reading.require()
        begin = None if since is None else _zoned(since)

        def is_wanted(record: AuditRecord) -> bool:
            return (
                target in (None, record.target_id)
                and actor in (None, record.actor)
                and (begin is None or record.at >= begin)
            )

        return reading.decisions(is_wanted, limit, offset)

    @app.get(f"{API}/data", tags=["data"], responses={200: {"model": answers.DataHealth}})
    def data(site: Site = None) -> Response:
        """Whether the data can be trusted: what was refused and why, silent lines, contradictions, this server's limits."""
        reading.require()
        return health.data_health(reading, site)


def add_past(app: FastAPI, past: Past) -> None:
    """Add the routes that fold the facts again."""

    @app.get(f"{API}/as-of", tags=["past"], responses={200: {"model": answers.PastPicture}})
    async def as_of(time: Moment, site: Site = None) -> Response:
        """The picture as of a moment, as it was published then. One such question at a time; it takes seconds."""
        records = await past.picture(time, site)
        by_topic: dict[str, list[Any]] = {topics.CARDS: [], topics.ORDER_PROJECTIONS: [], topics.LINES: []}
        for record in records:
            by_topic[record["topic"]].append(record["value"])
        cards, orders, lines = by_topic.values()
        return Json({"time": time, "site_id": site, "cards": cards, "orders": orders, "lines": lines})

    @app.get(f"{API}/why/{{name:path}}", tags=["past"], responses={200: {"model": answers.Why}})
    async def why(name: Name, site: Site = None, time: Moment | None = None) -> Response:
        """The path and the arithmetic of a card, an order or a line: word for word that of `foresite why`."""
        return Json(await past.why(name, site, time))


def add_stream(app: FastAPI, reading: Reading, feed: Feed, metrics: Metrics) -> None:
    """Add the stream."""

    @app.get(
        f"{API}/stream",
        tags=["stream"],
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def stream(
        request: Request,
        after: Annotated[
            str | None, Query(max_length=20_000, description="Cursor of a snapshot or event.")
        ] = None,
        site: Site = None,
    ) -> Response:
        """Changes as Server-Sent Events: card, order, line, plan, proposal; heartbeat, cursor, reset. See docs/web.md."""
        reading.require()
        principal: Principal = request.state.principal
        place = request.headers.get("last-event-id") or after  # a browser that comes back says where it was
        if place is None or len(place) > 20_000:
            raise invalid([FieldProblem(path="after", message="needed: a cursor, from /api/v1/snapshot")])
        try:
            return EventStream(feed.subscribe(place, site), principal.expires_at)
        except CursorTooOld:
            metrics.stream_clients_dropped.labels("old_cursor").inc()
            return Response(event("reset", b'{"reason":"old_cursor"}'), media_type="text/event-stream")
        except UsageError as error:
            raise invalid([FieldProblem(path="after", message=str(error))]) from None
        except StreamFull:
            raise unavailable("stream_full", "as many clients as may be listen already", after_s=10) from None


def _zoned(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise invalid(
            [FieldProblem(path="since", message="a time needs a zone, as 2026-11-19T08:00:00+01:00")]
        )
    return moment
