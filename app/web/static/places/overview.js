// Overview: what it costs, where that is going, why, who, and what is broken.

import { el } from "../dom.js";
import * as format from "../format.js";
import { sum } from "../money.js";
import { panel } from "../panels.js";
import { callTable } from "../parts/call-rows.js";
import { changeColumn } from "../parts/change.js";
import { health } from "../parts/health.js";
import { callsBehind, placesOf } from "../parts/links.js";
import { costOfSeries, partsTable } from "../parts/series.js";
import { dailyBudget, month } from "../parts/summary-month.js";
import { attention, changed } from "../parts/summary-why.js";
import { table } from "../table.js";

/** @import { Amount, Answers, Column, Context, DayTotals, Earlier, Failure, Row, Summary, Tab } from "../types.js" */

const COST = /** @type {const} */ ({ key: "cost", label: "Cost", as: "money" });

/** @type {Tab} */
export default {
  title: "Overview",
  controls: { period: false, parts: false },
  about: (context) => `This month and the last 30 days, in ${context.who.timezone}`,
  requests: (context) => {
    const { synthetic, clientId } = context.parameters();
    return {
      summary: ["/api/admin/ai/summary", { synthetic, clientId }],
      overview: ["/api/admin/ai/overview", { synthetic, clientId }],
      calls: ["/api/admin/ai/calls", { synthetic, clientId, days: 1, sort: "-cost", limit: 5 }],
    };
  },
  sections: () => [
    { id: "month", needs: ["summary"], skeleton: "charts", render: top },
    { id: "days", needs: ["summary"], skeleton: "chart", render: days },
    { id: "dearest", needs: ["summary"], skeleton: "table", render: dearest },
    { id: "failures", needs: ["summary"], skeleton: "table", render: failures },
    { id: "calls", needs: ["calls"], skeleton: "table", render: dearestCalls },
    { id: "health", needs: ["overview"], skeleton: "chart", render: health },
  ],
};

const top = (/** @type {Context} */ context, /** @type {Answers} */ answers) =>
  el("div.grid", {}, month(context, answers), attention(context, answers));

function days(/** @type {Context} */ context, /** @type {Answers} */ answers) {
  const { series, window, budgets } = answers.summary;
  const daily = totalsOf(answers.summary);
  const drawn = costOfSeries(context, series, {
    days: daily.map(({ day }) => day),
    spec: "stack",
    by: "model",
    levels: dailyBudget(budgets, context.today()),
  });
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "cost",
      title: "Cost by day and model",
      span: 8,
      note: `${format.money(answers.summary.cost)}, ${format.span(window.from, window.to)}`,
      empty: series.length ? null : "No calls in the last 30 days.",
      ...drawn,
      table: partsTable(context, daily, series, [COST], "Cost by day and model"),
    }),
    changed(context, answers),
  );
}

/** The sums of each day. @returns {DayTotals[]} */
function totalsOf(/** @type {Summary} */ { series }) {
  const names = [...new Set(series.map(({ day }) => day))];
  const rows = names.map((day) => ({
    day,
    cost: sum(series.filter((row) => row.day === day).map(({ cost }) => cost)),
  }));
  return /** @type {DayTotals[]} */ (rows);
}

function dearest(/** @type {Context} */ context, /** @type {Answers} */ { summary }) {
  const calls = callsBehind(context);
  /**
   * @template {Row & {cost: Amount, earlier: Earlier | null}} T
   * @param {string} id
   * @param {string} title
   * @param {string} key
   * @param {T[]} rows
   * @param {(row: T) => string} href
   * @param {string} tab
   */
  const of = (id, title, key, rows, href, tab) =>
    panel(context, {
      id,
      title,
      span: 4,
      tools: el("a.button.small.quiet", { href: context.href({ tab }), "data-link": "" }, "All"),
      empty: rows.length ? null : "No calls in the last 30 days.",
      table: table({
        caption: title,
        columns: [
          { key, label: title.replace(/^Top |s$/g, "").replace(/^./, (letter) => letter.toUpperCase()) },
          COST,
          changeColumn(),
        ],
        rows,
        rowKey: (row) => [row.provider, row[key]].filter(Boolean).join(" "),
        href,
      }),
    });
  return [
    el(
      "div.grid",
      {},
      of("features", "Top features", "feature", summary.features, calls.feature, "usage/features"),
      of("models", "Top models", "model", summary.models, calls.model, "usage/models"),
      of("users", "Top users", "userId", summary.users, placesOf(context).user, "usage/users"),
    ),
    el("p.compared", {}, `By cost; changes: ${format.sentence(summary.compared)}.`),
  ];
}

function failures(/** @type {Context} */ context, /** @type {Answers} */ { summary }) {
  const zone = context.who.timezone;
  /** @type {Column<Failure>[]} */
  const columns = [
    { key: "createdAt", label: "When", content: ({ createdAt }) => format.clock(createdAt, zone) },
    { key: "status", label: "Status", content: ({ status }) => format.words(status) },
    { key: "model", label: "Model" },
    { key: "feature", label: "Feature" },
    { key: "userId", label: "User" },
  ];
  const { errors, requests } = summary.today.totals;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "failures",
      title: "Failures today",
      note: requests ? `${format.count(errors)} of ${format.plural(requests, "request")}` : null,
      tools: el("a.button.small.quiet", { href: context.href({ tab: "reliability" }), "data-link": "" }, "Reliability"),
      empty: summary.failures.length ? null : "No call has failed today.",
      table: table({
        caption: "Failures today",
        columns,
        rows: summary.failures,
        rowKey: (row) => row.id,
        href: callsBehind(context).call,
      }),
    }),
  );
}

function dearestCalls(/** @type {Context} */ context, /** @type {Answers} */ { calls: { calls } }) {
  const href = context.href({ tab: "calls", days: 1, sort: "-cost" });
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "dearest-calls",
      title: "Dearest calls today",
      tools: el("a.button.small.quiet", { href, "data-link": "" }, "All"),
      empty: calls.length ? null : "No calls yet today.",
      table: callTable(context, calls, "Dearest calls today"),
    }),
  );
}
