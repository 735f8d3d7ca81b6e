/** Help: what each kind of card means and asks for, and the keys. */

import { html } from "../lib.js";
import { isOn, setOn } from "../keys.js";
import { Severity } from "../parts.js";
import { CARD_KINDS } from "../cards/kinds.js";

const KEYS = [
  ["j, k", "next, previous card"], ["Enter", "open"], ["x", "mark, to act on several at once"], ["a", "acknowledge"],
  ["s", "snooze"], ["h", "hand over"], ["d", "dismiss"], ["o", "options"], ["1 to 9", "choose an option"], ["e", "among options: adjust one"], ["arrows, Home, End", "in a chart: from bar to bar; Enter picks one"],
  ["c", "review before commit"], ["a, r", "among options: approve, reject"], ["/", "search"], [".", "apply the new order"],
  ["g then n, p, o, t, l, d, h", "go to Now, Plant, Orders, Plan, Ledger, Data, Help"], ["?", "help"], ["Esc", "back"],
];

/** The page. */
export function Page() {
  return html`<div class="text"><h1 tabindex="-1">Help</h1>
    <p>Every card is one cause, with every order that it hits, one owner, one deadline and the money. It goes by itself when its cause does.</p>
    <h2>How loud a card is</h2>
    <ul class="plain-list">${["critical", "high", "medium", "low"].map((level) => html`<li key=${level}><${Severity} level=${level} /></li>`)}</ul>
    <p>Each step up has a reason, which the card names: a customer who cannot slip, a drift over days, money above a limit. The rules of the plant set them.</p>
    <h2>Kinds of cards</h2>
    ${CARD_KINDS.map((kind) => html`<section key=${kind.kind} id=${kind.kind}><h3>${kind.title}</h3><dl class="facts">
      <div><dt>Cause</dt><dd>${kind.cause}</dd></div><div><dt>Consequence</dt><dd>${kind.consequence}</dd></div>
      <div><dt>What to do</dt><dd>${kind.action}</dd></div><div><dt>Time to respond</dt><dd>${kind.deadline}</dd></div>
      <div><dt>Whose it is</dt><dd>${kind.owner}</dd></div><div><dt>Goes away</dt><dd>${kind.ends}</dd></div></dl></section>`)}
    <h2 id="keys">Keys</h2>
    <label class="choice"><input type="checkbox" checked=${isOn.value} onChange=${(event) => setOn(event.target.checked)} /> Single keys are on</label>
    <p class="quiet">Switch them off where speech input or another program uses letters. Kept in this browser.</p>
    <table><thead><tr><th scope="col">Key</th><th scope="col">Does</th></tr></thead><tbody>${KEYS.map(([key, does]) => html`
      <tr key=${key}><th scope="row"><kbd>${key}</kbd></th><td>${does}</td></tr>`)}</tbody></table>
    <h2>By API</h2><p>All that this page shows and does is to be had by API: <a href="/api/v1/docs">what the API can do</a>.</p></div>`;
}
