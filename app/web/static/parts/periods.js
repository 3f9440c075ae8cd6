// Charts over weeks and months, and the days that these have.

import * as format from "../format.js";
import { AXES, bandOf } from "./days.js";
import { callsBehind } from "./links.js";

/** @import { Amount, Chart, Column, Context, MonthTotals, WeekTotals } from "../types.js" */

const DAY_MS = 86_400_000;

const iso = (/** @type {number} */ moment) => new Date(moment).toISOString().slice(0, 10);

/** The first and the last day of a month, up to `end`, the last day of the period. */
export function monthDays(/** @type {string} */ month, /** @type {string} */ end) {
  const [year, number] = month.split("-").map(Number);
  return upTo(`${month}-01`, iso(Date.UTC(year, number, 0)), end);
}

/** Monday and Sunday of the week that begins on `first`, up to `end`, the last day of the period. */
export function weekDays(/** @type {string} */ first, /** @type {string} */ end) {
  return upTo(first, iso(Date.parse(`${first}T00:00:00Z`) + 6 * DAY_MS), end);
}

/** @returns {[first: string, last: string]} */
function upTo(/** @type {string} */ first, /** @type {string} */ last, /** @type {string} */ end) {
  // biome-ignore lint/complexity/useMathMinMax: days are texts
  return [first, end < last ? end : last];
}

/** What is said behind a week or a month that is not whole. */
export function soFar(/** @type {{complete: boolean}} */ row, /** @type {string} */ end, /** @type {string} */ today) {
  if (row.complete) return "";
  return end < today ? ` (to ${format.day(end, { year: false })})` : " (partial)";
}

/** The columns that name a week and a month, of a period that ends on `end`. */
export function periodColumns(/** @type {Context} */ context, /** @type {string} */ end) {
  const today = context.today();
  /** @type {Column<WeekTotals>} */
  const week = {
    key: "week",
    label: "Week",
    content: (row) => `${row.week}, from ${format.day(row.first)}${soFar(row, end, today)}`,
  };
  /** @type {Column<MonthTotals>} */
  const month = {
    key: "month",
    label: "Month",
    content: (row) => `${format.month(row.month)}${soFar(row, end, today)}`,
  };
  return { week, month };
}

/**
 * What a row says of a week or a month.
 * @template T
 * @typedef {{pick: (row: T) => Amount, name: string, as?: "count" | "money"}} What
 */

/** Columns by month, to `end`, the last day of the period; the one that is not over is paler. */
export function monthsOf(
  /** @type {Context} */ context,
  /** @type {MonthTotals[]} */ monthly,
  /** @type {string} */ end,
  /** @type {What<MonthTotals>} */ what,
) {
  const short = (/** @type {string} */ month) => format.month(month).slice(0, 3);
  return columnsOf(monthly, {
    ...what,
    nameTitle: "Month",
    nameOf: (row) => `${short(row.month)} ${row.month.slice(2, 4)}`,
    titleOf: (row) => format.month(row.month),
    href: (row) => callsBehind(context).days(...monthDays(row.month, end)),
  });
}

/** Columns by ISO week. */
export function weeksOf(
  /** @type {Context} */ context,
  /** @type {WeekTotals[]} */ weekly,
  /** @type {string} */ end,
  /** @type {What<WeekTotals>} */ what,
) {
  return columnsOf(weekly, {
    ...what,
    nameTitle: "Week, from Monday",
    nameOf: (row) => format.day(row.first, { year: false }),
    titleOf: (row) => `${row.week}, from ${format.day(row.first)}`,
    href: (row) => callsBehind(context).days(...weekDays(row.first, end)),
  });
}

/**
 * @template {{complete: boolean}} T
 * @param {T[]} rows
 * @param {What<T> & {nameTitle: string, nameOf: (row: T) => string, titleOf: (row: T) => string,
 *   href: (row: T) => string}} what
 * @returns {Chart}
 */
function columnsOf(rows, { pick, name, as = "count", nameTitle, nameOf, titleOf, href }) {
  const [formatType, write] = AXES[as];
  return {
    spec: "columns",
    rows: rows.map((row) => ({
      name: nameOf(row),
      title: titleOf(row),
      value: Number(pick(row)),
      href: href(row),
      partial: !row.complete,
    })),
    label: `${name} by ${nameTitle.split(",")[0].toLowerCase()}`,
    onPick: (/** @type {{href: string}} */ row) => row.href,
    values: { nameTitle, formatType, band: bandOf(rows.length) },
    lines: (/** @type {{title: string, value: number, partial: boolean}} */ { title, value, partial }) => ({
      title: partial ? `${title} (partial)` : title,
      pairs: [[name, write(value)]],
    }),
  };
}
