// Tables: ten rows and an exact rest, figures in columns that line up, and each row leads to the calls behind it.

import { el } from "./dom.js";
import * as format from "./format.js";

/** @import { Amount, Child, Column, Context, FigureColumn, Known, OtherRow, Row } from "./types.js" */

export const SHOWN = 10;

/**
 * @template {Row} T
 * @typedef {{
 *   caption: string, columns: Column<T>[], rows: T[], href?: (row: T) => string, rowKey?: (row: T) => string,
 *   remainder?: (rows: T[]) => Row, all?: boolean, onAll?: () => void, other?: OtherRow | null, noun?: string,
 * }} Props `remainder` sums the rows behind the first ten, `all` shows them instead; `other` is all that `rows` are not
 */

/** A column, and what it shows of a row. @typedef {FigureColumn & {show: (row: Row) => Child}} Shown */

/**
 * A table. The first column names the row.
 * @template {Row} T
 * @param {Props<T>} props
 */
export function table(props) {
  const { rows, remainder, all = false } = props;
  // one row more than the limit is shown as it is: "other" would take the same place
  const cut = remainder && !all && rows.length > SHOWN + 1 ? SHOWN : rows.length;
  const shown = rows.slice(0, cut);
  const other = cut < rows.length ? otherRow(remainder?.(rows.slice(cut)), rows.length - cut) : props.other;
  const lines = other ? [...shown, other] : shown;
  const columns = props.columns.map((column) => ({ ...column, show: writer(column, lines) }));
  return el(
    "div",
    {},
    el(
      "div.table-scroll",
      { tabindex: "0", role: "region", "aria-label": `Table: ${props.caption}` },
      el("table", {}, el("caption.hidden", {}, props.caption), heading(columns), body(columns, lines, props)),
    ),
    foot(props, cut),
  );
}

/**
 * A row for all that are not listed.
 * @param {Row | undefined} sums
 * @param {number | null} members how many they are, where that is known
 * @returns {OtherRow}
 */
export const otherRow = (sums, members) => ({ ...sums, isOther: true, members });

function heading(/** @type {Shown[]} */ columns) {
  const cells = columns.map((column) => {
    const ordered = column.order && { "aria-sort": column.order.is };
    return el(column.as ? "th.number" : "th", { scope: "col", ...ordered }, orderLink(column));
  });
  return el("thead", {}, el("tr", {}, cells));
}

/** The label of a column, by which the server can put the rows in order. */
function orderLink(/** @type {Shown} */ { label, order }) {
  if (!order) return label;
  const mark = { ascending: " ↑", descending: " ↓", none: "" }[order.is];
  return el("a.order", { href: order.href, "data-link": "" }, label, el("span", { "aria-hidden": "true" }, mark));
}

/**
 * Where a column's label leads: its own order, and where that is on, the other way round.
 * @param {Context} context
 * @param {string} field as the route calls it
 * @param {string} usual the order where the address names none
 * @returns {FigureColumn["order"]}
 */
export function orderBy(context, field, usual) {
  const on = context.state.sort ?? usual;
  const next = on === `-${field}` ? field : `-${field}`;
  const href = context.href({ sort: next === usual ? null : next, cursor: null });
  return { href, is: on === field ? "ascending" : on === `-${field}` ? "descending" : "none" };
}

/**
 * @template {Row} T
 * @param {Shown[]} columns
 * @param {Row[]} rows
 * @param {Props<T>} props
 */
function body(columns, rows, props) {
  const shared = columns.filter((column) => column.share);
  const greatestOf = (/** @type {string} */ key) =>
    Math.max(...rows.map((row) => (row.isOther ? 0 : Number(row[key]) || 0)));
  const greatest = Object.fromEntries(shared.map(({ key }) => [key, greatestOf(key)]));
  return el(
    "tbody",
    {},
    rows.map((row, place) => line(columns, row, greatest, props, place)),
  );
}

/**
 * @template {Row} T
 * @param {Shown[]} columns
 * @param {Row} row
 * @param {Record<string, number>} greatest
 * @param {Props<T>} props
 * @param {number} place
 */
function line(columns, row, greatest, props, place) {
  const [first, ...figures] = columns;
  const own = row.isOther ? null : /** @type {T} */ (row);
  const link = own && props.href?.(own);
  const key = own ? (props.rowKey?.(own) ?? String(own[first.key] ?? place)) : "other";
  const classes = [row.isOther && "other", link && "leads"].filter(Boolean).join(" ");
  return el(
    "tr",
    { class: classes || null, "data-key": own ? `row ${key}` : "rest", "data-row": key }, // a name may be "other" too
    el(first.as ? "th.number" : "th", { scope: "row", ...raw(first, row) }, named(first, row, link, props.noun)),
    figures.map((column) => cell(column, row, greatest)),
  );
}

function named(
  /** @type {Shown} */ column,
  /** @type {Row} */ row,
  /** @type {Known<string>} */ link,
  /** @type {string} */ noun = "row",
) {
  if (row.isOther)
    return el(
      "span.name",
      {},
      row.members ? `Other (${format.plural(Number(row.members), noun)})` : String(row.called ?? "Other"),
    );
  const text = column.show(row);
  const label = el("span.name", { title: typeof text === "string" ? text : null }, text);
  return link ? el("a.row-link", { href: link, "data-link": "" }, label) : label;
}

function cell(/** @type {Shown} */ column, /** @type {Row} */ row, /** @type {Record<string, number>} */ greatest) {
  const share = column.share && !row.isOther && greatest[column.key] > 0;
  const part = share ? (100 * (Number(row[column.key]) || 0)) / greatest[column.key] : 0;
  const bar = share && el("span.share", { "aria-hidden": "true" }, el("i", { styles: { width: `${part}%` } }));
  const shown = column.show(row);
  if (column.as) return el("td.number", raw(column, row), shown, bar);
  return el("td", raw(column, row), typeof shown === "string" ? el("span.name", { title: shown }, shown) : shown, bar);
}

function raw(/** @type {FigureColumn} */ column, /** @type {Row} */ row) {
  const value = row[column.key];
  const text = value === null || value === undefined ? null : String(value);
  return {
    "data-figure": column.key,
    "data-value": text,
    title: column.as?.startsWith("money") && text ? `$${text}` : null,
  };
}

/** @typedef {Known<Amount>} Figure */

/** @type {Record<string, (value: Figure) => string>} */
const FORMATS = {
  count: format.count,
  percent: format.percent,
  duration: format.duration,
  rate: format.rate,
  change: format.change,
};

/**
 * @template {Row} T
 * @param {Column<T>} column
 * @param {Row[]} rows
 * @returns {(row: Row) => Child}
 */
function writer(column, rows) {
  const write = plain(column, rows);
  const { content } = column;
  if (!content) return write;
  return (row) => (row.isOther ? write(row) : content(/** @type {T} */ (row), write(row)));
}

/** @returns {(row: Row) => Child} */
function plain(/** @type {FigureColumn} */ column, /** @type {Row[]} */ rows) {
  if (column.as === "money" || column.as === "moneyChange") return moneyWriter(column, rows);
  const write = column.as ? FORMATS[column.as] : asText;
  return (row) => write(/** @type {Figure} */ (row[column.key]));
}

const asText = (/** @type {unknown} */ value) => (value === null || value === undefined ? format.DASH : String(value));

const unpriced = () => el("span.dash", { title: "No priced calls in this row" }, format.DASH);

/** Amounts of one column have the same decimals: as many as the least needs, within what the greatest bears. */
function moneyWriter(/** @type {FigureColumn} */ column, /** @type {Row[]} */ rows) {
  const changes = column.as === "moneyChange";
  const sizes = rows.map((row) => Math.abs(Number(row[column.key]))).filter((size) => size > 0);
  const least = sizes.length ? Math.min(...sizes) : 1;
  const greatest = sizes.length ? Math.max(...sizes) : 1;
  const most = greatest >= 1000 ? 2 : greatest >= 1 ? 3 : changes ? 4 : 6;
  const decimals = Math.min(most, format.moneyDecimals(least));
  return (/** @type {Row} */ row) => {
    const value = /** @type {Figure} */ (row[column.key]);
    // a sum in which no call has a price is not nothing, but unknown
    if (Number(row.requests) > 0 && row.unpriced === row.requests) return unpriced();
    const hidden = Number(value) !== 0 && Math.abs(Number(value)) < 0.5 * 10 ** -decimals;
    if (hidden) return `< ${format.dollars(10 ** -decimals, decimals)}`;
    return changes ? format.signed(value, (size) => format.dollars(size, decimals)) : format.dollars(value, decimals);
  };
}

/**
 * @template {Row} T
 * @param {Props<T>} props
 * @param {number} cut
 */
function foot({ rows, remainder, all, onAll, noun = "row" }, cut) {
  if (!remainder || !onAll || rows.length <= SHOWN + 1) return null;
  const label = all ? "Show top 10" : `Show all ${format.count(rows.length)}`;
  return el(
    "div.table-foot",
    {},
    el("span", {}, `${format.count(cut)} of ${format.plural(rows.length, noun)}`),
    el("button.button.small", { type: "button", onclick: onAll, "aria-pressed": String(Boolean(all)) }, label),
  );
}
