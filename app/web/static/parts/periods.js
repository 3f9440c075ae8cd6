// @ts-check
// Charts over weeks and months, and the days that these have.

import * as format from "../format.js";
import { bandOf } from "./days.js";

const WRITE = { count: ["axisCount", format.count], money: ["axisMoney", format.money] };
const DAY_MS = 86_400_000;

const iso = (moment) => new Date(moment).toISOString().slice(0, 10);

/** The first and the last day of a month, up to `end`, the last day of the period. */
export function monthDays(/** @type {string} */ month, /** @type {string} */ end) {
  const [year, number] = month.split("-").map(Number);
  return upTo(`${month}-01`, iso(Date.UTC(year, number, 0)), end);
}

/** Monday and Sunday of the week that begins on `first`, up to `end`, the last day of the period. */
export function weekDays(/** @type {string} */ first, /** @type {string} */ end) {
  return upTo(first, iso(Date.parse(`${first}T00:00:00Z`) + 6 * DAY_MS), end);
}

/** @returns {[string, string]} */
// biome-ignore lint/complexity/useMathMinMax: days are texts, which Math.min does not compare
const upTo = (first, last, end) => [first, last > end ? end : last];

/** What is said behind a week or a month that is not whole. */
export function soFar(/** @type {{complete: boolean}} */ row, /** @type {string} */ end, /** @type {string} */ today) {
  if (row.complete) return "";
  return end < today ? ` (to ${format.day(end, { year: false })})` : " (so far)";
}

/** Columns by month; the one that is not over is paler. */
export function monthsOf(/** @type {any[]} */ monthly, what) {
  const short = (month) => format.month(month).slice(0, 3);
  return columnsOf(monthly, {
    ...what,
    nameTitle: "Month",
    nameOf: (row) => `${short(row.month)} ${row.month.slice(2, 4)}`,
    titleOf: (row) => format.month(row.month),
  });
}

/** Columns by ISO week. */
export function weeksOf(/** @type {any[]} */ weekly, what) {
  return columnsOf(weekly, {
    ...what,
    nameTitle: "Week, from Monday",
    nameOf: (row) => format.day(row.first, { year: false }),
    titleOf: (row) => `${row.week}, from ${format.day(row.first)}`,
  });
}

function columnsOf(rows, { pick, name, as = "count", nameTitle, nameOf, titleOf }) {
  const [formatType, write] = WRITE[as];
  return {
    spec: "columns",
    rows: rows.map((row) => ({
      name: nameOf(row),
      title: titleOf(row),
      value: Number(pick(row)),
      partial: !row.complete,
    })),
    label: `${name} by ${nameTitle.split(",")[0].toLowerCase()}`,
    values: { nameTitle, formatType, band: bandOf(rows.length) },
    lines: ({ title, value, partial }) => ({
      title: partial ? `${title}, not over yet` : title,
      pairs: [[name, write(value)]],
    }),
  };
}
