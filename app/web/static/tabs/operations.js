// Operations: how each provider performs.

import { card, cards } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { colour } from "../palette.js";
import { download, legend, panel } from "../panels.js";
import { dailyTable, outcomesOf } from "../parts/days.js";
import { comparedNote, usageCards, whyUntimed } from "../parts/figures.js";
import { callsBehind } from "../parts/links.js";
import { COLUMNS, ranking } from "../parts/rankings.js";

/** @import { Answers, Chart, Context, FigureColumn, Percentiles, Tab } from "../types.js" */

/** @type {FigureColumn[]} */
const PERCENTILES = ["p50", "p95", "p99"].map((key) => ({ key, label: key, as: "duration" }));
const ROW_HEIGHT = 38;

/** @type {Tab} */
export default {
  title: "Operations",
  requests: (context) => ({
    providers: ["/api/admin/ai/providers", context.parameters()],
    usage: ["/api/admin/ai/usage", { ...context.parameters(), compare: "previous" }],
  }),
  calls: ({ usage }) => usage?.totals.requests,
  sections: () => [
    { id: "figures", needs: ["usage"], skeleton: "cards", render: figures, always: true },
    { id: "providers", needs: ["providers"], skeleton: "chart", render: providers },
    { id: "outcomes", needs: ["usage"], skeleton: "chart", render: outcomes },
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

/**
 * @template {{latency: Percentiles}} T
 * @param {T} row
 */
const withLatency = (row) => ({ ...row, ...row.latency });

function providers(/** @type {Context} */ context, /** @type {Answers} */ { providers: report }) {
  const rows = report.providers.map(withLatency);
  const timed = rows.filter((row) => row.p50 !== null);
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
    panel(context, {
      id: "latency",
      title: "Latency by provider",
      span: 12,
      note: "Request duration from p50 (median) to p99, each within 1%",
      empty: timed.length ? null : `${whyUntimed(context)}.`,
      chart: rangesOf(timed.slice(0, 12)),
      legend: legend([
        ["p50", colour("success")],
        ["p95", colour("accent")],
        ["p99", colour("error")],
      ]),
      table: ranking(context, {
        id: "latency",
        caption: "Latency by provider",
        rows: timed,
        columns: [{ key: "provider", label: "Provider" }, ...PERCENTILES, COLUMNS.requests],
        href: callsBehind(context).provider,
        noun: "provider",
      }),
    }),
  );
}

/** @returns {Chart} */
function rangesOf(/** @type {(Percentiles & {provider: string})[]} */ rows) {
  const [shortest, longest] = [
    Math.min(...rows.map((row) => row.p50 ?? 1)),
    Math.max(...rows.map((row) => row.p99 ?? 1)),
  ];
  return {
    spec: "ranges",
    rows: rows.map(({ provider, p50, p95, p99 }) => ({
      name: provider.length > 24 ? `${provider.slice(0, 24)}…` : provider,
      p50: Math.max(1, p50 ?? 1),
      p95: Math.max(1, p95 ?? 1),
      p99: Math.max(1, p99 ?? 1),
    })),
    height: Math.max(2, rows.length) * ROW_HEIGHT + 46,
    label: "Latency by provider",
    values: { ticks: format.logTicks(shortest / 3, longest * 3) },
    lines: (/** @type {Percentiles & {name: string}} */ { name, p50, p95, p99 }) => ({
      title: name,
      pairs: [
        ["p50", format.duration(p50)],
        ["p95", format.duration(p95)],
        ["p99", format.duration(p99)],
      ],
    }),
  };
}

function outcomes(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "outcomes",
      title: "Requests by status",
      ...outcomesOf(context, usage.daily),
      table: dailyTable(
        context,
        usage.daily,
        [COLUMNS.requests, COLUMNS.successRate, COLUMNS.errors, COLUMNS.averageDuration],
        "Requests by status and day",
      ),
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
