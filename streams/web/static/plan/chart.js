/** The committed plan as a chart; the list below it says the same. */

import { html, useMemo, useState } from "../lib.js";
import { Gantt } from "../gantt/chart.js";
import { Legend } from "../gantt/legend.js";
import { barsOf, lineKey, marksOf, rowsOf, runKey } from "../gantt/plan_bars.js";
import { names } from "../store.js";

const SHOWN_MS = 2 * 86_400_000; // at first: what a shift meeting speaks of
const BACK_MS = 2 * 3_600_000;

/** @param {{plan: object, runs: object[]}} about the plan, and those of its runs that are shown */
export function PlanChart({ plan, runs }) {
  const [focused, focus] = useState(null);
  const site = plan.site_id;
  const drawn = useMemo(() => {
    const keys = new Set(runs.map(lineKey));
    return { rows: rowsOf(keys, site), ...barsOf({ plan: runs, site, now: plan.as_of }) };
  }, [runs, names.value]);
  const marks = useMemo(() => marksOf(runs.find((run) => runKey(run) === focused)?.order_ids ?? [], null), [runs, focused]);
  const span = useMemo(() => {
    const now = Date.parse(plan.as_of);
    const ends = runs.map((run) => Date.parse(run.end_at));
    const last = ends.reduce((most, each) => Math.max(most, each), 0);
    return last < now ? null : { from: new Date(now - BACK_MS).toISOString(), to: new Date(now + Math.min(SHOWN_MS, Math.max(last - now, BACK_MS))).toISOString() };
  }, [runs]);
  const looks = ["plain", runs.some((run) => run.setup_s > 0) && "setup", runs.some((run) => ["started", "frozen"].includes(run.status)) && "fixed"].filter(Boolean);
  return html`<${Legend} looks=${looks} words=${{ plain: "planned run" }} />
    <${Gantt} label="The committed plan" site=${site} rows=${drawn.rows} bars=${drawn.bars} marks=${marks} span=${span} onFocus=${focus} />`;
}
