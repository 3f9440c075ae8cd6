// Revenue beside the cost of the same days, and what recurs each month.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { colour } from "../../palette.js";
import { panel } from "../../panels.js";
import { AXES, dayAxis, lineOf } from "../../parts/days.js";
import { financeParameters, narrowing } from "../../parts/finance.js";
import { formulas } from "../../parts/formulas.js";
import { snippet } from "../../parts/gateway-begin.js";
import { callsBehind } from "../../parts/links.js";
import { waterfall } from "../../parts/waterfall.js";
import { zoomTo } from "../../parts/zoom.js";
import { ROOT } from "../../root.js";
import { table } from "../../table.js";

/** @import { Trend } from "../../cards.js" */
/** @import { Amount, Answers, Chart, Child, Context, FinanceDay, FinanceOverview, Tab } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "Revenue",
  requests: (context) => ({ finance: ["/api/admin/finance/overview", financeParameters(context)] }),
  sections: () => [
    { id: "begin", needs: ["finance"], skeleton: null, render: beginning, always: true },
    { id: "money", needs: ["finance"], skeleton: "cards", render: money },
    { id: "recurring", needs: ["finance"], skeleton: "cards", render: recurring },
    { id: "by-day", needs: ["finance"], skeleton: "charts", render: byDay },
    { id: "formulas", needs: ["finance"], skeleton: null, render: (_, { finance }) => formulas(finance.formulas) },
  ],
};

/** Whether there is anything to show beside the cost. */
function hasRevenue(/** @type {FinanceOverview} */ { totals, recurring: now, previous, movement }) {
  const figures = [totals.recognised, totals.billed, previous.totals.recognised, now.mrr, movement.start];
  return figures.some((amount) => Number(amount) !== 0) || now.trials > 0 || now.unpriced > 0;
}

/** The ways in, where nothing has come in yet. */
function beginning(/** @type {Context} */ context, /** @type {Answers} */ { finance }) {
  if (hasRevenue(finance)) return null;
  const origin = location.origin + ROOT;
  const head = `-H "Authorization: Bearer TOKEN" -H "Content-Type: application/json"`;
  const subscription = `curl -X POST ${origin}/api/admin/subscriptions ${head} \\
  -d '{"scope": {"userId": "u1", "clientId": "shop"}, "plan": "pro", "price": 20, "currency": "USD"}'`;
  const entry = `curl -X POST ${origin}/api/admin/revenue ${head} \\
  -d '[{"sourceId": "order-1", "clientId": "shop", "userId": "u1", "kind": "one_time", "amount": 20, "currency": "USD"}]'`;
  return el(
    "section.panel.state",
    { "aria-labelledby": "begin-title", "data-empty": "" },
    el("h2", { id: "begin-title" }, "No revenue in this period"),
    el("p", {}, "Beside it, cost becomes margin: by plan, client, user and feature. There are three ways in."),
    el("p", {}, "Give subscriptions, or their plans, a price: what comes due is booked by itself."),
    snippet(context, "subscription", "a subscription with a price", subscription),
    el(
      "p",
      {},
      "Let Stripe tell: its webhooks go to ",
      el("code", {}, `${origin}/api/billing/stripe/webhook`),
      ", signed with the secret in TWINMETER_STRIPE_WEBHOOK_SECRET.",
    ),
    el("p", {}, "Import a file, or send entries as they come due."),
    snippet(
      context,
      "import",
      "the import",
      "python -m scripts.import_revenue invoices.csv --preset stripe-invoices --client shop --execute",
    ),
    snippet(context, "entry", "an entry", entry),
  );
}

/**
 * How far a figure is from that of the window before.
 * @param {FinanceOverview} finance
 * @param {(of: {totals: FinanceOverview["totals"], recurring: FinanceOverview["recurring"]}) => Amount | null} pick
 * @param {Trend["rising"]} rising
 */
function trendOf(finance, pick, rising) {
  const [now, before] = [pick(finance), pick(finance.previous)].map((value) => (value === null ? null : Number(value)));
  const percent = now === null || !before ? null : (100 * (now - before)) / Math.abs(before);
  const { window, previous } = finance;
  return {
    trend: { percent, rising },
    compared: `${window.from} to ${window.to} against ${previous.window.from} to ${previous.window.to}`,
  };
}

function money(/** @type {Context} */ context, /** @type {Answers} */ { finance }) {
  const { totals, until, window } = finance;
  const open = window.to >= context.today();
  return [
    cards([
      card({
        name: "recognised",
        label: "Recognised revenue",
        value: totals.recognised,
        write: format.shortMoney,
        ...trendOf(finance, (of) => of.totals.recognised, "good"),
        hint: `${format.money(totals.billed)} billed`,
      }),
      card({
        name: "cost",
        label: "AI cost",
        value: totals.cost,
        write: format.shortMoney,
        ...trendOf(finance, (of) => of.totals.cost, "neutral"),
        hint: totals.unpriced ? `${format.plural(totals.unpriced, "call")} without a price not in it` : null,
      }),
      card({
        name: "margin",
        label: "Margin",
        value: totals.margin,
        write: format.shortMoney,
        ...trendOf(finance, (of) => of.totals.margin, "good"),
      }),
      card({
        name: "marginPercent",
        label: "Margin percent",
        value: totals.marginPercent,
        write: format.percent,
        missing: "Nothing was recognised in this period",
      }),
      card({
        name: "returnOnCost",
        label: "Return on $1 of AI cost",
        value: totals.returnOnCost,
        write: format.money,
        missing: "Nothing was spent in this period",
      }),
    ]),
    el(
      "p.compared",
      {},
      open ? `Both up to ${format.instant(until, context.who.timezone)}. ` : null,
      narrowing(context),
    ),
  ];
}

function recurring(/** @type {Context} */ _, /** @type {Answers} */ { finance }) {
  const { recurring: now, movement } = finance;
  const nobody = "Nobody paid at the beginning of this period";
  return [
    cards([
      card({
        name: "mrr",
        label: "MRR",
        value: now.mrr,
        write: format.shortMoney,
        ...trendOf(finance, (of) => of.recurring.mrr, "good"),
        hint: leftOut(now),
      }),
      card({ name: "arr", label: "ARR", value: now.arr, write: format.shortMoney }),
      card({
        name: "customers",
        label: "Paying customers",
        value: now.customers,
        write: format.short,
        hint: now.trials ? `and ${format.plural(now.trials, "trial")}` : null,
      }),
      card({ name: "arpu", label: "ARPU", value: now.arpu, write: format.money, missing: "Nobody pays" }),
      card({
        name: "customerChurn",
        label: "Customer churn",
        value: movement.customerChurn,
        write: format.percent,
        missing: nobody,
        hint: `${format.count(movement.customersLost)} of ${format.plural(movement.customersAtStart, "customer")} lost`,
      }),
      card({
        name: "netRevenueChurn",
        label: "Net revenue churn",
        value: movement.netRevenueChurn,
        write: format.percent,
        missing: nobody,
        hint: movement.grossRevenueChurn === null ? null : `gross ${format.percent(movement.grossRevenueChurn)}`,
      }),
    ]),
  ];
}

/** Customers whose MRR is not known. */
function leftOut(/** @type {FinanceOverview["recurring"]} */ { unpriced, withoutRate }) {
  const parts = [
    unpriced ? `${format.plural(unpriced, "customer")} without a price` : null,
    ...withoutRate.map(({ currency, customers }) => `${format.count(customers)} in ${currency} without a rate`),
  ].filter(Boolean);
  return parts.length ? `Not in it: ${parts.join(", ")}` : null;
}

/** @type {[keyof FinanceOverview["movement"] & string, string][]} */
const MOVES = [
  ["new", "New"],
  ["reactivation", "Back again"],
  ["upgrade", "Upgrades"],
  ["downgrade", "Downgrades"],
  ["churn", "Churn"],
  ["exchange", "Exchange rates"],
];

function byDay(/** @type {Context} */ context, /** @type {Answers} */ { finance }) {
  const { daily, movement } = finance;
  const amounts = MOVES.map(([name, label]) => ({
    name,
    label,
    amount: /** @type {Amount} */ (movement[name]),
  }));
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "margin-days",
      title: "Revenue and cost by day",
      note: "Revenue is recognised over the time that it pays for",
      ...inAndOut(context, daily),
      table: dayTable(context, daily, "Revenue and cost by day", [
        ["recognised", "Recognised"],
        ["cost", "AI cost"],
        ["margin", "Margin"],
      ]),
    }),
    panel(context, {
      id: "mrr-days",
      title: "MRR by day",
      span: 6,
      chart: {
        ...lineOf(context, { daily, pick: (day) => day.mrr, name: "MRR", as: "money" }),
        onPick: undefined, // subscriptions are in no list of calls
      },
      table: dayTable(context, daily, "MRR by day", [["mrr", "MRR"]]),
    }),
    panel(context, {
      id: "movement",
      title: "MRR movement",
      note: "What changed between the beginning and the end of the period",
      span: 6,
      chart: waterfall({
        label: "MRR",
        from: ["At the beginning", movement.start],
        steps: amounts.map(({ label, amount }) => [label, amount]),
        to: ["At the end", movement.end],
        rising: "good",
      }),
      table: table({
        caption: "MRR movement",
        columns: [
          { key: "label", label: "What" },
          { key: "amount", label: "Change", as: "moneyChange" },
        ],
        rows: amounts,
        rowKey: (row) => row.name,
      }),
    }),
  );
}

/**
 * @param {Context} context
 * @param {FinanceDay[]} daily
 * @param {string} caption
 * @param {[key: string, label: string][]} columns
 */
function dayTable(context, daily, caption, columns) {
  return table({
    caption,
    columns: [
      {
        key: "day",
        label: `Day (${context.who.timezone})`,
        content: (row) => `${format.day(row.day)}${row.day === context.today() ? " (partial)" : ""}`,
      },
      ...columns.map(([key, label]) => /** @type {const} */ ({ key, label, as: "money" })),
    ],
    rows: [...daily].reverse(),
    rowKey: (row) => row.day,
  });
}

/** Recognised revenue and cost by day, a line each. @returns {{chart: Chart}} */
function inAndOut(/** @type {Context} */ context, /** @type {FinanceDay[]} */ daily) {
  const today = context.today();
  /** @type {[name: string, colour: string, pick: (day: FinanceDay) => Amount][]} */
  const lines = [
    ["Recognised", colour("s5"), (day) => day.recognised],
    ["AI cost", colour("s1"), (day) => day.cost],
  ];
  const days = daily.map(({ day }) => day);
  const rows = daily.flatMap((day) =>
    lines.map(([name, , pick], rank) => ({
      day: day.day,
      name,
      value: Number(pick(day)),
      rank,
      partial: day.day === today || daily.length === 1,
    })),
  );
  const [formatType] = AXES.money;
  return {
    chart: {
      onPick: callsBehind(context).day,
      onSpan: zoomTo(context),
      series: lines.map(([name, of]) => /** @type {[string, string]} */ ([name, of])),
      spec: "lines",
      rows,
      label: `Recognised revenue and AI cost by day, ${format.span(days[0], days[days.length - 1])}`,
      values: {
        ...dayAxis(days),
        formatType,
        domain: lines.map(([name]) => name),
        range: lines.map(([, of]) => of),
      },
      lines: (/** @type {(typeof rows)[number]} */ { day }) => {
        const of = /** @type {FinanceDay} */ (daily.find((each) => each.day === day));
        return {
          title: `${format.day(day)}${day === today ? " (partial)" : ""}`,
          pairs: [
            ["Recognised", format.money(of.recognised)],
            ["AI cost", format.money(of.cost)],
            ["Margin", format.money(of.margin)],
          ],
        };
      },
    },
  };
}
