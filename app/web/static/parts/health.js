// How healthy it is: a figure, a verdict, and what pulls it down with where to look.

import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";

/** @import { Answers, Context, Overview } from "../types.js" */

/** The parts of the score: their weight (app/reports/parts/health.py), what they are, and where they are looked at. */
const PARTS = /** @type {const} */ ([
  ["success", 60, "Success", "0 at 90% or less, 100 at 100%", "reliability", "failed calls"],
  ["latency", 25, "Latency", "100 at a p95 of 2 s or less, 0 at 20 s", "reliability/latency", "slow calls"],
  [
    "costCoverage",
    15,
    "Cost known",
    "share of calls with a known cost that is not an estimate",
    "reliability/data-quality",
    "calls without an exact cost",
  ],
]);
/** From which score on which verdict holds. @type {[number, string][]} */
const VERDICTS = [
  [90, "Good"],
  [70, "Fair"],
  [0, "Poor"],
];

/** The score of the month to date. */
export function health(/** @type {Context} */ context, /** @type {Answers} */ { overview: { health: of } }) {
  const none = of.score === null ? "No calls this month to score." : null;
  const score = el(
    "div.figure",
    { "data-figure": "health.score", "data-value": of.score ?? "", title: none },
    none ? format.DASH : format.count(of.score),
  );
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "health",
      title: "Health score",
      note: ["Month to date, 0 to 100", verdict(of)].filter(Boolean).join(": "),
      content: el(
        "div.score",
        {},
        score,
        none
          ? el("p.panel-note", {}, none)
          : el(
              "div.meters",
              {},
              PARTS.map(([name, , label, about, tab, calls]) =>
                meter(context, { label, value: of[name], about, tab, calls }),
              ),
            ),
      ),
    }),
  );
}

/** `good; mostly pulled down by failed calls (−4)`. */
function verdict(/** @type {Overview["health"]} */ of) {
  if (of.score === null) return null;
  const { score } = of;
  const [, word] = VERDICTS.find(([from]) => score >= from) ?? VERDICTS[2];
  const known = PARTS.filter(([name]) => of[name] !== null);
  const whole = known.reduce((sum, [, weight]) => sum + weight, 0);
  const losses = known.map(([name, weight, , , , calls]) => ({
    calls,
    lost: (weight * (100 - (of[name] ?? 100))) / whole,
  }));
  const most = losses.reduce((worst, each) => (each.lost > worst.lost ? each : worst));
  return most.lost < 0.5 ? word : `${word}; pulled down most by ${most.calls} (−${Math.round(most.lost)})`;
}

/**
 * @param {Context} context
 * @param {{label: string, value: number | null, about: string, tab: string, calls: string}} of
 */
function meter(context, { label, value, about, tab, calls }) {
  const lost = value !== null && value < 100;
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
    el(
      "p.panel-note",
      {},
      value === null ? "no calls report a duration" : about,
      lost ? [" · ", el("a", { href: context.href({ tab }), "data-link": "" }, `see ${calls}`)] : null,
    ),
  );
}
