/** What holds for the whole page: how old the picture is, what cannot be trusted, and what this is a picture of. */

import { html } from "./lib.js";
import { clock, span, when } from "./format.js";
import { Banner, Name, useNow } from "./parts.js";
import { asOf, documents, heardAt, isLoaded, leftOut, me, nameOf, nowOf, trouble, zoneOf } from "./store.js";
import { link, retryNow } from "./stream.js";

const STALE_MS = 15_000; // three heartbeats
export const TOO_OLD_MS = 120_000; // nobody commits on a picture of then

/** Whether the picture is too old to commit a plan on. Reading is always possible. */
export function isTooOld() {
  return heardAt.value > 0 && Date.now() - heardAt.value > TOO_OLD_MS;
}

/** All banners that hold now, the most important first. */
export function Banners() {
  const now = useNow();
  const said = me.value?.notice;
  return html`<section class="banners" aria-label="About this picture">
    <${Connection} now=${now} />
    ${trouble.value && html`<${Banner} kind="warn">${trouble.value}<//>`}
    ${[...documents.site.value.values()].filter((each) => each.document.is_catching_up).map(({ document }) => html`
      <${Banner} key=${document.site_id} kind="warn">Catching up, ${span(document.behind_s)} behind
        (<${Name} text=${nameOf("site", document.site_id, document.site_id)} />): nothing is raised for silence meanwhile.<//>`)}
    <${Silent} />
    ${Object.entries(leftOut.value).filter(([kind, count]) => count > 0 && kind === "card").map(([kind, count]) => html`
      <${Banner} key=${kind} kind="note">${count} more cards than this server keeps in memory are not shown.<//>`)}
    ${said && html`<${Banner} kind="note"><${Name} text=${said} long /><//>`}
  </section>`;
}

function Connection({ now }) {
  const { state, problem, nextTryAt } = link.value;
  if (state === "catching_up") {
    return html`<${Banner} kind="warn"><span role="status">The server is still reading the topics.</span> ${next(nextTryAt, now)}<//>`;
  }
  if (!isLoaded.value) {
    return state === "lost" && html`<${Banner} kind="error"><span role="status">Nothing could be loaded: ${problem?.title}.</span>
      ${" "}${next(nextTryAt, now)}${problem?.requestId && html` Request <code>${problem.requestId}</code>.`}<//>`;
  }
  const isStale = state === "lost" || now - heardAt.value > STALE_MS;
  if (!isStale) return null;
  return html`<${Banner} kind="error"><span role="status">Picture of <${PictureTime} />. Reconnecting.</span>
    ${" "}${next(nextTryAt, now)}${now - heardAt.value > TOO_OLD_MS && " Plans cannot be committed on it; reading goes on."}<//>`;
}

function PictureTime() {
  const [site] = Object.keys(asOf.value).sort((one, other) => (asOf.value[one] < asOf.value[other] ? -1 : 1));
  return site ? clock(nowOf(site), zoneOf(site)) : "an unknown time";
}

function next(nextTryAt, now) {
  const seconds = nextTryAt ? Math.max(0, Math.ceil((nextTryAt - now) / 1000)) : null;
  return html`<span>${seconds > 0 ? `Next try in ${seconds} s. ` : "Trying now. "}</span>
    <button type="button" onClick=${retryNow}>Try now</button>`;
}

/** One source that is silent: said of each line, not of the whole picture. */
function Silent() {
  const cards = [...documents.card.value.values()].map((each) => each.document)
    .filter((card) => card.kind === "data_stale" && card.state !== "cleared" && card.state !== "closed");
  if (!cards.length) return null;
  const [first] = cards;
  const line = documents.line.value.get(`${first.site_id}/${first.cause.entity_id}`)?.document;
  const since = line?.last_event_at ?? first.cause.since;
  const about = nameOf(first.cause.entity_type, first.site_id, first.cause.entity_id);
  return html`<${Banner} kind="warn"><${Name} text=${about} />: no data since ${when(since, zoneOf(first.site_id), nowOf(first.site_id))}.
    Forecasts that rest on it say so.${cards.length > 1 && ` So are ${cards.length - 1} more.`} <a href="/?kind=data_stale">Show</a><//>`;
}
