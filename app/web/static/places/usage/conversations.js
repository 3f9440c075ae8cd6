// Conversations: twelve weeks, days, months, and the longest conversations.

import { card, cards, costNote } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { download, labelsOf, measures, panel } from "../../panels.js";
import { dailyTable, lineOf } from "../../parts/days.js";
import { NO_CALLS, tokensCard } from "../../parts/figures.js";
import { callsBehind } from "../../parts/links.js";
import { monthDays, monthsOf, periodColumns, weekDays, weeksOf } from "../../parts/periods.js";
import { COLUMNS, flat } from "../../parts/rankings.js";
import { narrowed } from "../../state.js";
import { SHOWN, table } from "../../table.js";

/** @import { Amount, Answers, Column, Context, Conversation, FigureColumn, Tab, Tokens } from "../../types.js" */

/** @typedef {{requests: number, cost: Amount, tokens: Tokens}} Figures */
/** @type {Record<keyof Figures, [label: string, pick: (row: Figures) => Amount, as: "count" | "money"]>} */
const MEASURES = {
  requests: ["Requests", (row) => row.requests, "count"],
  cost: ["Cost", (row) => row.cost, "money"],
  tokens: ["Tokens", (row) => row.tokens.total, "count"],
};

/** @type {Tab} */
export default {
  title: "Conversations",
  requests: (context) => ({ analytics: ["/api/analytics", { ...context.parameters(), type: "all" }] }),
  calls: ({ analytics }) => analytics?.summary.requests,
  sections: () => [
    { id: "figures", needs: ["analytics"], skeleton: "cards", render: figures, always: true },
    { id: "charts", needs: ["analytics"], skeleton: "charts", render: charts },
    { id: "conversations", needs: ["analytics"], skeleton: "table", render: conversations },
  ],
};

function figures(/** @type {Context} */ context, /** @type {Answers} */ { analytics: { summary } }) {
  return cards([
    card({ name: "requests", label: "Requests", value: summary.requests, write: format.short }),
    card({
      name: "cost",
      label: "Cost",
      value: summary.cost,
      write: format.shortMoney,
      hint: costNote(summary, context.href),
    }),
    tokensCard(summary.tokens),
    card({
      name: "successRate",
      label: "Success rate",
      value: summary.successRate,
      write: format.percent,
      missing: NO_CALLS,
    }),
    card({ name: "activeUsers", label: "Active users", value: summary.activeUsers, write: format.short }),
  ]);
}

/** @returns {FigureColumn} */
const change = (/** @type {string} */ key) => ({ key, label: "Change", as: "change" });

function charts(
  /** @type {Context} */ context,
  /** @type {Answers} */ { analytics: { window, weekly, monthly, daily } },
) {
  const { chosen, buttons } = measures(context, "weeks", labelsOf(MEASURES));
  const [name, pick, as] = MEASURES[chosen];
  const end = window.to;
  const { week, month } = periodColumns(context, end);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "weeks",
      title: "Twelve weeks",
      note: "To the end of the period. Lighter bars: partial week",
      span: 6,
      tools: buttons,
      chart: weeksOf(context, weekly, end, { pick, name, as }),
      table: table({
        caption: "Twelve weeks",
        columns: [week, COLUMNS.requests, change("requestsChange"), COLUMNS.cost, change("costChange"), COLUMNS.tokens],
        rows: flat([...weekly].reverse()),
        rowKey: (row) => row.week,
        href: (row) => callsBehind(context).days(...weekDays(row.first, end)),
      }),
    }),
    panel(context, {
      id: "months",
      title: "Twelve months",
      note: "To the end of the period. Lighter bars: partial month",
      span: 6,
      chart: monthsOf(context, monthly, end, { pick, name, as }),
      table: table({
        caption: "Twelve months",
        columns: [month, COLUMNS.requests, COLUMNS.cost, COLUMNS.tokens, COLUMNS.unpriced],
        rows: flat([...monthly].reverse()),
        rowKey: (row) => row.month,
        href: (row) => callsBehind(context).days(...monthDays(row.month, end)),
      }),
    }),
    panel(context, {
      id: "days",
      title: `${name} by day`,
      tools: download(context, "daily"),
      chart: lineOf(context, { daily, pick, name, as }),
      table: dailyTable(context, daily, [COLUMNS.requests, COLUMNS.cost, COLUMNS.tokens, COLUMNS.successRate], "Days"),
    }),
  );
}

function conversations(/** @type {Context} */ context, /** @type {Answers} */ { analytics: { byConversation } }) {
  const why = narrowed(context.state)
    ? "Conversations are tracked as a whole: not available with a provider, model or feature filter."
    : null;
  const rows = flat(byConversation ?? []);
  const none = "No calls in this period have a conversation. Report conversationId to see them here.";
  /** @type {Column<Conversation>[]} */
  const columns = [
    { key: "conversationId", label: "Conversation" },
    { key: "clientId", label: "Client" },
    { ...COLUMNS.tokens, share: true },
    { ...COLUMNS.requests, share: false },
    COLUMNS.cost,
    { key: "lastActive", label: "Last active", content: (row) => format.day(row.lastActive) },
  ];
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "conversations",
      title: "Top conversations by tokens",
      note: rows.length > SHOWN ? `Top ${rows.length}; the CSV has all` : null,
      empty: why ?? (rows.length ? null : none),
      tools: why ? null : download(context, "conversations"),
      table: table({
        caption: "Conversations by tokens",
        columns,
        rows,
        rowKey: (row) => `${row.clientId} ${row.conversationId}`,
        href: callsBehind(context).conversation,
      }),
    }),
  );
}
