"""The live model: entities, their indexes and the graph between them; written to and restored from documents.

Knows what is connected to what. What follows from events is in core.py, what is projected in evaluation.py.
"""

from bisect import bisect_left

from schemas import (
    CardKind,
    LineUpserted,
    OrderUpserted,
    OvertimeWindowUpserted,
    RunPlanned,
    join_key,
)
from twin.cards.card_book import CardBook
from twin.decisions.plan_book import PlanBook
from twin.decisions.plan_moves import PlanMoves
from twin.forecast.assessment import on_time_slot_of
from twin.forecast.experience import UNKNOWN, Experience
from twin.judges.risk import Root, root_of, root_text
from twin.material.supply import SupplyBook
from twin.material.usage import forget_run
from twin.replan.replan_book import ReplanBook
from twin.shopfloor.drift import Bucket
from twin.state.dedupe import SequenceWindow
from twin.state.entities import (
    LEAST_RATE_PCS_PER_H,
    BucketHour,
    DriftDocument,
    Line,
    LineState,
    Order,
    OrderState,
    QueueDocument,
    Run,
    SiteKey,
)
from twin.state.graph import PlantGraph, node_id
from twin.state.links import Links, line_node, order_node, run_node
from twin.state.plant import Plant
from twin.state.runs import RunProgress
from twin.state.store import DocumentStore


class Model:
    """Everything a shard holds, by site and id."""

    def __init__(self) -> None:
        self.store = DocumentStore()
        self.plant = Plant(self.store)
        self.graph = PlantGraph(self.store)
        self.links = Links(self)
        self.lines: dict[SiteKey, Line] = {}
        self._line_counts: dict[str, int] = {}  # no line is ever dropped
        self.runs: dict[SiteKey, Run] = {}
        self.line_of_run: dict[SiteKey, Line] = {}
        self.feeders: dict[SiteKey, dict[SiteKey, None]] = {}  # run -> runs that feed it
        self.placed: dict[
            SiteKey, None
        ] = {}  # planned anew since circles were last looked for; after a restore, all
        self.is_circular = False  # whether there was a circle then
        self.orders: dict[SiteKey, Order] = {}
        self.pegged: dict[SiteKey, dict[SiteKey, float]] = {}  # order -> runs that are for it, known or not
        self.pegs_at: dict[
            str, int
        ] = {}  # site -> pegs for its orders; at others nobody says what a run is for
        self.members: dict[Root, dict[SiteKey, None]] = {}  # root -> late orders it is blamed for
        self.card_book = CardBook(self.store)
        self.cards = self.card_book.cards
        self.plan_book = PlanBook(self.store)
        self.experience: dict[str, Experience] = {}  # by site, as of last midnight
        self.lines_of_source: dict[SiteKey, dict[str, None]] = {}  # (site, source) -> lines that it speaks of
        self.sources_of_line: dict[SiteKey, dict[str, None]] = {}  # (site, line) -> sources that speak of it
        self.supply = SupplyBook(self.store, self.plant, self.graph)
        self.moves = PlanMoves(self.store)
        self.replans = ReplanBook(self.store)
        self.sequences: dict[tuple[str, str, str], tuple[SequenceWindow, str]] = {}  # and its document's key

    def adopt_sequence(
        self, key: tuple[str, str, str], window: SequenceWindow, document_key: str
    ) -> tuple[SequenceWindow, str]:
        """Hold the window of a source that numbers the events of a line: (site, line, source)."""
        kept = self.sequences[key] = (window, document_key)
        self.lines_of_source.setdefault((key[0], key[2]), {})[key[1]] = None
        self.sources_of_line.setdefault((key[0], key[1]), {})[key[2]] = None
        return kept

    # Lines

    def line(self, site_id: str, line_id: str) -> Line:
        """The line, made if it is not known yet."""
        line = self.lines.get((site_id, line_id))
        if line is None:
            line = Line(site_id, line_id, LineState(), join_key(site_id, "line_state", line_id))
            self.lines[site_id, line_id] = line
            self._line_counts[site_id] = self._line_counts.get(site_id, 0) + 1
            self.graph.set_node("line", site_id, line_id, line_id)
        return line

    def line_count(self, site_id: str) -> int:
        """Lines of a site."""
        return self._line_counts.get(site_id, 0)

    def put_line(self, event: LineUpserted) -> Line:
        """Take over what a line is; its edges follow."""
        line = self.line(event.site_id, event.line_id)
        line.event = event
        if line.state.family is None:
            line.state.family = event.setup_family
        self.links.line(line)
        self.refresh_line(line)
        self.save_line(line)
        return line

    def refresh_line(self, line: Line) -> None:
        """Work out calendar and run rates anew."""
        calendar_id = None if line.event is None else line.event.calendar_id
        line.calendar = self.plant.calendar(line.site_id, calendar_id, line.overtime)
        line.items = None
        for run in line.runs.values():
            self._refresh_run(line, run)

    def refresh_site(self, site_id: str) -> list[Line]:
        """Work out anew what depends on the plant model of a site ("*": of all)."""
        self.plant.forget_routes()
        lines = [line for key, line in sorted(self.lines.items()) if site_id in ("*", key[0])]
        for line in lines:
            self.refresh_line(line)
        for key, order in sorted(self.orders.items()):
            if site_id in ("*", key[0]):
                self.book(order)
        return lines

    def put_overtime(self, event: OvertimeWindowUpserted) -> Line:
        """Take over an overtime window."""
        line = self.line(event.site_id, event.line_id)
        line.overtime = [window for window in line.overtime if window.window_id != event.window_id]
        line.overtime.append(event)
        line.overtime.sort(key=lambda window: window.window_id)
        line.offers = None
        self.refresh_line(line)
        return line

    def save_line(self, line: Line) -> None:
        """The line's hot document changed, and with it perhaps shifts that are over."""
        self.store.put(line.key, line.state)
        for start_s, period in line.touched.items():
            key = join_key(line.site_id, "shift", line.line_id, str(int(start_s)))
            if period is None:
                self.store.remove(key)
            else:
                self.store.put(key, period)
        line.touched.clear()

    def save_drift(self, line: Line) -> None:
        """The memory of the line's drift changed."""
        self.store.put(join_key(line.site_id, "drift", line.line_id), DriftDocument(line.drift))

    def save_stops(self, line: Line) -> None:
        """What is remembered of the line's stops changed."""
        self.store.put(join_key(line.site_id, "stops", line.line_id), line.stops)

    def save_record(self, line: Line) -> None:
        """Something that the line's record holds happened."""
        self.store.put(join_key(line.site_id, "record", line.line_id), line.record)

    def experience_of(self, site_id: str) -> Experience:
        """What forecasts of a site go by."""
        return self.experience.get(site_id, UNKNOWN)

    def save_bucket_hour(self, line: Line, hour: int) -> None:
        """Buckets of an hour changed; an hour without any is removed."""
        key = join_key(line.site_id, "bucket_hour", line.line_id, str(hour))
        first = bisect_left(line.buckets, hour * 3600.0, key=_start)
        last = bisect_left(line.buckets, (hour + 1) * 3600.0, key=_start)
        buckets = line.buckets[first:last]
        if buckets:
            self.store.put(key, BucketHour(hour, buckets))
        else:
            self.store.remove(key)

    def save_queue(self, line: Line) -> None:
        """The line's projection changed."""
        key = join_key(line.site_id, "queue", line.line_id)
        self.store.put(key, QueueDocument(list(line.projected.values())))

    # Runs

    def put_run(self, event: RunPlanned) -> tuple[Run, list[Line]]:
        """Take over a run's plan.

        Returns:
            The run, and the lines whose queues changed.
        """
        key = (event.site_id, event.run_id)
        line = self.line(event.site_id, event.line_id)
        changed = [line]
        run = self.runs.get(key)
        if run is None:
            run = Run(
                event.site_id,
                event,
                RunProgress(),
                join_key(event.site_id, "run_progress", event.run_id),
                event.planned_start_at.timestamp(),
                event.planned_end_at.timestamp(),
            )
            self.runs[key] = run
            self.save_run(run)
        else:
            before = self.line_of_run[key]
            changed += [before, *self.lines_fed_by(run)]
            self._take_off(before, run, keep_place=before is line)
            self._unpeg(run)
            run.plan = event
            if run.progress.planned_line_id is not None:
                run.progress.planned_line_id = None  # the plan speaks anew
                self.save_run(run)
            run.planned_start = event.planned_start_at.timestamp()
            run.planned_end = event.planned_end_at.timestamp()
        self._place(line, run)
        self._peg(run)
        self.links.run(line, run)
        self.supply.link_run(run)
        return run, [*changed, *self.lines_fed_by(run)]

    def move_run(self, run: Run, line: Line, since: float, event_id: str) -> Line:
        """The run is made on another line than planned; says which line it left."""
        before = self.line_of_run[run.site_id, run.run_id]
        self._take_off(before, run)
        planned = run.progress.planned_line_id or before.line_id
        run.progress.planned_line_id = None if planned == line.line_id else planned
        self.save_run(run)
        run.plan = run.plan.model_copy(update={"line_id": line.line_id})
        self.plant.amend(run.plan)
        self._place(line, run)
        identity = run_node(run)
        self.graph.replace_edges_from(identity, "on", {line_node(line): None}, since, event_id)
        return before

    def drop_run(self, run: Run) -> list[Line]:
        """Forget a run that was taken back or is past retention; says whose queues it concerned."""
        key = (run.site_id, run.run_id)
        line = self.line_of_run[key]
        concerned = [line, *self.lines_fed_by(run)]
        self._take_off(line, run)
        self._unpeg(run)
        forget_run(self.supply, run)
        self.moves.forget(key)
        del self.runs[key], self.line_of_run[key]
        self.card_book.suspect((CardKind.DATA_CONFLICT.value, "run", *key), None)
        self.feeders.pop(key, None)
        self.graph.remove_node(run_node(run))
        self.plant.forget(run.site_id, "run_planned", run.run_id)
        self.plant.forget(run.site_id, "run_cancelled", run.run_id)
        self.store.remove(run.key)
        return concerned

    def save_run(self, run: Run) -> None:
        """The run's progress changed."""
        self.store.put(run.key, run.progress)

    def runs_of(self, order: Order) -> list[tuple[Line, Run]]:
        """Runs pegged to the order, with their lines, by id."""
        pegs = self.pegged.get((order.site_id, order.order_id), {})
        return [(self.line_of_run[key], self.runs[key]) for key in sorted(pegs)]

    def orders_of(self, run: Run) -> list[Order]:
        """Orders that the run is for, by id."""
        return [self.orders[key] for key in run.order_keys if key in self.orders]

    def family_of(self, run: Run) -> str | None:
        """Setup family of what the run makes."""
        item = self.plant.item(run.site_id, run.plan.item_id)
        return None if item is None else item.setup_family

    # Orders

    def put_order(self, event: OrderUpserted) -> Order:
        """Take over an order."""
        key = (event.site_id, event.order_id)
        order = self.orders.get(key)
        if order is None:
            order = Order(
                event.site_id,
                event,
                OrderState(),
                join_key(event.site_id, "order_state", event.order_id),
                event.promised_at.timestamp(),
            )
            self.orders[key] = order
        order.event = event
        order.promised = event.promised_at.timestamp()
        self.links.order(order)
        self.book(order)
        return order

    def open_orders(self, site_id: str) -> list[Order]:
        """Orders of a site ("*": of all) that are neither shipped nor cancelled, by id."""
        return [
            order for key, order in sorted(self.orders.items()) if order.is_open and site_id in ("*", key[0])
        ]

    def book(self, order: Order) -> None:
        """Find the last truck that keeps the promise."""
        event = order.event
        route = None if event.route_id is None else self.plant.route(order.site_id, event.route_id)
        order.state.on_time_slot = on_time_slot_of(order, route)
        self.save_order(order)
        identity = order_node(order)
        if event.route_id is not None and identity in self.graph:
            slot = f"{event.route_id}@{int(order.state.on_time_slot)}"
            target = self.graph.set_node("shipment", order.site_id, slot, event.route_id)
            before = self.graph.edges_from(identity, "ships_on")
            self.graph.replace_edges_from(
                identity, "ships_on", {target: None}, event.event_time.timestamp(), event.event_id
            )
            for edge in before:
                self.graph.prune(edge.to_id)

    def drop_order(self, order: Order) -> None:
        """Forget an order past retention."""
        key = (order.site_id, order.order_id)
        self.blame(order, None)
        self.card_book.suspect((CardKind.DATA_CONFLICT.value, "order", *key), None)
        del self.orders[key]
        identity = order_node(order)
        neighbours = [edge.to_id for edge in self.graph.edges_from(identity, "ships_on")]
        neighbours += [edge.from_id for edge in self.graph.edges_to(identity, "placed")]
        self.graph.remove_node(identity)
        for neighbour in neighbours:
            self.graph.prune(neighbour)
        for kind in ("order_upserted", "order_cancelled", "order_shipped"):
            self.plant.forget(order.site_id, kind, order.order_id)
        self.store.remove(order.key)

    def save_order(self, order: Order) -> None:
        """The order's state changed."""
        self.store.put(order.key, order.state)

    def blame(self, order: Order, root: Root | None) -> None:
        """Move the order to the members of another root."""
        key = (order.site_id, order.order_id)
        before = None if order.state.root is None else root_of(order.state.root)
        if before == root:
            return
        if before is not None:
            members = self.members[before]
            del members[key]
            if not members:
                del self.members[before]
        if root is not None:
            self.members.setdefault(root, {})[key] = None
        order.state.root = None if root is None else root_text(root)
        self.save_order(order)

    # Placing and pegging

    def _place(self, line: Line, run: Run) -> None:
        line.runs[run.run_id] = run
        line.queue = None
        self.line_of_run[run.site_id, run.run_id] = line
        self.placed[run.site_id, run.run_id] = None
        self._refresh_run(line, run)
        for fed_id in run.plan.feeds_run_ids:
            self.feeders.setdefault((run.site_id, fed_id), {})[run.site_id, run.run_id] = None
        for fed in self.lines_fed_by(run):
            fed.items = None

    def lines_fed_by(self, run: Run) -> list[Line]:
        """Lines of the runs that need what this one makes."""
        keys = [(run.site_id, fed_id) for fed_id in run.plan.feeds_run_ids]
        return [self.line_of_run[key] for key in keys if key in self.line_of_run]

    def _take_off(self, line: Line, run: Run, *, keep_place: bool = False) -> None:
        """Undo _place; with keep_place the line stays on the run that it is on."""
        line.queue = None
        for fed in self.lines_fed_by(run):
            fed.items = None
        for fed_id in run.plan.feeds_run_ids:
            self.feeders.get((run.site_id, fed_id), {}).pop((run.site_id, run.run_id), None)
        if keep_place:
            return
        del line.runs[run.run_id]
        if line.state.run_id == run.run_id:
            line.state.run_id = None
            self.save_line(line)

    def _refresh_run(self, line: Line, run: Run) -> None:
        plan = run.plan
        rate = plan.rate_pcs_per_h or self.plant.routing_rate(run.site_id, plan.item_id, line.line_id)
        if rate is None:
            work_s = line.calendar.work_between(run.planned_start, run.planned_end)
            if work_s > 0:
                rate = plan.quantity_pcs / work_s * 3600.0
            elif line.event is not None:
                rate = line.event.rate_pcs_per_h
        # Planned wholly outside working time and nobody knows a speed: the plan's own duration is all there is.
        rate = rate or plan.quantity_pcs / (run.planned_end - run.planned_start) * 3600.0
        run.rate_pcs_per_h = max(rate, LEAST_RATE_PCS_PER_H)
        item = self.plant.item(run.site_id, plan.item_id)
        run.expected_yield = max(0.01, 1.0 - item.expected_scrap) if item is not None else 1.0

    def _peg(self, run: Run) -> None:
        run.order_keys = tuple(
            sorted({(peg.order_site_id or run.site_id, peg.order_id) for peg in run.plan.pegs})
        )
        for peg in run.plan.pegs:
            order_key = (peg.order_site_id or run.site_id, peg.order_id)
            pegs = self.pegged.setdefault(order_key, {})
            pegs[run.site_id, run.run_id] = pegs.get((run.site_id, run.run_id), 0.0) + peg.quantity_pcs
            self.pegs_at[order_key[0]] = self.pegs_at.get(order_key[0], 0) + 1

    def _unpeg(self, run: Run) -> None:
        for peg in run.plan.pegs:
            order_key = (peg.order_site_id or run.site_id, peg.order_id)
            self.pegs_at[order_key[0]] -= 1
            pegs = self.pegged.get(order_key, {})  # a run may name an order twice
            pegs.pop((run.site_id, run.run_id), None)
            if not pegs:
                self.pegged.pop(order_key, None)
            order = node_id("order", *order_key)
            self.graph.remove_edge(order, "needs", run_node(run))


def _start(bucket: Bucket) -> float:
    return bucket.start_s
