// What happened over time on a page, as finely as its period allows: by days, hours or minutes.

import { el } from "../dom.js";
import * as format from "../format.js";
import { daysOf, lengthOf, timesOf } from "../period.js";
import { bucketsOf } from "./buckets.js";

/** @import { Context, Parameters, SeriesPoint, Timeline } from "../types.js" */
/** @typedef {"minute" | "hour" | "day"} Step */

const LABELS = { day: "Days", hour: "Hours", minute: "Minutes" };
const HOUR = 3_600_000;
/** Up to so many hours a page shows minutes by itself, up to so many days hours. */
const [FEW_HOURS, FEW_DAYS] = [6, 14];

/** Which steps the period has, the coarsest first. @returns {Step[]} */
export function stepsOf(/** @type {Context} */ context) {
  const times = context.parameters().fromTime ? timesOf(context.state) : null;
  if (times) return ["hour", "minute"];
  const days = lengthOf(daysOf(context.state, context.today(), (moment) => format.dayIn(moment, context.who.timezone)));
  if (days === 1) return ["hour", "minute"];
  return days <= FEW_DAYS ? ["day", "hour"] : ["day"];
}

/** The step that is shown. @returns {Step} */
export function stepOf(/** @type {Context} */ context) {
  const [steps, times] = [stepsOf(context), timesOf(context.state)];
  const wanted = steps.find((step) => step === context.state.step);
  if (wanted) return wanted;
  if (context.state.compare && steps.includes("day")) return "day"; // those of the period before are known by day
  const short = times && Date.parse(times.toTime) - Date.parse(times.fromTime) <= FEW_HOURS * HOUR;
  return steps.includes("minute") ? (short ? "minute" : "hour") : steps[steps.length - 1];
}

/** The request for what is finer than days; none where days are shown, which other answers have. */
export function timelineRequest(/** @type {Context} */ context, /** @type {string} */ by) {
  const step = stepOf(context);
  if (step === "day") return {};
  /** @type {[string, Parameters]} */
  const timeline = ["/api/admin/ai/timeline", { ...context.parameters(), step, by }];
  return { timeline };
}

/** The choice between the steps, where there is one. */
export function stepSwitch(/** @type {Context} */ context) {
  const [steps, shown] = [stepsOf(context), stepOf(context)];
  if (steps.length < 2) return null;
  return steps.map((step) =>
    el(
      "a.button.small.quiet",
      { href: context.href({ step }), "data-link": "", role: "button", "aria-pressed": String(step === shown) },
      LABELS[step],
    ),
  );
}

/** The rows of a chart over time, and those of its series. */
export function timelineRows(/** @type {Context} */ context, /** @type {Timeline} */ timeline) {
  const rows = bucketsOf(timeline, context.who.timezone);
  /** @type {SeriesPoint[]} */
  const series = (timeline.series ?? []).flatMap(({ name, points }) =>
    points.map(({ requests, cost }, place) => ({ day: rows[place].day, name, requests, cost })),
  );
  return { rows, series };
}
