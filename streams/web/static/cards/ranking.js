/** Which cards are shown, in which order, and in which groups. Pure: from documents and filters, nothing else. */

import { nameOf, named } from "../store.js";
import { dayOf, secondsBetween } from "../format.js";

export const LIVE = new Set(["open", "acknowledged", "in_progress", "snoozed"]);
export const TABS = ["mine", "all", "snoozed", "cleared"];
export const FILTERS = ["site", "area", "kind", "customer", "owner", "line", "severity", "q"];

const GROUP_ABOVE = 50; // open cards; fewer are quicker read than opened group by group
export const PAGE_SIZE = 100;
const FLOOD_ABOVE = 10; // new cards within FLOOD_S: one thing happened, not many
const FLOOD_S = 600;

/** The most urgent first: by score, then deadline, then id, as every list of the server. */
export function byUrgency(one, other) {
  return other.score - one.score || deadlineOf(one) - deadlineOf(other) || (one.card_id < other.card_id ? -1 : 1);
}

const deadlineOf = (card) => (card.deadline ? Date.parse(card.deadline) : Infinity);

/** Whether a card belongs to a tab. */
export function isOnTab(card, tab, { name, zone, now }) {
  if (tab === "cleared") {
    return !LIVE.has(card.state) && dayOf(card.state_since ?? card.as_of, zone) === dayOf(now ?? card.as_of, zone);
  }
  if (tab === "snoozed") return card.state === "snoozed";
  return LIVE.has(card.state) && card.state !== "snoozed" && (tab === "all" || card.owner.id === name);
}

/** Lines that a card is about: that of its cause, then those of its orders. */
export function linesOf(card) {
  const lines = card.affected.map((order) => order.line_id).filter(Boolean);
  if (card.cause.entity_type === "line") lines.unshift(card.cause.entity_id);
  return [...new Set(lines)];
}

/** Areas of these lines, as far as the graph says. */
export function areasOf(card) {
  const areas = new Map(named("line", card.site_id).map((line) => [line.entity_id, line.part_of]));
  return [...new Set(linesOf(card).map((line) => areas.get(line)).filter(Boolean))];
}

/** Whether a card passes the filters of an address (URLSearchParams). */
export function passes(card, query) {
  const is = (name, values) => !query.get(name) || values.includes(query.get(name));
  return is("site", [card.site_id]) && is("kind", [card.kind]) && is("severity", [card.severity])
    && is("owner", [card.owner.id ?? ""]) && is("customer", card.affected.map((order) => order.customer_id))
    && is("line", linesOf(card)) && (!query.get("area") || areasOf(card).includes(query.get("area")))
    && speaksOf(card, query.get("q"));
}

function speaksOf(card, text) {
  if (!text) return true;
  const wanted = text.toLowerCase();
  const said = [card.title, card.summary, card.owner.name, card.cause.in_words, card.card_id, card.kind,
    ...card.affected.flatMap((order) => [order.order_id, `#${order.order_id}`, order.customer_name])];
  return said.some((each) => String(each).toLowerCase().includes(wanted));
}

/**
 * The list as rows: cards, or groups of them. Above GROUP_ABOVE open cards those with one root are one group; new ones
 * of a flood are one group a cause, whatever the number.
 * @param {object[]} cards in the order in which they are to stand
 * @returns {{key: string, label: string|null, isFlood: boolean, cards: object[]}[]}
 */
export function rowsOf(cards, nowOf) {
  const isNew = (card) => {
    const age = secondsBetween(card.opened_at, nowOf(card.site_id));
    return card.state === "open" && age != null && age < FLOOD_S;
  };
  const flood = cards.filter(isNew).length > FLOOD_ABOVE;
  const isGrouped = cards.length > GROUP_ABOVE;
  const rows = new Map();
  for (const card of cards) {
    const isFlood = flood && isNew(card);
    const { signal, entity_type: type, entity_id: id } = card.cause;
    let key = card.card_id;
    let label = null;
    if (isFlood) [key, label] = [`flood/${signal}`, `New in the last 10 min: ${signal.replaceAll("_", " ")}`];
    else if (isGrouped) [key, label] = [`root/${card.site_id}/${type}/${id}`, nameOf(type, card.site_id, id)];
    if (!rows.has(key)) rows.set(key, { key, label, isFlood, cards: [] });
    rows.get(key).cards.push(card);
  }
  return [...rows.values()].map((row) => (row.cards.length > 1 ? row : { ...row, key: row.cards[0].card_id, label: null, isFlood: false }));
}

/** Sums of money by currency: {EUR: 5000}. */
export function exposures(cards) {
  const sums = {};
  for (const { impact } of cards) sums[impact.currency] = (sums[impact.currency] ?? 0) + impact.exposure;
  return sums;
}

const LADDER = ["low", "medium", "high", "critical"];

/** The worst severity of several cards. */
export function worstOf(cards) {
  return LADDER[Math.max(...cards.map((card) => LADDER.indexOf(card.severity)))];
}

/** Values to choose from for each filter: name -> [[value, label]], from the cards that there are. */
export function choices(cards) {
  const found = { site: new Map(), area: new Map(), kind: new Map(), customer: new Map(), owner: new Map(), line: new Map() };
  for (const card of cards) {
    found.site.set(card.site_id, nameOf("site", card.site_id, card.site_id));
    found.kind.set(card.kind, card.kind.replaceAll("_", " "));
    if (card.owner.id) found.owner.set(card.owner.id, card.owner.name);
    for (const order of card.affected) found.customer.set(order.customer_id, order.customer_name);
    for (const line of linesOf(card)) found.line.set(line, nameOf("line", card.site_id, line));
    for (const area of areasOf(card)) found.area.set(area, nameOf("area", card.site_id, area));
  }
  return Object.fromEntries(Object.entries(found).map(([name, map]) => [
    name, [...map].sort(([, one], [, other]) => one.localeCompare(other)),
  ]));
}
