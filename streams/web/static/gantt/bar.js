/** One bar: its setup, its words, its edge and its lock; or the outline of where it was. */

import { html } from "../lib.js";
import { clean } from "../format.js";
import { BAR_PX, WAS_PX } from "./layout.js";

const LEAST_PX = 3; // or it could not be seen
const WORDS_PX = 22; // below it no word fits
const LOCK_PX = 16;
const ROOM_PX = 90; // that words keep at the end of a bar
const LETTERS_MAX = 80;

/** The bar of a place. */
export function Bar({ place, scale, edge, hatch, isTabStop, isPicked, onPick, onFocus }) {
  const { bar, top } = place;
  const about = clean(typeof bar.about === "function" ? bar.about() : bar.about);
  const x = scale.x(place.start);
  const width = Math.max(LEAST_PX, scale.x(place.to) - x);
  if (bar.isWas) return html`<rect class="gantt-was" rx="2" x=${x} y=${top} width=${width} height=${WAS_PX}><title>${about}</title></rect>`;
  const setup = bar.setupFrom ? x - scale.x(place.from) : 0;
  const look = ["gantt-bar", bar.isChanged ? "changed" : "", bar.isFixed ? "fixed" : "", isPicked ? "picked" : "", bar.canMove ? "movable" : ""].join(" ").trim();
  const words = width - (bar.isLocked ? LOCK_PX : 0);
  const inset = Math.max(bar.isFixed ? 8 : 5, Math.min(edge - x + 5, words - ROOM_PX)); // words of a bar that begins out of sight
  return html`<g class=${look} data-bar=${bar.id} role=${onPick ? "button" : "img"} tabindex=${isTabStop ? "0" : "-1"} aria-label=${about}
      aria-pressed=${onPick ? (isPicked ? "true" : "false") : undefined} onClick=${onPick && (() => onPick(bar.id))} onFocus=${() => onFocus(bar.id)}>
    <title>${about}</title>
    ${setup > 0 && html`<rect class="gantt-setup" x=${x - setup} y=${top + 4} width=${setup} height=${BAR_PX - 8} fill=${`url(#${hatch})`} />`}
    <rect class="gantt-solid" rx="2" x=${x} y=${top} width=${width} height=${BAR_PX} />
    ${bar.isFixed && html`<rect class="gantt-edge" x=${x} y=${top} width=${Math.min(4, width)} height=${BAR_PX} />`}
    ${words > WORDS_PX && html`<svg x=${x} y=${top} width=${words} height=${BAR_PX}><text x=${inset} y=${BAR_PX / 2 + 5}>${clean(bar.name).slice(0, LETTERS_MAX)}</text></svg>`}
    ${bar.isLocked && html`<path class="gantt-lock" transform=${`translate(${x + width - LOCK_PX + 2} ${top + 6})`}
      d="M0 6h12v8H0z M2.5 6V4a3.5 3.5 0 0 1 7 0v2" />`}
  </g>`;
}
