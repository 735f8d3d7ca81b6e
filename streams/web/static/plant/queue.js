/** What waits on a line, in its order, as the live graph says. */

import { splitKey } from "../format.js";

/**
 * Runs of a line: the current one, then what comes after it.
 * @param {object} around answer of /graph/line/ID
 * @param {string|null} current id of the run that is on
 * @param {(order: string) => object|null} orderOf the projection of an order
 */
export function queueOf(around, current, orderOf) {
  const [line] = around.nodes;
  const idOf = new Map(around.nodes.map((each) => [each.node_id, each.entity_id]));
  const here = new Set(around.edges.filter((each) => each.relation === "on" && each.to_id === line.node_id).map((each) => each.from_id));
  const next = new Map(around.edges.filter((each) => each.relation === "before" && here.has(each.from_id)).map((each) => [each.from_id, each]));
  const needs = around.edges.filter((each) => each.relation === "needs");
  const followers = new Set([...next.values()].map((each) => each.to_id));
  const runs = new Map([...here].sort().map((node) => [node, {
    runId: idOf.get(node) ?? splitKey(node).at(-1),
    needs: needs.filter((each) => each.to_id === node).map((each) => ({ orderId: idOf.get(each.from_id), quantity: each.quantity_pcs })),
  }]));
  const isFirst = ([node, run]) => run.runId === current || (!current && !followers.has(node)
    && (next.has(node) || run.needs.some((each) => orderOf(each.orderId)?.binding_run_id === run.runId)));
  const queue = new Map();
  for (const [first] of [...runs].filter(isFirst)) {
    for (let node = first; runs.has(node) && !queue.has(node); node = next.get(node)?.to_id) queue.set(node, runs.get(node));
  }
  return [...queue.values()];
}
