import assert from "node:assert/strict";
import { test } from "node:test";

import { parse } from "../../../app/web/static/money.js";
import { bandOf } from "../../../app/web/static/parts/days.js";
import { monthDays, monthsOf, soFar, weekDays, weeksOf } from "../../../app/web/static/parts/periods.js";

for (const [found, expected] of [
  [monthDays("2026-02", "2026-12-31"), ["2026-02-01", "2026-02-28"]],
  [monthDays("2028-02", "2028-12-31"), ["2028-02-01", "2028-02-29"]],
  [monthDays("2026-12", "2026-12-05"), ["2026-12-01", "2026-12-05"]],
  [weekDays("2026-12-28", "2027-06-01"), ["2026-12-28", "2027-01-03"]],
  [weekDays("2026-11-16", "2026-11-18"), ["2026-11-16", "2026-11-18"]],
]) {
  test(`${expected.join(" to ")} are the days behind a row`, () => assert.deepEqual(found, expected));
}

test("a week that is not whole says so, and why", () => {
  assert.equal(soFar({ complete: true }, "2026-11-18", "2026-11-18"), "");
  assert.equal(soFar({ complete: false }, "2026-11-18", "2026-11-18"), " (partial)");
  assert.equal(soFar({ complete: false }, "2026-11-18", "2026-11-21"), " (to 18 Nov)");
});

test("months and weeks are columns with their figure, paler where they are not over", () => {
  const cost = { pick: (row) => row.cost, name: "Cost", as: "money" };
  const context = { state: { tab: "cost" }, href: ({ tab, from, to }) => `${tab} ${from} ${to}` };
  const row = { month: "2026-11", complete: false, cost: parse("0.0075") };
  const months = monthsOf(context, [row], "2026-11-20", cost);
  const behind = "calls 2026-11-01 2026-11-20";
  assert.deepEqual(months.rows, [
    { name: "Nov 26", title: "November 2026", value: 0.0075, href: behind, partial: true },
  ]);
  assert.equal(months.onPick(months.rows[0]), behind);
  assert.equal(months.label, "Cost by month");
  assert.deepEqual(months.lines(months.rows[0]), {
    title: "November 2026 (partial)",
    pairs: [["Cost", "$0.0075"]],
  });
  const week = { week: "2026-W47", first: "2026-11-16", complete: true, cost: 2 };
  const weeks = weeksOf(context, [week], "2026-12-31", cost);
  assert.deepEqual(weeks.rows, [
    {
      name: "16 Nov",
      title: "2026-W47, from 16 Nov 2026",
      value: 2,
      href: "calls 2026-11-16 2026-11-22",
      partial: false,
    },
  ]);
});

test("few bars leave their place", () => assert.deepEqual([1, 3, 4].map(bandOf), [0.2, 0.2, 0.72]));
