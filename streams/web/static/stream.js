/**
 * The one connection of this browser: a tab leads and reads the stream, the others are told by it.
 *
 * A Web Lock says who leads; when the leading tab is closed the next one takes over. A tab that is looked at and hears
 * nothing takes the lead away from one that sleeps in the background.
 */

import { signal } from "./lib.js";
import { API, Problem, answer, get } from "./api.js";
import { asSnapshot, heardAt, isLoaded, loadNames, takeEvents, takeSnapshot } from "./store.js";

const LOCK = "foresite-stream";
const SILENCE_MS = 15_000; // three heartbeats: the connection is lost
const TAKE_OVER_MS = 20_000; // a leader that says nothing for so long sleeps
const WAIT_MIN_MS = 1_000;
const WAIT_MAX_MS = 30_000;
const NAMES_EVERY_MS = 300_000;
const LOST = new Problem({ status: 0, type: "unreachable", title: "The connection to the server was lost" });

/**
 * How the connection stands: `state` is loading, live, lost, catching_up or signed_out; `problem` of the last failure,
 * `nextTryAt` (Date.now()) while waiting.
 */
export const link = signal({ state: "loading", problem: null, nextTryAt: null });

const channel = new BroadcastChannel("foresite");
const myself = crypto.getRandomValues(new Uint32Array(2)).join("-");
let isLeading = false;
let place = null; // cursor behind what the store has
let wake = () => {};

/** Begin, once; ends with the tab. */
export function connect() {
  channel.onmessage = ({ data }) => hear(data);
  channel.postMessage({ kind: "hello", from: myself });
  stand(false);
  setInterval(takeOverFromASleeper, 5_000);
  setInterval(() => isLoaded.value && loadNames().catch(() => {}), NAMES_EVERY_MS);
}

/** Try again now instead of at the next time. */
export function retryNow() {
  wake();
  channel.postMessage({ kind: "retry" });
}

/** Somebody signed in or out: every tab begins anew. */
export function restartAll() {
  channel.postMessage({ kind: "restart" });
}

function stand(steal) {
  if (!navigator.locks) { // an old browser: each tab for itself
    lead(new AbortController().signal);
    return;
  }
  navigator.locks.request(LOCK, steal ? { steal: true } : {}, () => {
    const end = new AbortController();
    stopLeading = () => end.abort();
    return lead(end.signal);
  }).catch(() => { // another tab took the lead away
    stopLeading();
    setTimeout(() => stand(false), 1_000);
  });
}

let stopLeading = () => {};

function takeOverFromASleeper() {
  if (isLeading || document.visibilityState !== "visible" || !navigator.locks) return;
  if (heardAt.value && Date.now() - heardAt.value > TAKE_OVER_MS && link.value.state === "live") stand(true);
}

function hear(said) {
  if (said.kind === "restart") location.reload();
  else if (isLeading) {
    if (said.kind === "retry") wake();
    if (said.kind === "hello") {
      channel.postMessage({ kind: "link", link: link.value });
      if (isLoaded.value) tell({ kind: "snapshot", to: said.from, snapshot: asSnapshot(), cursor: place });
    }
  } else if (said.kind === "snapshot" && (!said.to || said.to === myself)) {
    place = said.cursor;
    takeSnapshot(said.snapshot);
    loadNames().catch(() => {});
  } else if (said.kind === "events") {
    place = said.cursor;
    takeEvents(said.events);
  } else if (said.kind === "link") link.value = said.link;
}

function tell(message) {
  channel.postMessage(message);
}

function setLink(state, problem = null, nextTryAt = null) {
  link.value = { state, problem, nextTryAt };
  tell({ kind: "link", link: link.value });
}

async function lead(ended) {
  isLeading = true;
  let wait = WAIT_MIN_MS;
  while (!ended.aborted) {
    try {
      if (!place || !isLoaded.value) await begin(ended);
      const began = Date.now();
      await follow(ended, () => { wait = WAIT_MIN_MS; });
      if (Date.now() - began < WAIT_MIN_MS) await sleep(WAIT_MIN_MS); // never in a circle
    } catch (error) {
      if (ended.aborted) break;
      const problem = error instanceof Problem ? error : new Problem({ status: 0, type: "error", title: String(error) });
      if (problem.status === 422) place = null; // a cursor of another installation
      const pause = Math.max(wait * (0.75 + Math.random() / 2), problem.retryAfterS * 1000);
      setLink(stateOf(problem), problem, Date.now() + pause);
      wait = Math.min(2 * wait, WAIT_MAX_MS);
      await sleep(pause);
    }
  }
  isLeading = false;
}

function stateOf(problem) {
  if (problem.status === 401) return "signed_out";
  return problem.type === "catching_up" ? "catching_up" : "lost";
}

async function begin(ended) {
  const snapshot = await get("/snapshot", {}, { signal: ended });
  place = snapshot.cursor;
  takeSnapshot(snapshot);
  tell({ kind: "snapshot", snapshot: asSnapshot(), cursor: place });
  await loadNames().catch(() => {}); // ids stand in for names
}

async function follow(ended, isWell) {
  const silence = new AbortController();
  let rest = "";
  let timer;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(LOST), SILENCE_MS);
  };
  try {
    listen();
    const response = await answer(`${API}/stream?after=${encodeURIComponent(place)}`, {
      signal: AbortSignal.any([ended, silence.signal]),
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      let part;
      try {
        part = await reader.read();
      } catch {
        throw LOST;
      }
      if (part.done) return; // in order, as after a quarter of an hour: go on from the cursor
      listen();
      const whole = (rest + part.value).split("\n\n");
      rest = whole.pop();
      take(whole.map(eventOf).filter(Boolean));
      if (link.value.state !== "live") setLink("live");
      isWell();
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

function take(events) {
  if (!events.length) return;
  for (const { name, data } of events) {
    if (data.cursor) place = data.cursor;
    if (name === "reset") place = null;
  }
  const told = events.filter(({ name }) => name !== "cursor" && name !== "reset");
  takeEvents(told);
  tell({ kind: "events", events: told, cursor: place });
}

function eventOf(text) {
  let name = "";
  let data = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data = line.slice(6);
  }
  return data ? { name, data: JSON.parse(data) } : null;
}

function sleep(ms) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    wake = () => {
      clearTimeout(timer);
      done();
    };
  });
}
