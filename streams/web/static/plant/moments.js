/** The moments of an order on one axis, and the same as a table. */

import { html } from "../lib.js";
import { when } from "../format.js";
import { When } from "../parts.js";
import { nowOf, zoneOf } from "../store.js";

const [WIDTH, EDGE, ROW] = [900, 20, 20];

/** Label and time of what is known, in their order. */
export function momentsOf(order, now) {
  return [["Now", now], ["Ready", order.ready_at], ["Needed by", order.need_by], ["Promised", order.promised_at], ["Ships", order.ships_at]]
    .filter(([, at]) => at).map(([label, at]) => ({ label, at, ms: Date.parse(at) })).sort((one, other) => one.ms - other.ms);
}

/** The drawing and its table. */
export function Moments({ order }) {
  const now = nowOf(order.site_id);
  const found = momentsOf(order, now);
  return html`<${Axis} found=${found} zone=${zoneOf(order.site_id)} now=${now} />
    <table class="moments"><caption class="unseen">When what happens to the order</caption><tbody>${found.map(({ label, at }) => html`<tr key=${label}><th scope="row">${label}</th>
      <td><${When} at=${at} site=${order.site_id} far=${label !== "Now"} /></td></tr>`)}</tbody></table>`;
}

/** Each mark has its words on a row of their own, on the side where there is room, so that none lie upon each other. */
function Axis({ found, zone, now }) {
  if (found.length < 2) return null;
  const [first, last] = [found[0].ms, found.at(-1).ms];
  const x = (ms) => EDGE + ((WIDTH - 2 * EDGE) * (ms - first)) / Math.max(1, last - first);
  const bottom = found.length * ROW + 12;
  const left = found.filter((each) => x(each.ms) <= WIDTH / 2);
  const rows = [...left, ...found.filter((each) => !left.includes(each)).reverse()]; // no mark then runs through the words of another
  return html`<svg class="drawing axis-of" viewBox="0 0 ${WIDTH} ${bottom + 8}" role="img" aria-label="When what happens to the order; the table below says the same">
    <path class="axis" d="M${EDGE} ${bottom}H${WIDTH - EDGE}" />
    ${rows.map(({ label, ms }, index) => html`<path key=${label} class=${label === "Promised" ? "mark" : "axis"} d="M${x(ms)} ${index * ROW + 8}V${bottom + 4}" />`)}
    ${rows.map(({ label, at, ms }, index) => html`<text key=${label} x=${x(ms) + (left[index] ? 5 : -5)} y=${index * ROW + 18} text-anchor=${left[index] ? "start" : "end"}>${label} ${when(at, zone, now)}</text>`)}
  </svg>`;
}
