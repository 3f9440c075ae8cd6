// @ts-check
// Rankings that several tabs have: tables with an exact rest, and bars of one of their figures.

import * as format from "../format.js";
import { colour } from "../palette.js";
import { remainderOf } from "../remainder.js";
import { SHOWN, table } from "../table.js";

const ROW_HEIGHT = 27;
const LONGEST_LABEL = 26;

/** Columns by the name of their figure. */
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

/** Rows of totals with their tokens as one figure, which a column can show. */
export const flat = (/** @type {any[]} */ rows) =>
  rows.map((row) => ({ ...row, tokensTotal: typeof row.tokens === "number" ? row.tokens : row.tokens?.total }));

/**
 * A ranking of totals: ten rows, the exact rest, and a way to see all.
 * @param {any} context
 * @param {{id: string, caption: string, rows: any[], columns: any[], href: (row: any) => string, rowKey?: any, noun: string}} what
 */
export function ranking(context, { id, caption, rows, columns, href, rowKey, noun }) {
  const all = Boolean(context.ui.get(`all.${id}`));
  const onAll = () => {
    context.ui.set(`all.${id}`, !context.ui.get(`all.${id}`));
    context.rerender();
  };
  const rest = (members) => flat([remainderOf(members)])[0];
  return table({ caption, rows: flat(rows), columns, href, rowKey, rest, all, onAll, noun });
}

/**
 * The properties of bars of one figure: ten and the rest.
 * @param {{rows: any[], name: (row: any) => string, pick: (row: any) => any, write: (value: any, row: any) => string, label: string,
 *   lines: (row: any) => [string, string][], rest?: boolean, shade?: (row: any) => string}} what
 */
export function barsOf({ rows, name, pick, write, label, lines, rest = true, shade }) {
  const cut = rows.length > SHOWN + 1 ? SHOWN : rows.length;
  const shown = rows.slice(0, cut);
  const members = rows.slice(cut);
  const other = members.length && rest ? [{ ...remainderOf(members), isOther: true }] : [];
  const titles = new Map();
  const drawn = [...shown, ...other].map((row, place) => {
    const title = row.isOther ? `Other (${members.length})` : name(row);
    titles.set(place, { title, pairs: lines(row) });
    return {
      name: distinct(title, place),
      value: Number(pick(row) ?? 0),
      figure: write(pick(row), row),
      place,
      shade: row.isOther ? "other" : (shade?.(row) ?? "one"),
    };
  });
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
    lines: ({ place }) => titles.get(place) ?? { title: "", pairs: [] },
  };
}

/** Two long names may begin alike; a bar needs a name of its own. The space that tells them apart takes no place. */
function distinct(title, place) {
  const short = title.length > LONGEST_LABEL ? `${title.slice(0, LONGEST_LABEL)}…` : title;
  return short + "\u200b".repeat(place);
}

/** A sum of costs; where none of its calls has a price it is not nothing, but unknown. */
export const costOf = (/** @type {any} */ cost, /** @type {any} */ row) =>
  row.requests > 0 && row.unpriced === row.requests ? "unpriced" : format.money(cost);

/** The usual pairs of a tooltip of totals. */
export const pairsOf = (/** @type {any} */ row) => [
  ["Requests", format.count(row.requests)],
  ["Cost", costOf(row.cost, row)],
  ["Success", format.percent(row.successRate)],
];
