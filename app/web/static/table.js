// @ts-check
// Tables: ten rows and an exact rest, figures in columns that line up, and each row leads to the calls behind it.

import { el } from "./dom.js";
import * as format from "./format.js";

export const SHOWN = 10;

/**
 * @typedef {object} Column
 * @property {string} key the figure of a row; its `data-figure`
 * @property {string} label
 * @property {"text" | "count" | "money" | "percent" | "duration" | "change"} [as] text when left out
 * @property {(row: any) => any} [content] instead of the formatted figure, of the row and what formats it
 * @property {boolean} [share] with a bar of the figure's part of the greatest
 */

/**
 * A table. The first column names the row.
 * @param {{
 *   caption: string, columns: Column[], rows: any[], href?: (row: any) => string | null, rowKey?: (row: any) => string,
 *   rest?: (rows: any[]) => any, shown?: number, all?: boolean, onAll?: () => void, noun?: string,
 * }} props `rest` sums the rows behind the first ten; `all` shows them instead
 */
export function table(props) {
  const { rows, rest, all = false, shown = SHOWN } = props;
  // one row more than the limit is shown as it is: "other" would take the same place
  const cut = rest && !all && rows.length > shown + 1 ? shown : rows.length;
  const head = rows.slice(0, cut);
  const other = cut < rows.length ? [{ ...rest?.(rows.slice(cut)), isOther: true, members: rows.length - cut }] : [];
  const columns = props.columns.map((column) => ({ ...column, show: writer(column, [...head, ...other]) }));
  return el(
    "div",
    {},
    el(
      "div.table-scroll",
      { tabindex: "0", role: "region", "aria-label": `Table: ${props.caption}` },
      el("table", {}, el("caption.hidden", {}, props.caption), heading(columns), body(columns, head, other, props)),
    ),
    foot(props, cut),
  );
}

function heading(columns) {
  const cells = columns.map((column) => el(column.as ? "th.number" : "th", { scope: "col" }, column.label));
  return el("thead", {}, el("tr", {}, cells));
}

function body(columns, head, other, props) {
  const greatest = Object.fromEntries(
    columns
      .filter((column) => column.share)
      .map(({ key }) => [key, Math.max(...head.map((row) => (row.isOther ? 0 : Number(row[key]) || 0)))]),
  );
  return el(
    "tbody",
    {},
    [...head, ...other].map((row, place) => line(columns, row, greatest, props, place)),
  );
}

function line(columns, row, greatest, props, place) {
  const [first, ...figures] = columns;
  const link = row.isOther ? null : props.href?.(row);
  const key = row.isOther ? "other" : (props.rowKey?.(row) ?? String(row[first.key] ?? place));
  const own = row.isOther ? "rest" : `row ${key}`; // a name may be "other" too
  const classes = [row.isOther && "other", link && "leads"].filter(Boolean).join(" ");
  return el(
    "tr",
    { class: classes || null, "data-key": own, "data-row": key },
    el(first.as ? "th.number" : "th", { scope: "row", ...raw(first, row) }, named(first, row, link, props)),
    figures.map((column) => cell(column, row, greatest)),
  );
}

function named(column, row, link, props) {
  if (row.isOther)
    return el("span.name", {}, row.members ? `Other (${format.plural(row.members, props.noun ?? "row")})` : "Other");
  const text = column.show(row);
  const label = el("span.name", { title: typeof text === "string" ? text : null }, text);
  return link ? el("a.row-link", { href: link, "data-link": "" }, label) : label;
}

function cell(column, row, greatest) {
  const share = column.share && !row.isOther && greatest[column.key] > 0;
  const part = share ? (100 * (Number(row[column.key]) || 0)) / greatest[column.key] : 0;
  const bar = share && el("span.share", { "aria-hidden": "true" }, el("i", { styles: { width: `${part}%` } }));
  const shown = column.show(row);
  if (column.as) return el("td.number", raw(column, row), shown, bar);
  return el("td", raw(column, row), typeof shown === "string" ? el("span.name", { title: shown }, shown) : shown, bar);
}

function raw(column, row) {
  const value = row[column.key];
  const text = value === null || value === undefined ? null : String(value);
  return { "data-figure": column.key, "data-value": text, title: column.as === "money" && text ? `$${text}` : null };
}

const FORMATS = {
  count: format.count,
  percent: format.percent,
  duration: format.duration,
  change: format.change,
};

function writer(column, rows) {
  if (column.content)
    return (row) => (row.isOther ? unknown(row[column.key]) : column.content(row, plain(column, rows)));
  return plain(column, rows);
}

function plain(column, rows) {
  if (column.as === "money") return moneyWriter(column, rows);
  const write = FORMATS[column.as] ?? ((value) => value ?? format.DASH);
  return (row) => write(row[column.key]);
}

const unknown = (value) => value ?? format.DASH;

const unpriced = () => el("span.dash", { title: "No call in this row has a price" }, format.DASH);

/** Amounts of one column have the same decimals: as many as the least needs, within what the greatest bears. */
function moneyWriter(column, rows) {
  const sizes = rows.map((row) => Math.abs(Number(row[column.key]))).filter((size) => size > 0);
  const least = sizes.length ? Math.min(...sizes) : 1;
  const greatest = sizes.length ? Math.max(...sizes) : 1;
  const most = greatest >= 1000 ? 2 : greatest >= 1 ? 3 : 6;
  const decimals = Math.min(most, format.moneyDecimals(least));
  return (row) => {
    const value = row[column.key];
    // a sum in which no call has a price is not nothing, but unknown
    if (row.requests > 0 && row.unpriced === row.requests) return unpriced();
    const hidden = Number(value) !== 0 && Math.abs(Number(value)) < 0.5 * 10 ** -decimals;
    return hidden ? `< ${format.dollars(10 ** -decimals, decimals)}` : format.dollars(value, decimals);
  };
}

function foot({ rows, rest, all, onAll, shown = SHOWN, noun = "row" }, cut) {
  if (!rest || !onAll || rows.length <= shown + 1) return null;
  const label = all ? "Show the first ten" : `Show all ${format.count(rows.length)}`;
  return el(
    "div.table-foot",
    {},
    el("span", {}, `${format.count(cut)} of ${format.plural(rows.length, noun)}`),
    el("button.button.small", { type: "button", onclick: onAll, "aria-pressed": String(Boolean(all)) }, label),
  );
}
