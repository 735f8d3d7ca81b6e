/** Small pieces that every page uses. Each shows and none decides. */

import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "./lib.js";
import { Problem } from "./api.js";
import { clean, clock, distance, money, secondsBetween, span, when } from "./format.js";
import { mayI, me, nowOf, trouble, zoneOf } from "./store.js";

const SHAPES = { critical: "▲", high: "◆", medium: "■", low: "" };

/** Shape and word of a severity; the colour only repeats them. */
export function Severity({ level }) {
  return html`<span class="severity severity-${level}"><span aria-hidden="true">${SHAPES[level] ?? ""}</span> ${level}</span>`;
}

const AHEAD_MS = 1_000; // after the first paint
const NAME_LENGTH = 120;
const SENTENCE_LENGTH = 600;

/** A name, or with `long` a sentence, of another system: its direction kept to itself, and what is endless cut short until asked for. */
export function Name({ text, long = false }) {
  const [isWhole, showWhole] = useState(false);
  const all = clean(text);
  const length = long ? SENTENCE_LENGTH : NAME_LENGTH;
  if (isWhole || all.length <= length) return html`<bdi class="name">${all}</bdi>`;
  return html`<bdi class="name">${all.slice(0, length)} ...</bdi>${long && html` <button type="button" class="plain"
    onClick=${() => showWhole(true)}>Show all ${all.length.toLocaleString("en")} characters</button>`}`;
}

/** A moment in the site's zone, with its distance from the plant's time. */
export function When({ at, site, far = true }) {
  const now = nowOf(site);
  if (!at) return html`<span class="unknown">unknown</span>`;
  return html`<time datetime=${at} title=${`${new Date(at).toISOString()}, shown in ${zoneOf(site)}`}>
    ${when(at, zoneOf(site), now)}${far && now ? html`<span class="far"> ${distance(at, now)}</span>` : ""}</time>`;
}

/** Time of day to the second: how old the picture is. */
export function Clock({ at, site }) {
  return html`<time datetime=${at ?? ""}>${clock(at, zoneOf(site))}</time>`;
}

/** Money with its currency; unknown where nobody has said. */
export function Money({ amount, currency }) {
  return html`<span class=${amount == null ? "unknown" : "number"}>${money(amount, currency)}</span>`;
}

/** A deadline as a bar that fills from `from` to `to`, and in words. */
export function Deadline({ from, to, site }) {
  const now = nowOf(site);
  const whole = secondsBetween(from, to);
  const left = secondsBetween(now, to);
  if (left == null) return html`<span class="deadline unknown">no deadline known</span>`;
  const share = whole > 0 ? Math.min(1, Math.max(0, 1 - left / whole)) : 1;
  return html`<span class="deadline ${left < 0 ? "past" : ""}">
    <span class="bar" aria-hidden="true"><span class="bar-fill" style=${{ width: `${share * 100}%` }}></span></span>
    <span>${when(to, zoneOf(site), now)}</span><span class="far"> ${left < 0 ? `${span(left)} past` : `in ${span(left)}`}</span>
  </span>`;
}

/** Grey blocks of the final size, after 300 ms of nothing: never a spinner over data. */
export function Loading({ lines = 4, what = "Loading" }) {
  const [isShown, show] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => show(true), 300);
    return () => clearTimeout(timer);
  }, []);
  return html`<div class="loading" role="status" aria-busy="true"><span class="unseen">${isShown ? what : ""}</span>
    ${isShown && Array.from({ length: lines }, () => html`<div class="block" aria-hidden="true"></div>`)}</div>`;
}

/** What failed, what still works, the request's id, and how to try again. A failed part never blanks the page. */
export function Failed({ problem, again, still = "The rest of the page still works." }) {
  return html`<div class="failed" role="alert">
    <p><strong><${Name} text=${problem.title || "Something failed"} /></strong></p>
    <p><${Name} text=${problem.detail || problem.message} long /> ${still}</p>
    ${problem.fields?.length > 0 && html`<ul>${problem.fields.map((each) => html`<li key=${each.path}>
      <code>${each.path || "body"}</code>: ${each.message}</li>`)}</ul>`}
    ${problem.requestId && html`<p class="quiet">Request <code>${problem.requestId}</code>, to be named when asking for help.</p>`}
    ${again && html`<button type="button" onClick=${again}>Try again</button>`}
  </div>`;
}

/** What is seen where there is nothing, and why that is. */
export function Empty({ children }) {
  return html`<div class="empty">${children}</div>`;
}

/** A banner: what holds for the whole page until it does not. */
export function Banner({ kind = "note", children }) {
  return html`<div class="banner banner-${kind}">${children}</div>`;
}

/** A button for a command: there, disabled and with who may, for those who may not. */
export function CommandButton({ command, onClick, disabled = false, why = "", primary = false, children, ...more }) {
  const not = whyNot(command);
  const reason = not || why;
  const id = useId();
  const isOff = Boolean(not) || disabled;
  const press = isOff ? undefined : onClick;
  return html`<button type="button" class=${primary ? "primary" : ""} aria-disabled=${isOff ? "true" : undefined}
      aria-describedby=${isOff && reason ? id : undefined} title=${isOff ? reason : undefined}
      onClick=${press} ...${more}>${children}</button>
    ${isOff && reason && html`<span id=${id} class="unseen">${reason}</span>`}`;
}

/** Why a command cannot be sent now, or "". */
export function whyNot(command) {
  if (trouble.value) return trouble.value;
  return mayI(command) ? "" : `${me.value?.name ?? "you"} is ${me.value?.role ?? "not signed in"}: ${whoMay(command)}`;
}

function whoMay(command) {
  return command === "proposal_approve" ? "approvers may" : "planners and approvers may";
}

/**
 * A dialog with a form. Esc and Cancel leave it; what has focus gets it back.
 * @param {{title: string, onClose: () => void, onSubmit: () => void, submit: string}} about
 */
export function Dialog({ title, onClose, onSubmit, submit, isBusy = false, submitWhy = "", children }) {
  const dialog = useRef(null);
  const heading = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const element = dialog.current;
    element.showModal();
    element.querySelector("[data-first]")?.focus();
    return () => {
      element.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const submitted = (event) => {
    event.preventDefault();
    if (!isBusy && !submitWhy) onSubmit();
  };
  return html`<dialog ref=${dialog} aria-labelledby=${heading} onCancel=${(event) => { event.preventDefault(); onClose(); }}>
    <form method="dialog" onSubmit=${submitted}>
      <h2 id=${heading}>${title}</h2>
      ${children}
      <div class="actions"><button type="submit" class="primary" aria-disabled=${isBusy || submitWhy ? "true" : undefined}
        title=${submitWhy || undefined}>${isBusy ? "Sending ..." : submit}</button>
        <button type="button" onClick=${onClose}>Cancel</button></div>
    </form>
  </dialog>`;
}

/**
 * Ask for something of the API while a component is there, and again when `key` changes.
 * What was there stays while the next answer is awaited. @returns {{value, problem, isLoading, again}}
 */
export function useAsked(ask, key) {
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState({ value: null, problem: null, isLoading: true, key: null });
  useEffect(() => {
    const end = new AbortController();
    setState((before) => ({ ...before, value: before.key === key ? before.value : null, isLoading: true }));
    ask({ signal: end.signal }).then(
      (value) => setState({ value, problem: null, isLoading: false, key }),
      (error) => {
        if (end.signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem({ status: 0, type: "error", title: String(error) });
        setState((before) => ({ ...before, problem, isLoading: false, key }));
      },
    );
    return () => end.abort();
  }, [key, turn]);
  return { ...state, again: () => setTurn(turn + 1) };
}

/** A component that is loaded after the first paint, or when it is shown before: lazy(load, "Name"). */
export function lazy(load, name) {
  let loaded = null;
  const loading = () => load().then((module) => { loaded = module; return module; });
  setTimeout(() => loading().catch(() => {}), AHEAD_MS); // so that keys pressed right after it is shown are heard
  return function Lazy(props) {
    const [atOnce] = useState(loaded); // once decided for good, or what is open in it would be closed
    return atOnce ? html`<${atOnce[name]} ...${props} />` : html`<${Waiting} name=${name} load=${loading} about=${props} />`;
  };
}

function Waiting({ name, load, about }) {
  const { value, problem, again } = useAsked(load, name);
  if (problem) {
    const fault = { title: "A part could not be loaded", detail: "The server may have been updated: load the page again." };
    return html`<${Failed} problem=${fault} again=${again} />`;
  }
  return value ? html`<${value[name]} ...${about} />` : null;
}

/** Date.now(), every so often: for words as "next try in 4 s". */
export function useNow(everyMs = 1000) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
