/** What became of a card until now: its versions, and who decided what. */

import { html } from "../lib.js";
import { words } from "../format.js";
import { Name, When } from "../parts.js";

/** @param {{card: object, about: {history: object[], decisions: object[]}|null}} props */
export function History({ card, about }) {
  if (!about) return null;
  const rows = [
    ...about.history.map((each) => ({ at: each.as_of, what: `${words(each.state)}, ${each.severity}`, by: each.by, why: each.update_reason, revision: each.revision })),
    ...about.decisions.map((each) => ({ at: each.at, what: `${words(each.action)}: ${each.outcome}`, by: each.actor, why: each.reason ?? "", revision: each.revision })),
  ].sort((one, other) => (one.at < other.at ? 1 : -1));
  return html`<section><h3>History</h3>
    <p class="quiet">Revision ${card.revision}, opened <${When} at=${card.opened_at} site=${card.site_id} />. A server knows the versions that it has seen.</p>
    <ol class="history">${rows.map((row, index) => html`<li key=${index}><${When} at=${row.at} site=${card.site_id} far=${false} /> ${row.what}
      ${row.by && html` by <${Name} text=${row.by} />`}${row.why && html` <span class="quiet">(<${Name} text=${row.why} long />)</span>`} <span class="quiet">revision ${row.revision ?? "unknown"}</span></li>`)}</ol></section>`;
}
