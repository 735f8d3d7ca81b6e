/** One order: when it ships against its promise, what decides, its chain, and the material behind it. */

import { html, useMemo } from "../lib.js";
import { get } from "../api.js";
import { joinKey, number, percent, words } from "../format.js";
import { Failed, Loading, Name, Severity, When } from "../parts.js";
import { byUrgency, LIVE } from "../cards/ranking.js";
import { useKept } from "../plant/listed.js";
import { Moments } from "../plant/moments.js";
import { link } from "../router.js";
import { documentOf, documents, nameOf } from "../store.js";
import { Decides, slackOf, slipOf } from "./orders.js";

/** The page. */
export function Page({ params: { id } }) {
  const live = documentOf("order", id);
  const asked = useKept((options) => get(`/orders/${encodeURIComponent(id)}`, {}, options), id, live?.status);
  const order = live ?? asked.value?.order;
  if (!order) {
    return html`<div><h1 tabindex="-1">Order</h1>${asked.problem ? html`<${Failed} problem=${asked.problem} again=${asked.again} still="" /><p><a href="/orders">All orders</a></p>`
      : html`<${Loading} what="Loading the order" lines=${8} />`}</div>`;
  }
  return html`<div class="entity"><h1 tabindex="-1">#<${Name} text=${order.order_id} /> <${Name} text=${nameOf("customer", order.site_id, order.customer_id)} /></h1>
    ${asked.problem && html`<${Failed} problem=${asked.problem} again=${asked.again} />`}
    ${order.caveats.length > 0 && html`<ul class="caveats">${order.caveats.map((each, index) => html`<li key=${index}><${Name} text=${each} long /></li>`)}</ul>`}
    <dl class="facts"><div><dt>State</dt><dd>${words(order.status)}, as of <${When} at=${order.as_of} site=${order.site_id} /></dd></div>
      <div><dt>Slip</dt><dd>${slipOf(order)}</dd></div><div><dt>Slack</dt><dd>${slackOf(order)}</dd></div>
      <div><dt>P(late)</dt><dd>${percent(order.p_late, 1)}<${Parts} order=${order} /></dd></div>
      <div><dt>Decided by</dt><dd><${Decides} order=${order} /></dd></div>
      ${order.transfer_h > 0 && html`<div><dt>Transfer</dt><dd>${number(order.transfer_h, 1, "h")} from the site where it is made</dd></div>`}</dl>
    <p><a href=${link("graph", "order", joinKey(order.site_id, order.order_id))}>Connections</a></p>
    <section><h2>When</h2><${Moments} order=${order} /></section>
    <${Chain} order=${order} />
    <${Cards} order=${order} />
  </div>`;
}

/** What P(late) is made of. */
function Parts({ order }) {
  if (order.p_pace == null) return null;
  return html` <span class="quiet">1 - (1 - ${number(order.p_pace, 3)} by pace) × exp(-${number(order.long_stops, 4)} long stops) × (1 - ${number(order.p_stop_lasts, 3)} that the present stop lasts)</span>`;
}

/** The cards that name it, from what the stream has told. */
function Cards({ order }) {
  const found = useMemo(() => [...documents.card.value.values()].map((each) => each.document).filter((card) => LIVE.has(card.state)
    && card.affected.some((each) => each.site_id === order.site_id && each.order_id === order.order_id)).sort(byUrgency), [documents.card.value, order.order_id]);
  return html`<section><h2>Cards</h2>${found.length ? html`<ul class="plain-list">${found.map((card) => html`<li key=${card.card_id}>
    <${Severity} level=${card.severity} /> <a href=${link("cards", card.card_id)}><${Name} text=${card.title} /></a></li>`)}</ul>` : html`<p>No open card names this order.</p>`}</section>`;
}

/** Runs, lines and departures of the order; and for the run that decides, what it takes and what comes. */
function Chain({ order }) {
  const site = order.site_id;
  const asked = useKept((options) => get(`/graph/order/${encodeURIComponent(order.order_id)}`, { site }, options), joinKey(site, order.order_id), order.binding_run_id);
  if (asked.problem && !asked.value) return html`<section><h2>Chain</h2>${asked.problem.status === 404 ? html`<p>The order is not in the live graph.</p>` : html`<${Failed} problem=${asked.problem} again=${asked.again} />`}</section>`;
  if (!asked.value) return html`<section><h2>Chain</h2><${Loading} what="Loading the chain" /></section>`;
  const node = new Map(asked.value.nodes.map((each) => [each.node_id, each]));
  const [self] = asked.value.nodes;
  const needs = asked.value.edges.filter((each) => each.relation === "needs" && each.from_id === self.node_id);
  const lineOf = (run) => node.get(asked.value.edges.find((each) => each.relation === "on" && each.from_id === run)?.to_id);
  const ships = asked.value.edges.filter((each) => each.relation === "ships_on" && each.from_id === self.node_id);
  return html`<section><h2>Chain</h2>${!needs.length ? html`<p>No run is planned for it.</p>` : html`<div class="scroll" role="region" aria-label="Runs of the order" tabindex="0"><table class="chain queue">
      <thead><tr>${["Run", "Pieces", "Line", "Since", "By event"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
      <tbody>${needs.map((each) => {
        const line = lineOf(each.to_id);
        return html`<tr key=${each.edge_id}><th scope="row"><${Name} text=${node.get(each.to_id)?.entity_id ?? each.to_id} /></th><td class="number">${number(each.quantity_pcs)}</td>
          <td>${line ? html`<a href=${link("lines", joinKey(line.site_id, line.entity_id))}><${Name} text=${line.label} /></a>` : html`<span class="unknown">unknown</span>`}</td>
          <td><${When} at=${each.since} site=${site} far=${false} /></td><td><code><${Name} text=${each.event_id} /></code></td></tr>`;
      })}</tbody></table></div>`}
    ${ships.map((each) => html`<p key=${each.edge_id}>Promised on <${Name} text=${node.get(each.to_id)?.label ?? each.to_id} />, by event <code><${Name} text=${each.event_id} /></code>.</p>`)}
    ${order.binding_run_id && html`<${Material} run=${order.binding_run_id} site=${lineSite(asked.value, order) ?? site} />`}</section>`;
}

const lineSite = (around, order) => around.nodes.find((each) => each.node_type === "run" && each.entity_id === order.binding_run_id)?.site_id;

/** What the deciding run takes, and which receipts are expected of it. What is in stock no endpoint says but on a card. */
function Material({ run, site }) {
  const asked = useKept((options) => get(`/graph/run/${encodeURIComponent(run)}`, { site }, options), joinKey(site, run), "");
  if (!asked.value) return asked.problem && asked.problem.status !== 404 ? html`<${Failed} problem=${asked.problem} again=${asked.again} />` : null;
  const node = new Map(asked.value.nodes.map((each) => [each.node_id, each]));
  const [self] = asked.value.nodes;
  const takes = asked.value.edges.filter((each) => each.relation === "consumes" && each.from_id === self.node_id);
  const receiptsOf = (item) => asked.value.edges.filter((each) => each.relation === "supplies" && each.to_id === item);
  return html`<h3>Material of <${Name} text=${run} /></h3>${!takes.length ? html`<p>No bill of material says what it takes.</p>` : html`<div class="scroll" role="region" aria-label="Material" tabindex="0"><table class="chain material">
    <thead><tr><th scope="col">Item</th><th scope="col">It takes</th><th scope="col">Receipts expected</th></tr></thead>
    <tbody>${takes.map((each) => html`<tr key=${each.edge_id}><th scope="row"><${Name} text=${node.get(each.to_id)?.label ?? each.to_id} /></th><td class="number">${number(each.quantity_pcs)}</td>
      <td>${receiptsOf(each.to_id).length ? receiptsOf(each.to_id).map((receipt) => html`<div key=${receipt.edge_id}><${Name} text=${node.get(receipt.from_id)?.entity_id ?? receipt.from_id} />: ${number(receipt.quantity_pcs)}</div>`) : "none known"}</td></tr>`)}</tbody></table></div>`}`;
}
