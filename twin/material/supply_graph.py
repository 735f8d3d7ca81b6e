"""Material in the live graph: runs consume items, receipts supply them, buyers own them."""

from schemas import BillOfMaterialUpserted, ItemUpserted, ReceiptExpected
from twin.state.entities import Run, SiteKey
from twin.state.graph import PlantGraph, node_id
from twin.state.plant import Plant


class SupplyGraph:
    """Draws the edges of material; an item is in the graph while something takes or supplies it.

    Args:
        graph: of the shard.
        plant: for names and buyers.
    """

    def __init__(self, graph: PlantGraph, plant: Plant) -> None:
        self._graph = graph
        self._plant = plant

    def link_run(self, run: Run, takes: dict[str, float], bill: BillOfMaterialUpserted | None) -> None:
        """The run consumes these items, units a piece."""
        identity = node_id("run", run.site_id, run.run_id)
        targets: dict[str, float | None] = {
            self._item(run.site_id, item_id): quantity_per * run.plan.quantity_pcs
            for item_id, quantity_per in takes.items()
        }
        before = self._targets(identity, "consumes")
        said = run.plan if bill is None or run.plan.event_time > bill.event_time else bill
        self._graph.replace_edges_from(
            identity, "consumes", targets, said.event_time.timestamp(), said.event_id
        )
        for item in before:
            self._prune(item)

    def unlink_run(self, key: SiteKey) -> None:
        """The run consumes nothing any more; its node stays."""
        identity = node_id("run", *key)
        for item in self._targets(identity, "consumes"):
            self._graph.remove_edge(identity, "consumes", item)
            self._prune(item)

    def link_receipt(self, event: ReceiptExpected) -> None:
        """The receipt supplies its item."""
        identity = self._graph.set_node("receipt", event.site_id, event.receipt_id, event.receipt_id)
        target = self._item(event.site_id, event.item_id)
        before = self._targets(identity, "supplies")
        moment = event.event_time.timestamp()
        self._graph.replace_edges_from(identity, "supplies", {target: event.quantity}, moment, event.event_id)
        for item in before:
            self._prune(item)

    def unlink_receipt(self, key: SiteKey) -> None:
        """The receipt came whole, or was given up."""
        identity = node_id("receipt", *key)
        items = self._targets(identity, "supplies")
        self._graph.remove_node(identity)
        for item in items:
            self._prune(item)

    def link_owner(self, site_id: str, event: ItemUpserted) -> None:
        """What an item that is in the graph is called, and who buys it."""
        if node_id("item", site_id, event.item_id) in self._graph:
            self._describe(site_id, event.item_id)

    def _targets(self, identity: str, relation: str) -> list[str]:
        return [edge.to_id for edge in self._graph.edges_from(identity, relation)]

    def _item(self, site_id: str, item_id: str) -> str:
        identity = node_id("item", site_id, item_id)
        return identity if identity in self._graph else self._describe(site_id, item_id)

    def _describe(self, site_id: str, item_id: str) -> str:
        item = self._plant.item(site_id, item_id)
        label = item_id if item is None or not item.name else item.name
        identity = self._graph.set_node("item", site_id, item_id, label)
        owner = None
        if item is not None and item.buyer_id is not None:
            person = self._plant.person(site_id, item.buyer_id)
            name = item.buyer_id if person is None else person.name
            owner = self._graph.set_node("person", site_id, item.buyer_id, name)
            self._graph.set_edge(owner, "owns", identity, item.event_time.timestamp(), item.event_id)
        for edge in self._graph.edges_to(identity, "owns"):
            if edge.from_id != owner:
                self._graph.remove_edge(edge.from_id, "owns", identity)
                self._graph.prune(edge.from_id)
        return identity

    def _only_owned(self, item: str) -> bool:
        return all(edge.relation == "owns" for edge in self._graph.edges_to(item))

    def _prune(self, item: str) -> None:
        """Remove an item that nothing takes and nothing supplies; its buyer is no reason to keep it."""
        if self._graph.degree(item) > 1 or not self._only_owned(item):
            return
        owners = [edge.from_id for edge in self._graph.edges_to(item, "owns")]
        self._graph.remove_node(item)
        for owner in owners:
            self._graph.prune(owner)
