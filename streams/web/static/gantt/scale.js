/** Where a moment lies in a chart, and which moments its axis names. All positions in pixels, all moments in POSIX milliseconds. */

import { inZone } from "../format.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 28 * DAY];
const LABEL_PX = 84; // of "Tue 24 Nov"; smaller and labels run into each other
const WIDEST_PX = 400_000; // browsers draw nothing that is far wider
export const LONGEST_MS = 400 * DAY; // what a chart spans at most: one date in the year 2100 would make all others a point

/**
 * A scale.
 * @param {number} from moment at the left edge
 * @param {number} to moment at the right edge
 * @param {number} width of all of it, in pixels
 */
export function scaleOf(from, to, width) {
  const end = Math.min(Math.max(to, from + MINUTE), from + LONGEST_MS);
  const wide = Math.min(Math.max(width, 1), WIDEST_PX);
  const perMs = wide / (end - from);
  return {
    from, to: end, width: wide, perMs,
    x: (moment) => Math.min(Math.max((moment - from) * perMs, 0), wide),
    at: (x) => from + x / perMs,
  };
}

/**
 * What the axis names between two positions: [{x, text, isDay}], at round times of day in the zone.
 * @param {ReturnType<typeof scaleOf>} scale
 */
export function ticksOf(scale, left, right, zone) {
  const step = STEPS.find((each) => each * scale.perMs >= LABEL_PX) ?? STEPS.at(-1);
  const found = [];
  const pace = Math.min(step, HOUR);
  const first = Math.floor(scale.at(left) / (15 * MINUTE)) * 15 * MINUTE;
  const skew = minuteOfDay(first, zone) % (pace / MINUTE); // zones that are half an hour off
  for (let at = first - skew * MINUTE; at <= scale.at(right); at += pace) {
    const minute = minuteOfDay(at, zone);
    if (at < scale.from || !isRound(at, minute, step)) continue;
    const isDay = minute === 0;
    found.push({ x: scale.x(at), text: inZone(at, zone, isDay ? { weekday: "short", day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" }), isDay });
  }
  return found;
}

function minuteOfDay(at, zone) {
  const [hour, minute] = inZone(at, zone, { hour: "2-digit", minute: "2-digit" }).split(":").map(Number);
  return hour * 60 + minute;
}

function isRound(at, minute, step) {
  if (minute % Math.min(step / MINUTE, 1440)) return false;
  return step <= DAY || Math.floor(at / DAY + 0.5) % (step / DAY) === 0;
}
