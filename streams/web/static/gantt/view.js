/** What part of a chart is seen: how wide it is drawn, and where it is scrolled to. Only that part is drawn. */

import { useEffect, useLayoutEffect, useRef, useState } from "../lib.js";

const ROOM_PX = 400; // drawn beyond what is seen, so that a little scrolling shows no holes
const REST_MS = 120; // without a scroll event: it rests
export const LABELS_PX = 150; // width of the rows' names, as in gantt.css

/**
 * Watch a scrolling element.
 * @returns {{box, seen, watch}} box: its ref; seen: {left, right, top, bottom, width} of the plot, in steps
 *     of ROOM_PX / 2, so that not every pixel draws anew; edge: its left edge to the pixel, once scrolling rests
 */
export function useView() {
  const box = useRef(null);
  const [seen, see] = useState({ left: 0, right: 2_000, top: 0, bottom: 1_500, width: 0, edge: 0 });
  const rest = useRef(null);
  const watch = () => {
    const element = box.current;
    if (!element) return;
    const step = (value) => Math.floor(value / (ROOM_PX / 2)) * (ROOM_PX / 2);
    const left = step(element.scrollLeft) - ROOM_PX;
    const top = step(element.scrollTop) - ROOM_PX;
    const next = {
      left, top, right: left + step(element.clientWidth) + 2.5 * ROOM_PX, bottom: top + step(element.clientHeight) + 2.5 * ROOM_PX,
      width: Math.max(element.clientWidth - LABELS_PX, 0),
    };
    const take = (part) => see((before) => (Object.keys(part).every((name) => before[name] === part[name]) ? before : { ...before, ...part }));
    take(next);
    clearTimeout(rest.current);
    rest.current = setTimeout(() => take({ edge: Math.round(element.scrollLeft) }), REST_MS);
  };
  useLayoutEffect(watch, []);
  useEffect(() => {
    const observer = new ResizeObserver(watch);
    observer.observe(box.current);
    return () => { observer.disconnect(); clearTimeout(rest.current); };
  }, []);
  return { box, seen, watch };
}

/** Scroll an element until a part of its plot is seen. */
export function bringIntoView(element, { left, right, top, bottom }, headPx) {
  const wide = element.clientWidth - LABELS_PX;
  const high = element.clientHeight - headPx;
  if (left < element.scrollLeft || right > element.scrollLeft + wide) element.scrollLeft = Math.max(0, left - wide / 4);
  if (top < element.scrollTop) element.scrollTop = top;
  else if (bottom > element.scrollTop + high) element.scrollTop = bottom - high;
}
