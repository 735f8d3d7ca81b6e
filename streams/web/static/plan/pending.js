/** Changes that were sent to ERP and MES: what each has been answered. */

import { html } from "../lib.js";
import { plural, words } from "../format.js";
import { Name } from "../parts.js";
import { link } from "../router.js";

export const ANSWERS = { held_back: "held back until others are answered", sent: "waiting", accepted: "accepted", modified: "modified", rejected: "rejected" };

/** Proposals whose changes are not all in force. @param {{plans: object[]}} about */
export function Pending({ plans }) {
  if (!plans.length) return null;
  return html`<section aria-label="Pending acknowledgements"><h2>Pending acknowledgements</h2>
    ${plans.map((plan) => html`<section key=${plan.plan_id} aria-label=${`Proposal ${plan.plan_id}`}>
      <p><a href=${link("proposals", plan.plan_id)}>Proposal <${Name} text=${plan.plan_id} /></a>: <strong>${words(plan.state)}</strong>${plan.say && html`. <${Name} text=${plan.say} long />`}</p>
      <${Answers} changes=${plan.changes} /></section>`)}</section>`;
}

/** Every change of a commit and its answer. */
export function Answers({ changes }) {
  const done = changes.filter((each) => !["sent", "held_back"].includes(each.outcome)).length;
  return html`<p role="status">${done} of ${changes.length} answered.</p>
    <div class="scroll" role="region" aria-label="Changes and their answers" tabindex="0"><table class="answers"><caption class="unseen">${plural(changes.length, "change")}</caption>
      <thead><tr><th scope="col">Run</th><th scope="col">Answer</th><th scope="col">Reason</th></tr></thead>
      <tbody>${changes.map((each) => html`<tr key=${each.change_id}><th scope="row">${each.run_id ? html`<${Name} text=${each.run_id} />` : "overtime"}</th>
        <td>${ANSWERS[each.outcome]}</td><td><${Name} text=${each.reason ?? ""} long /></td></tr>`)}</tbody></table></div>`;
}
