import assert from "node:assert/strict";
import { test } from "node:test";

import { parse, sum } from "../../../app/web/static/money.js";
import { namesByCost, topParts } from "../../../app/web/static/parts/series.js";

test("a series begins with the name that cost most, and the rest comes last", () => {
  const series = parse(`[{"name": "other", "cost": 9.5}, {"name": "a", "cost": 0.5}, {"name": "b", "cost": 0.75},
                         {"name": "a", "cost": 0.5}]`);
  assert.deepEqual(namesByCost(series), ["a", "b", "other"]);
});

test("of 500 models a chart has seven and the exact sum of the other 493", () => {
  const days = ["2026-11-01", "2026-11-02"];
  const rows = Array.from({ length: 500 }, (_, place) =>
    days.map((day) => `{"day": "${day}", "name": "m${place}", "cost": ${(500 - place) / 1000}0000000000001}`),
  );
  const series = parse(`[${rows.flat()}]`);
  const parts = topParts(series, 500);
  assert.deepEqual(parts.names, ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "other"]);
  assert.equal(parts.call("other"), "other (493)");
  assert.equal(parts.call("m0"), "m0");
  assert.equal(String(sum(parts.series.map(({ value }) => value))), String(sum(series.map(({ cost }) => cost))));
  assert.equal(parts.series.filter(({ name }) => name === "other").length, 2);
});

test("eight parts are all told apart, and what the server summed is of the names that are left", () => {
  const series = (names) => names.map((name, place) => ({ day: "2026-11-01", name, cost: 20 - place }));
  const eight = ["a", "b", "c", "d", "e", "f", "g", "h"];
  assert.deepEqual(topParts(series(eight), 8).names, eight);
  const served = topParts(series([...eight, "i", "j", "other"]), 30);
  assert.deepEqual(served.names, [...eight.slice(0, 7), "other"]);
  assert.equal(served.call("other"), "other (23)");
});
