/** Orders: what was promised, what is projected, and what decides; and what a rush order would cost whom. */

import { html, useMemo } from "../lib.js";
import { joinKey, percent, span, when, words } from "../format.js";
import { Empty, Failed, Loading, Name } from "../parts.js";
import { link, withQuery } from "../router.js";
import { nameOf, sites, zoneOf } from "../store.js";
import { Pager, useListed } from "../plant/listed.js";
import { RushQuote } from "../plant/rush_quote.js";

/** The page. */
export function Page({ query }) {
  const listed = useListed("order", query);
  const heading = html`<h1 tabindex="-1">Orders</h1>`;
  if (!listed.items) return html`<div>${heading}${listed.problem ? html`<${Failed} problem=${listed.problem} again=${listed.again} />` : html`<${Loading} what="Loading the orders" lines=${8} />`}</div>`;
  return html`<div class="entity">${heading}
    ${listed.problem && html`<${Failed} problem=${listed.problem} again=${listed.again} />`}
    ${sites.value.length > 1 && html`<p>${[null, ...sites.value].map((site) => html`<a key=${site ?? ""} class="choice-link" href=${withQuery({ site, offset: null })}
      aria-current=${(query.get("site") || null) === site ? "true" : undefined}>${site ? html`<${Name} text=${nameOf("site", site, site)} />` : "All sites"}</a> `)}</p>`}
    ${!listed.total ? html`<${Empty}><p>No order waits to be shipped.</p><//>` : html`<${Pager} listed=${listed} what="orders" />
      <div class="scroll" role="region" aria-label="Orders" tabindex="0"><table class="plant orders">
        <thead><tr>${["Order", "Promised", "Ships", "Slip", "Slack", "P(late)", "Decided by"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
        <tbody>${listed.items.map((order) => html`<${Row} key=${joinKey(order.site_id, order.order_id)} order=${order} zone=${zoneOf(order.site_id)}
          customer=${nameOf("customer", order.site_id, order.customer_id)} />`)}</tbody></table></div>`}
    <${RushQuote} />
  </div>`;
}

/** One order; drawn again only when something of it has changed. */
function Row({ order, zone, customer }) {
  return useMemo(() => html`<tr><th scope="row"><a href=${link("orders", joinKey(order.site_id, order.order_id))}>#<${Name} text=${order.order_id} /></a> <${Name} text=${customer} /></th>
    <td>${when(order.promised_at, zone, order.as_of)}</td>
    <td class=${order.ships_at ? "" : "unknown"}>${order.ships_at ? when(order.ships_at, zone, order.as_of) : order.status === "projected" ? "unknown" : words(order.status)}</td>
    <td class="number">${slipOf(order)}</td><td class="number">${slackOf(order)}</td>
    <td class="number">${percent(order.p_late, 1)}</td><td><${Decides} order=${order} /></td></tr>`, [order, zone, customer]);
}

/** How much later than promised it ships. */
export function slipOf(order) {
  return order.slip_s == null ? "unknown" : order.slip_s > 0 ? span(order.slip_s) : "none";
}

/** Time from ready to needed, by the clock. */
export function slackOf(order) {
  return order.slack_s == null ? "unknown" : `${order.slack_s < 0 ? "-" : ""}${span(order.slack_s)}`;
}

/** The run, the line and the cause that decide. */
export function Decides({ order }) {
  if (!order.binding_run_id) return html`<span class="unknown">unknown</span>`;
  return html`<${Name} text=${order.binding_run_id} />${order.binding_line_id && html` on <a href=${link("lines", joinKey(order.site_id, order.binding_line_id))}>
    <${Name} text=${nameOf("line", order.site_id, order.binding_line_id)} /></a>`}${order.binding_cause && html`: <${Name} text=${words(order.binding_cause)} />`}`;
}
