/** Now: what needs somebody, the most urgent first; and on its right, or alone on a phone, one card. */

import { html, useState } from "../lib.js";
import { get } from "../api.js";
import { CardList } from "../cards/list.js";
import { FILTERS, LIVE, TABS, byUrgency, choices, isOnTab, passes } from "../cards/ranking.js";
import { Empty, Failed, Name, Clock, lazy, useAsked } from "../parts.js";
import { joinKey, span, title, plural } from "../format.js";
import { useKeys } from "../keys.js";
import { go, link, withQuery } from "../router.js";
import { documents, me, nameOf, nowOf, sites, zoneOf } from "../store.js";

const CardView = lazy(() => import("../cards/card_view.js"), "CardView");
const LABELS = { mine: "Mine", all: "All", snoozed: "Snoozed", cleared: "Cleared today" };
const ENDED = ["cleared", "closed", "resolved", "dismissed"];
const ENDED_SHOWN = 200;

/** The page. */
export function Page({ params, query }) {
  const tab = TABS.includes(query.get("tab")) ? query.get("tab") : "all";
  const selected = params.id ?? query.get("id");
  const ended = useAsked((options) => (tab === "cleared" ? get("/cards", { state: ENDED, limit: ENDED_SHOWN }, options)
    : Promise.resolve({ items: [] })), tab);
  const known = new Map((ended.value?.items ?? []).map((card) => [card.card_id, card]));
  for (const [id, { document }] of documents.card.value) known.set(id, document);
  const all = [...known.values()];
  const context = (card) => ({ name: me.value?.name, zone: zoneOf(card.site_id), now: nowOf(card.site_id) });
  const of = (each) => all.filter((card) => isOnTab(card, each, context(card)) && passes(card, query));
  const cards = of(tab).sort(byUrgency);
  useKeys({
    "/": () => document.getElementById("filter-q")?.focus(),
    Escape: () => selected && go(withQuery({}, "/")),
  });
  return html`<div class=${selected ? "now has-card" : "now"}>
    <h1 id="now-title" tabindex="-1">What needs action now</h1>
    <section class="now-list" aria-labelledby="now-title">
      <nav aria-label="Lists"><ul class="tabs">${TABS.map((each) => html`<li key=${each}>
        <a href=${withQuery({ tab: each === "all" ? null : each, page: null })} aria-current=${each === tab ? "page" : undefined}>
        ${LABELS[each]}${each === "cleared" ? "" : html` <span class="count">${of(each).length}</span>`}</a></li>`)}</ul></nav>
      <${Filters} cards=${all.filter((card) => LIVE.has(card.state) || tab === "cleared")} query=${query} />
      ${ended.problem && html`<${Failed} problem=${ended.problem} again=${ended.again} />`}
      <${CardList} key=${tab} cards=${cards} selected=${selected} query=${query}><${Nothing} tab=${tab} query=${query} /><//>
    </section>
    ${selected && html`<section class="now-card" aria-label="Card"><${CardView} key=${selected} id=${selected} query=${query} /></section>`}
  </div>`;
}

/** Filters stand in the address, so that they can be kept and passed on. */
function Filters({ cards, query }) {
  const options = choices(cards);
  const set = (name) => (event) => go(withQuery({ [name]: event.target.value, page: null }), { replace: true });
  const isAny = FILTERS.some((name) => query.get(name));
  const [isOpen, open] = useState(false);
  return html`<form class=${isOpen ? "filters all" : "filters"} role="search" onSubmit=${(event) => event.preventDefault()}>
    <label class="unseen" for="filter-q">Search</label>
    <input id="filter-q" type="search" placeholder="Search" maxlength="200" value=${query.get("q") ?? ""} onInput=${set("q")} />
    <button type="button" class="more" aria-expanded=${isOpen ? "true" : "false"} onClick=${() => open(!isOpen)}>Filters</button>
    ${Object.entries(options).filter(([name, values]) => values.length > 1 || query.get(name)).map(([name, values]) => html`
      <${Fragmented} key=${name} name=${name} values=${values} value=${query.get(name) ?? ""} set=${set(name)} />`)}
    ${isAny && html`<a href=${withQuery(Object.fromEntries(FILTERS.map((name) => [name, null])))}>Clear filters</a>`}
  </form>`;
}

function Fragmented({ name, values, value, set }) {
  const isKnown = values.some(([each]) => each === value);
  return html`<span class="filter"><label class="unseen" for=${`filter-${name}`}>${title(name)}</label>
    <select id=${`filter-${name}`} value=${value} onChange=${set}>
      <option value="">${title(name)}: all</option>
      ${values.map(([each, label]) => html`<option key=${each} value=${each}>${label.slice(0, 80)}</option>`)}
      ${value && !isKnown && html`<option value=${value}>${value.slice(0, 80)}</option>`}
    </select></span>`;
}

/** What is seen where no card is: why, and the next thing that could need somebody. */
function Nothing({ tab, query }) {
  if (FILTERS.some((name) => query.get(name))) {
    return html`<${Empty}><p>No card passes these filters. <a href=${withQuery(Object.fromEntries(FILTERS.map((name) => [name, null])))}>Clear filters</a></p><//>`;
  }
  if (tab === "snoozed") return html`<${Empty}><p>Nothing is put aside.</p><//>`;
  if (tab === "cleared") return html`<${Empty}><p>Nothing was cleared, closed or dismissed today.</p><//>`;
  if (tab === "mine") return html`<${Empty}><p>Nothing waits for <${Name} text=${me.value?.name ?? "you"} />. <a href=${withQuery({ tab: null })}>All cards</a></p><//>`;
  return html`<${Empty}><p class="calm">Nothing needs a decision.</p>
    ${sites.value.map((site) => html`<p key=${site}><${Name} text=${nameOf("site", site, site)} />: ${linesOn(site)}, checked <${Clock} at=${nowOf(site)} site=${site} />.</p>`)}
    <${Tightest} /><//>`;
}

function linesOn(site) {
  const count = [...documents.line.value.values()].filter((each) => each.site_id === site).length;
  return count ? `${plural(count, "line")} watched` : "no lines are known yet";
}

function Tightest() {
  const orders = [...documents.order.value.values()].map((each) => each.document).filter((order) => order.slack_s != null);
  if (!orders.length) return html`<p>No order is projected yet.</p>`;
  const tightest = orders.reduce((one, other) => (other.slack_s < one.slack_s ? other : one));
  return html`<p>Tightest: <a href=${link("orders", joinKey(tightest.site_id, tightest.order_id))}>#<${Name} text=${tightest.order_id} /></a>${" "}
    <${Name} text=${nameOf("customer", tightest.site_id, tightest.customer_id)} />, slack ${tightest.slack_s < 0 ? "used up" : span(tightest.slack_s)}.</p>`;
}
