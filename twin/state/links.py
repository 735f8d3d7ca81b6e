"""The edges of the live graph that follow from plant, lines, runs and orders. What they mean is in domain terms only."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from schemas import AreaUpserted, SiteUpserted, StationUpserted
from twin.state.entities import Line, Order, Run
from twin.state.graph import node_id

if TYPE_CHECKING:
    from twin.state.model import Model


def line_node(line: Line) -> str:
    """Id of the line's node."""
    return node_id("line", line.site_id, line.line_id)


def run_node(run: Run) -> str:
    """Id of the run's node."""
    return node_id("run", run.site_id, run.run_id)


def order_node(order: Order) -> str:
    """Id of the order's node."""
    return node_id("order", order.site_id, order.order_id)


class Links:
    """Draws the edges of a model.

    Args:
        model: whose graph it is.
    """

    def __init__(self, model: "Model") -> None:
        self._model = model

    def site(self, event: SiteUpserted) -> None:
        """The site's node."""
        self._model.graph.set_node("site", event.site_id, event.site_id, event.name or event.site_id)

    def area(self, event: AreaUpserted) -> None:
        """The area's node, as part of its site."""
        area = self._model.graph.set_node("area", event.site_id, event.area_id, event.name or event.area_id)
        site = self._site_node(event.site_id)
        self._model.graph.set_edge(area, "part_of", site, event.event_time.timestamp(), event.event_id)

    def station(self, event: StationUpserted) -> None:
        """The station's node, as part of its line."""
        station = self._model.graph.set_node(
            "station", event.site_id, event.station_id, event.name or event.station_id
        )
        line = line_node(self._model.line(event.site_id, event.line_id))
        moment = event.event_time.timestamp()
        self._model.graph.replace_edges_from(station, "part_of", {line: None}, moment, event.event_id)

    def queue(self, line: Line, gone: Iterable[str], since: float, event_id: str) -> None:
        """Edges "before" between neighbours in the line's queue; runs that are gone from it wait for nobody."""
        queue = [run_node(run) for run in line.queued()]
        following: dict[str, str | None] = dict.fromkeys(
            node_id("run", line.site_id, run_id) for run_id in gone
        )
        following.update(zip(queue, [*queue[1:], None], strict=False))
        for identity, next_one in following.items():
            targets = {} if next_one is None else {next_one: None}
            self._model.graph.replace_edges_from(identity, "before", targets, since, event_id)

    def line(self, line: Line) -> None:
        """The line's node, as part of its area or site, and whose it is."""
        event = line.event
        assert event is not None
        moment = event.event_time.timestamp()
        node = self._model.graph.set_node("line", line.site_id, line.line_id, line.name)
        if event.area_id is None:
            parent = self._site_node(line.site_id)
        else:
            parent = node_id("area", line.site_id, event.area_id)
            if parent not in self._model.graph:
                self._model.graph.set_node("area", line.site_id, event.area_id, event.area_id)
        self._model.graph.replace_edges_from(node, "part_of", {parent: None}, moment, event.event_id)
        owner = None
        if event.supervisor_id is not None:
            person = self._model.plant.person(line.site_id, event.supervisor_id)
            label = event.supervisor_id if person is None else person.name
            owner = self._model.graph.set_node("person", line.site_id, event.supervisor_id, label)
            self._model.graph.set_edge(owner, "owns", node, moment, event.event_id)
        for edge in self._model.graph.edges_to(node, "owns"):
            if edge.from_id != owner:
                self._model.graph.remove_edge(edge.from_id, "owns", node)
                self._model.graph.prune(edge.from_id)

    def rename(self, node_type: str, site_id: str, entity_id: str, name: str) -> None:
        """People and customers become known after what names them: give their nodes their names."""
        for site in sorted(
            {key[0] for key in (*self._model.lines, *self._model.orders)} if site_id == "*" else {site_id}
        ):
            if node_id(node_type, site, entity_id) in self._model.graph:
                self._model.graph.set_node(node_type, site, entity_id, name)

    def run(self, line: Line, run: Run) -> None:
        """The run's node, on its line, what it feeds, and for whom it is."""
        plan = run.plan
        moment, event_id = plan.event_time.timestamp(), plan.event_id
        identity = self._model.graph.set_node("run", run.site_id, run.run_id, run.run_id)
        self._model.graph.replace_edges_from(identity, "on", {line_node(line): None}, moment, event_id)
        fed: dict[str, float | None] = {}
        for fed_id in plan.feeds_run_ids:
            target = node_id("run", run.site_id, fed_id)
            if target not in self._model.graph:
                self._model.graph.set_node("run", run.site_id, fed_id, fed_id)
            fed[target] = None
        self._model.graph.replace_edges_from(identity, "feeds", fed, moment, event_id)
        for peg in plan.pegs:
            order = node_id("order", peg.order_site_id or run.site_id, peg.order_id)
            if order in self._model.graph:
                self._model.graph.set_edge(order, "needs", identity, moment, event_id, peg.quantity_pcs)

    def order(self, order: Order) -> None:
        """The order's node, who placed it, and which runs it needs."""
        event = order.event
        moment = event.event_time.timestamp()
        identity = self._model.graph.set_node("order", order.site_id, order.order_id, f"#{order.order_id}")
        customer = self._model.plant.customer(order.site_id, event.customer_id)
        label = event.customer_id if customer is None else customer.name
        placed_by = self._model.graph.set_node("customer", order.site_id, event.customer_id, label)
        for edge in self._model.graph.edges_to(identity, "placed"):
            if edge.from_id != placed_by:
                self._model.graph.remove_edge(edge.from_id, "placed", identity)
                self._model.graph.prune(edge.from_id)
        self._model.graph.set_edge(placed_by, "placed", identity, moment, event.event_id)
        for (site_id, run_id), quantity in sorted(
            self._model.pegged.get((order.site_id, order.order_id), {}).items()
        ):
            plan = self._model.runs[site_id, run_id].plan
            self._model.graph.set_edge(
                identity,
                "needs",
                node_id("run", site_id, run_id),
                plan.event_time.timestamp(),
                plan.event_id,
                quantity,
            )

    def _site_node(self, site_id: str) -> str:
        identity = node_id("site", site_id, site_id)
        return (
            identity
            if identity in self._model.graph
            else self._model.graph.set_node("site", site_id, site_id, site_id)
        )
