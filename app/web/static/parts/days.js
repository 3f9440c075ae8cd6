// @ts-check
// Charts over days and the tables behind them. A day is a name: the reporting time zone decides what it holds, whatever
// zone the browser is in.

import * as format from "../format.js";
import { ofStatus, STATUSES } from "../palette.js";
import { legend } from "../panels.js";
import { table } from "../table.js";
import { callsBehind } from "./links.js";
import { flat } from "./rankings.js";

const AXES = {
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

const dayTitle = (day, partial) => `${format.day(day)}${partial ? ", not over yet" : ""}`;

/**
 * The properties of a line by day, with the period before under it where that is asked for.
 * @param {any} context
 * @param {{daily: any[], before?: any[] | null, pick: (day: any) => any, name: string, as?: keyof typeof AXES}} what
 */
export function lineOf(context, { daily, before, pick, name, as = "count" }) {
  const [formatType, write] = AXES[as];
  const today = context.today();
  const value = (row) => (pick(row) === null || pick(row) === undefined ? null : Number(pick(row)));
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
    lines: ({ day, value: now, before: then, beforeDay, partial }) => ({
      title: dayTitle(day, partial),
      pairs: [[name, write(now)], ...(beforeDay ? [[format.day(beforeDay), write(then)]] : [])],
    }),
  };
}

/** Where an axis of percent begins: a rate that moves between 96 and 98 would be a straight line from zero on. */
function leastPercent(rows) {
  const known = rows.flatMap(({ value, before }) => [value, before]).filter((value) => value !== null);
  return known.length ? Math.max(0, Math.floor((Math.min(...known) - 2) / 5) * 5) : 0;
}

/**
 * The properties of parts that add up by day, and their legend. `series` are `{day, name, value}`.
 * @param {any} context
 * @param {{days: string[], series: any[], names: string[], colour: (name: string) => string, spec: "area" | "stack",
 *   name: string, as?: keyof typeof AXES, call?: (name: string) => string, height?: number}} what
 */
export function partsOf(
  context,
  { days, series, names, colour, spec, name, as = "count", call = (each) => each, height },
) {
  const [formatType, write] = AXES[as];
  const today = context.today();
  const found = new Map(series.map((row) => [`${row.day} ${row.name}`, Number(row.value)]));
  const of = (day, each) => found.get(`${day} ${each}`) ?? 0;
  const rows = days.flatMap((day) =>
    names.map((each, rank) => ({ day, name: call(each), value: of(day, each), rank, partial: day === today })),
  );
  const entries = names.map((each) => [call(each), colour(each)]);
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
      lines: ({ day, partial }) => ({
        title: dayTitle(day, partial),
        pairs: names.filter((each) => of(day, each) > 0).map((each) => [call(each), write(of(day, each))]),
      }),
    },
  };
}

/** The names of a series, the one with the most cost first, the rest at the end. */
export function namesByCost(/** @type {{name: string, cost: any}[]} */ series) {
  const sums = new Map();
  for (const { name, cost } of series) sums.set(name, (sums.get(name) ?? 0) + Number(cost));
  return [...sums.keys()].sort((a, b) => Number(a === "other") - Number(b === "other") || sums.get(b) - sums.get(a));
}

/** Outcomes by day, as parts; null where a server does not tell them. */
export function outcomesOf(/** @type {any} */ context, /** @type {any[]} */ daily, /** @type {number} */ height) {
  if (!daily[0]?.statuses) return null;
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

/** The properties of columns over the 24 hours of a day. */
export function hoursOf(/** @type {any} */ context, /** @type {any[]} */ byHour) {
  return {
    spec: "columns",
    rows: byHour.map((row) => ({
      ...row,
      name: format.hour(row.hour).slice(0, 2),
      value: row.requests,
      cost: Number(row.cost),
    })),
    label: "Requests by hour of the day",
    values: { nameTitle: `Hour (${context.who.timezone})`, band: bandOf(24), formatType: "axisCount" },
    lines: (row) => ({
      title: `${format.hour(row.hour)} to ${format.hour(row.hour + 1)}`,
      pairs: [
        ["Requests", format.count(row.requests)],
        ["Cost", format.money(row.cost)],
      ],
    }),
  };
}

/** The properties of the heat map of a week. */
export function weekOf(/** @type {any} */ context, /** @type {any[]} */ byWeekdayHour) {
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
    lines: (row) => ({
      title: `${row.weekday}, ${row.hour}:00`,
      pairs: [
        ["Requests", format.count(row.value)],
        ["Cost", format.money(row.cost)],
      ],
    }),
  };
}

/** A table by day, the newest first. */
export function dailyTable(context, daily, columns, caption) {
  const rows = flat([...daily].reverse());
  const day = {
    key: "day",
    label: `Day (${context.who.timezone})`,
    content: (row) => `${format.day(row.day)}${row.day === context.today() ? " (partial)" : ""}`,
  };
  return table({ caption, rows, columns: [day, ...columns], href: callsBehind(context).day, rowKey: (row) => row.day });
}
