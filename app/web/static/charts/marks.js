// What stands on a chart beside its figures: notes at their days, and levels such as a budget.

import { el } from "../dom.js";

/** @import { Chart } from "../types.js" */
/** @import { Points } from "./points.js" */

const px = (/** @type {number} */ size) => `${size}px`;

/** The marks of a chart. Their words are in the tooltip of their point, too. */
export function marksOf(/** @type {Points} */ points, /** @type {Chart} */ { marks = [], levels = [] }) {
  const { left, top, width, height } = points.plot;
  const days = new Set(marks.map(({ at }) => at));
  return [
    [...days].flatMap((at) => {
      const of = marks.filter((mark) => mark.at === at);
      const span = points.span("x", at);
      if (!span) return [];
      const styles = { left: px(left + span[0] + span[1] / 2), top: px(top), height: px(height) };
      return el("div.chart-note", { styles }, el("span", {}, of.length > 1 ? `${of.length} notes` : of[0].label));
    }),
    levels.flatMap(({ value, label }) => {
      const at = points.view.scale("y")(value);
      if (!(at >= 0 && at <= height)) return [];
      return el(
        "div.chart-level",
        { styles: { left: px(left), top: px(top + at), width: px(width) } },
        el("span", {}, label),
      );
    }),
  ];
}
