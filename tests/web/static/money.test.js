import assert from "node:assert/strict";
import { test } from "node:test";

import { Decimal, isAmount, minus, parse, sum } from "../../../app/web/static/money.js";

const text = (value) => JSON.stringify(value, (_, each) => (each instanceof Decimal ? `exactly ${each}` : each));

for (const [json, expected] of [
  // by value, whatever the field is called
  [
    '{"revenue": 0.1, "margin": -12.000000000000001}',
    '{"revenue":"exactly 0.1","margin":"exactly -12.000000000000001"}',
  ],
  ["[1234567890.123456789012345]", '["exactly 1234567890.123456789012345"]'],
  ["0.000000000000001", '"exactly 0.000000000000001"'],
  ["[85.70, 1e-7, 2.5E+3]", '["exactly 85.70","exactly 1e-7","exactly 2.5E+3"]'],
  // whole numbers are numbers, as far as JavaScript keeps them
  ["[0, -7, 123456789012345]", "[0,-7,123456789012345]"],
  ["[9007199254740993, -9007199254740993]", '["exactly 9007199254740993","exactly -9007199254740993"]'],
  // digits in strings are text, also beside quotes and escapes
  ['{"1.5": "0.1", "a\\"0.2": "\\\\", "b": 0.3}', '{"1.5":"0.1","a\\"0.2":"\\\\","b":"exactly 0.3"}'],
  ['["\\u00310.5", ",1.5,", "[0.25]"]', '["10.5",",1.5,","[0.25]"]'],
  ['{"a":null,"b":true,"c":[]}', '{"a":null,"b":true,"c":[]}'],
]) {
  test(`${json} keeps every digit`, () => assert.equal(text(parse(json)), expected));
}

for (const json of ["", "01.5", "1.", ".5", "[1.5", "\\1", '{"a": 0.5.5}', "-", "NaN"]) {
  test(`${json || "nothing"} is not JSON`, () => assert.throws(() => parse(json), SyntaxError));
}

test("a text of megabytes is read, too", () => {
  const long = 'a"0.5\\'.repeat(300_000);
  assert.deepEqual(parse(JSON.stringify({ long })), { long });
});

for (const [amounts, expected] of [
  [[], "0"],
  [["0.1", "0.2"], "0.3"],
  [[1, "0.000000000000001", null, undefined], "1.000000000000001"],
  [["0.1234567890123456789", "1e-19"], "0.123456789012345679"],
  [["99999999999999999.99", "0.01"], "100000000000000000"],
  [["2.5E+3", "-0.5"], "2499.5"],
  [["-0.5", "0.25"], "-0.25"],
  [["0.5", "-0.50"], "0"],
]) {
  test(`${amounts.join(" + ") || "nothing"} is ${expected}`, () => {
    const total = sum(amounts.map((amount) => (typeof amount === "string" ? new Decimal(amount) : amount)));
    assert.equal(String(total), expected);
  });
}

test("a difference is exact, and whole where it is", () => {
  assert.deepEqual(minus(parse("1.000000000000001"), 1), new Decimal("0.000000000000001"));
  assert.deepEqual(minus(parse("0.3"), parse("0.1")), new Decimal("0.2"));
  assert.equal(minus(parse("1.5"), parse("0.5")), 1);
  assert.equal(minus(3, 5), -2);
});

test("amounts are compared and drawn as numbers, and written with every digit", () => {
  const [small, great] = parse("[0.000000000000001, 12.5]");
  assert.ok(small < great);
  assert.equal(Number(great), 12.5);
  assert.equal(`$${small}`, "$0.000000000000001");
  assert.deepEqual([small, 0, "0.5", null, {}].map(isAmount), [true, true, false, false, false]);
});
