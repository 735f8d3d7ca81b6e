/** Why: the path from the root cause to the customer, each step since when and by which event; and the arithmetic behind it. */

import { html, useState } from "../lib.js";
import { get } from "../api.js";
import { joinKey, percent, plural, splitKey, when, words } from "../format.js";
import { Failed, Loading, Name, When, useAsked } from "../parts.js";
import { link } from "../router.js";
import { nameOf, nowOf, zoneOf } from "../store.js";

/** The section of a card. */
export function Why({ card }) {
  const { cause } = card;
  const steps = stepsOf(card.path);
  return html`<section><h3>Why</h3>
    <ol class="path"><li class="root"><strong><${Name} text=${cause.in_words} long /></strong>
      <span class="quiet">${cause.delta != null ? `${percent(cause.delta, 1, true)} against plan, ` : ""}${cause.since
        ? html`since <${When} at=${cause.since} site=${card.site_id} />` : "since when is unknown"}${cause.lost_h != null && `, ${cause.lost_h.toFixed(1)} working hours lost`}</span></li>
      ${steps.map(({ node, step }) => html`<li key=${node}><strong><${Node} id=${node} card=${card} /></strong>
        ${" "}<${Name} text=${step.detail || words(step.relation)} long />
        <span class="quiet">${step.since ? html`since <${When} at=${step.since} site=${card.site_id} far=${false} />` : ""}${step.event_id && html` by event <code><${Name} text=${step.event_id} /></code>`}</span></li>`)}
    </ol>
    ${card.evidence.length > 0 && html`<details><summary>Evidence: ${plural(card.evidence.length, "event")}</summary><ul>${card.evidence.map((each) => html`
      <li key=${each}><code><${Name} text=${each} long /></code></li>`)}</ul></details>`}
    <${Arithmetic} card=${card} />
  </section>`;
}

/** Nodes in the order in which the path meets them, each with the step that led there; the root is told before. */
function stepsOf(path) {
  const met = new Set();
  const steps = [];
  for (const step of path) {
    const [near, far] = met.has(step.from_id) ? [step.from_id, step.to_id] : [step.to_id, step.from_id];
    met.add(near);
    if (!met.has(far)) steps.push({ node: far, step });
    met.add(far);
  }
  return steps;
}

/** A node as people call it, leading to what is around it. */
function Node({ id, card }) {
  const [kind, site, ...rest] = splitKey(id);
  const name = rest.at(-1) ?? site;
  const worst = card.affected[0];
  if (kind === "order") return html`<a href=${link("orders", joinKey(site, name))}>#<${Name} text=${name} /></a>`;
  if (kind === "shipment" && worst) return html`<span>truck ${when(worst.on_time_slot_at, zoneOf(card.site_id), nowOf(card.site_id))}</span>`;
  if (kind === "line") return html`<a href=${link("lines", joinKey(site, name))}><${Name} text=${nameOf(kind, site, name)} /></a>`;
  if (kind === "customer" && worst?.customer_id === name) return html`<a href=${link("graph", kind, joinKey(site, name))}><${Name} text=${worst.customer_name} /></a>`;
  return html`<a href=${link("graph", kind, joinKey(site, name))}><${Name} text=${nameOf(kind, site, name)} /></a>`;
}

/** The same numbers worked out step by step, as `foresite why` gives them: the server folds the facts again, on demand. */
function Arithmetic({ card }) {
  const [isOpen, open] = useState(false);
  return html`<details onToggle=${(event) => open(event.target.open)}><summary>Arithmetic</summary>
    ${isOpen && html`<${Worked} id=${card.card_id} revision=${card.revision} />`}</details>`;
}

function Worked({ id, revision }) {
  const asked = useAsked((options) => get(`/why/${encodeURIComponent(id)}`, {}, options), `${id} ${revision}`);
  if (asked.problem) return html`<${Failed} problem=${asked.problem} again=${asked.again} still="The path above stands." />`;
  if (!asked.value) return html`<${Loading} lines=${5} what="Folding the facts again; this takes seconds" />`;
  return html`<p><strong><${Name} text=${asked.value.headline} long /></strong></p><${Steps} steps=${asked.value.steps} />`;
}

function Steps({ steps }) {
  return html`<ul class="arithmetic">${steps.map((step, index) => html`<li key=${index}><${Name} text=${step.what} long />
    ${step.formula && html`<span class="formula"><${Name} text=${step.formula} long /></span>`}
    ${step.steps?.length > 0 && html`<${Steps} steps=${step.steps} />`}</li>`)}</ul>`;
}
