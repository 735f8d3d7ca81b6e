/**
 * What the server has told: one map of documents a kind, replaced whole when something in it changes.
 *
 * Law: only this file writes these signals. Documents are kept as they came; a newer revision replaces an older one.
 */

import { batch, computed, signal } from "./lib.js";
import { get } from "./api.js";

export const KINDS = ["card", "order", "line", "plan", "proposal", "site"];

/** Kind -> signal of a Map: id -> {id, site_id, revision, document}. */
export const documents = Object.fromEntries(KINDS.map((kind) => [kind, signal(new Map())]));

/** Site -> the plant's time that the picture has reached. */
export const asOf = signal({});

/** Whether there was a snapshot; until then nothing is known, which is not the same as nothing being there. */
export const isLoaded = signal(false);

/** Kind -> how many documents the server's limits left out. */
export const leftOut = signal({});

/** Date.now() when the server was last heard. */
export const heardAt = signal(0);

/** What the server says of itself with each heartbeat: `trouble` in words, or null. */
export const trouble = signal(null);

/** Who is signed in: {name, role, via, commands, notice}, or null. */
export const me = signal(null);

/** "type/site/id" -> {name, part_of} of sites, areas, lines, people, customers and items. */
export const names = signal(new Map());

/** Ids of the sites that are known, sorted. */
export const sites = computed(() => [...new Set([...documents.site.value.keys(), ...Object.keys(asOf.value)])].sort());

/** The document of an id, or null. */
export function documentOf(kind, id) {
  return documents[kind].value.get(id)?.document ?? null;
}

/** Take a snapshot: what it does not have is gone. */
export function takeSnapshot(snapshot) {
  batch(() => {
    for (const kind of KINDS) {
      documents[kind].value = new Map((snapshot.documents[kind] ?? []).map((each) => [each.id, each]));
    }
    asOf.value = snapshot.as_of;
    leftOut.value = snapshot.left_out ?? {};
    isLoaded.value = true;
    heardAt.value = Date.now();
  });
}

/** The same for a tab that is told by another one. */
export function asSnapshot() {
  const all = Object.fromEntries(KINDS.map((kind) => [kind, [...documents[kind].value.values()]]));
  return { as_of: asOf.value, documents: all, left_out: leftOut.value };
}

/** Take events of the stream: [{name, data}]. */
export function takeEvents(events) {
  const changed = new Map();
  batch(() => {
    for (const { name, data } of events) {
      if (name === "heartbeat") {
        asOf.value = data.as_of;
        trouble.value = data.trouble ?? null;
        continue;
      }
      const kept = documents[name];
      if (!kept) continue;
      if (!changed.has(name)) changed.set(name, new Map(kept.value));
      const map = changed.get(name);
      if (data.document === null) map.delete(data.id);
      else if ((map.get(data.id)?.revision ?? -1) <= data.revision) map.set(data.id, data);
    }
    for (const [name, map] of changed) documents[name].value = map;
    heardAt.value = Date.now();
  });
}

/** A document that an answer brought along, as a 409 does: newer than what the stream has told so far. */
export function takeDocument(kind, id, siteId, document) {
  takeEvents([{ name: kind, data: { id, site_id: siteId, revision: document.revision, document } }]);
}

/** Forget everything: somebody else signs in. */
export function forget() {
  batch(() => {
    for (const kind of KINDS) documents[kind].value = new Map();
    asOf.value = {};
    isLoaded.value = false;
    me.value = null;
    names.value = new Map();
  });
}

/** Ask for the names of things. Those that are missing show as their ids. */
export async function loadNames() {
  const found = await get("/names");
  names.value = new Map(found.items.map((each) => [nameKey(each.node_type, each.site_id, each.entity_id), each]));
}

/** What something is called, as far as anybody said; else its id. */
export function nameOf(type, siteId, id) {
  return names.value.get(nameKey(type, siteId, id))?.name ?? id;
}

/** Things of a type, by name: [{entity_id, site_id, name, part_of}]. */
export function named(type, siteId = null) {
  return [...names.value.values()]
    .filter((each) => each.node_type === type && (!siteId || each.site_id === siteId))
    .sort((one, other) => one.name.localeCompare(other.name));
}

/** The zone in which a site's people read times. */
export function zoneOf(siteId) {
  return documentOf("site", siteId)?.zone ?? "UTC";
}

/** The plant's time at a site. */
export function nowOf(siteId) {
  return asOf.value[siteId] ?? null;
}

/** Whether whoever is signed in may send commands of a kind. */
export function mayI(kind) {
  return me.value?.commands.includes(kind) ?? false;
}

const nameKey = (type, siteId, id) => JSON.stringify([type, siteId, id]);
