/** Options: what else could be done, what each would cost whom, the decision, and what became of every change. */

import { html, useState } from "../lib.js";
import { get } from "../api.js";
import { SentMark } from "../cards/actions.js";
import { title, words } from "../format.js";
import { useKeys } from "../keys.js";
import { CommandButton, Empty, Failed, Loading, Name, useAsked, whyNot } from "../parts.js";
import { ChangeWords, Comparison, OrderTable } from "../proposals/compare.js";
import { DecisionDialog, LABELS, MOVES } from "../proposals/decide.js";
import { link } from "../router.js";
import { documentOf, documents } from "../store.js";

const SHOWN = 4; // going on as planned among them
const ANSWERS = { held_back: "held back until others are answered", sent: "waiting", accepted: "accepted", modified: "modified", rejected: "rejected" };

/** The page. */
export function Page({ params }) {
  const { id } = params;
  const live = documentOf("plan", id);
  const asked = useAsked((options) => get(`/proposals/${encodeURIComponent(id)}`, {}, options), `${id} ${live?.proposal_revision ?? ""}`);
  const told = asked.value?.state;
  const plan = live && (!told || live.revision >= told.revision) ? live : told;
  const heading = html`<h1 tabindex="-1">Options</h1>`;
  if (asked.problem && !asked.value) return html`<div>${heading}<${Failed} problem=${asked.problem} again=${asked.again} /></div>`;
  if (!asked.value) return html`<div>${heading}<${Loading} what="Loading the options" /></div>`;
  const proposal = asked.value.proposal;
  return html`<div class="proposal">${heading}
    <p>Proposal <code><${Name} text=${id} /></code>: <strong>${plan ? words(plan.state) : "not taken up yet"}</strong>${plan?.say && html`. <${Name} text=${plan.say} long />`}</p>
    ${plan && html`<${Answers} plan=${plan} />`}
    ${!proposal ? html`<${Empty}><p>${plan?.state === "draft" ? "The options are being worked out." : "These options are not known any more."}</p><//>`
      : html`<${Because} proposal=${proposal} />
        ${proposal.options.length ? html`<${Choice} key=${`${id} ${proposal.revision}`} proposal=${proposal} plan=${plan} />`
          : html`<${Empty}><p>No option was found${proposal.error && html`: <${Name} text=${proposal.error} long />`}.</p><//>`}`}
  </div>`;
}

function Because({ proposal }) {
  return html`<p>Asked for because <${Name} text=${proposal.because.join("; ") || words(proposal.trigger)} long />.
    ${proposal.card_ids.map((card) => html` <a key=${card} href=${link("cards", card)}>The card</a>`)}</p>`;
}

function Choice({ proposal, plan }) {
  const currency = currencyOf(proposal);
  const hold = proposal.options.find((option) => option.label === "hold");
  const sorted = hold ? [hold, ...proposal.options.filter((option) => option !== hold)] : proposal.options;
  const recommended = sorted.find((option) => option !== hold && option.feasible)?.option_id ?? null;
  const [isAll, showAll] = useState(false);
  const [picked, pick] = useState(null);
  const [deciding, decide] = useState(null);
  const options = isAll ? sorted : sorted.slice(0, SHOWN);
  const chosen = sorted.find((each) => each.option_id === (picked ?? plan?.option_id ?? recommended)) ?? sorted[0];
  const approved = sorted.find((each) => each.option_id === plan?.option_id);
  const moves = plan ? MOVES[plan.state] : [];
  const whyOff = (kind) => whyNot(kind) || (kind === "proposal_approve" && !chosen.feasible ? "it cannot be done" : "");
  const start = (kind) => moves.includes(kind) && !whyOff(kind) && (kind !== "proposal_commit" || approved) && decide(kind);
  useKeys({
    ...Object.fromEntries(options.slice(0, 9).map((option, index) => [String(index + 1), () => pick(option.option_id)])),
    a: () => start("proposal_approve"), r: () => start("proposal_reject"), c: () => start("proposal_commit"),
  });
  const keys = { proposal_approve: "a", proposal_reject: "r", proposal_commit: "c" };
  return html`${!currency && html`<p class="quiet">Money is in the currency of the site.</p>`}
    <${Comparison} options=${options} recommended=${recommended} chosen=${chosen.option_id} choose=${pick} currency=${currency} />
    ${sorted.length > SHOWN && html`<p><button type="button" aria-expanded=${isAll ? "true" : "false"} onClick=${() => showAll(!isAll)}>
      ${isAll ? "Fewer" : `${sorted.length - SHOWN} more`}</button></p>`}
    <div class="actions" role="group" aria-label="Decide">
      ${moves.map((kind) => html`<${CommandButton} key=${kind} command=${kind} onClick=${() => start(kind)} primary=${kind !== "proposal_reject"}
        disabled=${Boolean(whyOff(kind))} why=${whyOff(kind)} aria-keyshortcuts=${keys[kind]}>
        ${kind === "proposal_commit" ? "Review before commit" : LABELS[kind]} <kbd aria-hidden="true">${keys[kind]}</kbd><//>`)}
      ${plan && html`<${SentMark} target=${plan.plan_id} />`}
    </div>
    <section aria-label="The chosen option"><h2><${Name} text=${chosen.title || title(chosen.label)} /></h2>
      <h3>What moves, and why</h3><${ChangeWords} option=${chosen} currency=${currency} />
      <h3>Orders before and after</h3><${OrderTable} option=${chosen} currency=${currency} /></section>
    ${deciding && html`<${DecisionDialog} kind=${deciding} plan=${plan} option=${deciding === "proposal_commit" ? approved : chosen} base=${hold}
      currency=${currency} onClose=${() => decide(null)} />`}`;
}

/** Options name no currency; cards of the same site do. */
function currencyOf(proposal) {
  const card = [...documents.card.value.values()].find((each) => each.site_id === proposal.site_id);
  return card?.document.impact?.currency ?? "";
}

/** What ERP and MES have said to each change so far. */
function Answers({ plan }) {
  if (!plan.changes.length) return null;
  const done = plan.changes.filter((each) => !["sent", "held_back"].includes(each.outcome)).length;
  return html`<section aria-label="Acknowledgements"><h2>Acknowledgements</h2>
    <p role="status">${done} of ${plan.changes.length} answered.</p>
    <div class="scroll" role="region" aria-label="Changes and their answers" tabindex="0"><table class="answers">
      <thead><tr><th scope="col">Run</th><th scope="col">Answer</th><th scope="col">Reason</th></tr></thead>
      <tbody>${plan.changes.map((each) => html`<tr key=${each.change_id}><th scope="row"><${Name} text=${each.run_id} /></th>
        <td>${ANSWERS[each.outcome]}</td><td><${Name} text=${each.reason ?? ""} long /></td></tr>`)}</tbody></table></div></section>`;
}
