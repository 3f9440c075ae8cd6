// Models: what each costs, in money and tokens, and who uses it; and the providers beside each other.

import { card, cards, costNote } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { download, labelsOf, measures, panel } from "../../panels.js";
import { changeColumns, compareParameters } from "../../parts/change.js";
import { costPerCall, tokensCard, UNTIMED } from "../../parts/figures.js";
import { SPEEDS, timed, withSpeeds } from "../../parts/latency.js";
import { callsBehind } from "../../parts/links.js";
import { barsOf, COLUMNS, costOf, ranking } from "../../parts/rankings.js";
import { remainderOf } from "../../remainder.js";
import { table } from "../../table.js";

/** @import { Amount, Answers, Column, Context, ModelCosts, Tab, Totals } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "Models",
  controls: { compare: true },
  requests: (context) => ({
    models: ["/api/admin/ai/models", { ...context.parameters(), ...compareParameters(context) }],
  }),
  calls: ({ models }) => models?.models.reduce((all, row) => all + row.requests, 0),
  sections: () => [
    { id: "figures", needs: ["models"], skeleton: "cards", render: figures, always: true },
    { id: "charts", needs: ["models"], skeleton: "charts", render: charts },
    { id: "table", needs: ["models"], skeleton: "table", render: list },
  ],
};

const NOTHING = { requests: 0, cost: 0, tokens: { input: 0, output: 0, total: 0 }, unpriced: 0, estimated: 0 };

function figures(/** @type {Context} */ context, /** @type {Answers} */ { models: { models } }) {
  const all = models.length ? remainderOf(models) : NOTHING;
  return cards([
    card({
      name: "models",
      label: "Models",
      value: models.length,
      write: format.count,
      hint: format.plural(new Set(models.map((row) => row.provider)).size, "provider"),
    }),
    card({ name: "requests", label: "Requests", value: all.requests, write: format.short }),
    card({ name: "cost", label: "Cost", value: all.cost, write: format.shortMoney, hint: costNote(all, context.href) }),
    costPerCall(all),
    tokensCard(all.tokens),
  ]);
}

/**
 * @type {Record<"cost" | "requests" | "tokens", [label: string, pick: (row: Totals) => Amount,
 *   write: (value: Amount | null, row: Totals) => string]>}
 */
const MEASURES = {
  cost: ["Cost", (row) => row.cost, costOf],
  requests: ["Requests", (row) => row.requests, format.count],
  tokens: ["Tokens", (row) => row.tokens.total, format.short],
};

/**
 * Bars of the chosen measure, the greatest first.
 * @template {Totals} T
 * @param {Context} context
 * @param {string} id
 * @param {T[]} rows
 * @param {(row: T) => string} name
 * @param {(row: T) => string} href
 */
function bars(context, id, rows, name, href) {
  const { chosen, buttons } = measures(context, id, labelsOf(MEASURES));
  const [label, pick, write] = MEASURES[chosen];
  const sorted = [...rows].sort((a, b) => Number(pick(b)) - Number(pick(a)));
  return { buttons, chart: barsOf({ rows: sorted, name, pick, write, label: `${label} by ${id}`, href }) };
}

function charts(/** @type {Context} */ context, /** @type {Answers} */ { models: { models } }) {
  const providers = byProvider(models);
  const ofModels = bars(context, "model", models, (row) => row.model, callsBehind(context).model);
  const ofProviders = bars(context, "provider", providers, (row) => row.provider, callsBehind(context).provider);
  const few = [COLUMNS.requests, COLUMNS.cost, COLUMNS.tokens, COLUMNS.successRate];
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "models",
      title: "By model",
      span: 6,
      tools: ofModels.buttons,
      chart: ofModels.chart,
      table: ranking(context, {
        id: "by-model",
        caption: "Models",
        rows: models,
        columns: [{ key: "model", label: "Model" }, ...few, ...changeColumns(context)],
        href: callsBehind(context).model,
        rowKey: keyOf,
        noun: "model",
      }),
    }),
    panel(context, {
      id: "providers",
      title: "Provider comparison",
      span: 6,
      tools: ofProviders.buttons,
      chart: ofProviders.chart,
      table: ranking(context, {
        id: "by-provider",
        caption: "Providers",
        rows: providers,
        columns: [{ key: "provider", label: "Provider" }, ...few],
        href: callsBehind(context).provider,
        noun: "provider",
      }),
    }),
  );
}

const keyOf = (/** @type {ModelCosts} */ row) => `${row.provider} ${row.model}`;

function byProvider(/** @type {ModelCosts[]} */ models) {
  /** @type {Map<string, ModelCosts[]>} */
  const groups = new Map();
  for (const row of models) groups.set(row.provider, [...(groups.get(row.provider) ?? []), row]);
  return [...groups].map(([provider, rows]) => ({ ...remainderOf(rows), provider }));
}

function list(/** @type {Context} */ context, /** @type {Answers} */ { models: { models } }) {
  /** @type {Column<ModelCosts>[]} */
  const columns = [
    { key: "model", label: "Model" },
    { key: "provider", label: "Provider" },
    { ...COLUMNS.requests, share: false },
    { key: "uniqueUsers", label: "Users", as: "count" },
    { key: "inputTokens", label: "Input tokens", as: "count" },
    { key: "outputTokens", label: "Output tokens", as: "count" },
    { key: "inputCost", label: "Input cost", as: "money" },
    { key: "outputCost", label: "Output cost", as: "money" },
    { key: "mediaCost", label: "Other cost", as: "money" },
    COLUMNS.cost,
    { key: "averageCost", label: "Cost per call", as: "money" },
    COLUMNS.unpriced,
    COLUMNS.successRate,
  ];
  const rows = models.map((row) => ({
    ...row,
    inputTokens: row.tokens.input,
    outputTokens: row.tokens.output,
    mediaCost: row.generationCost,
  }));
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "list",
      title: "Model details",
      note: "Other cost: images, audio, video, web searches.",
      tools: download(context, "models"),
      table: ranking(context, {
        id: "models",
        caption: "Model details",
        rows,
        columns,
        href: callsBehind(context).model,
        rowKey: keyOf,
        noun: "model",
      }),
    }),
    panel(context, {
      id: "speed",
      title: "Speed",
      note: "Request duration, the slowest p95 first; medians of time to first token and of output tokens per second",
      empty: timed(models).length ? null : `${UNTIMED}.`,
      table: table({
        caption: "Speed of models",
        rows: timed(models)
          .map(withSpeeds)
          .sort((a, b) => (b.p95 ?? 0) - (a.p95 ?? 0)),
        columns: [
          { key: "model", label: "Model" },
          { key: "provider", label: "Provider" },
          ...SPEEDS,
          COLUMNS.requests,
        ],
        href: callsBehind(context).model,
        rowKey: keyOf,
      }),
    }),
  );
}
