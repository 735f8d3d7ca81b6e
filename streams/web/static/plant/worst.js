/** The worst card of each line. */

import { joinKey } from "../format.js";

const LEVELS = ["critical", "high", "medium", "low"];

/** Key of a line -> its worst card that needs somebody, of what the stream has told. */
export function worstByLine(cards) {
  const found = new Map();
  const put = (site, line, card) => {
    const key = joinKey(site, line);
    const before = found.get(key);
    if (!before || isWorse(card, before)) found.set(key, card);
  };
  for (const { document: card } of cards.values()) {
    if (card.cause.entity_type === "line") put(card.site_id, card.cause.entity_id, card);
    for (const each of card.affected) if (each.line_id) put(each.site_id, each.line_id, card);
  }
  return found;
}

function isWorse(one, other) {
  const [mine, its] = [one, other].map((card) => LEVELS.indexOf(card.severity));
  return mine !== its ? mine < its : one.score !== other.score ? one.score > other.score : one.card_id < other.card_id;
}
