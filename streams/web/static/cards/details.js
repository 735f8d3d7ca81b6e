/** What only some kinds of card say: the part, the bad pieces, the stop, or what cannot be trusted. Every number stands on the card. */

import { html } from "../lib.js";
import { number, percent } from "../format.js";
import { Name, When } from "../parts.js";
import { nameOf } from "../store.js";

/** Sections of what is particular to the card's kind. */
export function Details({ card }) {
  return html`${card.shortage && html`<${Part} of=${card.shortage} site=${card.site_id} />`}
    ${card.quality && html`<${Pieces} of=${card.quality} site=${card.site_id} />`}
    ${card.stop && html`<${Stop} of=${card.stop} site=${card.site_id} />`}
    ${card.data && html`<${Doubt} of=${card.data} site=${card.site_id} />`}`;
}

function Part({ of, site }) {
  return html`<section><h3>The part</h3><dl class="facts">
    <div><dt>Part</dt><dd><${Name} text=${of.item_name} /> <span class="quiet"><${Name} text=${of.item_id} /></span></dd></div>
    <div><dt>Missing</dt><dd>${number(of.short_quantity, 0, of.unit)} from <${When} at=${of.need_by} site=${site} /></dd></div>
    <div><dt>There</dt><dd>${number(of.available, 0, of.unit)}, and ${number(of.on_order, 0, of.unit)} on order until then; the last one goes <${When} at=${of.runs_out_at} site=${site} /></dd></div>
    <div><dt>Order by</dt><dd>${of.order_by ? html`<${When} at=${of.order_by} site=${site} />` : "no lead time is known"} <span class="quiet">(<${Name} text=${of.lead_time_because} />)</span></dd></div>
    ${of.next_receipt_id && html`<div><dt>Next receipt</dt><dd><${Name} text=${of.next_receipt_id} /> comes <${When} at=${of.next_receipt_at} site=${site} /></dd></div>`}
    <div><dt>Use</dt><dd>${percent(of.over_use, 1, true)} against the bill of material</dd></div></dl>
    ${of.uses.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Runs that take it"><table><caption>Runs that take it, in their order</caption>
      <thead><tr><th scope="col">Run</th><th scope="col">Line</th><th scope="col">Starts</th><th scope="col">Needs</th><th scope="col">Covered</th><th scope="col">Waits</th></tr></thead>
      <tbody>${of.uses.map((use) => html`<tr key=${use.run_id}><th scope="row"><${Name} text=${use.run_id} /></th><td><${Name} text=${nameOf("line", site, use.line_id)} /></td>
        <td><${When} at=${use.starts_at} site=${site} far=${false} /></td><td class="number">${number(use.needs)}</td><td class="number">${number(use.covered)}</td><td class="number">${number(use.waits_h, 1, "h")}</td></tr>`)}</tbody></table></div>`}</section>`;
}

function Pieces({ of, site }) {
  return html`<section><h3>The pieces</h3><dl class="facts">
    <div><dt>Bad</dt><dd>${number(of.bad_quantity)} of ${number(of.made_quantity)} looked at: ${percent(of.rate, 1)}, ${percent(of.base_rate, 1)} before</dd></div>
    <div><dt>If nothing is done</dt><dd>${number(of.projected_bad_quantity)} bad pieces at the end of the runs</dd></div>
    <div><dt>Hold back</dt><dd>${number(of.containment_quantity)} pieces made from <${When} at=${of.containment_from} site=${site} far=${false} /> to <${When} at=${of.containment_to} site=${site} far=${false} /></dd></div>
  </dl></section>`;
}

function Stop({ of, site }) {
  return html`<section><h3>The stop</h3><dl class="facts">
    <div><dt>Down</dt><dd>since <${When} at=${of.since} site=${site} />${of.reason && html` (<${Name} text=${of.reason} />)`}, ${number(of.down_h, 1)} working hours so far</dd></div>
    <div><dt>Expected until</dt><dd>${of.expected_end_at ? html`<${When} at=${of.expected_end_at} site=${site} />` : "unknown"} <span class="quiet">(<${Name} text=${of.expected_because} />)</span></dd></div>
    ${of.moves.map((move) => html`<div key=${move.run_id}><dt>May be made elsewhere</dt><dd><${Name} text=${move.run_id} /> on ${move.line_ids.map((line) => nameOf("line", site, line)).join(", ")}</dd></div>`)}
  </dl></section>`;
}

function Doubt({ of, site }) {
  return html`<section><h3>What cannot be trusted</h3><p><${Name} text=${of.subject} long /></p><dl class="facts">
    ${of.claims.map((claim, index) => html`<div key=${index}><dt><${Name} text=${claim.source} /></dt><dd><${Name} text=${claim.value} long />
      ${claim.since && html`, <${When} at=${claim.since} site=${site} />`}${claim.event_id && html` <code class="quiet"><${Name} text=${claim.event_id} /></code>`}</dd></div>`)}
    <div><dt>Used meanwhile</dt><dd><${Name} text=${of.used} long /></dd></div>
    ${of.usual_gap_min != null && html`<div><dt>Usual pause</dt><dd>${number(of.usual_gap_min, 0, "min")} between two events</dd></div>`}
    ${of.missing != null && html`<div><dt>Missing</dt><dd>${number(of.missing)} numbers in the sequence</dd></div>`}</dl></section>`;
}
