// Reliability: how often calls fail, how, and at whom.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { minus } from "../../money.js";
import { download, panel } from "../../panels.js";
import { outcome } from "../../parts/call-rows.js";
import { dailyTable, lineOf } from "../../parts/days.js";
import { comparedNote, usageCards } from "../../parts/figures.js";
import { PERCENTILES, withLatency } from "../../parts/latency.js";
import { callsBehind } from "../../parts/links.js";
import { COLUMNS, ranking } from "../../parts/rankings.js";
import { outcomesOf } from "../../parts/series.js";

/** @import { Answers, Context, Tab } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "Reliability",
  requests: (context) => ({
    providers: ["/api/admin/ai/providers", context.parameters()],
    usage: ["/api/admin/ai/usage", { ...context.parameters(), compare: "previous" }],
    latency: ["/api/admin/ai/latency", context.parameters()],
  }),
  calls: ({ usage }) => usage?.totals.requests,
  sections: () => [
    { id: "figures", needs: ["usage"], skeleton: "cards", render: figures, always: true },
    { id: "providers", needs: ["providers"], skeleton: "chart", render: providers },
    { id: "outcomes", needs: ["usage", "latency"], skeleton: "chart", render: outcomes },
    { id: "services", needs: ["providers"], skeleton: "table", render: services },
  ],
};

function figures(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
  const of = usageCards(context, usage);
  const errors = card({
    name: "errors",
    label: "Failed calls",
    value: usage.totals.errors,
    write: format.short,
    hint: `${format.percent(100 - Number(usage.totals.successRate ?? 100))} of all`,
  });
  return [
    cards([
      of.requests(),
      of.successRate(),
      errors,
      of.p95(),
      card({ name: "providers", label: "Providers", value: usage.byProvider.length, write: format.count }),
    ]),
    el("p.compared", {}, comparedNote(usage)),
  ];
}

function providers(/** @type {Context} */ context, /** @type {Answers} */ { providers: report }) {
  const rows = report.providers.map(withLatency);
  const list = ranking(context, {
    id: "providers",
    caption: "Providers",
    rows,
    columns: [
      { key: "provider", label: "Provider" },
      COLUMNS.requests,
      COLUMNS.successRate,
      COLUMNS.errors,
      COLUMNS.averageDuration,
      ...PERCENTILES,
      COLUMNS.cost,
      COLUMNS.unpriced,
    ],
    href: callsBehind(context).provider,
    noun: "provider",
  });
  return el(
    "div.grid",
    {},
    panel(context, { id: "providers", title: "Providers", tools: download(context, "providers"), table: list }),
  );
}

function outcomes(/** @type {Context} */ context, /** @type {Answers} */ { usage, latency: { errors } }) {
  const failures = errors.map((row) => ({ ...row, requests: row.count }));
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "outcomes",
      title: "Requests by status",
      span: 7,
      ...outcomesOf(context, usage.daily),
      table: dailyTable(
        context,
        usage.daily,
        [COLUMNS.requests, COLUMNS.successRate, COLUMNS.errors, COLUMNS.averageDuration],
        "Requests by status and day",
      ),
    }),
    panel(context, {
      id: "errors",
      title: "Errors by type",
      span: 5,
      empty: failures.length ? null : "No calls in this period failed.",
      table: ranking(context, {
        id: "errors",
        caption: "Errors by type and provider",
        columns: [
          { key: "kind", label: "Type", content: outcome },
          { key: "provider", label: "Provider" },
          { key: "requests", label: "Calls", as: "count", share: true },
        ],
        rows: failures,
        noun: "type",
        rowKey: (row) => `${row.status} ${row.provider}`,
        href: callsBehind(context).status,
      }),
    }),
    panel(context, {
      id: "error-rate",
      title: "Error rate",
      span: 12,
      chart: lineOf(context, {
        daily: usage.daily,
        pick: ({ successRate }) => (successRate === null ? null : minus(100, successRate)),
        name: "Error rate",
        as: "percent",
      }),
      table: dailyTable(context, usage.daily, [COLUMNS.errors, COLUMNS.requests, COLUMNS.successRate], "Errors by day"),
    }),
  );
}

function services(/** @type {Context} */ context, /** @type {Answers} */ { providers: report }) {
  const rows = report.providers.flatMap((row) =>
    row.services.map((service) =>
      withLatency({ ...service, provider: row.provider, name: `${row.provider} · ${service.serviceType}` }),
    ),
  );
  rows.sort((a, b) => b.requests - a.requests);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "services",
      title: "Service types",
      table: ranking(context, {
        id: "services",
        caption: "Service types by provider",
        rows,
        columns: [
          { key: "name", label: "Provider and service" },
          COLUMNS.requests,
          COLUMNS.successRate,
          COLUMNS.averageDuration,
          ...PERCENTILES,
          COLUMNS.cost,
        ],
        href: callsBehind(context).service,
        noun: "service",
      }),
    }),
  );
}
