/** The committed plan as a list, line by line in the order of each queue. */

import { html, useMemo } from "../lib.js";
import { number, plural, span, splitKey, when } from "../format.js";
import { lineKey, rowsOf, runKey } from "../gantt/plan_bars.js";
import { Name } from "../parts.js";
import { link } from "../router.js";
import { documents, nameOf, names, zoneOf } from "../store.js";

const SHOWN = 200; // rows at first; all of thousands would make the page slow to come

const STATUS = { started: "begun", frozen: "frozen", firm: "firm: its line stays", free: "may be moved" };

/** @param {{plan: object, runs: object[], isAll: boolean, showAll: (is: boolean) => void}} about isAll: also those beyond the first */
export function PlanList({ plan, runs, isAll, showAll }) {
  const sorted = useMemo(() => {
    const places = new Map(rowsOf(new Set(runs.map(lineKey)), plan.site_id).map((row, place) => [row.id, { line: row.name, place }]));
    return runs.map((run) => ({ run, ...places.get(lineKey(run)) })).sort((one, other) => one.place - other.place || one.run.position - other.run.position);
  }, [runs, names.value]);
  const rows = isAll ? sorted : sorted.slice(0, SHOWN);
  const table = useMemo(() => html`<div class="scroll" role="region" aria-label="Planned runs" tabindex="0"><table class="plan-list">
    <caption>${rows.length < sorted.length ? `The first ${rows.length} of ` : ""}${plural(sorted.length, "run")}, line by line in the order in which they are to be made</caption>
    <thead><tr>${["Line", "Run", "For", "Setup", "Starts", "Ends", "Pieces", "May it move?"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
    <tbody>${rows.map(({ run, line }) => html`<tr key=${runKey(run)}><td><a href=${link("lines", lineKey(run))}><${Name} text=${line} /></a></td>
      <th scope="row"><${Name} text=${run.run_id} /></th><td>${(run.order_ids ?? []).map((key) => html`<${OrderLink} key=${key} id=${key} />`)}</td>
      <td class="number">${run.setup_s > 0 ? span(run.setup_s) : ""}</td>
      <td><time datetime=${run.start_at}>${when(run.start_at, zoneOf(plan.site_id), plan.as_of)}</time>${planned(run, plan)}</td>
      <td><time datetime=${run.end_at}>${when(run.end_at, zoneOf(plan.site_id), plan.as_of)}</time></td>
      <td class="number">${number(run.quantity_pcs)}</td><td>${STATUS[run.status]}</td></tr>`)}</tbody></table></div>`, [rows.length, sorted]);
  return html`<h2>Run by run</h2>${table}
    ${sorted.length > SHOWN && html`<p class="no-print"><button type="button" onClick=${() => showAll(!isAll)}>${isAll ? `Only the first ${SHOWN}` : `Show all ${number(sorted.length)}`}</button></p>`}`;
}

/** What the plan says, where the projection is another. */
function planned(run, plan) {
  if (run.status === "started" || Math.abs(Date.parse(run.start_at) - Date.parse(run.planned_start_at)) < 60_000) return null;
  return html` <span class="far">planned ${when(run.planned_start_at, zoneOf(plan.site_id), plan.as_of)}</span>`;
}

function OrderLink({ id }) {
  const [site, order] = splitKey(id);
  const customer = documents.order.peek().get(id)?.document.customer_id;
  return html`<a class="order" href=${link("orders", id)}>#<${Name} text=${order} />${customer && html` <${Name} text=${nameOf("customer", site, customer)} />`}</a> `;
}
