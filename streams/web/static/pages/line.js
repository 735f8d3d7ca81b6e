/** One line: how its shift goes, what waits on it, its measures, and what was detected. */

import { html, useMemo, useState } from "../lib.js";
import { get } from "../api.js";
import { clean, joinKey, number, percent, span, title, words } from "../format.js";
import { CommandButton, Failed, Loading, Name, Severity, When } from "../parts.js";
import { SentMark } from "../cards/actions.js";
import { byUrgency, LIVE } from "../cards/ranking.js";
import { useKept } from "../plant/listed.js";
import { MeasuresTable } from "../plant/measures.js";
import { Progress } from "../plant/progress.js";
import { queueOf } from "../plant/queue.js";
import { StopDialog } from "../plant/stop_dialog.js";
import { link } from "../router.js";
import { documentOf, documents, nameOf } from "../store.js";
import { Attainment } from "./lines.js";

const STOPPED = new Set(["HELD", "SUSPENDED"]); // the twin has the last word: what it knows of a run decides
const SIGNALS_SHOWN = 20;

/** The page. */
export function Page({ params: { id } }) {
  const live = documentOf("line", id);
  const what = [live?.state, live?.run_id, live?.drift_since, live?.drift_delta].join(" ");
  const asked = useKept((options) => get(`/lines/${encodeURIComponent(id)}`, {}, options), id, what);
  const line = live ?? asked.value?.line;
  if (!line || !asked.value) {
    return html`<div><h1 tabindex="-1">Line</h1>${asked.problem ? html`<${Failed} problem=${asked.problem} again=${asked.again} still="" /><p><a href="/lines">All lines</a></p>`
      : html`<${Loading} what="Loading the line" lines=${8} />`}</div>`;
  }
  const name = nameOf("line", line.site_id, line.line_id);
  return html`<div class="entity"><h1 tabindex="-1"><${Name} text=${name} /></h1>
    ${asked.problem && html`<${Failed} problem=${asked.problem} again=${asked.again} />`}
    <${Now} line=${line} name=${name} />
    <div class="beside"><${Progress} line=${line} /><${Cards} line=${line} /></div>
    <${Queue} line=${line} />
    <section><h2>Measures</h2><${MeasuresTable} line=${line} /></section>
    <${Signals} signals=${asked.value.signals} />
  </div>`;
}

function Now({ line, name }) {
  const [isOpen, open] = useState(false);
  const isStopped = STOPPED.has(line.state);
  return html`<dl class="facts">
    <div><dt>State</dt><dd>${words(line.state).toLowerCase()}</dd></div>
    <div><dt>Made of what is due</dt><dd><${Attainment} of=${line.attainment} /></dd></div>
    <div><dt>Pace</dt><dd>${line.level == null ? html`<span class="unknown">unknown</span>` : `${percent(line.level, 1)} of the planned rate`}</dd></div>
    <div><dt>Last heard</dt><dd><${When} at=${line.last_event_at} site=${line.site_id} /></dd></div></dl>
    <div class="actions"><${CommandButton} command="stop_duration_report" onClick=${() => open(true)} disabled=${!isStopped}
        why=${isStopped ? "" : "the line does not stand: it is neither held nor suspended"}>Say how long it will stand<//>
      <${SentMark} target=${line.line_id} />
      <a href=${link("graph", "line", joinKey(line.site_id, line.line_id))}>Connections</a></div>
    ${isOpen && html`<${StopDialog} line=${line} name=${clean(name)} onClose=${() => open(false)} />`}`;
}

/** Cards about the line, from what the stream has told. */
function Cards({ line }) {
  const found = useMemo(() => [...documents.card.value.values()].map((each) => each.document).filter((card) => LIVE.has(card.state)
    && ((card.site_id === line.site_id && card.cause.entity_type === "line" && card.cause.entity_id === line.line_id)
      || card.affected.some((each) => each.site_id === line.site_id && each.line_id === line.line_id))).sort(byUrgency), [documents.card.value, line.line_id]);
  return html`<section><h2>Cards</h2>${found.length ? html`<ul class="plain-list">${found.map((card) => html`<li key=${card.card_id}>
    <${Severity} level=${card.severity} /> <a href=${link("cards", card.card_id)}><${Name} text=${card.title} /></a></li>`)}</ul>` : html`<p>No open card is about this line.</p>`}</section>`;
}

function Queue({ line }) {
  const asked = useKept((options) => get(`/graph/line/${encodeURIComponent(line.line_id)}`, { site: line.site_id }, options), joinKey(line.site_id, line.line_id), line.run_id);
  if (asked.problem && !asked.value) return html`<section><h2>Queue</h2>${asked.problem.status === 404 ? html`<p>The line is not in the live graph yet.</p>` : html`<${Failed} problem=${asked.problem} again=${asked.again} />`}</section>`;
  if (!asked.value) return html`<section><h2>Queue</h2><${Loading} what="Loading the queue" /></section>`;
  const orderOf = (order) => documentOf("order", joinKey(line.site_id, order));
  const queue = queueOf(asked.value, line.run_id, orderOf);
  return html`<section><h2>Queue</h2>
    ${!queue.length ? html`<p>No run waits on this line.</p>` : html`<div class="scroll" role="region" aria-label="Queue" tabindex="0"><table class="queue">
      <thead><tr>${["Run", "Order", "Pieces", "Ready", "Promised", "P(late)", "Slack"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
      <tbody>${queue.flatMap((run) => (run.needs.length ? run.needs : [{}]).map((need) => html`<${QueueRow} key=${joinKey(run.runId, need.orderId ?? "")}
        run=${run.runId} need=${need} isOn=${run.runId === line.run_id} site=${line.site_id} order=${need.orderId ? orderOf(need.orderId) : null} />`))}</tbody></table></div>`}
    ${asked.value.left_out > 0 && html`<p class="quiet">The queue may be longer: ${number(asked.value.left_out)} more entities around the line are not shown.</p>`}</section>`;
}

function QueueRow({ run, need, isOn, site, order }) {
  return useMemo(() => html`<tr><th scope="row"><${Name} text=${run} />${isOn && html` <span class="quiet">on now</span>`}</th>
    <td>${need.orderId ? html`<a href=${link("orders", joinKey(site, need.orderId))}>#<${Name} text=${need.orderId} /></a> ${order && html`<${Name} text=${nameOf("customer", site, order.customer_id)} />`}` : html`<span class="quiet">none</span>`}</td>
    <td class="number">${number(need.quantity, 0)}</td>
    <td>${order ? html`<${When} at=${order.ready_at} site=${site} far=${false} />` : html`<span class="unknown">unknown</span>`}</td>
    <td>${order ? html`<${When} at=${order.promised_at} site=${site} far=${false} />` : html`<span class="unknown">unknown</span>`}</td>
    <td class="number">${percent(order?.p_late, 1)}</td>
    <td class="number">${order?.slack_s == null ? "unknown" : `${order.slack_s < 0 ? "-" : ""}${span(order.slack_s)}`}</td></tr>`, [run, need.orderId, need.quantity, isOn, order]);
}

function Signals({ signals }) {
  const [isAll, showAll] = useState(false);
  const shown = isAll ? signals : signals.slice(0, SIGNALS_SHOWN);
  return html`<section><h2>Signals and stops</h2>
    ${!signals.length ? html`<p>Nothing was detected since this server started.</p>` : html`<div class="scroll" role="region" aria-label="Signals and stops" tabindex="0"><table class="signals">
      <thead><tr>${["Detected", "What", "Since", "Against plan", "Rests on"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
      <tbody>${shown.map((each) => html`<tr key=${each.output_id}><th scope="row"><${When} at=${each.detected_at} site=${each.site_id} far=${false} /></th>
        <td>${title(each.signal)}</td><td>${each.since ? html`<${When} at=${each.since} site=${each.site_id} far=${false} />` : "unknown"}</td>
        <td class="number">${percent(each.delta, 1, true)}</td><td>${number(each.n)} observations in ${number(each.window_h, 1, "h")}</td></tr>`)}</tbody></table></div>`}
    ${signals.length > SIGNALS_SHOWN && html`<p><button type="button" aria-expanded=${isAll ? "true" : "false"} onClick=${() => showAll(!isAll)}>${isAll ? "Fewer" : `${signals.length - SIGNALS_SHOWN} more`}</button></p>`}</section>`;
}
