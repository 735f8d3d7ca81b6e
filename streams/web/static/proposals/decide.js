/** Deciding on a proposal: approve, reject with a reason, commit after a review; and what others changed meanwhile. */

import { html, useState } from "../lib.js";
import { Problem } from "../api.js";
import { isTooOld } from "../banners.js";
import { dismissSent, say, send } from "../commands.js";
import { money, words } from "../format.js";
import { Dialog, Failed, Name } from "../parts.js";
import { ChangeWords, sacrificeOf } from "./compare.js";

/** State -> moves that it has here; the twin's own table, held to it by a test. */
export const MOVES = {
  draft: ["proposal_reject"],
  proposed: ["proposal_approve", "proposal_adjust", "proposal_reject"],
  adjusted: ["proposal_approve", "proposal_adjust", "proposal_reject"],
  approved: ["proposal_approve", "proposal_adjust", "proposal_reject", "proposal_commit"],
  committing: ["proposal_commit"],
  partially_committed: ["proposal_commit"],
  commit_failed: ["proposal_commit"],
  committed: [],
  rejected: [],
  expired: [],
  superseded: [],
};

export const LABELS = { proposal_approve: "Approve", proposal_reject: "Reject", proposal_commit: "Commit", proposal_adjust: "Adjust" };

const FIELDS = [
  ["state", (plan) => words(plan.state)], ["what happened", (plan) => plan.say], ["option", (plan) => plan.option_id ?? "none"],
  ["approved by", (plan) => plan.approved_by ?? "nobody"], ["reason", (plan) => plan.reason ?? "none"],
  ["options", (plan) => `revision ${plan.proposal_revision}`],
];

/** The form of a decision, made on the plan as it was when it opened. What was typed stays until it went or is given up. */
export function DecisionDialog({ kind, plan, option, base, currency, onClose }) {
  const [seen] = useState(plan);
  const [about] = useState(option);
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const isConflict = problem?.type === "stale_revision";
  const label = LABELS[kind];
  const why = !MOVES[plan.state].includes(kind) ? `it is ${words(plan.state)} now`
    : kind !== "proposal_reject" && plan.proposal_revision !== seen.proposal_revision ? "the options are new: close this and look at them"
      : kind === "proposal_commit" && plan.option_id !== about.option_id ? "another option was approved: close this and look at it"
        : kind === "proposal_commit" && isTooOld() ? "the picture is too old to commit on"
          : kind === "proposal_reject" && !reason.trim() ? "say why" : "";
  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await send({
        kind, site_id: plan.site_id, proposal_id: plan.plan_id, expected_revision: (isConflict ? plan : seen).revision,
        ...(kind === "proposal_reject" ? { reason: reason.trim() } : { option_id: about.option_id }),
      });
      say(`${label}: sent`);
      onClose();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem({ status: 0, type: "error", title: String(error) }));
      setBusy(false);
    }
  };
  const close = () => {
    if (problem) dismissSent(plan.plan_id);
    onClose();
  };
  return html`<${Dialog} title=${kind === "proposal_commit" ? "Review before commit" : kind === "proposal_approve" ? "Approve an option" : "Reject all options"}
      onClose=${close} onSubmit=${submit} submit=${isConflict ? `${label} on revision ${plan.revision}` : label} isBusy=${isBusy} submitWhy=${why}>
    ${kind === "proposal_reject" ? html`<p><label for="reject-reason">Why none of them (needed)</label>
      <textarea id="reject-reason" data-first rows="3" maxlength="2000" value=${reason} onInput=${(event) => setReason(event.target.value)}></textarea></p>`
      : html`<${Review} option=${about} base=${base} currency=${currency} isCommit=${kind === "proposal_commit"} />`}
    ${isConflict ? html`<${Changed} before=${seen} after=${plan} />` : problem && html`<${Failed} problem=${problem} still="What you typed is kept." />`}
    ${why && why !== "say why" && html`<p class="why-not">Not possible: ${why}.</p>`}
  <//>`;
}

function Review({ option, base, currency, isCommit }) {
  const difference = base ? option.kpis.cost - base.kpis.cost : null;
  const cost = difference == null ? money(option.kpis.cost, currency)
    : `${money(option.kpis.cost, currency)}, ${difference === 0 ? "the same as" : `${money(Math.abs(difference), currency)} ${difference < 0 ? "less" : "more"} than`} going on as planned`;
  return html`<p><strong><${Name} text=${option.title} /></strong></p>
    <p>${isCommit ? "ERP and MES are asked for this:" : "Nothing is sent to ERP and MES yet. Committing it would ask for this:"}</p>
    <${ChangeWords} option=${option} currency=${currency} />
    <p>Who gets worse: <${Name} text=${sacrificeOf(option)} long /></p>
    <p>Cost: ${cost}.</p>
    ${isCommit && html`<p>Each change waits for its acknowledgement by ERP or MES; this page shows every one.</p>`}`;
}

/** Field by field what changed since somebody looked. */
export function Changed({ before, after }) {
  const changed = FIELDS.filter(([, of]) => of(before) !== of(after));
  return html`<div class="failed" role="alert"><p><strong>It has changed since you looked.</strong> What you typed is kept.</p>
    <table><caption>Revision ${before.revision} → ${after.revision}</caption>
      <thead><tr><th scope="col">what</th><th scope="col">then</th><th scope="col">now</th></tr></thead>
      <tbody>${changed.map(([name, of]) => html`<tr key=${name}><th scope="row">${name}</th><td><${Name} text=${of(before)} long /></td>
        <td><${Name} text=${of(after)} long /></td></tr>`)}</tbody></table></div>`;
}
