/** The frame around every page: skip link, navigation, how old the picture is, banners, and what was just said. */

import { Fragment, html, useEffect, useErrorBoundary, useLayoutEffect } from "./lib.js";
import { Banners } from "./banners.js";
import { said } from "./commands.js";
import { useKeys } from "./keys.js";
import { PAGES } from "./pages/table.js";
import { Clock, Failed, Loading, Name, lazy, useAsked } from "./parts.js";
import { go, match, place } from "./router.js";
import { asOf, isLoaded, me, nameOf, sites } from "./store.js";
import { link } from "./stream.js";
import { signOut } from "./session.js";

const SignIn = lazy(() => import("./sign_in.js"), "SignIn");

/** The whole page. */
export function Shell() {
  const route = routeOf(place.value);
  useKeys(Object.fromEntries([
    ...PAGES.filter((page) => page.key).map((page) => [`g ${page.key}`, () => go(page.paths[0])]),
    ["?", () => go("/help")],
  ]));
  if (link.value.state === "signed_out" || place.value.path === "/sign-in") return html`<${SignIn} />`;
  return html`<${Fragment}>
    <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <header class="top">
      <nav aria-label="Pages"><ul>${PAGES.filter((page) => page.nav).map((page) => html`
        <li key=${page.nav}><a href=${page.paths[0]} aria-current=${[route?.page.nav, route?.page.under].includes(page.nav) ? "page" : undefined}>${page.nav}</a></li>`)}
      </ul></nav>
      <${Freshness} />
      <${Who} />
    </header>
    <${Banners} />
    <main id="main" tabindex="-1">${route ? html`<${Page} key=${route.page.paths[0]} route=${route} />` : html`<${Lost} />`}</main>
    <${Status} />
  <//>`;
}

function routeOf(where) {
  for (const page of PAGES) {
    for (const path of page.paths) {
      const params = match(path, where);
      if (params) return { page, params, query: where.query };
    }
  }
  return null;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

let pagesShown = 0;

function Page({ route }) {
  const [broken, reset] = useErrorBoundary((error) => console.error(error));
  const { value, problem, again } = useAsked(() => route.page.load(), route.page.paths[0]);
  const name = `${route.page.title} · Foresite`;
  useEffect(() => { document.title = name; }, [name]);
  useLayoutEffect(() => { // another page begins at its heading; the first one where the browser begins
    if (value && pagesShown++ > 0) document.querySelector("main h1")?.focus();
  }, [value]);
  if (broken) return html`<${Failed} problem=${{ title: "This page has a fault of ours", detail: String(broken) }} again=${reset} />`;
  if (problem) {
    const about = { title: "This page could not be loaded", detail: "The server may have been updated: load the page again." };
    return html`<${Failed} problem=${about} again=${again} still="The other pages still work." />`;
  }
  if (!value || (!isLoaded.value && !route.page.needsNothing)) return html`<h1 class="unseen" tabindex="-1">${route.page.title}</h1><${Loading} lines=${8} />`;
  return html`<${value.Page} params=${route.params} query=${route.query} />`;
}

function Lost() {
  return html`<h1 tabindex="-1">There is no such page</h1><p><a href="/">What needs action now</a></p>`;
}

/** "as of Thu 10:42:07": of the one site, or of the oldest of several. */
function Freshness() {
  const known = Object.entries(asOf.value).sort(([, one], [, other]) => (one < other ? -1 : 1));
  if (!known.length) return html`<p class="as-of">as of: unknown</p>`;
  const [[site, at]] = known;
  return html`<p class="as-of">as of <${Clock} at=${at} site=${site} />
    ${sites.value.length > 1 && html` <span class="quiet">(<${Name} text=${nameOf("site", site, site)} />)</span>`}</p>`;
}

function Who() {
  if (!me.value) return null;
  const { name, role, via } = me.value;
  return html`<p class="who"><${Name} text=${name} /> <span class="quiet">${role}</span>
    ${via !== "local" && html` <button type="button" class="plain" onClick=${signOut}>Sign out</button>`}</p>`;
}

/** What was just said, for everybody: read out politely, and shown for a while. */
function Status() {
  return html`<p class=${said.value.isQuiet ? "status unseen" : "status"} role="status" aria-live="polite">${said.value.text}</p>`;
}
