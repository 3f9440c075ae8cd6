// Which span of time a page is about: a preset, so many days, days, or the time between two instants. Days are those of
// the deployment's time zone, as `2026-11-28`, whatever zone the browser is in.

/** @import { Address, Changes, Parameters, PeriodName } from "./types.js" */

/** @typedef {{from: string, to: string}} DaySpan both inclusive */
/** @typedef {{fromTime: string, toTime: string}} TimeSpan instants, of which the second is not in it */

/** @type {Record<PeriodName, string>} */
export const PRESETS = {
  today: "Today",
  yesterday: "Yesterday",
  "24h": "Last 24 hours",
  "this-week": "This week",
  "this-month": "This month",
  "last-month": "Last month",
  "this-quarter": "This quarter",
  "last-quarter": "Last quarter",
};
export const DAYS = [7, 30, 60, 90, 365];
export const USUAL_DAYS = 30;
export const MOST_DAYS = 366;
/** Of an address. One of them, or a pair, says which span; the others are left out. @type {(keyof Address)[]} */
export const OF_PERIOD = ["period", "days", "from", "to", "fromTime", "toTime"];
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const moment = (/** @type {string} */ day) => Date.parse(`${day}T00:00:00Z`);
const dayAt = (/** @type {number} */ time) => new Date(time).toISOString().slice(0, 10);

/** So many days later. */
export const later = (/** @type {string} */ day, /** @type {number} */ days) => dayAt(moment(day) + days * DAY);

/** How many days a span has. */
export const lengthOf = (/** @type {DaySpan} */ { from, to }) => 1 + Math.round((moment(to) - moment(from)) / DAY);

/** Whether a text names a day of the calendar that a page can be about. */
export const isDay = (/** @type {string | null} */ text) =>
  text !== null && /^[2-8]\d{3}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(moment(text)) && dayAt(moment(text)) === text;

const isInstant = (/** @type {string | null} */ text) =>
  text !== null && /^[2-8]\d{3}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(text) && !Number.isNaN(Date.parse(text));

/** The first day of the month, or quarter, that is so many later. */
const monthFrom = (/** @type {string} */ day, /** @type {number} */ months, /** @type {number} */ size = 1) => {
  const [year, month] = day.split("-").map(Number);
  return dayAt(Date.UTC(year, Math.floor((month - 1) / size) * size + months * size, 1));
};

/** From Monday on. */
const monday = (/** @type {string} */ day) => later(day, -((new Date(moment(day)).getUTCDay() + 6) % 7));

/** @type {Record<Exclude<PeriodName, "24h">, (today: string) => DaySpan>} */
const SPANS = {
  today: (today) => ({ from: today, to: today }),
  yesterday: (today) => ({ from: later(today, -1), to: later(today, -1) }),
  "this-week": (today) => ({ from: monday(today), to: today }),
  "this-month": (today) => ({ from: monthFrom(today, 0), to: today }),
  "last-month": (today) => ({ from: monthFrom(today, -1), to: later(monthFrom(today, 0), -1) }),
  "this-quarter": (today) => ({ from: monthFrom(today, 0, 3), to: today }),
  "last-quarter": (today) => ({ from: monthFrom(today, -1, 3), to: later(monthFrom(today, 0, 3), -1) }),
};

/**
 * What an address says of the span, without what makes no sense: two days in the wrong order change places.
 * @param {Record<string, string | null>} given
 * @returns {Pick<Address, "period" | "days" | "from" | "to" | "fromTime" | "toTime">}
 */
export function readPeriod({ period, days, from, to, fromTime, toTime }) {
  /** @type {ReturnType<typeof readPeriod>} */
  const nothing = { period: null, days: null, from: null, to: null, fromTime: null, toTime: null };
  if (period !== null && Object.hasOwn(PRESETS, period)) return { ...nothing, period };
  if (isInstant(fromTime) && isInstant(toTime)) return { ...nothing, fromTime, toTime };
  if (isDay(from)) {
    const swapped = isDay(to) && String(to) < String(from);
    return { ...nothing, from: swapped ? to : from, to: swapped ? from : isDay(to) ? to : null };
  }
  const number = Number.parseInt(days ?? "", 10) || USUAL_DAYS;
  return { ...nothing, days: Math.min(MOST_DAYS, Math.max(1, number)) };
}

/** The changes of an address with what a new span leaves out. */
export function withPeriod(/** @type {Changes} */ changes) {
  if (!OF_PERIOD.some((name) => changes[name])) return changes;
  return { ...Object.fromEntries(OF_PERIOD.map((name) => [name, null])), ...changes };
}

/** The days of a page; of the time between instants those that it touches. */
export function daysOf(
  /** @type {Address} */ state,
  /** @type {string} */ today,
  /** @type {(moment: Date) => string} */ dayIn,
  /** @type {Date} */ now = new Date(),
) {
  const times = timesOf(state, now);
  if (times) {
    const last = new Date(Date.parse(times.toTime) - 1);
    return { from: dayIn(new Date(times.fromTime)), to: dayIn(last) };
  }
  if (state.period) return SPANS[/** @type {keyof typeof SPANS} */ (state.period)](today);
  if (state.from) return { from: state.from, to: state.to ?? today };
  return { from: later(today, 1 - (state.days ?? USUAL_DAYS)), to: today };
}

/** The instants of a page; null where it is about days. The running minute belongs to the last 24 hours. */
export function timesOf(/** @type {Address} */ state, /** @type {Date} */ now = new Date()) {
  const { period, fromTime, toTime } = state;
  if (period === "24h") {
    const end = (Math.floor(now.getTime() / MINUTE) + 1) * MINUTE;
    return { fromTime: new Date(end - DAY).toISOString(), toTime: new Date(end).toISOString() };
  }
  return fromTime && toTime ? { fromTime, toTime } : null;
}

/**
 * The parameters of a report's window. `instants`: whether it can be about the time between two.
 * @param {Address} state
 * @param {string} today
 * @param {(moment: Date) => string} dayIn
 * @param {boolean} [instants]
 * @returns {Parameters}
 */
export function windowOf(state, today, dayIn, instants = false) {
  const times = timesOf(state);
  if (times && instants) return times;
  return state.days ? { days: state.days } : daysOf(state, today, dayIn);
}

/** The span before a page's own (`by` is -1), or the one after it (1); null where that has not begun. */
export function stepped(
  /** @type {Address} */ state,
  /** @type {string} */ today,
  /** @type {(moment: Date) => string} */ dayIn,
  /** @type {1 | -1} */ by,
  /** @type {Date} */ now = new Date(),
) {
  const times = timesOf(state, now);
  if (times) {
    const [begin, end] = [Date.parse(times.fromTime), Date.parse(times.toTime)];
    const shift = by * (end - begin);
    if (begin + shift >= now.getTime()) return null;
    return { fromTime: new Date(begin + shift).toISOString(), toTime: new Date(end + shift).toISOString() };
  }
  const span = daysOf(state, today, dayIn, now);
  const size = monthsOf(state, span, today);
  const week = state.period === "this-week";
  const length = week ? 7 : lengthOf(span);
  const from = size ? monthFrom(span.from, by, size) : later(span.from, by * length);
  const to = size ? later(monthFrom(from, 1, size), -1) : later(from, length - 1);
  if (from > today) return null;
  return named({ from, to: [to, today].sort()[0] }, today);
}

/** Whether a span is a month (1) or a quarter (3), as far as that has come; 0 for any other. */
function monthsOf(/** @type {Address} */ state, /** @type {DaySpan} */ span, /** @type {string} */ today) {
  if (state.period?.endsWith("-month")) return 1;
  if (state.period?.endsWith("-quarter")) return 3;
  if (state.days || span.from !== monthFrom(span.from, 0)) return 0;
  const ends = [1, 3].filter((size) => {
    const end = later(monthFrom(span.from, 1, size), -1);
    return span.from === monthFrom(span.from, 0, size) && (span.to === end || (span.to === today && today < end));
  });
  return ends[0] ?? 0;
}

/** A span by its name, where it has one: it moves on with the days. */
function named(/** @type {DaySpan} */ span, /** @type {string} */ today) {
  const same = (/** @type {DaySpan} */ other) => other.from === span.from && other.to === span.to;
  const days = DAYS.find((number) => same({ from: later(today, 1 - number), to: today }));
  if (days) return { days };
  const period = Object.entries(SPANS).find(([, of]) => same(of(today)));
  return period ? { period: period[0] } : span;
}

/** What is wrong with two days that were chosen: which of them, and in words; null where nothing is. */
export function wrongDays(/** @type {string | null} */ from, /** @type {string | null} */ to) {
  if (!isDay(from)) return { field: "from", words: "Choose the first day." };
  if (!isDay(to)) return { field: "to", words: "Choose the last day." };
  const span = { from: String(from), to: String(to) };
  if (span.to < span.from) return { field: "to", words: "The last day is before the first one." };
  if (lengthOf(span) > MOST_DAYS) {
    return { field: "from", words: `At most ${MOST_DAYS} days: choose ${later(span.to, 1 - MOST_DAYS)} or later.` };
  }
  return null;
}
