// The parts of a span on a chart over time: days, hours or minutes. The name of a day is `2026-11-28`; that of what is
// shorter is its beginning as clocks showed it, `2026-11-28T13:00+01:00`. Names are what an axis is made of: which day a
// moment belongs to the deployment's time zone decides, whatever zone the browser is in.

import * as format from "../format.js";

/** @import { Changes, TimelinePoint, Timeline } from "../types.js" */

const DAY = 24 * 60;
/** The most minutes that a page asks for by the instant. */
const LONGEST = 25 * 60;
/** Marks of an axis of less than some days, in minutes. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720];

/** A row of a chart over time. @typedef {{day: string, at?: string, until?: string, partial?: boolean}} Bucket */

const isShort = (/** @type {string} */ name) => name.length > 10;
const clockOf = (/** @type {string} */ name) => name.slice(11, 16);
const minuteOf = (/** @type {string} */ name) => Number(name.slice(11, 13)) * 60 + Number(name.slice(14, 16));

/** 28 Nov on a chart of days; 13:00 on one of hours, and the day where that begins. */
export const axisName = (/** @type {string} */ name) =>
  isShort(name) && clockOf(name) !== "00:00" ? clockOf(name) : format.day(name.slice(0, 10), { year: false });

/** 28 Nov 2026, or 28 Nov 2026, 13:00. */
export const bucketTitle = (/** @type {string} */ name, partial = false) =>
  `${format.day(name.slice(0, 10))}${isShort(name) ? `, ${clockOf(name)}` : ""}${partial ? " (partial)" : ""}`;

/** The span of several, in words. */
export function spanTitle(/** @type {string[]} */ names) {
  const [first, last] = [names[0], names[names.length - 1]];
  return isShort(first) ? `${bucketTitle(first)} – ${bucketTitle(last)}` : format.span(first, last);
}

/** By what a chart of these is: day, hour or minute. */
export const stepName = (/** @type {Bucket[]} */ rows) => {
  const [first] = rows;
  if (!first?.at || !first.until) return "day";
  return Date.parse(first.until) - Date.parse(first.at) > 60_000 ? "hour" : "minute";
};

/** Whether a day is one of the weekend, on a chart that has so few that these can be told apart. */
export const isWeekend = (/** @type {string} */ name, /** @type {number} */ count) =>
  !isShort(name) && count > 7 && count <= 100 && [0, 6].includes(new Date(`${name}T00:00:00Z`).getUTCDay());

/** Which names an axis says, at most so many. */
export function ticksOf(/** @type {string[]} */ names, /** @type {number} */ most) {
  if (!names.length) return [];
  return isShort(names[0]) ? shortTicks(names, most) : dayTicks(names, most);
}

/** Mondays where there are weeks, first days of months where there are many of these; else so many days apart. */
function dayTicks(/** @type {string[]} */ days, /** @type {number} */ most) {
  const mondays = days.filter((day) => new Date(`${day}T00:00:00Z`).getUTCDay() === 1);
  const months = days.filter((day) => day.endsWith("-01"));
  if (days.length <= 14) return thinned(days, most);
  return months.length > 3 ? thinned(months, most) : thinned(mondays, most);
}

function shortTicks(/** @type {string[]} */ names, /** @type {number} */ most) {
  const days = new Set(names.map((name) => name.slice(0, 10))).size;
  if (days > 2) {
    return thinned(
      names.filter((name) => clockOf(name) === "00:00"),
      most,
    );
  }
  const at = (/** @type {number} */ step) => names.filter((name) => minuteOf(name) % step === 0);
  const step = STEPS.find((each) => at(each).length <= most) ?? DAY;
  return at(step);
}

/** Every so many of them, up to the last. */
function thinned(/** @type {string[]} */ names, /** @type {number} */ most) {
  const step = Math.ceil(names.length / most);
  return names.filter((_, place) => (names.length - 1 - place) % step === 0);
}

/** The period from one row to another, both inclusive: days, or instants where these are close together. */
export function periodOf(/** @type {Bucket} */ first, /** @type {Bucket} */ last) {
  const minutes = first.at && last.until ? (Date.parse(last.until) - Date.parse(first.at)) / 60_000 : DAY;
  /** @type {Changes} */
  const days = { from: first.day.slice(0, 10), to: last.day.slice(0, 10) };
  return first.at && last.until && minutes <= LONGEST ? { fromTime: first.at, toTime: last.until } : days;
}

/**
 * The rows of a timeline, up to the end of its window: what has not begun has no figures.
 * @param {Timeline} timeline
 * @param {string} timeZone
 */
export function bucketsOf({ points, window, step, generatedAt }, timeZone) {
  const local = format.localIn(timeZone);
  const ends = [...points.slice(1).map(({ at }) => at), endOf(points, window.toTime, step)];
  return points.map((point, place) => ({
    ...figuresOf(point),
    day: step === "day" ? local(point.at).slice(0, 10) : local(point.at),
    at: point.at,
    until: ends[place],
    partial: point.at <= generatedAt && generatedAt < ends[place],
  }));
}

/** When the last one ends. */
function endOf(/** @type {TimelinePoint[]} */ points, /** @type {string} */ toTime, /** @type {string} */ step) {
  const last = points[points.length - 1];
  if (!last) return toTime;
  const length = { minute: 60_000, hour: 3_600_000 }[step] ?? DAY * 60_000;
  const begun = Math.floor(Date.parse(last.at) / 60_000) * 60_000;
  return new Date(Math.min(begun + length, Date.parse(toTime))).toISOString();
}

function figuresOf(/** @type {TimelinePoint} */ { requests, successes, inputTokens, outputTokens, cost, unpriced }) {
  return {
    requests,
    cost,
    unpriced: unpriced ?? null,
    errors: requests - successes,
    successRate: requests ? (100 * successes) / requests : null,
    tokens: { input: inputTokens, output: outputTokens, total: inputTokens + outputTokens },
  };
}
