/** One card: the sentence, why as a path with its arithmetic, whom it hits, the money, where it ranks and why, and what to do. */

import { html, useEffect, useRef, useState } from "../lib.js";
import { get } from "../api.js";
import { clean, joinKey, money, number, percent, span, title, when, words } from "../format.js";
import { Banner, CommandButton, Deadline, Failed, Loading, Money, Name, Severity, When, useAsked } from "../parts.js";
import { say, send } from "../commands.js";
import { useKeys } from "../keys.js";
import { go, link, withQuery } from "../router.js";
import { documentOf, mayI, nowOf, zoneOf } from "../store.js";
import { CardActions, SentMark } from "./actions.js";
import { Details } from "./details.js";
import { History } from "./history.js";
import { LIVE, linesOf } from "./ranking.js";
import { Why } from "./why.js";

/** A card by its id: from the stream when it is live, else asked for. */
export function CardView({ id }) {
  const live = documentOf("card", id);
  const asked = useAsked((options) => get(`/cards/${encodeURIComponent(id)}`, {}, options), `${id} ${live?.revision ?? ""}`);
  const card = live ?? asked.value?.card;
  const heading = useRef(null);
  useEffect(() => { // alone on a narrow screen it has the focus; beside the list it is said
    if (!card) return;
    const isAlone = getComputedStyle(document.querySelector(".now-list")).display === "none";
    if (isAlone) heading.current?.focus();
    else say(`Card: ${clean(card.title)}`, { quietly: true });
  }, [Boolean(card)]);
  if (!card) {
    return asked.problem ? html`<${Failed} problem=${asked.problem} again=${asked.again} still="The list still works." />`
      : html`<${Loading} lines=${6} what="Loading the card" />`;
  }
  const back = html`<a class="back" href=${withQuery({ id: null }, "/")}>Back to the list</a>`;
  return html`<article class="card" aria-labelledby="card-title">
    ${back}
    <h2 id="card-title" tabindex="-1" ref=${heading}><${Severity} level=${card.severity} /> <${Name} text=${card.title} long /></h2>
    ${!LIVE.has(card.state) && html`<${Banner} kind="note">${title(card.state)} <${When} at=${card.state_since} site=${card.site_id} />${card.state_note && html`: <${Name} text=${card.state_note} long />`}<//>`}
    <p class="summary"><${Name} text=${card.summary} long /></p>
    ${card.caveats.map((each) => html`<${Banner} key=${each} kind="warn"><${Name} text=${each} long /><//>`)}
    <${SentMark} target=${card.card_id} />
    <div class="card-actions"><${CardActions} cards=${[card]} /></div>
    <${Facts} card=${card} />
    <${Why} card=${card} />
    <${Details} card=${card} />
    <${Orders} card=${card} />
    <${Costs} card=${card} />
    <${Options} card=${card} plans=${asked.value?.proposals ?? []} />
    <${Rank} card=${card} />
    ${asked.problem && html`<${Failed} problem=${asked.problem} again=${asked.again} still="The card itself is shown." />`}
    <${History} card=${card} about=${asked.value} />
  </article>`;
}

function Facts({ card }) {
  const at = { site: card.site_id };
  return html`<dl class="facts">
    <div><dt>Owner</dt><dd><${Name} text=${card.owner.name} /> <span class="quiet">(${card.assigned_by ? html`given by <${Name} text=${card.assigned_by} />` : html`<${Name} text=${card.owner.rule} />`})</span>
      ${card.escalated_to && html` <span>passed on to <${Name} text=${card.escalated_to.name} />, as nobody acknowledged it</span>`}</dd></div>
    <div><dt>Until</dt><dd><${Deadline} from=${card.opened_at} to=${card.deadline} ...${at} /> <span class="quiet">(<${Name} text=${card.deadline_because} />)</span></dd></div>
    <div><dt>If nobody acts</dt><dd>${card.impact.exposure > 0 ? html`<${Money} amount=${card.impact.exposure} currency=${card.impact.currency} /> lost` : "what it costs is unknown"}</dd></div>
    <div><dt>State</dt><dd>${words(card.state)}${card.state_by && html` by <${Name} text=${card.state_by} />`}${card.state_note && html` (<${Name} text=${card.state_note} />)`}
      ${card.snoozed_until && html`, until <${When} at=${card.snoozed_until} ...${at} />`}, since <${When} at=${card.state_since ?? card.opened_at} ...${at} /></dd></div>
    <div><dt>Severity</dt><dd>${card.severity}: <${Name} text=${card.severity_because} long /></dd></div>
  </dl>`;
}

function Orders({ card }) {
  if (!card.affected.length) return html`<section><h3>Orders</h3><p>No order is affected.</p></section>`;
  const zone = zoneOf(card.site_id);
  const now = nowOf(card.site_id);
  const more = card.affected_total - card.affected.length;
  return html`<section><h3>Orders that it hits</h3><div class="scroll" tabindex="0" role="region" aria-label="Orders that it hits"><table>
    <thead><tr><th scope="col">Order</th><th scope="col">Promised</th><th scope="col">Ships</th><th scope="col">Late by</th><th scope="col">Room to the truck</th><th scope="col">P(late)</th><th scope="col">Penalty</th></tr></thead>
    <tbody>${card.affected.map((order) => html`<tr key=${`${order.site_id}/${order.order_id}`}>
      <th scope="row"><a href=${link("orders", joinKey(order.site_id, order.order_id))}>#<${Name} text=${order.order_id} /></a> <${Name} text=${order.customer_name} /></th>
      <td>${when(order.promised_at, zone, now)}</td><td>${when(order.ships_at, zone, now)}</td>
      <td>${order.slip_s > 0 ? `${number(order.slip_days)} d` : "in time"}</td>
      <td>${order.slack_s == null ? "unknown" : order.slack_s < 0 ? `${span(order.slack_s)} short` : span(order.slack_s)}</td>
      <td class="number">${percent(order.p_late)}</td><td class="number">${money(order.penalty, card.impact.currency)}</td></tr>`)}</tbody>
  </table></div>${more > 0 && html`<p>and ${more} more</p>`}</section>`;
}

function Costs({ card }) {
  const { impact } = card;
  const { rescue, currency } = impact;
  const rows = Object.entries(impact.parts).filter(([, amount]) => amount);
  return html`<section><h3>Money</h3><table class="sums"><tbody>
    ${rows.map(([name, amount]) => html`<tr key=${name}><th scope="row">${title(name)}</th><td class="number">${money(amount, currency)}</td></tr>`)}
    <tr class="sum"><th scope="row">Lost if nobody acts</th><td class="number">${impact.exposure > 0 ? money(impact.exposure, currency) : "unknown"}</td></tr>
    <tr><th scope="row">Margin of these orders as agreed</th><td class="number">${money(impact.margin_before, currency)}</td></tr>
    <tr><th scope="row">Margin if it happens</th><td class="number">${money(impact.margin_if_late, currency)}</td></tr>
    ${rescue && html`<tr><th scope="row">Margin after the rescue below</th><td class="number">${money(rescue.margin_after, currency)}</td></tr>`}
  </tbody></table>
  ${rescue ? html`<p><strong>Rescue:</strong> ${number(rescue.overtime_h, 2)} h of ${rescue.kind} for ${money(rescue.cost, currency)}, to be ordered
    by <${When} at=${rescue.notice_by} site=${card.site_id} />; in time with ${percent(rescue.probability)}. Net benefit${" "}
    ${money(rescue.net_benefit, currency)}.${rescue.breaks_margin_rule && html` <strong>It leaves less than the rules keep.</strong>`}${rescue.cheaper_than_late === false && html` <strong>Being late would be cheaper.</strong>`}</p>`
    : html`<p>No rescue is known.</p>`}</section>`;
}

function Options({ card, plans }) {
  const [problem, setProblem] = useState(null);
  const first = card.proposal_ids.at(-1);
  const lines = linesOf(card);
  const ask = () => {
    setProblem(null);
    send({ kind: "replan_request", site_id: card.site_id, line_ids: lines, reason: card.title.slice(0, 200) }).catch(setProblem);
  };
  useKeys({ o: () => (first ? go(link("proposals", first)) : mayI("replan_request") && ask()) });
  const asking = html`<${CommandButton} command="replan_request" onClick=${ask} aria-keyshortcuts=${first ? undefined : "o"}>
    ${first ? "Ask for options again" : html`Ask for options <kbd aria-hidden="true">o</kbd>`}<//> <${SentMark} target=${card.site_id} />
    ${problem && html`<${Failed} problem=${problem} />`}`;
  if (!first) {
    return html`<section><h3>Options</h3><p>No other plan has been proposed for it.</p>${asking}</section>`;
  }
  return html`<section><h3>Options</h3>${asking}<ul class="plain-list">${card.proposal_ids.map((id) => html`<li key=${id}>
    <a href=${link("proposals", id)}>Compare the options</a> <span class="quiet">${words(plans.find((plan) => plan.plan_id === id)?.state ?? "proposed")}, <code><${Name} text=${id} /></code></span></li>`)}</ul></section>`;
}

function Rank({ card }) {
  return html`<section><h3>Why it ranks here</h3><p>Score ${number(card.score)} ${card.impact.currency}: the product of</p>
    <table class="sums"><tbody>${card.rank_terms.map((term) => html`<tr key=${term.name}><th scope="row">${title(term.name)}</th>
      <td class="number">${number(term.value, 3)}</td><td><${Name} text=${term.because} long /></td></tr>`)}</tbody></table>
    <p class="quiet">Confidence in the cause ${percent(card.confidence.value)}, from ${number(card.confidence.n)} observations over${" "}
      ${number(card.confidence.window_h, 1)} working hours. Rules <${Name} text=${card.rule.id} /> ${card.rule.version}.</p></section>`;
}
