/** When could a quantity be ready, where, and who would pay for it? Asked of the solver, through POST /api/v1/quote. */

import { html, useEffect, useId, useState } from "../lib.js";
import { Problem, get, newId, post } from "../api.js";
import { clean, joinKey, momentIn, money, number } from "../format.js";
import { CommandButton, Failed, Name, When } from "../parts.js";
import { link } from "../router.js";
import { documents, nameOf, named, sites, zoneOf } from "../store.js";

const RESULT_WAIT_S = 10;
const ASKED_EVERY_MS = 1_000;
const PATIENCE_MS = 120_000;
const SHOWN = 20; // places; of more, the solver says nothing of who is harmed

/** The form, and the answer below it. */
export function RushQuote() {
  const id = useId();
  const [isOpen, open] = useState(false);
  const [site, setSite] = useState("");
  const [item, setItem] = useState("");
  const [quantity, setQuantity] = useState("");
  const [due, setDue] = useState("");
  const [asked, setAsked] = useState(null);
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const at = site || sites.value[0];
  const why = !at ? "no site is known" : !item.trim() ? "say which item" : !(Number(quantity) > 0) ? "say how many pieces" : !momentIn(zoneOf(at), due) ? "say by when" : "";
  const ask = async (event) => {
    event.preventDefault();
    if (why || isBusy) return;
    setBusy(true);
    setProblem(null);
    setAsked(null);
    const command = newId();
    try {
      await post("/quote", { command_id: command, site_id: at, item_id: item.trim(), quantity_pcs: Number(quantity), due_at: momentIn(zoneOf(at), due) });
      setAsked({ command, site: at });
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem({ status: 0, type: "error", title: String(error) }));
    }
    setBusy(false);
  };
  return html`<section><h2>Rush order</h2><p><button type="button" aria-expanded=${isOpen ? "true" : "false"} onClick=${() => open(!isOpen)}>Ask for a quote</button></p>
    ${isOpen && html`<form class="asking" onSubmit=${ask}>
      ${sites.value.length > 1 && html`<span><label for=${`${id}-site`}>Site</label><select id=${`${id}-site`} value=${at} onChange=${(event) => setSite(event.target.value)}>
        ${sites.value.map((each) => html`<option key=${each} value=${each}>${clean(nameOf("site", each, each)).slice(0, 80)}</option>`)}</select></span>`}
      <span><label for=${`${id}-item`}>Item (its id)</label><input id=${`${id}-item`} list=${`${id}-items`} autocomplete="off" maxlength="200" value=${item} onInput=${(event) => setItem(event.target.value)} />
        <datalist id=${`${id}-items`}>${named("item", at).slice(0, 500).map((each) => html`<option key=${each.entity_id} value=${each.entity_id}>${clean(each.name)}</option>`)}</datalist></span>
      <span><label for=${`${id}-pcs`}>Pieces</label><input id=${`${id}-pcs`} inputmode="decimal" autocomplete="off" value=${quantity} onInput=${(event) => setQuantity(event.target.value)} /></span>
      <span><label for=${`${id}-due`}>Due (${zoneOf(at)})</label><input id=${`${id}-due`} type="datetime-local" value=${due} onInput=${(event) => setDue(event.target.value)} /></span>
      <${CommandButton} command="quote_request" primary disabled=${Boolean(why) || isBusy} why=${why} onClick=${ask}>${isBusy ? "Asking ..." : "Ask"}<//></form>`}
    ${problem && html`<${Failed} problem=${problem} still="What you typed is kept." />`}
    ${asked && html`<${Answer} key=${asked.command} command=${asked.command} site=${asked.site} />`}</section>`;
}

/** Waits for the twin's word, then for the solver's. */
function Answer({ command, site }) {
  const [told, setTold] = useState({ proposal: null, id: null, problem: null });
  useEffect(() => {
    let isGone = false;
    const put = (what) => { if (!isGone) setTold(what); };
    (async () => {
      const until = Date.now() + PATIENCE_MS;
      let id = null;
      while (!isGone && Date.now() < until) {
        try {
          if (!id) {
            const { result } = await get(`/commands/${encodeURIComponent(command)}`, { wait_s: RESULT_WAIT_S });
            if (result?.outcome === "rejected") return put({ problem: new Problem({ status: 409, title: "Refused", detail: result.message }) });
            id = result ? /the answer is proposal (\S+)$/.exec(result.message)?.[1] ?? null : null; // its target is the site
            if (id) put({ id });
          } else {
            const { proposal } = await get(`/proposals/${encodeURIComponent(id)}`);
            if (proposal?.quote || proposal?.error) return put({ id, proposal });
          }
        } catch (error) { // not there yet, or a server that restarts; others are told
          if (![0, 404, 503, 504].includes(error.status)) return put({ problem: error });
        }
        await new Promise((done) => setTimeout(done, ASKED_EVERY_MS));
      }
      return put({ problem: new Problem({ status: 0, title: "No answer yet", detail: "The quote was asked for, and nobody has answered for two minutes. The solver may not be running." }) });
    })();
    return () => { isGone = true; };
  }, [command]);
  if (told.problem) return html`<${Failed} problem=${told.problem} />`;
  if (!told.proposal) return html`<p role="status">${told.id ? html`Asked as <a href=${link("proposals", told.id)}><${Name} text=${told.id} /></a>; the solver works it out.` : "Sent; waiting for the twin."}</p>`;
  if (told.proposal.error) return html`<p role="status">No place was found: <${Name} text=${told.proposal.error} long /></p>`;
  return html`<${Places} quote=${told.proposal.quote} site=${site} />`;
}

/** The places, the cheapest first, with what each costs whom. */
export function Places({ quote, site }) {
  const currency = [...documents.site.value.values()].find((each) => each.site_id === site)?.document.currency ?? "";
  return html`<p role="status">${number(quote.compared)} places compared, the cheapest first.</p>
    <div class="scroll" role="region" aria-label="Places for the rush order" tabindex="0"><table class="plant places">
      <thead><tr>${["Place", "Starts", "Ready", "Ships", "Late by", "Costs", "Setup added", "Who pays"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
      <tbody>${quote.positions.slice(0, SHOWN).map((each) => html`<tr key=${each.rank}><th scope="row">${each.rank}: <a href=${link("lines", joinKey(each.site_id, each.line_id))}><${Name} text=${nameOf("line", each.site_id, each.line_id)} /></a>
          <span class="quiet"> ${each.after_run_id ? html`after <${Name} text=${each.after_run_id} />` : "first"}</span></th>
        <td><${When} at=${each.start_at} site=${each.site_id} far=${false} /></td><td><${When} at=${each.end_at} site=${each.site_id} far=${false} /></td><td><${When} at=${each.ships_at} site=${each.site_id} far=${false} /></td>
        <td class="number">${number(each.slip_h, 1, "h")}</td><td class="number">${money(each.added_cost, currency)}</td><td class="number">${number(each.added_setup_min, 0, "min")}</td>
        <td>${each.harmed.length ? html`<ul class="plain-list">${each.harmed.map((words, index) => html`<li key=${index}><${Name} text=${words} long /></li>`)}</ul>` : "nobody"}</td></tr>`)}</tbody></table></div>`;
}
