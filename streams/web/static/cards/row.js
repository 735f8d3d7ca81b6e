/** One card in one line: how bad, what, why, whose, until when, how much, and where it stands. */

import { html } from "../lib.js";
import { distance, span, secondsBetween, words } from "../format.js";
import { Deadline, Money, Name, Severity } from "../parts.js";
import { link, withQuery } from "../router.js";
import { nowOf } from "../store.js";
import { SentMark } from "./actions.js";
import { LIVE, exposures, worstOf } from "./ranking.js";

/** A card's line. */
export function CardRow({ card, isSelected, isMarked, onMark, onFocus }) {
  const now = nowOf(card.site_id);
  const age = secondsBetween(card.opened_at, now);
  return html`<li class="row ${isSelected ? "selected" : ""} ${LIVE.has(card.state) ? "" : "gone"}" data-id=${card.card_id}>
    <input type="checkbox" class="mark" checked=${isMarked} aria-label=${`Mark: ${card.title}`.slice(0, 300)} onChange=${onMark} />
    <${Severity} level=${card.severity} />
    <div class="what"><a class="open" href=${withQuery({}, link("cards", card.card_id))} aria-current=${isSelected ? "true" : undefined}
        onFocus=${onFocus}><${Name} text=${card.title} /></a>
      <span class="cause"><${Name} text=${card.cause.in_words} /></span>
      ${card.caveats.length > 0 && html`<span class="doubt"><${Name} text=${card.caveats[0]} /></span>`}</div>
    <span class="owner"><${Name} text=${card.owner.name} /></span>
    <${Deadline} from=${card.opened_at} to=${card.deadline} site=${card.site_id} />
    <${Money} amount=${card.impact.exposure > 0 ? card.impact.exposure : null} currency=${card.impact.currency} />
    <span class="state">${words(card.state)}${card.state === "snoozed" && html` <span class="far">wakes ${distance(card.snoozed_until, now)}</span>`}
      ${" "}<span class="far">${age == null ? "" : `${span(age)} old`}</span></span>
    <${SentMark} target=${card.card_id} />
  </li>`;
}

/** Several cards of one root in one line, with their sums. */
export function GroupRow({ row, isOpen, toggle, children }) {
  return html`<li class="group ${row.isFlood ? "flood" : ""}">
    <button type="button" class="row open" aria-expanded=${isOpen ? "true" : "false"} onClick=${toggle}>
      <span aria-hidden="true">${isOpen ? "▾" : "▸"}</span>
      <${Severity} level=${worstOf(row.cards)} />
      <span class="what"><${Name} text=${row.label} />: ${row.cards.length} cards
        ${!row.isFlood && html`<span class="first">first: <${Name} text=${row.cards[0].title} /></span>`}</span>
      <span class="number">${Object.entries(exposures(row.cards)).map(([currency, sum]) => html`<${Money} key=${currency} amount=${sum} currency=${currency} /> `)}</span>
    </button>
    ${isOpen && html`<ol class="cards">${children}</ol>`}
  </li>`;
}
