// Overview: today, this month, and what happened last.

import { card, cards, costNote } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { COST, callColumns, outcome } from "../parts/call-rows.js";
import { health } from "../parts/health.js";
import { callsBehind } from "../parts/links.js";
import { table } from "../table.js";

/** @import { Activity, Answers, Column, Context, Tab } from "../types.js" */

/** @type {Tab} */
export default {
  title: "Overview",
  controls: { period: false, parts: false },
  about: (context) => `Today and this month, in ${context.who.timezone}`,
  requests: (context) => {
    const { synthetic, clientId } = context.parameters();
    return {
      stats: ["/api/admin/stats", { synthetic, clientId }],
      overview: ["/api/admin/ai/overview", { synthetic, clientId }],
    };
  },
  sections: () => [
    { id: "figures", needs: ["stats", "overview"], skeleton: "cards", render: figures },
    { id: "activity", needs: ["stats"], skeleton: "table", render: activity },
    { id: "health", needs: ["overview"], skeleton: "chart", render: health },
  ],
};

function figures(/** @type {Context} */ context, /** @type {Answers} */ { stats, overview: { today, month } }) {
  const soFar = "so far";
  return cards([
    card({
      name: "aiRequestsToday",
      label: "AI requests today",
      value: stats.aiRequestsToday,
      write: format.short,
      hint: soFar,
    }),
    card({
      name: "aiRequestsThisMonth",
      label: "AI requests this month",
      value: stats.aiRequestsThisMonth,
      write: format.short,
      hint: soFar,
    }),
    card({
      name: "aiCostToday",
      label: "AI cost today",
      value: stats.aiCostToday,
      write: format.shortMoney,
      hint: costNote(today, context.href),
    }),
    card({
      name: "aiCostThisMonth",
      label: "AI cost this month",
      value: stats.aiCostThisMonth,
      write: format.shortMoney,
      hint: costNote(month, context.href),
    }),
    card({
      name: "uniqueUsersToday",
      label: "Users today",
      value: stats.uniqueUsersToday,
      write: format.short,
      hint: soFar,
    }),
  ]);
}

function activity(/** @type {Context} */ context, /** @type {Answers} */ { stats }) {
  /** @type {Column<Activity>[]} */
  const columns = [
    ...callColumns(context),
    {
      key: "success",
      label: "Status",
      content: ({ success, cached }) =>
        outcome({ status: success === null ? null : success ? "success" : "error", cached }),
    },
    COST,
  ];
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "activity",
      title: "Recent activity",
      empty: stats.recentActivity.length
        ? null
        : "No calls yet. Calls appear here as soon as your applications report them.",
      tools: el("a.button.small.quiet", { href: callsBehind(context).all(), "data-link": "" }, "All calls"),
      table: table({
        caption: "Recent activity",
        columns,
        rows: stats.recentActivity,
        rowKey: (row) => row.id,
        href: callsBehind(context).call,
      }),
    }),
  );
}
