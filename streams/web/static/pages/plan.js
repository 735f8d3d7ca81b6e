/** Plan: the committed plan of a site as a chart and as a list, and which changes ERP and MES have not answered. */

import { html, useMemo, useState } from "../lib.js";
import { get } from "../api.js";
import { clean, number, plural, splitKey, when } from "../format.js";
import { lineKey, lineName } from "../gantt/plan_bars.js";
import { Clock, Empty, Failed, Loading, Name, useAsked } from "../parts.js";
import { PlanChart } from "../plan/chart.js";
import { PlanList } from "../plan/list.js";
import { Pending } from "../plan/pending.js";
import { go, withQuery } from "../router.js";
import { documents, nameOf, sites, zoneOf } from "../store.js";

const FILTERS = ["line", "order"];
const DRAWN_MS = 300; // until all rows are there that are to be on paper

/** The page. */
export function Page({ query }) {
  const site = query.get("site") ?? sites.value[0] ?? null;
  const live = site == null ? null : documents.plan.value.get(`committed/${site}`)?.document ?? null;
  // The snapshot leaves out what has ended, and what its limits leave out: the list is asked for once.
  const asked = useAsked((options) => get("/plan", { site }, options), site ?? "");
  const told = asked.value?.committed.find((each) => each.site_id === site) ?? null;
  const plan = live && (!told || live.revision >= told.revision) ? live : told;
  const pending = pendingOf(asked.value?.pending ?? [], site);
  return html`<div class="plan"><h1 tabindex="-1">Plan${sites.value.length > 1 && site != null && html` of <${Name} text=${nameOf("site", site, site)} />`}</h1>
    ${sites.value.length > 1 && html`<p class="no-print"><label for="plan-site">Site</label> <select id="plan-site" value=${site ?? ""} onChange=${(event) => go(withQuery({ site: event.target.value, line: null, order: null }))}>
      ${sites.value.map((each) => html`<option key=${each} value=${each}>${clean(nameOf("site", each, each)).slice(0, 80)}</option>`)}</select></p>`}
    ${asked.problem && html`<${Failed} problem=${asked.problem} again=${asked.again} still=${plan ? "The plan below is as it was last told." : "The other pages still work."} />`}
    ${plan ? html`<${Committed} plan=${plan} pending=${pending} query=${query} />`
      : asked.isLoading ? html`<${Loading} what="Loading the plan" lines=${8} />`
        : !asked.problem && html`<${Empty}><p class="calm">No plan is committed${site != null && html` at <${Name} text=${nameOf("site", site, site)} />`}.</p>
          <p>It is there as soon as ERP or MES plans a run on a line (run_planned).</p></><${Pending} plans=${pending} />`}
  </div>`;
}

/** Proposals of which changes are not all answered: as asked once, and as the stream has told since. */
function pendingOf(told, site) {
  const known = new Map(told.map((each) => [each.plan_id, each]));
  for (const [id, { document }] of documents.plan.value) {
    if ((known.get(id)?.revision ?? -1) <= document.revision) known.set(id, document);
  }
  return [...known.values()].filter((each) => each.site_id === site && each.changes.length && ["committing", "partially_committed", "commit_failed"].includes(each.state))
    .sort((one, other) => (one.plan_id < other.plan_id ? -1 : 1));
}

function Committed({ plan, pending, query }) {
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  const runs = useMemo(() => filtered(plan, wanted), [plan, wanted.line, wanted.order]);
  const [isAll, showAll] = useState(false);
  const onPaper = () => {
    showAll(true);
    setTimeout(() => print(), DRAWN_MS);
  };
  const frozen = plan.runs.filter((run) => run.status === "frozen");
  const started = plan.runs.filter((run) => run.status === "started").length;
  return html`<${About} plan=${plan} frozen=${frozen} started=${started} pending=${pending} />
    <${Pending} plans=${pending} />
    <${Filters} plan=${plan} query=${query} wanted=${wanted} shown=${runs.length} onPaper=${onPaper} />
    ${runs.length ? html`<${PlanChart} plan=${plan} runs=${runs} /><${PlanList} plan=${plan} runs=${runs} isAll=${isAll} showAll=${showAll} />`
      : html`<${Empty}>${plan.runs.length ? html`<p>No run passes these filters. <a href=${withQuery({ line: null, order: null })}>Clear filters</a></p>` : html`<p class="calm">Nothing is planned.</p>`}</>`}`;
}

/** Runs on a line, and for an order; either may stand in the address with its site or without. */
function filtered(plan, { line, order }) {
  const isFor = (run) => (run.order_ids ?? []).some((each) => each === order || splitKey(each)[1] === order);
  return plan.runs.filter((run) => (!line || lineKey(run) === line || run.line_id === line) && (!order || isFor(run)));
}

/** What plan it is, how old, and how far it may still be moved. */
function About({ plan, frozen, started, pending }) {
  const zone = zoneOf(plan.site_id);
  const until = frozen.reduce((latest, run) => (run.start_at > latest ? run.start_at : latest), "");
  const waiting = pending.flatMap((each) => each.changes).filter((each) => ["sent", "held_back"].includes(each.outcome)).length;
  return html`<dl class="facts plan-facts">
    <div><dt>Revision</dt><dd>${number(plan.revision)}, of <${Clock} at=${plan.as_of} site=${plan.site_id} /></dd></div>
    <div><dt>Planned</dt><dd>${plural(plan.runs.length, "run")} on ${plural(new Set(plan.runs.map(lineKey)).size, "line")}, ${number(started)} begun${plan.say && html`. <${Name} text=${plan.say} long />`}</dd></div>
    <div><dt>Frozen</dt><dd>${frozen.length ? html`${plural(frozen.length, "run")}: line and sequence stay. The last of them starts ${when(until, zone, plan.as_of)}` : "no run that has not begun"}</dd></div>
    <div><dt>Acknowledgements</dt><dd>${waiting ? `${plural(waiting, "change")} not answered yet` : "nothing waits for an answer"}</dd></div></dl>`;
}

/** Filters stand in the address, so that they can be kept, passed on and printed. */
function Filters({ plan, query, wanted, shown, onPaper }) {
  const lines = [...new Set(plan.runs.map(lineKey))].map((key) => [key, lineName(key, plan.site_id)]).sort(([, one], [, other]) => one.localeCompare(other, undefined, { numeric: true }));
  const set = (name) => (event) => go(withQuery({ [name]: event.target.value.trim() }), { replace: true });
  return html`<form class="plan-filters no-print" onSubmit=${(event) => event.preventDefault()}>
      <span><label for="plan-line">Line</label>${" "}<select id="plan-line" value=${wanted.line ?? ""} onChange=${set("line")}>
        <option value="">all</option>${lines.map(([value, text]) => html`<option key=${value} value=${value}>${text.slice(0, 80)}</option>`)}
        ${wanted.line && !lines.some(([value]) => value === wanted.line) && html`<option value=${wanted.line}>${clean(wanted.line).slice(0, 80)}</option>`}</select></span>
      <span><label for="plan-order">Order</label>${" "}<input id="plan-order" type="search" maxlength="400" placeholder="its number" value=${wanted.order ?? ""} onChange=${set("order")} /></span>
      ${FILTERS.some((name) => query.get(name)) && html`<a href=${withQuery({ line: null, order: null })}>Clear filters</a>`}
      <button type="button" onClick=${onPaper}>Print</button></form>
    <p role="status">${shown === plan.runs.length ? "" : `${number(shown)} of ${plural(plan.runs.length, "run")}: ${FILTERS.filter((name) => wanted[name]).map((name) => `${name} ${name === "line" ? lineName(lines.find(([key]) => key === wanted.line || splitKey(key)[1] === wanted.line)?.[0] ?? wanted.line, plan.site_id) : `#${splitKey(wanted.order).at(-1)}`}`).join(", ")}`}</p>`;
}
