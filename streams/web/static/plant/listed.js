/** Long lists: a page of the API's list at a time, each row as new as the stream has told. */

import { html, useRef } from "../lib.js";
import { get } from "../api.js";
import { joinKey, number } from "../format.js";
import { useAsked } from "../parts.js";
import { withQuery } from "../router.js";
import { documents } from "../store.js";

const PAGE_SIZE = 100; // rows. Too small: a click a screen. Too large: a slow first sight of 10,000 orders.

/** As useAsked, but what was there stays while the next answer of the same thing is awaited. */
export function useKept(ask, thing, key) {
  const asked = useAsked(ask, `${thing} ${key}`);
  const kept = useRef({ thing: null, value: null });
  if (asked.value) kept.current = { thing, value: asked.value };
  const value = asked.value ?? (kept.current.thing === thing ? kept.current.value : null);
  return { ...asked, value };
}

/**
 * A page of a list, asked again when documents come or go.
 * @returns {{items, total, offset, isComplete, problem, again}} items null until the first answer
 */
export function useListed(kind, query) {
  const offset = Math.max(0, Number.parseInt(query.get("offset") ?? "0", 10) || 0);
  const site = query.get("site");
  const asked = useKept((options) => get(`/${kind}s`, { offset, limit: PAGE_SIZE, site }, options), `${kind} ${offset} ${site ?? ""}`, documents[kind].value.size);
  const items = asked.value?.items.map((each) => documents[kind].value.get(joinKey(each.site_id, each[`${kind}_id`]))?.document ?? each);
  return { items: items ?? null, total: asked.value?.total ?? 0, offset, isComplete: asked.value?.is_complete ?? true, problem: asked.problem, again: asked.again };
}

/** Which part of the list this is, and the parts beside it. */
export function Pager({ listed, what }) {
  const { items, total, offset, isComplete } = listed;
  const link = (to) => withQuery({ offset: to > 0 ? String(to) : null });
  return html`<nav class="pager" aria-label=${`Parts of the ${what}`}>
    <span>${items.length ? `${number(offset + 1)} to ${number(offset + items.length)} of ${number(total)}` : `none of ${number(total)}`} ${what}</span>
    ${offset > 0 && html`<a href=${link(offset - PAGE_SIZE)} rel="prev">Previous</a>`}
    ${offset + items.length < total && items.length > 0 && html`<a href=${link(offset + PAGE_SIZE)} rel="next">Next</a>`}
    ${offset > 0 && !items.length && html`<a href=${link(0)}>To the first</a>`}
    ${!isComplete && html`<span class="quiet">The server's limits left some out.</span>`}</nav>`;
}
