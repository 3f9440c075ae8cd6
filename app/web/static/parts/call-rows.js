// Calls of the ledger as rows.

import { el } from "../dom.js";
import * as format from "../format.js";
import { orderBy, table } from "../table.js";
import { callsBehind } from "./links.js";

/** @import { Call, Column, Context } from "../types.js" */

/** How a call ended. */
export const outcome = (/** @type {{status: string | null, cached?: boolean | null}} */ { status, cached }) =>
  status ? el(`span.tag.${status}`, {}, cached ? "Cached" : format.words(status)) : DAMAGED();

/** Columns by which the server can put calls in order. */
const ORDERED = new Set(["createdAt", "requestDuration", "cost"]);

/** In place of what cannot be read. */
const DAMAGED = () => el("span.tag", {}, "damaged");

const noCost = (/** @type {Call["damaged"]} */ damaged) =>
  damaged?.some(({ field }) => field === "cost") ? DAMAGED() : el("span.tag", {}, "unpriced");

/** A text, or that it cannot be read. */
const name = (/** @type {string | null} */ text, /** @type {string} */ title = text ?? "") =>
  text === null ? DAMAGED() : el("span.name", { title }, text);

/** A cost, or that there is none. */
export const costOf = (/** @type {Call} */ { cost, costSource, damaged }) => {
  if (cost === null) return noCost(damaged);
  return costSource === "estimated" ? [format.money(cost), " ", el("span.tag", {}, "est.")] : format.money(cost);
};

/**
 * What a call cost, in a column that lines up.
 * @type {Column<Pick<Call, "cost" | "damaged"> & {costSource?: string | null}>}
 */
export const COST = {
  key: "cost",
  label: "Cost",
  as: "money",
  content: ({ cost, costSource, damaged }, shown) => {
    if (cost === null) return noCost(damaged);
    return costSource === "estimated" ? [el("span.tag", {}, "est."), " ", shown] : shown;
  },
};

/** The columns that say which call a row is. */
export function callColumns(/** @type {Context} */ context) {
  /** @type {Column<Pick<Call, "createdAt" | "userId" | "feature" | "provider" | "model">>[]} */
  const columns = [
    {
      key: "createdAt",
      label: `When (${context.who.timezone})`,
      content: (row) => format.instant(row.createdAt, context.who.timezone),
    },
    { key: "userId", label: "User", content: (row) => name(row.userId) },
    { key: "feature", label: "Feature", content: (row) => name(row.feature) },
    {
      key: "model",
      label: "Model",
      content: (row) => name(row.model, `${row.provider} · ${row.model}`),
    },
  ];
  return columns;
}

/**
 * A table of calls; each row opens the call.
 * @param {Context} context
 * @param {Call[]} calls
 * @param {string} caption
 * @param {{ordered?: boolean}} [options] whether its columns put it in order
 */
export function callTable(context, calls, caption, { ordered = false } = {}) {
  /** @type {Column<Call>[]} */
  const columns = [
    ...callColumns(context),
    { key: "status", label: "Status", content: outcome },
    { key: "tokensUsed", label: "Tokens", as: "count" },
    { key: "requestDuration", label: "Duration", as: "duration" },
    { ...COST },
  ];
  if (ordered) {
    for (const column of columns) {
      if (ORDERED.has(column.key)) column.order = orderBy(context, column.key, "-createdAt");
    }
  }
  return table({ caption, columns, rows: calls, rowKey: (row) => row.id, href: callsBehind(context).call });
}
