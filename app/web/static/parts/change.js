// How a row has changed since the period that it is compared with: one column, which every list has alike.

import { el } from "../dom.js";
import * as format from "../format.js";
import { minus } from "../money.js";

/** @import { Amount, Child, Column, Context, Earlier, Known } from "../types.js" */

/**
 * The change of a cost from an earlier one, in percent; null where there was none.
 * @param {Amount} cost
 * @param {Known<Earlier>} earlier
 */
export const percentOf = (cost, earlier) =>
  earlier && Number(earlier.cost) ? (100 * Number(minus(cost, earlier.cost))) / Number(earlier.cost) : null;

/**
 * A change in words and an arrow; a cost that rises is neither good nor bad.
 * @param {number | null} percent
 * @param {string} title
 * @returns {Child}
 */
export function arrow(percent, title) {
  if (percent === null) return null;
  const [sign, direction] = percent > 0.05 ? ["▲", "up"] : percent < -0.05 ? ["▼", "down"] : ["→", "unchanged"];
  return el(
    "span.trend",
    { title, "data-trend": percent.toFixed(2) },
    el("span", { "aria-hidden": "true" }, `${sign} `),
    el("span.hidden", {}, `${direction} `),
    format.change(percent),
  );
}

/** What is asked for where a page compares. */
export const compareParameters = (/** @type {Context} */ { state }) => ({ compare: state.compare ? "previous" : null });

/**
 * The column where a page compares, else none.
 * @param {Context} context
 * @returns {Column<any>[]}
 */
export const changeColumns = ({ state }) => (state.compare ? [changeColumn()] : []);

/**
 * The column. Its rows have `cost`, and in `earlier` what they had before.
 * @returns {Column<any>}
 */
export const changeColumn = () => ({
  key: "change",
  label: "Change",
  as: "change",
  content: (/** @type {{cost: Amount, earlier: Earlier | null}} */ { cost, earlier }) => {
    if (!earlier) return Number(cost) ? el("span.muted", { title: "No calls in the earlier period" }, "new") : null;
    const before = `${format.money(earlier.cost)} before`;
    return arrow(percentOf(cost, earlier), before) ?? el("span.muted", { title: before }, format.DASH);
  },
});
