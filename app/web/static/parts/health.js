// How healthy it is, in one figure, and how the month and the day stand.

import { card, cards, costNote } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { narrowed } from "../state.js";

/** @import { Answers, Context, Overview } from "../types.js" */

/** The health score beside the month and the day to date. */
export function health(/** @type {Context} */ context, /** @type {Answers} */ { overview }) {
  const why = narrowed(context.state)
    ? "Score and month figures cover a whole client: not available with a provider, model or feature filter."
    : null;
  return el("div.grid", {}, score(context, overview, why), month(context, overview, why));
}

function score(
  /** @type {Context} */ context,
  /** @type {Overview} */ { health: of },
  /** @type {string | null} */ why,
) {
  const none = why ?? (of.score === null ? "No calls this month to score." : null);
  /** @type {[label: string, value: number | null, about: string][]} */
  const meters = [
    ["Success", of.success, "0 at 90% or less, 100 at 100%"],
    ["Latency", of.latency, "100 at a p95 of 2 s or less, 0 at 20 s"],
    ["Cost known", of.costCoverage, "share of calls with a known cost that is not an estimate"],
  ];
  return panel(context, {
    id: "health",
    title: "Health score",
    span: 6,
    note: "Month to date, 0 to 100",
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

function meter(/** @type {[label: string, value: number | null, about: string]} */ [label, value, about]) {
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
    el("p.panel-note", {}, value === null ? "no calls report a duration" : about),
  );
}

function month(
  /** @type {Context} */ context,
  /** @type {Overview} */ { month: of, today, trends },
  /** @type {string | null} */ why,
) {
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
  return panel(context, { id: "month", title: "Month and day to date", span: 6, note, content: list });
}
