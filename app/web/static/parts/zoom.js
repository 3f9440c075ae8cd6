// Looking closer: dragging along a chart over time makes the period of the page that of what was dragged over.

import { el } from "../dom.js";
import { OF_PERIOD } from "../period.js";
import { periodOf } from "./buckets.js";

/** @import { Changes, Context } from "../types.js" */
/** @import { Bucket } from "./buckets.js" */

const TO = "zoom.to";
const BACK = "zoom.back";
const named = (/** @type {Changes} */ period) => OF_PERIOD.map((name) => period[name] ?? "").join(" ");

/** The address of the days, hours or minutes between two rows. The way back is kept. */
export const zoomTo = (/** @type {Context} */ context) => (/** @type {Bucket} */ from, /** @type {Bucket} */ to) => {
  const period = periodOf(from, to);
  if (context.ui.get(TO) !== named(context.state)) context.ui.set(BACK, context.href({}));
  context.ui.set(TO, named(period));
  return context.href({ ...period, step: null });
};

/** The way back, while what was dragged over is shown. */
export function zoomReset(/** @type {Context} */ context) {
  const back = context.ui.get(BACK);
  if (!back || context.ui.get(TO) !== named(context.state)) return null;
  return el("a.button.small.quiet", { href: back, "data-link": "" }, "Reset zoom");
}
