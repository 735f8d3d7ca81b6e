/** The address says what is shown: its path the page, its query the filters. Ids stand in the path, percent-encoded. */

import { signal } from "./lib.js";

/** Where we are: {path, query}. */
export const place = signal(here());

addEventListener("popstate", () => { place.value = here(); });

function here() {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** Go to an address of ours; `replace` leaves no step in the history, as for filters. */
export function go(href, { replace = false } = {}) {
  if (href === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"]({}, "", href);
  place.value = here();
}

/** Back to where we came from, or to a page of ours when we came from outside. */
export function back(fallback) {
  if (history.length > 1 && history.state) history.back();
  else go(fallback);
}

/** This address with other filters; null takes one away. */
export function withQuery(changes, path = place.value.path) {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value == null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Address of an entity: link("cards", id). Ids that no path can hold stand in the query. */
export function link(page, ...ids) {
  if (ids.some((id) => id === "." || id === "..")) return `/${page}/?id=${ids.map(encodeURIComponent).join("&id=")}`;
  return `/${[page, ...ids.map(encodeURIComponent)].join("/")}`;
}

/** What the names of a pattern stand for in a path, or null: match("/cards/:id", "/cards/a%2Fb") -> {id: "a/b"}. */
export function match(pattern, { path, query }) {
  const wanted = pattern.split("/").slice(1);
  const parts = path.split("/").slice(1);
  if (parts.at(-1) === "" && query.has("id")) parts.splice(-1, 1, ...query.getAll("id"));
  else if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  if (wanted.length !== parts.length) return null;
  const found = {};
  for (const [index, name] of wanted.entries()) {
    if (name.startsWith(":")) found[name.slice(1)] = decoded(parts[index]);
    else if (name !== parts[index]) return null;
  }
  return found;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch { // not one of ours
    return part;
  }
}

/** Let links of ours change the page instead of loading it; to be put on the document. */
export function onClick(event) {
  const found = event.target.closest?.("a[href]");
  const anchor = found instanceof SVGElement ? urlOf(found) : found; // a link in a drawing has an address and no parts of it
  if (!anchor || anchor.target || found.hasAttribute("download") || event.defaultPrevented) return;
  if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (anchor.origin !== location.origin || /^\/(api|static)\//.test(anchor.pathname) || anchor.hash) return;
  event.preventDefault();
  go(anchor.pathname + anchor.search);
}

function urlOf(element) {
  return new URL(element.getAttribute("href"), location.href);
}
