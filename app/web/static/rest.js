// @ts-check
// The exact rest of a ranking: what the rows that are not shown come to.

import { minus, sum } from "./exact.js";

const COUNTS = [
  "inputTokens",
  "outputTokens",
  "requests",
  "successes",
  "errors",
  "cached",
  "unpriced",
  "estimated",
  "images",
];
const AMOUNTS = ["cost", "savedCost", "inputCost", "outputCost", "generationCost", "mediaCost"];

/** The sum of rows of totals: counts, money to the last digit, and the rates that follow from the counts. */
export function restOf(/** @type {any[]} */ rows) {
  const sums = {};
  for (const name of COUNTS) if (name in rows[0]) sums[name] = rows.reduce((all, row) => all + row[name], 0);
  for (const name of AMOUNTS) if (name in rows[0]) sums[name] = sum(rows.map((row) => row[name]));
  if ("tokens" in rows[0]) sums.tokens = tokensOf(rows);
  if ("successes" in sums) sums.successRate = rate(sums.successes, sums.requests);
  return sums;
}

function tokensOf(rows) {
  const total = (pick) => rows.reduce((all, row) => all + pick(row.tokens), 0);
  if (typeof rows[0].tokens === "number") return total((tokens) => tokens);
  return { input: total((t) => t.input), output: total((t) => t.output), total: total((t) => t.total) };
}

/** What is left of totals beside the rows that are listed. */
export function leftOf(/** @type {any} */ totals, /** @type {any[]} */ rows) {
  const tokens = rows.reduce((all, row) => all + (row.tokens.total ?? row.tokens), 0);
  return {
    requests: totals.requests - rows.reduce((all, row) => all + row.requests, 0),
    cost: minus(totals.cost, sum(rows.map((row) => row.cost))),
    savedCost: minus(totals.savedCost, sum(rows.map((row) => row.savedCost))),
    tokens: totals.tokens.total - tokens,
  };
}

/** `part` in percent of `whole`, to two decimals; null where there is no whole. */
export function rate(/** @type {number} */ part, /** @type {number} */ whole) {
  return whole ? Math.round((part / whole) * 10_000) / 100 : null;
}
