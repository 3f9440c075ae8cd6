import assert from "node:assert/strict";
import { test } from "node:test";

import { endOf } from "../../../app/web/static/panel/feed.js";
import { amount, counted, money, parseExactly, relative, say } from "../../../app/web/static/panel/text.js";
import { nameOf, STRINGS, usedOf } from "../../../app/web/static/panel/words.js";

const writing = (locale = "en-US", strings = {}) => ({ locale, strings: { ...STRINGS, ...strings } });

test("numbers of JSON are texts of the same digits, and digits in strings stay", () => {
  const text = '{"a": 0.100, "b": -1e-7, "c": ["1.5", "\\"2.5", 12345678901234567890.5], "d": null, "e": true}';
  assert.deepEqual(parseExactly(text), {
    a: "0.100",
    b: "-1e-7",
    c: ["1.5", '"2.5', "12345678901234567890.5"],
    d: null,
    e: true,
  });
});

for (const [digits, locale, expected] of [
  ["0", "en-US", "0"],
  ["1234567", "en-US", "1,234,567"],
  ["9007199254740993", "en-US", "9,007,199,254,740,993"],
  ["0.000000000000001", "de-DE", "0,000000000000001"],
  ["-1234.5", "de-DE", "-1.234,5"],
  ["12.5", "ar-EG", "١٢٫٥"],
  ["unheard-of", "en-US", "unheard-of"],
]) {
  test(`${digits} is ${expected} in ${locale}`, () => assert.equal(amount(digits, writing(locale)), expected));
}

test("money has all its digits, two at least, and the currency where the language has it", () => {
  assert.equal(money("1234.567891", writing()), "$1,234.567891");
  assert.equal(money("5", writing()), "$5.00");
  assert.equal(money("0.5", writing("de-DE")), "0,50\u00a0$");
});

for (const [seconds, expected] of [
  [0, "in 0 seconds"],
  [42, "in 42 seconds"],
  [300, "in 5 minutes"],
  [7200, "in 2 hours"],
  [172_800, "in 2 days"],
  [-30, "30 seconds ago"],
]) {
  test(`${seconds} s is ${expected}`, () => assert.equal(relative(seconds * 1000, writing()), expected));
}

test("sentences have the form that the language has for a number", () => {
  assert.equal(counted(writing(), "tokens", "1"), "1 token");
  assert.equal(counted(writing(), "tokens", "1500"), "1,500 tokens");
  assert.equal(counted(writing("pl-PL", { "tokens.few": "{n} tokeny" }), "tokens", "3"), "3 tokeny");
  assert.equal(
    say(writing("en-US", { figures: "{used}/{limit} {nothing}" }), "figures", { used: "1", limit: "2" }),
    "1/2 ",
  );
});

const limit = (more) => ({
  name: null,
  unit: "usd",
  window: "month",
  filter: { serviceType: null, model: null, feature: null },
  used: "0",
  held: "0",
  limit: "1",
  remaining: "1",
  grants: "0",
  percent: "0",
  ...more,
});

test("what is beyond a limit is exact", () => {
  const over = limit({ used: "1.000000000000001", limit: "0.9", remaining: "0", percent: "111.11" });
  assert.equal(usedOf(over, writing()), "111.11% used, $0.100000000000001 over the limit.");
  assert.equal(usedOf(limit({ used: "1", percent: "100", remaining: "0" }), writing()), "100% used, $0.00 left.");
});

test("a limit without a name is called by what it counts", () => {
  assert.equal(nameOf(limit(), writing()), "Spend this month");
  const filter = { serviceType: "image", model: "dall-e-3", feature: null };
  assert.equal(nameOf(limit({ filter }), writing()), "Spend this month, image, dall-e-3");
  assert.equal(nameOf(limit({ unit: "concurrent", window: "lifetime" }), writing()), "Calls at a time");
});

test("a token says when it ends, and what is no token nothing", () => {
  const claims = Buffer.from(JSON.stringify({ sub: "ä", exp: 1_800_000_000 })).toString("base64url");
  assert.equal(endOf(`e30.${claims}.x`), 1_800_000_000_000);
  assert.equal(endOf("tm_key"), null);
  assert.equal(endOf(""), null);
});
