// Data quality: what the figures leave out, or rest on guesses.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { download, panel } from "../../panels.js";
import { callsBehind } from "../../parts/links.js";
import { COLUMNS, ranking } from "../../parts/rankings.js";
import { OF_NO_TAB } from "../../state.js";
import { table } from "../../table.js";

/** @import { Amount, Answers, Column, Context, ModelTotals, Row, Tab, Tokens } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "Data quality",
  requests: (context) => ({ quality: ["/api/admin/ai/data-quality", context.parameters()] }),
  calls: ({ quality }) => quality?.totals.requests,
  sections: () => [
    { id: "figures", needs: ["quality"], skeleton: "cards", render: figures, always: true },
    { id: "findings", needs: ["quality"], skeleton: "charts", render: findings },
  ],
};

const counted = (/** @type {{requests: number}[]} */ rows) => rows.reduce((all, row) => all + row.requests, 0);

function figures(/** @type {Context} */ _context, /** @type {Answers} */ { quality: of }) {
  const share = (/** @type {Amount | null} */ value) => `${format.percent(value)} of all calls`;
  return cards([
    card({
      name: "unpriced",
      label: "Unpriced calls",
      value: of.totals.unpriced,
      write: format.short,
      hint: share(of.unpricedShare),
    }),
    card({
      name: "estimated",
      label: "Estimated calls",
      value: of.totals.estimated,
      write: format.short,
      hint: share(of.estimatedShare),
    }),
    card({
      name: "impossible",
      label: "Provider and model do not match",
      value: counted(of.impossiblePairs),
      write: format.short,
      hint: format.plural(of.impossiblePairs.length, "pair"),
    }),
    card({
      name: "unmapped",
      label: "Unmapped calls",
      value: counted(of.unmappedContentTypes),
      write: format.short,
      hint: format.plural(of.unmappedContentTypes.length, "content type"),
    }),
    card({
      name: "refusedCalls",
      label: "Refused calls",
      value: of.refusedCalls === null ? null : of.refusedCalls.reduce((all, row) => all + row.calls, 0),
      write: format.short,
      hint: of.refusedCalls === null ? "not counted under these filters" : "kept by reason for 30 days",
    }),
    card({
      name: "lateCalls",
      label: "Late calls",
      value: of.lateCalls === null ? null : of.lateCalls.reduce((all, row) => all + row.calls, 0),
      write: format.short,
      hint: of.lateCalls === null ? "not counted under these filters" : "reported more than 90 days after their date",
    }),
    card({
      name: "aggregated",
      label: "Aggregated entries",
      value: of.aggregated.entries,
      write: format.short,
      hint: "sums of many calls, as imports of daily figures make them",
    }),
    card({
      name: "unreadableUsage",
      label: "Usage in an unknown format",
      value: of.unreadableUsage,
      write: format.short,
      hint: "usage in a format that could not be read",
    }),
  ]);
}

/** How many rows the route lists of each kind. */
const MOST = 100;

/** A way to give a model a price. @returns {Column<ModelTotals>} */
const pricing = (/** @type {Context} */ context) => ({
  key: "price",
  label: "Price",
  content: ({ model, provider }) =>
    el(
      "a.button.small",
      {
        href: context.href({ ...OF_NO_TAB, tab: "settings/prices", model, provider }),
        "data-link": "",
        "aria-label": `Set price: ${model}`,
      },
      "Set price",
    ),
});
const MODEL = [
  { key: "model", label: "Model" },
  { key: "provider", label: "Provider" },
  COLUMNS.requests,
  COLUMNS.tokens,
];

/** Codes of reasons, in words. @type {Record<string, string>} */
const REASONS = {
  usage_unreadable: "Usage could not be read",
  usage_missing: "Usage was not reported",
  model_unknown: "Unknown model",
  seller_uncertain: "Uncertain seller",
  price_missing: "No price for what was used",
  "": "Not recorded",
};

function findings(/** @type {Context} */ context, /** @type {Answers} */ { quality: of }) {
  const calls = callsBehind(context);
  const models = (
    /** @type {"unpriced" | "estimated"} */ id,
    /** @type {string} */ title,
    /** @type {ModelTotals[]} */ rows,
    /** @type {Column<ModelTotals>[]} */ columns,
    /** @type {string} */ about,
    /** @type {string} */ good,
  ) =>
    finding(context, {
      id,
      title,
      about,
      good,
      rows,
      columns,
      rowKey: (row) => `${row.provider} ${row.model}`,
      noun: "model",
      href: ({ provider, model }) => calls.costSource(id, { provider, model }),
    });
  return el(
    "div.grid",
    {},
    finding(context, {
      id: "reasons",
      span: 12,
      title: "Why calls are unpriced",
      about: "By kind of reason and model; each call says it in words.",
      good: "Every call in this period has a price.",
      rows: of.unpricedReasons,
      columns: [{ key: "reason", label: "Reason", content: (row) => REASONS[row.reason] ?? row.reason }, ...MODEL],
      rowKey: (row) => `${row.reason} ${row.provider} ${row.model}`,
      href: ({ provider, model }) => calls.costSource("unpriced", { provider, model }),
      noun: "reason",
    }),
    refused(context, of.refusedCalls),
    models(
      "unpriced",
      "Models without a price",
      of.unpricedModels,
      [...MODEL, pricing(context)],
      "Their cost is not included in totals until they have a price, and are repriced.",
      "Every call in this period has a price.",
    ),
    models(
      "estimated",
      "Models with estimated tokens",
      of.estimatedModels,
      [...MODEL, COLUMNS.cost],
      "Their tokens were estimated from text or an average; their cost is included in totals.",
      "No calls in this period were estimated.",
    ),
    finding(context, {
      id: "impossible",
      title: "Provider and model do not match",
      about: "Reported under a provider that does not sell the model; grouped under the one that does.",
      good: "Every model was reported under a provider that sells it.",
      rows: of.impossiblePairs,
      columns: [
        { key: "model", label: "Model" },
        { key: "reportedProvider", label: "Reported" },
        { key: "provider", label: "Grouped as" },
        COLUMNS.requests,
      ],
      rowKey: (row) => `${row.reportedProvider} ${row.provider} ${row.model}`,
      href: calls.pair,
      noun: "pair",
    }),
    finding(context, {
      id: "unmapped",
      title: "Unmapped content types",
      about: "Not mapped to a feature: grouped under their own name.",
      good: "Every content type is mapped to a feature.",
      rows: of.unmappedContentTypes,
      columns: [{ key: "contentType", label: "Content type" }, COLUMNS.requests],
      href: ({ contentType }) => calls.feature({ feature: contentType }),
      noun: "content type",
    }),
    finding(context, {
      id: "folded",
      span: 12,
      title: "Names beyond the limit",
      about: "Reports group names beyond a client's limit as “other”; the calls keep them.",
      good: "No client has reached the limit.",
      rows: of.foldedNames,
      columns: [
        { key: "dimension", label: "Dimension", content: (row) => format.words(row.dimension) },
        COLUMNS.requests,
      ],
      rowKey: (row) => row.dimension,
      href: calls.all,
      noun: "dimension",
    }),
  );
}

/** @param {Context} context @param {import("../../types.js").DataQuality["refusedCalls"]} rows */
function refused(context, rows) {
  return panel(context, {
    id: "refused",
    title: "Refused calls",
    span: 12,
    note: rows?.length ? "Counted by reason for 30 days; nothing else of them is kept." : null,
    empty:
      rows === null
        ? "Refused calls have no provider, model, feature or user."
        : rows.length
          ? null
          : "No call was refused.",
    table: table({
      caption: "Refused calls",
      rows: rows ?? [],
      columns: [
        { key: "door", label: "Channel", content: (row) => format.words(row.door) },
        { key: "field", label: "Field", content: (row) => (row.field ? el("code", {}, row.field) : "") },
        { key: "reason", label: "Reason", content: (row) => el("span", {}, row.reason) }, // whole, unlike a name
        { key: "calls", label: "Calls", as: "count" },
      ],
      rowKey: (row) => `${row.door} ${row.field} ${row.reason}`,
    }),
  });
}

/**
 * @template {Row & {requests: number, tokens?: Tokens}} T
 * @param {Context} context
 * @param {{id: string, span?: number, title: string, about: string, good: string, rows: T[], columns: Column<T>[],
 *   href: (row: T) => string, rowKey?: (row: T) => string, noun: string}} what `good` is said where there is none
 */
function finding(context, { id, span = 6, title, about, good, rows, columns, href, rowKey, noun }) {
  return panel(context, {
    id,
    title,
    span,
    note: rows.length ? `${about}${rows.length < MOST ? "" : ` Top ${MOST}; the CSV has all.`}` : null,
    empty: rows.length ? null : good,
    tools: id === "unpriced" ? download(context, "data-quality") : null,
    table: ranking(context, { id, caption: title, rows, columns, href, rowKey, noun }),
  });
}
