// The key figures of a window, as several tabs show them; and why one may be missing.

import { card, costNote } from "../cards.js";
import * as format from "../format.js";

/** @import { Trend } from "../cards.js" */
/** @import { Amount, Context, Priced, Tokens, Usage, UsageDay } from "../types.js" */

/** Why there is no latency of a window with calls. */
export const UNTIMED = "No calls in this period report a duration";

export const NO_CALLS = "No calls in this period";

/** What is not kept by the hour: it is compared by complete days. */
const BY_DAY = ["savedCost", "p95", "activeUsers"];

/** Builders of the cards of a usage report. */
export function usageCards(/** @type {Context} */ context, /** @type {Usage} */ usage) {
  const { totals, daily, previous, latency } = usage;
  const compared = previous?.compared;
  const trend = (
    /** @type {keyof NonNullable<typeof previous>["changes"]} */ name,
    /** @type {Trend["rising"]} */ rising,
    points = false,
  ) => {
    if (!previous) return null;
    const complete = BY_DAY.includes(name) ? previous.completeDays : null;
    const of = complete ? { compared: complete.compared, of: "complete days" } : {};
    return { percent: previous.changes[name], rising, points, ...of };
  };
  const spark = (/** @type {(day: UsageDay) => Amount | null} */ pick) =>
    daily.length > 2 ? daily.map((day) => toNumber(pick(day))) : undefined;
  return {
    requests: () =>
      card({
        name: "requests",
        label: "Requests",
        value: totals.requests,
        write: format.short,
        trend: trend("requests", "neutral"),
        compared,
        spark: spark((day) => day.requests),
      }),
    cost: () =>
      card({
        name: "cost",
        label: "Cost",
        value: totals.cost,
        write: format.shortMoney,
        trend: trend("cost", "neutral"),
        compared,
        hint: costNote(totals, context.href),
        spark: spark((day) => day.cost),
      }),
    savedCost: () =>
      card({
        name: "savedCost",
        label: "Cache savings",
        value: totals.savedCost,
        write: format.shortMoney,
        trend: trend("savedCost", "good"),
        compared,
        hint: totals.requests ? "prompt caching and cached answers" : null,
        spark: spark((day) => day.savedCost),
      }),
    cachedAnswers: () =>
      card({
        name: "cached",
        label: "Cached answers",
        value: totals.cached,
        write: format.short,
        hint: totals.requests ? `${format.percent(totals.cacheHitRate)} of calls, which no provider answered` : null,
        spark: spark((day) => day.cached),
      }),
    successRate: () =>
      card({
        name: "successRate",
        label: "Success rate",
        value: totals.successRate,
        write: format.percent,
        missing: NO_CALLS,
        trend: trend("successRate", "good", true),
        compared,
        hint: totals.requests ? `${format.plural(totals.errors, "call")} failed` : null,
        spark: spark((day) => day.successRate),
      }),
    p95: () =>
      card({
        name: "p95",
        label: "p95 latency",
        value: latency.p95,
        write: format.duration,
        missing: totals.requests ? UNTIMED : NO_CALLS,
        trend: trend("p95", "bad"),
        compared,
        hint: latency.p50 === null ? null : `median ${format.duration(latency.p50)}`,
        spark: spark((day) => day.p95),
      }),
    activeUsers: () =>
      card({
        name: "activeUsers",
        label: "Active users",
        value: usage.activeUsers,
        write: format.short,
        trend: trend("activeUsers", "neutral"),
        compared,
        spark: spark((day) => day.activeUsers),
      }),
    tokens: () =>
      tokensCard(
        totals.tokens,
        spark((day) => day.tokens.total),
      ),
  };
}

const toNumber = (/** @type {Amount | null} */ value) => (value === null ? null : Number(value));

/**
 * All tokens, and their two kinds.
 * @param {Tokens} tokens
 * @param {(number | null)[]} [spark]
 */
export const tokensCard = (tokens, spark) =>
  card({
    name: "tokens",
    label: "Tokens",
    value: tokens.total,
    write: format.short,
    hint: `${format.short(tokens.input)} in, ${format.short(tokens.output)} out`,
    spark,
  });

/** What a call costs on average. */
export function costPerCall(/** @type {Priced} */ { requests, unpriced, cost }) {
  const priced = requests - unpriced;
  return card({
    name: "averageCost",
    label: "Cost per call",
    value: priced ? Number(cost) / priced : null,
    write: format.shortMoney,
    missing: "No priced calls in this period",
    hint: "priced calls only",
  });
}

/** What the trends of the cards compare, in words, once for all of them. */
export function comparedNote(/** @type {Usage} */ usage) {
  return usage.previous?.compared && usage.totals.requests
    ? `Trends: ${format.sentence(usage.previous.compared)}.`
    : null;
}
