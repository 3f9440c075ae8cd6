// Calls of the ledger as rows.

import { el } from "../dom.js";
import * as format from "../format.js";
import { table } from "../table.js";
import { callsBehind } from "./links.js";

/** @import { Call, Column, Context } from "../types.js" */

/** How a call ended. */
export const outcome = (/** @type {{status: string, cached?: boolean}} */ { status, cached }) =>
  el(`span.tag.${status}`, {}, cached ? "Cached" : format.words(status));

/** A cost, or that there is none. */
export const costOf = (/** @type {Call} */ { cost, costSource }) => {
  if (cost === null) return el("span.tag", {}, "unpriced");
  return costSource === "estimated" ? [format.money(cost), " ", el("span.tag", {}, "est.")] : format.money(cost);
};

/**
 * What a call cost, in a column that lines up.
 * @type {Column<Pick<Call, "cost"> & {costSource?: string}>}
 */
export const COST = {
  key: "cost",
  label: "Cost",
  as: "money",
  content: ({ cost, costSource }, shown) => {
    if (cost === null) return el("span.tag", {}, "unpriced");
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
    { key: "userId", label: "User", content: (row) => el("span.name", { title: row.userId }, row.userId) },
    { key: "feature", label: "Feature", content: (row) => el("span.name", { title: row.feature }, row.feature) },
    {
      key: "model",
      label: "Model",
      content: (row) => el("span.name", { title: `${row.provider} · ${row.model}` }, row.model),
    },
  ];
  return columns;
}

/** A table of calls; each row opens the call. */
export function callTable(/** @type {Context} */ context, /** @type {Call[]} */ calls, /** @type {string} */ caption) {
  /** @type {Column<Call>[]} */
  const columns = [
    ...callColumns(context),
    { key: "status", label: "Status", content: outcome },
    { key: "tokensUsed", label: "Tokens", as: "count" },
    { key: "requestDuration", label: "Duration", as: "duration" },
    COST,
  ];
  return table({ caption, columns, rows: calls, rowKey: (row) => row.id, href: callsBehind(context).call });
}
