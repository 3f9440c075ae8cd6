// @ts-check
// Calls of the ledger as rows.

import { el } from "../dom.js";
import * as format from "../format.js";
import { table } from "../table.js";
import { callsBehind } from "./links.js";

/** How a call ended. */
export const outcome = (/** @type {any} */ { status, cached }) =>
  el(`span.tag.${status}`, {}, cached ? "Cached" : format.words(status));

/** A cost, or that there is none. */
export const costOf = (/** @type {any} */ { cost, costSource }) => {
  if (cost === null) return el("span.tag", {}, "unpriced");
  return costSource === "estimated" ? [format.money(cost), " ", el("span.tag", {}, "est.")] : format.money(cost);
};

/** The same in a column that lines up. */
export const costCell = (/** @type {any} */ row, /** @type {(row: any) => any} */ write) => {
  if (row.cost === null) return el("span.tag", {}, "unpriced");
  return row.costSource === "estimated" ? [el("span.tag", {}, "est."), " ", write(row)] : write(row);
};

/** A table of calls; each row opens the call. */
export function callTable(/** @type {any} */ context, /** @type {any[]} */ calls, /** @type {string} */ caption) {
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
    { key: "status", label: "Outcome", content: outcome },
    { key: "tokensUsed", label: "Tokens", as: "count" },
    { key: "requestDuration", label: "Duration", as: "duration" },
    { key: "cost", label: "Cost", as: "money", content: costCell },
  ];
  return table({ caption, columns, rows: calls, rowKey: (row) => row.id, href: callsBehind(context).call });
}
