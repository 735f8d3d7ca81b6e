/**
 * Commands: nothing is shown as done before it has come back through the log.
 *
 * sending -> sent (Kafka has it) -> gone from here once the new revision is in the store; or rejected, conflict, failed
 * with the reason and what was typed, so that it can be sent again.
 */

import { effect, signal } from "./lib.js";
import { Problem, get, newId, post } from "./api.js";
import { documents, takeDocument } from "./store.js";

const RESULT_WAIT_S = 10;
const RESULT_PATIENCE_MS = 120_000;
const KIND_OF_FIELD = { card_id: "card", proposal_id: "plan" };

/** Target id -> {id, body, state, problem, revision}: commands that are on their way or were refused. */
export const sent = signal(new Map());

/** Sentences for a screen reader and the status line: {text, isQuiet, id}. */
export const said = signal({ text: "", isQuiet: false, id: 0 });

const SAID_LENGTH = 200; // longer, it would cover what it is about

/** Say something once, politely; `quietly`: to screen readers only, as what is plainly seen anyhow. */
export function say(text, { quietly = false } = {}) {
  const short = text.length > SAID_LENGTH ? `${text.slice(0, SAID_LENGTH)} ...` : text;
  said.value = { text: short, isQuiet: quietly, id: said.peek().id + 1 };
}

/** What stands about a target, or null. */
export function sentTo(target) {
  return sent.value.get(target) ?? null;
}

/** Put away what stands about a target. */
export function dismissSent(target) {
  const map = new Map(sent.peek());
  map.delete(target);
  sent.value = map;
}

/**
 * Send a command. Resolves when Kafka has it; what becomes of it stands in `sent`.
 * @param {object} body kind, site_id, the target's id and expected_revision, and what belongs to the kind
 * @param {string|null} again the id of an earlier attempt whose fate is not known: it is carried out once
 * @throws {Problem} with `current`, the document as it now stands, when it has changed meanwhile (409)
 */
export async function send(body, again = null) {
  const target = targetOf(body);
  const command = { id: again ?? newId(), body, state: "sending", problem: null, revision: null };
  put(target, command);
  let taken;
  try {
    taken = await post("/commands", { command_id: command.id, ...body });
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem({ status: 0, type: "error", title: String(error) });
    if (problem.current) takeCurrent(body, problem.current);
    put(target, { ...command, state: problem.status === 409 ? "conflict" : "failed", problem });
    throw problem;
  }
  put(target, { ...command, state: "sent" });
  follow(target, { ...command, state: "sent" }, taken.result);
  return taken;
}

/** Id of what a command is about; what concerns a line or a site stands under that. */
export function targetOf(body) {
  return body.card_id ?? body.proposal_id ?? body.line_id ?? body.item_id ?? body.site_id;
}

async function follow(target, command, known) {
  const until = Date.now() + RESULT_PATIENCE_MS;
  let result = known;
  while (!result && Date.now() < until) {
    try {
      result = (await get(`/commands/${encodeURIComponent(command.id)}`, { wait_s: RESULT_WAIT_S })).result;
    } catch {
      await new Promise((done) => setTimeout(done, 2_000)); // a server that restarts forgets nothing
    }
  }
  if (sent.peek().get(target)?.id !== command.id) return;
  if (!result) {
    put(target, { ...command, state: "failed", problem: new Problem({
      status: 0, type: "no_answer", title: "No answer yet",
      detail: "Kafka has the command, and the twin has not answered for two minutes. It may still be carried out.",
    }) });
  } else if (result.outcome === "rejected") {
    const problem = new Problem({ status: 409, type: result.reason, title: "Refused", detail: result.message });
    put(target, { ...command, state: "rejected", problem, result });
    say(`Refused: ${result.message}`);
  } else put(target, { ...command, revision: result.current_revision, result });
}

function put(target, command) {
  sent.value = new Map(sent.peek()).set(target, command);
}

function takeCurrent(body, current) {
  for (const [field, kind] of Object.entries(KIND_OF_FIELD)) {
    if (body[field]) takeDocument(kind, body[field], body.site_id, current);
  }
}

// A command is done once its revision is in the store; what has no revision is done with its result.
effect(() => {
  const known = { card: documents.card.value, plan: documents.plan.value };
  for (const [target, command] of sent.value) {
    if (command.state !== "sent" || !command.result) continue;
    const document = (known.card.get(target) ?? known.plan.get(target))?.document;
    if (command.revision == null || !document || document.revision >= command.revision) {
      dismissSent(target);
      say(`Done: ${command.body.kind.replaceAll("_", " ")}`);
    }
  }
});
