// What came of an experiment: what is to be known first, then each variant, and how they differ.

import { el } from "../dom.js";
import * as format from "../format.js";
import { labelsOf, measures, panel } from "../panels.js";
import { table } from "../table.js";
import { intervals } from "./intervals.js";

/** @import { Amount, Answers, Child, Context, Difference, Estimate, ExperimentResults, VariantResult } from "../types.js" */

const SHARE = 100;

/** What has to be known before any figure is believed. */
export function notices(/** @type {Context} */ _, /** @type {Answers} */ { results }) {
  return results.notices.map(({ code, message }) =>
    el(
      `p.banner${code === "sample_ratio" ? ".bad" : ""}`,
      { role: code === "sample_ratio" ? "alert" : "note", "data-notice": code },
      `${format.words(format.sentence(message))}.`,
    ),
  );
}

export function variants(/** @type {Context} */ context, /** @type {Answers} */ { results }) {
  const { experiment, sampleRatio, mixedUsers, unexposedConversions } = results;
  const likely = sampleRatio.pValue === null ? "" : ` Sample ratio: p = ${rounded(sampleRatio.pValue)}.`;
  const left = [
    mixedUsers ? `${format.plural(mixedUsers, "user")} in more than one variant` : null,
    unexposedConversions
      ? `${format.plural(unexposedConversions, "conversion")} of users who were not in it before`
      : null,
  ].filter(Boolean);
  return [
    el(
      "p.compared",
      {},
      `${experiment.name}, ${format.span(results.first, results.last)}. ${format.words(results.method.words)}.`,
      likely,
      left.length ? ` Not counted: ${left.join(", ")}.` : "",
    ),
    el(
      "div.grid",
      {},
      panel(context, {
        id: "variants",
        title: "Variants",
        note: experiment.note,
        table: table({
          caption: "Variants",
          columns: [
            { key: "name", label: "Variant", content: (row, shown) => [shown, row.control ? " (control)" : ""] },
            { key: "users", label: "Users", as: "count", share: true },
            { key: "calls", label: "Calls", as: "count" },
            { key: "cost", label: "AI cost", as: "money" },
            { key: "converted", label: "Converted", as: "count" },
            { key: "conversions", label: "Conversions", as: "count" },
            { key: "value", label: "Value", as: "money" },
            { key: "unpriced", label: "Unpriced", as: "count" },
          ],
          rows: results.variants,
        }),
      }),
    ),
  ];
}

/** A probability as people read it. */
const rounded = (/** @type {Amount} */ value) => (Number(value) < 0.001 ? "< 0.001" : Number(value).toFixed(3));
const shareOf = (/** @type {Amount | null | undefined} */ value) =>
  value === null || value === undefined ? format.DASH : format.percent(SHARE * Number(value));

/** What is compared: its label, how it is written, and its axis. @type {Record<string, [string, (value: Amount | null) => string, string]>} */
const FIGURES = {
  conversionRate: ["Conversion", shareOf, "axisShare"],
  costPerUser: ["Cost per user", format.money, "axisMoney"],
  costPerConversion: ["Cost per conversion", format.money, "axisMoney"],
  valuePerUser: ["Value per user", format.money, "axisMoney"],
  callsPerUser: ["Calls per user", (value) => (value === null ? format.DASH : Number(value).toFixed(2)), "axisPlain"],
};

export function figures(/** @type {Context} */ context, /** @type {Answers} */ { results }) {
  const { chosen, buttons } = measures(context, "figure", labelsOf(FIGURES));
  const [label, write, formatType] = FIGURES[chosen];
  const of = (/** @type {VariantResult} */ row) => row.figures[chosen];
  const known = results.variants.filter((row) => of(row) && of(row).low !== null && of(row).high !== null);
  const control = results.variants.find((row) => row.control);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "figure",
      title: `${label} by variant`,
      note: "With the 95 % interval; the tick is the control",
      tools: buttons,
      chart: known.length
        ? intervals(known, {
            label,
            title: label,
            formatType,
            zero: false,
            name: (row) => row.name,
            band: (row) => /** @type {[Amount, Amount, Amount]} */ ([of(row).low, of(row).value, of(row).high]),
            reference: () => (control ? of(control).value : null),
            words: (row) => `${write(of(row).value)}, ${bandWords(of(row), write)}`,
            pairs: (row) => [
              [label, write(of(row).value)],
              ["95 % interval", bandWords(of(row), write)],
            ],
          })
        : undefined,
      table: compared(results, chosen, write),
    }),
  );
}

const bandWords = (
  /** @type {Estimate} */ { low, high, few },
  /** @type {(value: Amount | null) => string} */ write,
) => (low === null || high === null ? (few ?? "not known") : `${write(low)} to ${write(high)}`);

/**
 * One figure of each variant, and how it differs from the control.
 * @param {ExperimentResults} results
 * @param {string} name
 * @param {(value: Amount | null) => string} write
 */
function compared(results, name, write) {
  return table({
    caption: "Variants against the control",
    columns: [
      { key: "name", label: "Variant" },
      { key: "value", label: "Figure", content: (row) => write(row.estimate.value) },
      { key: "band", label: "95 % interval", content: (row) => bandWords(row.estimate, write) },
      { key: "change", label: "Against the control", content: (row) => differs(row.difference) },
      {
        key: "pValue",
        label: "p",
        content: (row) =>
          row.difference?.pValue === null || !row.difference ? format.DASH : rounded(row.difference.pValue),
      },
    ],
    rows: results.variants.map((row) => ({
      name: row.name,
      estimate: row.figures[name],
      difference: /** @type {Difference | undefined} */ (row.differences[name]),
    })),
  });
}

/** @returns {Child} */
function differs(/** @type {Difference | undefined} */ difference) {
  if (!difference || difference.relative === null) return format.DASH;
  const { relative, relativeLow, relativeHigh, cuped } = difference;
  const percent = (/** @type {Amount | null} */ value) => format.change(value === null ? null : SHARE * Number(value));
  const band = relativeLow === null ? "" : ` (${percent(relativeLow)} to ${percent(relativeHigh)})`;
  return `${percent(relative)}${band}${cuped ? ", by what they cost before" : ""}`;
}
