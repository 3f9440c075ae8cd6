import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../../../app/web/static/format.js";
import { parse } from "../../../app/web/static/money.js";

const FIGURES = [
  [format.count, "12345.5", "12,346"],
  [format.count, "0", "0"],
  [format.count, "12345678901234567890", "12,345,678,901,234,567,890"],
  [format.short, "99999", "99,999"],
  [format.short, "1234567", "1.2M"],
  [format.short, "-150000", "-150K"],
  [format.money, "0", "$0.00"],
  [format.money, "12.345", "$12.35"],
  [format.money, "0.0075", "$0.0075"],
  [format.money, "0.00061", "$0.00061"],
  [format.money, "0.000000000000001", "$0.000000000000001"],
  [format.money, "-0.5", "-$0.50"],
  [format.money, "999999.994", "$999,999.99"],
  [format.money, "1234567.89", "$1.2M"],
  [format.moneyChange, "0", "$0.00"],
  [format.moneyChange, "12.345", "+$12.35"],
  [format.moneyChange, "-0.0075", "−$0.0075"],
  [format.shortMoney, "9999.99", "$9,999.99"],
  [format.shortMoney, "12345.6", "$12.3K"],
  [format.shortMoney, "-12345.6", "-$12.3K"],
  [format.dollars, "1234567890123456.78", "$1,234,567,890,123,456.78"],
  [format.dollars, "1.005", "$1.01"],
  [format.percent, "96.45", "96.5%"],
  [format.percent, "100", "100.0%"],
  [format.change, "12.34", "+12.3%"],
  [format.change, "-1.25", "−1.3%"],
  [format.change, "0", "0.0%"],
  [format.change, "12345", "+12.3K%"],
  [format.points, "0.4", "+0.4 pts"],
  [format.duration, "820", "820 ms"],
  [format.duration, "1250", "1.3 s"],
  [format.duration, "59949", "59.9 s"],
  [format.duration, "59950", "1 min 00 s"],
  [format.duration, "125000", "2 min 05 s"],
  [format.seconds, "0.82", "820 ms"],
  [format.seconds, "12.3", "12.3 s"],
  [format.bytes, "999", "999 B"],
  [format.bytes, "1500000", "1.5 MB"],
  [format.bytes, "0", "0 B"],
  [format.bytes, "2e15", "2,000.0 TB"],
];

for (const [write, digits, expected] of FIGURES) {
  test(`${write.name} of ${digits} is ${expected}`, () => assert.equal(write(parse(digits)), expected));
}

for (const write of new Set(FIGURES.map(([each]) => each))) {
  test(`${write.name} of what is not known is a dash`, () => {
    assert.deepEqual(
      [null, undefined, "", "none"].map((value) => write(value)),
      ["–", "–", "–", "–"],
    );
  });
}

for (const [found, expected] of [
  [format.durations(820, 1300), "820 ms – 1.3 s"],
  [format.durations(null, 5), "up to 5 ms"],
  [format.durations("5", null), "from 5 ms"],
  [format.day("2026-11-21"), "21 Nov 2026"],
  [format.day("2026-09-01", { year: false }), "1 Sep"],
  [format.day("foo"), "foo"],
  [format.day(null), "–"],
  [format.month("2026-11"), "November 2026"],
  [format.span("2026-10-23", "2026-11-21"), "23 Oct – 21 Nov 2026"],
  [format.span("2025-12-30", "2026-01-02"), "30 Dec 2025 – 2 Jan 2026"],
  [format.span("2026-11-21", "2026-11-21"), "21 Nov 2026"],
  [format.shortSpan("2026-10-01", "2026-10-20"), "1–20 Oct"],
  [format.shortSpan("2026-09-23", "2026-10-21"), "23 Sep–21 Oct"],
  [format.shortSpan("2026-11-20", "2026-11-20"), "20 Nov"],
  [format.sentence("2026-11-21 against 2026-11-20, 00:00 to 11:00"), "21 Nov 2026 against 20 Nov 2026, 00:00 to 11:00"],
  [format.clock("2026-11-21T23:03:04.567Z", "Asia/Kolkata"), "04:33:04"],
  [format.instant("2026-11-21T23:03:04Z", "Asia/Kolkata"), "22 Nov 2026, 04:33:04"],
  [format.instant(null, "UTC"), "–"],
  [format.dayIn(new Date("2026-11-21T23:03:04Z"), "Asia/Kolkata"), "2026-11-22"],
  [format.hour(9), "09:00"],
  [format.words("rate_limited"), "Rate limited"],
  [format.words("invalid_api_key"), "Invalid API key"],
  [format.plural(1, "call"), "1 call"],
  [format.plural(2000, "call"), "2,000 calls"],
  [format.moneyDecimals(0.0006), 5],
  [format.logTicks(2, 400), [3, 10, 30, 100, 300]],
]) {
  test(`a person reads ${found}`, () => assert.deepEqual(found, expected));
}
