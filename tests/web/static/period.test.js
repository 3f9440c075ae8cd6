// Which span an address is about, and which come before and after it.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  daysOf,
  later,
  readPeriod,
  stepped,
  timesOf,
  windowOf,
  withPeriod,
  wrongDays,
} from "../../../app/web/static/period.js";

const TODAY = "2026-11-18"; // a Wednesday
const NOW = new Date("2026-11-18T14:03:20Z");
const NOTHING = { period: null, days: null, from: null, to: null, fromTime: null, toTime: null };
const dayIn = (moment) => moment.toISOString().slice(0, 10);
const read = (given) => readPeriod({ ...NOTHING, ...given });
const days = (given) => Object.values(daysOf(read(given), TODAY, dayIn, NOW));
const step = (given, by) => stepped(read(given), TODAY, dayIn, by, NOW);

test("a preset is days of the calendar", () => {
  const spans = {
    today: [TODAY, TODAY],
    yesterday: ["2026-11-17", "2026-11-17"],
    "this-week": ["2026-11-16", TODAY],
    "this-month": ["2026-11-01", TODAY],
    "last-month": ["2026-10-01", "2026-10-31"],
    "this-quarter": ["2026-10-01", TODAY],
    "last-quarter": ["2026-07-01", "2026-09-30"],
  };
  for (const [period, span] of Object.entries(spans)) assert.deepEqual(days({ period }), span, period);
  assert.deepEqual(Object.values(daysOf(read({ period: "last-quarter" }), "2026-02-28", dayIn)), [
    "2025-10-01",
    "2025-12-31",
  ]);
  assert.deepEqual(Object.values(daysOf(read({ period: "this-week" }), "2026-11-22", dayIn)), [
    "2026-11-16",
    "2026-11-22",
  ]);
});

test("the last 24 hours end with the running minute", () => {
  const times = { fromTime: "2026-11-17T14:04:00.000Z", toTime: "2026-11-18T14:04:00.000Z" };
  assert.deepEqual(timesOf(read({ period: "24h" }), NOW), times);
  assert.deepEqual(days({ period: "24h" }), ["2026-11-17", TODAY]);
});

test("what makes no sense in an address is left out", () => {
  assert.equal(read({}).days, 30);
  assert.equal(read({ days: "0" }).days, 30);
  assert.equal(read({ days: "9999" }).days, 366);
  assert.equal(read({ from: "2026-13-45" }).days, 30);
  assert.equal(read({ from: "2026-02-30" }).days, 30);
  assert.equal(read({ period: "toString" }).days, 30);
  assert.deepEqual(read({ from: "2026-11-03", to: "2026-11-01" }), {
    ...NOTHING,
    from: "2026-11-01",
    to: "2026-11-03",
  });
  assert.equal(read({ from: "2026-11-03", to: "soon" }).to, null);
  assert.equal(read({ fromTime: "2026-11-03T10:00:00", toTime: "2026-11-03T11:00:00Z" }).days, 30);
});

test("a report is asked for days, or for instants where it can be", () => {
  const hours = { fromTime: "2026-11-03T10:00:00Z", toTime: "2026-11-03T11:00:00Z" };
  assert.deepEqual(windowOf(read({ days: "7" }), TODAY, dayIn), { days: 7 });
  assert.deepEqual(windowOf(read({ from: "2026-11-03" }), TODAY, dayIn), { from: "2026-11-03", to: TODAY });
  assert.deepEqual(windowOf(read(hours), TODAY, dayIn, true), hours);
  assert.deepEqual(windowOf(read(hours), TODAY, dayIn), { from: "2026-11-03", to: "2026-11-03" });
});

test("before and after a span are spans of the same kind", () => {
  assert.deepEqual(step({ days: "30" }, -1), { from: "2026-09-20", to: "2026-10-19" });
  assert.equal(step({ days: "30" }, 1), null);
  assert.deepEqual(step({ period: "today" }, -1), { period: "yesterday" });
  assert.deepEqual(step({ period: "yesterday" }, 1), { period: "today" });
  assert.deepEqual(step({ period: "this-week" }, -1), { from: "2026-11-09", to: "2026-11-15" });
  assert.deepEqual(step({ from: "2026-11-09", to: "2026-11-15" }, 1), { period: "this-week" });
  assert.deepEqual(step({ period: "this-month" }, -1), { period: "last-month" });
  assert.deepEqual(step({ period: "last-month" }, 1), { period: "this-month" });
  assert.deepEqual(step({ period: "last-month" }, -1), { from: "2026-09-01", to: "2026-09-30" });
  assert.deepEqual(step({ from: "2026-02-01", to: "2026-02-28" }, 1), { from: "2026-03-01", to: "2026-03-31" });
  assert.deepEqual(step({ period: "this-quarter" }, -1), { period: "last-quarter" });
  assert.deepEqual(step({ from: "2026-04-01", to: "2026-06-30" }, -1), { from: "2026-01-01", to: "2026-03-31" });
  assert.deepEqual(step({ from: "2026-11-10", to: "2026-11-14" }, 1), { from: "2026-11-15", to: TODAY });
  assert.deepEqual(step({ fromTime: "2026-11-18T10:00:00Z", toTime: "2026-11-18T11:30:00Z" }, -1), {
    fromTime: "2026-11-18T08:30:00.000Z",
    toTime: "2026-11-18T10:00:00.000Z",
  });
  assert.equal(step({ period: "24h" }, 1), null);
});

test("a new span takes the place of the one before", () => {
  assert.deepEqual(withPeriod({ days: 7 }), { ...NOTHING, days: 7 });
  assert.deepEqual(withPeriod({ from: TODAY, to: TODAY, tab: "calls" }), {
    ...NOTHING,
    from: TODAY,
    to: TODAY,
    tab: "calls",
  });
  assert.deepEqual(withPeriod({ model: "m" }), { model: "m" });
});

test("two days that are no span are told in words", () => {
  assert.equal(wrongDays("2026-11-01", "2026-11-01"), null);
  assert.deepEqual(wrongDays("2026-11-02", "2026-11-01"), {
    field: "to",
    words: "The last day is before the first one.",
  });
  assert.equal(wrongDays(null, "2026-11-01")?.field, "from");
  assert.match(wrongDays("2020-01-01", "2026-11-01")?.words ?? "", /2025-11-01/);
  assert.equal(wrongDays("2025-11-01", "2026-11-01"), null);
  assert.equal(later("2026-12-31", 1), "2027-01-01");
});
