/** What the looks of a chart mean, in words; a legend beside each of them. */

import { html, useId } from "../lib.js";

const WORDS = {
  plain: "unchanged", changed: "moved by this option", was: "committed now", setup: "setup", fixed: "started or frozen", locked: "locked by a planner",
};

/** @param {{looks: (keyof WORDS)[], words?: Record<string, string>}} about which looks there are, and other words for them */
export function Legend({ looks, words = {} }) {
  const hatch = useId();
  return html`<ul class="legend" aria-label="Legend">${looks.map((look) => html`<li key=${look}>
    <svg aria-hidden="true" width="34" height="18" class=${`gantt-bar ${look}`}>
      ${look === "setup" && html`<defs><pattern id=${hatch} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="6" height="6" class="hatch-ground" /><line x1="0" y1="0" x2="0" y2="6" class="hatch-line" /></pattern></defs>`}
      ${look === "was" ? html`<rect class="gantt-was" x="1" y="4" width="32" height="9" rx="2" />`
        : look === "setup" ? html`<rect class="gantt-setup" x="1" y="3" width="32" height="12" fill=${`url(#${hatch})`} />`
          : html`<rect class="gantt-solid" x="1" y="1" width="32" height="16" rx="2" />`}
      ${look === "fixed" && html`<rect class="gantt-edge" x="1" y="1" width="4" height="16" />`}
      ${look === "locked" && html`<path class="gantt-lock" transform="translate(11 2)" d="M0 6h12v8H0z M2.5 6V4a3.5 3.5 0 0 1 7 0v2" />`}
    </svg>${words[look] ?? WORDS[look]}</li>`)}</ul>`;
}
