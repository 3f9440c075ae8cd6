// Latency: how long calls take and how fast models answer, by day, model, provider and feature.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { colour } from "../../palette.js";
import { panel } from "../../panels.js";
import { AXES, acting, dayAxis } from "../../parts/days.js";
import { UNTIMED } from "../../parts/figures.js";
import { rangesOf, SHAPES, SPEEDS, timed, withSpeeds } from "../../parts/latency.js";
import { callsBehind } from "../../parts/links.js";
import { ranking } from "../../parts/rankings.js";
import { table } from "../../table.js";

/** @import { Answers, Chart, Column, Context, Latency, Row, Speeds, Tab } from "../../types.js" */

const WITHIN = "Exact up to 300 calls, else within 2%";

/** @type {Tab} */
export default {
  title: "Latency",
  requests: (context) => ({ latency: ["/api/admin/ai/latency", context.parameters()] }),
  sections: () => [
    { id: "figures", needs: ["latency"], skeleton: "cards", render: figures },
    { id: "models", needs: ["latency"], skeleton: "chart", render: models },
    { id: "days", needs: ["latency"], skeleton: "chart", render: days },
    { id: "distribution", needs: ["latency"], skeleton: "chart", render: distribution },
    { id: "providers", needs: ["latency"], skeleton: "charts", render: others },
  ],
};

function figures(/** @type {Context} */ _, /** @type {Answers} */ { latency: report }) {
  const { latency, timeToFirstToken: first, tokensPerSecond: speed } = report;
  const missing = UNTIMED;
  return el(
    "div",
    {},
    cards([
      card({ name: "p50", label: "Median latency", value: latency.p50, write: format.duration, missing }),
      card({ name: "p95", label: "p95 latency", value: latency.p95, write: format.duration, missing }),
      card({ name: "p99", label: "p99 latency", value: latency.p99, write: format.duration, missing }),
      card({
        name: "firstToken",
        label: "Time to first token",
        value: first.p50,
        write: format.duration,
        missing: "No calls in this period report it",
        hint: `median; p95 ${format.duration(first.p95)}`,
      }),
      card({
        name: "tokensPerSecond",
        label: "Output tokens per second",
        value: speed.p50,
        write: format.rate,
        missing: "No calls in this period report tokens and a duration",
        hint: `median; slowest 5%: ${format.rate(speed.p5)} or less`,
      }),
      card({ name: "measured", label: "Timed calls", value: report.measured, write: format.short, missing }),
    ]),
    el("p.compared", {}, slowest(report)),
  );
}

/** Which model is slow, in one line. */
function slowest(/** @type {Latency} */ { byModel, complete }) {
  const [first, ...rest] = timed(byModel);
  const last = rest[rest.length - 1];
  const waiting = complete ? "" : " Models of earlier calls are still being counted after the upgrade.";
  if (!last) return waiting.trim();
  const said = (/** @type {(typeof byModel)[number]} */ row) =>
    `${row.model} (${row.provider}), p95 ${format.duration(row.latency.p95)}`;
  return `Slowest model: ${said(first)}. Fastest: ${said(last)}.${waiting}`;
}

/**
 * A panel of groups, from the slowest.
 * @template {Row & Speeds & {measured: number}} T
 * @param {Context} context
 * @param {{id: string, title: string, noun: string, rows: T[], name: (row: T) => string, columns: Column<T>[],
 *   href: (row: T) => string, rowKey?: (row: T) => string, span?: number}} what
 */
function groups(context, { id, title, noun, rows, name, columns, href, rowKey = name, span = 12 }) {
  const found = timed(rows);
  return panel(context, {
    id,
    title,
    span,
    note: `From the median to p99, the slowest p95 first. ${WITHIN}`,
    empty: found.length ? null : `${UNTIMED}.`,
    chart: rangesOf({ rows: found.slice(0, 12), name, label: title, href }),
    legend: SHAPES(),
    table: ranking(context, {
      id,
      caption: title,
      rows: rows.map(withSpeeds),
      columns: [...columns, ...SPEEDS, { key: "measured", label: "Timed", as: "count" }],
      href,
      rowKey,
      noun,
    }),
  });
}

function models(/** @type {Context} */ context, /** @type {Answers} */ { latency: report }) {
  return el(
    "div.grid",
    {},
    groups(context, {
      id: "models",
      title: "Latency by model",
      noun: "model",
      rows: report.byModel,
      name: (row) => row.model,
      columns: [
        { key: "model", label: "Model" },
        { key: "provider", label: "Provider" },
      ],
      href: callsBehind(context).model,
      rowKey: (row) => `${row.provider} ${row.model}`,
    }),
  );
}

function others(/** @type {Context} */ context, /** @type {Answers} */ { latency: report }) {
  return el(
    "div.grid",
    {},
    groups(context, {
      id: "latency",
      title: "Latency by provider",
      noun: "provider",
      rows: report.byProvider,
      name: (row) => row.provider,
      columns: [{ key: "provider", label: "Provider" }],
      href: callsBehind(context).provider,
      span: 6,
    }),
    groups(context, {
      id: "features",
      title: "Latency by feature",
      noun: "feature",
      rows: report.byFeature,
      name: (row) => row.feature,
      columns: [{ key: "feature", label: "Feature" }],
      href: callsBehind(context).feature,
      span: 6,
    }),
  );
}

function days(/** @type {Context} */ context, /** @type {Answers} */ { latency: report }) {
  const daily = report.daily.filter((day) => day.latency.p95 !== null).map(withSpeeds);
  const names = [...new Set(report.modelDays.map(({ model }) => model))];
  const empty = daily.length ? null : `${UNTIMED}.`;
  /** @type {[string, string, (day: (typeof daily)[number]) => number | null][]} */
  const lines = [
    ["p50", colour("s1"), (day) => day.p50],
    ["p95", colour("s2"), (day) => day.p95],
    ["p99", colour("s3"), (day) => day.p99],
  ];
  const all = daily.map(({ day }) => day);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "daily",
      title: "Latency by day",
      span: 6,
      note: WITHIN,
      empty,
      chart: linesOf(context, {
        days: all,
        label: "Latency",
        series: lines.map(([name, of]) => [name, of]),
        points: daily.flatMap((day) => lines.map(([name, , pick]) => ({ day: day.day, name, value: pick(day) }))),
      }),
      table: table({
        caption: "Latency by day",
        columns: [
          { key: "day", label: `Day (${context.who.timezone})`, content: (row) => format.day(row.day) },
          ...SPEEDS,
          { key: "measured", label: "Timed", as: "count" },
        ],
        rows: [...daily].reverse(),
        rowKey: (row) => row.day,
        href: callsBehind(context).day,
      }),
    }),
    panel(context, {
      id: "model-days",
      title: "p95 latency by day and model",
      span: 6,
      note: "The models with the most calls",
      empty: report.modelDays.length ? null : empty || "Not counted yet after the upgrade.",
      chart: linesOf(context, {
        days: all,
        label: "p95 latency by model",
        series: names.map((name) => [name, context.colours.of(name)]),
        points: report.modelDays.map(({ day, model, p95 }) => ({ day, name: model, value: p95 })),
      }),
      table: table({
        caption: "Latency by day and model",
        columns: [
          { key: "day", label: `Day (${context.who.timezone})`, content: (row) => format.day(row.day) },
          { key: "model", label: "Model" },
          { key: "provider", label: "Provider" },
          { key: "p50", label: "p50", as: "duration" },
          { key: "p95", label: "p95", as: "duration" },
          { key: "measured", label: "Timed", as: "count" },
        ],
        rows: [...report.modelDays].reverse(),
        rowKey: (row) => `${row.day} ${row.provider} ${row.model}`,
      }),
    }),
  );
}

/**
 * Durations by day, a line each.
 * @param {Context} context
 * @param {{days: string[], label: string, series: [name: string, colour: string][],
 *   points: {day: string, name: string, value: number | null}[]}} what
 * @returns {Chart}
 */
function linesOf(context, { days, label, series, points }) {
  const today = context.today();
  const of = (/** @type {string} */ day) => points.filter((point) => point.day === day);
  return {
    ...acting(context),
    spec: "lines",
    series,
    rows: days.flatMap((day) => of(day).map((point) => ({ ...point, partial: day === today || days.length === 1 }))),
    label: days.length ? `${label} by day, ${format.span(days[0], days[days.length - 1])}` : label,
    values: {
      ...dayAxis(days),
      formatType: AXES.duration[0],
      domain: series.map(([name]) => name),
      range: series.map(([, each]) => each),
    },
    lines: (/** @type {{day: string}} */ { day }) => ({
      title: `${format.day(day)}${day === today ? " (partial)" : ""}`,
      pairs: of(day).map(({ name, value }) => [name, format.duration(value)]),
    }),
  };
}

function distribution(/** @type {Context} */ context, /** @type {Answers} */ { latency: report }) {
  const { buckets, latency } = report;
  const drawn = buckets.map((bucket) => ({
    ...bucket,
    from: Math.max(1, bucket.from),
    to: Math.max(1, bucket.to) + 1,
  }));
  const known = Object.entries(latency).filter(([, value]) => value !== null);
  const marks = known.map(([name, mark], place) => ({ name, place, mark: Math.max(1, mark ?? 1) }));
  const rows = buckets
    .filter((bucket) => bucket.count > 0)
    .map((bucket) => ({ ...bucket, name: format.durations(bucket.from, bucket.to) }));
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "distribution",
      title: "Latency distribution",
      note: "Log scale",
      empty: rows.length ? null : `${UNTIMED}.`,
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
