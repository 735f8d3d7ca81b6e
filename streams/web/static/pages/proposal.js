/** Options: what else could be done, what each would cost whom, the decision, and what became of every change. */

import { html, useLayoutEffect, useMemo, useRef, useState } from "../lib.js";
import { get } from "../api.js";
import { SentMark } from "../cards/actions.js";
import { title, words } from "../format.js";
import { useKeys } from "../keys.js";
import { Answers } from "../plan/pending.js";
import { CommandButton, Empty, Failed, Loading, Name, useAsked, whyNot } from "../parts.js";
import { AdjustForm, useAdjusting } from "../proposals/adjust.js";
import { Beside } from "../proposals/beside.js";
import { ChangeWords, Comparison, OrderTable } from "../proposals/compare.js";
import { DecisionDialog, LABELS, MOVES } from "../proposals/decide.js";
import { runKey } from "../gantt/plan_bars.js";
import { PlanDiff } from "../proposals/plan_diff.js";
import { link } from "../router.js";
import { documentOf, documents } from "../store.js";

const SHOWN = 4; // going on as planned among them

/** The page. */
export function Page({ params }) {
  const { id } = params;
  const live = documentOf("plan", id);
  const asked = useAsked((options) => get(`/proposals/${encodeURIComponent(id)}`, {}, options), `${id} ${live?.proposal_revision ?? ""}`);
  const kept = useRef(null); // what stands while newer options are asked for: nothing that is typed or chosen goes
  if (asked.value) kept.current = { id, value: asked.value };
  const known = kept.current?.id === id ? kept.current.value : null;
  const told = known?.state;
  const plan = live && (!told || live.revision >= told.revision) ? live : told;
  const heading = html`<h1 tabindex="-1">Options</h1>`;
  if (asked.problem && !known) return html`<div>${heading}<${Failed} problem=${asked.problem} again=${asked.again} /></div>`;
  if (!known) return html`<div>${heading}<${Loading} what="Loading the options" /></div>`;
  const proposal = known.proposal && complete(known.proposal);
  return html`<div class="proposal">${heading}
    <p>Proposal <code><${Name} text=${id} /></code>: <strong>${plan ? words(plan.state) : "not taken up yet"}</strong>${plan?.say && html`. <${Name} text=${plan.say} long />`}</p>
    ${plan && html`<${Acknowledgements} plan=${plan} />`}
    ${!proposal ? html`<${Empty}><p>${plan?.state === "draft" ? "The options are being worked out." : "These options are not known any more."}</p><//>`
      : html`<${Because} proposal=${proposal} />
        ${proposal.options.length ? html`<${Choice} key=${id} proposal=${proposal} plan=${plan} />`
          : html`<${Empty}><p>No option was found${proposal.error && html`: <${Name} text=${proposal.error} long />`}.</p><//>`}`}
  </div>`;
}

const completed = new WeakMap();

/** A proposal with what those of earlier versions lack; the same object each time. */
function complete(proposal) {
  if (!completed.has(proposal)) completed.set(proposal, { ...proposal, choices: proposal.choices ?? [] });
  return completed.get(proposal);
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
  const optionOf = (optionId) => sorted.find((each) => each.option_id === optionId);
  const approved = optionOf(plan?.option_id);
  const chosen = optionOf(picked) ?? approved ?? optionOf(recommended) ?? sorted[0]; // what was picked may be gone from newer options
  const moves = plan ? MOVES[plan.state] : [];
  const isSolving = plan?.state === "adjusted" && plan.proposal_revision == null;
  const adjusting = useAdjusting({ proposal, plan });
  const earlier = useEarlier(proposal, chosen);
  const [isAgainstEarlier, holdAgainstEarlier] = useState(false);
  const outline = isAgainstEarlier && earlier ? earlier.option.plan : null;
  const before = useMemo(() => outline ?? committedRuns(proposal, hold, chosen), [outline, proposal, hold, chosen]);
  const whyOff = (kind) => whyNot(kind) || (kind !== "proposal_approve" ? "" : isSolving ? "options under your changes are being worked out" : chosen.feasible ? "" : "it cannot be done");
  const start = (kind) => moves.includes(kind) && !whyOff(kind) && (kind !== "proposal_commit" || approved)
    && (kind === "proposal_adjust" ? adjusting.open() : decide(kind));
  useKeys({
    ...Object.fromEntries(options.slice(0, 9).map((option, index) => [String(index + 1), () => pick(option.option_id)])),
    a: () => start("proposal_approve"), r: () => start("proposal_reject"), c: () => start("proposal_commit"), e: () => start("proposal_adjust"),
  });
  const keys = { proposal_approve: "a", proposal_reject: "r", proposal_commit: "c", proposal_adjust: "e" };
  const mayAdjust = moves.includes("proposal_adjust") && !whyOff("proposal_adjust");
  return html`${!currency && html`<p class="quiet">Money is in the currency of the site.</p>`}
    <${Comparison} options=${options} recommended=${recommended} chosen=${chosen.option_id} choose=${pick} currency=${currency} />
    ${sorted.length > SHOWN && html`<p><button type="button" aria-expanded=${isAll ? "true" : "false"} onClick=${() => showAll(!isAll)}>
      ${isAll ? "Fewer" : `${sorted.length - SHOWN} more`}</button></p>`}
    <div class="actions" role="group" aria-label="Decide">
      ${moves.map((kind) => html`<${CommandButton} key=${kind} command=${kind} onClick=${() => start(kind)} primary=${!["proposal_reject", "proposal_adjust"].includes(kind)}
        disabled=${Boolean(whyOff(kind))} why=${whyOff(kind)} aria-keyshortcuts=${keys[kind]}>
        ${kind === "proposal_commit" ? "Review before commit" : LABELS[kind]} <kbd aria-hidden="true">${keys[kind]}</kbd><//>`)}
      ${plan && html`<${SentMark} target=${plan.plan_id} />`}
    </div>
    ${isSolving && html`<p class="solving" role="status">Options under your changes are being worked out. Those shown are from before.</p>`}
    ${earlier && !isSolving && html`<${Beside} earlier=${earlier} proposal=${proposal} option=${chosen} currency=${currency} isOutline=${isAgainstEarlier} outline=${holdAgainstEarlier} />`}
    <section aria-label="The chosen option"><h2><${Name} text=${chosen.title || title(chosen.label)} /></h2>
      <h3>The plan</h3><${PlanDiff} option=${chosen} before=${before} against=${outline ? "before your change" : "committed now"} proposal=${proposal}
        locks=${adjusting.locks} picked=${adjusting.picked} onPick=${mayAdjust ? adjusting.pick : null} onDrop=${mayAdjust && adjusting.isOpen ? adjusting.drop(chosen) : undefined} />
      ${adjusting.isOpen && html`<${AdjustForm} adjusting=${adjusting} proposal=${proposal} plan=${plan} option=${chosen} />`}
      <h3>What moves, and why</h3><${ChangeWords} option=${chosen} currency=${currency} />
      <h3>Orders before and after</h3><${OrderTable} option=${chosen} currency=${currency} /></section>
    ${deciding && html`<${DecisionDialog} kind=${deciding} plan=${plan} option=${deciding === "proposal_commit" ? approved : chosen} base=${hold}
      currency=${currency} onClose=${() => decide(null)} />`}`;
}

/** The plan that an option is held against: going on as planned, which is the committed one on the same picture. */
function committedRuns(proposal, hold, option) {
  if (hold) return hold.plan;
  const known = new Set(option.plan.map(runKey));
  return (documents.plan.peek().get(`committed/${proposal.site_id}`)?.document.runs ?? []).filter((run) => known.has(runKey(run)));
}

/** What was chosen of the options before they were solved again under somebody's locks: {proposal, option}, or null. */
function useEarlier(proposal, option) {
  const last = useRef({ proposal, option });
  const [earlier, keep] = useState(null);
  useLayoutEffect(() => {
    if (last.current.proposal.request_id !== proposal.request_id) keep(last.current);
    last.current = { proposal, option };
  }, [proposal, option]);
  return earlier;
}

/** Options name no currency; cards of the same site do. */
function currencyOf(proposal) {
  const card = [...documents.card.value.values()].find((each) => each.site_id === proposal.site_id);
  return card?.document.impact?.currency ?? "";
}

/** What ERP and MES have said to each change so far. */
function Acknowledgements({ plan }) {
  if (!plan.changes.length) return null;
  return html`<section aria-label="Acknowledgements"><h2>Acknowledgements</h2><${Answers} changes=${plan.changes} /></section>`;
}
