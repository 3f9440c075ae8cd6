// Key figures: a value, what it is compared with, and what it leaves out.

import { el, svg } from "./dom.js";
import * as format from "./format.js";

/** @import { Amount, Child, Context, Known, Priced } from "./types.js" */

/**
 * `points`: in percentage points; `of`: what the change is of, where that is not the figure itself, in words.
 * @typedef {{
 *   percent: Known<Amount>, rising: "good" | "bad" | "neutral", points?: boolean, of?: Known<string>,
 *   compared?: Known<string>,
 * }} Trend
 */

/**
 * One key figure.
 * @param {{
 *   name: string, label: string, value: Known<Amount>, write: (value: Known<Amount>) => string,
 *   trend?: Trend | null, compared?: string | null, hint?: Child, missing?: string | null, spark?: (number | null)[],
 * }} figure `missing` is why there is none, where the value is null; `compared` names both periods in words
 */
export function card({ name, label, value, write, trend, compared, hint, missing, spark }) {
  const none = value === null || value === undefined;
  return el(
    "div.card",
    { "data-key": name },
    el("dt", {}, label),
    el(
      "dd.figure",
      { "data-figure": name, "data-value": none ? "" : String(value), title: none ? missing : String(value) },
      none ? el("span.dash", {}, format.DASH) : write(value),
    ),
    el("dd.hint", {}, none ? missing : changeOf(trend, compared)),
    hint ? el("dd.hint", {}, hint) : null,
    spark && !none ? sparkline(spark) : null,
  );
}

/** The cards of a page. */
export const cards = (/** @type {Child[]} */ list) => el("dl.cards", {}, list);

/** @returns {Child} */
function changeOf(/** @type {Known<Trend>} */ trend, /** @type {Known<string>} */ compared) {
  compared = trend?.compared ?? compared;
  if (!trend || !compared) return null;
  if (trend.percent === null || trend.percent === undefined) return null;
  const percent = Number(trend.percent);
  const arrow = percent > 0.05 ? "▲" : percent < -0.05 ? "▼" : "→";
  const direction = percent > 0.05 ? "up" : percent < -0.05 ? "down" : "unchanged";
  return [
    el(
      `span.trend${tone(percent, trend.rising)}`,
      { title: format.sentence(compared), "data-trend": percent.toFixed(2) },
      el("span", { "aria-hidden": "true" }, `${arrow} `),
      el("span.hidden", {}, `${direction} `),
      trend.points ? format.points(percent) : format.change(percent),
    ),
    " ",
    el("span.versus", {}, [versus(compared), trend.of].filter(Boolean).join(", ")),
  ];
}

/** Good and bad have a colour; a cost that rises is neither. */
function tone(/** @type {number} */ percent, /** @type {Trend["rising"]} */ rising) {
  if (rising === "neutral" || Math.abs(percent) < 0.05) return "";
  return percent > 0 === (rising === "good") ? ".good" : ".bad";
}

/**
 * The span that a sentence of the server compares with, shortly: `2026-11-21 against 2026-11-20, to 11:07` is
 * "vs 20 Nov, to 11:07".
 */
function versus(/** @type {string} */ compared) {
  const [, before = ""] = compared.split(" against ");
  const [first, last = first] = before.match(/\d{4}-\d{2}-\d{2}/g) ?? [];
  const [, until] = before.match(/to (\d{2}:\d{2})/) ?? [];
  if (!first || !last) return "vs previous period";
  return `vs ${format.shortSpan(first, last)}${until ? `, to ${until}` : ""}`;
}

/** A line without axes: the shape of the period, which the chart below has in full. */
function sparkline(/** @type {(number | null)[]} */ values) {
  const points = values.flatMap((value, place) => (value === null ? [] : [[place, value]]));
  if (points.length < 2 || points.every(([, value]) => value === 0)) return null;
  const top = Math.max(...points.map(([, value]) => value)) || 1;
  const width = values.length - 1;
  const path = points.map(([x, y]) => `${((100 * x) / width).toFixed(2)},${(26 - (24 * y) / top).toFixed(2)}`);
  return el(
    "dd.hint",
    { "aria-hidden": "true", styles: { marginTop: "auto" } },
    svg(
      "svg",
      { class: "spark", viewBox: "0 0 100 28", preserveAspectRatio: "none" },
      svg("path", { d: `M${path.join("L")}` }),
    ),
  );
}

/** How many calls a cost leaves out or rests on guesses, with a link to them. */
export function costNote(/** @type {Priced} */ totals, /** @type {Context["href"]} */ href) {
  const { requests, unpriced, estimated } = totals;
  if (requests === 0) return null;
  if (!unpriced && !estimated) return "All calls priced";
  const parts = [unpriced && `${format.count(unpriced)} unpriced`, estimated && `${format.count(estimated)} estimated`];
  return el(
    "a",
    {
      href: href({ tab: "reliability/data-quality" }),
      "data-link": "",
      "data-figure": "cost.quality",
      "data-value": `${unpriced}/${estimated}`,
    },
    parts.filter(Boolean).join(" · "),
  );
}
