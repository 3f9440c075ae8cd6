// The month in one figure: what it cost so far, where it ends, and how that stands to its budget.

import { costNote } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { arrow, percentOf } from "./change.js";

/** @import { Amount, Answers, Child, Context, MonthBudget, SeriesForecast, SpanCost } from "../types.js" */

/** The hero. */
export function month(/** @type {Context} */ context, /** @type {Answers} */ { summary }) {
  const { month: of, today, forecast, budgets } = summary;
  return panel(context, {
    id: "month",
    title: "Cost this month",
    span: 6,
    tools: el("a.button.small.quiet", { href: context.href({ tab: "cost" }), "data-link": "" }, "Cost"),
    content: el(
      "div.hero",
      {},
      el(
        "p.figure",
        { "data-figure": "month.cost", "data-value": String(of.totals.cost), title: `$${of.totals.cost}` },
        format.money(of.totals.cost),
      ),
      el("p.hero-change", {}, changeOf(of)),
      el(
        "dl.figures",
        {},
        ending(forecast),
        budget(budgets[0], forecast),
        of.totals.requests ? [day(today), requests(of, today)] : null,
      ),
      el("p.panel-note", {}, costNote(of.totals, context.href)),
    ),
  });
}

/** @returns {Child} */
function changeOf(/** @type {SpanCost} */ { totals, earlier, compared }) {
  const [, before = ""] = format.sentence(compared).split(" against ");
  const change = arrow(percentOf(totals.cost, earlier), format.sentence(compared));
  if (change) return [change, ` against ${before}`];
  return totals.requests ? `No cost in ${before}` : "No calls yet this month";
}

function ending(/** @type {SeriesForecast} */ { monthEnd, refused }) {
  const label = el("dt", {}, "Projected month-end");
  if (!monthEnd) {
    const from = refused?.possibleFrom ? `; possible from ${format.day(refused.possibleFrom, { year: false })}` : "";
    return [label, el("dd", { title: refused && format.sentence(refused.why) }, `too early to say${from}`)];
  }
  const band = `${format.shortMoney(monthEnd.low)} to ${format.shortMoney(monthEnd.high)}`;
  return [
    label,
    el(
      "dd",
      { "data-figure": "monthEnd.cost", "data-value": String(monthEnd.cost), title: `80% band: ${band}` },
      el("strong", {}, format.money(monthEnd.cost)),
      ` (${band})`,
    ),
  ];
}

function budget(/** @type {MonthBudget | undefined} */ of, /** @type {SeriesForecast} */ { monthEnd }) {
  if (!of) return null;
  const used = Math.min(100, Number(of.usedPercent ?? 0));
  const over = monthEnd && Number(monthEnd.cost) > Number(of.amount);
  return [
    el("dt", {}, of.name ?? "Budget"),
    el(
      "dd",
      { "data-figure": "budget.used", "data-value": String(of.used) },
      `${format.percent(of.usedPercent)} of ${format.money(of.amount)} used`,
      over ? el("span.trend.bad", {}, ", forecast to exceed it") : null,
      el("div.bar", { "aria-hidden": "true" }, el("i", { styles: { width: `${used}%` } })),
    ),
  ];
}

function day(/** @type {SpanCost} */ { totals, earlier, compared }) {
  return [
    el("dt", {}, "Today"),
    el(
      "dd",
      { "data-figure": "today.cost", "data-value": String(totals.cost) },
      `${format.money(totals.cost)} `,
      arrow(percentOf(totals.cost, earlier), format.sentence(compared)),
    ),
  ];
}

function requests(/** @type {SpanCost} */ of, /** @type {SpanCost} */ today) {
  return [
    el("dt", {}, "Requests"),
    el(
      "dd",
      { "data-figure": "month.requests", "data-value": String(of.totals.requests) },
      `${format.short(of.totals.requests)} this month, ${format.short(today.totals.requests)} today`,
    ),
  ];
}

/** What a month's budget allows on each of its days, as a level of a chart by day. */
export function dailyBudget(/** @type {MonthBudget[]} */ budgets, /** @type {string} */ today) {
  const [year, number] = today.split("-").map(Number);
  const days = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const level = (/** @type {Amount} */ amount) => Number(amount) / days;
  return budgets
    .slice(0, 1)
    .map(({ amount, name }) => ({ value: level(amount), label: `${name ?? "Budget"}, a day's share` }));
}
