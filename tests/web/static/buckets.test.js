// Charts over days, hours and minutes: how their parts are called, what an axis says, and which period a part is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { localIn } from "../../../app/web/static/format.js";
import {
  axisName,
  bucketsOf,
  bucketTitle,
  isWeekend,
  periodOf,
  spanTitle,
  ticksOf,
} from "../../../app/web/static/parts/buckets.js";
import { later } from "../../../app/web/static/period.js";

const days = (first, count) => Array.from({ length: count }, (_, place) => later(first, place));
const hours = (first, count, zone = "UTC") => {
  const local = localIn(zone);
  return Array.from({ length: count }, (_, place) =>
    local(new Date(Date.parse(first) + place * 3_600_000).toISOString()),
  );
};

test("a bucket is called as clocks showed it, and one that occurs twice by its offset", () => {
  assert.deepEqual(hours("2026-11-01T05:00:00Z", 3, "America/New_York"), [
    "2026-11-01T01:00-04:00",
    "2026-11-01T01:00-05:00",
    "2026-11-01T02:00-05:00",
  ]);
  assert.equal(localIn("UTC")("2026-11-01T23:59:59Z"), "2026-11-01T23:59+00:00");
  assert.equal(localIn("Asia/Kolkata")("2026-11-01T18:30:00Z"), "2026-11-02T00:00+05:30");
});

test("an axis says clocks, and days where these begin", () => {
  assert.equal(axisName("2026-11-28"), "28 Nov");
  assert.equal(axisName("2026-11-28T13:00+01:00"), "13:00");
  assert.equal(axisName("2026-11-28T00:00+01:00"), "28 Nov");
  assert.equal(bucketTitle("2026-11-28T13:05+01:00", true), "28 Nov 2026, 13:05 (partial)");
  assert.equal(spanTitle(["2026-11-01", "2026-11-28"]), "1 Nov – 28 Nov 2026");
});

test("marks are Mondays, months, midnights, or full hours", () => {
  assert.deepEqual(ticksOf(days("2026-11-02", 30), 8), [
    "2026-11-02",
    "2026-11-09",
    "2026-11-16",
    "2026-11-23",
    "2026-11-30",
  ]);
  assert.equal(
    ticksOf(days("2026-01-01", 365), 8).every((day) => day.endsWith("-01")),
    true,
  );
  assert.deepEqual(ticksOf(days("2026-11-02", 3), 8), days("2026-11-02", 3));
  assert.deepEqual(ticksOf(hours("2026-11-28T00:00:00Z", 24), 8).map(axisName), [
    "28 Nov",
    "03:00",
    "06:00",
    "09:00",
    "12:00",
    "15:00",
    "18:00",
    "21:00",
  ]);
  assert.deepEqual(ticksOf(hours("2026-11-26T00:00:00Z", 72), 8).map(axisName), ["26 Nov", "27 Nov", "28 Nov"]);
  assert.deepEqual(ticksOf([], 8), []);
});

test("weekends are told apart where days can be", () => {
  assert.deepEqual(
    days("2026-11-26", 5).map((day) => isWeekend(day, 30)),
    [false, false, true, true, false],
  );
  assert.equal(isWeekend("2026-11-28", 365), false);
});

test("a part of a chart is a period: instants of up to a day, else days", () => {
  const hour = { day: "2026-11-28T13:00+01:00", at: "2026-11-28T12:00:00Z", until: "2026-11-28T13:00:00Z" };
  const late = { day: "2026-11-30T13:00+01:00", at: "2026-11-30T12:00:00Z", until: "2026-11-30T13:00:00Z" };
  assert.deepEqual(periodOf(hour, hour), { fromTime: hour.at, toTime: hour.until });
  assert.deepEqual(periodOf(hour, late), { from: "2026-11-28", to: "2026-11-30" });
  assert.deepEqual(periodOf({ day: "2026-11-28" }, { day: "2026-11-29" }), { from: "2026-11-28", to: "2026-11-29" });
});

test("the part that is not over says so", () => {
  const figures = { requests: 4, successes: 3, inputTokens: 2, outputTokens: 1, cost: 0, unpriced: 1 };
  const [first, second] = bucketsOf(
    {
      window: {
        from: "2026-11-28",
        to: "2026-11-28",
        days: 1,
        timezone: "UTC",
        fromTime: "",
        toTime: "2026-11-29T00:00:00Z",
      },
      step: "hour",
      points: [
        { at: "2026-11-28T12:00:00Z", ...figures },
        { at: "2026-11-28T13:00:00Z", ...figures },
      ],
      series: null,
      generatedAt: "2026-11-28T13:20:00Z",
    },
    "UTC",
  );
  assert.deepEqual([first.until, first.partial], ["2026-11-28T13:00:00Z", false]);
  assert.deepEqual([second.until, second.partial], ["2026-11-28T14:00:00.000Z", true]);
  assert.deepEqual([first.tokens.total, first.successRate, first.errors], [3, 75, 1]);
});
