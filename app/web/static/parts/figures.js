// @ts-check
// The key figures of a window, as several tabs show them; and why one may be missing.

import { card, costNote } from "../cards.js";
import * as format from "../format.js";
import { narrowed } from "../state.js";

const ABSENT = "this server does not tell it";

/** Why a figure of a window is not there. */
export function whyMissing(/** @type {any} */ context, /** @type {string} */ kept) {
  return narrowed(context.state) ? `${kept}; not known under this filter` : ABSENT;
}

export const USERS_KEPT = "Users are kept for a whole client";
export const LATENCY_KEPT = "Latency is kept by provider and service type";

/** What is not kept by the hour: of today alone it cannot be compared. */
const NOT_BY_HOUR = ["savedCost", "p95", "activeUsers"];

/** Builders of the cards of a usage report. */
export function usageCards(/** @type {any} */ context, /** @type {any} */ usage) {
  const { totals, daily, previous, latency = {} } = usage;
  const compared = previous?.compared;
  const changes = previous?.changes ?? {};
  const unknown = (name) => previous.hours !== null && NOT_BY_HOUR.includes(name);
  const trend = (name, rising, more = {}) =>
    previous ? { percent: changes[name], rising, unknown: unknown(name), ...more } : null;
  const spark = (pick) => (daily.length > 1 ? daily.map((day) => toNumber(pick(day))) : undefined);
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
        label: "Saved by cache",
        value: totals.savedCost,
        write: format.shortMoney,
        trend: trend("savedCost", "good"),
        compared,
        hint: totals.requests ? `${format.percent(totals.cacheHitRate)} of calls cached` : null,
        spark: spark((day) => day.savedCost),
      }),
    successRate: () =>
      card({
        name: "successRate",
        label: "Success rate",
        value: totals.successRate,
        write: format.percent,
        missing: NO_CALLS,
        trend: trend("successRate", "good", { points: true }),
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
        missing: totals.requests ? whyMissing(context, LATENCY_KEPT) : NO_CALLS,
        trend: trend("p95", "bad"),
        compared,
        hint: toNumber(latency.p50) === null ? null : `median ${format.duration(latency.p50)}`,
        spark: spark((day) => day.p95),
      }),
    activeUsers: () =>
      card({
        name: "activeUsers",
        label: "Active users",
        value: usage.activeUsers,
        write: format.short,
        missing: whyMissing(context, USERS_KEPT),
        trend: trend("activeUsers", "neutral"),
        compared,
        spark: spark((day) => day.activeUsers),
      }),
    tokens: () =>
      card({
        name: "tokens",
        label: "Tokens",
        value: totals.tokens.total,
        write: format.short,
        hint: `${format.short(totals.tokens.input)} in, ${format.short(totals.tokens.output)} out`,
        spark: spark((day) => day.tokens.total),
      }),
  };
}

const NO_CALLS = "No calls in this period";
const toNumber = (value) => (value === null || value === undefined ? null : Number(value));

/** What the trends of the cards compare, in words, once for all of them. */
export function comparedNote(/** @type {any} */ usage) {
  return usage.previous?.compared && usage.totals.requests
    ? `Trends: ${format.sentence(usage.previous.compared)}.`
    : null;
}
