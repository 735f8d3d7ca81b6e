/** ISO 22400 measures with the elements that they are made of. */

import { html } from "../lib.js";
import { number, percent } from "../format.js";

const RATIOS = [
  ["Availability", "availability", "APT / PBT"], ["Effectiveness", "effectiveness", "planned time per item × PQ / APT"], ["Quality", "quality", "GQ / PQ"],
  ["OEE", "oee", "product of the three"],
];
const TIMES = [["PBT planned busy", "pbt_s"], ["APT production", "apt_s"], ["AUST setup", "aust_s"], ["ADET delay", "adet_s"], ["ADOT down", "adot_s"]];
const PIECES = [["PQ made in all", "pq"], ["GQ good", "gq"], ["SQ scrap", "sq"], ["RQ rework", "rq"]];

/** The table: of the working day and of the run that is on. */
export function MeasuresTable({ line }) {
  const columns = [["This working day", line.day], ["This run", line.elements]].filter(([, of]) => of);
  if (!columns.length) return html`<p>No measure is known yet.</p>`;
  return html`<div class="scroll" role="region" aria-label="ISO 22400 measures" tabindex="0"><table class="measures">
    <thead><tr><th scope="col">Measure</th>${columns.map(([name]) => html`<th scope="col" key=${name}>${name}</th>`)}<th scope="col">Made of</th></tr></thead>
    <tbody>${RATIOS.map(([label, field, of]) => html`<tr key=${field}><th scope="row">${label}</th>
      ${columns.map(([name, each]) => html`<td key=${name} class="number">${percent(each[field], 1)}</td>`)}<td class="quiet">${of}</td></tr>`)}
      ${TIMES.map(([label, field]) => html`<tr key=${field}><th scope="row">${label}</th>${columns.map(([name, each]) => html`<td key=${name} class="number">${number(each[field] / 60, 0, "min")}</td>`)}<td></td></tr>`)}
      ${PIECES.map(([label, field]) => html`<tr key=${field}><th scope="row">${label}</th>${columns.map(([name, each]) => html`<td key=${name} class="number">${number(each[field], 0, "pcs")}</td>`)}<td></td></tr>`)}
    </tbody></table></div>`;
}
