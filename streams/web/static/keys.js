/** Keys: one letter each, off while somebody types, and to be switched off as a whole (they get in the way of speech input). */

import { signal, useLayoutEffect, useRef } from "./lib.js";

const STORED = "foresite.keys";

/** Whether single keys are on; kept in this browser. */
export const isOn = signal(read());

/** What keys do now: {key, run}, the newest last; that one wins. */
const bindings = [];

let begun = null; // a first key, as g, that waits for its second

function read() {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return true;
  }
}

/** Switch single keys on or off. */
export function setOn(on) {
  isOn.value = on;
  try {
    localStorage.setItem(STORED, on ? "on" : "off");
  } catch { /* a browser that keeps nothing: off until it is closed */ }
}

/**
 * Give keys a meaning while a component is there.
 * @param {Record<string, () => void>} map key, or two with a space between -> what it does
 */
export function useKeys(map) {
  const newest = useRef(map);
  newest.current = map;
  useLayoutEffect(() => { // at once: a key may be pressed as soon as the page is seen
    const mine = Object.keys(map).map((key) => ({ key, run: () => newest.current[key]?.() }));
    bindings.push(...mine);
    return () => { for (const each of mine) bindings.splice(bindings.indexOf(each), 1); };
  }, [Object.keys(map).join(" ")]);
}

/** To be put on the document. */
export function onKeyDown(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" ? isTyping(event.target) : !isOn.value || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return; // it has keys of its own
  const key = begun ? `${begun} ${event.key}` : event.key;
  begun = null;
  if (event.key === "Enter" && event.target.closest?.("a, button, summary, [role=button]")) return;
  const found = bindings.findLast((each) => each.key === key);
  if (found) {
    event.preventDefault();
    found.run();
  } else if (bindings.some((each) => each.key.startsWith(`${key} `))) {
    begun = key;
    setTimeout(() => { begun = null; }, 1_500);
  }
}

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)
    && !/^(checkbox|radio|button|submit)$/.test(target.type ?? ""));
}
