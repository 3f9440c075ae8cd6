// The report of one month: what it cost against the month before, budgets, invoices, and its closing.

import { card, cards } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { table } from "../table.js";
import { act } from "./endpoints.js";

/** @import { Amount, Answers, Child, Context, MonthReport, MonthShare, ReconciledProvider } from "../types.js" */

const ROUTE = "/api/admin/reports/month";
const FORMS = { html: "Page", pdf: "PDF", csv: "CSV" };
const TAGS = { preview: "timeout", open: "", closed: "success" };

/** The report of a month in each form. */
export function links(/** @type {Context} */ context, /** @type {string} */ month) {
  const { clientId, synthetic } = context.parameters();
  const preview = month === context.today().slice(0, 7) ? "true" : null;
  return el(
    "span.row-actions",
    {},
    Object.entries(FORMS).map(([form, label]) =>
      el(
        "a.button.small",
        { href: context.address(`${ROUTE}/${month}.${form}`, { clientId, synthetic, preview }), target: "_blank" },
        label,
        el("span.hidden", {}, ` of ${format.month(month)}`),
      ),
    ),
  );
}

export function about(/** @type {Context} */ context, /** @type {Answers} */ { month: report }) {
  const { totals, changed } = report;
  return [
    el("div.row-actions.above", {}, links(context, report.month), closing(context, report)),
    cards([
      card({ name: "cost", label: "Cost", value: totals.cost, write: format.shortMoney }),
      card({
        name: "change",
        label: "Against the month before",
        value: changed.cost,
        write: format.moneyChange,
        hint: changed.costPercent === null ? null : format.change(changed.costPercent),
      }),
      card({ name: "requests", label: "Requests", value: totals.requests, write: format.short }),
      card({ name: "savedCost", label: "Cache savings", value: totals.savedCost, write: format.shortMoney }),
      card({
        name: "unpriced",
        label: "Without a price",
        value: totals.unpriced,
        write: format.count,
        hint: totals.unpriced ? "in no figure here" : null,
      }),
    ]),
    el("p.compared", {}, state(context, report)),
    drift(context, report),
  ];
}

/** @returns {Child} */
function state(/** @type {Context} */ context, /** @type {MonthReport} */ { status, closedAt, closedBy }) {
  const zone = context.who.timezone;
  const words = {
    preview: "The month is not over: figures are of its days up to now.",
    open: "The month is over. Calls that come late, or are repriced, still change its figures.",
    closed: `Closed on ${format.instant(closedAt, zone)} by ${closedBy}: these are the figures of that moment.`,
  };
  return [el(`span.tag${TAGS[status] ? `.${TAGS[status]}` : ""}`, {}, format.words(status)), ` ${words[status]}`];
}

/** The button that closes a month, for who may. */
function closing(/** @type {Context} */ context, /** @type {MonthReport} */ { month, status }) {
  if (status !== "open" || context.who.client !== null) return null;
  const name = format.month(month);
  const close = () => {
    if (
      confirm(
        `Close ${name} for all clients? Its figures are then kept for good, and later revenue counts from the next month on.`,
      )
    )
      void act(context, `${ROUTE}/${encodeURIComponent(month)}/close`, { method: "POST" });
  };
  return el("button.button.small", { type: "button", onclick: close }, "Close this month");
}

/** What has changed since a month was closed. */
function drift(/** @type {Context} */ _, /** @type {MonthReport} */ { drift: found }) {
  if (!found) return null;
  const parts = [
    found.lateCalls
      ? `${format.plural(found.lateCalls, "call")} came late (${format.moneyChange(found.lateCost)})`
      : null,
    found.repricedCalls
      ? `${format.plural(found.repricedCalls, "call")} repriced (${format.moneyChange(found.repricedCost)})`
      : null,
    Number(found.otherCost ?? 0) ? `otherwise ${format.moneyChange(found.otherCost)}` : null,
  ].filter(Boolean);
  return el(
    "p.banner",
    { role: "note" },
    `Since then the ledger has changed: ${format.moneyChange(found.cost)}${parts.length ? `; ${parts.join(", ")}` : ""}.`,
  );
}

export function money(/** @type {Context} */ _, /** @type {Answers} */ { month: { revenue } }) {
  if (!revenue) return null;
  return cards([
    card({
      name: "recognised",
      label: "Recognised revenue",
      value: revenue.recognised,
      write: format.shortMoney,
      hint: `${format.money(revenue.billed)} billed`,
    }),
    card({ name: "margin", label: "Margin", value: revenue.margin, write: format.shortMoney }),
    card({
      name: "marginPercent",
      label: "Margin percent",
      value: revenue.marginPercent,
      write: format.percent,
      missing: "Nothing was recognised",
    }),
    card({
      name: "returnOnCost",
      label: "Return on $1 of AI cost",
      value: revenue.returnOnCost,
      write: format.money,
      missing: "Nothing was spent",
    }),
  ]);
}

/** What of a difference is explained, in words. */
const why = (/** @type {ReconciledProvider} */ { explanations }) =>
  explanations
    .filter(({ explained }) => Number(explained) !== 0)
    .map(({ words, explained }) => `${format.moneyChange(explained)} ${words}`)
    .join("; ") || format.DASH;

export function reconciliation(
  /** @type {Context} */ context,
  /** @type {Answers} */ { month: { reconciliation: rows } },
) {
  if (!rows) return null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "reconciliation",
      title: "Invoices of providers",
      note: "What was invoiced, less what was recorded; what nothing explains is named",
      empty: rows.length ? null : "No provider was called, and none has invoiced.",
      table: table({
        caption: "Invoices of providers",
        columns: [
          { key: "provider", label: "Provider" },
          { key: "invoiced", label: "Invoiced", as: "money" },
          { key: "recorded", label: "Recorded", as: "money" },
          { key: "difference", label: "Difference", as: "moneyChange" },
          { key: "explanations", label: "Explained by", content: (row) => el("span.sentence", {}, why(row)) },
          { key: "unexplained", label: "Unexplained", as: "moneyChange" },
        ],
        rows,
      }),
    }),
  );
}

export function budgets(/** @type {Context} */ context, /** @type {Answers} */ { month: { budgets: rows } }) {
  if (!rows.length) return null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "budgets",
      title: "Budgets",
      table: table({
        caption: "Budgets",
        columns: [
          { key: "scope", label: "Of", content: (row) => row.name ?? row.scope },
          { key: "kind", label: "Kind", content: (row) => format.words(row.kind) },
          { key: "amount", label: "Amount", as: "money" },
          { key: "spent", label: "Spent", as: "money" },
          { key: "percent", label: "Used", as: "percent" },
        ],
        rows,
        rowKey: (row) => row.limit,
      }),
    }),
  );
}

export function parts(/** @type {Context} */ context, /** @type {Answers} */ { month: report }) {
  return el(
    "div.grid",
    {},
    shares(context, "models", "Cost by model", report.byModel),
    shares(context, "features", "Cost by feature", report.byFeature),
  );
}

/**
 * @param {Context} context
 * @param {string} id
 * @param {string} title
 * @param {(MonthShare & {provider?: string})[]} rows
 */
const shares = (context, id, title, rows) =>
  panel(context, {
    id,
    title,
    span: 6,
    table: table({
      caption: title,
      columns: [
        { key: "name", label: "Name" },
        { key: "cost", label: "Cost", as: "money" },
        { key: "change", label: "Change", as: "moneyChange" },
        { key: "requests", label: "Requests", as: "count", share: true },
      ],
      rows,
      rowKey: (row) => (row.provider ? `${row.provider} ${row.name}` : row.name),
    }),
  });
