// What a chart says about the mark under the pointer. Only ever text: names come from whoever reported a call.

import { el } from "./dom.js";

/** @import { Tooltip } from "./types.js" */

const MARGIN = 14;

/**
 * Vega's tooltip handler. `lines` gives the heading and the pairs of a datum.
 * @param {(datum: unknown) => Tooltip} lines
 */
export function tooltipOf(lines) {
  return (
    /** @type {unknown} */ _,
    /** @type {MouseEvent} */ event,
    /** @type {{datum?: unknown} | null} */ item,
    /** @type {unknown} */ value,
  ) => {
    const box = document.getElementById("tooltip");
    if (box === null) return;
    box.hidden = true;
    if (value === null || value === undefined || value === "" || !item?.datum) return;
    box.hidden = false;
    const { title, pairs } = lines(item.datum);
    const rows = pairs.flatMap(([name, figure]) => [el("dt", {}, name), el("dd", {}, figure)]);
    box.replaceChildren(el("strong", {}, title), el("dl", {}, rows));
    place(box, event.clientX, event.clientY);
  };
}

/** Hide what is shown: its chart is gone. */
export function hideTooltip() {
  const box = document.getElementById("tooltip");
  if (box !== null) box.hidden = true;
}

function place(/** @type {HTMLElement} */ box, /** @type {number} */ x, /** @type {number} */ y) {
  const { width, height } = box.getBoundingClientRect();
  const left = x + MARGIN + width > innerWidth ? x - MARGIN - width : x + MARGIN;
  const top = y + MARGIN + height > innerHeight ? y - MARGIN - height : y + MARGIN;
  box.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
}
