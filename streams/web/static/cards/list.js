/**
 * The list of cards, and the law that nothing moves under the hand: while pointer or focus is in it, or its button says
 * so, the order in which it was shown is held, and what would change is counted.
 */

import { html, useEffect, useRef, useState } from "../lib.js";
import { say } from "../commands.js";
import { plural } from "../format.js";
import { useKeys } from "../keys.js";
import { go, link, withQuery } from "../router.js";
import { documentOf, nowOf } from "../store.js";
import { CardActions } from "./actions.js";
import { FILTERS, PAGE_SIZE, rowsOf } from "./ranking.js";
import { CardRow, GroupRow } from "./row.js";

/** @param {{cards: object[], selected: string|null, query: URLSearchParams, children: any}} about ranked cards; what else is there when there are none */
export function CardList({ cards, selected, query, children }) {
  const list = useRef(null);
  const [isTouched, touch] = useState(false);
  const [isHeld, hold] = useState(false);
  const [marked, mark] = useState(new Set());
  const [focused, focus] = useState(null);
  const [opened, open] = useState(new Set());
  const { shown, changed, apply } = useHeldOrder(cards, isTouched || isHeld, scopeOf(query));
  const rows = rowsOf(shown, nowOf);
  const count = Math.max(1, Math.ceil(rows.length / PAGE_SIZE));
  const number = Math.min(count, Math.max(1, Number(query.get("page")) || 1));
  const onPage = rows.slice((number - 1) * PAGE_SIZE, number * PAGE_SIZE);
  useFlood(rows);
  const acting = shown.filter((card) => marked.has(card.card_id));
  const current = shown.find((card) => card.card_id === (focused ?? selected));
  const targets = acting.length ? acting : current ? [current] : [];
  const step = (by) => {
    const links = [...list.current.querySelectorAll(".open")];
    const at = links.indexOf(document.activeElement);
    const from = at >= 0 ? at : links.findIndex((each) => each.getAttribute("aria-current"));
    const next = links[Math.min(links.length - 1, Math.max(0, from + by))];
    next?.focus();
    // Beside an open card the keys act on what is shown: show what they have come to.
    const id = next?.closest("[data-id]")?.dataset.id;
    if (selected && id) go(withQuery({}, link("cards", id)), { replace: true });
  };
  const before = useRef(selected);
  useEffect(() => {
    if (before.current && !selected) list.current.querySelector(`[data-id="${CSS.escape(before.current)}"] .open`)?.focus();
    before.current = selected;
  }, [selected]);
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ".": apply,
    x: () => current && mark(toggled(marked, current.card_id)),
    Enter: () => current && go(withQuery({}, link("cards", current.card_id))),
  });
  const row = (card) => html`<${CardRow} key=${card.card_id} card=${card} isSelected=${card.card_id === selected}
    isMarked=${marked.has(card.card_id)} onMark=${() => mark(toggled(marked, card.card_id))} onFocus=${() => focus(card.card_id)} />`;
  return html`<div class="list" ref=${list} onMouseEnter=${() => touch(true)} onMouseLeave=${() => touch(isInside(list.current))}
      onFocusIn=${() => touch(true)} onFocusOut=${(event) => list.current && touch(list.current.contains(event.relatedTarget) || list.current.matches(":hover"))}>
    <div class="list-bar" hidden=${!shown.length && !changed}>
      <span class="quiet">${plural(shown.length, "card")}${marked.size > 0 && `, ${acting.length} marked`}</span>
      <button type="button" aria-pressed=${isHeld ? "true" : "false"} onClick=${() => hold(!isHeld)}>Hold this order</button>
      ${changed > 0 && html`<button type="button" class="primary" onClick=${apply}>${plural(changed, "card")} changed order <kbd aria-hidden="true">.</kbd></button>`}
      <span class="unseen" role="status">${changed > 0 ? `${plural(changed, "card")} changed order` : ""}</span>
    </div>
    ${!shown.length && children}
    ${shown.length > 0 && html`<ol class="cards" aria-label="Cards">${onPage.map((each) => (each.label === null ? row(each.cards[0]) : html`
      <${GroupRow} key=${each.key} row=${each} isOpen=${opened.has(each.key)} toggle=${() => open(toggled(opened, each.key))}>${each.cards.map(row)}<//>`))}
    </ol>`}
    ${count > 1 && html`<nav class="pager" aria-label="Pages of the list">${Array.from({ length: count }, (_, index) => html`
      <a key=${index} href=${withQuery({ page: index ? index + 1 : null })} aria-current=${index + 1 === number ? "page" : undefined}>${index + 1}</a>`)}</nav>`}
    ${acting.length > 0 || (!selected && current)
      ? html`<div class="list-actions"><${CardActions} cards=${targets} done=${() => mark(new Set())} /></div>` : null}
  </div>`;
}

/** The filters of an address; the page of the list and the open card change nothing in it. */
function scopeOf(query) {
  return FILTERS.map((name) => query.get(name) ?? "").join("\n");
}

const isInside = (element) => element?.contains(document.activeElement) ?? false;

function toggled(set, value) {
  const changed = new Set(set);
  if (!changed.delete(value)) changed.add(value);
  return changed;
}

/** The order in which cards are shown, held or not, and how many stand elsewhere than they would. */
function useHeldOrder(cards, wantsHold, scope) {
  const order = useRef([]);
  const kept = useRef(new Map());
  const [, again] = useState(0);
  const lastScope = useRef(scope);
  const isHeld = wantsHold && lastScope.current === scope; // another filter is another list
  lastScope.current = scope;
  const fresh = new Map(cards.map((card) => [card.card_id, card]));
  if (!isHeld) order.current = [...fresh.keys()];
  for (const [id, card] of fresh) kept.current.set(id, card);
  const shown = order.current.map((id) => fresh.get(id) ?? documentOf("card", id) ?? kept.current.get(id)).filter(Boolean);
  const wanted = [...fresh.keys()];
  const changed = isHeld ? wanted.filter((id, index) => order.current[index] !== id).length
    || order.current.filter((id) => !fresh.has(id)).length : 0;
  if (!isHeld) kept.current = fresh;
  return { shown, changed, apply: () => { order.current = wanted; again((turn) => turn + 1); } };
}

/** Say once that there is a flood. */
function useFlood(rows) {
  const floods = rows.filter((row) => row.isFlood);
  const told = useRef(new Set());
  useEffect(() => {
    for (const row of floods.filter((each) => !told.current.has(each.key))) {
      told.current.add(row.key);
      say(`${row.label}: ${row.cards.length} cards at once`);
    }
  }, [floods.map((row) => row.key).join()]);
}
