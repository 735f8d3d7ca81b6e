"""The live model: entities, their indexes and the graph between them; written to and restored from documents.

Knows what is connected to what. What follows from events is in core.py, what is projected in evaluation.py.
"""

from bisect import bisect_left
from collections.abc import Iterable

import msgspec

from schemas import (
    AreaUpserted,
    Card,
    CardKind,
    LineUpserted,
    OrderUpserted,
    OvertimeWindowUpserted,
    RunPlanned,
    SiteUpserted,
    StationUpserted,
    join_key,
)
from twin.assessment import on_time_slot_of
from twin.dedupe import SequenceWindow
from twin.drift import Bucket
from twin.entities import (
    BucketHour,
    CommandNote,
    DriftDocument,
    Line,
    LineState,
    Order,
    OrderState,
    QueueDocument,
    Run,
    SiteKey,
)
from twin.experience import UNKNOWN, Experience, LineRecord, learned
from twin.graph import PlantGraph, node_id
from twin.plant import Plant
from twin.quality_series import QualityHour, QualitySeries, Series, SeriesKey
from twin.risk import Root, root_of, root_text
from twin.runs import RunProgress
from twin.store import DocumentStore
from twin.supply import SupplyBook
from twin.usage import forget_run


class CardDocument:
    """The last published card of a root."""

    __slots__ = ("card",)

    def __init__(self, card: Card) -> None:
        self.card = card

    def encode(self) -> bytes:
        """The card's JSON."""
        return self.card.model_dump_json().encode()


class SinceDocument(msgspec.Struct):
    """Since when something holds of a root."""

    since: float

    def encode(self) -> bytes:
        """JSON of the note."""
        return msgspec.json.encode(self)


class Model:
    """Everything a shard holds, by site and id."""

    def __init__(self) -> None:
        self.store = DocumentStore()
        self.plant = Plant(self.store)
        self.graph = PlantGraph(self.store)
        self.lines: dict[SiteKey, Line] = {}
        self.runs: dict[SiteKey, Run] = {}
        self.line_of_run: dict[SiteKey, Line] = {}
        self.feeders: dict[SiteKey, dict[SiteKey, None]] = {}  # run -> runs that feed it
        self.orders: dict[SiteKey, Order] = {}
        self.pegged: dict[SiteKey, dict[SiteKey, float]] = {}  # order -> runs that are for it, known or not
        self.pegs_at: dict[
            str, int
        ] = {}  # site -> pegs for its orders; at others nobody says what a run is for
        self.members: dict[Root, dict[SiteKey, None]] = {}  # root -> late orders it is blamed for
        self.cards: dict[Root, Card] = {}
        self.experience: dict[str, Experience] = {}  # by site, as of last midnight
        self.roots_of_cards: dict[str, Root] = {}  # card_id of the last episode -> root
        self.lines_of_source: dict[SiteKey, dict[str, None]] = {}  # (site, source) -> lines that it speaks of
        self.sources_of_line: dict[SiteKey, dict[str, None]] = {}  # (site, line) -> sources that speak of it
        self.commands: dict[SiteKey, CommandNote] = {}  # (site, command_id) -> what became of it
        self.suspects: dict[Root, float] = {}  # contradictions, and since when; they may settle by themselves
        self._absent: dict[
            Root, float
        ] = {}  # roots whose risk is gone, but not for long enough, and since when
        self.supply = SupplyBook(self.store, self.plant, self.graph)
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
            self.graph.set_node("line", site_id, line_id, line_id)
        return line

    def put_line(self, event: LineUpserted) -> Line:
        """Take over what a line is; its edges follow."""
        line = self.line(event.site_id, event.line_id)
        line.event = event
        if line.state.family is None:
            line.state.family = event.setup_family
        self._link_line(line)
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

    def series(self, line: Line, key: SeriesKey) -> Series:
        """A quality series of the line, made if it is not known yet."""
        series = line.quality.series.get(key)
        if series is None:
            document_key = join_key(line.site_id, "quality", line.line_id, *key)
            series = line.quality.series[key] = Series(key, QualitySeries(), document_key)
        return series

    def save_series(self, line: Line, series: Series, hours: Iterable[int] = ()) -> None:
        """A quality series changed, and its closed buckets of these hours; an hour without any is removed."""
        self.store.put(series.document_key, series.hot)
        for hour in hours:
            buckets = series.hour(hour)
            key = join_key(line.site_id, "quality_hour", line.line_id, *series.key, str(hour))
            if buckets:
                self.store.put(key, QualityHour(buckets))
            else:
                self.store.remove(key)

    def drop_series(self, line: Line, series: Series) -> None:
        """Forget a series that nothing was heard of for long."""
        for hour in {int(bucket.start_s // 3600): None for bucket in series.buckets}:
            self.store.remove(join_key(line.site_id, "quality_hour", line.line_id, *series.key, str(hour)))
        self.store.remove(series.document_key)
        del line.quality.series[series.key]
        line.quality.note_phases()

    def save_record(self, line: Line) -> None:
        """Something that the line's record holds happened."""
        self.store.put(join_key(line.site_id, "record", line.line_id), line.record)

    def experience_of(self, site_id: str) -> Experience:
        """What forecasts of a site go by."""
        return self.experience.get(site_id, UNKNOWN)

    def learn(self, days: float) -> None:
        """Take over, site by site, what lines have noted; what is older fades by so many days."""
        records: dict[str, dict[str, LineRecord]] = {}
        drifting_s: dict[str, float] = {}
        for (site_id, line_id), line in sorted(self.lines.items()):
            record, state = line.record, line.state
            record.produced_s += state.produced_s
            state.produced_s = 0.0
            record.fade(days)
            self.save_record(line)
            self.save_line(line)
            records.setdefault(site_id, {})[line_id] = record
            since_s = line.drift.since_s
            if since_s is not None and state.marked_at is not None:
                lasted_s = line.calendar.work_between(since_s, state.marked_at)
                drifting_s[site_id] = drifting_s.get(site_id, 0.0) + max(0.0, lasted_s)
        for site_id, of_site in records.items():
            self.experience[site_id] = learned(of_site, drifting_s.get(site_id, 0.0))
            self.store.put(join_key(site_id, "experience", site_id), self.experience[site_id])

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
        self._link_run(line, run)
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
        identity = self._run_node(run)
        self.graph.replace_edges_from(identity, "on", {self._line_node(line): None}, since, event_id)
        return before

    def drop_run(self, run: Run) -> list[Line]:
        """Forget a run that was taken back or is past retention; says whose queues it concerned."""
        key = (run.site_id, run.run_id)
        line = self.line_of_run[key]
        concerned = [line, *self.lines_fed_by(run)]
        self._take_off(line, run)
        self._unpeg(run)
        forget_run(self.supply, run)
        del self.runs[key], self.line_of_run[key]
        self.suspect((CardKind.DATA_CONFLICT.value, "run", *key), None)
        self.feeders.pop(key, None)
        self.graph.remove_node(self._run_node(run))
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
        self._link_order(order)
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
        identity = self._order_node(order)
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
        self.suspect((CardKind.DATA_CONFLICT.value, "order", *key), None)
        del self.orders[key]
        identity = self._order_node(order)
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

    def save_card(self, root: Root, card: Card) -> None:
        """The card of a root was published."""
        self.adopt_card(root, card)
        self.store.put(_key_of_root("card", root), CardDocument(card))

    def adopt_card(self, root: Root, card: Card) -> None:
        """Hold a card that is already written."""
        before = self.cards.get(root)
        if before is not None:
            self.roots_of_cards.pop(before.card_id, None)
        self.cards[root] = card
        self.roots_of_cards[card.card_id] = root

    def absent_since(self, root: Root) -> float | None:
        """Since when the risk of an open card is not there; None while it is."""
        return self._absent.get(root)

    def set_absent(self, root: Root, since: float | None) -> None:
        """Note when the risk of an open card went away, or that it is there."""
        if since is None:
            if self._absent.pop(root, None) is not None:
                self.store.remove(_key_of_root("absent", root))
            return
        self._absent[root] = since
        self.store.put(_key_of_root("absent", root), SinceDocument(since))

    def suspect(self, root: Root, since: float | None) -> None:
        """Note since when two systems contradict each other, or that they agree again."""
        if since is None:
            if self.suspects.pop(root, None) is not None:
                self.store.remove(_key_of_root("suspect", root))
        elif root not in self.suspects:
            self.suspects[root] = since
            self.store.put(_key_of_root("suspect", root), SinceDocument(since))

    def adopt_absence(self, root: Root, since: float) -> None:
        """Hold what is already written."""
        self._absent[root] = since

    def note_command(self, site_id: str, command_id: str, note: CommandNote) -> None:
        """A command was answered."""
        self.commands[site_id, command_id] = note
        self.store.put(join_key(site_id, "command", command_id), note)

    def forget_commands(self, before: float) -> None:
        """Drop what nobody sends again any more."""
        for key in [key for key, note in self.commands.items() if note.at < before]:
            del self.commands[key]
            self.store.remove(join_key(key[0], "command", key[1]))

    # The graph

    def link_site(self, event: SiteUpserted) -> None:
        """The site's node."""
        self.graph.set_node("site", event.site_id, event.site_id, event.name or event.site_id)

    def link_area(self, event: AreaUpserted) -> None:
        """The area's node, as part of its site."""
        area = self.graph.set_node("area", event.site_id, event.area_id, event.name or event.area_id)
        site = self._site_node(event.site_id)
        self.graph.set_edge(area, "part_of", site, event.event_time.timestamp(), event.event_id)

    def link_station(self, event: StationUpserted) -> None:
        """The station's node, as part of its line."""
        station = self.graph.set_node(
            "station", event.site_id, event.station_id, event.name or event.station_id
        )
        line = self._line_node(self.line(event.site_id, event.line_id))
        moment = event.event_time.timestamp()
        self.graph.replace_edges_from(station, "part_of", {line: None}, moment, event.event_id)

    def link_queue(self, line: Line, gone: Iterable[str], since: float, event_id: str) -> None:
        """Edges "before" between neighbours in the line's queue; runs that are gone from it wait for nobody."""
        queue = [self._run_node(run) for run in line.queued()]
        following: dict[str, str | None] = dict.fromkeys(
            node_id("run", line.site_id, run_id) for run_id in gone
        )
        following.update(zip(queue, [*queue[1:], None], strict=False))
        for identity, next_one in following.items():
            targets = {} if next_one is None else {next_one: None}
            self.graph.replace_edges_from(identity, "before", targets, since, event_id)

    def _link_line(self, line: Line) -> None:
        event = line.event
        assert event is not None
        moment = event.event_time.timestamp()
        node = self.graph.set_node("line", line.site_id, line.line_id, line.name)
        if event.area_id is None:
            parent = self._site_node(line.site_id)
        else:
            parent = node_id("area", line.site_id, event.area_id)
            if parent not in self.graph:
                self.graph.set_node("area", line.site_id, event.area_id, event.area_id)
        self.graph.replace_edges_from(node, "part_of", {parent: None}, moment, event.event_id)
        owner = None
        if event.supervisor_id is not None:
            person = self.plant.person(line.site_id, event.supervisor_id)
            label = event.supervisor_id if person is None else person.name
            owner = self.graph.set_node("person", line.site_id, event.supervisor_id, label)
            self.graph.set_edge(owner, "owns", node, moment, event.event_id)
        for edge in self.graph.edges_to(node, "owns"):
            if edge.from_id != owner:
                self.graph.remove_edge(edge.from_id, "owns", node)
                self.graph.prune(edge.from_id)

    def rename(self, node_type: str, site_id: str, entity_id: str, name: str) -> None:
        """People and customers become known after what names them: give their nodes their names."""
        for site in sorted({key[0] for key in (*self.lines, *self.orders)} if site_id == "*" else {site_id}):
            if node_id(node_type, site, entity_id) in self.graph:
                self.graph.set_node(node_type, site, entity_id, name)

    def _link_run(self, line: Line, run: Run) -> None:
        plan = run.plan
        moment, event_id = plan.event_time.timestamp(), plan.event_id
        identity = self.graph.set_node("run", run.site_id, run.run_id, run.run_id)
        self.graph.replace_edges_from(identity, "on", {self._line_node(line): None}, moment, event_id)
        fed: dict[str, float | None] = {}
        for fed_id in plan.feeds_run_ids:
            target = node_id("run", run.site_id, fed_id)
            if target not in self.graph:
                self.graph.set_node("run", run.site_id, fed_id, fed_id)
            fed[target] = None
        self.graph.replace_edges_from(identity, "feeds", fed, moment, event_id)
        for peg in plan.pegs:
            order = node_id("order", peg.order_site_id or run.site_id, peg.order_id)
            if order in self.graph:
                self.graph.set_edge(order, "needs", identity, moment, event_id, peg.quantity_pcs)

    def _link_order(self, order: Order) -> None:
        event = order.event
        moment = event.event_time.timestamp()
        identity = self.graph.set_node("order", order.site_id, order.order_id, f"#{order.order_id}")
        customer = self.plant.customer(order.site_id, event.customer_id)
        label = event.customer_id if customer is None else customer.name
        placed_by = self.graph.set_node("customer", order.site_id, event.customer_id, label)
        for edge in self.graph.edges_to(identity, "placed"):
            if edge.from_id != placed_by:
                self.graph.remove_edge(edge.from_id, "placed", identity)
                self.graph.prune(edge.from_id)
        self.graph.set_edge(placed_by, "placed", identity, moment, event.event_id)
        for (site_id, run_id), quantity in sorted(
            self.pegged.get((order.site_id, order.order_id), {}).items()
        ):
            plan = self.runs[site_id, run_id].plan
            self.graph.set_edge(
                identity,
                "needs",
                node_id("run", site_id, run_id),
                plan.event_time.timestamp(),
                plan.event_id,
                quantity,
            )

    def _site_node(self, site_id: str) -> str:
        identity = node_id("site", site_id, site_id)
        return identity if identity in self.graph else self.graph.set_node("site", site_id, site_id, site_id)

    def _line_node(self, line: Line) -> str:
        return node_id("line", line.site_id, line.line_id)

    def _run_node(self, run: Run) -> str:
        return node_id("run", run.site_id, run.run_id)

    def _order_node(self, order: Order) -> str:
        return node_id("order", order.site_id, order.order_id)

    # Placing and pegging

    def _place(self, line: Line, run: Run) -> None:
        line.runs[run.run_id] = run
        line.queue = None
        self.line_of_run[run.site_id, run.run_id] = line
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
        run.rate_pcs_per_h = rate or plan.quantity_pcs / (run.planned_end - run.planned_start) * 3600.0
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
            self.graph.remove_edge(order, "needs", self._run_node(run))


def _start(bucket: Bucket) -> float:
    return bucket.start_s


def _key_of_root(document: str, root: Root) -> str:
    kind, entity_type, site_id, entity_id = root
    return join_key(site_id, document, kind, entity_type, entity_id)
