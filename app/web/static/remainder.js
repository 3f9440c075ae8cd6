// @ts-check
// The exact remainder of a ranking: what the rows that are not shown come to.

import { isAmount, minus, sum } from "./money.js";

/** Figures without a sum: rates, averages, percentiles, changes, and people, who may be in several rows. */
const NO_SUM = /(Rate|Share|Change)$|^(average|unique|active)|^p\d+$/;

const adds = (rows) => (name) => !NO_SUM.test(name) && rows.some((row) => isAmount(row[name]));

/** The sum of rows of totals: every figure that has one, to the last digit, and the rate that follows from the counts. */
export function remainderOf(rows) {
  const names = Object.keys(rows[0]).filter(adds(rows));
  const sums = Object.fromEntries(names.map((name) => [name, sum(rows.map((row) => row[name]))]));
  if (typeof rows[0].tokens === "object") sums.tokens = remainderOf(rows.map((row) => row.tokens));
  if ("successes" in sums) sums.successRate = rate(sums.successes, sums.requests);
  return sums;
}

/** What is left of totals beside the rows that are listed, of every figure that these have. Their tokens are one figure. */
export function leftOf(totals, rows) {
  const whole = { ...totals, tokens: totals.tokens.total };
  const names = Object.keys(whole)
    .filter(adds([whole]))
    .filter((name) => rows.every((row) => isAmount(row[name])));
  return Object.fromEntries(names.map((name) => [name, minus(whole[name], sum(rows.map((row) => row[name])))]));
}

/** `part` in percent of `whole`, to two decimals; null where there is no whole. */
export function rate(/** @type {number} */ part, /** @type {number} */ whole) {
  return whole ? Math.round((part / whole) * 10_000) / 100 : null;
}
