/** What a person can do with cards: which moves a state has, and the buttons and keys for them. */

import { html, useState } from "../lib.js";
import { dismissSent, say, send, sentTo } from "../commands.js";
import { title } from "../format.js";
import { useKeys } from "../keys.js";
import { CommandButton, Name, lazy, whyNot } from "../parts.js";
import { mayI, trouble } from "../store.js";

const ActionDialog = lazy(() => import("./action_dialog.js"), "ActionDialog");

/** State -> moves that it has; the twin's own table, held to it by a test. */
export const MOVES = {
  open: ["card_acknowledge", "card_assign", "card_start", "card_snooze", "card_resolve", "card_dismiss"],
  acknowledged: ["card_assign", "card_start", "card_snooze", "card_resolve", "card_dismiss"],
  in_progress: ["card_assign", "card_snooze", "card_resolve", "card_dismiss"],
  snoozed: ["card_acknowledge", "card_assign", "card_start", "card_snooze", "card_resolve", "card_dismiss", "card_reopen"],
  resolved: ["card_reopen"],
  dismissed: ["card_reopen"],
  cleared: [],
  closed: [],
};

/** Label, key, and the form that it needs: none, until, owner, reason (needed) or note (may be empty). */
export const ACTIONS = {
  card_acknowledge: { label: "Acknowledge", key: "a", form: null },
  card_start: { label: "Start work", key: null, form: null },
  card_snooze: { label: "Snooze", key: "s", form: "until" },
  card_assign: { label: "Hand over", key: "h", form: "owner" },
  card_resolve: { label: "Resolve", key: null, form: "note" },
  card_dismiss: { label: "Dismiss", key: "d", form: "reason" },
  card_reopen: { label: "Reopen", key: null, form: null },
};

/** Buttons and keys for cards: one, or several at once. */
export function CardActions({ cards, done }) {
  const [chosen, choose] = useState(null);
  const start = (kind) => {
    if (!mayI(kind) || trouble.value || !able(kind, cards).length) return;
    if (ACTIONS[kind].form) choose(kind);
    else sendAll(kind, able(kind, cards), {}).then(done, () => choose(kind));
  };
  useKeys(Object.fromEntries(Object.entries(ACTIONS).filter(([, action]) => action.key)
    .map(([kind, action]) => [action.key, () => start(kind)])));
  if (!cards.length) return null;
  const kinds = Object.keys(ACTIONS).filter((kind) => cards.some((card) => MOVES[card.state].includes(kind)));
  return html`<div class="actions" role="group" aria-label=${cards.length > 1 ? `Actions for ${cards.length} cards` : "Actions"}>
    ${kinds.map((kind) => html`<${CommandButton} key=${kind} command=${kind} onClick=${() => start(kind)}
      primary=${kind === "card_acknowledge"} aria-keyshortcuts=${ACTIONS[kind].key ?? undefined}>
      ${ACTIONS[kind].label}${ACTIONS[kind].key && html` <kbd aria-hidden="true">${ACTIONS[kind].key}</kbd>`}<//>`)}
    <${WhyNot} kind=${kinds[0]} />
    ${chosen && html`<${ActionDialog} kind=${chosen} cards=${able(chosen, cards)} onClose=${() => choose(null)}
      onDone=${() => { choose(null); done?.(); }} />`}
  </div>`;
}

/** Why nothing can be done at all, for everybody to see; each button says it too. */
function WhyNot({ kind }) {
  return kind && whyNot(kind) && html`<p class="why-not">${whyNot(kind)}</p>`;
}

const able = (kind, cards) => cards.filter((card) => MOVES[card.state].includes(kind));

/** Send a move for each card; those that went are not sent again. @throws {Problem} of the first that did not go */
export async function sendAll(kind, cards, more, ids = {}) {
  const outcomes = await Promise.allSettled(cards.map((card) => send({
    kind, site_id: card.site_id, card_id: card.card_id, expected_revision: card.revision, ...more,
  }, ids[card.card_id])));
  const failed = outcomes.findIndex((each) => each.status === "rejected");
  const count = outcomes.filter((each) => each.status === "fulfilled").length;
  const some = cards.length > 1 ? ` for ${count} of ${cards.length} cards` : "";
  say(`${ACTIONS[kind].label}: ${count ? `sent${some}` : "not sent"}`);
  if (failed >= 0) throw outcomes[failed].reason;
}

/** "sent", or why it was refused, beside what it is about. */
export function SentMark({ target }) {
  const command = sentTo(target);
  if (!command) return null;
  const what = ACTIONS[command.body.kind]?.label ?? title(command.body.kind.replace(/^proposal_/, ""));
  if (command.state === "sending" || command.state === "sent") return html`<span class="sent">${what}: sent</span>`;
  return html`<span class="sent refused">${what}: ${command.state === "rejected" ? "refused" : "not sent"}.
    ${" "}<${Name} text=${command.problem.detail || command.problem.title} long />
    <button type="button" class="plain" onClick=${() => dismissSent(target)}>Put away</button></span>`;
}
