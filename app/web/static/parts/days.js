// Charts over days, or over hours and minutes, and the tables behind them. Each is known by its name: see `buckets.js`.

import * as format from "../format.js";
import { table } from "../table.js";
import { bucketTitle, isWeekend, spanTitle, stepName, ticksOf } from "./buckets.js";
import { callsBehind } from "./links.js";
import { noted } from "./notes.js";
import { flat } from "./rankings.js";
import { zoomTo } from "./zoom.js";

/**
 * @import {
 *   Amount, Chart, Column, Context, FigureColumn, HourFigures, Known, Measure, Tokens, WeekdayHour,
 * } from "../types.js"
 * @import { Bucket } from "./buckets.js"
 */

/** How an axis writes a figure, and how everything else does. @type {Record<Measure, [string, typeof format.count]>} */
export const AXES = {
  count: ["axisCount", format.count],
  money: ["axisMoney", format.money],
  duration: ["axisDuration", format.duration],
  percent: ["axisPercent", format.percent],
};
const NARROW = 640;
/** How much higher a chart may get for a level that its figures are compared with. */
const REACH = 1.6;

/** At which days, hours or minutes an axis says something. In which time zone, the page says once. */
export const dayAxis = (/** @type {string[]} */ names) => ({ ticks: ticksOf(names, innerWidth < NARROW ? 4 : 8) });

/** The part of its place that a bar takes: one day alone is no wall. */
export const bandOf = (/** @type {number} */ bars) => (bars < 4 ? 0.2 : 0.72);

/**
 * How far an axis reaches: to the levels that are near the figures, where these are above them.
 * @param {Chart["levels"]} levels
 * @param {number} greatest the greatest figure
 */
export const mostOf = (levels = [], greatest) => {
  const near = levels.map(({ value }) => value).filter((value) => value > greatest && value <= REACH * greatest);
  return near.length ? 1.02 * Math.max(...near) : undefined;
};

/** What every chart by day can do: lead to the calls of a day, and make a period of several. */
export const acting = (/** @type {Context} */ context) => ({
  onPick: callsBehind(context).day,
  onSpan: zoomTo(context),
  ...noted(context),
});

/**
 * A line by day, with the period before under it where that is asked for.
 * @template {Bucket & {requests?: number}} T
 * @param {Context} context
 * @param {{daily: T[], before?: T[] | null, pick: (day: T) => Known<Amount>, name: string, as?: Measure,
 *   levels?: Chart["levels"]}} what
 * @returns {Chart}
 */
export function lineOf(context, { daily, before: asked, pick, name, as = "count", levels }) {
  const before = earlierOf(asked);
  const [formatType, write] = AXES[as];
  const today = context.today();
  const value = (/** @type {T} */ row) => {
    const picked = pick(row) ?? null;
    return picked === null ? null : Number(picked);
  };
  const rows = daily.map((row, place) => ({
    ...timeOf(row, today),
    weekend: isWeekend(row.day, daily.length),
    value: value(row),
    before: before?.[place] ? value(before[place]) : null,
    beforeDay: before?.[place]?.day,
    marked: timeOf(row, today).partial || daily.length === 1,
  }));
  return {
    ...acting(context),
    levels,
    spec: "line",
    rows,
    label: `${name} by ${stepName(daily)}, ${spanTitle(daily.map(({ day }) => day))}`,
    values: {
      ...dayAxis(rows.map(({ day }) => day)),
      days: rows.map(({ day }) => day),
      formatType,
      most: mostOf(levels, Math.max(...rows.flatMap((row) => [row.value ?? 0, row.before ?? 0]))),
    },
    lines: (/** @type {(typeof rows)[number]} */ { day, value: now, before: then, beforeDay, partial }) => ({
      title: bucketTitle(day, partial),
      pairs: beforeDay
        ? [
            [name, write(now)],
            [format.day(beforeDay), write(then)],
          ]
        : [[name, write(now)]],
    }),
  };
}

/** What a row of a chart says of its time; today is partial, as is what says so. */
export const timeOf = (/** @type {Bucket} */ { day, at, until, partial }, /** @type {string} */ today) => ({
  day,
  at,
  until,
  partial: partial ?? day === today,
});

/**
 * The days before, where there were calls on any of them: nothing at all is no line along zero.
 * @template {{day: string, requests?: number}} T
 * @param {Known<T[]>} before
 */
export const earlierOf = (before) => (before?.some(({ requests = 1 }) => requests > 0) ? before : null);

/** Which days a dashed line is about; null where there is none to compare with. */
export const dashedNote = (/** @type {Known<{day: string, requests?: number}[]>} */ before) => {
  if (!before?.length) return null;
  const days = format.span(before[0].day, before[before.length - 1].day);
  return earlierOf(before) ? `Dashed: previous period, ${days}` : `No calls in the previous period, ${days}`;
};

/**
 * Columns over the 24 hours of a day.
 * @param {Context} context
 * @param {HourFigures[]} byHour
 * @returns {Chart}
 */
export function hoursOf(context, byHour) {
  return {
    spec: "columns",
    rows: byHour.map((row) => ({ ...row, name: format.hour(row.hour).slice(0, 2), value: row.requests })),
    label: "Requests by hour of the day",
    onPick: callsBehind(context).hour,
    values: { nameTitle: `Hour (${context.who.timezone})`, band: bandOf(24), formatType: "axisCount" },
    lines: (/** @type {HourFigures} */ row) => ({
      title: `${format.hour(row.hour)} to ${format.hour(row.hour + 1)}`,
      pairs: [
        ["Requests", format.count(row.requests)],
        ["Cost", format.money(row.cost)],
      ],
    }),
  };
}

/**
 * The heat map of a week.
 * @param {Context} context
 * @param {WeekdayHour[]} byWeekdayHour
 * @returns {Chart}
 */
export function weekOf(context, byWeekdayHour) {
  const rows = byWeekdayHour.map((row) => ({
    weekday: format.WEEKDAYS[row.weekday - 1],
    hour: format.hour(row.hour).slice(0, 2),
    of: row,
    value: row.requests,
    cost: Number(row.cost),
  }));
  return {
    spec: "heat",
    rows,
    label: "Requests by weekday and hour",
    values: { hourTitle: `Hour (${context.who.timezone})` },
    onPick: (/** @type {(typeof rows)[number]} */ { of }) => callsBehind(context).hour(of),
    lines: (/** @type {(typeof rows)[number]} */ row) => ({
      title: `${row.weekday}, ${row.hour}:00`,
      pairs: [
        ["Requests", format.count(row.value)],
        ["Cost", format.money(row.cost)],
      ],
    }),
  };
}

/**
 * A table by day, hour or minute, the newest first.
 * @template {Bucket & {tokens?: Tokens}} T
 * @param {Context} context
 * @param {T[]} daily
 * @param {FigureColumn[]} columns
 * @param {string} caption
 */
export function dailyTable(context, daily, columns, caption) {
  const rows = flat([...daily].reverse());
  const step = stepName(daily);
  /** @type {Column<T>} */
  const day = {
    key: "day",
    label: `${step[0].toUpperCase()}${step.slice(1)} (${context.who.timezone})`,
    content: (row) => bucketTitle(row.day, timeOf(row, context.today()).partial),
  };
  return table({ caption, rows, columns: [day, ...columns], href: callsBehind(context).day, rowKey: (row) => row.day });
}
