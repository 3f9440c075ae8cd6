// What a chart says about the point that is looked at. Only ever text: names come from whoever reported a call.

import { el } from "./dom.js";

/** @import { Child, Tooltip } from "./types.js" */
/** @import { Box } from "./charts/points.js" */

const GAP = 10;
const EDGE = 4;
/** Which chart's words are shown. @type {unknown} */
let owner;

/**
 * Show it beside a point, whose box is in px of the window.
 * @param {unknown} by what shows it, and hides it again
 * @param {Tooltip} tooltip
 * @param {Box} box
 * @param {Child} [actions] what can be done there: it stays until something else is looked at
 */
export function showTooltip(by, { title, total, pairs, notes = [] }, box, actions) {
  const shown = document.getElementById("tooltip");
  if (shown === null) return;
  owner = by;
  const line = (/** @type {Tooltip["pairs"][number]} */ [name, figure, colour]) => [
    el("dt", {}, colour ? el("span.swatch", { styles: { background: colour } }) : null, name),
    el("dd", {}, figure),
  ];
  shown.replaceChildren(
    el("strong", {}, title),
    el("dl", {}, total ? el("div.total", {}, line(total)) : null, pairs.map(line)),
    ...notes.map((note) => el("p.tooltip-note", {}, note)),
  );
  if (actions) shown.append(el("div.tooltip-actions", {}, actions));
  shown.classList.toggle("stays", Boolean(actions));
  shown.hidden = false;
  place(shown, box);
}

/** Hide what `by` shows. */
export function hideTooltip(/** @type {unknown} */ by) {
  const shown = document.getElementById("tooltip");
  if (shown === null || by !== owner) return;
  shown.hidden = true;
  owner = undefined;
}

/** Beside the point where there is room, else under or over it: never on what is looked at. */
function place(/** @type {HTMLElement} */ shown, /** @type {Box} */ { left, top, width, height }) {
  const { width: own, height: tall } = shown.getBoundingClientRect();
  const right = left + width + GAP;
  const across = [right, left - GAP - own].find((start) => start >= EDGE && start + own <= innerWidth - EDGE);
  if (across !== undefined) return move(shown, across, top + Math.min(height, 160) / 2 - tall / 2, tall);
  const below = top + height + GAP;
  const centred = Math.min(Math.max(left + width / 2 - own / 2, EDGE), innerWidth - EDGE - own);
  move(shown, centred, below + tall <= innerHeight - EDGE ? below : top - GAP - tall, tall);
}

function move(
  /** @type {HTMLElement} */ shown,
  /** @type {number} */ x,
  /** @type {number} */ y,
  /** @type {number} */ tall,
) {
  const within = Math.max(EDGE, Math.min(y, innerHeight - EDGE - tall));
  shown.style.transform = `translate(${Math.round(x)}px, ${Math.round(within)}px)`;
}

/** It in one sentence, for those who hear it. */
export const spoken = (/** @type {Tooltip} */ { title, total, pairs, notes = [] }) =>
  `${title}: ${[...(total ? [total] : []), ...pairs].map(([name, figure]) => `${name} ${figure}`).join(", ")}${notes.map((note) => `. ${note}`).join("")}`;
