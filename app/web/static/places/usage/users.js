// Users: who calls most; and one user's page.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { download, panel } from "../../panels.js";
import { callTable } from "../../parts/call-rows.js";
import { changeColumns, compareParameters } from "../../parts/change.js";
import { dailyTable, lineOf } from "../../parts/days.js";
import { NO_CALLS, usageCards } from "../../parts/figures.js";
import { callsBehind } from "../../parts/links.js";
import { chosen } from "../../parts/popover.js";
import { barsOf, COLUMNS, flat, otherUsers, ranking, USER_COLUMNS } from "../../parts/rankings.js";
import { table } from "../../table.js";

/**
 * @import {
 *   Amount, Answers, Column, Context, FigureColumn, ListedUser, Page, Requests, Tab, Totals, UsageDay,
 * } from "../../types.js"
 */

const PAGE = 20;
const RECENT = 10;
/** @type {Record<string, string>} */
const ORDERS = {
  "-requests": "Most requests",
  "-cost": "Highest cost",
  "-tokens": "Most tokens",
  "-lastActive": "Last active",
  requests: "Fewest requests",
};

/** @type {Tab} */
export default {
  title: "Users",
  controls: { compare: true },
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

const orderOf = (/** @type {Context} */ context) =>
  context.state.sort !== null && context.state.sort in ORDERS ? context.state.sort : "-requests";

/** @returns {Requests} */
function aboutAll(/** @type {Context} */ context) {
  const { cursor } = context.state;
  return {
    users: [
      "/api/admin/ai/users",
      { ...context.parameters(), ...compareParameters(context), sort: orderOf(context), limit: PAGE, cursor },
    ],
    usage: ["/api/admin/ai/usage", { ...context.parameters(), ...compareParameters(context) }],
  };
}

/** @returns {Requests} */
function aboutOne(/** @type {Context} */ context) {
  const parameters = { ...context.parameters(), userId: context.state.userId };
  return {
    usage: ["/api/admin/ai/usage", parameters],
    calls: ["/api/admin/ai/calls", { ...parameters, limit: RECENT }],
  };
}

function figures(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
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
      label: "Requests per user",
      value: calls,
      write: (value) => format.count(Math.round(Number(value))),
      missing: NO_CALLS,
      hint: "average",
    }),
    card({
      name: "costPerUser",
      label: "Cost per user",
      value: each,
      write: format.shortMoney,
      missing: NO_CALLS,
      hint: "average, priced calls only",
    }),
  ]);
}

function list(/** @type {Context} */ context, /** @type {Answers} */ { users: report, usage }) {
  const { cursor } = context.state;
  const first = !cursor && report.nextCursor; // further pages are not the whole beside what is left
  /** @type {Column<ListedUser>} */
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
          columns: [...USER_COLUMNS, ...changeColumns(context), lastActive],
          rows: flat(report.users),
          other: first ? otherUsers(usage.totals, report.users, report.activeUsers) : null,
          noun: "user",
          href: (row) => context.href({ userId: row.userId, cursor: null, sort: null }),
        }),
        pages(context, report.nextCursor),
      ],
    }),
  );
}

function orders(/** @type {Context} */ context) {
  const options = Object.entries(ORDERS).map(([value, label]) =>
    el("option", { value, selected: value === orderOf(context) }, label),
  );
  const change = (/** @type {Event} */ event) =>
    context.go({ sort: chosen(event) === "-requests" ? null : chosen(event), cursor: null });
  return el(
    "div.inline-select",
    {},
    el("label.hidden", { for: "sort" }, "Order"),
    el("select", { id: "sort", onchange: change }, options),
  );
}

/** Links to the first page and to the next; the browser's own button leads back. */
export function pages(
  /** @type {Context} */ context,
  /** @type {string | null} */ next,
  /** @type {Page} */ name = "cursor",
) {
  const here = context.state[name];
  if (!here && !next) return null;
  return el(
    "div.table-foot",
    {},
    here
      ? el("a.button.small", { href: context.href({ [name]: null }), "data-link": "" }, "First page")
      : el("span", {}, "First page"),
    next
      ? el("a.button.small", { href: context.href({ [name]: next }), "data-link": "", "data-next": "" }, "Next page")
      : el("span", {}, "Last page"),
  );
}

function userFigures(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
  const of = usageCards(context, usage);
  return [
    el("p.compared", {}, el("a", { href: context.href({ userId: null }), "data-link": "" }, "← All users")),
    cards([of.requests(), of.cost(), of.savedCost(), of.successRate(), of.tokens(), of.p95()]),
  ];
}

function userCharts(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
  const { daily, byFeature, byModel } = usage;
  /**
   * @template {Totals} T
   * @param {string} id
   * @param {string} title
   * @param {T[]} rows
   * @param {string & keyof T} key
   * @param {(row: T) => string} href
   */
  const bars = (id, title, rows, key, href) =>
    panel(context, {
      id,
      title,
      span: 6,
      chart: barsOf({
        rows,
        name: (row) => String(row[key]),
        pick: (row) => row.requests,
        write: format.count,
        label: title,
        href,
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
  const line = (
    /** @type {string} */ id,
    /** @type {string} */ title,
    /** @type {(day: UsageDay) => Amount} */ pick,
    /** @type {"count" | "money"} */ as,
    /** @type {FigureColumn[]} */ columns,
  ) =>
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
    bars("features", "Features", byFeature, "feature", callsBehind(context).feature),
    bars("models", "Models", byModel, "model", callsBehind(context).model),
  );
}

function recentCalls(/** @type {Context} */ context, /** @type {Answers} */ { calls: report }) {
  const all = callsBehind(context).all();
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
