// Budgets: what is used of each, and when it will be used up.

import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { table } from "../table.js";

/** @import { Answers, BudgetRow, Context, Reached } from "../types.js" */

/** When an amount is reached, in words. */
export function reachedWords(/** @type {Reached} */ { prospect, on, earliest, latest, until, refused }) {
  if (prospect === "used-up") return "Used up";
  if (refused) return format.sentence(refused.why);
  if (prospect === "expected") {
    const band = earliest ? ` (${format.day(earliest)} to ${latest ? format.day(latest) : "later"})` : "";
    return `${format.day(on)}${band}`;
  }
  const end = until ? ` until ${format.day(until)}` : "";
  return prospect === "possible" ? `Possible from ${format.day(earliest)} on` : `Not expected${end}`;
}

/** Whose calls a budget counts. */
export function scopeWords(/** @type {BudgetRow["scope"]} */ { clientId, feature, campaignId, userId, keyId }) {
  const named = [
    campaignId && `campaign ${campaignId}`,
    feature && `feature ${feature}`,
    keyId && `key ${keyId}`,
    userId && `user ${userId}`,
    clientId && `client ${clientId}`,
  ].filter(Boolean);
  return named.length ? named.join(", ") : "everyone";
}

export function budgetPanel(/** @type {Context} */ context, /** @type {Answers} */ { budgets: report }) {
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "budgets",
      title: "Budgets",
      note: "Limits in USD: when the forecast reaches them, and by the edges of its band",
      empty: report.budgets.length ? null : "There are no limits in USD. POST /api/admin/limits makes one.",
      table: table({
        caption: "Budgets",
        columns: [
          { key: "scope", label: "Of", content: (row) => row.name ?? scopeWords(row.scope) },
          { key: "window", label: "In a", content: (row) => format.words(row.window) },
          { key: "amount", label: "Amount", as: "money" },
          { key: "used", label: "Used", as: "money" },
          { key: "reached", label: "Used up", content: (row) => el("span.sentence", {}, reachedWords(row.reached)) },
        ],
        rows: report.budgets,
        rowKey: (row) => row.limitId,
      }),
    }),
  );
}
