// @ts-check
// Executive: how healthy it is, in one figure, and how it develops.

import { card, cards, costNote } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { dailyTable, lineOf } from "../parts/days.js";
import { comparedNote, USERS_KEPT, usageCards, whyMissing } from "../parts/figures.js";
import { COLUMNS } from "../parts/rankings.js";
import { narrowed } from "../state.js";

export default {
  title: "Executive",
  controls: { compare: true },
  requests: (context) => {
    const { synthetic, clientId } = context.parameters();
    return {
      overview: ["/api/admin/ai/overview", { synthetic, clientId }],
      usage: ["/api/admin/ai/usage", { ...context.parameters(), compare: "previous" }],
    };
  },
  calls: ({ usage }) => usage?.totals.requests,
  sections: () => [
    { id: "figures", needs: ["usage"], skeleton: "cards", render: figures, always: true },
    { id: "health", needs: ["overview"], skeleton: "chart", render: health, always: true },
    { id: "charts", needs: ["usage"], skeleton: "charts", render: charts },
  ],
};

function figures(context, { usage }) {
  const of = usageCards(context, usage);
  return [
    cards([of.requests(), of.cost(), of.activeUsers(), of.successRate(), of.p95(), of.savedCost()]),
    el("p.compared", {}, comparedNote(usage)),
  ];
}

function health(context, { overview }) {
  const why = narrowed(context.state)
    ? "The score and the month are kept for a whole client: not known under a filter by provider, model or feature."
    : null;
  return el("div.grid", {}, score(context, overview, why), month(context, overview, why));
}

function score(context, { health: of }, why) {
  const none = why ?? (of.score === null ? "No calls this month: there is nothing to score." : null);
  const meters = [
    ["Success", of.success, "0 at 90% or less, 100 at 100%"],
    ["Latency", of.latency, "100 at a p95 of 2 s or less, 0 at 20 s"],
    ["Cost known", of.costCoverage, "share of calls whose cost is known and no estimate"],
  ];
  return panel(context, {
    id: "health",
    title: "Health score",
    span: 6,
    note: "This month so far, from 0 to 100",
    content: el(
      "div.score",
      {},
      el(
        "div.figure",
        { "data-figure": "health.score", "data-value": none ? "" : of.score, title: none },
        none ? format.DASH : format.count(of.score),
      ),
      none ? el("p.panel-note", {}, none) : el("div.meters", {}, meters.map(meter)),
    ),
  });
}

function meter([label, value, about]) {
  return el(
    "div",
    { title: about },
    el(
      "div.meter-label",
      {},
      el("span", {}, label),
      el(
        "span",
        { "data-figure": `health.${label}`, "data-value": value ?? "" },
        value === null ? format.DASH : format.count(value),
      ),
    ),
    el("div.bar", { "aria-hidden": "true" }, el("i", { styles: { width: `${value ?? 0}%` } })),
    el("p.panel-note", {}, value === null ? "no call reports a duration" : about),
  );
}

function month(context, { month: of, today, trends }, why) {
  const compared = trends.month.compared;
  const list = why
    ? el("p.panel-note", {}, why)
    : cards([
        card({
          name: "month.requests",
          label: "Requests this month",
          value: of.requests,
          write: format.short,
          trend: { percent: trends.month.requests, rising: "neutral" },
          compared,
        }),
        card({
          name: "month.cost",
          label: "Cost this month",
          value: of.cost,
          write: format.shortMoney,
          trend: { percent: trends.month.cost, rising: "neutral" },
          compared,
          hint: costNote(of, context.href),
        }),
        card({
          name: "today.requests",
          label: "Requests today",
          value: today.requests,
          write: format.short,
          trend: { percent: trends.today.requests, rising: "neutral" },
          compared: trends.today.compared,
        }),
        card({
          name: "today.cost",
          label: "Cost today",
          value: today.cost,
          write: format.shortMoney,
          trend: { percent: trends.today.cost, rising: "neutral" },
          compared: trends.today.compared,
          hint: costNote(today, context.href),
        }),
      ]);
  const note = why ? null : `Compared: ${format.sentence(compared)}; today ${format.sentence(trends.today.compared)}`;
  return panel(context, { id: "month", title: "Month and today so far", span: 6, note, content: list });
}

function charts(context, { usage }) {
  const { daily } = usage;
  const before = context.state.compare ? usage.previous?.daily : null;
  const none = daily.every((day) => day.activeUsers === null || day.activeUsers === undefined);
  const users = { key: "activeUsers", label: "Users", as: "count" };
  const of = (props, pick, as, name, columns) =>
    panel(context, {
      span: 6,
      ...props,
      chart: lineOf(context, { daily, before, pick, as, name }),
      table: dailyTable(context, daily, columns, `${name} by day`),
    });
  return el(
    "div.grid",
    {},
    of(
      { id: "users", title: "Daily active users", empty: none ? `${whyMissing(context, USERS_KEPT)}.` : null },
      (day) => day.activeUsers,
      "count",
      "Users",
      [users, COLUMNS.requests],
    ),
    of({ id: "requests", title: "Requests" }, (day) => day.requests, "count", "Requests", [
      COLUMNS.requests,
      COLUMNS.successRate,
    ]),
    of({ id: "cost", title: "Cost" }, (day) => day.cost, "money", "Cost", [
      COLUMNS.cost,
      COLUMNS.unpriced,
      COLUMNS.estimated,
    ]),
    of({ id: "success", title: "Success rate" }, (day) => day.successRate, "percent", "Success", [
      COLUMNS.successRate,
      COLUMNS.errors,
      COLUMNS.requests,
    ]),
  );
}
