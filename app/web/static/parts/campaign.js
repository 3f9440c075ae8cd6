// One campaign: what its calls cost by day, model, feature, client and user, and its budget.

import { card, cards } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { table } from "../table.js";
import { lineOf } from "./days.js";

/** @import { Answers, CampaignTotals, Column, Context, FigureColumn } from "../types.js" */

const ROUTE = "/api/admin/campaigns";
/** @type {FigureColumn[]} */
const FIGURES = [
  { key: "cost", label: "Cost", as: "money" },
  { key: "requests", label: "Calls", as: "count", share: true },
  { key: "tokensUsed", label: "Tokens", as: "count" },
];

export function bill(/** @type {Context} */ context, /** @type {Answers} */ { campaign: report }) {
  const { totals, budget, campaign, advice, costPerDay, fullDays, window } = report;
  const { clientId, synthetic } = context.parameters();
  const csv = context.address(`${ROUTE}/${encodeURIComponent(report.campaignId)}/report.csv`, { clientId, synthetic });
  return [
    advice ? el("p.banner", { role: "note" }, `${format.words(advice)}.`) : null,
    cards([
      card({
        name: "cost",
        label: "Cost",
        value: totals.cost,
        write: format.shortMoney,
        hint: totals.unpriced ? `${format.plural(totals.unpriced, "call")} without a price not in it` : null,
      }),
      card({ name: "requests", label: "Calls", value: totals.requests, write: format.short }),
      card({
        name: "costPerDay",
        label: "Cost per day",
        value: costPerDay,
        write: format.shortMoney,
        missing: "No day of it is over yet",
        hint: costPerDay === null ? null : `of ${format.plural(fullDays, "full day")}`,
      }),
      card({
        name: "budget.percent",
        label: "Budget used",
        value: budget?.percent,
        write: format.percent,
        missing: campaign ? "It has no budget" : "Nobody has defined it",
        hint: budget && [
          `${format.money(budget.used)} of ${format.money(budget.amount)}`,
          context.state.data === "real" ? null : "; demo data uses no budget",
        ],
      }),
    ]),
    el(
      "p.compared",
      {},
      `${campaign?.name ?? report.campaignId}, ${format.span(window.from, window.to)}. `,
      budget ? `${format.words(format.sentence(budget.reached.words))}. ` : null,
      campaign?.note ? `${campaign.note} ` : null,
      el("a", { href: csv, download: "" }, "All rows as CSV"),
    ),
  ];
}

export function days(/** @type {Context} */ context, /** @type {Answers} */ { campaign: { daily } }) {
  if (!daily.length) return null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "days",
      title: "Cost by day",
      chart: {
        ...lineOf(context, { daily, pick: (day) => day.cost, name: "Cost", as: "money" }),
        onPick: undefined, // no list of calls is narrowed to a campaign
        onSpan: undefined,
      },
      table: table({
        caption: "Cost by day",
        columns: [
          { key: "day", label: `Day (${context.who.timezone})`, content: (row) => format.day(row.day) },
          ...FIGURES,
        ],
        rows: [...daily].reverse(),
        rowKey: (row) => row.day,
      }),
    }),
  );
}

export function parts(/** @type {Context} */ context, /** @type {Answers} */ { campaign: report }) {
  return el(
    "div.grid",
    {},
    part(context, "models", "Model", report.byModel, { key: "model", label: "Model" }, ["provider", "model"]),
    part(context, "features", "Feature", report.byFeature, { key: "feature", label: "Feature" }, ["feature"]),
    part(context, "clients", "Client", report.byClient, { key: "clientId", label: "Client" }, ["clientId"]),
    part(context, "users", "User", report.topUsers, { key: "userId", label: "User" }, ["userId"]),
  );
}

/**
 * @template {Partial<CampaignTotals> & {[name: string]: unknown}} T
 * @param {Context} context
 * @param {string} id
 * @param {string} name
 * @param {T[]} rows
 * @param {Column<T>} first
 * @param {(keyof T & string)[]} key
 */
function part(context, id, name, rows, first, key) {
  const title = id === "users" ? "Users who cost most" : `Cost by ${name.toLowerCase()}`;
  return panel(context, {
    id,
    title,
    span: 6,
    empty: rows.length ? null : "No calls in this period.",
    table: table({
      caption: title,
      columns: [first, ...FIGURES],
      rows,
      rowKey: (row) => key.map((each) => String(row[each])).join(" "),
    }),
  });
}
