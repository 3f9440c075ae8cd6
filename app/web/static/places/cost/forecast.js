// What the month and the next weeks will cost, how sure that is, and how far such forecasts were off before.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { budgetPanel } from "../../parts/budgets.js";
import { links } from "../../parts/choices.js";
import { intervals } from "../../parts/intervals.js";
import { table } from "../../table.js";

/** @import { Answers, Context, Forecast, Requests, SeriesForecast, Tab } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "Forecast",
  controls: { period: false },
  requests,
  sections: () => [
    { id: "whole", needs: ["forecast"], skeleton: "cards", render: whole },
    { id: "budgets", needs: ["budgets"], skeleton: "table", render: budgetPanel },
    { id: "by", needs: [], skeleton: null, render: parted, always: true },
    { id: "parts", needs: ["forecast"], skeleton: "table", render: parts },
  ],
};

/** @returns {Requests} */
function requests(/** @type {Context} */ context) {
  const { synthetic, clientId, provider, model, feature } = context.parameters();
  const of = { synthetic, clientId, provider, model, feature, by: context.state.by };
  return {
    forecast: ["/api/admin/finance/forecast", of],
    budgets: ["/api/admin/finance/forecast/budgets", { clientId }],
  };
}

/** The spans of a forecast, and what each is called. */
const spansOf = (/** @type {SeriesForecast} */ { monthEnd, next30Days, next90Days }) =>
  /** @type {[name: string, label: string, forecast: Forecast | null][]} */ ([
    ["monthEnd", "Projected month-end", monthEnd],
    ["next30Days", "Next 30 days", next30Days],
    ["next90Days", "Next 90 days", next90Days],
  ]);

const bandOf = (/** @type {Forecast} */ { low, high }) => `${format.shortMoney(low)} to ${format.shortMoney(high)}`;

function whole(/** @type {Context} */ context, /** @type {Answers} */ { forecast: { whole: series } }) {
  const { refused } = series;
  const spans = spansOf(series);
  const found = spans.flatMap(([name, label, forecast]) => (forecast ? [{ ...forecast, name, label }] : []));
  return [
    cards([
      card({ name: "monthToDate", label: "Month to date", value: series.monthToDate, write: format.shortMoney }),
      ...spans.map(([name, label, forecast]) =>
        card({
          name: `${name}.cost`,
          label,
          value: forecast?.cost,
          missing: refused && format.sentence(refused.why),
          write: format.shortMoney,
          hint: forecast && `80 % band: ${bandOf(forecast)}`,
        }),
      ),
    ]),
    el("p.compared", {}, basis(series)),
    el(
      "div.grid",
      {},
      panel(context, {
        id: "forecast",
        title: "Forecast",
        note: "The band holds what comes true in 4 of 5 cases; the tick is what has been spent. Never below that",
        empty: found.length ? null : refusal(series),
        chart: found.length
          ? intervals(found, {
              label: "Forecast",
              title: "Cost",
              formatType: "axisMoney",
              name: (row) => row.label,
              band: (row) => [row.low, row.cost, row.high],
              reference: (row) => row.spent,
              words: (row) => `${format.money(row.cost)}, ${bandOf(row)}`,
              pairs: (row) => [
                ["Cost", format.money(row.cost)],
                ["80 % band", bandOf(row)],
                ["Spent", format.money(row.spent)],
              ],
            })
          : undefined,
        table: table({
          caption: "Forecast",
          columns: [
            { key: "label", label: "Until", content: (row) => `${row.label}, ${format.day(row.until)}` },
            { key: "spent", label: "Spent", as: "money" },
            { key: "cost", label: "Cost", as: "money" },
            { key: "low", label: "From", as: "money" },
            { key: "high", label: "To", as: "money" },
          ],
          rows: found,
          rowKey: (row) => row.name,
        }),
      }),
      found.length ? tested(context, found) : null,
    ),
  ];
}

/** Why there is none. */
const refusal = (/** @type {SeriesForecast} */ { refused }) =>
  refused &&
  `${format.sentence(refused.why)}${refused.possibleFrom ? `. From ${format.day(refused.possibleFrom)} on, if calls go on` : ""}`;

/** On which days it rests, and what it leaves out. */
function basis(/** @type {SeriesForecast} */ { fullDays, missingDays, unpriced }) {
  const missing = missingDays.length
    ? ` ${format.plural(missingDays.length, "day")} without any call at all: not taken as zero.`
    : "";
  const without = unpriced ? ` ${format.plural(unpriced, "call")} without a price: in no figure.` : "";
  return `From ${format.plural(fullDays, "full day")} of the last 8 weeks; today counts as spent alone.${missing}${without}`;
}

/** What forecasts of earlier days were off, beside those that need no method. */
function tested(/** @type {Context} */ context, /** @type {(Forecast & {name: string, label: string})[]} */ found) {
  return panel(context, {
    id: "backtest",
    title: "How good such forecasts were",
    note: "Each was made of the days before it alone. Error: of the sum, in percent of it",
    table: table({
      caption: "How good such forecasts were",
      columns: [
        { key: "label", label: "Of" },
        { key: "method", label: "Method", content: (row) => el("span.sentence", {}, methodOf(row)) },
        { key: "origins", label: "Tested", as: "count" },
        { key: "wape", label: "Error", as: "percent" },
        { key: "wapeNaive", label: "As yesterday", as: "percent" },
        { key: "wapeSeasonalNaive", label: "As a week ago", as: "percent" },
        { key: "coverage", label: "In the band", as: "percent" },
      ],
      rows: found.map(({ backtest, name, label, method, beatsNaive, days }) => ({
        ...backtest,
        name,
        label,
        method,
        beatsNaive,
        horizon: days,
      })),
      rowKey: (row) => row.name,
    }),
  });
}

function methodOf(
  /** @type {Forecast["backtest"] & Pick<Forecast, "method" | "beatsNaive"> & {horizon: number}} */ row,
) {
  const shorter = row.days < row.horizon ? `; tested on ${format.plural(row.days, "day")}, for want of history` : "";
  if (row.beatsNaive === null) return `${format.words(row.method)}; not tested yet`;
  return `${format.words(row.method)}${row.beatsNaive ? "" : "; no better than a naive one"}${shorter}`;
}

function parted(/** @type {Context} */ context) {
  return links(context, {
    name: "by",
    label: "One by one",
    choices: [
      [null, "All together"],
      ["client", "By client"],
      ["model", "By model"],
      ["feature", "By feature"],
    ],
  });
}

function parts(/** @type {Context} */ context, /** @type {Answers} */ { forecast }) {
  const { by } = context.state;
  if (!by) return null;
  const rows = forecast.parts.map((series) => ({
    name: series.name ?? "",
    monthToDate: series.monthToDate,
    refused: series.refused,
    monthEnd: series.monthEnd,
    ...Object.fromEntries(spansOf(series).map(([name, , found]) => [`${name}Cost`, found?.cost ?? null])),
  }));
  const left = forecast.partsLeftOut;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "parts",
      title: "One by one",
      note: `Each by itself: they need not sum to the whole${left ? `. ${format.count(left)} with less cost are left out` : ""}`,
      empty: rows.length ? null : "No calls yet.",
      table: table({
        caption: "One by one",
        columns: [
          { key: "name", label: format.words(by) },
          { key: "monthToDate", label: "Month to date", as: "money" },
          { key: "monthEndCost", label: "Projected month-end", as: "money" },
          { key: "band", label: "80 % band", content: (row) => (row.monthEnd ? bandOf(row.monthEnd) : "none yet") },
          { key: "next30DaysCost", label: "Next 30 days", as: "money" },
          { key: "next90DaysCost", label: "Next 90 days", as: "money" },
        ],
        rows,
      }),
    }),
  );
}
