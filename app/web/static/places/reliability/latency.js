// Latency: how long calls take, all together and at each provider.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { legend, panel } from "../../panels.js";
import { whyUntimed } from "../../parts/figures.js";
import { PERCENTILES, withLatency } from "../../parts/latency.js";
import { callsBehind } from "../../parts/links.js";
import { COLUMNS, ranking } from "../../parts/rankings.js";
import { table } from "../../table.js";

/** @import { Answers, Chart, Context, Percentiles, Tab } from "../../types.js" */

const ROW_HEIGHT = 38;

/** @type {Tab} */
export default {
  title: "Latency",
  requests: (context) => ({
    latency: ["/api/admin/ai/latency", context.parameters()],
    providers: ["/api/admin/ai/providers", context.parameters()],
  }),
  sections: () => [
    { id: "figures", needs: ["latency"], skeleton: "cards", render: figures },
    { id: "distribution", needs: ["latency"], skeleton: "chart", render: distribution },
    { id: "providers", needs: ["providers"], skeleton: "chart", render: providers },
  ],
};

function figures(/** @type {Context} */ context, /** @type {Answers} */ { latency: report }) {
  const { latency, measured } = report;
  const missing = whyUntimed(context);
  const of = (/** @type {keyof Percentiles} */ key, /** @type {string} */ hint) =>
    card({ name: key, label: key, value: latency[key], write: format.duration, missing, hint });
  return cards([
    of("p50", "50% of calls are faster"),
    of("p95", "95% of calls are faster"),
    of("p99", "99% of calls are faster"),
    card({ name: "measured", label: "Timed calls", value: measured, write: format.short, missing }),
  ]);
}

function distribution(/** @type {Context} */ context, /** @type {Answers} */ { latency: report }) {
  const { buckets, latency } = report;
  const drawn = (buckets ?? []).map((bucket) => ({
    ...bucket,
    from: Math.max(1, bucket.from),
    to: Math.max(1, bucket.to) + 1,
  }));
  const known = Object.entries(latency).filter(([, value]) => value !== null);
  const marks = known.map(([name, mark], place) => ({ name, place, mark: Math.max(1, mark ?? 1) }));
  const rows = (buckets ?? [])
    .filter((bucket) => bucket.count > 0)
    .map((bucket) => ({ ...bucket, name: format.durations(bucket.from, bucket.to) }));
  const empty = rows.length ? null : `${whyUntimed(context)}.`;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "distribution",
      title: "Latency distribution",
      note: "Log scale; each percentile within 1%",
      empty,
      chart: {
        spec: "histogram",
        rows: [...drawn, ...marks],
        height: 390,
        values: { ticks: format.logTicks(drawn[0]?.from ?? 1, drawn.at(-1)?.to ?? 1) },
        label: "Request duration distribution",
        onPick: callsBehind(context).duration,
        lines: (/** @type {{from: number, to: number, count: number}} */ bucket) => ({
          title: format.durations(bucket.from, bucket.to - 1),
          pairs: [["Requests", format.count(bucket.count)]],
        }),
      },
      table: table({
        caption: "Requests by duration",
        columns: [
          { key: "name", label: "Duration" },
          { key: "count", label: "Requests", as: "count", share: true },
        ],
        rows,
        rowKey: (row) => String(row.from),
        href: callsBehind(context).duration,
      }),
    }),
  );
}

function providers(/** @type {Context} */ context, /** @type {Answers} */ { providers: report }) {
  const timed = report.providers.map(withLatency).filter((row) => row.p50 !== null);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "latency",
      title: "Latency by provider",
      span: 12,
      note: "Request duration from p50 (median) to p99, each within 1%",
      empty: timed.length ? null : `${whyUntimed(context)}.`,
      chart: rangesOf(context, timed.slice(0, 12)),
      legend: legend([
        ["●", "p50"],
        ["◆", "p95"],
        ["▲", "p99"],
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
function rangesOf(/** @type {Context} */ context, /** @type {(Percentiles & {provider: string})[]} */ rows) {
  const [shortest, longest] = [
    Math.min(...rows.map((row) => row.p50 ?? 1)),
    Math.max(...rows.map((row) => row.p99 ?? 1)),
  ];
  return {
    spec: "ranges",
    rows: rows.map(({ provider, p50, p95, p99 }) => ({
      provider,
      name: provider.length > 24 ? `${provider.slice(0, 24)}…` : provider,
      p50: Math.max(1, p50 ?? 1),
      p95: Math.max(1, p95 ?? 1),
      p99: Math.max(1, p99 ?? 1),
    })),
    height: Math.max(2, rows.length) * ROW_HEIGHT + 46,
    label: "Latency by provider",
    onPick: callsBehind(context).provider,
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
