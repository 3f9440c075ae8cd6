// Usage: what is called, what it costs, how it goes, and when.

import { cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { download, measures, panel } from "../../panels.js";
import { dailyTable, dashedNote, hoursOf, lineOf, weekOf } from "../../parts/days.js";
import { comparedNote, usageCards } from "../../parts/figures.js";
import { callsBehind, placesOf } from "../../parts/links.js";
import { barsOf, COLUMNS, costOf, flat, otherUsers, ranking, USER_COLUMNS } from "../../parts/rankings.js";
import { costOfSeries, outcomesOf, partsTable } from "../../parts/series.js";
import { stepOf, stepSwitch, timelineRequest, timelineRows } from "../../parts/timeline.js";
import { SHOWN, table } from "../../table.js";

/** @import { Answers, Context, Tab, Usage, UsageDay } from "../../types.js" */
/** @import { Bucket } from "../../parts/buckets.js" */

const SERIES = { provider: "Provider", model: "Model" };

/** @type {Tab} */
export default {
  title: "Usage",
  controls: { compare: true, instants: true },
  requests: (context) => ({
    usage: ["/api/admin/ai/usage", { ...context.parameters(), ...comparison(context), series: seriesOf(context) }],
    ...timelineRequest(context, seriesOf(context)),
  }),
  calls: ({ usage }) => usage?.totals.requests,
  sections: (context) => [
    { id: "figures", needs: ["usage"], skeleton: "cards", render: figures, always: true },
    {
      id: "charts",
      needs: stepOf(context) === "day" ? ["usage"] : ["usage", "timeline"],
      skeleton: "charts",
      render: charts,
    },
  ],
};

/** Days are compared with those before; the time between two instants with nothing. */
const comparison = (/** @type {Context} */ context) => (context.parameters().fromTime ? {} : { compare: "previous" });

const seriesOf = (/** @type {Context} */ context) => (context.state.series === "model" ? "model" : "provider");

function figures(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
  const of = usageCards(context, usage);
  return [
    cards([of.requests(), of.cost(), of.savedCost(), of.cachedAnswers(), of.successRate(), of.p95(), of.activeUsers()]),
    el("p.compared", {}, comparedNote(usage)),
  ];
}

function charts(/** @type {Context} */ context, /** @type {Answers} */ { usage, timeline }) {
  const fine = stepOf(context) === "day" ? null : timelineRows(context, timeline);
  return el(
    "div.grid",
    {},
    requests(context, usage, fine),
    cost(context, usage, fine),
    features(context, usage),
    outcomes(context, usage),
    week(context, usage),
    hours(context, usage),
    users(context, usage),
  );
}

/** A day, an hour or a minute. @typedef {Bucket & Pick<UsageDay, "requests" | "cost" | "tokens">} Over */
/** What a chart is of that has hours or minutes. @typedef {ReturnType<typeof timelineRows> | null} Fine */

function requests(/** @type {Context} */ context, /** @type {Usage} */ usage, /** @type {Fine} */ fine) {
  const before = context.state.compare && !fine ? usage.previous?.daily : null;
  /** @type {Over[]} */
  const daily = fine?.rows ?? usage.daily;
  return panel(context, {
    id: "requests",
    title: "Requests over time",
    span: 6,
    note: dashedNote(before),
    tools: [stepSwitch(context), download(context, "daily")],
    chart: lineOf(context, {
      daily,
      before: /** @type {Over[] | null | undefined} */ (before),
      pick: (day) => day.requests,
      name: "Requests",
    }),
    table: dailyTable(
      context,
      daily,
      [COLUMNS.requests, COLUMNS.cost, COLUMNS.successRate, COLUMNS.tokens],
      `Requests by ${stepOf(context)}`,
    ),
  });
}

function cost(/** @type {Context} */ context, /** @type {Usage} */ usage, /** @type {Fine} */ fine) {
  const by = seriesOf(context);
  const props = { id: "cost", title: "Cost over time", span: 6, tools: seriesSwitch(context, by) };
  const columns = [COLUMNS.cost, COLUMNS.unpriced, ...(fine ? [] : [COLUMNS.estimated, COLUMNS.savedCost])];
  const before = context.state.compare && !fine ? usage.previous?.daily : null;
  if (!usage.series) {
    return panel(context, {
      ...props,
      note: dashedNote(before),
      tools: null,
      chart: lineOf(context, { daily: usage.daily, before, pick: (day) => day.cost, name: "Cost", as: "money" }),
      table: dailyTable(context, usage.daily, columns, "Cost by day"),
    });
  }
  const daily = fine?.rows ?? usage.daily;
  const days = daily.map(({ day }) => day);
  const series = fine?.series ?? usage.series;
  const members = new Set((by === "model" ? usage.byModel : usage.byProvider).map((row) => nameOf(row, by))).size;
  return panel(context, {
    ...props,
    ...costOfSeries(context, series, {
      days,
      buckets: fine?.rows,
      spec: days.length > 2 ? "area" : "stack",
      by,
      members,
      before,
    }),
    note: dashedNote(before),
    table: partsTable(context, daily, series, columns, `Cost by ${stepOf(context)} and ${by}`, members),
  });
}

const nameOf = (/** @type {{model?: string, provider: string}} */ row, /** @type {"model" | "provider"} */ by) =>
  row[by];

function seriesSwitch(/** @type {Context} */ context, /** @type {string} */ by) {
  return Object.entries(SERIES).map(([name, label]) =>
    el(
      "a.button.small.quiet",
      {
        href: context.href({ series: name === "provider" ? null : name }),
        "data-link": "",
        role: "button",
        "aria-pressed": String(name === by),
      },
      label,
    ),
  );
}

function features(/** @type {Context} */ context, /** @type {Usage} */ usage) {
  const rows = usage.byFeature;
  const { chosen, buttons } = measures(context, "features", [
    ["requests", "Requests"],
    ["cost", "Cost"],
    ["successRate", "Success"],
  ]);
  const write = { requests: format.count, cost: costOf, successRate: format.percent }[chosen];
  const sorted = [...rows].sort((a, b) => Number(b[chosen] ?? 0) - Number(a[chosen] ?? 0));
  return panel(context, {
    id: "features",
    title: "Features",
    span: 6,
    tools: [buttons, download(context, "features")],
    chart: barsOf({
      rows: sorted,
      name: (row) => row.feature,
      pick: (row) => row[chosen],
      write,
      label: `${chosen} by feature`,
      href: callsBehind(context).feature,
    }),
    table: ranking(context, {
      id: "features",
      caption: "Features",
      rows: sorted,
      columns: [
        { key: "feature", label: "Feature" },
        COLUMNS.requests,
        COLUMNS.cost,
        COLUMNS.successRate,
        COLUMNS.unpriced,
      ],
      href: callsBehind(context).feature,
      noun: "feature",
    }),
  });
}

function outcomes(/** @type {Context} */ context, /** @type {Usage} */ usage) {
  const drawn = outcomesOf(context, usage.daily, 274);
  const rows = Object.entries(usage.statuses).map(([status, count]) => ({ status, requests: count }));
  const byStatus = table({
    caption: "Requests by status",
    columns: [{ key: "status", label: "Status", content: (row) => format.words(row.status) }, COLUMNS.requests],
    rows,
    href: callsBehind(context).status,
    rowKey: (row) => row.status,
  });
  return panel(context, {
    id: "outcomes",
    title: "Success vs errors",
    span: 6,
    ...drawn,
    table: byStatus,
  });
}

function week(/** @type {Context} */ context, /** @type {Usage} */ usage) {
  const rows = usage.byWeekdayHour.filter((row) => row.requests > 0).sort((a, b) => b.requests - a.requests);
  const named = rows.map((row) => ({ ...row, when: `${format.WEEKDAYS[row.weekday - 1]} ${format.hour(row.hour)}` }));
  const columns = [{ key: "when", label: "Weekday and hour" }, COLUMNS.requests, COLUMNS.cost];
  return panel(context, {
    id: "week",
    title: "Peak hours of the week",
    span: 6,
    chart: weekOf(context, usage.byWeekdayHour),
    table: table({
      caption: "Requests by weekday and hour",
      columns,
      rows: named,
      rowKey: (row) => row.when,
      href: callsBehind(context).hour,
    }),
  });
}

function hours(/** @type {Context} */ context, /** @type {Usage} */ usage) {
  const rows = usage.byHour.map((row) => ({ ...row, when: `${format.hour(row.hour)}` }));
  const columns = [{ key: "when", label: `Hour (${context.who.timezone})` }, COLUMNS.requests, COLUMNS.cost];
  return panel(context, {
    id: "hours",
    title: "Peak hours of the day",
    span: 6,
    chart: hoursOf(context, usage.byHour),
    table: table({
      caption: "Requests by hour",
      columns,
      rows,
      rowKey: (row) => row.when,
      href: callsBehind(context).hour,
    }),
  });
}

function users(/** @type {Context} */ context, /** @type {Usage} */ usage) {
  const shown = usage.topUsers.slice(0, SHOWN);
  return panel(context, {
    id: "users",
    title: "Top users",
    tools: [
      el("a.button.small.quiet", { href: context.href({ tab: "usage/users" }), "data-link": "" }, "All users"),
      download(context, "users"),
    ],
    table: table({
      caption: "Top users by requests",
      noun: "user",
      columns: USER_COLUMNS,
      rows: flat(shown),
      other: otherUsers(usage.totals, shown, usage.activeUsers),
      href: placesOf(context).user,
    }),
  });
}
