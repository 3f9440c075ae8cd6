// @ts-check
// Models: what each costs, in money and tokens, and who uses it; and the providers beside each other.

import { card, cards, costNote } from "../cards.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { download, measures, panel } from "../panels.js";
import { callsBehind } from "../parts/links.js";
import { barsOf, COLUMNS, costOf, pairsOf, ranking } from "../parts/rankings.js";
import { remainderOf } from "../remainder.js";

export default {
  title: "Models",
  requests: (context) => ({ models: ["/api/admin/ai/models", context.parameters()] }),
  calls: ({ models }) => models?.models.reduce((all, row) => all + row.requests, 0),
  sections: () => [
    { id: "figures", needs: ["models"], skeleton: "cards", render: figures, always: true },
    { id: "charts", needs: ["models"], skeleton: "charts", render: charts },
    { id: "table", needs: ["models"], skeleton: "table", render: list },
  ],
};

function figures(context, { models: { models } }) {
  const all = models.length
    ? remainderOf(models)
    : { requests: 0, cost: "0", tokens: { total: 0, input: 0, output: 0 }, unpriced: 0, estimated: 0 };
  const priced = all.requests - all.unpriced;
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
    card({
      name: "averageCost",
      label: "Cost a call",
      value: priced ? Number(all.cost) / priced : null,
      write: format.shortMoney,
      missing: "No priced calls in this period",
      hint: "over the priced calls",
    }),
    card({
      name: "tokens",
      label: "Tokens",
      value: all.tokens.total,
      write: format.short,
      hint: `${format.short(all.tokens.input)} in, ${format.short(all.tokens.output)} out`,
    }),
  ]);
}

const MEASURES = {
  cost: ["Cost", (row) => row.cost, costOf],
  requests: ["Requests", (row) => row.requests, format.count],
  tokens: ["Tokens", (row) => row.tokens.total, format.short],
};

/** Bars of the chosen measure, the greatest first. */
function bars(context, id, rows, name) {
  const { chosen, buttons } = measures(
    context,
    id,
    Object.entries(MEASURES).map(([key, [label]]) => [key, label]),
  );
  const [label, pick, write] = MEASURES[chosen];
  const sorted = [...rows].sort((a, b) => Number(pick(b)) - Number(pick(a)));
  return { buttons, chart: barsOf({ rows: sorted, name, pick, write, label: `${label} by ${id}`, lines: pairsOf }) };
}

function charts(context, { models: { models } }) {
  const providers = byProvider(models);
  const ofModels = bars(context, "model", models, (row) => row.model);
  const ofProviders = bars(context, "provider", providers, (row) => row.provider);
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
        columns: [{ key: "model", label: "Model" }, ...few],
        href: callsBehind(context).model,
        rowKey: keyOf,
        noun: "model",
      }),
    }),
    panel(context, {
      id: "providers",
      title: "Providers compared",
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

const keyOf = (row) => `${row.provider} ${row.model}`;

function byProvider(models) {
  const groups = new Map();
  for (const row of models) groups.set(row.provider, [...(groups.get(row.provider) ?? []), row]);
  return [...groups].map(([provider, rows]) => ({ provider, ...remainderOf(rows), models: rows.length }));
}

function list(context, { models: { models } }) {
  const columns = [
    { key: "model", label: "Model" },
    { key: "provider", label: "Provider" },
    { ...COLUMNS.requests, share: false },
    { key: "uniqueUsers", label: "Users", as: "count" },
    { key: "inputTokens", label: "Tokens in", as: "count" },
    { key: "outputTokens", label: "Tokens out", as: "count" },
    { key: "inputCost", label: "Cost in", as: "money" },
    { key: "outputCost", label: "Cost out", as: "money" },
    { key: "mediaCost", label: "Other cost", as: "money" },
    COLUMNS.cost,
    { key: "averageCost", label: "A call", as: "money" },
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
      title: "Models in detail",
      note: "Other cost: images, audio, video, searches",
      tools: download(context, "models"),
      table: ranking(context, {
        id: "models",
        caption: "Models in detail",
        rows,
        columns,
        href: callsBehind(context).model,
        rowKey: keyOf,
        noun: "model",
      }),
    }),
  );
}
