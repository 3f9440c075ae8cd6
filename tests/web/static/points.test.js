import assert from "node:assert/strict";
import { test } from "node:test";

import { Points } from "../../../app/web/static/charts/points.js";

/** Bands of a width, in order. */
const bands = (names, width) =>
  Object.assign((name) => (names.includes(name) ? names.indexOf(name) * width : undefined), {
    bandwidth: () => width - 2,
  });

const view = (scales) => ({
  origin: () => [40, 10],
  width: () => 300,
  height: () => 100,
  scale: (name) => scales[name],
});

const DAYS = ["2026-11-01", "2026-11-02", "2026-11-03"];
const PARTS = DAYS.flatMap((day) => [
  { day, name: "a", rank: 0, value: 30 },
  { day, name: "b", rank: 1, value: 20 },
]);

test("a day is one point, whatever its parts, and the nearest one is looked at", () => {
  const y = Object.assign((value) => 100 - value, { invert: (place) => 100 - place });
  const points = new Points(view({ x: bands(DAYS, 100), y }), PARTS, { x: "day", stacked: true });
  assert.deepEqual(
    points.all.map(({ left, width, top, height, rows }) => [left, width, top, height, rows.length]),
    [
      [40, 98, 10, 100, 2],
      [140, 98, 10, 100, 2],
      [240, 98, 10, 100, 2],
    ],
  );
  assert.equal(points.at(139.5, 50).key.trim(), DAYS[1]);
  assert.equal(points.at(999, 50).key.trim(), DAYS[2]);
  assert.deepEqual([points.holds(39, 50), points.holds(10, 50), points.holds(100, 200)], [true, false, false]);
  const [first] = points.all;
  assert.deepEqual(
    [80, 65, 20].map((height) => points.partAt(first, 10 + height)?.name),
    ["a", "b", undefined],
  );
  assert.equal(points.next(first, "ArrowRight"), points.all[1]);
  assert.equal(points.next(first, "ArrowLeft"), undefined);
  assert.equal(points.next(first, "ArrowUp"), undefined);
});

test("arrows walk a heat map in both directions, past cells that are not there", () => {
  const rows = [
    { weekday: "Mon", hour: "00" },
    { weekday: "Mon", hour: "02" },
    { weekday: "Tue", hour: "01" },
    { weekday: "Tue", hour: "02" },
  ];
  const scales = { x: bands(["00", "01", "02"], 100), y: bands(["Mon", "Tue"], 50) };
  const points = new Points(view(scales), rows, { x: "hour", y: "weekday" });
  const step = (from, arrow) => points.all.indexOf(points.next(points.all[from], arrow));
  assert.deepEqual(
    [step(0, "ArrowRight"), step(1, "ArrowDown"), step(3, "ArrowLeft"), step(3, "ArrowUp")],
    [1, 3, 2, 1],
  );
});

test("a bucket lies between its ends, and rows without a place are no points", () => {
  const x = (value) => value;
  const points = new Points(view({ x }), [{ from: 10, to: 30 }, { mark: 20 }], { x: "from", x2: "to" });
  assert.deepEqual(
    points.all.map(({ left, width }) => [left, width]),
    [[50, 20]],
  );
});
