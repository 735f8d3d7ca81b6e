/** What an option does to the plan: as a chart, and the same as a table, which a phone and a screen reader get. */

import { html, useMemo, useRef, useState } from "../lib.js";
import { Gantt } from "../gantt/chart.js";
import { Legend } from "../gantt/legend.js";
import { affectedLines, barsOf, lineKey, marksOf, movesOf, placeOf, rowsOf, runKey, runName, spanOf } from "../gantt/plan_bars.js";
import { joinKey, plural } from "../format.js";
import { Name } from "../parts.js";
import { names } from "../store.js";

const SHOWN = 100; // rows at first
const FOLLOWS = "follows from the others";

/**
 * @param {object} about
 * @param {object} about.option whose plan is shown
 * @param {object[]} about.before runs of the plan that it is held against
 * @param {string} about.against what that is: "committed now"
 * @param {object} about.proposal that the option is of
 * @param {Map} about.locks run key -> lock, in force or about to be sent
 * @param {string|null} about.picked run key that is being adjusted
 * @param {((key: string) => void)|null} about.onPick null: nothing can be adjusted
 * @param {(key: string, to: {row: string, at: string}) => void} about.onDrop
 */
export function PlanDiff({ option, before, against, proposal, locks, picked, onPick, onDrop }) {
  const [isAll, showAll] = useState(false);
  const [focused, focus] = useState(null);
  const site = proposal.site_id;
  const now = proposal.event_time;
  const choices = useMemo(() => new Map(proposal.choices.map((each) => [runKey(each), each])), [proposal]);
  const moves = useMemo(() => movesOf(option.plan, before, option.changes), [option, before]);
  const shown = useMemo(() => {
    const targets = new Set(picked ? choices.get(picked)?.lines : []);
    const all = new Set([...option.plan.map(lineKey), ...before.map(lineKey), ...proposal.scope]);
    const affected = affectedLines(moves);
    const chosen = option.plan.find((run) => runKey(run) === picked);
    const keys = isAll || !affected.size ? all : affected;
    const rows = rowsOf(new Set([...keys, ...targets, ...(chosen ? [lineKey(chosen)] : [])]), site, targets);
    const canMove = (run) => Boolean(onDrop) && choices.has(runKey(run));
    return { rows, hidden: all.size - rows.length, ...barsOf({ plan: option.plan, moves, choices, locks, site, now, canMove }) };
  }, [option, moves, isAll, picked, locks, choices, Boolean(onDrop), names.value]);
  const ofOrders = useMemo(() => marksOf(option.per_order.map((each) => joinKey(each.site_id, each.order_id)), option), [option]);
  const marks = useMemo(() => {
    const run = option.plan.find((each) => runKey(each) === (focused ?? picked));
    return run?.order_ids?.length ? marksOf(run.order_ids, option) : ofOrders;
  }, [option, focused, picked, ofOrders]);
  const span = useMemo(() => spanOf(moves, now, ofOrders), [moves, now, ofOrders]);
  const picking = useRef(null); // always the newest, so that the table need not be drawn anew for it
  picking.current = onPick;
  const table = useMemo(() => html`<${MovesTable} moves=${moves} locks=${locks} against=${against} site=${site} now=${now} choices=${choices}
    onPick=${onPick ? (key) => picking.current?.(key) : null} />`, [moves, locks, against, Boolean(onPick), names.value]);
  const looks = ["plain", "changed", "was", option.plan.some((run) => run.setup_s > 0) && "setup", "fixed", locks.size > 0 && "locked"].filter(Boolean);
  return html`<div class="gantt-switch"><label class="choice"><input type="checkbox" checked=${isAll} onChange=${(event) => showAll(event.target.checked)} />
      All lines</label>${!isAll && shown.hidden > 0 && html` <span class="quiet">${plural(shown.hidden, "line")} without changes hidden</span>`}</div>
    <${Legend} looks=${looks} words=${{ was: against }} />
    <${Gantt} label="The plan under this option" site=${site} rows=${shown.rows} bars=${shown.bars} links=${shown.links} marks=${marks} span=${span}
      picked=${picked} onPick=${onPick} onFocus=${focus} onDrop=${onDrop} />
    ${table}`;
}

/** Every run that is elsewhere or at another time, from, to and why. */
function MovesTable({ moves, locks, against, site, now, onPick, choices }) {
  const [isAll, showAll] = useState(false);
  if (!moves.length) return html`<p>Every run stays where and when it is.</p>`;
  return html`<div class="scroll" role="region" aria-label="Changes of the plan" tabindex="0"><table class="moves">
    <caption>${plural(moves.length, "run")} against ${against === "committed now" ? "the committed plan" : "the plan from before your change"}</caption>
    <thead><tr><th scope="col">Run</th><th scope="col">From</th><th scope="col">To</th><th scope="col">Why</th></tr></thead>
    <tbody>${(isAll ? moves : moves.slice(0, SHOWN)).map(({ key, after, before, why }) => html`<tr key=${key}>
      <th scope="row"><${Name} text=${runName(after ?? before)} />${locks.has(key) && html` <span class="tag">your change</span>`}
        ${onPick && choices.has(key) && html` <button type="button" aria-label=${`Adjust ${runName(after ?? before)}`} onClick=${() => onPick(key)}>Adjust</button>`}</th>
      <td><${Name} text=${before ? placeOf(before, site, now) : "new"} /></td><td><${Name} text=${after ? placeOf(after, site, now) : "taken out of the plan"} /></td>
      <td><${Name} text=${why || FOLLOWS} long /></td></tr>`)}</tbody></table></div>
    ${moves.length > SHOWN && html`<p><button type="button" onClick=${() => showAll(!isAll)}>${isAll ? `Only the first ${SHOWN}` : `Show all ${moves.length}`}</button></p>`}`;
}
