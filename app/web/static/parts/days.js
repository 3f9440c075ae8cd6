// Charts over days and the tables behind them. A day is a name: the reporting time zone decides what it holds, whatever
// zone the browser is in.

import * as format from "../format.js";
import { isAmount } from "../money.js";
import { OTHER, ofStatus, STATUSES } from "../palette.js";
import { legend } from "../panels.js";
import { table } from "../table.js";
import { callsBehind } from "./links.js";
import { flat } from "./rankings.js";

/**
 * @import {
 *   Amount, Chart, Child, Column, Context, DayTotals, FigureColumn, HourFigures, Known, Measure, SeriesPoint,
 *   UsageDay, WeekdayHour,
 * } from "../types.js"
 */

/** How an axis writes a figure, and how everything else does. @type {Record<Measure, [string, typeof format.count]>} */
export const AXES = {
  count: ["axisCount", format.count],
  money: ["axisMoney", format.money],
  duration: ["axisDuration", format.duration],
  percent: ["axisPercent", format.percent],
};
const NARROW = 640;

/** What an axis of days says, and at which days. */
export function dayAxis(/** @type {string[]} */ days, /** @type {string} */ timezone) {
  const step = Math.ceil(days.length / (innerWidth < NARROW ? 4 : 7));
  const ticks = days.filter((_, place) => (days.length - 1 - place) % step === 0);
  return { dayTitle: `Day (${timezone})`, ticks };
}

/** The part of its place that a bar takes: one day alone is no wall. */
export const bandOf = (/** @type {number} */ bars) => (bars < 4 ? 0.2 : 0.72);

const dayTitle = (/** @type {string} */ day, /** @type {boolean} */ partial) =>
  `${format.day(day)}${partial ? " (partial)" : ""}`;

/**
 * A line by day, with the period before under it where that is asked for.
 * @template {{day: string}} T
 * @param {Context} context
 * @param {{daily: T[], before?: T[] | null, pick: (day: T) => Known<Amount>, name: string, as?: Measure}} what
 * @returns {Chart}
 */
export function lineOf(context, { daily, before, pick, name, as = "count" }) {
  const [formatType, write] = AXES[as];
  const today = context.today();
  const value = (/** @type {T} */ row) => {
    const picked = pick(row) ?? null;
    return picked === null ? null : Number(picked);
  };
  const rows = daily.map((row, place) => ({
    day: row.day,
    value: value(row),
    before: before?.[place] ? value(before[place]) : null,
    beforeDay: before?.[place]?.day,
    partial: row.day === today,
    marked: row.day === today || daily.length === 1,
  }));
  return {
    spec: "line",
    rows,
    label: `${name} by day, ${format.span(daily[0].day, daily[daily.length - 1].day)}`,
    values: {
      ...dayAxis(
        rows.map(({ day }) => day),
        context.who.timezone,
      ),
      days: rows.map(({ day }) => day),
      formatType,
      least: as === "percent" ? leastPercent(rows) : 0,
    },
    lines: (/** @type {(typeof rows)[number]} */ { day, value: now, before: then, beforeDay, partial }) => ({
      title: dayTitle(day, partial),
      pairs: beforeDay
        ? [
            [name, write(now)],
            [format.day(beforeDay), write(then)],
          ]
        : [[name, write(now)]],
    }),
  };
}

/** Where an axis of percent begins: a rate that moves between 96 and 98 would be a straight line from zero on. */
function leastPercent(/** @type {{value: number | null, before: number | null}[]} */ rows) {
  const known = rows
    .flatMap(({ value, before }) => [value, before])
    .filter(isAmount)
    .map(Number);
  return known.length ? Math.max(0, Math.floor((Math.min(...known) - 2) / 5) * 5) : 0;
}

/**
 * Parts that add up by day, and their legend.
 * @param {Context} context
 * @param {{days: string[], series: {day: string, name: string, value: Amount}[], names: string[], name: string,
 *   colour: (name: string) => string, spec: "area" | "stack", as?: Measure, call?: (name: string) => string,
 *   height?: number}} what
 * @returns {{chart: Chart, legend: Child}}
 */
export function partsOf(
  context,
  { days, series, names, colour, spec, name, as = "count", call = (each) => each, height },
) {
  const [formatType, write] = AXES[as];
  const today = context.today();
  const found = new Map(series.map((row) => [`${row.day} ${row.name}`, Number(row.value)]));
  const of = (/** @type {string} */ day, /** @type {string} */ each) => found.get(`${day} ${each}`) ?? 0;
  const rows = days.flatMap((day) =>
    names.map((each, rank) => ({ day, name: call(each), value: of(day, each), rank, partial: day === today })),
  );
  const entries = names.map((each) => /** @type {[string, string]} */ ([call(each), colour(each)]));
  return {
    legend: legend(entries),
    chart: {
      spec,
      height,
      rows,
      label: `${name} by day, ${format.span(days[0], days[days.length - 1])}`,
      values: {
        ...dayAxis(days, context.who.timezone),
        formatType,
        band: bandOf(days.length),
        domain: entries.map(([each]) => each),
        range: entries.map(([, each]) => each),
      },
      lines: (/** @type {(typeof rows)[number]} */ { day, partial }) => ({
        title: dayTitle(day, partial),
        pairs: names.filter((each) => of(day, each) > 0).map((each) => [call(each), write(of(day, each))]),
      }),
    },
  };
}

/** The names of a series, the one with the most cost first, the rest at the end. */
export function namesByCost(/** @type {{name: string, cost: Amount}[]} */ series) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { name, cost } of series) sums.set(name, (sums.get(name) ?? 0) + Number(cost));
  const byCost = [...sums].sort(([a, one], [b, two]) => Number(a === OTHER) - Number(b === OTHER) || two - one);
  return byCost.map(([name]) => name);
}

/** Cost by day and by the names of a series. */
export function costOfSeries(
  /** @type {Context} */ context,
  /** @type {SeriesPoint[]} */ series,
  /** @type {string[]} */ days,
  /** @type {"area" | "stack"} */ spec,
) {
  return partsOf(context, {
    days,
    series: series.map((row) => ({ day: row.day, name: row.name, value: row.cost })),
    names: namesByCost(series),
    colour: (name) => context.colours.of(name),
    spec,
    name: "Cost",
    as: "money",
  });
}

/** Which days a dashed line is about; null where there is none. */
export const dashedNote = (/** @type {Known<{day: string}[]>} */ before) =>
  before?.length ? `Dashed: previous period, ${format.span(before[0].day, before[before.length - 1].day)}` : null;

/**
 * Outcomes by day, as parts.
 * @param {Context} context
 * @param {UsageDay[]} daily
 * @param {number} [height]
 */
export function outcomesOf(context, daily, height) {
  const series = daily.flatMap(({ day, statuses }) =>
    STATUSES.map((name) => ({ day, name, value: statuses[name] ?? 0 })),
  );
  const seen = STATUSES.filter((name) => daily.some(({ statuses }) => statuses[name] > 0));
  const names = seen.length ? seen : STATUSES;
  const days = daily.map(({ day }) => day);
  return partsOf(context, {
    days,
    series,
    names,
    colour: ofStatus,
    spec: "stack",
    name: "Requests",
    call: format.words,
    height,
  });
}

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
    value: row.requests,
    cost: Number(row.cost),
  }));
  return {
    spec: "heat",
    rows,
    label: "Requests by weekday and hour",
    values: { hourTitle: `Hour (${context.who.timezone})` },
    lines: (/** @type {(typeof rows)[number]} */ row) => ({
      title: `${row.weekday}, ${row.hour}:00`,
      pairs: [
        ["Requests", format.count(row.value)],
        ["Cost", format.money(row.cost)],
      ],
    }),
  };
}

/** A table by day, the newest first. */
export function dailyTable(
  /** @type {Context} */ context,
  /** @type {DayTotals[]} */ daily,
  /** @type {FigureColumn[]} */ columns,
  /** @type {string} */ caption,
) {
  const rows = flat([...daily].reverse());
  /** @type {Column<DayTotals>} */
  const day = {
    key: "day",
    label: `Day (${context.who.timezone})`,
    content: (row) => `${format.day(row.day)}${row.day === context.today() ? " (partial)" : ""}`,
  };
  return table({ caption, rows, columns: [day, ...columns], href: callsBehind(context).day, rowKey: (row) => row.day });
}
