/** Moments as a form's field has them: the clock on a site's wall. */

import { inZone } from "../format.js";

const PARTS = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" };

/** A moment as a datetime-local field has it, in a zone: "2026-11-23T12:00". */
export function localOf(iso, zone) {
  const [, day, month, year, time] = /(\d+)\/(\d+)\/(\d+) (\d+:\d+)/.exec(inZone(iso, zone, PARTS)) ?? [];
  return year ? `${year}-${month}-${day}T${time}` : "";
}

/** The moment that a field's text means in a zone, as ISO text, or null. Of an hour that comes twice, the first one. */
export function isoOf(local, zone) {
  const wanted = Date.parse(`${local}Z`);
  if (Number.isNaN(wanted)) return null;
  for (const guess of [wanted - 86_400_000, wanted + 86_400_000]) { // the offset before and behind a change of clocks
    const offset = Date.parse(`${localOf(guess, zone)}Z`) - guess;
    const at = wanted - offset;
    if (localOf(at, zone) === localOf(wanted, "UTC")) return new Date(at).toISOString();
  }
  return new Date(wanted - (Date.parse(`${localOf(wanted - 86_400_000, zone)}Z`) - (wanted - 86_400_000))).toISOString();
}
