/** Plant: every line, how it stands against its plan, what it makes, and the worst that is open about it. */

import { html, useMemo } from "../lib.js";
import { joinKey, number, percent, secondsBetween, span, words } from "../format.js";
import { Empty, Failed, Loading, Name, Severity } from "../parts.js";
import { link } from "../router.js";
import { documents, nameOf, names, nowOf } from "../store.js";
import { Pager, useListed } from "../plant/listed.js";
import { worstByLine } from "../plant/worst.js";

/** The page. */
export function Page({ query }) {
  const listed = useListed("line", query);
  const worst = useMemo(() => worstByLine(documents.card.value), [documents.card.value]);
  const heading = html`<h1 tabindex="-1">Plant</h1>`;
  if (!listed.items) return html`<div>${heading}${listed.problem ? html`<${Failed} problem=${listed.problem} again=${listed.again} />` : html`<${Loading} what="Loading the lines" lines=${8} />`}</div>`;
  if (!listed.total) return html`<div>${heading}<${Empty}><p>No line is known yet. Lines come with the plant's model and with what machines say.</p><//></div>`;
  return html`<div>${heading}
    ${listed.problem && html`<${Failed} problem=${listed.problem} again=${listed.again} />`}
    <${Pager} listed=${listed} what="lines" />
    <div class="scroll" role="region" aria-label="Lines" tabindex="0"><table class="plant">
      <thead><tr>${["Line", "State", "Made of what is due", "Run and order", "Worst card", "Data"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
      ${byArea(listed.items).map(({ key, site, area, lines }) => html`<tbody key=${key}>
        <tr class="group"><th scope="rowgroup" colspan="6"><${Name} text=${area ? nameOf("area", site, area) : "No area"} /> <span class="quiet"><${Name} text=${nameOf("site", site, site)} /></span></th></tr>
        ${lines.map((line) => html`<${Row} key=${joinKey(line.site_id, line.line_id)} line=${line} name=${nameOf("line", site, line.line_id)}
          worst=${worst.get(joinKey(line.site_id, line.line_id)) ?? null} age=${ageOf(line)} />`)}</tbody>`)}
    </table></div></div>`;
}

/** How long ago a line was last heard, in words that change with the minute. */
function ageOf(line) {
  const seconds = secondsBetween(line.last_event_at, nowOf(line.site_id));
  return seconds == null ? null : span(Math.max(0, seconds));
}

/** Lines of a page under their areas, both in their order. */
function byArea(lines) {
  const groups = new Map();
  for (const line of lines) {
    const area = names.value.get(JSON.stringify(["line", line.site_id, line.line_id]))?.part_of ?? null;
    const key = JSON.stringify([line.site_id, area]);
    if (!groups.has(key)) groups.set(key, { key, site: line.site_id, area, lines: [] });
    groups.get(key).lines.push(line);
  }
  return [...groups.values()];
}

/** One line; drawn again only when something of it has changed. */
function Row({ line, name, worst, age }) {
  return useMemo(() => html`<tr><th scope="row"><a href=${link("lines", joinKey(line.site_id, line.line_id))}><${Name} text=${name} /></a></th>
    <td class=${line.state === "UNKNOWN" ? "unknown" : ""}>${words(line.state).toLowerCase()}</td>
    <td><${Attainment} of=${line.attainment} /></td>
    <td>${line.run_id ? html`<${Name} text=${line.run_id} />` : html`<span class="quiet">no run</span>`}
      ${line.order_ids.slice(0, 3).map((order) => html` <a key=${order} href=${link("orders", joinKey(line.site_id, order))}>#<${Name} text=${order} /></a>`)}
      ${line.order_ids.length > 3 && html` <span class="quiet">and ${line.order_ids.length - 3} more</span>`}</td>
    <td>${worst ? html`<${Severity} level=${worst.severity} /> <a href=${link("cards", worst.card_id)}><${Name} text=${worst.title} /></a>` : html`<span class="quiet">none</span>`}</td>
    <td class=${age == null ? "unknown" : ""}>${age == null ? "never heard" : `${age} ago`}</td></tr>`, [line, name, worst, age]);
}

/** Good pieces made over good pieces due, as a bar with a mark at what is due, and in words. */
export function Attainment({ of }) {
  if (of == null) return html`<span class="unknown">unknown</span>`;
  return html`<span class="meter"><span class="meter-bar" aria-hidden="true"><span class="meter-fill" style=${{ width: `${Math.min(1, Math.max(0, of) / SCALE) * 100}%` }}></span></span>
    <span>${percent(of)}</span>${of > SCALE && html`<span class="unseen"> beyond the bar, ${number(of, 2)} times</span>`}</span>`;
}

const SCALE = 1.25; // of what is due, at the end of the bar; the mark in plant.css stands at 1 / 1.25
