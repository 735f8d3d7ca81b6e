/** Planned against made since the working day of a line began, as a drawing and as the table of the same numbers. */

import { html } from "../lib.js";
import { number, percent, when } from "../format.js";
import { When } from "../parts.js";
import { zoneOf } from "../store.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [560, 220, 84, 34, 20];

/**
 * Pieces that the planned pace would have made in the planned busy time without setups; null where nothing was made yet.
 * ISO 22400: effectiveness = planned run time per item x pq / apt, so the planned pace is pq / (effectiveness x apt).
 */
export function plannedOf(day) {
  return day.effectiveness && day.apt_s ? (day.pq * (day.pbt_s - day.aust_s)) / (day.effectiveness * day.apt_s) : null;
}

/** The section. */
export function Progress({ line }) {
  const { day } = line;
  if (!day?.since || !day.until) return html`<section><h2>Since the shift began</h2><p>Nothing is known yet of the line's working day.</p></section>`;
  const planned = plannedOf(day);
  const isHere = line.drift_since != null && line.drift_since >= day.since && line.drift_since <= day.until;
  return html`<section><h2>Since the shift began</h2>
    ${planned != null && html`<${Drawing} line=${line} planned=${planned} isHere=${isHere} />`}
    <table class="progress"><caption class="unseen">Planned against made since the shift began</caption><tbody>
      <tr><th scope="row">From, until</th><td><${When} at=${day.since} site=${line.site_id} far=${false} /> to <${When} at=${day.until} site=${line.site_id} far=${false} /></td></tr>
      <tr><th scope="row">Planned</th><td>${number(planned, 0, "pcs")} <span class="quiet">planned pace for ${number((day.pbt_s - day.aust_s) / 3600, 2, "h")} of busy time without setups</span></td></tr>
      <tr><th scope="row">Made, good</th><td>${number(day.gq, 0, "pcs")}${planned ? ` (${percent(day.gq / planned, 1)})` : ""}</td></tr>
      <tr><th scope="row">Change point</th><td>${line.drift_since ? html`${percent(line.drift_delta, 1, true)} since <${When} at=${line.drift_since} site=${line.site_id} />${isHere ? "" : ", before this shift"}` : "none"}</td></tr>
    </tbody></table></section>`;
}

/** Two lines from the beginning to now: only their ends are known, so they are straight; the change point stands where it was. */
function Drawing({ line, planned, isHere }) {
  const { day } = line;
  const [from, to] = [Date.parse(day.since), Date.parse(day.until)];
  const most = Math.max(planned, day.gq, 1);
  const x = (at) => LEFT + ((WIDTH - LEFT - 90) * (at - from)) / Math.max(1, to - from);
  const y = (pieces) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * pieces) / most;
  const zone = zoneOf(line.site_id);
  const apart = Math.abs(y(planned) - y(day.gq)) < 16 ? 8 : 0; // the two words must not lie upon each other
  const above = planned >= day.gq ? -1 : 1;
  return html`<svg class="drawing" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${`Planned ${number(planned, 0)} pieces, made ${number(day.gq, 0)}; the table below has the same numbers`}>
    <path class="axis" d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - 90}" />
    <text class="soft" x=${LEFT} y=${HEIGHT - 10}>${when(day.since, zone, day.until)}</text><text class="soft" x=${x(to)} y=${HEIGHT - 10} text-anchor="end">${when(day.until, zone, day.until)}</text>
    <text class="soft" x=${LEFT - 6} y=${TOP + 6} text-anchor="end">${number(most)} pcs</text><text class="soft" x=${LEFT - 6} y=${HEIGHT - BOTTOM} text-anchor="end">0</text>
    <path class="planned" d="M${x(from)} ${y(0)}L${x(to)} ${y(planned)}" /><path class="made" d="M${x(from)} ${y(0)}L${x(to)} ${y(day.gq)}" />
    <text x=${x(to) + 6} y=${y(planned) + 4 + above * apart}>planned</text><text x=${x(to) + 6} y=${y(day.gq) + 4 - above * apart}>made</text>
    ${isHere && html`<path class="mark" d="M${x(Date.parse(line.drift_since))} ${TOP}V${HEIGHT - BOTTOM}" /><text x=${x(Date.parse(line.drift_since)) + 4} y=${TOP + 8}>changed</text>`}
  </svg>`;
}
