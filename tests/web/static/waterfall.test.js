import assert from "node:assert/strict";
import { test } from "node:test";

import { parse } from "../../../app/web/static/money.js";
import { waterfall } from "../../../app/web/static/parts/waterfall.js";

const steps = [
  ["Volume", parse("12.5")],
  ["Price", 0],
  ["Caching", parse("-2.5")],
];

test("each step begins where the one before has ended, and those that are nothing are left out", () => {
  const { rows } = waterfall({ label: "Change", steps, to: ["Change", 10] });
  assert.deepEqual(
    rows.map(({ name, start, end, kind }) => [name, start, end, kind]),
    [
      ["Volume", 0, 12.5, "bad"],
      ["Caching", 12.5, 10, "good"],
      ["Change", 0, 10, "whole"],
    ],
  );
});

test("what rises is good where that is said, and amounts at both ends are no changes", () => {
  const { rows, label } = waterfall({ label: "MRR", from: ["Before", 5], steps, to: ["After", 15], rising: "good" });
  assert.deepEqual(
    rows.map(({ kind, figure }) => [kind, figure]),
    [
      ["whole", "$5.00"],
      ["good", "+$12.50"],
      ["bad", "−$2.50"],
      ["whole", "$15.00"],
    ],
  );
  assert.equal(label, "MRR: Before $5.00, Volume +$12.50, Caching −$2.50, After $15.00");
});
