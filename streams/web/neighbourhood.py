"""The live graph as read from its topic, and what lies around one of its nodes."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from schemas import GraphEdge, GraphNode


class Neighbourhood(NamedTuple):
    """Nodes by distance, nearest first, the edges between them, and how many more nodes there are within reach."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    left_out: int


class GraphView:
    """Nodes and edges.

    Args:
        nodes_max: and as many edges times four; what comes beyond is dropped and counted.
    """

    def __init__(self, nodes_max: int) -> None:
        self._nodes_max = nodes_max
        self.nodes: dict[str, GraphNode] = {}
        self.edges: dict[str, GraphEdge] = {}
        self.dropped = 0
        self._edges_at: dict[str, dict[str, None]] = {}
        self._by_entity: dict[tuple[str, str], dict[str, None]] = {}

    def take(self, key: str, value: bytes | None) -> None:
        """Take a record of the graph's topic.

        Raises:
            ValidationError: this version cannot read it.
        """
        if value is None:
            self._remove_node(key)
            self._remove_edge(key)
        elif orjson.loads(value).get("element") == "node":
            self._set_node(key, GraphNode.model_validate_json(value))
        else:
            self._set_edge(key, GraphEdge.model_validate_json(value))

    def named(self, node_type: str, entity_id: str, site_id: str | None) -> list[GraphNode]:
        """Nodes of a type with that id, of one site or of all."""
        keys = self._by_entity.get((node_type, entity_id), {})
        found = [self.nodes[key] for key in keys]
        return [node for node in found if site_id in (None, node.site_id)]

    def around(self, start: GraphNode, hops: int, nodes_max: int) -> Neighbourhood:
        """What lies within so many edges of a node, whatever their direction; the nearest first, then by relation and id."""
        distance = {start.node_id: 0}
        wave = [start.node_id]
        for hop in range(1, hops + 1):
            reached = [
                other
                for node_id in wave
                for edge_id in sorted(self._edges_at.get(node_id, {}))
                if (other := self._other_end(edge_id, node_id)) in self.nodes
            ]
            wave = [node_id for node_id in dict.fromkeys(reached) if node_id not in distance]
            distance.update(dict.fromkeys(wave, hop))
        shown = list(distance)[:nodes_max]
        chosen = set(shown)
        edges = {
            edge_id: None
            for node_id in shown
            for edge_id in sorted(self._edges_at.get(node_id, {}))
            if self._other_end(edge_id, node_id) in chosen
        }
        return Neighbourhood(
            [self.nodes[node_id] for node_id in shown],
            [self.edges[edge_id] for edge_id in edges],
            len(distance) - len(shown),
        )

    def parent(self, node_id: str) -> str | None:
        """Id of the entity that a node is part of; None where the graph does not say."""
        for edge_id in self._edges_at.get(node_id, {}):
            edge = self.edges[edge_id]
            if edge.relation == "part_of" and edge.from_id == node_id and edge.to_id in self.nodes:
                return self.nodes[edge.to_id].entity_id
        return None

    def _other_end(self, edge_id: str, node_id: str) -> str:
        edge = self.edges[edge_id]
        return edge.to_id if edge.from_id == node_id else edge.from_id

    def _set_node(self, key: str, node: GraphNode) -> None:
        if key not in self.nodes and len(self.nodes) >= self._nodes_max:
            self.dropped += 1
            return
        self.nodes[key] = node
        self._by_entity.setdefault((node.node_type, node.entity_id), {})[key] = None

    def _set_edge(self, key: str, edge: GraphEdge) -> None:
        if key not in self.edges and len(self.edges) >= 4 * self._nodes_max:
            self.dropped += 1
            return
        self._remove_edge(key)
        self.edges[key] = edge
        for end in (edge.from_id, edge.to_id):
            self._edges_at.setdefault(end, {})[key] = None

    def _remove_node(self, key: str) -> None:
        node = self.nodes.pop(key, None)
        if node is not None:
            _drop(self._by_entity, (node.node_type, node.entity_id), key)

    def _remove_edge(self, key: str) -> None:
        edge = self.edges.pop(key, None)
        for end in _ends(edge):
            _drop(self._edges_at, end, key)


def _ends(edge: GraphEdge | None) -> Iterable[str]:
    return () if edge is None else dict.fromkeys((edge.from_id, edge.to_id))


def _drop(index: dict[Any, dict[str, None]], at: Any, key: str) -> None:
    kept = index.get(at)
    if kept is not None:
        kept.pop(key, None)
        if not kept:
            del index[at]
