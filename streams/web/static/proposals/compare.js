/** Options beside each other: figures with their difference to going on as planned, and what one option changes. */

import { html } from "../lib.js";
import { joinKey, money as withCurrency, number, title, words } from "../format.js";
import { Name, When } from "../parts.js";
import { link } from "../router.js";
import { nameOf } from "../store.js";

const money = (amount, currency) => withCurrency(amount, currency).trim(); // the page says it where no currency is known
const hours = (value) => number(value, 1, "h");
const pieces = (value) => number(value, 0, "pcs");
const count = (value) => number(value, 0);

/** Label, field, how it reads (null: money), and whether less or more of it is better. */
export const FIGURES = [
  ["Late orders", "late_orders", count, -1], ["Slip of all orders", "total_slip_h", hours, -1], ["Worst slip", "max_slip_h", hours, -1],
  ["Penalties", "penalty", null, -1], ["Penalties at risk", "penalty_at_risk", null, -1], ["Overtime", "overtime_h", hours, -1],
  ["Overtime cost", "overtime_cost", null, -1], ["Transfers", "transfer_cost", null, -1], ["Setup time", "changeover_min", (value) => number(value, 0, "min"), -1],
  ["Cost in all", "cost", null, -1], ["Margin", "margin", null, 1], ["Made in the window", "throughput_pcs", pieces, 1],
  ["Orders moved", "moved_orders", count, -1],
];

/** One option as a sentence: what it gives up. */
export function sacrificeOf(option) {
  if (!option.feasible) return `Cannot be done: ${option.violations.join("; ") || "the checker refuses it"}`;
  if (option.sacrifices.length) return `It sacrifices ${option.sacrifices.join("; ")}`;
  return option.label === "hold" ? "Changes nothing, and leaves the risk as it is." : "No order gets worse by it.";
}

/** The table of figures: one column an option, the first one the baseline. */
export function Comparison({ options, recommended, chosen, choose, currency }) {
  const [base] = options;
  const shown = FIGURES.filter(([, field]) => options.some((option) => option.kpis[field] != null));
  return html`<div class="scroll" role="region" aria-label="Options side by side" tabindex="0"><table class="options">
    <thead><tr><td></td>${options.map((option, index) => html`<th scope="col" key=${option.option_id} class=${option.option_id === chosen ? "chosen" : ""}>
      <button type="button" aria-pressed=${option.option_id === chosen ? "true" : "false"} onClick=${() => choose(option.option_id)}>
        <kbd aria-hidden="true">${index + 1}</kbd> <${Name} text=${option.title || title(option.label)} /></button>
      <p class="quiet">${option.label === "hold" ? "baseline" : words(option.label)}${option.option_id === recommended ? ", recommended" : ""}</p>
      <p class=${option.feasible ? "gives" : "gives why-not"}><${Name} text=${sacrificeOf(option)} long /></p></th>`)}</tr></thead>
    <tbody>${shown.map(([label, field, read, sign]) => {
      const text = read ?? ((value) => money(value, currency));
      const best = bestOf(options, field, sign);
      return html`<tr key=${field}><th scope="row">${label}</th>${options.map((option) => {
        const value = option.kpis[field];
        const isBest = best != null && option.feasible && value === best;
        return html`<td key=${option.option_id} class=${option.option_id === chosen ? "number chosen" : "number"}>
          ${isBest ? html`<strong>${text(value)}<span class="unseen"> best</span></strong>` : text(value)}
          ${option !== base && html`<span class="far"> ${differenceOf(value, base.kpis[field], text)}</span>`}</td>`;
      })}</tr>`;
    })}</tbody></table></div>`;
}

/** The best value of those that can be done; null where all are alike, as then none is better. */
function bestOf(options, field, sign) {
  const values = options.filter((option) => option.feasible).map((option) => option.kpis[field]).filter((value) => value != null);
  if (new Set(values).size < 2) return null;
  return sign < 0 ? Math.min(...values) : Math.max(...values);
}

function differenceOf(value, base, text) {
  if (value == null || base == null) return "";
  const difference = value - base;
  if (Math.abs(difference) < 1e-9) return "(same)";
  return `(${difference > 0 ? "+" : "-"}${text(Math.abs(difference))})`;
}

const FIELD_WORDS = { line_id: "goes to another line", site_id: "goes to another site", position: "changes its place in the queue", start_at: "starts at another time", quantity_pcs: "has another quantity", created: "is new", cancelled: "is cancelled" };

/** A value of a change in words; a moment in the site's zone. */
function Value({ change, text }) {
  if (!text) return html`<span class="quiet">none</span>`;
  if (change.field === "start_at" && !Number.isNaN(Date.parse(text))) return html`<${When} at=${text} site=${change.site_id} far=${false} />`;
  return html`<${Name} text=${change.field === "line_id" ? nameOf("line", change.site_id, text) : text} />`;
}

/** Every change of a plan in words, each with why. */
export function ChangeWords({ option, currency }) {
  if (!option.changes.length && !option.overtime.length) return html`<p>It changes nothing in ERP and MES.</p>`;
  return html`<ul>${option.changes.map((change, index) => html`<li key=${index}>
      Run <${Name} text=${change.run_id} /> ${FIELD_WORDS[change.field] ?? words(change.field)}: <${Value} change=${change} text=${change.before} /> →${" "}
      <${Value} change=${change} text=${change.after} />, because <${Name} text=${change.because || "no reason was given"} long /></li>`)}
    ${option.overtime.map((each) => html`<li key=${each.window_id}>Overtime of ${hours(each.hours)} on${" "}
      <${Name} text=${nameOf("line", each.site_id, each.line_id)} /> from <${When} at=${each.start_at} site=${each.site_id} far=${false} />,${" "}
      ${money(each.cost, currency)}; to be said by <${When} at=${each.notice_by} site=${each.site_id} /></li>`)}</ul>`;
}

/** Before and after of each order whose shipment differs from the baseline. */
export function OrderTable({ option, currency }) {
  if (!option.per_order.length) return html`<p>No order ships at another time than as planned.</p>`;
  return html`<div class="scroll" role="region" aria-label="Orders before and after" tabindex="0"><table>
    <thead><tr>${["Order", "Ships as planned", "Ships then", "Slip", "Penalty"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
    <tbody>${option.per_order.map((each) => html`<tr key=${`${each.site_id}/${each.order_id}`}>
      <th scope="row"><a href=${link("orders", joinKey(each.site_id, each.order_id))}>#<${Name} text=${each.order_id} /></a> <${Name} text=${each.customer_name} /></th>
      <td><${When} at=${each.ships_before} site=${each.site_id} far=${false} /></td><td><${When} at=${each.ships_after} site=${each.site_id} far=${false} /></td>
      <td class="number">${hours(each.slip_h_before)} → ${hours(each.slip_h_after)}</td>
      <td class="number">${money(each.penalty_before, currency)} → ${money(each.penalty_after, currency)}</td></tr>`)}</tbody></table></div>`;
}
