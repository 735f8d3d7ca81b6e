/**
 * A Gantt chart: rows, bars, connectors and vertical marks, drawn as SVG where they are in view. It knows no plans, lines
 * or orders; whoever uses it says what a bar means, and shows the same as a table beside it (a phone shows only that).
 *
 *     <${Gantt} label="Queue of Line 3" site="plant-1" rows=${rows} bars=${bars} />
 *
 * Keep rows, bars, links and marks the same objects while nothing in them changes (useMemo): they are laid out when they do.
 * One bar is in the order of Tab; arrow keys go from bar to bar, Home and End to the ends of a row.
 */

import { Fragment, html, useId, useLayoutEffect, useMemo, useRef, useState } from "../lib.js";
import { clean, plural, when } from "../format.js";
import { Name } from "../parts.js";
import { nowOf, zoneOf } from "../store.js";
import { Bar } from "./bar.js";
import { useDrag } from "./drag.js";
import { BAR_PX, WAS_PX, layoutOf, neighbour, rowsBetween } from "./layout.js";
import { LONGEST_MS, scaleOf, ticksOf } from "./scale.js";
import { LABELS_PX, bringIntoView, useView } from "./view.js";

const HOUR_MS = 3_600_000;
const TICKS_PX = 26; // of the head, for the axis; each line of marks below it
const MARK_PX = 17;
const LETTER_PX = 7.4; // of a mark's words, on average
const ZOOM = 2;
const CLOSEST_PX_PER_H = 240;

/**
 * @param {object} about
 * @param {string} about.label accessible name of the chart
 * @param {string} about.site whose zone the axis is in, and whose now is marked
 * @param {{id: string, name: string, note?: string, isTarget?: boolean}[]} about.rows from top to bottom; isTarget: a
 *     picked bar may go there
 * @param {{id: string, row: string, from: string, to: string, name: string, about: string|(() => string), setupFrom?: string,
 *     isWas?: boolean, isChanged?: boolean, isFixed?: boolean, isLocked?: boolean, canMove?: boolean}[]} about.bars
 *     from, to: moments as ISO text; name: the words in it; about: what a screen reader says, name first and then a
 *     sentence, asked for when it is drawn; setupFrom: where its hatched setup begins; isWas: a dashed outline of where it was; isFixed: dark edge; canMove: it can be dragged
 * @param {{from: string, to: string}[]} [about.links] thin connectors, by ids of bars
 * @param {{at: string, name: string, kind: "promise"|"truck"|"other"}[]} [about.marks] vertical lines; now comes by itself
 * @param {{from: string, to: string}} [about.span] what is shown at first; else all of it
 * @param {string|null} [about.picked] the bar that is chosen
 * @param {(id: string) => void} [about.onPick] makes bars buttons
 * @param {(id: string) => void} [about.onFocus] a bar has focus: its marks may be shown, say
 * @param {(id: string, to: {row: string, at: string}) => void} [about.onDrop] a bar was dragged to a row and a beginning
 */
export function Gantt({ label, site, rows, bars, links = [], marks = [], span = null, picked = null, onPick, onFocus, onDrop }) {
  const layout = useMemo(() => layoutOf(rows, bars), [rows, bars]);
  const range = useMemo(() => rangeOf(layout, span), [layout, span]);
  const { box, seen, watch } = useView();
  const [pxPerH, zoom] = useState(null); // null: all of the span fits
  const [active, activate] = useState(null); // the bar that Tab leads to
  const hint = useId();
  const hatch = useId();
  const body = useRef(null);
  const scale = useMemo(() => {
    const fit = Math.max(seen.width, 200) / (range.fitTo - range.fitFrom);
    return scaleOf(range.from, range.to, (range.to - range.from) * (pxPerH == null ? fit : pxPerH / HOUR_MS));
  }, [range, pxPerH, seen.width]);
  const zone = zoneOf(site);
  const firstBar = layout.rows.flatMap((row) => row.places).find((each) => !each.bar.isWas)?.bar.id;
  const tabStop = layout.byId.has(active) ? active : layout.byId.has(picked) ? picked : firstBar;
  const left = Math.max(0, seen.left);
  const right = Math.min(scale.width, seen.right);
  const shown = rowsBetween(layout, seen.top, seen.bottom);
  const drag = useDrag({ body, scale, layout, onDrop });
  const anchor = useRef(null); // the moment in the middle, while the scale changes

  useLayoutEffect(() => { // where the span begins, or what was in the middle
    const middle = anchor.current ?? range.fitFrom + box.current.clientWidth / 2 / scale.perMs - LABELS_PX / 2 / scale.perMs;
    box.current.scrollLeft = Math.max(0, scale.x(middle) - (box.current.clientWidth - LABELS_PX) / 2);
    anchor.current = null;
    watch();
  }, [scale]);

  const closer = (factor) => {
    const wide = box.current.clientWidth - LABELS_PX;
    anchor.current = scale.at(box.current.scrollLeft + wide / 2);
    zoom(factor == null ? null : Math.min(CLOSEST_PX_PER_H, scale.perMs * HOUR_MS * factor));
  };
  const move = (event) => {
    const at = event.target.closest?.("[data-bar]")?.dataset.bar;
    if (at == null) return;
    const id = focusOn.current ?? at; // keys may come faster than they are drawn
    if ((event.key === "Enter" || event.key === " ") && onPick) {
      event.preventDefault();
      onPick(id);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = neighbour(layout, id, event.key);
    if (!next) return;
    event.preventDefault();
    activate(next.bar.id);
    bringIntoView(box.current, { left: scale.x(next.from), right: scale.x(next.to), top: next.top - 8, bottom: next.top + BAR_PX + 8 }, head);
    watch();
    focusOn.current = next.bar.id;
  };
  const asked = useRef(null); // what bars call: always the newest, so that bars need not be drawn anew for it
  asked.current = { onPick, focus: (id) => { activate(id); onFocus?.(id); } };
  const made = useRef(new WeakMap());
  const ticks = useMemo(() => ticksOf(scale, left, right, zone), [scale, left, right, zone]);
  const barAt = (place) => { // the same vnode as before where nothing about it changed: it is not even compared
    const edge = scale.x(place.start) < seen.edge ? seen.edge : 0;
    const about = [scale, edge, place.bar.id === tabStop, place.bar.id === picked, Boolean(onPick)];
    const before = made.current.get(place);
    if (before?.about.every((each, index) => each === about[index])) return before.vnode;
    const vnode = html`<${Bar} key=${place.bar.id} place=${place} scale=${scale} edge=${edge} hatch=${hatch} isTabStop=${about[2]} isPicked=${about[3]}
      onPick=${onPick && ((id) => asked.current.onPick?.(id))} onFocus=${(id) => asked.current.focus(id)} />`;
    made.current.set(place, { about, vnode });
    return vnode;
  };
  const focusOn = useRef(null); // a bar that gets focus as soon as it is drawn
  useLayoutEffect(() => {
    if (focusOn.current == null) return;
    const element = [...body.current.querySelectorAll("[data-bar]")].find((each) => each.dataset.bar === focusOn.current);
    if (element) {
      element.focus({ preventScroll: true });
      focusOn.current = null;
    }
  });
  const head = TICKS_PX + MARK_PX * Math.min(3, marks.length + 1);
  const drawn = shown.flatMap((row) => row.places.filter((each) => each.bar.id === tabStop
    || (scale.x(each.to) >= left && scale.x(each.from) <= right && each.from < scale.to)));
  if (layout.byId.has(tabStop) && !drawn.some((each) => each.bar.id === tabStop)) drawn.push(layout.byId.get(tabStop));
  const top = Math.max(0, seen.top);
  const high = Math.max(1, Math.min(layout.height, seen.bottom) - top);
  const wide = Math.max(1, right - left);
  return html`<div class="gantt">
    <div class="gantt-tools" role="group" aria-label="Scale"><button type="button" onClick=${() => closer(ZOOM)}>Closer</button>
      <button type="button" onClick=${() => closer(1 / ZOOM)}>Wider</button><button type="button" onClick=${() => closer(null)}>Fit</button>
      <span id=${hint} class="quiet">Arrow keys go from bar to bar${onPick ? ", Enter picks one" : ""}.</span></div>
    ${range.beyond > 0 && html`<p class="quiet">${plural(range.beyond, "bar")} beyond what can be drawn: see the list.</p>`}
    <div class="gantt-view" ref=${box} role="region" aria-label=${label} tabindex=${firstBar ? undefined : "0"} onScroll=${watch}>
      <div class="gantt-sheet" style=${{ width: `${scale.width + LABELS_PX}px` }}>
        <div class="gantt-head" style=${{ height: `${head}px` }}><div class="gantt-corner"></div>
          <svg class="gantt-axis" aria-hidden="true" style=${{ left: `${left + LABELS_PX}px` }} width=${wide} height=${head} viewBox=${`${left} 0 ${wide} ${head}`}>
            ${ticks.map((tick) => html`<${Fragment} key=${tick.x}><line x1=${tick.x} x2=${tick.x} y1="4" y2=${head} class="gantt-tick" />
              <text x=${tick.x + 4} y="17" class=${tick.isDay ? "day" : ""}>${tick.text}</text><//>`)}
            <${MarkNames} marks=${marks} site=${site} scale=${scale} /></svg></div>
        <div class="gantt-body" ref=${body} style=${{ height: `${layout.height}px` }}>
          <ul class="gantt-names" aria-hidden="true">${shown.map(({ row, top: y, height }) => html`<li key=${row.id} class=${row.isTarget ? "target" : ""}
            style=${{ top: `${y}px`, height: `${height}px` }}><${Name} text=${row.name} />${row.note && html`<span class="quiet"> ${row.note}</span>`}</li>`)}</ul>
          <svg class=${drag.isOn ? "gantt-plot dragging" : "gantt-plot"} role="group" aria-label=${label} aria-describedby=${hint} style=${{ left: `${left + LABELS_PX}px`, top: `${top}px` }}
              width=${wide} height=${high} viewBox=${`${left} ${top} ${wide} ${high}`} onKeyDown=${move} ...${drag.handlers}>
            <defs><pattern id=${hatch} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
              <rect width="6" height="6" class="hatch-ground" /><line x1="0" y1="0" x2="0" y2="6" class="hatch-line" /></pattern></defs>
            ${shown.map(({ row, top: y, height }, index) => html`<rect key=${row.id} x=${left} y=${y} width=${wide} height=${height}
              class=${row.isTarget ? "gantt-row target" : (index + shown[0].top) % 2 ? "gantt-row odd" : "gantt-row"} />`)}
            ${ticks.map((tick) => html`<line key=${tick.x} x1=${tick.x} x2=${tick.x} y1=${top} y2=${top + high} class=${tick.isDay ? "gantt-tick day" : "gantt-tick"} />`)}
            ${links.map((link) => html`<${Connector} key=${`${link.from} ${link.to}`} from=${layout.byId.get(link.from)} to=${layout.byId.get(link.to)} scale=${scale} seen=${seen} />`)}
            ${drawn.map(barAt)}
            ${drag.ghost && html`<rect class="gantt-ghost" rx="2" ...${drag.ghost} height=${BAR_PX} />`}
            <${MarkLines} marks=${marks} site=${site} scale=${scale} top=${top} high=${high} /></svg>
        </div></div></div></div>`;
}

/** What the chart spans, and what of it is shown at first. */
function rangeOf(layout, span) {
  const places = layout.rows.flatMap((row) => row.places);
  const first = places.length ? places.reduce((least, each) => Math.min(least, each.from), Infinity) : Date.parse(span?.from ?? 0);
  const fitFrom = span ? Math.min(Date.parse(span.from), Date.parse(span.to)) : first;
  const from = Math.min(first, fitFrom);
  const last = places.reduce((most, each) => (each.to - from > LONGEST_MS ? most : Math.max(most, each.to)), from + HOUR_MS);
  const fitTo = span ? Math.max(Date.parse(span.to), fitFrom + HOUR_MS) : last;
  const air = (fitTo - fitFrom) * 0.02; // so that nothing sticks to the edge; more on the right, where names of marks go
  return {
    from: from - air, to: Math.max(last, Math.min(fitTo, from + LONGEST_MS)) + 4 * air, fitFrom: fitFrom - air, fitTo: Math.min(fitTo, from + LONGEST_MS) + 4 * air,
    beyond: places.filter((each) => !each.bar.isWas && each.from - from > LONGEST_MS).length,
  };
}

/** From where a bar was to where it is: beside each other or from row to row. */
function Connector({ from, to, scale, seen }) {
  if (!from || !to) return null;
  const [x1, x2] = [scale.x(from.start), scale.x(to.start)];
  const [y1, y2] = [from.top + WAS_PX / 2, to.top + BAR_PX / 2];
  if (Math.max(x1, x2) < seen.left || Math.min(x1, x2) > seen.right || Math.max(y1, y2) < seen.top || Math.min(y1, y2) > seen.bottom) return null;
  return html`<path class="gantt-link" d=${`M ${x1} ${y1} C ${x1 - 14} ${(y1 + y2) / 2}, ${x2 - 14} ${(y1 + y2) / 2}, ${x2} ${y2}`} />`;
}

const withNow = (marks, site) => (nowOf(site) ? [{ at: nowOf(site), name: "now", kind: "now" }, ...marks] : marks);
const isBeyond = (mark, scale) => Date.parse(mark.at) < scale.from || Date.parse(mark.at) > scale.to;

/** The vertical marks; a part of its own, because now moves on while the bars stay. */
function MarkLines({ marks, site, scale, top, high }) {
  return withNow(marks, site).filter((mark) => !isBeyond(mark, scale)).map((mark, index) => html`<line key=${index} class=${`gantt-mark ${mark.kind}`} x1=${scale.x(Date.parse(mark.at))} x2=${scale.x(Date.parse(mark.at))}
    y1=${top} y2=${top + high} />`);
}

/** Their names in the head, on the first line where there is room; of those beyond the chart, the time and which way. */
function MarkNames({ marks, site, scale }) {
  const ends = [];
  return withNow(marks, site).map((mark) => ({ ...mark, x: scale.x(Date.parse(mark.at)), text: wordsOf(mark, scale, site) }))
    .sort((one, other) => one.x - other.x).map((mark, index) => {
      let line = ends.findIndex((end) => end <= mark.x);
      if (line < 0) line = ends.length < 3 ? ends.length : 0;
      const isLast = mark.x + mark.text.length * LETTER_PX + 12 > scale.width; // no room behind it: before it
      ends[line] = mark.x + mark.text.length * LETTER_PX + 12;
      return html`<${Fragment} key=${index}>${!isBeyond(mark, scale) && html`<line class=${`gantt-mark ${mark.kind}`} x1=${mark.x} x2=${mark.x} y1=${TICKS_PX + line * MARK_PX} y2="200" />`}
        <text class=${`gantt-mark-name ${mark.kind}`} x=${isLast ? mark.x - 4 : mark.x + 4} text-anchor=${isLast ? "end" : "start"} y=${TICKS_PX + 12 + line * MARK_PX}>${mark.text}</text><//>`;
    });
}

function wordsOf(mark, scale, site) {
  const name = clean(mark.name).slice(0, 40);
  if (!isBeyond(mark, scale)) return name;
  const words = `${name} ${when(mark.at, zoneOf(site), nowOf(site))}`;
  return Date.parse(mark.at) > scale.to ? `${words} →` : `← ${words}`;
}
