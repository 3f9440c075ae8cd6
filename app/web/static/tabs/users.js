// @ts-check
// Users: who calls most; and one user's page.

import { card, cards } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { download, panel } from "../panels.js";
import { callTable } from "../parts/call-rows.js";
import { dailyTable, lineOf } from "../parts/days.js";
import { USERS_KEPT, usageCards, whyMissing } from "../parts/figures.js";
import { callsBehind } from "../parts/links.js";
import { barsOf, COLUMNS, flat, pairsOf, ranking } from "../parts/rankings.js";
import { leftOf } from "../remainder.js";
import { table } from "../table.js";

const PAGE = 20;
const RECENT = 10;
const ORDERS = {
  "-requests": "Most requests",
  "-cost": "Highest cost",
  "-tokens": "Most tokens",
  "-lastActive": "Last active",
  requests: "Fewest requests",
};

export default {
  title: "Users",
  requests: (context) => (context.state.userId ? aboutOne(context) : aboutAll(context)),
  calls: ({ usage }) => usage?.totals.requests,
  sections: (context) =>
    context.state.userId
      ? [
          { id: "figures", needs: ["usage"], skeleton: "cards", render: userFigures, always: true },
          { id: "charts", needs: ["usage"], skeleton: "charts", render: userCharts },
          { id: "calls", needs: ["calls"], skeleton: "table", render: recentCalls },
        ]
      : [
          { id: "figures", needs: ["usage"], skeleton: "cards", render: figures, always: true },
          { id: "ranking", needs: ["users", "usage"], skeleton: "table", render: list },
        ],
};

const orderOf = (context) => (context.state.sort in ORDERS ? context.state.sort : "-requests");

function aboutAll(context) {
  const { cursor } = context.state;
  return {
    users: ["/api/admin/ai/users", { ...context.parameters(), sort: orderOf(context), limit: PAGE, cursor }],
    usage: ["/api/admin/ai/usage", context.parameters()],
  };
}

function aboutOne(context) {
  const parameters = { ...context.parameters(), userId: context.state.userId };
  return {
    usage: ["/api/admin/ai/usage", parameters],
    calls: ["/api/admin/ai/calls", { ...parameters, limit: RECENT }],
  };
}

function figures(context, { usage }) {
  const of = usageCards(context, usage);
  const users = usage.activeUsers;
  const each = users ? Number(usage.totals.cost) / users : null;
  const calls = users ? usage.totals.requests / users : null;
  return cards([
    of.activeUsers(),
    of.requests(),
    of.cost(),
    card({
      name: "requestsPerUser",
      label: "Requests a user",
      value: calls,
      write: (value) => format.count(Math.round(value)),
      missing: whyMissing(context, USERS_KEPT),
      hint: "on average",
    }),
    card({
      name: "costPerUser",
      label: "Cost a user",
      value: each,
      write: format.shortMoney,
      missing: whyMissing(context, USERS_KEPT),
      hint: "on average, of priced calls",
    }),
  ]);
}

function list(context, { users: report, usage }) {
  const { cursor } = context.state;
  const rows = flat(report.users);
  const left = cursor ? null : leftOf(usage.totals, report.users);
  const more = report.nextCursor && left?.requests > 0;
  const others = report.activeUsers ? report.activeUsers - rows.length : null;
  const rest = more ? [{ ...left, tokensTotal: left.tokens, isOther: true, members: others }] : [];
  const lastActive = { key: "lastActive", label: "Last active", content: (row) => format.day(row.lastActive) };
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "ranking",
      title: "Users",
      tools: [orders(context), download(context, "users")],
      table: [
        table({
          caption: "Users",
          columns: [
            { key: "userId", label: "User" },
            COLUMNS.requests,
            COLUMNS.cost,
            COLUMNS.savedCost,
            COLUMNS.tokens,
            COLUMNS.successRate,
            lastActive,
          ],
          rows: [...rows, ...rest],
          noun: "user",
          href: (row) => context.href({ userId: row.userId, cursor: null, sort: null }),
        }),
        pages(context, report.nextCursor),
      ],
    }),
  );
}

function orders(context) {
  const options = Object.entries(ORDERS).map(([value, label]) =>
    el("option", { value, selected: value === orderOf(context) }, label),
  );
  const change = (event) =>
    context.go({ sort: event.target.value === "-requests" ? null : event.target.value, cursor: null });
  return el(
    "div.inline-select",
    {},
    el("label.hidden", { for: "sort" }, "Order"),
    el("select", { id: "sort", onchange: change }, options),
  );
}

/** Links to the first page and to the next; the browser's own button leads back. */
export function pages(/** @type {any} */ context, /** @type {string | null} */ next) {
  const { cursor } = context.state;
  if (!cursor && !next) return null;
  return el(
    "div.table-foot",
    {},
    cursor
      ? el("a.button.small", { href: context.href({ cursor: null }), "data-link": "" }, "First page")
      : el("span", {}, "First page"),
    next
      ? el("a.button.small", { href: context.href({ cursor: next }), "data-link": "", "data-next": "" }, "Next page")
      : el("span", {}, "This is the last page"),
  );
}

function userFigures(context, { usage }) {
  const of = usageCards(context, usage);
  return [
    el("p.compared", {}, el("a", { href: context.href({ userId: null }), "data-link": "" }, "← All users")),
    cards([of.requests(), of.cost(), of.savedCost(), of.successRate(), of.tokens(), of.p95()]),
  ];
}

function userCharts(context, { usage }) {
  const { daily, byFeature, byModel } = usage;
  const { userId } = context.state;
  const behind = (changes) => context.href({ tab: "calls", userId, ...changes });
  const bars = (id, title, rows, key, href) =>
    panel(context, {
      id,
      title,
      span: 6,
      chart: barsOf({
        rows,
        name: (row) => row[key],
        pick: (row) => row.requests,
        write: format.count,
        label: title,
        lines: pairsOf,
      }),
      table: ranking(context, {
        id,
        caption: title,
        rows,
        columns: [{ key, label: format.words(key) }, COLUMNS.requests, COLUMNS.cost, COLUMNS.successRate],
        href,
        noun: key,
      }),
    });
  const line = (id, title, pick, as, columns) =>
    panel(context, {
      id,
      title,
      span: 6,
      chart: lineOf(context, { daily, pick, as, name: title }),
      table: dailyTable(context, daily, columns, `${title} by day`),
    });
  return el(
    "div.grid",
    {},
    line("requests", "Requests", (day) => day.requests, "count", [COLUMNS.requests, COLUMNS.successRate]),
    line("cost", "Cost", (day) => day.cost, "money", [COLUMNS.cost, COLUMNS.unpriced, COLUMNS.estimated]),
    bars("features", "Features", byFeature, "feature", ({ feature }) => behind({ feature })),
    bars("models", "Models", byModel, "model", ({ provider, model }) => behind({ provider, model })),
  );
}

function recentCalls(context, { calls: report }) {
  const all = callsBehind(context).user({ userId: context.state.userId });
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "calls",
      title: "Recent calls",
      tools: el("a.button.small.quiet", { href: all, "data-link": "" }, "All calls"),
      table: callTable(context, report.calls, "Recent calls"),
    }),
  );
}
