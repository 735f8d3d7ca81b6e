"""The live graph: who is connected to whom, since when, and which event said so. networkx holds structure, no counts.

A node is "type/site/id", an edge "from|relation|to"; both are published whole. Edges are documents of the shard,
nodes follow from the entities. Hot reads (queues, pegs) have their own indexes and never come here.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import networkx as nx

from schemas import join_key
from twin.state.store import DocumentStore


class Edge(msgspec.Struct, frozen=True):
    """One relation. since: POSIX seconds of the event that said so."""

    from_id: str
    relation: str
    to_id: str
    since: float
    event_id: str
    quantity_pcs: float | None = None

    def encode(self) -> bytes:
        """JSON of the edge."""
        return msgspec.json.encode(self)


class Node(msgspec.Struct, frozen=True):
    """One thing in the graph."""

    node_id: str
    node_type: str
    entity_id: str
    site_id: str
    label: str


def node_id(node_type: str, site_id: str, entity_id: str) -> str:
    """Id of a node."""
    return join_key(node_type, site_id, entity_id)


def edge_id(from_id: str, relation: str, to_id: str) -> str:
    """Id of an edge; node ids hold no bare "|" that could confuse it, for "|" is escaped here."""
    return "|".join(part.replace("|", "%7C") for part in (from_id, relation, to_id))


class PlantGraph:
    """Nodes and edges, and what changed in them since the last call of take_changes."""

    def __init__(self, store: DocumentStore) -> None:
        self._graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self._nodes: dict[str, Node] = {}
        self._store = store
        self._changes: dict[str, Node | Edge | None] = {}
        self._takes_edges = True

    def set_node(self, node_type: str, site_id: str, entity_id: str, label: str) -> str:
        """Add or relabel a node; says its id."""
        identity = node_id(node_type, site_id, entity_id)
        node = Node(node_id=identity, node_type=node_type, entity_id=entity_id, site_id=site_id, label=label)
        if self._nodes.get(identity) != node:
            self._nodes[identity] = node
            self._graph.add_node(identity)
            self._changes[identity] = node
        return identity

    def remove_node(self, identity: str) -> None:
        """Remove a node and all its edges; nothing happens if it is not there."""
        if identity not in self._nodes:
            return
        for edge in [*self.edges_from(identity), *self.edges_to(identity)]:
            self.remove_edge(edge.from_id, edge.relation, edge.to_id)
        self._graph.remove_node(identity)
        del self._nodes[identity]
        self._changes[identity] = None

    def prune(self, identity: str) -> None:
        """Remove a node that nothing is connected to any more."""
        if identity in self._nodes and self._graph.degree(identity) == 0:
            self.remove_node(identity)

    def set_edge(
        self,
        from_id: str,
        relation: str,
        to_id: str,
        since: float,
        event_id: str,
        quantity_pcs: float | None = None,
    ) -> None:
        """Add an edge between nodes that exist; one that holds already keeps its since, unless the quantity changed."""
        if not self._takes_edges:
            return
        before = self.edge(from_id, relation, to_id)
        if before is not None and before.quantity_pcs == quantity_pcs:
            return
        assert from_id in self._nodes, f"edge from nowhere: {from_id} {relation} {to_id}"
        assert to_id in self._nodes, f"edge to nowhere: {from_id} {relation} {to_id}"
        edge = Edge(from_id, relation, to_id, since, event_id, quantity_pcs)
        self._add(edge)
        self._changes[edge_id(from_id, relation, to_id)] = edge
        self._store.put(self._key(edge), edge)

    def remove_edge(self, from_id: str, relation: str, to_id: str) -> None:
        """Remove an edge; nothing happens if it is not there."""
        edge = self.edge(from_id, relation, to_id)
        if edge is None:
            return
        self._graph.remove_edge(from_id, to_id, key=relation)
        self._changes[edge_id(from_id, relation, to_id)] = None
        self._store.remove(self._key(edge))

    def replace_edges_from(
        self, from_id: str, relation: str, targets: Mapping[str, float | None], since: float, event_id: str
    ) -> None:
        """Make exactly these targets (with quantities) the ends of the relation."""
        if not self._takes_edges:
            return
        for edge in self.edges_from(from_id, relation):
            if edge.to_id not in targets:
                self.remove_edge(from_id, relation, edge.to_id)
        for to_id, quantity in targets.items():
            self.set_edge(from_id, relation, to_id, since, event_id, quantity)

    def edge(self, from_id: str, relation: str, to_id: str) -> Edge | None:
        """The edge, if it holds."""
        data: Any = self._graph.get_edge_data(from_id, to_id, key=relation)
        return None if data is None else data["edge"]

    def edges_from(self, identity: str, relation: str | None = None) -> list[Edge]:
        """Edges that leave a node, by relation and target."""
        if not self._takes_edges or identity not in self._nodes:
            return []
        return _chosen((data["edge"] for _, _, data in self._graph.out_edges(identity, data=True)), relation)

    def edges_to(self, identity: str, relation: str | None = None) -> list[Edge]:
        """Edges that enter a node, by relation and source."""
        if not self._takes_edges or identity not in self._nodes:
            return []
        return _chosen((data["edge"] for _, _, data in self._graph.in_edges(identity, data=True)), relation)

    def label(self, identity: str) -> str:
        """What people call the node; its id where it is unknown."""
        node = self._nodes.get(identity)
        return identity if node is None else node.label

    def __contains__(self, identity: str) -> bool:
        """Whether the node exists."""
        return identity in self._nodes

    def degree(self, identity: str) -> int:
        """Number of edges at a node; 0 where it is not there."""
        return int(self._graph.degree(identity)) if identity in self._nodes else 0

    def counts(self) -> tuple[int, int]:
        """Number of nodes and edges."""
        return self._graph.number_of_nodes(), self._graph.number_of_edges()

    @property
    def has_changes(self) -> bool:
        """Whether anything changed since the last call of take_changes."""
        return bool(self._changes)

    def take_changes(self) -> list[tuple[str, Node | Edge | None]]:
        """Nodes and edges changed since the last call, by id; None for removed ones."""
        changes = list(self._changes.items())
        self._changes.clear()
        return changes

    def restore(self, put_back: Callable[[], None], edges: Iterable[Edge]) -> None:
        """Restore nodes and edges; nothing of it is a change.

        Args:
            put_back: puts the entities back, whose nodes are made. Edges that it draws are not: the documents say which
                hold, and since when.
            edges: as read from their documents.
        """
        self._takes_edges = False
        put_back()
        self._takes_edges = True
        for edge in edges:
            self._add(edge)
        self._changes.clear()

    def _add(self, edge: Edge) -> None:
        self._graph.add_edge(edge.from_id, edge.to_id, key=edge.relation, edge=edge)

    def _key(self, edge: Edge) -> str:
        return join_key("*", "edge", edge_id(edge.from_id, edge.relation, edge.to_id))


def _chosen(edges: Iterable[Edge], relation: str | None) -> list[Edge]:
    # Sorted: a restored graph has its edges in another order than the one that never stopped.
    return sorted(
        (edge for edge in edges if relation is None or edge.relation == relation),
        key=lambda edge: (edge.relation, edge.from_id, edge.to_id),
    )
