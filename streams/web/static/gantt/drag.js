/** Dragging a bar with a mouse or a pen to another row and time. It does what the form beside the chart does as well; fingers scroll. */

import { useState } from "../lib.js";
import { LABELS_PX } from "./view.js";

const BEGINS_PX = 5; // a hand that trembles is no drag
const GRID_MS = 15 * 60_000; // beginnings are offered at quarters of an hour

/**
 * @returns {{handlers: object, ghost: object|null, isOn: boolean}} ghost: where the bar would go, as attributes of a rect
 */
export function useDrag({ body, scale, layout, onDrop }) {
  const [held, hold] = useState(null); // {id, x, y, dx, dy, isOn}
  if (!onDrop) return { handlers: {}, ghost: null, isOn: false };
  const placeAt = ({ id, dx, y, dy }) => {
    const place = layout.byId.get(id);
    const row = layout.rows.find((each) => each.top <= y + dy && y + dy < each.top + each.height) ?? layout.rows[place.row];
    const at = Math.round((place.start + dx / scale.perMs) / GRID_MS) * GRID_MS;
    return { place, row, at };
  };
  const point = (event) => {
    const box = body.current.getBoundingClientRect();
    return { x: event.clientX - box.left - LABELS_PX, y: event.clientY - box.top };
  };
  const handlers = {
    onPointerDown: (event) => {
      const id = event.target.closest?.("[data-bar]")?.dataset.bar;
      if (event.button || event.pointerType === "touch" || !layout.byId.get(id)?.bar.canMove) return;
      hold({ id, ...point(event), dx: 0, dy: 0, isOn: false });
    },
    onPointerMove: (event) => {
      if (!held) return;
      const { x, y } = point(event);
      const [dx, dy] = [x - held.x, y - held.y];
      const isOn = held.isOn || Math.hypot(dx, dy) >= BEGINS_PX;
      if (isOn && !held.isOn) event.currentTarget.setPointerCapture(event.pointerId); // not before: a captured click picks no bar
      hold({ ...held, dx, dy, isOn });
    },
    onPointerUp: () => {
      if (held?.isOn && layout.byId.has(held.id)) {
        const { row, at } = placeAt(held);
        onDrop(held.id, { row: row.row.id, at: new Date(at).toISOString() });
      }
      hold(null);
    },
    onPointerCancel: () => hold(null),
  };
  if (!held?.isOn || !layout.byId.has(held.id)) return { handlers, ghost: null, isOn: false };
  const { place, row, at } = placeAt(held);
  const ghost = { x: scale.x(at), y: row.top + 5, width: Math.max(4, scale.x(place.to) - scale.x(place.start)) };
  return { handlers, ghost, isOn: true };
}
