// The exact remainder of a ranking: what the rows that are not shown come to.

import { isAmount, minus, sum } from "./money.js";

/** @import { Amount, Row, Sums, Tokens, Totals, UserFigures } from "./types.js" */

/** Figures without a sum: rates, averages, percentiles, changes, and people, who may be in several rows. */
const NO_SUM = /(Rate|Share|Change)$|^(average|unique|active)|^p\d+$/;

const valuesOf = (/** @type {Row[]} */ rows, /** @type {string} */ name) => rows.map((row) => row[name]);
const sumOf = (/** @type {Row[]} */ rows, /** @type {string} */ name) =>
  sum(/** @type {(Amount | null)[]} */ (valuesOf(rows, name)));

/**
 * The sum of rows of totals: every figure that has one, to the last digit, and the rate that follows from the counts.
 * @template {Row} T
 * @param {T[]} rows
 * @returns {Sums<T>}
 */
export function remainderOf(rows) {
  const names = Object.keys(rows[0]).filter((name) => !NO_SUM.test(name) && valuesOf(rows, name).some(isAmount));
  /** @type {Row} */
  const sums = Object.fromEntries(names.map((name) => [name, sumOf(rows, name)]));
  if (typeof rows[0].tokens === "object") sums.tokens = remainderOf(/** @type {Tokens[]} */ (valuesOf(rows, "tokens")));
  if ("successes" in sums) sums.successRate = rate(Number(sums.successes), Number(sums.requests));
  return /** @type {Sums<T>} */ (sums);
}

/**
 * What is left of totals beside the rows that are listed, of every figure that these have. Their tokens are one figure.
 * @param {Totals} totals
 * @param {UserFigures[]} rows
 * @returns {Sums<UserFigures>}
 */
export function leftOf(totals, rows) {
  const whole = { ...totals, tokens: totals.tokens.total };
  const left = Object.entries(whole).flatMap(([name, all]) =>
    isAmount(all) && !NO_SUM.test(name) && valuesOf(rows, name).every(isAmount)
      ? [[name, minus(all, sumOf(rows, name))]]
      : [],
  );
  return Object.fromEntries(left);
}

/** `part` in percent of `whole`, to two decimals; null where there is no whole. */
export function rate(/** @type {number} */ part, /** @type {number} */ whole) {
  return whole ? Math.round((part / whole) * 10_000) / 100 : null;
}
