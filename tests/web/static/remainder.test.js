import assert from "node:assert/strict";
import { test } from "node:test";

import { parse } from "../../../app/web/static/money.js";
import { leftOf, rate, remainderOf } from "../../../app/web/static/remainder.js";

const MODELS = parse(`[
  {"provider": "openai", "model": "4.1", "requests": 3, "successes": 2, "errors": 1, "unpriced": 0,
   "cost": 0.000000000000001, "savedCost": 0, "revenue": 0.30, "averageCost": 0.5, "averageDuration": 812.5,
   "successRate": 66.67, "uniqueUsers": 2, "p95": 900, "requestsChange": 1.5,
   "tokens": {"input": 10, "output": 2, "total": 12}, "latency": {"p50": 1}, "services": []},
  {"provider": "groq", "model": "5", "requests": 1, "successes": 1, "errors": 0, "unpriced": 1,
   "cost": 12.5, "savedCost": 0.25, "revenue": null, "averageCost": null, "averageDuration": null,
   "successRate": 100, "uniqueUsers": 1, "p95": null, "requestsChange": null,
   "tokens": {"input": 1, "output": 1, "total": 3}, "latency": {"p50": null}, "services": []}
]`);

test("a remainder has the sum of every figure that has one, new money fields included, and no name", () => {
  assert.deepEqual(
    remainderOf(MODELS),
    parse(
      `{"requests": 4, "successes": 3, "errors": 1, "unpriced": 1, "cost": 12.500000000000001, "savedCost": 0.25,
            "revenue": 0.3, "tokens": {"input": 11, "output": 3, "total": 15}, "successRate": 75}`,
    ),
  );
});

test("users have their tokens as one figure", () => {
  const users = parse('[{"userId": "1.5", "requests": 1, "tokens": 7}, {"userId": "2", "requests": 2, "tokens": 8}]');
  assert.deepEqual(remainderOf(users), { requests: 3, tokens: 15 });
});

test("what is left of totals is exact, and of nothing listed it is all", () => {
  const totals = parse(`{"requests": 10, "cost": 1.000000000000003, "savedCost": 0.5, "tokens": {"total": 100},
                         "successes": 9, "successRate": 90, "revenue": 3.75}`);
  const users = parse(`[{"userId": "a", "requests": 4, "cost": 0.000000000000001, "savedCost": 0.5, "tokens": 30,
                         "successRate": 100, "revenue": 1.5},
                        {"userId": "b", "requests": 1, "cost": 1, "savedCost": 0, "tokens": 3, "successRate": 0,
                         "revenue": 0.25}]`);
  assert.deepEqual(
    leftOf(totals, users),
    parse('{"requests": 5, "cost": 0.000000000000002, "savedCost": 0, "tokens": 67, "revenue": 2}'),
  );
  assert.deepEqual(
    leftOf(totals, []),
    parse(
      '{"requests": 10, "cost": 1.000000000000003, "savedCost": 0.5, "tokens": 100, "successes": 9, "revenue": 3.75}',
    ),
  );
});

test("a rate is percent to two decimals", () => {
  assert.deepEqual([rate(2, 3), rate(0, 3), rate(0, 0)], [66.67, 0, null]);
});
