/**
 * Adjusting a proposal: runs are locked to lines, or to begin no earlier than a moment, and it is solved again. What is sent
 * are all locks that are to hold; those of an earlier adjustment are among them until they are taken off.
 */

import { html, useLayoutEffect, useMemo, useRef, useState } from "../lib.js";
import { Problem } from "../api.js";
import { dismissSent, say, send } from "../commands.js";
import { clean, joinKey, plural, splitKey, when, words } from "../format.js";
import { isoOf, localOf } from "../gantt/moments.js";
import { lineKey, lineName, placeOf, runKey, runName } from "../gantt/plan_bars.js";
import { CommandButton, Failed, Name } from "../parts.js";
import { zoneOf } from "../store.js";
import { Changed, MOVES } from "./decide.js";

const GRID_MS = 15 * 60_000; // a drag by less is meant for the line alone

/** Locks under which the options were made: run key -> {run_id, line_id, not_before}. */
function locksOf(proposal) {
  return new Map(proposal.choices.filter((each) => each.locked_line_id != null || each.not_before != null)
    .map((each) => [runKey(each), { run_id: each.run_id, line_id: each.locked_line_id ?? null, not_before: each.not_before ?? null }]));
}

/** What is being adjusted: {isOpen, picked, locks, choice(key), open, pick, set, drop, close, seen}. */
export function useAdjusting({ proposal, plan }) {
  const fresh = () => ({ isOpen: false, picked: null, locks: locksOf(proposal), of: proposal.request_id, seen: null, focus: { on: "" } });
  const [state, change] = useState(fresh);
  const now = state.of === proposal.request_id ? state : fresh();
  if (now !== state) change(now); // solved again: the locks are those of the new options
  const choices = useRef({ of: null, map: null });
  if (choices.current.of !== proposal) choices.current = { of: proposal, map: new Map(proposal.choices.map((each) => [runKey(each), each])) };
  const choice = (key) => choices.current.map.get(key) ?? null;
  const opened = { ...now, isOpen: true, seen: now.isOpen ? now.seen : plan };
  const withLock = (key, lock) => {
    const locks = new Map(now.locks);
    if (lock && (lock.line_id != null || lock.not_before != null)) locks.set(key, lock);
    else locks.delete(key);
    return locks;
  };
  return {
    ...now, choice,
    open: () => change({ ...opened, picked: opened.picked ?? [...choices.current.map.keys()][0] ?? null, focus: { on: "run" } }),
    pick: (key) => (choice(key) ? change({ ...opened, picked: key, focus: { on: "line" } }) : say("It has begun: it stays where it is")),
    turnTo: (key) => change({ ...opened, picked: key }),
    set: (key, lock) => change({ ...now, locks: withLock(key, lock) }),
    drop: (option) => (key, { row, at }) => {
      const run = option.plan.find((each) => runKey(each) === key);
      const about = choice(key);
      const [, lineId] = splitKey(row);
      if (!run || !about) return;
      if (row !== lineKey(run) && !mayGo(about, run).includes(row)) {
        say(about.status === "frozen" ? `It keeps its line: ${about.because}` : `It cannot be made on ${lineName(row, proposal.site_id)}`);
        return;
      }
      const isLater = Math.abs(Date.parse(at) - Date.parse(run.start_at)) >= GRID_MS;
      if (row === lineKey(run) && !isLater) return;
      change({ ...opened, picked: key, locks: withLock(key, { run_id: run.run_id, line_id: lineId, not_before: isLater ? at : now.locks.get(key)?.not_before ?? null }) });
    },
    close: () => change({ ...now, isOpen: false, picked: null, locks: locksOf(proposal), seen: null }),
    sent: () => change({ ...now, isOpen: false, picked: null, seen: null }),
  };
}

/** Lines that a run may be locked to: a frozen one keeps its own. */
function mayGo(choice, run) {
  return choice.status === "frozen" ? choice.lines.slice(0, 1) : choice.lines.length || !run ? choice.lines : [lineKey(run)];
}

/** The form: a run, a line, a moment; the locks that will hold; and solving again. */
export function AdjustForm({ adjusting, proposal, plan, option }) {
  const { picked, locks } = adjusting;
  const site = proposal.site_id;
  const zone = zoneOf(site);
  const planned = useMemo(() => new Map(option.plan.map((each) => [runKey(each), each])), [option]);
  const run = planned.get(picked) ?? null;
  const choice = picked == null ? null : adjusting.choice(picked);
  const [line, setLine] = useState("");
  const [from, setFrom] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const fields = { run: useRef(null), line: useRef(null) };
  const section = useRef(null);
  const lock = locks.get(picked);
  useLayoutEffect(() => {
    setLine(lock?.line_id ?? "");
    setFrom(lock?.not_before ? localOf(lock.not_before, zone) : "");
  }, [picked, lock]);
  useLayoutEffect(() => { // focus goes back where it came from, as from a dialog
    const before = document.activeElement;
    return () => {
      const to = before?.isConnected && before !== document.body ? before : document.querySelector("main h1");
      to?.focus({ preventScroll: true });
    };
  }, []);
  useLayoutEffect(() => { // what was picked in the chart goes on here
    fields[adjusting.focus.on]?.current?.focus();
    section.current?.scrollIntoView({ block: "nearest" });
  }, [adjusting.focus]);
  const runs = useMemo(() => proposal.choices.map((each) => html`<option key=${runKey(each)} value=${runKey(each)}>
    ${(planned.has(runKey(each)) ? runName(planned.get(runKey(each))) : clean(each.run_id)).slice(0, 80)}</option>`), [proposal, planned]);
  const isConflict = problem?.type === "stale_revision";
  const why = !MOVES[plan.state].includes("proposal_adjust") ? `it is ${words(plan.state)} now` : "";
  const add = (event) => {
    event.preventDefault();
    if (!choice) return;
    adjusting.set(picked, { run_id: choice.run_id, line_id: line || null, not_before: from ? isoOf(from, zone) : null });
    say(line || from ? `${choice.run_id} is locked. Solve again to see what follows.` : `${choice.run_id} has no lock.`);
  };
  const solve = async () => {
    if (isBusy || why) return;
    setBusy(true);
    setProblem(null);
    try {
      const list = [...locks.values()].map((each) => Object.fromEntries(Object.entries(each).filter(([, value]) => value != null)));
      await send({ kind: "proposal_adjust", site_id: site, proposal_id: plan.plan_id, expected_revision: (isConflict ? plan : adjusting.seen).revision, locks: list });
      say("Adjust: sent");
      adjusting.sent();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem({ status: 0, type: "error", title: String(error) }));
      setBusy(false);
    }
  };
  const give = () => {
    if (problem) dismissSent(plan.plan_id);
    adjusting.close();
  };
  if (!proposal.choices.length) return html`<section class="adjust" aria-label="Adjust"><p>Every run has begun, or the solver did not say which may move: there is nothing to lock.</p></section>`;
  return html`<section class="adjust" ref=${section} aria-label="Adjust"><h3>Adjust</h3>
    <form onSubmit=${add}>
      <p><label for="adjust-run">Run</label> <select id="adjust-run" ref=${fields.run} value=${picked ?? ""} onChange=${(event) => adjusting.turnTo(event.target.value)}>
        ${runs}</select></p>
      <p><label for="adjust-line">Line</label> <select id="adjust-line" ref=${fields.line} value=${line} onChange=${(event) => setLine(event.target.value)}>
        <option value="">no lock: where it is best</option>
        ${choice && mayGo(choice, run).map((key) => html`<option key=${key} value=${splitKey(key)[1]}>${lineName(key, site).slice(0, 80)}${run && lineKey(run) === key ? " (where it is)" : ""}</option>`)}</select></p>
      <p><label for="adjust-earliest">Not before</label> <input id="adjust-earliest" type="datetime-local" value=${from} onInput=${(event) => setFrom(event.target.value)} />
        <span class="quiet"> ${zone}</span></p>
      <p><button type="submit">Lock it so</button></p>
    </form>
    <p class="quiet">${run ? `Now: ${placeOf(run, site, proposal.event_time)}.` : "It has no place yet."}
      ${choice?.because && html` It is ${choice.status}: <${Name} text=${choice.because} />.`}</p>
    ${locks.size ? html`<h4>Locks</h4><ul>${[...locks].map(([key, each]) => html`<li key=${key}><${Name} text=${lockWords(key, each, planned, site, zone, proposal.event_time)} />${" "}
        <button type="button" class="plain" aria-label=${`Take off the lock of ${each.run_id}`} onClick=${() => adjusting.set(key, null)}>Take off</button></li>`)}</ul>`
      : html`<p>No locks: the solver may move what it likes.</p>`}
    ${isConflict ? html`<${Changed} before=${adjusting.seen} after=${plan} />` : problem && html`<${Failed} problem=${problem} still="Your locks are kept." />`}
    ${why && html`<p class="why-not">Not possible: ${why}.</p>`}
    <div class="actions"><${CommandButton} command="proposal_adjust" primary onClick=${solve} disabled=${Boolean(why) || isBusy} why=${why}>
        ${isBusy ? "Sending ..." : `Solve again under ${plural(locks.size, "lock")}${isConflict ? `, on revision ${plan.revision}` : ""}`}<//>
      <button type="button" onClick=${give}>Cancel</button></div></section>`;
}

function lockWords(key, lock, planned, site, zone, now) {
  const run = planned.get(key);
  const name = run ? runName(run) : clean(lock.run_id);
  const [of] = splitKey(key);
  return [name, lock.line_id != null && `on ${lineName(joinKey(of, lock.line_id), site)}`,
    lock.not_before && `not before ${when(lock.not_before, zone, now)}`].filter(Boolean).join(", ");
}
