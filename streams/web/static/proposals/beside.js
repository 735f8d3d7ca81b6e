/** Options that were solved again under somebody's locks, beside those from before: figure by figure. */

import { html } from "../lib.js";
import { money, title } from "../format.js";
import { Name } from "../parts.js";
import { FIGURES } from "./compare.js";

/** @param {{earlier: {proposal, option}, proposal, option, currency: string, isOutline: boolean, outline: (is: boolean) => void}} about */
export function Beside({ earlier, proposal, option, currency, isOutline, outline }) {
  const shown = FIGURES.filter(([, field]) => option.kpis[field] != null && earlier.option.kpis[field] != null);
  const nameOf = (each) => each.title || title(each.label);
  const changed = shown.filter(([, field]) => option.kpis[field] !== earlier.option.kpis[field]);
  return html`<section class="beside" aria-label="Before and after your change"><h2>Before and after your change</h2>
    <p role="status">${changed.length ? `${changed.length} of ${shown.length} figures differ.` : "No figure differs."}</p>
    ${changed.length > 0 && html`<div class="scroll" role="region" aria-label="Figures before and after" tabindex="0"><table>
      <thead><tr><th scope="col">Figure</th><th scope="col">Revision ${earlier.proposal.revision}, before: <${Name} text=${nameOf(earlier.option)} /></th>
        <th scope="col">Revision ${proposal.revision}, with your change: <${Name} text=${nameOf(option)} /></th></tr></thead>
      <tbody>${changed.map(([label, field, read]) => {
        const text = read ?? ((value) => money(value, currency).trim());
        const [then, now] = [earlier.option.kpis[field], option.kpis[field]];
        return html`<tr key=${field}><th scope="row">${label}</th><td>${text(then)}</td><td><strong>${text(now)}</strong><span class="far"> (${now > then ? "+" : "-"}${text(Math.abs(now - then))})</span></td></tr>`;
      })}</tbody></table></div>`}
    <label class="choice"><input type="checkbox" checked=${isOutline} onChange=${(event) => outline(event.target.checked)} />
      Hold the plan below against revision ${earlier.proposal.revision}, not against the committed plan</label></section>`;
}
