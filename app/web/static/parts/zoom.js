// Looking closer: dragging along a chart over time makes the period of the page that of what was dragged over.

import { el } from "../dom.js";

/** @import { Context } from "../types.js" */

const TO = "zoom.to";
const BACK = "zoom.back";
const shown = (/** @type {Context} */ { state: { from, to } }) => `${from} ${to}`;

/** The address of the days between two rows. The way back is kept. */
export const zoomTo =
  (/** @type {Context} */ context) => (/** @type {{day: string}} */ from, /** @type {{day: string}} */ to) => {
    if (context.ui.get(TO) !== shown(context)) context.ui.set(BACK, context.href({}));
    context.ui.set(TO, `${from.day} ${to.day}`);
    return context.href({ from: from.day, to: to.day });
  };

/** The way back, while what was dragged over is shown. */
export function zoomReset(/** @type {Context} */ context) {
  const back = context.ui.get(BACK);
  if (!back || context.ui.get(TO) !== shown(context)) return null;
  return el("a.button.small.quiet", { href: back, "data-link": "" }, "Reset zoom");
}
