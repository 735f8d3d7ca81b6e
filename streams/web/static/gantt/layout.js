/** Where the bars of a chart lie: rows from top to bottom, and inside a row as many lanes as bars lie over each other. */

export const BAR_PX = 26; // height of a bar: a target that a finger finds
export const WAS_PX = 9; // of the outline of where it was, below it
const GAP_PX = 4;
const PAD_PX = 5;

/**
 * Lay out bars.
 * @param {{id: string}[]} rows
 * @param {object[]} bars as chart.js takes them
 * @returns {{rows: {row, top, height, places}[], height: number, byId: Map}} places: {bar, top, from, to}, by time
 */
export function layoutOf(rows, bars) {
  const of = new Map(rows.map((row) => [row.id, []]));
  for (const bar of bars) of.get(bar.row)?.push(bar);
  const byId = new Map();
  let top = 0;
  const laid = rows.map((row, index) => {
    const mine = of.get(row.id).map((bar) => ({ bar, row: index, from: Date.parse(bar.setupFrom ?? bar.from), start: Date.parse(bar.from), to: Date.parse(bar.to) }))
      .filter((each) => each.to >= each.from) // a moment that is none draws nothing
      .sort((one, other) => one.from - other.from || (one.bar.id < other.bar.id ? -1 : 1));
    const { solid, was } = { solid: lanesOf(mine.filter((each) => !each.bar.isWas)), was: lanesOf(mine.filter((each) => each.bar.isWas)) };
    const wasTop = PAD_PX + solid * (BAR_PX + GAP_PX);
    for (const each of mine) {
      each.top = top + (each.bar.isWas ? wasTop + each.lane * (WAS_PX + GAP_PX) : PAD_PX + each.lane * (BAR_PX + GAP_PX));
      byId.set(each.bar.id, each);
    }
    const height = Math.max(wasTop + was * (WAS_PX + GAP_PX), PAD_PX + BAR_PX + GAP_PX) + PAD_PX - GAP_PX;
    const place = { row, top, height, places: mine };
    top += height;
    return place;
  });
  return { rows: laid, height: top, byId };
}

/** Give each a lane, the first one that is free; how many there are. */
function lanesOf(places) {
  const ends = [];
  for (const each of places) {
    const free = ends.findIndex((end) => end <= each.from);
    each.lane = free < 0 ? ends.length : free;
    ends[each.lane] = each.to;
  }
  return ends.length;
}

/** Rows that a part of the height shows. */
export function rowsBetween(layout, top, bottom) {
  return layout.rows.filter((row) => row.top < bottom && row.top + row.height > top);
}

/** The bar that an arrow key leads to from one, or null: the next in its row, or the nearest in time of another row. */
export function neighbour(layout, id, key) {
  const here = layout.byId.get(id);
  if (!here) return null;
  const inRow = (index) => layout.rows[index].places.filter((each) => !each.bar.isWas);
  const mine = inRow(here.row);
  const index = mine.indexOf(here);
  if (key === "ArrowRight") return mine[index + 1] ?? null;
  if (key === "ArrowLeft") return mine[index - 1] ?? null;
  if (key === "Home") return mine[0];
  if (key === "End") return mine.at(-1);
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const step = key === "ArrowDown" ? 1 : -1;
  for (let row = here.row + step; row >= 0 && row < layout.rows.length; row += step) {
    const there = inRow(row);
    if (there.length) return there.reduce((one, other) => (Math.abs(other.start - here.start) < Math.abs(one.start - here.start) ? other : one));
  }
  return null;
}
