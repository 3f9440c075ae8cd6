// Cost: what it costs, by day, month and provider, and where the month is heading.

import { card, cards, costNote } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { download, panel } from "../../panels.js";
import { changeColumns } from "../../parts/change.js";
import { dailyTable, dashedNote, lineOf } from "../../parts/days.js";
import { comparedNote, costPerCall, usageCards } from "../../parts/figures.js";
import { callsBehind } from "../../parts/links.js";
import { monthDays, monthsOf, periodColumns } from "../../parts/periods.js";
import { barsOf, COLUMNS, costOf, flat, ranking } from "../../parts/rankings.js";
import { costOfSeries, partsTable } from "../../parts/series.js";
import { narrowed } from "../../state.js";
import { table } from "../../table.js";

/** @import { Answers, Context, Requests, Tab, Totals } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "Cost",
  controls: { compare: true },
  requests,
  calls: ({ usage }) => usage?.totals.requests,
  sections: () => [
    { id: "figures", needs: ["usage", "overview", "forecast"], skeleton: "cards", render: figures, always: true },
    { id: "days", needs: ["usage"], skeleton: "chart", render: days },
    { id: "months", needs: ["analytics"], skeleton: "chart", render: months },
    { id: "providers", needs: ["usage"], skeleton: "table", render: providers },
  ],
};

/** @returns {Requests} */
function requests(/** @type {Context} */ context) {
  const { synthetic, clientId, provider, model, feature } = context.parameters();
  return {
    usage: ["/api/admin/ai/usage", { ...context.parameters(), compare: "previous", series: "provider" }],
    overview: ["/api/admin/ai/overview", { synthetic, clientId }],
    forecast: ["/api/admin/finance/forecast", { synthetic, clientId, provider, model, feature }],
    analytics: ["/api/analytics", { ...context.parameters(), type: "monthly" }],
  };
}

function figures(/** @type {Context} */ context, /** @type {Answers} */ { usage, overview, forecast }) {
  const of = usageCards(context, usage);
  const why = narrowed(context.state) ? "Month figures cover a whole client; not available with this filter" : null;
  const { month, trends } = overview;
  const { monthEnd, refused } = forecast.whole;
  return [
    cards([
      of.cost(),
      card({
        name: "month.cost",
        label: "Month to date",
        value: why ? null : month.cost,
        missing: why,
        write: format.shortMoney,
        trend: { percent: trends.month.cost, rising: "neutral" },
        compared: trends.month.compared,
        hint: why ? null : costNote(month, context.href),
      }),
      card({
        name: "monthEnd.cost",
        label: "Forecast of the month",
        value: monthEnd?.cost,
        missing: refused && format.sentence(refused.why),
        write: format.shortMoney,
        hint: monthEnd && `80 % band: ${format.shortMoney(monthEnd.low)} to ${format.shortMoney(monthEnd.high)}`,
      }),
      of.savedCost(),
      of.cachedAnswers(),
      costPerCall(usage.totals),
    ]),
    el("p.compared", {}, [comparedNote(usage), why ? null : ` Month: ${format.sentence(trends.month.compared)}.`]),
  ];
}

const MONEY = [COLUMNS.cost, COLUMNS.savedCost, COLUMNS.requests, COLUMNS.unpriced, COLUMNS.estimated];

function days(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
  const before = context.state.compare ? usage.previous?.daily : null;
  const rows = usage.series
    ? partsTable(context, usage.daily, usage.series, MONEY, "Cost by day and provider", usage.byProvider.length)
    : dailyTable(context, usage.daily, MONEY, "Cost by day");
  const props = {
    id: "cost",
    title: "Cost by day and provider",
    span: 7,
    tools: download(context, "daily"),
    table: rows,
    note: dashedNote(before),
  };
  const drawn =
    usage.series === null
      ? { chart: lineOf(context, { daily: usage.daily, before, pick: (day) => day.cost, name: "Cost", as: "money" }) }
      : costOfSeries(context, usage.series, {
          days: usage.daily.map(({ day }) => day),
          spec: "stack",
          by: "provider",
          members: usage.byProvider.length,
          before,
        });
  const saved = lineOf(context, {
    daily: usage.daily,
    before,
    pick: (day) => day.savedCost,
    name: "Saved",
    as: "money",
  });
  return el(
    "div.grid",
    {},
    panel(context, { ...props, ...drawn }),
    panel(context, {
      id: "saved",
      title: "Cache savings",
      span: 5,
      chart: saved,
      table: dailyTable(
        context,
        usage.daily,
        [COLUMNS.savedCost, COLUMNS.cached, COLUMNS.requests],
        "Cache savings by day",
      ),
    }),
  );
}

function months(/** @type {Context} */ context, /** @type {Answers} */ { analytics: { window, monthly } }) {
  const { month } = periodColumns(context, window.to);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "months",
      title: "Cost by month",
      note: "Twelve months to the end of the period. Lighter bars: partial month",
      chart: monthsOf(context, monthly, window.to, { pick: (row) => row.cost, name: "Cost", as: "money" }),
      table: table({
        caption: "Cost by month",
        columns: [month, ...MONEY],
        rows: flat([...monthly].reverse()),
        rowKey: (row) => row.month,
        href: (row) => callsBehind(context).days(...monthDays(row.month, window.to)),
      }),
    }),
  );
}

/**
 * The rows that cost most first.
 * @template {Totals} T
 * @param {T[]} rows
 */
const byCost = (rows) => [...rows].sort((a, b) => Number(b.cost) - Number(a.cost));

function providers(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "providers",
      title: "Cost by provider",
      span: 6,
      tools: download(context, "providers"),
      table: ranking(context, {
        id: "providers",
        caption: "Cost by provider",
        rows: byCost(usage.byProvider),
        columns: [
          { key: "provider", label: "Provider" },
          COLUMNS.cost,
          ...changeColumns(context),
          COLUMNS.savedCost,
          COLUMNS.unpriced,
        ],
        href: callsBehind(context).provider,
        noun: "provider",
      }),
    }),
    panel(context, {
      id: "features",
      title: "Cost by feature",
      span: 6,
      chart: barsOf({
        rows: byCost(usage.byFeature),
        name: (row) => row.feature,
        pick: (row) => row.cost,
        write: costOf,
        href: callsBehind(context).feature,
        label: "Cost by feature",
      }),
      table: ranking(context, {
        id: "features",
        caption: "Cost by feature",
        rows: byCost(usage.byFeature),
        columns: [
          { key: "feature", label: "Feature" },
          COLUMNS.cost,
          ...changeColumns(context),
          COLUMNS.savedCost,
          COLUMNS.unpriced,
        ],
        href: callsBehind(context).feature,
        noun: "feature",
      }),
    }),
  );
}
