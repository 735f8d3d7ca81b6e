/** Plans as rows and bars of a chart: what a run is called, where it goes, and what one plan does to another. Pure but for names. */

import { clean, joinKey, span, splitKey, when } from "../format.js";
import { documents, nameOf, zoneOf } from "../store.js";

const NOTICED_MS = 60_000; // a start that moves by less is no change to anybody, as for the solver

/** Key of a planned run, and of the line that it is on. */
export const runKey = (run) => joinKey(run.site_id, run.run_id);
export const lineKey = (run) => joinKey(run.line_site_id ?? run.site_id, run.line_id);

/** What people call a line, with its site where that is another one. */
export function lineName(key, site) {
  const [of, id] = splitKey(key);
  const name = clean(nameOf("line", of, id));
  return of === site ? name : `${name} (${clean(nameOf("site", of, of))})`;
}

/** A planned run and what it is for: "R-4471 #4471 Northwind". */
export function runName(run) {
  const [first, ...others] = run.order_ids ?? [];
  if (!first) return clean(run.run_id);
  const customer = documents.order.peek().get(first)?.document.customer_id;
  const [site, order] = splitKey(first);
  return `${clean(run.run_id)} #${clean(order)}${customer ? ` ${clean(nameOf("customer", site, customer))}` : ""}${others.length ? ` and ${others.length} more` : ""}`;
}

/** Where and when a run is: "Line 1, Mon 14:30 to Tue 06:30". */
export function placeOf(run, site, now) {
  if (!run) return "nowhere";
  return `${lineName(lineKey(run), site)}, ${when(run.start_at, zoneOf(site), now)} to ${when(run.end_at, zoneOf(site), now)}`;
}

/**
 * What one plan does to another, run by run: [{key, after, before, why}], by where they begin; after or before may be null.
 * @param {object[]} after, before planned runs
 * @param {object[]} changes of the option, for why
 */
export function movesOf(after, before, changes = []) {
  const was = new Map(before.map((run) => [runKey(run), run]));
  const is = new Set(after.map(runKey));
  const why = new Map();
  for (const change of changes) {
    if (change.because) why.set(runKey(change), [...new Set([...(why.get(runKey(change)) ?? []), change.because])]);
  }
  const moved = after.map((run) => ({ key: runKey(run), after: run, before: was.get(runKey(run)) ?? null })).filter((each) => isMoved(each.after, each.before));
  const gone = before.filter((run) => !is.has(runKey(run))).map((run) => ({ key: runKey(run), after: null, before: run }));
  return [...moved, ...gone].map((each) => ({ ...each, why: why.get(each.key)?.join("; ") ?? "" }))
    .sort((one, other) => Date.parse((one.after ?? one.before).start_at) - Date.parse((other.after ?? other.before).start_at) || (one.key < other.key ? -1 : 1));
}

function isMoved(after, before) {
  if (!before) return true;
  const far = (name) => Math.abs(Date.parse(after[name]) - Date.parse(before[name])) >= NOTICED_MS;
  return lineKey(after) !== lineKey(before) || far("start_at") || far("end_at") || after.quantity_pcs !== before.quantity_pcs;
}

/** Lines on which something moves. */
export function affectedLines(moves) {
  return new Set(moves.flatMap(({ after, before }) => [after, before].filter(Boolean).map(lineKey)));
}

/** Rows for lines, by name. */
export function rowsOf(keys, site, targets = new Set()) {
  return [...keys].map((id) => ({ id, name: lineName(id, site), isTarget: targets.has(id) }))
    .sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }) || (one.id < other.id ? -1 : 1));
}

/**
 * The bars of a plan, and outlines of where moved runs were.
 * @param {object} about plan: planned runs; moves: of movesOf; choices, locks: Map of run key -> choice or lock of a
 *     planner; site; now: the plant's time that names of moments are near to; canMove: (run) => whether it can be dragged
 * @returns {{bars: object[], links: object[]}}
 */
export function barsOf({ plan, moves = [], choices = new Map(), locks = new Map(), site, now, canMove = () => false }) {
  const moved = new Map(moves.map((each) => [each.key, each]));
  const bars = plan.map((run) => {
    const key = runKey(run);
    const status = choices.get(key)?.status ?? run.status;
    const setup = run.setup_s > 0 ? new Date(Date.parse(run.start_at) - run.setup_s * 1000).toISOString() : undefined;
    const before = moved.get(key)?.before;
    const name = runName(run);
    return {
      id: key, row: lineKey(run), from: run.start_at, to: run.end_at, name, setupFrom: setup,
      isChanged: moved.has(key), isFixed: status === "started" || status === "frozen", isLocked: locks.has(key), canMove: canMove(run),
      about: () => [`${name}: ${placeOf(run, site, now)}`, setup && `setup of ${span(run.setup_s)} before it`,
        moved.has(key) && (before ? `was on ${placeOf(before, site, now)}` : "new"), status === "started" && "started", status === "frozen" && "frozen",
        locks.has(key) && "locked by a planner"].filter(Boolean).join(", "),
    };
  });
  const outlines = moves.filter((each) => each.before).map(({ key, before }) => ({
    id: `was ${key}`, row: lineKey(before), from: before.start_at, to: before.end_at, name: "", isWas: true,
    about: () => `${runName(before)} was on ${placeOf(before, site, now)}`,
  }));
  return { bars: [...bars, ...outlines], links: moves.filter((each) => each.before && each.after).map(({ key }) => ({ from: `was ${key}`, to: key })) };
}

/** What a chart shows at first: the moves, now, and the marks that are not far from them. */
export function spanOf(moves, now, marks = []) {
  const times = moves.flatMap(({ after, before }) => [after, before].filter(Boolean)).flatMap((run) => [Date.parse(run.start_at), Date.parse(run.end_at)]);
  if (!times.length) return null;
  const all = [...times, Date.parse(now)].filter((at) => !Number.isNaN(at));
  const far = Math.max(...all) + (Math.max(...all) - Math.min(...all)) / 2;
  all.push(...marks.map((mark) => Date.parse(mark.at)).filter((at) => at < far));
  return { from: new Date(Math.min(...all)).toISOString(), to: new Date(Math.max(...all)).toISOString() };
}

/** Promise and truck of the orders of a run: the marks of a chart. */
export function marksOf(orderIds, option, limit = 2) {
  return orderIds.slice(0, limit).flatMap((key) => {
    const order = documents.order.peek().get(key)?.document;
    const [site, id] = splitKey(key);
    const effect = option?.per_order.find((each) => each.site_id === site && each.order_id === id);
    const truck = effect ? effect.ships_after : order?.ships_at;
    return [order && { at: order.promised_at, name: `promise #${id}`, kind: "promise" }, truck && { at: truck, name: `truck #${id}`, kind: "truck" }].filter(Boolean);
  });
}
