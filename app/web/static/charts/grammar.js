// Vega-Lite: what draws charts, their specs, and how they look. Specs are files; data goes in as a named dataset.

import * as format from "../format.js";
import { colour } from "../palette.js";
import { axisName } from "../parts/buckets.js";

/** @import { VegaView } from "../types.js" */

/** Which fields of a row say where its point is: names on an axis, or `x` and `x2`, both ends on a scale of numbers. */
/** @typedef {{x?: string, x2?: string, y?: string, stacked?: boolean}} Places */
/** @typedef {object & {usermeta: Places}} Spec */

/** What a spec may call to write a figure on an axis. */
const expressionFunctions = {
  axisDay: axisName,
  axisCount: (/** @type {number} */ value) => (Number.isInteger(value) ? format.short(value) : ""), // no half calls
  axisMoney: (/** @type {number} */ value) => format.money(value).replace(/\.0+$/, ""),
  axisDuration: (/** @type {number} */ value) => format.duration(value).replace(".0 s", " s"),
  axisShare: (/** @type {number} */ value) => `${Math.round(1000 * value) / 10}%`,
  axisPlain: (/** @type {number} */ value) => format.short(value),
  axisPercent: (/** @type {number} */ value) => `${Math.round(1000 * value) / 1000}%`,
};

/** @type {Promise<Record<string, Spec>> | undefined} */
let specs;

/** @returns {Promise<Spec>} */
export async function specOf(/** @type {string} */ name) {
  specs ??= fetch(new URL("../charts.json", import.meta.url)).then((response) => response.json());
  try {
    return (await specs)[name];
  } catch (error) {
    specs = undefined; // the next chart asks again
    throw error;
  }
}
specOf("").catch(() => {}); // before there are figures to draw

/**
 * Draw a spec in an element.
 * @param {HTMLElement} element
 * @param {Spec} spec
 * @param {{values: Record<string, unknown>, width: number, height: number, rows: object[]}} what `values` fills the
 *   `$names` of the spec
 * @returns {Promise<VegaView>}
 */
export async function draw(element, spec, { values, width, height, rows }) {
  const embed = await vegaEmbed();
  const { usermeta: _, ...drawn } = /** @type {Spec} */ (filled(spec, { ...theme(), ...values }));
  return (await embed(element, { ...drawn, width, height, datasets: { rows } }, options())).view;
}

/** Vega, which is asked for with the first chart: figures come first. */
function vegaEmbed() {
  return import(document.documentElement.dataset.vega ?? "").then(() => window.vegaEmbed);
}

/**
 * The spec with each text `$name` replaced by the value of that name.
 * @param {unknown} spec
 * @param {Record<string, unknown>} values
 * @returns {unknown}
 */
function filled(spec, values) {
  if (typeof spec === "string" && spec.startsWith("$")) return values[spec.slice(1)];
  if (Array.isArray(spec)) return spec.map((part) => filled(part, values));
  if (spec === null || typeof spec !== "object") return spec;
  return Object.fromEntries(Object.entries(spec).map(([name, part]) => [name, filled(part, values)]));
}

function theme() {
  const names = ["accent", "text", "muted", "line", "surface", "previous", "heat-low", "heat-high", "error", "success"];
  return Object.fromEntries(names.map((name) => [name, colour(name)]));
}

function options() {
  return {
    mode: "vega-lite",
    renderer: "svg",
    logLevel: 1, // errors: a layer without rows is none
    ast: true, // a strict Content-Security-Policy allows no compiled expressions
    actions: false,
    defaultStyle: false,
    tooltip: false, // what is pointed at is found and told by pointing.js, for pointers, keys and fingers alike
    hover: false,
    expressionFunctions,
    config: config(),
  };
}

function config() {
  const font = getComputedStyle(document.body).fontFamily;
  const [muted, line] = [colour("muted"), colour("line")];
  const axis = { labelFont: font, titleFont: font, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400 };
  const spaces = { labelPadding: 6, labelSeparation: 6, titlePadding: 8 };
  const ink = { labelColor: muted, titleColor: muted, gridColor: line, domainColor: line, tickColor: line };
  return {
    background: "transparent",
    customFormatTypes: true,
    view: { stroke: null },
    // laid out again with each change: a new figure may need a longer label
    autosize: { type: "fit", contains: "padding", resize: true },
    padding: { left: 2, right: 8, top: 6, bottom: 2 },
    axis: { ...axis, ...ink, ...spaces, domain: false, ticks: false, labelLimit: 150 },
    legend: { disable: true }, // the legend is a list beside the chart: it wraps, and names are cut with care
    font,
  };
}
