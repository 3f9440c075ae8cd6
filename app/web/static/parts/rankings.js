// Rankings that several tabs have: tables with an exact rest, and bars of one of their figures.

import * as format from "../format.js";
import { colour } from "../palette.js";
import { leftOf, remainderOf } from "../remainder.js";
import { otherRow, SHOWN, table } from "../table.js";

/**
 * @import {
 *   Amount, Chart, Column, Context, FigureColumn, Priced, Row, Tokens, Tooltip, Totals, UserFigures,
 * } from "../types.js"
 */

const ROW_HEIGHT = 27;
const LONGEST_LABEL = 26;

/** Columns by the name of their figure. @satisfies {Record<string, FigureColumn>} */
export const COLUMNS = {
  requests: { key: "requests", label: "Requests", as: "count", share: true },
  cost: { key: "cost", label: "Cost", as: "money" },
  savedCost: { key: "savedCost", label: "Saved", as: "money" },
  successRate: { key: "successRate", label: "Success", as: "percent" },
  errors: { key: "errors", label: "Errors", as: "count" },
  cached: { key: "cached", label: "Cached", as: "count" },
  unpriced: { key: "unpriced", label: "Unpriced", as: "count" },
  estimated: { key: "estimated", label: "Estimated", as: "count" },
  averageDuration: { key: "averageDuration", label: "Average", as: "duration" },
  tokens: { key: "tokensTotal", label: "Tokens", as: "count" },
};

/** What is told of users. */
export const USER_COLUMNS = [
  { key: "userId", label: "User" },
  COLUMNS.requests,
  COLUMNS.cost,
  COLUMNS.savedCost,
  COLUMNS.tokens,
  COLUMNS.successRate,
];

/** The users that are not listed, as one row; null where there are none. `active`: how many there are, listed or not. */
export function otherUsers(
  /** @type {Totals} */ totals,
  /** @type {UserFigures[]} */ listed,
  /** @type {number | null} */ active,
) {
  const left = leftOf(totals, listed);
  return left.requests > 0 ? otherRow(flat([left])[0], active ? active - listed.length : null) : null;
}

/**
 * Rows of totals with their tokens as one figure, which a column can show.
 * @template {{tokens?: Tokens | number}} T
 * @param {T[]} rows
 */
export const flat = (rows) =>
  rows.map((row) => ({ ...row, tokensTotal: typeof row.tokens === "number" ? row.tokens : row.tokens?.total }));

/**
 * A ranking of totals: ten rows, the exact rest, and a way to see all.
 * @template {Row & {tokens?: Tokens | number}} T
 * @param {Context} context
 * @param {{id: string, caption: string, rows: T[], columns: Column<T>[], href: (row: T) => string,
 *   rowKey?: (row: T) => string, noun: string}} what
 */
export function ranking(context, { id, caption, rows, columns, href, rowKey, noun }) {
  const all = Boolean(context.ui.get(`all.${id}`));
  const onAll = () => {
    context.ui.set(`all.${id}`, !context.ui.get(`all.${id}`));
    context.rerender();
  };
  return table({ caption, rows: flat(rows), columns, href, rowKey, remainder: remainderOf, all, onAll, noun });
}

/**
 * Bars of one figure: ten and the remainder.
 * @template {Totals} T
 * @param {{rows: T[], name: (row: T) => string, pick: (row: Totals) => Amount | null, label: string,
 *   write: (value: Amount | null, row: Totals) => string, href?: (row: T) => string}} what `href`: where a bar leads
 * @returns {Chart}
 */
export function barsOf({ rows, name, pick, write, label, href }) {
  const cut = rows.length > SHOWN + 1 ? SHOWN : rows.length;
  const members = /** @type {Totals[]} */ (rows.slice(cut));
  const bars = rows.slice(0, cut).map((row) => ({ title: name(row), row: /** @type {Totals} */ (row), shade: "one" }));
  if (members.length) bars.push({ title: `Other (${members.length})`, row: remainderOf(members), shade: "other" });
  const drawn = bars.map(({ title, row, shade }, place) => ({
    name: distinct(title, place),
    value: Number(pick(row) ?? 0),
    figure: write(pick(row), row),
    place,
    shade,
  }));
  const range = { one: colour("accent"), other: colour("s-other") };
  return {
    spec: "bars",
    rows: drawn,
    height: Math.max(2, drawn.length) * ROW_HEIGHT + 10,
    label,
    values: {
      domain: Object.keys(range),
      range: Object.values(range),
      least: 0,
      labelLimit: innerWidth < 640 ? 110 : 170,
    },
    onPick: href && ((/** @type {(typeof drawn)[number]} */ { place }) => (place < cut ? href(rows[place]) : null)),
    lines: (/** @type {(typeof drawn)[number]} */ { place }) => ({
      title: bars[place].title,
      pairs: pairsOf(bars[place].row),
    }),
  };
}

/** Two long names may begin alike; a bar needs a name of its own. The space that tells them apart takes no place. */
function distinct(/** @type {string} */ title, /** @type {number} */ place) {
  const short = title.length > LONGEST_LABEL ? `${title.slice(0, LONGEST_LABEL)}…` : title;
  return short + "\u200b".repeat(place);
}

/** A sum of costs; where none of its calls has a price it is not nothing, but unknown. */
export const costOf = (/** @type {Amount | null} */ cost, /** @type {Priced} */ row) =>
  row.requests > 0 && row.unpriced === row.requests ? "unpriced" : format.money(cost);

/** What a tooltip says of totals. @returns {Tooltip["pairs"]} */
const pairsOf = (/** @type {Totals} */ row) => [
  ["Requests", format.count(row.requests)],
  ["Cost", costOf(row.cost, row)],
  ["Success", format.percent(row.successRate)],
];
