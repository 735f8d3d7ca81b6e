/** The forms in which cards are moved: until when, to whom, why; and what changed when somebody else was quicker. */

import { html, useEffect, useId, useState } from "../lib.js";
import { Problem } from "../api.js";
import { dismissSent, sentTo } from "../commands.js";
import { clean, when, words } from "../format.js";
import { Dialog, Failed, Name } from "../parts.js";
import { documentOf, named, nowOf, zoneOf } from "../store.js";
import { ACTIONS, MOVES, sendAll } from "./actions.js";

/** The form of a move. What was typed stays until it went through or is given up. */
export function ActionDialog({ kind, cards, onClose, onDone }) {
  const [seen, setSeen] = useState(cards);
  const [input, setInput] = useState(() => draftOf(kind, cards));
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const { label, form } = ACTIONS[kind];
  const isConflict = problem?.type === "stale_revision";
  const newest = seen.map((card) => documentOf("card", card.card_id) ?? card);
  const left = newest.filter((card) => !["sent", "sending"].includes(sentTo(card.card_id)?.state));
  const ready = left.filter((card) => MOVES[card.state].includes(kind));
  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await sendAll(kind, isConflict ? ready : seen.filter((card) => left.some((each) => each.card_id === card.card_id)), bodyOf(form, input, seen[0]),
        Object.fromEntries(seen.map((card) => [card.card_id, repeatable(card.card_id)])));
      onDone();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem({ status: 0, type: "error", title: String(error) }));
      setBusy(false);
    }
  };
  const close = () => {
    for (const card of seen) if (["failed", "conflict"].includes(sentTo(card.card_id)?.state)) dismissSent(card.card_id);
    onClose();
  };
  const missing = isConflict && !ready.length ? "the card has no such move any more"
    : form === "reason" && !input.trim() ? "say why" : form === "until" && !input ? "say until when" : form === "owner" && !input.trim() ? "say to whom" : "";
  return html`<${Dialog} title=${`${label}${seen.length > 1 ? ` ${seen.length} cards` : ""}`} onClose=${close} onSubmit=${submit}
      submit=${isConflict ? `${label} on revision ${newest[0].revision}` : label} isBusy=${isBusy} submitWhy=${missing}>
    <ul class="plain-list">${seen.slice(0, 5).map((card) => html`<li key=${card.card_id}><${Name} text=${card.title} /></li>`)}
      ${seen.length > 5 && html`<li>and ${seen.length - 5} more</li>`}</ul>
    <${FormField} form=${form} value=${input} onInput=${setInput} card=${newest[0]} />
    ${isConflict ? html`<${Changes} before=${seen} after=${newest} />` : problem && html`<${Failed} problem=${problem} still="What you typed is kept." />`}
  <//>`;
}

/** Field by field what changed since somebody looked. */
function Changes({ before, after }) {
  return html`<div class="failed" role="alert"><p><strong>It has changed since you looked.</strong> What you typed is kept.</p>
    ${after.map((now, index) => {
      const then = before[index];
      const changed = FIELDS.filter(([, of]) => of(then) !== of(now));
      return then.revision !== now.revision && html`<table key=${now.card_id}><caption>Revision ${then.revision} → ${now.revision}: ${now.update_reason}</caption>
        <thead><tr><th scope="col">what</th><th scope="col">then</th><th scope="col">now</th></tr></thead>
        <tbody>${changed.map(([name, of]) => html`<tr key=${name}><th scope="row">${name}</th><td><${Name} text=${of(then)} long /></td><td><${Name} text=${of(now)} long /></td></tr>`)}
        ${!changed.length && html`<tr><td colspan="3">only numbers in the details</td></tr>`}</tbody></table>`;
    })}</div>`;
}

const FIELDS = [
  ["state", (card) => `${words(card.state)}${card.state_by ? ` by ${card.state_by}` : ""}${card.state_note ? `: ${card.state_note}` : ""}`],
  ["severity", (card) => card.severity],
  ["owner", (card) => card.owner.name],
  ["title", (card) => card.title],
  ["deadline", (card) => when(card.deadline, zoneOf(card.site_id), nowOf(card.site_id))],
  ["exposure", (card) => `${Math.round(card.impact.exposure)} ${card.impact.currency}`],
  ["orders", (card) => String(card.affected_total)],
];

function FormField({ form, value, onInput, card }) {
  const id = useId();
  const input = (event) => onInput(event.target.value);
  if (form === "reason") {
    return html`<label for=${id}>Why is it no risk? (needed)</label>
      <textarea id=${id} rows="3" required maxlength="2000" value=${value} onInput=${input} data-first></textarea>`;
  }
  if (form === "note") {
    return html`<label for=${id}>What was done? (may be empty)</label>
      <textarea id=${id} rows="3" maxlength="2000" value=${value} onInput=${input} data-first></textarea>`;
  }
  if (form === "owner") {
    return html`<label for=${id}>To whom? A person's id; those who own something here are suggested.</label>
      <input id=${id} list=${`${id}-people`} autocomplete="off" required maxlength="200" value=${value} onInput=${input} data-first />
      <datalist id=${`${id}-people`}>${named("person", card.site_id).map((person) => html`
        <option key=${person.entity_id} value=${person.entity_id}>${clean(person.name)}</option>`)}</datalist>`;
  }
  if (form === "until") return html`<${Until} value=${value} onInput=${onInput} card=${card} />`;
  return null;
}

const HOUR_MS = 3_600_000;

/** Until when to snooze: a few choices before the deadline; the card wakes earlier when it gets worse. */
function Until({ value, onInput, card }) {
  const now = Date.parse(nowOf(card.site_id) ?? card.as_of);
  const deadline = card.deadline ? Date.parse(card.deadline) : null;
  const offered = [1, 4, 8, 24].map((hours) => [`${hours} h`, now + hours * HOUR_MS]);
  if (deadline && deadline > now) offered.push(["half way to the deadline", now + Math.floor((deadline - now) / 2 / 60_000) * 60_000]);
  const possible = offered.filter(([, at]) => !deadline || at < deadline);
  useEffect(() => { if (!value && possible.length) onInput(new Date(possible[0][1]).toISOString()); }, []);
  if (!possible.length) return html`<p>Its deadline is less than an hour away or past: it cannot be put aside.</p>`;
  return html`<fieldset><legend>Put aside for</legend>${possible.map(([label, at], index) => {
    const iso = new Date(at).toISOString();
    return html`<label key=${label} class="choice"><input type="radio" name="until" value=${iso} checked=${value === iso}
      data-first=${index === 0 ? "" : undefined} onChange=${() => onInput(iso)} /> ${label}, until ${when(iso, zoneOf(card.site_id), nowOf(card.site_id))}</label>`;
  })}</fieldset><p class="quiet">It comes back earlier when it gets worse.</p>`;
}

function bodyOf(form, input) {
  if (form === "reason") return { reason: input.trim() };
  if (form === "note") return input.trim() ? { note: input.trim() } : {};
  if (form === "owner") return { owner_id: input.trim() };
  return form === "until" ? { until: input } : {};
}

/** What was typed for a card the last time, if it was refused. */
function draftOf(kind, [card]) {
  const body = sentTo(card.card_id)?.body;
  return body?.kind === kind ? body.reason ?? body.note ?? body.owner_id ?? body.until ?? "" : "";
}

/** The id of an attempt of which nobody knows whether it arrived: the same again is carried out once. */
function repeatable(cardId) {
  const before = sentTo(cardId);
  return before?.state === "failed" && [0, 503, 504].includes(before.problem?.status) ? before.id : null;
}
