/** Where the nodes around an entity stand: those nearer in a column nearer to its own, each column in the order of its neighbours. */

const [COLUMN, ROW, BOX_W, BOX_H, EDGE] = [240, 34, 190, 24, 12];

/** How far each node is from the first one, by the edges that are there. */
export function distancesOf(nodes, edges) {
  const beside = new Map(nodes.map((each) => [each.node_id, []]));
  for (const edge of edges) {
    beside.get(edge.from_id)?.push(edge.to_id);
    beside.get(edge.to_id)?.push(edge.from_id);
  }
  const found = new Map([[nodes[0].node_id, 0]]);
  for (const node of found.keys()) { // grows while it is walked
    for (const other of beside.get(node)) if (beside.has(other) && !found.has(other)) found.set(other, found.get(node) + 1);
  }
  return found;
}

/**
 * Coordinates: what points to the entity stands on its left, what it points to on its right, and what is behind these on their side.
 * @returns {{width, height, boxW, boxH, places: Map<string, {x, y}>}} of the upper left corners
 */
export function placesOf(nodes, edges) {
  const [centre] = nodes;
  const distance = distancesOf(nodes, edges);
  const side = new Map([[centre.node_id, 0]]);
  const parent = new Map();
  for (const node of [...distance.keys()].slice(1)) {
    const hop = distance.get(node);
    const edge = edges.find((each) => (each.to_id === node && distance.get(each.from_id) === hop - 1) || (each.from_id === node && distance.get(each.to_id) === hop - 1));
    const near = edge.to_id === node ? edge.from_id : edge.to_id;
    parent.set(node, near);
    side.set(node, hop === 1 ? (edge.from_id === node ? -1 : 1) : side.get(near));
  }
  const columns = new Map();
  for (const [node, hop] of distance) {
    const at = hop * side.get(node);
    if (!columns.has(at)) columns.set(at, []);
    columns.get(at).push(node);
  }
  const rank = new Map();
  for (const at of [...columns.keys()].sort((one, other) => Math.abs(one) - Math.abs(other))) {
    const column = columns.get(at);
    column.sort((one, other) => (rank.get(parent.get(one)) ?? 0) - (rank.get(parent.get(other)) ?? 0)); // stable: else as the server ranked them
    column.forEach((node, index) => rank.set(node, index));
  }
  const ats = [...columns.keys()].sort((one, other) => one - other);
  const tallest = Math.max(...[...columns.values()].map((each) => each.length));
  const places = new Map();
  ats.forEach((at, index) => {
    const column = columns.get(at);
    column.forEach((node, row) => places.set(node, { x: EDGE + index * COLUMN, y: EDGE + (row + (tallest - column.length) / 2) * ROW }));
  });
  return { width: 2 * EDGE + (ats.length - 1) * COLUMN + BOX_W, height: 2 * EDGE + (tallest - 1) * ROW + BOX_H, boxW: BOX_W, boxH: BOX_H, places };
}
