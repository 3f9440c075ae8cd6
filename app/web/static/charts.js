// Charts by Vega-Lite, drawn once and then updated in place. Specs are files; data goes in as a named dataset.

import { el } from "./dom.js";
import * as format from "./format.js";
import { colour } from "./palette.js";
import { hideTooltip, tooltipOf } from "./tooltip.js";

/** @import { Chart, Component, Tooltip, VegaView } from "./types.js" */

const HEIGHT = 240;
/** @type {Promise<Record<string, object>> | undefined} */
let specs;

/** What a spec may call to write a figure on an axis. */
const expressionFunctions = {
  axisDay: (/** @type {string} */ value) => format.day(value, { year: false }),
  axisCount: (/** @type {number} */ value) => (Number.isInteger(value) ? format.short(value) : ""), // no half calls
  axisMoney: (/** @type {number} */ value) => format.money(value).replace(/\.0+$/, ""),
  axisDuration: (/** @type {number} */ value) => format.duration(value).replace(".0 s", " s"),
  axisShare: (/** @type {number} */ value) => `${Math.round(1000 * value) / 10}%`,
  axisPlain: (/** @type {number} */ value) => format.short(value),
  axisPercent: (/** @type {number} */ value) => `${value}%`,
};

/** A chart. */
export function chart(/** @type {Chart} */ props) {
  const height = `${props.height ?? HEIGHT}px`;
  return el("div.chart", { role: "img", "aria-label": props.label, styles: { minHeight: height }, component, props });
}

/** What draws each chart of the page. @type {WeakMap<HTMLElement, Drawing>} */
const drawings = new WeakMap();

/** @type {Component<Chart>} */
const component = {
  mount(node, props) {
    drawings.set(node, new Drawing(node, props));
  },
  update(node, props) {
    node.setAttribute("aria-label", props.label);
    drawings.get(node)?.show(props);
  },
};

/** One chart on the page: draws, updates, resizes and follows the theme, one step after the other. */
class Drawing {
  constructor(/** @type {HTMLElement} */ node, /** @type {Chart} */ props) {
    this.node = node;
    this.props = props;
    this.drawn = "";
    /** @type {Promise<unknown>} */
    this.steps = Promise.resolve();
    /** @type {VegaView | undefined} */
    this.view = undefined;
    this.resized = new ResizeObserver(() => this.next(() => this.resize()));
    this.resized.observe(node);
    this.recolour = () => (node.isConnected ? this.next(() => this.redraw()) : this.end());
    document.addEventListener("twinmeter:theme", this.recolour);
    this.show(props);
  }

  show(/** @type {Chart} */ props) {
    this.props = props;
    this.next(() => this.draw());
  }

  next(/** @type {() => unknown} */ step) {
    this.steps = this.steps
      .then(() => (this.node.isConnected ? step() : this.end()))
      .catch((error) => this.fail(error));
  }

  async draw() {
    const { spec, rows, values = {}, height = HEIGHT } = this.props;
    // colours and domains are part of what is compiled; rows alone are not
    const key = JSON.stringify([spec, values, height]);
    if (this.view && key === this.drawn) {
      await this.view.data("rows", rows).runAsync();
      return;
    }
    const width = this.node.clientWidth;
    if (width === 0) return; // not laid out yet: the observer comes back
    const [embed, source] = await Promise.all([vegaEmbed(), specOf(spec)]);
    await turn();
    this.finalize();
    const canvas = el("div", { "aria-hidden": "true" }); // the label and the table say it better than a thousand marks
    const whole = {
      .../** @type {object} */ (filled(source, { ...theme(), ...values })),
      width,
      height,
      datasets: { rows },
    };
    const result = await embed(
      canvas,
      whole,
      options((datum) => this.props.lines(/** @type {never} */ (datum))),
    );
    this.node.replaceChildren(canvas);
    this.view = result.view;
    this.drawn = key;
    this.node.dataset.drawn = String(rows.length);
  }

  async redraw() {
    this.drawn = "";
    await this.draw();
  }

  async resize() {
    const width = this.node.clientWidth;
    if (!this.view) return this.draw();
    if (width > 0 && Math.abs(width - this.view.width()) > 1) await this.view.width(width).runAsync();
  }

  fail(/** @type {unknown} */ error) {
    this.finalize();
    console.error("a chart could not be drawn", error);
    this.node.replaceChildren(el("p.state", {}, "This chart could not be drawn. The table has its figures."));
  }

  finalize() {
    this.view?.finalize();
    this.view = undefined;
    hideTooltip();
  }

  end() {
    this.finalize();
    this.resized.disconnect();
    document.removeEventListener("twinmeter:theme", this.recolour);
  }
}

/** A task of its own for each chart: figures are painted first, and the page answers between two charts. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

/** Vega, as the one module that the shell has started already. */
function vegaEmbed() {
  const script = /** @type {HTMLScriptElement} */ (document.getElementById("vega"));
  return import(script.src).then(() => window.vegaEmbed);
}

async function specOf(/** @type {string} */ name) {
  specs ??= fetch(new URL("./charts.json", import.meta.url)).then((response) => response.json());
  try {
    return (await specs)[name];
  } catch (error) {
    specs = undefined; // the next chart asks again
    throw error;
  }
}
specOf("").catch(() => {}); // before there are figures to draw

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

function options(/** @type {(datum: unknown) => Tooltip} */ lines) {
  return {
    mode: "vega-lite",
    renderer: "svg",
    logLevel: 1, // errors: a layer without rows is none
    ast: true, // a strict Content-Security-Policy allows no compiled expressions
    actions: false,
    defaultStyle: false,
    tooltip: tooltipOf(lines),
    expressionFunctions,
    config: config(),
  };
}

function config() {
  const font = getComputedStyle(document.body).fontFamily;
  const [muted, line] = [colour("muted"), colour("line")];
  const axis = { labelFont: font, titleFont: font, labelFontSize: 11, titleFontSize: 11, titleFontWeight: 400 };
  const spaces = { labelPadding: 6, labelSeparation: 6, titlePadding: 8 };
  const ink = { labelColor: muted, titleColor: muted, gridColor: line, domainColor: line, tickColor: line };
  return {
    background: "transparent",
    customFormatTypes: true,
    view: { stroke: null },
    autosize: { type: "fit", contains: "padding" },
    padding: { left: 2, right: 8, top: 6, bottom: 2 },
    axis: { ...axis, ...ink, ...spaces, domain: false, ticks: false, labelLimit: 150 },
    legend: { disable: true }, // the legend is a list beside the chart: it wraps, and names are cut with care
    font,
  };
}
