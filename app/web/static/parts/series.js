// Parts that add up by day: costs by name, outcomes; and the tables behind them.

import * as format from "../format.js";
import { sum } from "../money.js";
import { colour as colourOf, OTHER, ofStatus, STATUSES } from "../palette.js";
import { bucketTitle, isWeekend, periodOf, spanTitle, stepName } from "./buckets.js";
import { AXES, acting, bandOf, dailyTable, dayAxis, earlierOf, mostOf, timeOf } from "./days.js";

/**
 * @import {
 *   Amount, Changes, Chart, Context, DayTotals, FigureColumn, Known, Measure, SeriesPoint, UsageDay,
 * } from "../types.js"
 * @import { Bucket } from "./buckets.js"
 */

/** How many parts a chart tells apart, the rest included. */
const MOST_PARTS = 8;

/**
 * Parts that add up by day; by `buckets` of hours or minutes, whose names are the `days`. `narrow` says what of the address a part is; `before` has the sums of the days before.
 * @param {Context} context
 * @param {{days: string[], series: {day: string, name: string, value: Amount}[], names: string[], name: string,
 *   buckets?: Bucket[],
 *   colour: (name: string) => string, spec: "area" | "stack", as?: Measure, call?: (name: string) => string,
 *   narrow?: (name: string) => Changes, before?: Known<{day: string, value: number}[]>, levels?: Chart["levels"],
 *   height?: number}} what
 * @returns {{chart: Chart}}
 */
export function partsOf(
  context,
  {
    days,
    buckets = days.map((day) => ({ day })),
    series,
    names,
    colour,
    spec,
    name,
    as = "count",
    call = (each) => each,
    narrow,
    before,
    levels,
    height,
  },
) {
  const [formatType, write] = AXES[as];
  const today = context.today();
  const found = new Map(series.map((row) => [`${row.day} ${row.name}`, row.value]));
  const of = (/** @type {string} */ day, /** @type {string} */ each) => found.get(`${day} ${each}`) ?? 0;
  const rows = days.flatMap((day, place) =>
    names.map((each, rank) => ({
      ...timeOf(buckets[place], today),
      weekend: isWeekend(day, days.length),
      name: call(each),
      value: Number(of(day, each)),
      before: before?.[place]?.value ?? null,
      beforeDay: before?.[place]?.day,
      rank,
    })),
  );
  const wholes = days.map((day) => names.reduce((total, each) => total + Number(of(day, each)), 0));
  const entries = names.map((each) => /** @type {[string, string]} */ ([call(each), colour(each)]));
  return {
    chart: {
      spec,
      height,
      rows,
      levels,
      series: entries,
      label: `${name} by ${stepName(buckets)}, ${spanTitle(days)}`,
      values: {
        ...dayAxis(days),
        days,
        formatType,
        band: bandOf(days.length),
        domain: entries.map(([each]) => each),
        range: entries.map(([, each]) => each),
        most: mostOf(levels, Math.max(...wholes, ...(before ?? []).map(({ value }) => value))),
      },
      ...acting(context),
      onPick: (/** @type {(typeof rows)[number]} */ row, /** @type {(typeof rows)[number] | undefined} */ part) =>
        context.href({ ...callsOf(context), ...(part && narrow?.(names[part.rank])), ...periodOf(row, row) }),
      lines: (/** @type {(typeof rows)[number]} */ { day, partial, before: then, beforeDay }, hidden) => {
        const shown = names.filter((each) => !hidden.has(call(each)));
        const parts = shown.filter((each) => Number(of(day, each)) > 0);
        parts.sort((a, b) => Number(of(day, b)) - Number(of(day, a)));
        const total = sum(shown.map((each) => of(day, each)));
        return {
          title: bucketTitle(day, partial),
          total: [shown.length < names.length ? "Total shown" : "Total", write(total)],
          pairs: [
            ...parts.map(
              (each) => /** @type {[string, string, string]} */ ([call(each), write(of(day, each)), colour(each)]),
            ),
            ...(beforeDay && !hidden.size
              ? [/** @type {[string, string]} */ ([format.day(beforeDay), write(then)])]
              : []),
          ],
        };
      },
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

/**
 * The parts of a series with the most cost, and the exact sums of all others.
 * @param {SeriesPoint[]} series
 * @param {number} [members] how many names there are in all, where that is known
 */
export function topParts(series, members) {
  const all = namesByCost(series);
  const top = all.slice(0, all.length > MOST_PARTS ? MOST_PARTS - 1 : MOST_PARTS).filter((name) => name !== OTHER);
  const left = series.filter(({ name }) => !top.includes(name));
  const rest = [...new Set(left.map(({ day }) => day))].map((day) => ({
    day,
    name: OTHER,
    value: sum(left.filter((row) => row.day === day).map(({ cost }) => cost)),
  }));
  const kept = series
    .filter(({ name }) => top.includes(name))
    .map(({ day, name, cost }) => ({ day, name, value: cost }));
  const others = members && members > top.length ? members - top.length : null;
  return {
    names: rest.length ? [...top, OTHER] : top,
    series: [...kept, ...rest],
    call: (/** @type {string} */ name) => (name === OTHER && others ? `other (${format.count(others)})` : name),
  };
}

/**
 * Cost by day and by the names of a series.
 * @param {Context} context
 * @param {SeriesPoint[]} series
 * @param {{days: string[], buckets?: Bucket[], spec: "area" | "stack", by?: "provider" | "model" | "feature", members?: number,
 *   before?: Known<{day: string, requests: number, cost: Amount}[]>, levels?: Chart["levels"]}} what `by`: what the names are of
 */
export function costOfSeries(context, series, { days, buckets, spec, by, members, before, levels }) {
  return partsOf(context, {
    ...topParts(series, members),
    days,
    buckets,
    colour: (name) => (name === OTHER ? colourOf("s-other") : context.colours.of(name)),
    spec,
    name: "Cost",
    as: "money",
    narrow: (name) => (by && name !== OTHER ? { [by]: name } : {}),
    before: earlierOf(before)?.map(({ day, cost }) => ({ day, value: Number(cost) })),
    levels,
  });
}

/** The table behind it: each day, its sum and its parts. */
export function partsTable(
  /** @type {Context} */ context,
  /** @type {Bucket[]} */ daily,
  /** @type {SeriesPoint[]} */ series,
  /** @type {FigureColumn[]} */ columns,
  /** @type {string} */ caption,
  /** @type {number} */ members = 0,
) {
  const { names, call, series: parts } = topParts(series, members);
  const found = new Map(parts.map(({ day, name, value }) => [`${day} ${name}`, value]));
  const rows = daily.map((row) => ({
    ...row,
    ...Object.fromEntries(names.map((name, place) => [`part${place}`, found.get(`${row.day} ${name}`) ?? 0])),
  }));
  const named = names.map((name, place) => ({
    key: `part${place}`,
    label: call(name),
    as: /** @type {const} */ ("money"),
  }));
  return dailyTable(context, rows, [columns[0], ...named, ...columns.slice(1)], caption);
}

/** The calls that a page is about. @returns {Changes} */
function callsOf(/** @type {Context} */ { state: { tab, userId } }) {
  return { tab: "calls", ...(tab === "usage/users" && userId && { userId }) };
}

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
    narrow: (status) => ({ status }),
    height,
  });
}
