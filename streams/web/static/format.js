/** Times, distances, money and numbers in words. Nothing is made up: what is not known reads "unknown". */

const DAY_MS = 86_400_000;
const NEAR_DAYS = 6; // further away a weekday alone would be ambiguous
export const UNKNOWN = "unknown";

const formats = new Map();

function formatOf(zone, options) {
  const key = `${zone} ${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) {
    try {
      found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
    } catch { // a zone that this browser does not know
      found = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hourCycle: "h23", timeZoneName: "short", ...options });
    }
    formats.set(key, found);
  }
  return found;
}

/**
 * A moment in the site's zone: "Thu 12:00", "Thu 26 Nov 12:00" when it is further away than a week.
 * @param {string|null|undefined} iso moment
 * @param {string} zone IANA zone of the site
 * @param {string|null} [now] the plant's time
 */
export function when(iso, zone, now) {
  if (!iso) return UNKNOWN;
  const at = new Date(iso);
  const from = now ? new Date(now) : null;
  const isNear = from && Math.abs(at - from) < NEAR_DAYS * DAY_MS;
  const date = isNear ? {} : { day: "numeric", month: "short" };
  if (from && at.getUTCFullYear() !== from.getUTCFullYear()) date.year = "numeric";
  const options = { weekday: "short", ...date, hour: "2-digit", minute: "2-digit" };
  return formatOf(zone, options).format(at).replaceAll(",", "");
}

/** A moment in a zone by options of Intl.DateTimeFormat, without commas. */
export function inZone(iso, zone, options) {
  return formatOf(zone, options).format(new Date(iso)).replaceAll(",", "");
}

/** Time of day to the second, with weekday: "Thu 10:42:07". */
export function clock(iso, zone) {
  if (!iso) return UNKNOWN;
  const options = { weekday: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return formatOf(zone, options).format(new Date(iso)).replaceAll(",", "");
}

/** The calendar day of a moment in a zone, as 2026-11-26; to tell whether two are the same. */
export function dayOf(iso, zone) {
  return formatOf(zone, { year: "numeric", month: "2-digit", day: "2-digit" })
    .format(new Date(iso)).split("/").reverse().join("-");
}

/** A length of time: "1 day 6 h", "3 h 20 min", "20 min", "under 1 min". By the clock, nights included. */
export function span(seconds) {
  if (seconds == null) return UNKNOWN;
  const minutes = Math.floor(Math.abs(seconds) / 60);
  const days = Math.floor(minutes / 1440);
  const hours = Math.floor(minutes / 60) % 24;
  if (days) return `${plural(days, "day")}${hours ? ` ${hours} h` : ""}`;
  if (hours) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return minutes ? `${minutes} min` : "under 1 min";
}

/** How far a moment is from now: "in 1 day 6 h", "3 h ago". */
export function distance(iso, now) {
  if (!iso || !now) return UNKNOWN;
  const seconds = (new Date(iso) - new Date(now)) / 1000;
  if (Math.abs(seconds) < 60) return "now";
  return seconds >= 0 ? `in ${span(seconds)}` : `${span(seconds)} ago`;
}

/** Seconds between two moments, later less earlier; null where one is missing. */
export function secondsBetween(earlier, later) {
  return earlier && later ? (new Date(later) - new Date(earlier)) / 1000 : null;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Money with its currency: "5,000 EUR". */
export function money(amount, currency) {
  return amount == null ? UNKNOWN : `${whole.format(amount).replace(/^-0$/, "0")} ${currency}`;
}

/** A number with at most so many decimals, and its unit. */
export function number(value, decimals = 0, unit = "") {
  if (value == null) return UNKNOWN;
  const text = new Intl.NumberFormat("en", { maximumFractionDigits: decimals }).format(value);
  return unit ? `${text} ${unit}` : text;
}

/** A share as a percentage: "92 %"; with a sign, "-8.0 %". */
export function percent(share, decimals = 0, signed = false) {
  if (share == null) return UNKNOWN;
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  if (signed) options.signDisplay = "exceptZero";
  return `${new Intl.NumberFormat("en", options).format(share * 100)} %`;
}

/** "1 order", "2 orders". */
export function plural(count, word) {
  return `${whole.format(count)} ${word}${count === 1 ? "" : "s"}`;
}

/** A word of the wire for people: delivery_risk -> delivery risk. */
export function words(name) {
  return String(name).replaceAll("_", " ");
}

/** The same with a capital: Delivery risk. */
export function title(name) {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Text of another system in one line: control and direction characters become spaces, so that it cannot disturb others. */
export function clean(text) {
  // eslint-disable-next-line no-control-regex
  return String(text ?? "").replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, " ").trim();
}

/** A key of parts, as the topics join them: ("S1", "L3") -> "S1/L3". */
export function joinKey(...parts) {
  const joined = parts.join("/");
  if (!joined.includes("%") && joined.split("/").length === parts.length) return joined;
  return parts.map((part) => part.replaceAll("%", "%25").replaceAll("/", "%2F")).join("/");
}

/** The parts of a key as the topics join them: "line/S1/L3" -> ["line", "S1", "L3"]; "%2F" inside a part is a slash. */
export function splitKey(key) {
  return String(key).split("/").map((part) => part.replaceAll("%2F", "/").replaceAll("%25", "%"));
}

/** The moment that a clock at a site shows: "2026-11-26T12:00" in a zone -> ISO in UTC; null where it is no time. */
export function momentIn(zone, local) {
  const wanted = Date.parse(`${local}Z`);
  if (Number.isNaN(wanted)) return null;
  const shown = (at) => {
    const parts = Object.fromEntries(formatOf(zone, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" })
      .formatToParts(new Date(at)).map((each) => [each.type, each.value]));
    return Date.parse(`${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}Z`);
  };
  let at = wanted;
  for (let turn = 0; turn < 2; turn += 1) at += wanted - shown(at); // twice: the first guess may lie beyond a change of the clocks
  return new Date(at).toISOString();
}
